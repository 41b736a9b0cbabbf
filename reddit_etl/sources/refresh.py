"""Another look at known posts and comments, which Reddit returns by their ids, 100 per request.

The ids of all ages, subreddits and entities share the requests, so one extract reads them all. Each other entity has an
extract of its own, which takes its part over from the receipt of the first.
"""

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

from reddit_etl.entities import ENTITIES
from reddit_etl.entities.schema import Entity
from reddit_etl.errors import RedditError

if TYPE_CHECKING:
    from reddit_etl.sources.client import Observation, RedditClient

log = logging.getLogger(__name__)

NAME = re.compile(
    r"refresh-(?P<entity>[a-z]+)(-(?P<ages>\d{3,4}h(\.\d{3,4}h)*))?(-sweep-(?P<sweep>\d{3,4})h)?", re.ASCII
)
SWEEP = "sweep"
IDS = 100  # Reddit's maximum of ids per request.
# Consecutive ones: then the posts and comments are not the cause.
FAILURES = 3
# So many are not all gone at once; Reddit has answered with an empty list while it was failing.
MANY = 10


@dataclass(frozen=True)
class Look:
    """A post or comment that is due: its id with the prefix of its kind, such as `t3_abc`, and why.

    `why` is the age, such as `024h`, or `sweep`; `created_at` is in the lake's format.
    """

    fullname: str
    why: str
    created_at: str

    @classmethod
    def read(cls, text: str) -> Self:
        """From its text in a receipt. Raises ValueError for another form."""
        fullname, why, created_at = text.split(" ")
        return cls(fullname, why, created_at)

    def __str__(self) -> str:
        return f"{self.fullname} {self.why} {self.created_at}"

    @property
    def age(self) -> int | None:
        """In hours; None for the sweep."""
        return None if self.why == SWEEP else int(self.why.rstrip("h"))


@dataclass
class Looks:
    """How much of a plan was done."""

    due: int = 0
    """Posts and comments of the plan."""
    done: int = 0
    """Those that Reddit returned."""
    absent: int = 0
    """Those that Reddit did not return."""
    missed: int = 0
    """Those that the plan dropped because they were overdue."""


@dataclass
class Refresh:
    """Known posts and comments, at fixed ages in hours and once every `sweep` hours; 0 for no sweep."""

    entity: Entity
    ages: tuple[int, ...]
    sweep: int
    plan: Sequence[Look] = ()
    most_requests: int = 0
    """Once as many are sent, the rest is left for a later hour."""
    coverage: Looks = field(default_factory=Looks)
    absent: list[str] = field(default_factory=list)
    left: list[Look] = field(default_factory=list)

    @classmethod
    def parse(cls, name: str) -> Self | None:
        """The looks of that name; None if it has another form."""
        found = NAME.fullmatch(name)
        if not found or found["entity"] not in ENTITIES or not (found["ages"] or found["sweep"]):
            return None
        ages = tuple(int(age.rstrip("h")) for age in found["ages"].split(".")) if found["ages"] else ()
        return cls(ENTITIES[found["entity"]], ages, int(found["sweep"] or 0))

    @property
    def name(self) -> str:
        """See `Source`."""
        ages = ".".join(f"{age:03d}h" for age in sorted(set(self.ages)))
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

    def planned(self, looks: Sequence[Look], *, missed: int, most_requests: int) -> Self:
        """A copy with the looks of a plan."""
        coverage = Looks(due=len(looks), missed=missed)
        return replace(self, plan=looks, most_requests=most_requests, coverage=coverage, absent=[], left=[])

    def facts(self) -> Mapping[str, Any]:
        """See `Source`."""
        return {"coverage": asdict(self.coverage), "absent": self.absent, "left": [str(look) for look in self.left]}

    def observations(self, client: "RedditClient") -> Iterator["Observation"]:
        """Each post and comment that Reddit returns. Holds one response in memory.

        Looks at an age that cannot be made are left for a later hour; after three requests in a row that fail, all
        others too. Raises `RedditError` if nothing could be read.
        """
        failures, failed = 0, None
        for begin in range(0, len(self.plan), IDS):
            looks = self.plan[begin : begin + IDS]
            if failures == FAILURES or begin >= self.most_requests * IDS:
                self._leave(looks)
                continue
            try:
                found = _returned(client, looks)
            except RedditError as error:
                failures, failed = failures + 1, str(error)
                log.warning("looks deferred to a later hour", extra={"error": failed})
                self._leave(looks)
                continue
            failures = 0
            for look in looks:
                if one := found.pop(look.fullname, None):
                    self.coverage.done += 1
                    yield replace(one, listing=f"refresh-{look.why}")
                else:
                    self.coverage.absent += 1
                    self.absent.append(look.fullname)
        if failed and not self.coverage.done:
            raise RedditError(f"known posts and comments could not be read: {failed}")

    def _leave(self, looks: Sequence[Look]) -> None:
        """The sweep comes back in its turn; if it were kept too, what is left could grow without end."""
        self.left += [look for look in looks if look.age is not None]


def _returned(client: "RedditClient", looks: Sequence[Look]) -> dict[str, "Observation"]:
    """What Reddit returns, by full name. Raises RedditError also for an answer without any of many."""
    found = dict(client.info([look.fullname for look in looks]))
    if len(looks) >= MANY and found.keys().isdisjoint(look.fullname for look in looks):
        raise RedditError(f"api/info: none of {len(looks)} known posts and comments is in the response")
    return found
