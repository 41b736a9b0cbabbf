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
    is_again: bool = False,
) -> Loaded:
    """Load the objects that stand for those that the transformation's receipt lists.

    `repair` is called with the reason if objects are missing or damaged, and returns the receipt of their replacement.
    `is_again` is for rows that the warehouse lost. Raises WarehouseError, and what `repair` raises.
    """
    transformed = successors.transformed(attempt.lake, transformed, may_be=attempt.may_be)
    while True:
        try:
            counts = _load(attempt, warehouse, transformed, is_again=is_again)
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


def _load(attempt: Attempt, warehouse: Warehouse, transformed: Transformed, *, is_again: bool) -> LoadCounts:
    """Objects that were merged with those of other hours are loaded once, as those of the hour that they lie in.

    The other hours have a load without rows, by which the warehouse knows that it has theirs.
    """
    place = Place.parse(transformed.objects[0].key) if transformed.objects else None
    if not place or place.hour == attempt.hour:
        return warehouse.load(load_of(attempt, transformed, is_again=is_again))
    whole = load_of(attempt, transformed, hour=place.hour, is_again=is_again)
    own = load_of(attempt, transformed, objects=())
    hours = sorted((whole.hour, own.hour))
    known = warehouse.loaded(first_hour=hours[0], last_hour=hours[1])
    # Of many hours that are loaded again because the warehouse knows none of them, the first one loads all.
    is_forced = is_again and own.load_id in known
    counts = None
    if is_forced or whole.load_id not in known:
        counts = warehouse.load(whole)
    none = warehouse.load(own)
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
