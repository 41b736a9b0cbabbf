"""What the server is given to serve, and the envelopes in which Reddit sends it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

Thing = dict[str, Any]


@dataclass(frozen=True)
class Refusal:
    """Why something is not given: an HTTP status, Reddit's reason, and where a redirect leads."""

    status: int
    reason: str | None = None
    location: str | None = None


ABSENT = Refusal(404)
FORBIDDEN = Refusal(403)


@dataclass(frozen=True)
class Listing:
    """The ids of a whole listing in order, and how to get the payload at an index of it."""

    ids: list[str]
    post: Callable[[int], dict[str, Any]]
    kind: str = "t3"


@dataclass(frozen=True)
class Tree:
    """A post's payload and its comments as nested things."""

    post: dict[str, Any]
    comments: list[Thing]


class Content(Protocol):
    """What the server serves. `tree` and `more` are called only for requests for comment trees."""

    def listing(self, subreddit: str, listing: str) -> Listing | Refusal:
        """Posts (`new`, `hot`, …) or, for `comments`, the newest comments of a subreddit."""

    def info(self, fullnames: list[str]) -> Iterable[dict[str, Any]]:
        """The payloads of posts and comments by their `t3_` and `t1_` names, in that order, absent ones left out."""

    def tree(self, post_id: str, *, limit: int, subreddit: str | None, comment: str | None) -> Tree | Refusal:
        """A post with at most `limit` of its comments: the whole tree, or the subtree whose root is `comment`."""

    def more(self, link: str, children: list[str], *, only_these: bool) -> list[Thing] | Refusal:
        """Comments by their ids, of the post whose name is `link`, and their replies unless `only_these`; flat."""


def thing(kind: str, payload: dict[str, Any]) -> Thing:
    """A payload in the envelope that names its kind."""
    return {"kind": kind, "data": payload}


def page(children: list[Thing], after: str | None = None, *, counted: bool = True) -> Thing:
    """A listing; those of comments within trees have no number of children."""
    data = {
        "after": after,
        "before": None,
        "dist": len(children) if counted else None,
        "modhash": None,
        "geo_filter": "",
        "children": children,
    }
    return thing("Listing", data)
