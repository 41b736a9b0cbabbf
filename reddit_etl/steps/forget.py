"""Forgetting: what the tombstones of a run take from all stores, and a receipt of it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from reddit_etl.clock import Clock, iso, utc_now
from reddit_etl.lake import tombstones
from reddit_etl.lake.base import Lake
from reddit_etl.lake.index import Receipts
from reddit_etl.lake.layout import hour_text, tombstones_key, tombstones_of
from reddit_etl.lake.receipts import Forgotten
from reddit_etl.lake.tombstones import Tombstone
from reddit_etl.steps.attempt import new_name
from reddit_etl.steps.forget_lake import LONGEST_RUN, LakeForgetting
from reddit_etl.transform.base import TransformEngine

if TYPE_CHECKING:
    from reddit_etl.catalog.glue import Catalog

AGAIN = timedelta(hours=24)
"""Tombstones are worked through a second time after so long: attempts that were at work the first time have ended."""
REACH = timedelta(days=30)
"""How far back the last run is looked for. If there is none, all tombstones are worked through."""
BATCH = 100_000
"""Tombstones that are held in memory."""


@dataclass(frozen=True)
class Stores:
    """Where things are forgotten."""

    lake: Lake
    engine: TransformEngine
    catalog: "Catalog | None"


def forget(stores: Stores, hour: datetime, name: str, *, clock: Clock) -> Forgotten:
    """Take what the tombstones of this run name from the lake, and those of the runs since a day before once more.

    They are in the lake under `tombstones_key(hour, name)`. What was written since then is also searched for what older
    tombstones take, such as the title of a deleted post in the URL of a comment that is looked at again. May be
    repeated. Raises LakeError, TransformError, CatalogError.
    """
    lake, attempt = stores.lake, new_name(clock)
    own = tombstones.read(lake, tombstones_key(hour, name))
    last = _last(lake, hour)
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
    )


def _last(lake: Lake, hour: datetime) -> datetime | None:
    """The hour of the last run that ended a day before or earlier."""
    past = Receipts(lake, hour - REACH, hour - AGAIN)
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
