"""Successors: what stands today for objects that were lost, or that hold what must be forgotten.

A data object never changes. What replaces it is written first, then the successor's receipt, created once for all
objects of an attempt; only then may the old objects be removed. Every reader follows the chain from what a receipt
lists to what stands for it. Of two writers that replace the same objects, one creates the receipt, and the other goes
on from what it finds.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace

from reddit_etl.errors import LakeError
from reddit_etl.lake.base import Lake
from reddit_etl.lake.layout import successor_key
from reddit_etl.lake.receipts import DataObject, Successor, Transformed

Filter = Callable[[str], bool]
"""Whether there may be a receipt of that key, for readers that have listed some of the receipts."""


def put(lake: Lake, key: str, successor: Successor) -> Successor:
    """Create the receipt of what replaces the object of this key; returns the one that counts. Raises LakeError."""
    lake.create(successor_key(key), successor.to_json())
    found = read(lake, key)
    if not found:
        raise LakeError(f"{lake.url}/{successor_key(key)}: the receipt has disappeared")
    return found


def read(lake: Lake, key: str, *, may_be: Filter = lambda _: True) -> Successor | None:
    """What replaces the object of this key; None if it stands. Raises LakeError."""
    place = successor_key(key)
    content = lake.read(place) if may_be(place) else None
    if content is None:
        return None
    try:
        return Successor.from_json(content, key=place)
    except LakeError as error:
        raise LakeError(f"{lake.url}/{lake.place(place)}: {error}: restore it") from error


def standing(lake: Lake, objects: Iterable[DataObject], *, may_be: Filter = lambda _: True) -> list[DataObject]:
    """The objects that stand for these today. Raises LakeError."""
    found = []
    for entry in objects:
        successor = read(lake, entry.key, may_be=may_be)
        found += standing(lake, successor.objects, may_be=may_be) if successor else [entry]
    return found


def transformed(lake: Lake, receipt: Transformed, *, may_be: Filter = lambda _: True) -> Transformed:
    """The receipt of a transformation with the objects that stand for its own today. Raises LakeError."""
    while receipt.objects and (successor := read(lake, receipt.objects[0].key, may_be=may_be)):
        receipt = replaced(receipt, successor)
    return receipt


def listed(lake: Lake, key: str) -> Transformed | None:
    """The receipt of this key with what stands for its objects today; None if there is none. Raises LakeError."""
    content = lake.read(key)
    return transformed(lake, Transformed.from_json(content, key=key)) if content else None


def replaced(receipt: Transformed, successor: Successor) -> Transformed:
    """The receipt with the objects of its successor."""
    return replace(receipt, attempt=successor.attempt, objects=successor.objects, columns=successor.columns)
