"""The catalog's entry as a task: makes the rows of one transformation visible to Athena."""

from jobs import resources
from jobs.parameters import NamesParameter
from jobs.task import ReceiptTask, log
from jobs.transform import Transform
from reddit_etl.entities.schema import Entity
from reddit_etl.errors import ConfigurationError
from reddit_etl.lake.layout import selection_of
from reddit_etl.lake.receipts import Published
from reddit_etl.steps.attempt import Attempt
from reddit_etl.steps.publish import publish


class Publish(ReceiptTask[Published]):
    """Adds the Parquet files of one transformation to the catalog."""

    extracts: tuple[str, ...] = NamesParameter(description="the names of extracts of one entity")

    priority = 15
    step = "publish"
    kind = Published

    @property
    def entity(self) -> Entity:
        """See `ReceiptTask`."""
        return self.requires().entity

    @property
    def receipt_name(self) -> str:
        """The selection and the catalog: each catalog has an entry of its own."""
        return f"{selection_of(self.extracts)}-{resources.catalog_name()}"

    def requires(self) -> Transform:
        """The transformation of the same extracts, whose receipt lists the Parquet files."""
        return Transform(hour=self.hour, extracts=self.extracts)

    def work(self, attempt: Attempt) -> Published:
        """See `ReceiptTask`. Raises ConfigurationError if GLUE_DATABASE is not set."""
        catalog = resources.catalog()
        if not catalog:
            raise ConfigurationError("GLUE_DATABASE is not set: set it to the database of the catalog")
        receipt = publish(attempt, catalog, self.requires().receipt.read())
        log.info("published", extra=self.log_fields() | {"location": receipt.location})
        return receipt
