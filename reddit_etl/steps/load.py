"""The load of one transformation's rows into the warehouse."""

from collections.abc import Callable, Sequence
from datetime import datetime

from reddit_etl.errors import DamagedObjectError
from reddit_etl.lake import successors
from reddit_etl.lake.inventory import Place
from reddit_etl.lake.layout import hour_text, load_prefix, selection_of
from reddit_etl.lake.receipts import DataObject, Loaded, Transformed
from reddit_etl.steps.attempt import Attempt
from reddit_etl.warehouse.base import Load, LoadCounts, Warehouse


def load(
    attempt: Attempt,
    warehouse: Warehouse,
    transformed: Transformed,
    repair: Callable[[Transformed, str], Transformed],
    *,
    again: set[str] | None = None,
) -> Loaded:
    """Load the objects that stand for those that the transformation's receipt lists.

    `repair` is called with the reason if objects are missing or damaged, and returns the receipt of their replacement.
    `again` is for rows that the warehouse lost: the loads that this process has repeated, to which this one is added.
    Raises WarehouseError, and what `repair` raises.
    """
    transformed = successors.transformed(attempt.lake, transformed, may_be=attempt.may_be)
    while True:
        try:
            counts = _load(attempt, warehouse, transformed, again)
        except DamagedObjectError as error:
            if transformed.attempt == attempt.name:
                raise
            transformed = repair(transformed, str(error))
        else:
            return Loaded(
                **attempt.header(),
                rows=counts.staged,
                inserted=counts.inserted,
                updated=counts.updated,
                stale=counts.stale,
                forgotten=counts.forgotten,
            )


def _load(attempt: Attempt, warehouse: Warehouse, transformed: Transformed, again: set[str] | None) -> LoadCounts:
    """Objects that were merged with those of other hours are loaded once, as those of the hour that they lie in.

    The other hours have a load without rows, by which the warehouse knows that it has theirs.
    """
    place = Place.parse(transformed.objects[0].key) if transformed.objects else None
    hour = place.hour if place else attempt.hour
    whole = load_of(attempt, transformed, hour=hour, is_again=again is not None)
    counts: LoadCounts | None = None
    if hour == attempt.hour:
        counts = none = warehouse.load(whole)
    else:
        # The rows of this hour alone may be lost, so what the warehouse knows does not count then. Of many hours that
        # are loaded again, the first one loads all.
        known = warehouse.loaded(first_hour=whole.hour, last_hour=whole.hour) if again is None else again
        if whole.load_id not in known:
            counts = warehouse.load(whole)
        none = warehouse.load(load_of(attempt, transformed, objects=()))
    if again is not None:
        again.add(whole.load_id)
    return counts or none


def load_of(
    attempt: Attempt,
    transformed: Transformed,
    *,
    is_again: bool = False,
    hour: datetime | None = None,
    objects: Sequence[DataObject] | None = None,
) -> Load:
    """The load of what a receipt lists, by default of all objects, in the attempt's hour."""
    hour = hour or attempt.hour
    return Load(
        entity=attempt.entity,
        load_id=load_prefix(attempt.entity.name, hour, selection_of(transformed.extracts)) + transformed.attempt,
        hour=hour_text(hour),
        lake=attempt.lake,
        tombstones=attempt.tombstones,
        objects=transformed.objects if objects is None else objects,
        columns=transformed.columns,
        is_again=is_again,
    )
