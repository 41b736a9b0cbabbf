"""The plan of an hour's comment trees: which posts are due, by one query of the warehouse."""

from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import TypeVar

from reddit_etl.clock import iso, moment
from reddit_etl.entities import POSTS
from reddit_etl.errors import LakeError
from reddit_etl.lake.index import Receipts
from reddit_etl.lake.layout import hour_of_load, hour_text, receipt_key
from reddit_etl.lake.receipts import Extracted, Planned, Receipt
from reddit_etl.sources import full_name
from reddit_etl.sources.tree import Due, Trees
from reddit_etl.steps.attempt import Attempt
from reddit_etl.warehouse.base import Warehouse
from reddit_etl.warehouse.due import DUE_POSTS

Kind = TypeVar("Kind", bound=Receipt)

LATEST = 1.5
"""Times the age: the tree of a post that is older than this is no longer read."""
LEAST = timedelta(hours=2)
"""How late it may be read at any age: a run is an hour after the one before, and may be delayed."""
REACH = timedelta(hours=48)
"""How far back loads are considered that may be newer than the last plan."""


def plan(attempt: Attempt, trees: Trees, *, source: str, warehouse: Warehouse, past: Receipts) -> Planned:
    """The posts that have reached one of the ages since the last plan, and those that it left.

    Without a previous plan, all posts that have reached an age and are not too old. Raises WarehouseError, LakeError.
    """
    until = attempt.clock()
    last, left = _last_plan(attempt, past, full_name(trees.name, source))
    known = {hour_text(attempt.hour - REACH), hour_text(attempt.hour)}
    loads = warehouse.loaded(entity=POSTS, first_hour=min(known), last_hour=max(known))
    hours = sorted(map(hour_of_load, loads.difference(last.loads if last else ())))
    found = {(due.post_id, due.age): due for due in left}
    # Of what came of age since the last plan nothing is late: a daily schedule has no plan in between.
    asked = moment(last.until) if last else until
    for age in trees.ages:
        begin, end = asked - _latest(age), until - timedelta(hours=age)
        before = asked - timedelta(hours=age) if last else begin
        # The run of an hour may be observing still when the next one has begun.
        late = (hours[0], hours[-1] + timedelta(hours=2)) if hours else (end, end)
        rows = warehouse.find("posts", DUE_POSTS, (source, begin, end, before, *late))
        for post_id, created_at in rows:
            found.setdefault((str(post_id), age), Due(str(post_id), age, iso(created_at)))
    due = [one for one in found.values() if _is_in_time(one, asked)]
    return Planned(
        **attempt.header(),
        until=iso(until),
        due=[asdict(one) for one in sorted(due, key=lambda one: (one.failed, one.created_at))],
        missed=len(found) - len(due),
        loads=sorted(loads),
    )


def _last_plan(attempt: Attempt, past: Receipts, name: str) -> tuple[Planned | None, list[Due]]:
    """The previous plan, and what its extract left: all of it, if there was no extract."""
    keys = past.keys_of("plan", attempt.entity.name, name)
    for key in reversed(keys):
        content = attempt.lake.read(key)
        if content:
            last = _read(Planned, content, key, attempt)
            return last, list(_left_of(attempt, last, name))
    return None, []


def _left_of(attempt: Attempt, last: Planned, name: str) -> Iterator[Due]:
    key = receipt_key("extract", attempt.entity.name, datetime.fromisoformat(f"{last.hour}:00"), name)
    content = attempt.lake.read(key)
    yield from map(Due.read, _read(Extracted, content, key, attempt).left if content else last.due)


def _read(kind: type[Kind], content: bytes, key: str, attempt: Attempt) -> Kind:
    try:
        return kind.from_json(content, key=key)
    except LakeError as error:
        raise LakeError(f"{attempt.lake.url}/{key}: {error}: remove it, and its posts are planned again") from error


def _is_in_time(due: Due, asked: datetime) -> bool:
    """Whether it was not too old when it was last asked what is due."""
    return moment(due.created_at) > asked - _latest(due.age)


def _latest(age: int) -> timedelta:
    """How old a post may be, if its tree is to be read at this age."""
    return max(LATEST * timedelta(hours=age), timedelta(hours=age) + LEAST)
