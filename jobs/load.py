"""The load as a task: one transformation's rows into the warehouse."""

from typing import Any

from jobs import repair, resources
from jobs.parameters import NamesParameter
from jobs.task import ReceiptTask, log, new_attempt
from jobs.transform import Transform
from reddit_etl.entities.schema import Entity
from reddit_etl.lake.layout import load_prefix, selection_of
from reddit_etl.lake.receipts import Loaded, Transformed
from reddit_etl.steps.attempt import Attempt
from reddit_etl.steps.load import load


def load_from(attempt: Attempt, transformed: Transformed, *, is_again: bool) -> Loaded:
    """Load what the receipt of a transformation lists; `is_again` if the warehouse lost it.

    Objects that are missing or damaged are made again first. Raises EtlError.
    """

    def repaired(lost: Transformed, reason: str) -> Transformed:
        task = Transform(hour=attempt.hour, extracts=tuple(lost.extracts))
        return repair.successor(task, lost, attempt, reason)

    again = resources.loaded_again() if is_again else None
    return load(attempt, resources.warehouse(), transformed, repaired, again=again)


class Load(ReceiptTask[Loaded]):
    """Loads the rows of one transformation into the warehouse, in one transaction."""

    extracts: tuple[str, ...] = NamesParameter(description="the names of extracts of one entity")

    step = "load"
    kind = Loaded
    is_again = False
    """Whether the warehouse lost what was loaded before."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Listings first. Luigi orders equals by its clock, which may be set back; the counts must not depend on it.
        self.priority = 9 if self.requires().has_past else 10

    @property
    def entity(self) -> Entity:
        """See `ReceiptTask`."""
        return self.requires().entity

    @property
    def receipt_name(self) -> str:
        """The selection and the warehouse: each warehouse is loaded on its own."""
        return f"{selection_of(self.extracts)}-{resources.warehouse_name()}"

    @property
    def id_prefix(self) -> str:
        """The beginning of the `load_id` in the warehouse."""
        return load_prefix(self.entity.name, self.hour, selection_of(self.extracts))

    def requires(self) -> Transform:
        """The transformation of the same extracts, whose receipt lists the Parquet files to load."""
        return Transform(hour=self.hour, extracts=self.extracts)

    def work(self, attempt: Attempt) -> Loaded:
        """See `ReceiptTask`."""

        receipt = load_from(attempt, self.requires().receipt.read(), is_again=self.is_again)
        counts = {"staged": receipt.rows, "inserted": receipt.inserted, "updated": receipt.updated}
        log.info("loaded", extra=self.log_fields() | counts | {"stale": receipt.stale, "forgotten": receipt.forgotten})
        return receipt


class Reload(Load):
    """Repeats a load whose receipt exists but which the warehouse lacks. The receipt stays."""

    is_again = True
    rows = 0
    """The number of rows that were loaded."""
    _is_done = False

    def complete(self) -> bool:
        """Whether this task has run in this process; the receipt of the first load does not count."""
        return self._is_done

    def run(self) -> None:
        """Load the rows again. The receipt of the first load stays, and no other is committed."""
        log.warning("the warehouse lacks this load; loading it again", extra=self.log_fields())
        self.rows = self.work(new_attempt(self.entity, self.hour)).rows
        self._is_done = True
