"""What a transformation engine is."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from reddit_etl.entities.schema import Entity
from reddit_etl.lake.base import Lake
from reddit_etl.lake.receipts import DataObject


@dataclass(frozen=True)
class Transformation:
    """How many records were read, how many observations they are, and the Parquet objects that were written."""

    records: int
    observations: int
    objects: tuple[DataObject, ...]


class TransformEngine(Protocol):
    """Something that runs the SQL over objects of the lake."""

    def __call__(self, *, entity: Entity, lake: Lake, inputs: Sequence[DataObject], prefix: str) -> Transformation:
        """Read the records of just these objects, and write Parquet below the prefix. Raises `TransformError`."""

    def check(self) -> str:
        """Try what can be tried without a run; gives what was found. Raises `TransformError`."""
