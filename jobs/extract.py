"""Extraction as a task: one source in one hour."""

import sys
from functools import cached_property
from typing import Any

import luigi
from tqdm import tqdm

from jobs import resources
from jobs.plan import Plan
from jobs.task import ReceiptTask, log
from reddit_etl import sources
from reddit_etl.entities.schema import Entity
from reddit_etl.errors import ConfigurationError
from reddit_etl.lake.receipts import Extracted
from reddit_etl.sources.tree import Due, Trees
from reddit_etl.steps.attempt import Attempt
from reddit_etl.steps.extract import extract


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
    def receipt_name(self) -> str:
        """See `ReceiptTask`."""
        return self.name

    def requires(self) -> list[Plan]:
        """The hour's plan for comment trees; nothing for a listing."""
        return [Plan(hour=self.hour, name=self.name)] if isinstance(self.what, Trees) else []

    def work(self, attempt: Attempt) -> Extracted:
        """See `ReceiptTask`."""
        reddit, what = resources.reddit(self.hour), self._planned()
        with tqdm(
            desc=what.title,
            total=what.expected,
            unit=f" {self.entity.name}",
            leave=False,
            disable=not sys.stderr.isatty(),
        ) as bar:
            receipt = extract(
                attempt,
                what,
                source=reddit.source,
                client=reddit.client,
                past=resources.past_receipts(self.hour),
                progress=bar.update,
            )
        counts = {"records": receipt.records, "rejects": receipt.rejects, "requests": receipt.requests}
        counts["gaps"] = int(receipt.gap is not None)
        log.info("extracted", extra=self.log_fields() | counts | receipt.coverage | {"verdict": receipt.verdict})
        return receipt

    def _planned(self) -> sources.Source:
        """The source, with the posts of the hour's plan."""
        if not isinstance(self.what, Trees):
            return self.what
        [planned] = (task.receipt.read() for task in self.requires())
        return self.what.planned(
            [Due.read(one) for one in planned.due],
            missed=planned.missed,
            most_requests=resources.settings().comment_tree_requests,
        )
