"""The data lake: objects under keys, in a folder or in an S3 bucket.

Data objects are streamed and appear completely or not at all. Receipts are created once; a second writer learns that
there is one already.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import IO, NamedTuple

from reddit_etl.errors import DamagedObjectError, LakeError
from reddit_etl.lake.receipts import DataObject

CHUNK = 1 << 20


class Stored(NamedTuple):
    """An object as a listing has it."""

    key: str
    bytes: int
    at: datetime
    """When it was put there, in UTC by the clock of the store, whatever is known of its content."""


class Measured:
    """Writes bytes to a new object, counting and hashing them."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._digest = hashlib.sha256()
        self._bytes = 0

    def write(self, chunk: bytes) -> int:
        """Write all of the chunk."""
        self._stream.write(chunk)
        self._digest.update(chunk)
        self._bytes += len(chunk)
        return len(chunk)

    def entry(self, key: str, rows: int) -> DataObject:
        """The object's entry in a receipt, when all is written."""
        return DataObject(key, self._bytes, self._digest.hexdigest(), rows)


class Lake(ABC):
    """A store of objects. Keys are relative to `url`. All methods raise LakeError and ConfigurationError."""

    url: str

    @abstractmethod
    def open_new(self, key: str) -> AbstractContextManager[IO[bytes]]:
        """A stream to a new object, which appears only if the block ends without an exception."""

    @abstractmethod
    def create(self, key: str, content: bytes, *, media_type: str = "application/json") -> bool:
        """Create a small object. False: there is one with another content, which is kept.

        The type is for a browser, and only in a bucket.
        """

    @abstractmethod
    def read(self, key: str) -> bytes | None:
        """The content of a small object, None if it does not exist. A missing permission is an error."""

    @abstractmethod
    def stored(self, prefix: str) -> Iterator[Stored]:
        """The objects whose keys begin with a prefix, which ends in `/`."""

    def sizes(self, prefix: str) -> Iterator[tuple[str, int]]:
        """Their keys, each with its object's size in bytes."""
        for one in self.stored(prefix):
            yield one.key, one.bytes

    def keys(self, prefix: str) -> Iterator[str]:
        """The keys that begin with a prefix."""
        for key, _ in self.sizes(prefix):
            yield key

    @abstractmethod
    def keys_between(self, first: str, last: str) -> Iterator[str]:
        """The keys from `first` to `last`, exclusive, in order; both begin with the same folder."""

    @abstractmethod
    def folders(self, prefix: str) -> list[str]:
        """The names of the folders directly below a prefix, which ends in `/`."""

    @abstractmethod
    def local_file(self, key: str, scratch: Path) -> Path:
        """A file with the object's content: the object itself in a local lake, else a copy in `scratch`."""

    @abstractmethod
    def remove(self, keys: Iterable[str]) -> int:
        """Remove objects with all their versions, so that no byte stays; returns how many bytes there were.

        A key without an object is skipped.
        """

    @abstractmethod
    def remove_unfinished(self, before: datetime) -> int:
        """Remove what killed writers left of the lake's objects that never appeared, if begun before a moment in UTC.

        Returns how many there were.
        """

    def place(self, receipt: str) -> str:
        """Where the receipt of this key is, for messages."""
        return receipt

    def check_there(self, keys: Iterable[str]) -> None:
        """Raises DamagedObjectError if one of these objects is missing.

        For after an error, as another run may replace and remove an object at any time.
        """
        for folder, group in groupby(sorted(keys), key=lambda key: key.rpartition("/")[0]):
            there = set(self.keys(f"{folder}/"))
            for key in group:
                if key not in there:
                    raise DamagedObjectError(f"{self.url}/{key}, which a receipt lists, is missing", key=key)

    def existing_file(self, key: str, scratch: Path) -> Path:
        """The object as a local file. Raises DamagedObjectError if it is missing, LakeError if it cannot be read."""
        try:
            return self.local_file(key, scratch)
        except LakeError:
            self.check_there([key])
            raise

    def verified_file(self, entry: DataObject, scratch: Path) -> Path:
        """The object as a local file, after its checksum was compared with the receipt.

        Raises DamagedObjectError if the object is missing or differs, and LakeError if it cannot be read.
        """
        path = self.existing_file(entry.key, scratch)
        try:
            with path.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256")
        except OSError as error:
            self.check_there([entry.key])
            raise LakeError(f"{self.url}/{entry.key}: {error.strerror}") from error
        if digest.hexdigest() != entry.sha256:
            raise DamagedObjectError(
                f"{self.url}/{entry.key} does not match its receipt: its checksum differs", key=entry.key
            )
        return path

    def add_file(self, path: Path, key: str, rows: int) -> DataObject:
        """Copy a local file into the lake; returns its entry for a receipt."""
        with self.open_new(key) as target, path.open("rb") as stream:
            measured = Measured(target)
            while chunk := stream.read(CHUNK):
                measured.write(chunk)
        return measured.entry(key, rows)
