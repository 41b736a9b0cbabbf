"""Objects of gzip-compressed JSON lines, written line by line."""

import json
from contextlib import ExitStack
from types import TracebackType
from typing import Self

import msgspec
from isal import isal_zlib

from reddit_etl.lake.base import Lake, Measured
from reddit_etl.lake.receipts import DataObject

# ISA-L takes an eighth of the time of zlib at its level 1, for slightly fewer bytes.
COMPRESSION_LEVEL = 1
GZIP = 31  # Of zlib's `wbits`: one gzip member, whose header has no time.
CHUNK = 1 << 17  # Bytes of lines that are compressed together.


class JsonLines:
    """A gzip object of JSON lines in the lake, created with the first line: without lines there is no object.

    If the block raises an exception, no object remains. Lines are UTF-8, in which a lone surrogate raises
    UnicodeEncodeError and a number that is not finite becomes null; with `ascii_only` both are written as they are, as
    Python's `json` does.
    """

    def __init__(self, lake: Lake, key: str, *, ascii_only: bool = False) -> None:
        self._lake = lake
        self._key = key
        self._encode = _ascii if ascii_only else msgspec.json.encode
        self._stack = ExitStack()
        self._measured: Measured | None = None
        self._gzip = isal_zlib.compressobj(COMPRESSION_LEVEL, wbits=GZIP)
        self._lines = bytearray()
        self.rows = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind or not self._measured:
            self._stack.__exit__(kind, error, trace)
            return
        with self._stack:
            self._measured.write(self._gzip.compress(self._lines) + self._gzip.flush())

    def write(self, row: object) -> None:
        """Append a line."""
        if self._measured is None:
            self._measured = Measured(self._stack.enter_context(self._lake.open_new(self._key)))
        self._lines += self._encode(row)
        self._lines += b"\n"
        self.rows += 1
        if len(self._lines) >= CHUNK:
            self._measured.write(self._gzip.compress(self._lines))
            self._lines.clear()

    def entries(self) -> tuple[DataObject, ...]:
        """The entries for the receipt, one or none. Call it after the block."""
        return (self._measured.entry(self._key, self.rows),) if self._measured else ()


def _ascii(row: object) -> bytes:
    return json.dumps(row, separators=(",", ":")).encode()
