"""The transformation as a task: the records of several extracts of one hour and one entity to Parquet."""

from jobs import resources
from jobs.extract import Extract
from jobs.parameters import NamesParameter
from jobs.task import ReceiptTask, log
from reddit_etl.entities.schema import Entity
from reddit_etl.errors import ConfigurationError
from reddit_etl.lake.layout import selection_of
from reddit_etl.lake.receipts import Transformed
from reddit_etl.steps.attempt import Attempt
from reddit_etl.steps.transform import transform


class Transform(ReceiptTask[Transformed]):
    """Converts the records of its extracts to Parquet, each observation once."""

    extracts: tuple[str, ...] = NamesParameter(description="the names of extracts of one entity")

    priority = 20
    step = "transform"
    kind = Transformed

    @property
    def entity(self) -> Entity:
        """The entity of all extracts. Raises ConfigurationError if they have more than one."""
        first, *others = (task.entity for task in self.requires())
        if any(other is not first for other in others):
            raise ConfigurationError(
                f"--extracts: {', '.join(self.extracts)} are of different entities: use extracts of one entity"
            )
        return first

    @property
    def has_past(self) -> bool:
        """Whether its extracts can be read later as well, as trees can."""
        return all(task.what.has_past for task in self.requires())

    @property
    def receipt_name(self) -> str:
        """A digest of the extracts' names, whatever their order."""
        return selection_of(self.extracts)

    def requires(self) -> list[Extract]:
        """One extract per name. Raises ConfigurationError if there is no name."""
        if not self.extracts:
            raise ConfigurationError('--extracts: use a JSON list of at least one name, such as ["python-new-1000"]')
        return [Extract(hour=self.hour, name=name) for name in self.extracts]

    def work(self, attempt: Attempt) -> Transformed:
        """See `ReceiptTask`."""
        extracts = {task.name: task.receipt.read() for task in self.requires()}
        receipt = transform(attempt, resources.transform(), extracts)
        log.info("transformed", extra=self.log_fields() | {"records": receipt.records, "rows": receipt.rows})
        return receipt
