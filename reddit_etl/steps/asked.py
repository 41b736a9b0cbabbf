"""What the warehouse is asked in one hour: which posts and comments are due, and what it knows of others."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from reddit_etl.clock import iso, moment
from reddit_etl.entities.schema import Entity
from reddit_etl.lake.layout import hour_of_load, hour_text
from reddit_etl.lake.receipts import Planned
from reddit_etl.sources import IDS
from reddit_etl.steps.attempt import Attempt
from reddit_etl.warehouse.base import Warehouse
from reddit_etl.warehouse.due import by_id, in_turn, most_recent, of_age

LATEST = 1.5
"""Times the age: what is older than this is no longer read."""
LEAST = timedelta(hours=2)
"""How late it may be read at any age: a run is an hour after the one before, and may be delayed."""
REACH = timedelta(hours=48)
"""How far back loads are considered that may be newer than the last plan, and how long an absent thing is asked for."""
AT_ONCE = 1000
"""Bound values of one statement."""


class Known(NamedTuple):
    """A post or comment of the warehouse: its id, when it was created, and its subreddit, None for an ad."""

    key: str
    created_at: str
    subreddit: str | None


class Asked:
    """What the warehouse is asked in one hour, given the last plan."""

    def __init__(
        self, attempt: Attempt, warehouse: Warehouse, source: str, last: Planned | None, entities: tuple[Entity, ...]
    ) -> None:
        self.until = attempt.clock()
        self.hour = attempt.hour
        self.last_hour = datetime.fromisoformat(f"{last.hour}:00") if last else None
        # Of what came of age since the last plan nothing is late: a daily schedule has no plan in between.
        self.since = moment(last.until) if last else self.until
        self._is_first = last is None
        self._warehouse = warehouse
        self._source = source
        first, final = hour_text(attempt.hour - REACH), hour_text(attempt.hour)
        self.loads = warehouse.loaded(first_hour=first, last_hour=final)
        new = self.loads.difference(last.loads if last else ())
        self._new = {
            entity: sorted(hour_of_load(load_id) for load_id in new if load_id.startswith(f"{entity.name}/"))
            for entity in entities
        }

    def of_age(self, entity: Entity, age: int, condition: str = "") -> Iterator[Known]:
        """What has reached an age, in hours, since the last plan."""
        begin, end = self.since - latest(age), self.until - timedelta(hours=age)
        before = begin if self._is_first else self.since - timedelta(hours=age)
        # The run of an hour may be observing still when the next one has begun.
        hours = self._new[entity]
        late = (hours[0], hours[-1] + timedelta(hours=2)) if hours else (end, end)
        return self._find(entity, of_age(entity, condition), (begin, end, before, *late))

    def in_turn(self, entity: Entity, turns: int, most: int) -> Iterator[Known]:
        """At most so many whose turn has come since the last plan, one turn an hour."""
        passed = (self.hour - (self.last_hour or self.hour - timedelta(hours=1))) // timedelta(hours=1)
        count = min(turns, max(1, passed))
        first = self.hour.toordinal() * 24 + self.hour.hour - count + 1
        return self._find(entity, in_turn(entity, turns=turns, first=first, count=count, most=most), ())

    def by_id(self, entity: Entity, keys: Iterable[str]) -> Iterator[Known]:
        """Those of these ids that are stored."""
        for some in _portions(keys):
            yield from self._find(entity, by_id(entity, len(some)), some)

    def most_recent(self, entity: Entity, subreddits: Iterable[str]) -> Iterator[Known]:
        """For each subreddit 100 at most that were observed last, newest first."""
        for some in _portions(subreddits):
            yield from self._find(entity, most_recent(entity, len(some), IDS), some)

    def is_in_time(self, created_at: str, age: int) -> bool:
        """Whether it was not too old when it was last asked what is due."""
        return moment(created_at) > self.since - latest(age)

    def _find(self, entity: Entity, statement: str, values: Sequence[object]) -> Iterator[Known]:
        for key, created_at, subreddit in self._warehouse.find(entity.name, statement, (self._source, *values)):
            yield Known(str(key), iso(created_at), subreddit)


def latest(age: int) -> timedelta:
    """How old a post may be, if it is to be read at this age in hours."""
    return max(LATEST * timedelta(hours=age), timedelta(hours=age) + LEAST)


def _portions(values: Iterable[str]) -> Iterator[list[str]]:
    ordered = sorted(values)
    for begin in range(0, len(ordered), AT_ONCE):
        yield ordered[begin : begin + AT_ONCE]
