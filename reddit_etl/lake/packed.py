"""A lake in which the receipts of past days may be packed: many in one object, read as if each were still there.

Every receipt keeps its key. A pack is written before what is in it is removed, and removed only when the pack has stood
for longer than any run takes (`reddit_etl.steps.pack`). So a run that listed a day before there was a pack finds the
receipts themselves, and a run that began later finds the pack.
"""

import gzip
import io
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import datetime
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from threading import Lock
from typing import IO, NamedTuple

from reddit_etl.errors import LakeError, UnreadableObjectError
from reddit_etl.lake.base import Lake, Stored
from reddit_etl.lake.jsonl import JsonLines
from reddit_etl.lake.layout import PACK, RECEIPT, RECEIPTS, after, day_of, pack_key, packs_of
from reddit_etl.lake.receipts import Receipt

KEPT = 2
"""Packed days in memory, of about a megabyte each; of 60 if each hour looks at all that the default allows."""


class Day(NamedTuple):
    """What is there of the receipts of a day."""

    day: str
    """Like `2026-11-23`."""
    loose: list[str]
    """The keys of the receipts that are objects of their own."""
    packs: tuple[str, ...]
    """The keys of packs."""


class PackedLake(Lake):
    """Another lake's objects, and the receipts in its packs."""

    def __init__(self, lake: Lake) -> None:
        self.url = lake.url
        self._lake = lake
        self._packs: dict[str, tuple[str, ...]] = {}
        """The keys of the packs of each day, as of when this process first listed them."""
        self._contents = lru_cache(maxsize=KEPT)(self._read_packs)
        # Else each of several threads would read the same pack.
        self._reading = Lock()

    def read(self, key: str) -> bytes | None:
        """See `Lake`."""
        day = day_of(key)
        if day and self._packs.get(day) and (content := self._packed(day).get(key)):
            return content
        content = self._lake.read(key)
        return self._packed(day).get(key) if day and content is None else content

    def create(self, key: str, content: bytes, **media_type: str) -> bool:
        """See `Lake`."""
        day = day_of(key)
        packed = self._packed(day).get(key) if day else None
        return packed == content if packed else self._lake.create(key, content, **media_type)

    def place(self, receipt: str) -> str:
        """See `Lake`. More than one pack may have it."""
        day = day_of(receipt)
        packs = self._packs[day] if day and self._packed(day) else ()
        found = [pack.rpartition("/")[2] for pack in packs if receipt in self.packed_in([pack])]
        return f"{receipt} in {' and '.join(found)}" if found else receipt

    def keys(self, prefix: str) -> Iterator[str]:
        """See `Lake`."""
        return self.keys_between(prefix, after(prefix)) if prefix.startswith(RECEIPTS) else self._lake.keys(prefix)

    def keys_between(self, first: str, last: str) -> Iterator[str]:
        """See `Lake`."""
        if not first.startswith(RECEIPTS):
            yield from self._lake.keys_between(first, last)
            return
        for day in self.days(first, last):
            self._packs[day.day] = day.packs
            yield from (key for key in sorted({*day.loose, *self._packed(day.day)}) if first <= key < last)
        if ends := day_of(last):
            # It has no receipts yet: its first one must not take another listing.
            self._packs.setdefault(ends, ())

    def days(self, first: str, last: str) -> Iterator[Day]:
        """The days with receipts between two keys, in order; the last one to its end, where its packs are."""
        day = day_of(last)
        keys = self._lake.keys_between(first, max(last, after(f"{RECEIPTS}dt={day}/")) if day else last)
        for name, group in groupby(keys, key=day_of):
            found = list(group)
            packs = tuple(key for key in found if PACK.fullmatch(key))
            if name:
                yield Day(name, [key for key in found if RECEIPT.fullmatch(key)], packs)

    def packed_in(self, packs: Iterable[str]) -> Mapping[str, bytes]:
        """The receipts in these packs, by key. Raises UnreadableObjectError if one is damaged, LakeError."""
        with self._reading:
            return self._contents(tuple(packs))

    def add_pack(self, day: str, name: str, keys: Iterable[str]) -> int:
        """Put these receipts into a pack, and leave them where they are; returns how many those were.

        What is not a receipt stays outside, where it can be removed or restored. Raises LakeError.
        """
        with JsonLines(self._lake, pack_key(day, name)) as lines:
            for key in keys:
                receipt = _receipt(self._lake.read(key), key)
                if receipt:
                    lines.write({"key": key, "receipt": receipt})
        self._packs.pop(day, None)
        return lines.rows

    def _packed(self, day: str) -> Mapping[str, bytes]:
        """The receipts in the packs of a day."""
        if day not in self._packs:
            prefix = packs_of(day)
            self._packs[day] = tuple(filter(PACK.fullmatch, self._lake.keys_between(prefix, after(prefix))))
        return self.packed_in(self._packs[day]) if self._packs[day] else {}

    def _read_packs(self, packs: tuple[str, ...]) -> Mapping[str, bytes]:
        found: dict[str, bytes] = {}
        for pack in packs:
            try:
                content = self._lake.read(pack) or b""
                # Line by line: a plan may be long.
                with gzip.open(io.BytesIO(content)) as lines:
                    receipts = {packed["key"]: packed["receipt"].encode() for packed in map(json.loads, lines)}
                if not receipts:
                    raise EOFError
                found |= receipts
            except (ValueError, TypeError, KeyError, AttributeError, EOFError, OSError, zlib.error) as error:
                raise UnreadableObjectError(
                    f"{self.url}/{pack}: not a pack of receipts ({type(error).__name__}): restore it"
                ) from error
        return found

    def open_new(self, key: str) -> AbstractContextManager[IO[bytes]]:
        """See `Lake`."""
        return self._lake.open_new(key)

    def stored(self, prefix: str) -> Iterator[Stored]:
        """See `Lake`. Here a pack is one object."""
        return self._lake.stored(prefix)

    def folders(self, prefix: str) -> list[str]:
        """See `Lake`."""
        return self._lake.folders(prefix)

    def local_file(self, key: str, scratch: Path) -> Path:
        """See `Lake`."""
        return self._lake.local_file(key, scratch)

    def remove(self, keys: Iterable[str]) -> int:
        """See `Lake`. What is in a pack stays."""
        removed = list(keys)
        for day in filter(None, map(day_of, removed)):
            # A process that listed the day before it was packed has only read these so far.
            self._packs.pop(day, None)
        return self._lake.remove(removed)

    def remove_unfinished(self, before: datetime) -> int:
        """See `Lake`."""
        return self._lake.remove_unfinished(before)


def _receipt(content: bytes | None, key: str) -> str | None:
    """The text of a receipt; None for anything else."""
    try:
        Receipt.from_json(content or b"", key=key)
        return (content or b"").decode()
    except (LakeError, UnicodeDecodeError):
        return None
