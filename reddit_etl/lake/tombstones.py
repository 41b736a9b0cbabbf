"""Tombstones: what was taken back on Reddit, and must leave every store and never come back.

They hold ids alone, never an author's name, a title or a URL.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from reddit_etl.errors import LakeError
from reddit_etl.lake.base import Lake
from reddit_etl.lake.layout import TOMBSTONES, tombstones_key


class Kind(StrEnum):
    """Why it is forgotten."""

    DELETED = "deleted"
    """Its author deleted it."""
    REMOVED = "removed"
    """Moderators or Reddit removed it."""
    GONE = "gone"
    """Reddit does not return it any more."""
    ACCOUNT = "account"
    """Its author's account was deleted: the text stays, the author's name does not."""
    REQUEST = "request"
    """A person asked for it."""


@dataclass(frozen=True, order=True)
class Tombstone:
    """What is to be forgotten of one post or comment.

    All observations up to `moment` are concerned, which is in the lake's format; a newer one in which it is still there
    is kept.
    """

    entity: str
    id: str
    """Without the prefix of the kind."""
    kind: Kind
    moment: str
    created_on: str = ""
    """The day on which it was created, such as `2026-11-23`: nothing older holds it. Empty if that is unknown."""


def put(lake: Lake, hour: datetime, name: str, tombstones: Sequence[Tombstone]) -> bool:
    """Create the object of these tombstones. False: there is one with other tombstones, which is kept."""
    content = json.dumps({"tombstones": [astuple(one) for one in sorted(tombstones)]})
    return lake.create(tombstones_key(hour, name), content.encode())


def read(lake: Lake, key: str) -> list[Tombstone]:
    """The tombstones of one object. Raises LakeError if it is missing or damaged."""
    content = lake.read(key)
    try:
        values: list[Any] = json.loads(content or b"")["tombstones"]
        # Older objects have no day of creation.
        return [
            Tombstone(str(entity), str(id_), Kind(kind), str(moment), *map(_day, created))
            for entity, id_, kind, moment, *created in values
        ]
    except (ValueError, TypeError, KeyError) as error:
        raise LakeError(f"{lake.url}/{key}: not a list of tombstones: restore it") from error


def earliest(tombstones: Iterable[Tombstone]) -> datetime | None:
    """When the first of what they name can have been created; None if that is unknown of one."""
    days = {one.created_on for one in tombstones}
    return None if "" in days or not days else datetime.fromisoformat(min(days))


def _day(text: object) -> str:
    return date.fromisoformat(str(text)).isoformat() if text else ""


def keys(lake: Lake) -> Iterator[str]:
    """The objects of all tombstones."""
    return lake.keys(TOMBSTONES)
