"""The plan of an hour's comment trees as a task, which is stored before the first tree is read."""

from functools import cached_property

import luigi

from jobs import resources
from jobs.task import ReceiptTask, log
from reddit_etl import sources
from reddit_etl.entities.schema import Entity
from reddit_etl.errors import ConfigurationError
from reddit_etl.lake.receipts import Planned
from reddit_etl.sources.tree import Trees
from reddit_etl.steps.attempt import Attempt
from reddit_etl.steps.plan import plan


class Plan(ReceiptTask[Planned]):
    """Fixes which posts are due for a comment tree in one hour, so that every attempt reads the same ones."""

    name: str = luigi.Parameter(description="the trees, like tree-024h")

    # After the listings, which do not depend on the warehouse.
    priority = 28
    step = "plan"
    kind = Planned

    @cached_property
    def trees(self) -> Trees:
        """Raises ConfigurationError for any other name."""
        found = sources.named(self.name, source=resources.settings().source)
        if not isinstance(found, Trees):
            raise ConfigurationError(f"--name: {self.name!r} is not a name of trees: use the form tree-024h")
        return found

    @property
    def entity(self) -> Entity:
        """See `ReceiptTask`."""
        return self.trees.entity

    @property
    def receipt_name(self) -> str:
        """See `ReceiptTask`."""
        return self.name

    def work(self, attempt: Attempt) -> Planned:
        """See `ReceiptTask`."""
        receipt = plan(
            attempt,
            self.trees,
            source=resources.settings().source,
            warehouse=resources.warehouse(),
            past=resources.past_receipts(self.hour),
        )
        log.info("planned", extra=self.log_fields() | {"due": len(receipt.due), "missed": receipt.missed})
        return receipt
