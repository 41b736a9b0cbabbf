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
    attempt: Attempt, warehouse: Warehouse, transformed: Transformed, repair: Callable[[Transformed, str], Transformed]
) -> Loaded:
    """Load the objects that stand for those that the transformation's receipt lists.

    `repair` is called with the reason if objects are missing or damaged, and returns the receipt of their replacement.
    Raises WarehouseError, and what `repair` raises.
    """
    transformed = successors.transformed(attempt.lake, transformed)
    while True:
        try:
            counts = _load(attempt, warehouse, transformed)
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


def _load(attempt: Attempt, warehouse: Warehouse, transformed: Transformed) -> LoadCounts:
    """Objects that were merged with those of other hours are loaded once, as those of the hour that they lie in.

    The other hours have a load without rows, by which the warehouse knows that it has theirs.
    """
    place = Place.parse(transformed.objects[0].key) if transformed.objects else None
    if not place or place.hour == attempt.hour:
        return warehouse.load(_load_of(attempt, transformed, attempt.hour, transformed.objects))
    whole = _load_of(attempt, transformed, place.hour, transformed.objects)
    known = warehouse.loaded(entity=attempt.entity, first_hour=whole.hour, last_hour=whole.hour)
    counts = None if whole.load_id in known else warehouse.load(whole)
    none = warehouse.load(_load_of(attempt, transformed, attempt.hour, ()))
    return counts or none


def _load_of(attempt: Attempt, transformed: Transformed, hour: datetime, objects: Sequence[DataObject]) -> Load:
    prefix = load_prefix(attempt.entity.name, hour, selection_of(transformed.extracts))
    return Load(
        entity=attempt.entity,
        load_id=prefix + transformed.attempt,
        hour=hour_text(hour),
        lake=attempt.lake,
        objects=objects,
        columns=transformed.columns,
    )
