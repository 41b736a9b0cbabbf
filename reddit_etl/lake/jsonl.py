"""Objects of JSON lines, compressed with gzip, written a line at a time."""

import gzip
import json
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from reddit_etl.lake.base import Lake, Measured
from reddit_etl.lake.receipts import DataObject

# Level 1 takes half the time of level 6 for a tenth more bytes of such lines.
COMPRESSION_LEVEL = 1


class JsonLines:
    """A gzip object of JSON lines in the lake, opened at the first line: without a line there is no object.

    Leave the block by an exception and nothing is left of it.
    """

    def __init__(self, lake: Lake, key: str, *, ascii_only: bool = False) -> None:
        self._lake = lake
        self._key = key
        self._encoder = json.JSONEncoder(ensure_ascii=ascii_only, separators=(",", ":"))
        self._stack = ExitStack()
        self._measured: Measured | None = None
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
            self._measured = Measured(self._stack.enter_context(self._lake.open_new(self._key)))
            self._gzip = self._stack.enter_context(
                gzip.GzipFile(fileobj=self._measured, mode="wb", compresslevel=COMPRESSION_LEVEL, mtime=0)
            )
        self._gzip.write(self._encoder.encode(row).encode() + b"\n")
        self.rows += 1

    def entries(self) -> tuple[DataObject, ...]:
        """What was written, for the receipt: one object or none. To be asked after the block."""
        return (self._measured.entry(self._key, self.rows),) if self._measured else ()
