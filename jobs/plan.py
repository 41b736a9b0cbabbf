"""The plan of an hour's comment trees or looks as a task, which is stored before the first one is read."""

from dataclasses import replace
from functools import cached_property

import luigi

from jobs import resources
from jobs.task import ReceiptTask, log
from reddit_etl import sources
from reddit_etl.entities.schema import Entity
from reddit_etl.errors import ConfigurationError
from reddit_etl.lake.receipts import Planned
from reddit_etl.sources.refresh import Refresh
from reddit_etl.sources.tree import Trees
from reddit_etl.steps.attempt import Attempt
from reddit_etl.steps.plan import plan


class Plan(ReceiptTask[Planned]):
    """Fixes what is due in one hour, so that every attempt reads the same."""

    name: str = luigi.Parameter(description="the trees or looks, like tree-024h or refresh-posts-024h")

    # After the listings, which do not depend on the warehouse.
    priority = 28
    step = "plan"
    kind = Planned

    @cached_property
    def what(self) -> Trees | Refresh:
        """Raises ConfigurationError for any other name."""
        settings = resources.settings()
        found = sources.named(self.name, source=settings.source)
        if not isinstance(found, Trees | Refresh):
            forms = "tree-024h or refresh-posts-024h"
            raise ConfigurationError(f"--name: {self.name!r} is not a name of trees or looks: use the form {forms}")
        is_looks = isinstance(found, Refresh)
        return replace(found, most_requests=settings.refresh_requests if is_looks else settings.comment_tree_requests)

    @property
    def entity(self) -> Entity:
        """See `ReceiptTask`."""
        return self.what.entity

    @property
    def receipt_name(self) -> str:
        """See `ReceiptTask`."""
        return self.name

    def work(self, attempt: Attempt) -> Planned:
        """See `ReceiptTask`."""
        receipt = plan(
            attempt,
            self.what,
            source=resources.settings().source,
            warehouse=resources.warehouse(),
            past=resources.past_receipts(self.hour),
        )
        log.info("planned", extra=self.log_fields() | {"due": len(receipt.due), "missed": receipt.missed})
        return receipt
