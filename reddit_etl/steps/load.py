"""The load of one transformation's rows into the warehouse."""

from collections.abc import Callable

from reddit_etl.errors import DamagedObjectError
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
    is_repeated: bool = False,
) -> Loaded:
    """Load the objects that the transformation's receipt lists, or those that replace lost ones.

    `repair` is called with the reason if objects are missing or damaged, and returns the receipt of their replacement.
    With `is_repeated` the load is carried out even if `load_audit` has it, and gets a row of its own there. Raises
    WarehouseError, and what `repair` raises.
    """
    while True:
        try:
            counts = warehouse.load(load_of(attempt, transformed, repeated_by=attempt.name if is_repeated else ""))
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
            )


def load_of(attempt: Attempt, transformed: Transformed, *, repeated_by: str = "") -> Load:
    """The load of what a receipt lists; `repeated_by` is the attempt that carries it out once more."""
    selection = selection_of(transformed.extracts)
    load_id = load_prefix(attempt.entity.name, attempt.hour, selection) + transformed.attempt
    return Load(
        entity=attempt.entity,
        load_id=f"{load_id}-{repeated_by}" if repeated_by else load_id,
        hour=hour_text(attempt.hour),
        lake=attempt.lake,
        objects=transformed.objects,
        columns=transformed.columns,
    )
