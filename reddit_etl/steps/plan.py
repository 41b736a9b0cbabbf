"""The plan of an hour: which posts and comments are due, asked of the warehouse once."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import datetime

from reddit_etl.clock import iso, moment
from reddit_etl.entities import ENTITIES, POSTS
from reddit_etl.errors import LakeError
from reddit_etl.lake.index import Receipts
from reddit_etl.lake.layout import receipt_key
from reddit_etl.lake.receipts import Extracted, Planned
from reddit_etl.sources import full_name
from reddit_etl.sources.look import AGAIN, Look
from reddit_etl.sources.refresh import Refresh
from reddit_etl.sources.tree import Due, Trees
from reddit_etl.steps.asked import Asked
from reddit_etl.steps.attempt import Attempt
from reddit_etl.steps.looks import Looks
from reddit_etl.steps.window import Window
from reddit_etl.warehouse.base import Warehouse

log = logging.getLogger(__name__)


def plan(attempt: Attempt, what: Trees | Refresh, *, source: str, warehouse: Warehouse, past: Receipts) -> Planned:
    """What has reached one of the ages since the last plan, what that one left, and what is swept.

    Without a previous plan, all that has reached an age and is not too old. No more than `most_requests` can read: the
    rest is for the next plans. The sweep gets what the ages leave of them. Raises WarehouseError, LakeError.
    """
    last, left = _last_plan(attempt, past, full_name(what.name, source))
    entities = (POSTS,) if isinstance(what, Trees) else tuple(ENTITIES.values())
    due: Sequence[object]
    with warehouse.reading():
        asked = Asked(attempt, warehouse, source, last, entities)
        if isinstance(what, Trees):
            due = _trees(asked, what, [one for one in left if isinstance(one, Due)])
        else:
            due = Looks(asked, [one for one in left if isinstance(one, Look)]).planned(what)
    if asked.waiting:
        deferred = {"waiting": asked.waiting}
        log.warning("more is due than the requests of a run can read: the rest is deferred", extra=deferred)
    return Planned(
        **attempt.header(),
        until=iso(asked.until),
        due=due,
        missed=asked.missed,
        loads=sorted(asked.loads),
        rest=list(map(str, asked.rest)),
        waiting=asked.waiting,
    )


def _trees(asked: Asked, trees: Trees, left: Sequence[Due]) -> list[object]:
    found = {(due.post_id, due.age): due for due in left if asked.is_in_time(due.created_at, due.age)}
    asked.missed += len(left) - len(found)
    # A tree takes a request at least.
    most = trees.most_requests - len(found)
    for _, age, one in asked.due([(POSTS, age) for age in trees.ages], most, "num_comments > 0"):
        found.setdefault((one.key, age), Due(one.key, age, one.created_at))
    return [asdict(one) for one in sorted(found.values(), key=lambda one: (one.failed, one.created_at))]


def _last_plan(attempt: Attempt, past: Receipts, name: str) -> tuple[Planned | None, list[Due | Look]]:
    """The previous plan, and what its extract left: all of it, if there was no extract."""
    keys = past.keys_of("plan", attempt.entity.name, name)
    for key in reversed(keys):
        content = attempt.lake.read(key)
        if content:
            with _understood(key, attempt):
                last = Planned.from_json(content, key=key)
                moment(last.until)
                _ = [ENTITIES[Window.read(one).entity] for one in last.rest]
            return last, _left_of(attempt, last, name)
    return None, []


def _left_of(attempt: Attempt, last: Planned, name: str) -> list[Due | Look]:
    """What is to be done once more, and what was absent for the first time."""
    key = receipt_key("extract", attempt.entity.name, datetime.fromisoformat(f"{last.hour}:00"), name)
    content = attempt.lake.read(key)
    with _understood(key, attempt):
        if not content:
            return [_read(one) for one in last.due]
        read = Extracted.from_json(content, key=key)
        absent = set(read.absent)
        again = [Look.read(one) for one in last.due if absent and one.partition(" ")[0] in absent]
        changed = [replace(look, why=AGAIN, absent_at=read.committed_at) for look in again]
        _ = moment(read.committed_at)
        return [*map(_read, read.left), *changed]


def _read(one: object) -> Due | Look:
    """From its JSON in a receipt. Raises ValueError, TypeError, KeyError, AttributeError."""
    found = Due.read(one) if isinstance(one, dict) else Look.read(one)  # type: ignore[arg-type]
    moment(found.created_at)
    if isinstance(found, Look) and found.absent_at:
        moment(found.absent_at)
    return found


@contextmanager
def _understood(key: str, attempt: Attempt) -> Iterator[None]:
    """For a receipt that may be damaged, or of a later version."""
    try:
        yield
    except (LakeError, ValueError, TypeError, KeyError, AttributeError) as error:
        what = error if isinstance(error, LakeError) else f"not a receipt of this kind ({type(error).__name__})"
        where = f"{attempt.lake.url}/{attempt.lake.place(key)}"
        raise LakeError(f"{where}: {what}: remove it, and what was due is planned again") from error
