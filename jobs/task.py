"""Tasks whose target is a receipt in the lake."""

import logging
from abc import abstractmethod
from datetime import datetime
from functools import cached_property
from typing import Any, ClassVar, Generic, TypeVar

import luigi

from jobs import resources
from jobs.parameters import HourParameter
from jobs.process import end_as, misconfigured
from reddit_etl.entities.schema import Entity
from reddit_etl.errors import ConfigurationError, LakeError
from reddit_etl.lake.layout import hour_text, receipt_key
from reddit_etl.lake.receipts import Receipt
from reddit_etl.steps.attempt import Attempt, new_name

log = logging.getLogger(__name__)

Kind = TypeVar("Kind", bound=Receipt)


class ReceiptTarget(luigi.Target, Generic[Kind]):
    """A receipt, which never changes once it exists."""

    def __init__(self, hour: datetime, key: str, kind: type[Kind]) -> None:
        self.key = key
        self._hour = hour
        self._kind = kind
        self._content: bytes | None = None
        self._is_taken = False

    def exists(self) -> bool:
        """As of the last listing of the lake. A newer receipt is found by `commit`."""
        if self._content is None and (self._is_taken or resources.had_receipt(self._hour, self.key)):
            self._content = resources.lake().read(self.key)
        return self._content is not None

    def read(self) -> Kind:
        """The parsed receipt. Raises LakeError if it is missing or malformed."""
        return _parsed(self.key, self._content if self.exists() else None, self._kind)

    def commit(self, receipt: Kind) -> bool:
        """Create the receipt. False: another run of the same task was first, and its receipt counts."""
        content = receipt.to_json()
        if not resources.lake().create(self.key, content):
            self._is_taken = True
            return False
        self._content = content
        return True


def read_receipt(key: str, kind: type[Kind]) -> Kind:
    """The receipt, without a task, which Luigi would keep. Raises LakeError if it is missing or malformed."""
    return _parsed(key, resources.lake().read(key), kind)


def _parsed(key: str, content: bytes | None, kind: type[Kind]) -> Kind:
    if content is None:
        raise LakeError(f"{key}: the receipt has disappeared")
    try:
        return kind.from_json(content, key=key)
    except LakeError as error:
        where = f"{resources.lake().url}/{resources.lake().place(key)}"
        raise LakeError(f"{where}: {error}: delete it to repeat the task") from error


def new_attempt(entity: Entity, hour: datetime) -> Attempt:
    """An attempt with a name of its own."""
    clock = resources.clock(hour)
    known = resources.listed_tombstones, resources.may_be
    return Attempt(resources.lake(), entity, hour, new_name(clock), clock, *known)


class LakeTask(luigi.Task):
    """A task whose target is in the lake."""

    def complete(self) -> bool:
        """Whether the target exists. A ConfigurationError is raised, and makes the exit code 78."""
        try:
            return bool(super().complete())  # type: ignore[no-untyped-call]
        except ConfigurationError as error:
            # Luigi reports no failure here.
            end_as(error)
            raise


class ReceiptTask(LakeTask, Generic[Kind]):
    """A task that does its work under a new attempt, and commits a receipt of it last."""

    hour: datetime = HourParameter()

    step: ClassVar[str]
    kind: ClassVar[type[Any]]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[no-untyped-call]
        try:
            # An invalid name must fail here: later, even the error message would need the entity.
            _ = self.entity
        except ConfigurationError as error:
            raise misconfigured(error) from None

    @property
    @abstractmethod
    def entity(self) -> Entity:
        """The entity of the task's objects."""

    @property
    def title(self) -> str:
        """What is shown of it while it runs."""
        return f"{self.step} {self.entity.name} {hour_text(self.hour)}"

    @property
    @abstractmethod
    def receipt_name(self) -> str:
        """What identifies the receipt, in addition to step, hour and entity."""

    @abstractmethod
    def work(self, attempt: Attempt) -> Kind:
        """Produce the data under the attempt's prefix, and return the receipt."""

    @cached_property
    def receipt(self) -> ReceiptTarget[Kind]:
        """The target, whose key has the step, the entity, the hour and the receipt's name."""
        return ReceiptTarget(
            self.hour, receipt_key(self.step, self.entity.name, self.hour, self.receipt_name), self.kind
        )

    def output(self) -> ReceiptTarget[Kind]:
        """The receipt alone: data objects without a receipt do not count."""
        return self.receipt

    def run(self) -> None:
        """Work under a new attempt and commit its receipt, unless another run has committed one."""
        receipt = self.work(new_attempt(self.entity, self.hour))
        if not self.receipt.commit(receipt):
            log.info("another run of this task was first; its receipt counts", extra=self.log_fields())

    def __repr__(self) -> str:
        return f"{self.task_family}({hour_text(self.hour)}, {self.entity.name}, {self.receipt_name})"

    def log_fields(self) -> dict[str, object]:
        """The fields that identify the task in log lines: hour, entity, and `of` for the receipt's name."""
        return {"hour": hour_text(self.hour), "entity": self.entity.name, "of": self.receipt_name}
