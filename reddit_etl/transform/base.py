"""What a transformation engine is."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from reddit_etl.entities.schema import Entity
from reddit_etl.lake.base import Lake
from reddit_etl.lake.receipts import DataObject
from reddit_etl.lake.tombstones import Tombstone


@dataclass(frozen=True)
class Transformation:
    """How many records were read, how many observations they are, and the Parquet objects that were written."""

    records: int
    observations: int
    objects: tuple[DataObject, ...]


@dataclass(frozen=True)
class Folder:
    """The Parquet objects that one attempt wrote."""

    entity: Entity
    keys: tuple[str, ...]
    to: str
    """The prefix of what replaces them."""


@dataclass(frozen=True)
class Rewritten:
    """A folder from whose rows something was taken, how many rows they are, and what is left of all, if anything."""

    folder: Folder
    rows: int
    objects: tuple[DataObject, ...]
    digests: tuple[str, ...]
    """The SHA-256 of each object of the folder that was read."""


@dataclass(frozen=True)
class Parts:
    """Objects of several attempts that are to become one, with the same columns."""

    entity: Entity
    objects: tuple[DataObject, ...]
    to: str
    """The prefix of the new object."""


@dataclass(frozen=True)
class Merged:
    """What parts became."""

    parts: Parts
    objects: tuple[DataObject, ...]


class TransformEngine(Protocol):
    """Something that runs the SQL over objects of the lake."""

    def __call__(self, *, entity: Entity, lake: Lake, inputs: Sequence[DataObject], prefix: str) -> Transformation:
        """Read the records of just these objects, and write Parquet below the prefix. Raises `TransformError`."""

    def rewrite(
        self, *, lake: Lake, folders: Iterable[Folder], tombstones: Sequence[Tombstone], prefix: str
    ) -> Iterator[Rewritten]:
        """Write anew, without what tombstones take, the folders from which they take anything; the others are left out.

        The files keep their columns. The prefix is for what the engine notes of its work. A folder of which an object
        has disappeared is given without rows, or is an error. Raises `TransformError`, `LakeError`.
        """

    def merge(self, *, lake: Lake, all_parts: Iterable[Parts], prefix: str) -> Iterator[Merged]:
        """Write the rows of each of these to one object, each observation once.

        The prefix is for what the engine notes of its work. Parts of which an object is missing or damaged are skipped,
        or an error. Raises `TransformError`, `LakeError`.
        """

    def check(self) -> str:
        """Try what can be tried without a run; gives what was found. Raises `TransformError`."""
