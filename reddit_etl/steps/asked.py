"""What the warehouse is asked in one hour: which posts and comments are due, and what it knows of others."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple

from reddit_etl.clock import iso, moment
from reddit_etl.entities import ENTITIES
from reddit_etl.entities.schema import Entity
from reddit_etl.lake.layout import hour_of_load, hour_text
from reddit_etl.lake.receipts import Planned
from reddit_etl.sources import IDS
from reddit_etl.steps.attempt import Attempt
from reddit_etl.steps.window import Window
from reddit_etl.warehouse.base import Warehouse
from reddit_etl.warehouse.due import by_id, in_turn, most_recent, number, of_age, oldest

LATEST = 1.5
"""Times the age: what is older than this is no longer read."""
LEAST = timedelta(hours=2)
"""How late it may be read at any age: a run is an hour after the one before, and may be delayed."""
REACH = timedelta(hours=48)
"""How far back loads are considered that may be newer than the last plan, and how long an absent thing is asked for."""
AT_ONCE = 1000
"""Bound values of one statement."""
PORTION = 10_000
"""Rows of one statement."""
LEAST_STEP = timedelta(microseconds=1)
"""Of all times."""


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
        self.rest: list[Window] = []
        self.waiting = 0
        self.missed = 0
        self._left = [Window.read(one) for one in last.rest] if last else []
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

    def due(
        self, kinds: Iterable[tuple[Entity, int]], most: int, condition: str = ""
    ) -> Iterator[tuple[Entity, int, Known]]:
        """What has reached one of the ages, in hours, since the last plan, or had no room in it: `most` at most.

        The youngest come first, since they can wait least. What has no room is in `rest` afterwards, and counted
        in `waiting`; what is too old for its age by now is counted in `missed`.
        """
        windows = [*self._left, *self._windows(kinds)]
        for window in sorted(windows, key=lambda one: one.age):
            entity = ENTITIES[window.entity]
            statement = of_age(entity, condition)
            left = self._in_time(window, statement)
            while left and most > 0:
                wanted = min(PORTION, most)
                found = self._find(entity, oldest(entity, statement, wanted), left.values)
                yield from ((entity, left.age, one) for one in found)
                most -= len(found)
                last = found[-1] if len(found) == wanted else None
                left = replace(left, begin=moment(last.created_at), key=last.key) if last else None
            # Counted each time: what is loaded late may be in it by now, too.
            if left and (count := self._number(left, statement)):
                self.rest.append(left)
                self.waiting += count

    def _windows(self, kinds: Iterable[tuple[Entity, int]]) -> Iterator[Window]:
        """Of each entity apart from one another: what has reached a greater age, too, is in the window of that."""
        older: dict[str, int] = {}
        for entity, age in sorted(kinds, key=lambda kind: -kind[1]):
            begin, end = self.since - latest(age), self.until - timedelta(hours=age)
            before = begin if self._is_first else self.since - timedelta(hours=age)
            # The run of an hour may be observing still when the next one has begun.
            hours = self._new[entity]
            late = (hours[0], hours[-1] + timedelta(hours=2)) if hours else (end, end)
            if entity.name in older:
                begin = max(begin, self.until - timedelta(hours=older[entity.name]))
            older[entity.name] = age
            yield Window(entity.name, age, begin + LEAST_STEP, end, before, *late)

    def _in_time(self, window: Window, statement: str) -> Window | None:
        """Without what is too old for its age, which is counted."""
        begin = self.since - latest(window.age) + LEAST_STEP
        if window.begin >= begin:
            return window
        self.missed += self._number(replace(window, end=min(window.end, begin - LEAST_STEP)), statement)
        return replace(window, begin=begin, key="") if begin <= window.end else None

    def _number(self, window: Window, statement: str) -> int:
        rows = self._warehouse.find(window.entity, number(statement), (self._source, *window.values))
        return int(rows[0][0]) if rows else 0

    def in_turn(self, entity: Entity, turns: int, most: int) -> list[Known]:
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

    def _find(self, entity: Entity, statement: str, values: Sequence[object]) -> list[Known]:
        rows = self._warehouse.find(entity.name, statement, (self._source, *values))
        return [Known(str(key), iso(created_at), subreddit) for key, created_at, subreddit in rows]


def latest(age: int) -> timedelta:
    """How old a post may be, if it is to be read at this age in hours."""
    return max(LATEST * timedelta(hours=age), timedelta(hours=age) + LEAST)


def _portions(values: Iterable[str]) -> Iterator[list[str]]:
    ordered = sorted(values)
    for begin in range(0, len(ordered), AT_ONCE):
        yield ordered[begin : begin + AT_ONCE]
