"""Rewrite an object of JSON lines, line by line, in memory that does not grow with it."""

import gzip
import hashlib
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from reddit_etl.errors import DamagedObjectError, UnreadableObjectError
from reddit_etl.lake.base import Lake
from reddit_etl.lake.jsonl import JsonLines
from reddit_etl.lake.receipts import DataObject

Change = Callable[[bytes], bytes | None]
"""Gives what is left of a line, which has no end of line: the line itself if nothing is taken, None if nothing is left.

Raises ValueError for a line that cannot be understood.
"""


@dataclass(frozen=True)
class Rewritten:
    """An object, what is left of it, and how many of its lines were changed or left out."""

    old: DataObject
    objects: tuple[DataObject, ...]
    """One object, or none if no line is left."""
    lines: int


def rewrite(lake: Lake, key: str, to: str, change: Change) -> Rewritten | None:
    """Write what is left of an object under another key; None if it can stay as it is.

    Lines that stay are copied byte by byte. Reads the object twice if it is rewritten. Raises DamagedObjectError if it
    is missing, UnreadableObjectError if it cannot be read.
    """
    with tempfile.TemporaryDirectory(prefix="rewrite-") as scratch:
        path = lake.existing_file(key, Path(scratch))
        with _readable(lake, key):
            rows = changed = 0
            for line in _lines(path):
                rows += 1
                changed += change(line) != line
            if not changed:
                return None
            # Before anything is written: another process may remove it at any time.
            with path.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
            old = DataObject(key, path.stat().st_size, digest, rows)
            with JsonLines(lake, to) as lines:
                for left in map(change, _lines(path)):
                    if left is not None:
                        lines.write(msgspec.Raw(left))
        return Rewritten(old, lines.entries(), changed)


def touched(lake: Lake, key: str, change: Change) -> int:
    """How many lines of an object would be changed or left out. Raises as `rewrite` does."""
    with tempfile.TemporaryDirectory(prefix="rewrite-") as scratch:
        path = lake.existing_file(key, Path(scratch))
        with _readable(lake, key):
            return sum(change(line) != line for line in _lines(path))


@contextmanager
def _readable(lake: Lake, key: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        # Another process removed it meanwhile.
        raise DamagedObjectError(f"{lake.url}/{key} is missing", key=key) from error
    except (OSError, EOFError, ValueError, zlib.error) as error:
        reason = type(error).__name__
        raise UnreadableObjectError(
            f"{lake.url}/{key}: it cannot be read ({reason}): restore it, or remove it"
        ) from error


def _lines(path: Path) -> Iterator[bytes]:
    with gzip.open(path, "rb") as stream:
        for line in stream:
            yield line.removesuffix(b"\n")
