"""Retention as a task: old raw records are removed, and the small objects and the receipts of a day become one."""

from dataclasses import asdict
from datetime import datetime
from functools import cached_property

from jobs import resources
from jobs.parameters import HourParameter
from jobs.task import LakeTask, ReceiptTarget, log
from reddit_etl.clock import iso
from reddit_etl.lake.layout import hour_text, receipt_key
from reddit_etl.lake.receipts import Retained
from reddit_etl.steps.attempt import new_name
from reddit_etl.steps.compact import Compacting
from reddit_etl.steps.expire import Removed, expire
from reddit_etl.steps.pack import pack


class Retain(LakeTask):
    """Removes raw records and rejects older than RAW_DAYS, merges curated objects of past days, packs old receipts."""

    hour: datetime = HourParameter()

    # Before the report, which has it. Luigi gives each task at least the priority of what needs it, which is 0.
    priority = 1

    @cached_property
    def receipt(self) -> ReceiptTarget[Retained]:
        """The target."""
        return ReceiptTarget(self.hour, receipt_key("retain", "all", self.hour, "lake"), Retained)

    def output(self) -> ReceiptTarget[Retained]:
        """The receipt."""
        return self.receipt

    def run(self) -> None:
        """Expire, compact, pack, and commit the receipt, unless another run has committed one."""
        clock, lake, days = resources.clock(self.hour), resources.lake(), resources.settings().raw_days
        attempt = new_name(clock)
        expired = expire(lake, self.hour, days=days, clock=clock) if days else Removed()
        work = Compacting(lake, self.hour, clock, resources.transform(), resources.catalog())
        compacted, packed = work.compact(), pack(lake, clock)
        receipt = Retained(
            entity="all",
            hour=hour_text(self.hour),
            attempt=attempt,
            compacted=asdict(compacted),
            expired=asdict(expired),
            packed=asdict(packed),
            committed_at=iso(clock()),
        )
        if not self.receipt.commit(receipt):
            log.info("another run of this task was first; its receipt counts", extra=self.log_fields())
        counts = {"expired": expired.objects, "merged": compacted.merged, "objects": compacted.objects}
        log.info("retained", extra=self.log_fields() | counts | {"packed": packed.packed})

    def __repr__(self) -> str:
        return f"Retain({hour_text(self.hour)})"

    def log_fields(self) -> dict[str, object]:
        """The fields that identify the task in log lines."""
        return {"hour": hour_text(self.hour)}
