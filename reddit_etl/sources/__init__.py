"""Sources: what an extract reads. Each has a name and an entity, and yields observations.

The name says what is read and from where: `python-new-1000` and `python-comments-1000` are listings,
`tree-024h.168h` is the comment trees of posts at these ages, `refresh-posts-024h-sweep-020h` is another look at posts
that are known. Names that are not Reddit's have a prefix, such as `sandbox.python-new-1000`, so that one is never
mistaken for the other.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from reddit_etl.errors import ConfigurationError

if TYPE_CHECKING:
    from reddit_etl.entities.schema import Entity
    from reddit_etl.sources.client import Observation, RedditClient

REDDIT = "reddit"
IDS = 100
"""Reddit's maximum of ids per request."""
NAME = re.compile(r"((?P<source>[a-z]+)\.)?(?P<request>.+)", re.ASCII)


class Source(Protocol):
    """What one extract reads."""

    @property
    def name(self) -> str:
        """The name, without the prefix."""

    @property
    def title(self) -> str:
        """The name in reports."""

    @property
    def entity(self) -> "Entity":
        """What it reads."""

    @property
    def parts(self) -> "Sequence[Source]":
        """The sources of further entities that the same requests give."""

    @property
    def is_newest_first(self) -> bool:
        """Whether it is sorted by creation, newest first, so that a gap can be found."""

    @property
    def has_past(self) -> bool:
        """Whether it can still be read once its hour is over."""

    @property
    def expected(self) -> int | None:
        """The maximum or approximate number of observations, to show progress; None if unknown."""

    def is_full(self, seen: int) -> bool:
        """Whether `seen` observations are as many as Reddit returns, so that more may exist."""

    def observations(self, client: "RedditClient") -> Iterator["Observation"]:
        """Read it. Raises `Unavailable`, `RedditError` or `ConfigurationError`."""

    def facts(self) -> Mapping[str, Any]:
        """Fields for the receipt, after it was read."""


def grouped(sources: Iterable[Source]) -> list[list[Source]]:
    """What is transformed and loaded together, in the order of the names.

    The listings of an entity are one group. Trees and looks are another: they wait for the warehouse, and listings must
    not.
    """
    ordered = sorted(sources, key=lambda source: source.name)
    groups = ([one for one in ordered if one.has_past is has_past] for has_past in (False, True))
    return [group for group in groups if group]


def full_name(request: str, source: str) -> str:
    """The name of an extract, with the prefix of its source."""
    return request if source == REDDIT else f"{source}.{request}"


def source_of(name: str) -> str:
    """The prefix of a name, `reddit` if it has none."""
    found = NAME.fullmatch(name)
    return (found and found["source"]) or REDDIT


def named(name: str, *, source: str) -> Source:
    """The source of that name. Raises ConfigurationError for an invalid name, or one of another source."""
    # Imported here, since both import this package.
    from reddit_etl.sources.listing import Listing  # noqa: PLC0415
    from reddit_etl.sources.refresh import Refresh  # noqa: PLC0415
    from reddit_etl.sources.tree import Trees  # noqa: PLC0415

    if source_of(name) != source:
        raise ConfigurationError(
            f"{name!r} reads {source_of(name)}, but the settings read {source}: "
            f"set Reddit's credentials for reddit, none for sandbox"
        )
    request = name.removeprefix(f"{source}.")
    for kind in (Trees, Refresh, Listing):
        found: Source | None = kind.parse(request)
        if found and found.name == request:
            return found
    raise ConfigurationError(f"{name!r} is not the name of an extract: use the form python-new-1000")
