"""The catalog's entry as a task: one transformation's rows made visible to Athena."""

from jobs import resources
from jobs.parameters import NamesParameter
from jobs.receipts import ReceiptTask, log
from jobs.transform import TransformPosts
from reddit_etl.clock import iso
from reddit_etl.errors import ConfigurationError
from reddit_etl.lake.layout import hour_text, selection_of
from reddit_etl.lake.receipts import Published


class PublishPosts(ReceiptTask[Published]):
    """After the transformation's receipt, so that a reader never sees half of its rows, or rows that lost."""

    extracts: tuple[str, ...] = NamesParameter()

    priority = 15
    step = "publish"
    kind = Published

    @property
    def name(self) -> str:
        """Another catalog is another entry."""
        return f"{selection_of(self.extracts)}-{resources.catalog_name()}"

    def requires(self) -> TransformPosts:
        return TransformPosts(hour=self.hour, extracts=self.extracts)

    def work(self, attempt: str) -> Published:
        catalog = resources.catalog()
        if not catalog:
            raise ConfigurationError("GLUE_DATABASE is not set: set it to the catalog's database")
        transformed = self.requires().receipt.read()
        catalog.prepare(entity=self.entity, lake=resources.lake())
        location = catalog.publish(
            entity=self.entity,
            lake=resources.lake(),
            hour=self.hour,
            selection=selection_of(self.extracts),
            objects=transformed.objects,
        )
        log.info("published", extra=self.log_fields() | {"location": location})
        return Published(
            entity=self.entity.name,
            hour=hour_text(self.hour),
            attempt=attempt,
            committed_at=iso(resources.clock(self.hour)()),
            location=location,
        )
