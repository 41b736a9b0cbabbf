"""The load of one transformation's rows into the warehouse."""

from collections.abc import Callable

from reddit_etl.errors import DamagedObjectError
from reddit_etl.lake import successors
from reddit_etl.lake.layout import hour_text, load_prefix, selection_of
from reddit_etl.lake.receipts import Loaded, Transformed
from reddit_etl.steps.attempt import Attempt
from reddit_etl.warehouse.base import Load, Warehouse


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
    transformed = successors.transformed(attempt.lake, transformed)
    while True:
        try:
            counts = warehouse.load(load_of(attempt, transformed, is_again=is_again))
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


def load_of(attempt: Attempt, transformed: Transformed, *, is_again: bool = False) -> Load:
    """The load of what a receipt lists."""
    selection = selection_of(transformed.extracts)
    return Load(
        entity=attempt.entity,
        load_id=load_prefix(attempt.entity.name, attempt.hour, selection) + transformed.attempt,
        hour=hour_text(attempt.hour),
        lake=attempt.lake,
        objects=transformed.objects,
        columns=transformed.columns,
        is_again=is_again,
    )
