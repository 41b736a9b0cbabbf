"""Comment trees as a source: all comments of the posts in a plan."""

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

from reddit_etl.entities import COMMENTS
from reddit_etl.entities.schema import Entity
from reddit_etl.errors import RedditError
from reddit_etl.sources.ages import AGES, ages_of, ages_text

if TYPE_CHECKING:
    from reddit_etl.sources import Source
    from reddit_etl.sources.client import Observation, RedditClient
    from reddit_etl.sources.thread import Thread

log = logging.getLogger(__name__)

NAME = re.compile(rf"tree-({AGES})", re.ASCII)
# Consecutive ones: then the posts are not the cause.
FAILURES = 3


@dataclass(frozen=True)
class Due:
    """A post whose tree is to be read at `age` hours; `created_at` is in the lake's format."""

    post_id: str
    age: int
    created_at: str
    stubs: tuple[str, ...] = ()
    """Ids of comments that an earlier hour had no requests left for. Empty if the tree was not begun."""
    threads: tuple[str, ...] = ()
    """Ids of comments below which to continue, likewise."""
    failed: bool = False
    """Whether its tree could not be read in an earlier hour. Such posts come last, so that they delay no others."""

    @classmethod
    def read(cls, value: Mapping[str, Any]) -> Self:
        """From its JSON in a receipt."""
        stubs, threads = tuple(value.get("stubs", ())), tuple(value.get("threads", ()))
        failed = bool(value.get("failed"))
        return cls(str(value["post_id"]), int(value["age"]), str(value["created_at"]), stubs, threads, failed)


@dataclass
class Coverage:
    """How much of the trees was read."""

    due: int = 0
    """Posts that are due."""
    waiting: int = 0
    """Those of them that the plan has no room for."""
    done: int = 0
    """Posts whose tree was read completely."""
    unavailable: int = 0
    """Posts that are no longer available."""
    missed: int = 0
    """Posts that the plan dropped because they were overdue."""
    fetched: int = 0
    """Comments that were read."""
    stubs_left: int = 0
    """Comments known by id only: Reddit did not return them, or the requests were used up."""
    num_comments: int = 0
    """Comments of these posts by Reddit's own count, which includes removed ones."""


@dataclass
class Trees:
    """The trees of the posts that reach one of the ages, in hours."""

    ages: tuple[int, ...]
    plan: Sequence[Due] = ()
    most_requests: int = 0
    """Once as many are sent, the rest is left for a later hour."""
    coverage: Coverage = field(default_factory=Coverage)
    left: list[Due] = field(default_factory=list)
    _failures: int = 0

    @classmethod
    def parse(cls, name: str) -> Self | None:
        """The trees of that name; None if the name is of another form."""
        found = NAME.fullmatch(name)
        return found and cls(ages_of(found[1]))

    @property
    def name(self) -> str:
        """See `Source`."""
        return f"tree-{ages_text(self.ages)}"

    @property
    def title(self) -> str:
        """See `Source`."""
        return "comment trees"

    @property
    def entity(self) -> Entity:
        """See `Source`."""
        return COMMENTS

    @property
    def parts(self) -> Sequence["Source"]:
        """See `Source`."""
        return ()

    @property
    def is_newest_first(self) -> bool:
        """See `Source`."""
        return False

    @property
    def has_past(self) -> bool:
        """See `Source`."""
        return True

    @property
    def expected(self) -> None:
        """See `Source`."""
        return None

    def is_full(self, seen: int) -> bool:  # noqa: ARG002
        """See `Source`."""
        return False

    def planned(self, due: Sequence[Due], *, missed: int, waiting: int, most_requests: int) -> Self:
        """A copy with the posts of a plan."""
        coverage = Coverage(due=len(due) + waiting, waiting=waiting, missed=missed)
        return replace(self, plan=due, most_requests=most_requests, coverage=coverage, left=[])

    def facts(self) -> Mapping[str, Any]:
        """See `Source`."""
        return {"coverage": asdict(self.coverage), "left": [asdict(due) for due in self.left]}

    def observations(self, client: "RedditClient") -> Iterator["Observation"]:
        """Each comment once per tree. Holds one response, and the ids of one tree, in memory.

        Posts that are no longer available are counted; posts that fail are left for a later hour, and after consecutive
        failures all others too. Raises `RedditError` if nothing was read before these.
        """
        # Imported here, so that a run that reads nothing does without PRAW.
        from reddit_etl.sources.thread import Thread  # noqa: PLC0415
        from reddit_etl.sources.verdict import Unavailable  # noqa: PLC0415

        end = client.requests + self.most_requests
        for due in self.plan:
            if client.requests >= end or self._failures == FAILURES:
                self.left.append(due)
                continue
            thread = Thread(due.post_id, due.stubs, due.threads)
            try:
                yield from thread.observations(client, end=end)
            except Unavailable as unavailable:
                log.info("post unavailable", extra={"post": due.post_id, "verdict": unavailable.verdict})
                self._failures = 0
                self.coverage.unavailable += 1
            except RedditError as error:
                self._failed(due, thread, error)
            else:
                self._failures = 0
                self._count(due, thread)
            self.coverage.fetched += thread.fetched
            self.coverage.stubs_left += thread.stubs_left
            self.coverage.num_comments += thread.num_comments

    def _count(self, due: Due, thread: "Thread") -> None:
        if thread.is_done:
            self.coverage.done += 1
        else:
            self._leave(due, thread)

    def _failed(self, due: Due, thread: "Thread", error: RedditError) -> None:
        self._failures += 1
        # What was read is kept. Posts that have failed before may well be the cause.
        is_first = not due.failed and not self.coverage.fetched and not self.coverage.done
        if self._failures == FAILURES and is_first:
            raise error
        log.warning("tree deferred to a later hour", extra={"post": due.post_id, "error": str(error)})
        self._leave(replace(due, failed=True), thread)

    def _leave(self, due: Due, thread: "Thread") -> None:
        self.left.append(replace(due, stubs=tuple(thread.stubs), threads=tuple(thread.threads)))
