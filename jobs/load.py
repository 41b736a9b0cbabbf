"""The load as a task: one transformation's rows into the warehouse."""

from dataclasses import asdict

from jobs import resources
from jobs.parameters import NamesParameter
from jobs.receipts import ReceiptTask, log
from jobs.transform import TransformPosts
from reddit_etl.clock import iso
from reddit_etl.receipt import Loaded, hour_text, selection_of


class LoadPosts(ReceiptTask[Loaded]):
    extracts: tuple[str, ...] = NamesParameter()

    priority = 10
    step = "load"
    kind = Loaded

    @property
    def name(self) -> str:
        """Another warehouse is another load."""
        return f"{selection_of(self.extracts)}-{resources.warehouse_name()}"

    def complete(self) -> bool:
        """A receipt says that the rows arrived; a warehouse that is gone has lost them."""
        return super().complete() and not resources.warehouse().is_gone()

    def requires(self) -> TransformPosts:
        return TransformPosts(hour=self.hour, extracts=self.extracts)

    def work(self, attempt: str) -> Loaded:
        transformed = self.requires().receipt.read()
        hour = hour_text(self.hour)
        counts = resources.warehouse().load(
            entity=self.entity,
            load_id=f"{self.entity.name}/{hour}/{selection_of(self.extracts)}/{transformed.attempt}",
            hour=hour,
            lake=resources.lake(),
            objects=transformed.objects,
            columns=transformed.columns,
        )
        log.info("loaded", extra=self.log_fields() | asdict(counts))
        return Loaded(
            entity=self.entity.name,
            hour=hour,
            attempt=attempt,
            committed_at=iso(resources.clock(self.hour)()),
            rows=counts.staged,
            inserted=counts.inserted,
            updated=counts.updated,
            stale=counts.stale,
        )
