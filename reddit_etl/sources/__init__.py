"""What an extract reads: each source has a name, an entity, and gives its observations one by one.

The name says source, entity and request: `python-new-1000` and `python-comments-1000` are listings,
`tree-024h.168h` is the comments below the posts of these ages. What is not from Reddit says so in front, like
`sandbox.python-new-1000`, so that neither is ever taken for the other.
"""

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from reddit_etl.errors import ConfigurationError

if TYPE_CHECKING:
    from reddit_etl.entities.schema import Entity
    from reddit_etl.sources.client import Observation, RedditClient

REDDIT = "reddit"
NAME = re.compile(r"((?P<source>[a-z]+)\.)?(?P<request>.+)", re.ASCII)


class Source(Protocol):
    """What one extract reads."""

    @property
    def name(self) -> str:
        """Without the source in front."""

    @property
    def title(self) -> str:
        """For people."""

    @property
    def entity(self) -> "Entity": ...

    @property
    def is_newest_first(self) -> bool:
        """Whether it ends at something older than what was read last, unless something was missed between."""

    @property
    def has_past(self) -> bool:
        """Whether it can still be read once its hour is over."""

    @property
    def expected(self) -> int | None:
        """How many observations it gives at most, or about; None if nobody knows."""

    def is_full(self, seen: int) -> bool:
        """Whether so many observations are as many as Reddit gives, so that others may have been left out."""

    def observations(self, client: "RedditClient") -> Iterator["Observation"]:
        """Raises `Unavailable`, `RedditError` or `ConfigurationError`."""

    def facts(self) -> Mapping[str, Any]:
        """What the receipt says of it, once it is read."""


def full_name(request: str, source: str) -> str:
    """The name of an extract."""
    return request if source == REDDIT else f"{source}.{request}"


def source_of(name: str) -> str:
    """`reddit`, or what the name has in front."""
    found = NAME.fullmatch(name)
    return (found and found["source"]) or REDDIT


def named(name: str, *, source: str) -> Source:
    """What the extract of that name reads. Raises ConfigurationError for a name that is none, or of another source."""
    # PRAW is only paid for by who reads Reddit.
    from reddit_etl.sources.listing import Listing  # noqa: PLC0415
    from reddit_etl.sources.tree import Trees  # noqa: PLC0415

    if source_of(name) != source:
        raise ConfigurationError(
            f"{name!r} is of {source_of(name)}, and these settings read {source}: "
            f"set Reddit's credentials for reddit, and none for sandbox"
        )
    request = name.removeprefix(f"{source}.")
    for kind in (Trees, Listing):
        found: Source | None = kind.parse(request)
        if found and found.name == request:
            return found
    raise ConfigurationError(f"{name!r} is no extract's name: write it like python-new-1000")
