"""The plan of an hour: which posts and comments are due, asked of the warehouse once."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime, timedelta

from reddit_etl.clock import iso, moment
from reddit_etl.entities import ENTITIES, POSTS
from reddit_etl.entities.schema import Entity
from reddit_etl.errors import LakeError
from reddit_etl.lake.index import Receipts
from reddit_etl.lake.layout import hour_of_load, hour_text, receipt_key
from reddit_etl.lake.receipts import Extracted, Planned
from reddit_etl.sources import full_name
from reddit_etl.sources.refresh import IDS, SWEEP, Look, Refresh
from reddit_etl.sources.tree import Due, Trees
from reddit_etl.steps.attempt import Attempt
from reddit_etl.warehouse.base import Warehouse
from reddit_etl.warehouse.due import in_turn, of_age

LATEST = 1.5
"""Times the age: what is older than this is no longer read."""
LEAST = timedelta(hours=2)
"""How late it may be read at any age: a run is an hour after the one before, and may be delayed."""
REACH = timedelta(hours=48)
"""How far back loads are considered that may be newer than the last plan."""


def plan(attempt: Attempt, what: Trees | Refresh, *, source: str, warehouse: Warehouse, past: Receipts) -> Planned:
    """What has reached one of the ages since the last plan, what that one left, and what is swept.

    Without a previous plan, all that has reached an age and is not too old. The sweep gets the requests
    that looks at an age leave of `most_requests`. Raises WarehouseError, LakeError.
    """
    last, left = _last_plan(attempt, past, full_name(what.name, source))
    asked = Asked(attempt, warehouse, source, last, (POSTS,) if isinstance(what, Trees) else tuple(ENTITIES.values()))
    due, missed = _trees(asked, what, left) if isinstance(what, Trees) else _looks(asked, what, left)
    return Planned(**attempt.header(), until=iso(asked.until), due=due, missed=missed, loads=sorted(asked.loads))


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
        known = {entity: warehouse.loaded(entity=entity, first_hour=first, last_hour=final) for entity in entities}
        self.loads = set().union(*known.values())
        before = last.loads if last else ()
        self._new = {entity: sorted(map(hour_of_load, loads.difference(before))) for entity, loads in known.items()}

    def of_age(self, entity: Entity, age: int, condition: str = "") -> Iterator[tuple[str, str]]:
        """The ids that have reached an age, in hours, since the last plan, each with its moment of creation."""
        begin, end = self.since - latest(age), self.until - timedelta(hours=age)
        before = begin if self._is_first else self.since - timedelta(hours=age)
        # The run of an hour may be observing still when the next one has begun.
        hours = self._new[entity]
        late = (hours[0], hours[-1] + timedelta(hours=2)) if hours else (end, end)
        values = (self._source, begin, end, before, *late)
        for key, created_at in self._warehouse.find(entity.name, of_age(entity, condition), values):
            yield str(key), iso(created_at)

    def in_turn(self, entity: Entity, turns: int, most: int) -> Iterator[tuple[str, str]]:
        """At most so many ids whose turn has come since the last plan, one turn an hour."""
        passed = (self.hour - (self.last_hour or self.hour - timedelta(hours=1))) // timedelta(hours=1)
        count = min(turns, max(1, passed))
        first = self.hour.toordinal() * 24 + self.hour.hour - count + 1
        statement = in_turn(entity, turns=turns, first=first, count=count, most=most)
        for key, created_at in self._warehouse.find(entity.name, statement, (self._source,)):
            yield str(key), iso(created_at)

    def is_in_time(self, created_at: str, age: int) -> bool:
        """Whether it was not too old when it was last asked what is due."""
        return moment(created_at) > self.since - latest(age)


def latest(age: int) -> timedelta:
    """How old a post may be, if it is to be read at this age in hours."""
    return max(LATEST * timedelta(hours=age), timedelta(hours=age) + LEAST)


def _trees(asked: Asked, trees: Trees, left: list[object]) -> tuple[list[object], int]:
    found = {(due.post_id, due.age): due for due in map(Due.read, left)}  # type: ignore[arg-type]
    for age in trees.ages:
        for post_id, created_at in asked.of_age(POSTS, age, "num_comments > 0"):
            found.setdefault((post_id, age), Due(post_id, age, created_at))
    due = [one for one in found.values() if asked.is_in_time(one.created_at, one.age)]
    ordered = sorted(due, key=lambda one: (one.failed, one.created_at))
    return [asdict(one) for one in ordered], len(found) - len(due)


def _looks(asked: Asked, refresh: Refresh, left: list[object]) -> tuple[list[object], int]:
    """Each id once, for the greatest age that it has reached and is not too old for, else for the sweep."""
    looks = [Look.read(str(text)) for text in left]
    found = {look.fullname: look for look in looks if look.age is None or asked.is_in_time(look.created_at, look.age)}
    missed = len(looks) - len(found)
    for entity in ENTITIES.values():
        for age in sorted(refresh.ages):
            for key, created_at in asked.of_age(entity, age):
                fullname = f"{entity.kind}_{key}"
                found[fullname] = Look(fullname, f"{age:03d}h", created_at)
    due = sorted(found.values(), key=lambda look: (look.created_at, look.fullname))
    for entity in ENTITIES.values() if refresh.sweep else ():
        most = max(0, refresh.most_requests * IDS - len(due))
        for key, created_at in asked.in_turn(entity, refresh.sweep, most):
            fullname = f"{entity.kind}_{key}"
            if fullname not in found:
                due.append(Look(fullname, SWEEP, created_at))
    return [str(look) for look in due], missed


def _last_plan(attempt: Attempt, past: Receipts, name: str) -> tuple[Planned | None, list[object]]:
    """The previous plan, and what its extract left: all of it, if there was no extract."""
    keys = past.keys_of("plan", attempt.entity.name, name)
    for key in reversed(keys):
        content = attempt.lake.read(key)
        if content:
            with _understood(key, attempt):
                last = Planned.from_json(content, key=key)
                moment(last.until)
            return last, _left_of(attempt, last, name)
    return None, []


def _left_of(attempt: Attempt, last: Planned, name: str) -> list[object]:
    key = receipt_key("extract", attempt.entity.name, datetime.fromisoformat(f"{last.hour}:00"), name)
    content = attempt.lake.read(key)
    with _understood(key, attempt):
        left = Extracted.from_json(content, key=key).left if content else last.due
        for one in left:
            _ = moment(Due.read(one).created_at if isinstance(one, dict) else Look.read(one).created_at)
        return left


@contextmanager
def _understood(key: str, attempt: Attempt) -> Iterator[None]:
    """For a receipt that may be damaged, or of a later version."""
    try:
        yield
    except (LakeError, ValueError, TypeError, KeyError, AttributeError) as error:
        what = error if isinstance(error, LakeError) else f"not a receipt of this kind ({type(error).__name__})"
        raise LakeError(f"{attempt.lake.url}/{key}: {what}: remove it, and what was due is planned again") from error
