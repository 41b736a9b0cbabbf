"""Another look at known posts and comments, which Reddit returns by their ids, 100 per request.

The ids of all ages, subreddits and entities share the requests, so one extract reads them all. Each other entity has an
extract of its own, which takes its part over from the receipt of the first.
"""

import logging
import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

from reddit_etl.entities import ENTITIES
from reddit_etl.entities.schema import Entity
from reddit_etl.errors import RedditError
from reddit_etl.sources import IDS
from reddit_etl.sources.ages import AGES, ages_of, ages_text
from reddit_etl.sources.look import Look
from reddit_etl.sources.notices import CONTROLS, MANY, Notices, has_content, is_evidence

if TYPE_CHECKING:
    from reddit_etl.sources.client import Observation, RedditClient

log = logging.getLogger(__name__)

NAME = re.compile(rf"refresh-(?P<entity>[a-z]+)(-(?P<ages>{AGES}))?(-sweep-(?P<sweep>\d{{3,4}})h)?", re.ASCII)
# Consecutive ones: then the posts and comments are not the cause.
FAILURES = 3
STUB = "content is missing"


@dataclass
class Coverage:
    """How much of a plan was done."""

    due: int = 0
    """Posts and comments that are due."""
    waiting: int = 0
    """Those of them that the plan has no room for."""
    done: int = 0
    """Those that Reddit returned."""
    absent: int = 0
    """Those that Reddit did not return."""
    gone: int = 0
    """Those of them that are taken for deleted."""
    unclear: int = 0
    """Those of them that were absent twice, as was all else of their subreddit."""
    missed: int = 0
    """Posts and comments that the plan dropped because they were overdue."""


@dataclass
class Refresh:
    """Known posts and comments, at fixed ages in hours and once every `sweep` hours; 0 for no sweep."""

    entity: Entity
    ages: tuple[int, ...]
    sweep: int
    plan: Sequence[str] = ()
    """Looks as their texts, which take less memory."""
    most_requests: int = 0
    """Once as many are sent, the rest is left for a later hour."""
    coverage: Coverage = field(default_factory=Coverage)
    notices: Notices = field(default_factory=lambda: Notices(0))
    left: list[Look] = field(default_factory=list)

    @classmethod
    def parse(cls, name: str) -> Self | None:
        """The looks of that name; None if it has another form."""
        found = NAME.fullmatch(name)
        if not found or found["entity"] not in ENTITIES or not (found["ages"] or found["sweep"]):
            return None
        return cls(ENTITIES[found["entity"]], ages_of(found["ages"] or ""), int(found["sweep"] or 0))

    @property
    def name(self) -> str:
        """See `Source`."""
        ages = ages_text(self.ages)
        parts = [f"-{ages}" if ages else "", f"-sweep-{self.sweep:03d}h" if self.sweep else ""]
        return f"refresh-{self.entity.name}{''.join(parts)}"

    @property
    def reader(self) -> Self:
        """The extract that reads this entity too."""
        return replace(self, entity=next(iter(ENTITIES.values())))

    @property
    def parts(self) -> Sequence[Self]:
        """See `Source`."""
        first, *others = ENTITIES.values()
        return [replace(self, entity=entity) for entity in others] if self.entity is first else []

    @property
    def title(self) -> str:
        """See `Source`."""
        return f"known {self.entity.name}"

    @property
    def is_newest_first(self) -> bool:
        """See `Source`."""
        return False

    @property
    def has_past(self) -> bool:
        """See `Source`."""
        return True

    @property
    def expected(self) -> int:
        """See `Source`."""
        return len(self.plan)

    def is_full(self, seen: int) -> bool:  # noqa: ARG002
        """See `Source`."""
        return False

    def planned(
        self, looks: Sequence[str], *, missed: int, waiting: int, most_requests: int, notice_share: int
    ) -> Self:
        """A copy with the looks of a plan, as their texts."""
        return replace(
            self,
            plan=looks,
            most_requests=most_requests,
            coverage=Coverage(due=len(looks) + waiting, waiting=waiting, missed=missed),
            notices=Notices(notice_share),
            left=[],
        )

    def facts(self) -> Mapping[str, Any]:
        """See `Source`."""
        return {
            "coverage": asdict(self.coverage),
            "absent": self.notices.absent,
            "gone": self.notices.gone,
            "is_suspicious": self.notices.is_suspicious,
            "left": [str(look) for look in self.left],
        }

    def observations(self, client: "RedditClient") -> Iterator["Observation"]:
        """Each post and comment that Reddit returns. Holds one response in memory.

        What a request that fails asked for is requested in halves, behind all others, so that one id cannot defer a
        hundred. Looks that cannot be made are left for a later hour, but for those of the sweep; after three requests
        in a row that fail, all others too. Raises `RedditError` if nothing could be read.
        """
        failures, failed, sent = 0, None, 0
        waiting = deque(self._requests())
        while waiting:
            looks = list(map(Look.read, waiting.popleft()))
            if failures == FAILURES or sent == self.most_requests:
                self._leave(looks)
                continue
            sent += 1
            try:
                found = dict(client.info([look.fullname for look in looks]))
            except RedditError as error:
                failures, failed = failures + 1, str(error)
                log.warning("a request for looks failed", extra={"looks": len(looks), "error": failed})
                if len(looks) > 1:
                    waiting += ([*map(str, looks[::2])], [*map(str, looks[1::2])])
                else:
                    self._leave(looks)
                continue
            if not is_evidence(looks, found):
                failures += 1
                why = f"api/info: none of {len(looks)} known posts and comments is in the response"
                # Fewer may really be gone, and that is no failure of the run.
                failed = why if len(looks) >= MANY else failed
                log.warning("looks deferred to a later hour", extra={"error": why})
                self._leave(looks)
                continue
            failures = 0
            yield from self._taken(looks, found)
        if failed and not self.coverage.done:
            raise RedditError(f"known posts and comments could not be read: {failed}")
        self._conclude()

    def _requests(self) -> list[list[str]]:
        """What each request asks for. Those that are asked for again are dealt evenly, as are the others."""
        count = min(-(-len(self.plan) // IDS), self.most_requests)
        again = [text for text in self.plan if Look.read(text).absent_at]
        others = [text for text in self.plan if not Look.read(text).absent_at]
        most = count * (IDS - CONTROLS)
        room = count * IDS - len(again[:most])
        self._leave(map(Look.read, [*again[most:], *others[room:]]))
        asked = [*again[:most], *others[:room]]
        return [asked[number::count] for number in range(count)]

    def _taken(self, looks: Sequence[Look], found: "Mapping[str, Observation]") -> "Iterator[Observation]":
        """The observations of an answer."""
        for look in looks:
            if one := found.get(look.fullname):
                is_whole = has_content(one)
                self.coverage.done += is_whole
                yield replace(one, listing=f"refresh-{look.why}", reason=None if is_whole else STUB)
            else:
                self.coverage.absent += 1
        stubs = {name for name, one in found.items() if not has_content(one)}
        at = max((one.observed_at for one in found.values()), default=None)
        self.notices.add([look for look in looks if look.fullname not in stubs], found.keys(), at)

    def _leave(self, looks: Iterable[Look]) -> None:
        """The sweep comes back in its turn; if it were kept too, what is left could grow without end."""
        self.left += [look for look in looks if look.age is not None or look.absent_at]

    def _conclude(self) -> None:
        self.notices.conclude()
        self._leave(self.notices.left)
        self.coverage.gone, self.coverage.unclear = len(self.notices.gone), self.notices.unclear
