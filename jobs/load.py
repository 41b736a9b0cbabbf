"""The load as a task: one transformation's rows into the warehouse."""

from dataclasses import asdict

from jobs import repair, resources
from jobs.parameters import NamesParameter
from jobs.receipts import ReceiptTask, log
from jobs.transform import TransformPosts
from reddit_etl.clock import iso
from reddit_etl.errors import DamagedObjectError
from reddit_etl.lake.layout import hour_text, load_prefix, selection_of
from reddit_etl.lake.receipts import Loaded, Transformed
from reddit_etl.warehouse.base import LoadCounts


class LoadPosts(ReceiptTask[Loaded]):
    extracts: tuple[str, ...] = NamesParameter()

    priority = 10
    step = "load"
    kind = Loaded

    @property
    def name(self) -> str:
        """Another warehouse is another load."""
        return f"{selection_of(self.extracts)}-{resources.warehouse_name()}"

    def requires(self) -> TransformPosts:
        return TransformPosts(hour=self.hour, extracts=self.extracts)

    def work(self, attempt: str) -> Loaded:
        counts = self._load_what_stands(attempt)
        log.info("loaded", extra=self.log_fields() | asdict(counts))
        return Loaded(
            entity=self.entity.name,
            hour=hour_text(self.hour),
            attempt=attempt,
            committed_at=iso(resources.clock(self.hour)()),
            rows=counts.staged,
            inserted=counts.inserted,
            updated=counts.updated,
            stale=counts.stale,
        )

    def _load_what_stands(self, attempt: str) -> LoadCounts:
        """The objects that the transformation's receipt lists, or what has been made in place of lost ones."""
        transformed = self.requires().receipt.read()
        while True:
            try:
                return self._load(transformed)
            except DamagedObjectError as error:
                if transformed.attempt == attempt:
                    raise
                transformed = repair.successor(self.requires(), transformed, attempt, str(error))

    def _load(self, transformed: Transformed) -> LoadCounts:
        return resources.warehouse().load(
            entity=self.entity,
            load_id=load_prefix(self.entity.name, self.hour, selection_of(self.extracts)) + transformed.attempt,
            hour=hour_text(self.hour),
            lake=resources.lake(),
            objects=transformed.objects,
            columns=transformed.columns,
        )


class ReloadPosts(LoadPosts):
    """A load once more: its receipt is there and stays, but the warehouse does not know of it."""

    rows = 0
    """How many were loaded."""
    _is_done = False

    def complete(self) -> bool:
        return self._is_done

    def run(self) -> None:
        log.warning("the warehouse has lost this load; it is loaded again", extra=self.log_fields())
        self.rows = self.work(self.new_attempt()).rows
        self._is_done = True
