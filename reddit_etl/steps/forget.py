"""Forgetting: what the tombstones of a run take from all stores, and a receipt of it."""

import logging
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from reddit_etl.clock import Clock, iso, moment, utc_now
from reddit_etl.entities import ENTITIES
from reddit_etl.errors import LakeError
from reddit_etl.lake import tombstones
from reddit_etl.lake.base import Lake
from reddit_etl.lake.index import ReceiptKey, Receipts
from reddit_etl.lake.layout import hour_text, receipt_key, tombstones_key, tombstones_of
from reddit_etl.lake.receipts import Extracted, Forgotten, Planned
from reddit_etl.lake.tombstones import Kind, Tombstone
from reddit_etl.sources.look import Look
from reddit_etl.steps.attempt import new_name
from reddit_etl.steps.forget_lake import LONGEST_RUN, LakeForgetting
from reddit_etl.transform.base import TransformEngine
from reddit_etl.warehouse.base import Warehouse
from reddit_etl.warehouse.noticed import noticed

if TYPE_CHECKING:
    from reddit_etl.catalog.glue import Catalog

log = logging.getLogger(__name__)

AGAIN = timedelta(hours=24)
"""Tombstones are worked through a second time after so long: attempts that were at work the first time have ended."""
REACH = timedelta(days=30)
"""How far back the last run is looked for. If there is none, all tombstones are worked through."""
CAUGHT_UP = timedelta(hours=48)
"""How far back an observation may lie that was loaded since the last run."""
FIRST = datetime(2005, 1, 1)  # noqa: DTZ001
"""Before Reddit's first post."""
REFRESH = re.compile(r"(^|\.)refresh-")
"""In the name of an extract of looks."""
BATCH = 100_000
"""Tombstones that are held in memory."""


@dataclass(frozen=True)
class Stores:
    """Where things are forgotten."""

    lake: Lake
    engine: TransformEngine
    catalog: "Catalog | None"
    warehouse: Warehouse


def plan(stores: Stores, hour: datetime, name: str, *, clock: Clock, with_removed: bool) -> None:
    """Put the tombstones of what was noticed since the last run, unless there are some for this hour and name already.

    What Reddit shows as deleted, removed (only `with_removed`) or without its account is asked of the warehouse, and
    what it does not return any more is in the receipts of looks. Raises LakeError, WarehouseError.
    """
    lake = stores.lake
    if lake.read(tombstones_key(hour, name)) is not None:
        return
    now, last = clock(), _last(lake, hour, timedelta(0))
    since = last - CAUGHT_UP if last else FIRST
    shown = [
        one
        for entity in ENTITIES.values()
        for one in noticed(stores.warehouse, entity, since=since, until=now, with_removed=with_removed)
    ]
    tombstones.put(lake, hour, name, [*shown, *_gone(lake, since, hour)])


def _gone(lake: Lake, first: datetime, last: datetime) -> Iterator[Tombstone]:
    """What looks of these hours found to be gone."""
    entities = {entity.kind: entity.name for entity in ENTITIES.values()}
    for one in Receipts(lake, first, last).all:
        if one.step == "extract" and REFRESH.search(one.name):
            read = Extracted.from_json(lake.read(one.key) or b"", key=one.key)
            created = _created(lake, one) if read.gone else {}
            for fullname in read.gone:
                kind, _, id_ = fullname.partition("_")
                yield Tombstone(entities[kind], id_, Kind.GONE, read.committed_at, created.get(fullname, ""))


def _created(lake: Lake, looks: ReceiptKey) -> dict[str, str]:
    """The days on which the posts and comments of an hour's plan were created, as far as they are known."""
    key = receipt_key("plan", looks.entity, looks.hour, looks.name)
    content = lake.read(key)
    if content is None:
        return {}
    try:
        found = [Look.read(str(text)) for text in Planned.from_json(content, key=key).due]
        return {look.fullname: f"{moment(look.created_at):%Y-%m-%d}" for look in found}
    except (LakeError, ValueError) as error:
        # Without them everything is searched.
        log.warning("plan not understood", extra={"receipt": key, "error": str(error)})
        return {}


def forget(stores: Stores, hour: datetime, name: str, *, clock: Clock) -> Forgotten:
    """Take what the tombstones of this run name from all stores, and from the lake those of the day before once more.

    They are in the lake under `tombstones_key(hour, name)`. What was written since then is also searched for what older
    tombstones take, such as the title of a deleted post in the URL of a comment that is looked at again. May be
    repeated. Raises LakeError, TransformError, CatalogError,
    WarehouseError.
    """
    lake, attempt = stores.lake, new_name(clock)
    own = tombstones.read(lake, tombstones_key(hour, name))
    last = _last(lake, hour, AGAIN)
    every = list(tombstones.keys(lake))
    due = [key for key in every if not last or key >= tombstones_of(last)]
    work = LakeForgetting(lake, hour, clock=clock, engine=stores.engine, catalog=stores.catalog)
    for batch in _batches(lake, due):
        work.take(batch)
    if last:
        for batch in _batches(lake, (key for key in every if key < tombstones_of(last))):
            work.take(batch, since=last - LONGEST_RUN)
    # By the clock of the store, whatever the hour of the run.
    lake.remove_unfinished(utc_now() - AGAIN)
    stored = stores.warehouse.forget(lake, tombstones_key(hour, name))
    return Forgotten(
        entity="all",
        hour=hour_text(hour),
        attempt=attempt,
        committed_at=iso(clock()),
        lists=due,
        tombstones=len(own),
        noticed_at=min((one.moment for one in own), default=None),
        gone_at=iso(clock()),
        lake=work.outcome.counts(),
        digests=work.outcome.digests,
        warehouse={"removed": stored.removed, "cleared": stored.cleared} if stored else {},
    )


def _last(lake: Lake, hour: datetime, before: timedelta) -> datetime | None:
    """The hour of the last run that has ended, of those that are so long ago."""
    past = Receipts(lake, hour - REACH, hour - before)
    return max((one.hour for one in past.all if one.step == "forget"), default=None)


def _batches(lake: Lake, keys: Iterable[str]) -> Iterator[list[Tombstone]]:
    batch: list[Tombstone] = []
    for key in keys:
        batch += tombstones.read(lake, key)
        while len(batch) >= BATCH:
            yield batch[:BATCH]
            batch = batch[BATCH:]
    if batch:
        yield batch
