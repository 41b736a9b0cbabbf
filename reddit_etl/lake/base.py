"""The data lake: objects under keys, in a folder or in an S3 bucket.

Data objects are streamed and appear whole or not at all. Receipts are created once; a second writer is told that it
came second.
"""

import gzip
import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from reddit_etl.errors import DamagedObjectError, LakeError
from reddit_etl.lake.receipts import DataObject

# Level 1 takes half the time of level 6 for a tenth more bytes of such lines.
COMPRESSION_LEVEL = 1
CHUNK = 1 << 20


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
            measured = _Measured(target)
            while chunk := stream.read(CHUNK):
                measured.write(chunk)
        return measured.entry(key, rows)


class _Measured:
    """Passes bytes on, counting and hashing them."""

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


class JsonLines:
    """A gzip object of JSON lines in the lake, opened at the first line: without a line there is no object.

    Leave the block by an exception and nothing is left of it.
    """

    def __init__(self, lake: Lake, key: str, *, ascii_only: bool = False) -> None:
        self._lake = lake
        self._key = key
        self._encoder = json.JSONEncoder(ensure_ascii=ascii_only, separators=(",", ":"))
        self._stack = ExitStack()
        self._measured: _Measured | None = None
        self._gzip: gzip.GzipFile | None = None
        self.rows = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def write(self, row: object) -> None:
        if self._gzip is None:
            self._measured = _Measured(self._stack.enter_context(self._lake.open_new(self._key)))
            self._gzip = self._stack.enter_context(
                gzip.GzipFile(fileobj=self._measured, mode="wb", compresslevel=COMPRESSION_LEVEL, mtime=0)
            )
        self._gzip.write(self._encoder.encode(row).encode() + b"\n")
        self.rows += 1

    def entries(self) -> tuple[DataObject, ...]:
        """What was written, for the receipt: one object or none. To be asked after the block."""
        return (self._measured.entry(self._key, self.rows),) if self._measured else ()
