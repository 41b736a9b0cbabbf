"""The data lake: objects under keys, in a folder or in an S3 bucket.

Data objects are streamed and appear whole or not at all. Receipts are created once; a second writer is told that it
came second.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO

from reddit_etl.errors import DamagedObjectError, LakeError
from reddit_etl.lake.receipts import DataObject

CHUNK = 1 << 20


class Measured:
    """Passes bytes on to a new object, counting and hashing them."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._digest = hashlib.sha256()
        self._bytes = 0

    def write(self, chunk: bytes) -> int:
        self._stream.write(chunk)
        self._digest.update(chunk)
        self._bytes += len(chunk)
        return len(chunk)

    def flush(self) -> None:
        """Asked for by gzip; parts are flushed when they are full."""

    def entry(self, key: str, rows: int) -> DataObject:
        return DataObject(key, self._bytes, self._digest.hexdigest(), rows)


class Lake(ABC):
    """Where the objects are. Keys are relative to `url`."""

    url: str

    @abstractmethod
    def open_new(self, key: str) -> AbstractContextManager[IO[bytes]]:
        """A stream to a new object, which appears when the block ends well and never otherwise."""

    @abstractmethod
    def create(self, key: str, content: bytes) -> bool:
        """Put a small object unless there is one; False says that there is another one, which stays."""

    @abstractmethod
    def read(self, key: str) -> bytes | None:
        """A small object's content, None if there is none. No right to look is an error, not an absence."""

    @abstractmethod
    def sizes(self, prefix: str) -> Iterator[tuple[str, int]]:
        """The keys that begin with a prefix, which ends in `/`, each with its object's size in bytes."""

    def keys(self, prefix: str) -> Iterator[str]:
        """The keys alone."""
        for key, _ in self.sizes(prefix):
            yield key

    @abstractmethod
    def keys_between(self, first: str, last: str) -> Iterator[str]:
        """The keys from `first` up to `last`, which is not among them; both begin with the same folder."""

    @abstractmethod
    def folders(self, prefix: str) -> list[str]:
        """The names of the folders directly below a prefix, which ends in `/`."""

    @abstractmethod
    def local_file(self, key: str, scratch: Path) -> Path:
        """A file with the object's content: the object itself where it is a file, else a copy in `scratch`."""

    def verified_file(self, entry: DataObject, scratch: Path) -> Path:
        """The object's file, once its checksum is that of its receipt.

        Raises DamagedObjectError if the object is gone or is another one, and LakeError if it cannot be read.
        """
        try:
            path = self.local_file(entry.key, scratch)
        except LakeError as error:
            # Whether there is one is only asked where that may be the reason.
            if entry.key not in self.keys(f"{entry.key.rpartition('/')[0]}/"):
                message = f"{self.url}/{entry.key}, which a receipt lists, is gone"
                raise DamagedObjectError(message, key=entry.key) from error
            raise
        try:
            with path.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256")
        except OSError as error:
            raise LakeError(f"{self.url}/{entry.key}: {error.strerror}") from error
        if digest.hexdigest() != entry.sha256:
            raise DamagedObjectError(
                f"{self.url}/{entry.key} is not the object that its receipt lists: its checksum differs", key=entry.key
            )
        return path

    def add_file(self, path: Path, key: str, rows: int) -> DataObject:
        """Copy a local file into the lake."""
        with self.open_new(key) as target, path.open("rb") as stream:
            measured = Measured(target)
            while chunk := stream.read(CHUNK):
                measured.write(chunk)
        return measured.entry(key, rows)
