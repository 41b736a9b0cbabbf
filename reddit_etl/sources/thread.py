"""The comment tree of one post: the response of `/comments`, and what it leaves out.

A response contains `more` stubs: ids of comments, which `/api/morechildren` returns, 100 per request and one request at
a time (https://www.reddit.com/dev/api#GET_api_morechildren), and threads that are too deep, for which the tree of the
comment itself is requested ("continue this thread").
"""

import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from reddit_etl.sources import IDS
from reddit_etl.sources.client import NotUnderstoodError, Observation, RedditClient
from reddit_etl.sources.verdict import Unavailable

MOST = 500  # Comments per response: 333 to 527 were recorded, whatever limit is requested.
ID = re.compile(r"[0-9a-z]{1,13}")


@dataclass(frozen=True)
class Tree:
    """A response of `/comments`: Reddit's own number of comments, and the comments at the top level."""

    num_comments: int
    children: list[Any]


class Thread:
    """The comments of one post that are still to be read.

    `stubs` are the ids of comments to request, `threads` the ids of comments below which to continue. With neither, the
    tree is read from the top.
    """

    def __init__(self, post_id: str, stubs: Sequence[str] = (), threads: Sequence[str] = ()) -> None:
        self._post_id = post_id
        self.stubs = deque(stubs)
        self.threads = deque(threads)
        self._known = {*stubs}
        """All ids that stubs have named."""
        self._asked: set[str] = set()
        self._seen: set[str] = set()
        self._is_begun = bool(stubs or threads)
        self._asked_below = {*threads}
        self._nameless = 0
        self.num_comments = 0

    @property
    def fetched(self) -> int:
        """Comments that were read."""
        return len(self._seen)

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to request."""
        return self._is_begun and not self.stubs and not self.threads

    @property
    def stubs_left(self) -> int:
        """Comments that are known to exist but were not read: not requested yet, or not returned by Reddit."""
        return len(self._known - self._seen) + len(self.threads) + self._nameless

    def observations(self, client: RedditClient, *, end: int) -> Iterator[Observation]:
        """Each comment once, until the client has sent `end` requests in all.

        Raises `Unavailable`, `RedditError` or `ConfigurationError`; what was not read then remains in `stubs` and
        `threads`.
        """
        while not self.is_done and client.requests < end:
            if not self._is_begun:
                tree, observed_at = client.ask(f"comments/{self._post_id}", tree_of, params={"limit": MOST})
                self._is_begun, self.num_comments = True, tree.num_comments
                yield from self._read(tree.children, observed_at)
            elif self.stubs:
                yield from self._more(client)
            else:
                yield from self._below(client)

    def _more(self, client: RedditClient) -> Iterator[Observation]:
        """Request the next stubs, pooled over the whole tree."""
        ids = self._next_stubs()
        if not ids:
            return
        form = {"api_type": "json", "link_id": f"t3_{self._post_id}", "children": ",".join(ids)}
        try:
            things, observed_at = client.ask("api/morechildren", things_of, form=form)
        except BaseException:
            self.stubs.extendleft(reversed(ids))
            raise
        self._asked.update(ids)
        yield from self._read(things, observed_at)

    def _below(self, client: RedditClient) -> Iterator[Observation]:
        """Request the next thread that is too deep."""
        params: dict[str, str | int] = {"comment": self.threads[0], "context": 0, "limit": MOST}
        try:
            tree, observed_at = client.ask(f"comments/{self._post_id}", tree_of, params=params)
        except Unavailable as unavailable:
            if unavailable.verdict != "not_found":
                raise
            # The comment above it is gone; the rest of the post need not be.
            self.threads.popleft()
            self._nameless += 1
            return
        self.threads.popleft()
        yield from self._read(tree.children, observed_at)

    def _next_stubs(self) -> list[str]:
        """As many as fit in one request, without those that other responses contained."""
        ids: dict[str, None] = {}
        while self.stubs and len(ids) < IDS:
            one = self.stubs.popleft()
            if one not in self._seen:
                ids[one] = None
        return list(ids)

    def _read(self, children: list[Any], observed_at: datetime) -> Iterator[Observation]:
        """The comments among the children and below them, in Reddit's order; stubs are kept for later."""
        fetched, ids = self.fetched, list[str]()
        waiting = [iter(children)]
        while waiting:
            try:
                child = next(waiting[-1])
            except StopIteration:
                waiting.pop()
                continue
            data = child.get("data") if isinstance(child, dict) else None
            if isinstance(data, dict) and child.get("kind") == "more":
                ids += self._noted(data)
            elif isinstance(data, dict) and child.get("kind") == "t1":
                # Replies are observed on their own.
                replies = data.pop("replies", None)
                if self._is_new(data):
                    yield Observation(child, observed_at)
                waiting.append(iter(_children_of(replies)))
            else:
                yield Observation(child, observed_at)
        # A response has a maximum of comments, and names those that did not fit once more. Ids that were requested
        # before are requested again only if the response had new comments; otherwise this would never end.
        again = self.fetched > fetched
        self.stubs.extend(
            one for one in dict.fromkeys(ids) if one not in self._seen and (again or one not in self._asked)
        )

    def _is_new(self, data: dict[str, Any]) -> bool:
        """False for a comment that was read before; one without an id is passed on, to be rejected."""
        comment_id = data.get("id")
        if not isinstance(comment_id, str):
            return True
        is_new = comment_id not in self._seen
        self._seen.add(comment_id)
        return is_new

    def _noted(self, stub: dict[str, Any]) -> list[str]:
        """The ids in a `more` stub; without any, it stands for a thread that is too deep."""
        children, parent = stub.get("children"), str(stub.get("parent_id"))
        ids = [one for one in children if is_id(one)] if isinstance(children, list) else []
        self._known.update(ids)
        below = parent.removeprefix("t1_")
        if not ids and parent.startswith("t1_") and is_id(below):
            if below not in self._asked_below:
                self._asked_below.add(below)
                self.threads.append(below)
        elif not ids:
            self._nameless += 1
        return ids


def _children_of(listing: object) -> list[Any]:
    data = listing.get("data") if isinstance(listing, dict) else None
    children = data.get("children") if isinstance(data, dict) else None
    return children if isinstance(children, list) else []


def is_id(value: object) -> bool:
    """Whether it is a valid id, safe to put into a request."""
    return isinstance(value, str) and bool(ID.fullmatch(value))


def tree_of(answer: object) -> Tree:
    """Parse a response of `/comments`: a listing of the post and one of comments. Raises NotUnderstoodError."""
    try:
        post, comments = answer  # type: ignore[misc]
        [top] = post["data"]["children"]  # type: ignore[has-type]
        children = comments["data"]["children"]  # type: ignore[has-type]
        number = top["data"].get("num_comments")
    except (TypeError, ValueError, LookupError, AttributeError):
        raise NotUnderstoodError("a post with its comments") from None
    if not isinstance(children, list):
        raise NotUnderstoodError("a post with its comments")
    return Tree(number if isinstance(number, int) else 0, children)


def things_of(answer: object) -> list[Any]:
    """Parse a response of `/api/morechildren`. Raises NotUnderstoodError."""
    body = answer.get("json") if isinstance(answer, dict) else None
    if not isinstance(body, dict) or body.get("errors"):
        raise NotUnderstoodError("a list of comments")
    # Some stubs have nothing to give.
    data = body.get("data", {})
    things = data.get("things", []) if isinstance(data, dict) else None
    if not isinstance(things, list):
        raise NotUnderstoodError("a list of comments")
    return things
