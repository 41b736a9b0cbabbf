"""Forgetting: what the tombstones of a run take from all stores, and a receipt of it."""

import logging
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

from reddit_etl.clock import Clock, iso, moment, utc_now
from reddit_etl.entities import ENTITIES
from reddit_etl.errors import LakeError
from reddit_etl.lake import tombstones
from reddit_etl.lake.base import Lake
from reddit_etl.lake.index import ReceiptKey, Receipts
from reddit_etl.lake.layout import TOMBSTONES, hour_text, receipt_key, tombstones_key, tombstones_of
from reddit_etl.lake.receipts import Extracted, Forgotten, Planned, Receipt
from reddit_etl.lake.tombstones import Tombstone
from reddit_etl.sources.look import Look
from reddit_etl.steps.attempt import new_name
from reddit_etl.steps.forget_lake import LONGEST_RUN, LakeForgetting
from reddit_etl.transform.base import TransformEngine
from reddit_etl.warehouse.base import Warehouse
from reddit_etl.warehouse.noticed import noticed

if TYPE_CHECKING:
    from reddit_etl.catalog.glue import Catalog

log = logging.getLogger(__name__)

Kind = TypeVar("Kind", bound=Receipt)

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
    # Requests by hand notice nothing.
    now, last = clock(), max((one.hour for one in _runs(lake, hour) if one.name.startswith(f"{name}-")), default=None)
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
            read = _read(lake, one.key, Extracted)
            created = _created(lake, one) if read.gone else {}
            for fullname in read.gone:
                kind, _, id_ = fullname.partition("_")
                yield Tombstone(entities[kind], id_, tombstones.Kind.GONE, read.committed_at, created.get(fullname, ""))


def _read(lake: Lake, key: str, kind: type[Kind]) -> Kind:
    try:
        return kind.from_json(lake.read(key) or b"", key=key)
    except LakeError as error:
        raise LakeError(f"{lake.url}/{lake.place(key)}: {error}: restore it, or remove it") from error


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

    They are in the lake under `tombstones_key(hour, name)`. What was written or restored since then is also searched
    for what older tombstones take, such as the title of a deleted post in the URL of a comment that is looked at again.
    May be repeated. Raises LakeError, TransformError, CatalogError, WarehouseError, also for an object that could not
    be read, once all others are done.
    """
    lake, attempt = stores.lake, new_name(clock)
    own = tombstones.read(lake, tombstones_key(hour, name))
    runs = _runs(lake, hour)
    last = max((one.hour for one in runs if one.hour <= hour - AGAIN), default=None)
    every = {one.key: one.at for one in lake.stored(TOMBSTONES)}
    old = {key for key in every if last and key < tombstones_of(last)}
    old -= _unfinished(lake, hour, old, runs)
    due = [key for key in every if key not in old]
    work = LakeForgetting(lake, hour, clock=clock, engine=stores.engine, catalog=stores.catalog)
    for batch in _batches(lake, due):
        work.take(batch)
    if last:
        # Who put them had not searched anything yet.
        restored = min((at for key, at in every.items() if key.startswith(tombstones_of(last))), default=FIRST)
        for batch in _batches(lake, sorted(old)):
            work.take(batch, since=last - LONGEST_RUN, restored=restored)
    # By the clock of the store, whatever the hour of the run.
    lake.remove_unfinished(utc_now() - AGAIN)
    stored = stores.warehouse.forget(lake, tombstones_key(hour, name))
    if work.errors:
        raise work.errors[0]
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


def _runs(lake: Lake, hour: datetime) -> list[ReceiptKey]:
    """Those that have ended, up to an hour."""
    return [one for one in Receipts(lake, hour - REACH, hour).all if one.step == "forget"]


def _unfinished(lake: Lake, hour: datetime, keys: Iterable[str], runs: Iterable[ReceiptKey]) -> set[str]:
    """Those of these lists of tombstones whose run has not ended, and that no other has worked through since.

    Such as that of a run for an earlier hour that was killed.
    """
    ended = {tombstones_key(one.hour, one.name.rpartition("-")[0]) for one in runs}
    left = {key for key in keys if key >= tombstones_of(hour - REACH)} - ended
    for one in runs if left else ():
        if one.hour <= hour - 2 * AGAIN:
            left.difference_update(_read(lake, one.key, Forgotten).lists)
    return left


def _batches(lake: Lake, keys: Iterable[str]) -> Iterator[list[Tombstone]]:
    batch: list[Tombstone] = []
    for key in keys:
        batch += tombstones.read(lake, key)
        while len(batch) >= BATCH:
            yield batch[:BATCH]
            batch = batch[BATCH:]
    if batch:
        yield batch
