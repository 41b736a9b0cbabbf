"""Extraction as a task: one source in one hour."""

from functools import cached_property
from typing import Any

import luigi

from jobs import progress, resources
from jobs.plan import Plan
from jobs.task import ReceiptTask, log
from reddit_etl import sources
from reddit_etl.entities.schema import Entity
from reddit_etl.errors import ConfigurationError, LakeError
from reddit_etl.lake.layout import hour_text
from reddit_etl.lake.receipts import Extracted
from reddit_etl.sources.look import Look
from reddit_etl.sources.refresh import Refresh
from reddit_etl.sources.tree import Due, Trees
from reddit_etl.steps.attempt import Attempt
from reddit_etl.steps.extract import extract, taken_over


class Extract(ReceiptTask[Extracted]):
    """Reads one source in one hour, and puts its records and rejects in the lake."""

    name: str = luigi.Parameter(description="what to read, such as python-new-1000")

    step = "extract"
    kind = Extracted

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # A listing that is missed cannot be read later, so all listings are read first.
        self.priority = 28 if self.what.has_past else 30

    @cached_property
    def what(self) -> sources.Source:
        """Raises ConfigurationError for an invalid name, or one of another source than the settings'."""
        try:
            return sources.named(self.name, source=resources.settings().source)
        except ConfigurationError as error:
            raise ConfigurationError(f"--name, --extracts: {error}") from None

    @property
    def entity(self) -> Entity:
        """See `ReceiptTask`."""
        return self.what.entity

    @property
    def title(self) -> str:
        """See `ReceiptTask`."""
        return f"{self.what.title} {hour_text(self.hour)}"

    @property
    def receipt_name(self) -> str:
        """See `ReceiptTask`."""
        return self.name

    def requires(self) -> "list[Plan | Extract]":
        """The hour's plan for comment trees or looks; for looks of another entity the extract that reads them too."""
        if isinstance(self.what, Refresh) and not self.what.parts:
            return [Extract(hour=self.hour, name=sources.full_name(self.what.reader.name, resources.settings().source))]
        return [Plan(hour=self.hour, name=self.name)] if isinstance(self.what, Trees | Refresh) else []

    def work(self, attempt: Attempt) -> Extracted:
        """See `ReceiptTask`."""
        if read := self._read:
            return taken_over(attempt, read)
        reddit, what = resources.reddit(self.hour), self._planned()
        if what.has_past:
            resources.know_stored()
        progress.CURRENT.expect(what.expected, self.entity.name)
        receipt = extract(
            attempt,
            what,
            source=reddit.source,
            client=reddit.client,
            past=resources.past_receipts(self.hour),
            progress=progress.CURRENT.add,
        )
        counts = {"records": receipt.records, "rejects": receipt.rejects, "requests": receipt.requests}
        counts["gaps"] = int(receipt.gap is not None)
        log.info("extracted", extra=self.log_fields() | counts | receipt.coverage | {"verdict": receipt.verdict})
        return receipt

    @property
    def _read(self) -> Extracted | None:
        """The receipt of the extract that has read this entity too."""
        return next((one.receipt.read() for one in self.requires() if isinstance(one, Extract)), None)

    def _planned(self) -> sources.Source:
        """The source, with what is due by the hour's plan. Raises LakeError for a plan of another form."""
        settings = resources.settings()
        for receipt in (one.receipt for one in self.requires() if isinstance(one, Plan)):
            planned = receipt.read()
            counts = {"missed": planned.missed, "waiting": planned.waiting}
            try:
                if isinstance(self.what, Refresh):
                    for one in planned.due:
                        Look.read(one)
                    most, share = settings.refresh_requests, settings.notice_share
                    return self.what.planned(planned.due, **counts, most_requests=most, notice_share=share)
                if isinstance(self.what, Trees):
                    due = [Due.read(one) for one in planned.due]
                    return self.what.planned(due, **counts, most_requests=settings.comment_tree_requests)
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                where = f"{resources.lake().url}/{resources.lake().place(receipt.key)}"
                raise LakeError(f"{where}: what is due is not understood: remove it to plan again") from error
        return self.what
