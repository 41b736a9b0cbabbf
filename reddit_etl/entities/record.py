"""Convert one child of a Reddit listing to a typed record, or to a reject with its reason. Pure functions."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from reddit_etl.entities.schema import Entity

HALF_PAIR = re.compile("[\ud800-\udfff]")


class Record(NamedTuple):
    """A payload that was accepted."""

    values: dict[str, object]
    """A JSON value for each of the entity's record columns."""
    cleaned: tuple[str, ...] = ()
    """The columns whose value was changed: unstorable characters were replaced, invalid values set to NULL."""


@dataclass(frozen=True)
class Reject:
    """A payload that was rejected."""

    payload: object
    reason: str


class _Text(NamedTuple):
    """A text as stores accept it."""

    value: str
    is_cleaned: bool
    is_truncated: bool

    @classmethod
    def of(cls, value: str, max_bytes: int) -> "_Text":
        # Stores accept neither: PostgreSQL and Redshift reject NUL, and half of a surrogate pair has no UTF-8 form.
        storable = value.replace("\0", "")
        try:
            encoded = storable.encode()
        except UnicodeEncodeError:
            storable = HALF_PAIR.sub("\ufffd", storable)
            encoded = storable.encode()
        cut = encoded[:max_bytes].decode(errors="ignore") if len(encoded) > max_bytes else storable
        return cls(cut, storable != value, len(encoded) > max_bytes)


def kind_of(child: object) -> str | None:
    """The kind of a child, such as `t3`; None if it has none."""
    kind = child.get("kind") if isinstance(child, dict) else None
    return kind if isinstance(kind, str) else None


def to_record(entity: Entity, child: object, observation: Mapping[str, object]) -> Record | Reject:
    """Convert one child of a listing, `{"kind": "t3", "data": {...}}`.

    `observation` has the columns of the request (`observed_at`, `source`, …) as JSON values. A missing or invalid value
    of a required column rejects the payload; of any other column it gives NULL.
    """
    payload = child.get("data") if isinstance(child, dict) and kind_of(child) == entity.kind else None
    if not isinstance(payload, dict):
        return Reject(child, f"not a {entity.kind}")
    get = payload.get
    row: dict[str, object] = {}
    cleaned: list[str] = []
    is_truncated = False
    # Most values are stored as they are. These checks are repeated for each field of each payload: calling a function
    # for each of them takes as long as all of the rest.
    for origin, name, plain, read, max_bytes, required in entity.fields:
        value: Any = get(origin)
        if value is not None and type(value) is not plain:
            try:
                value = read(value)
            except ValueError as error:
                if required:
                    return Reject(child, f"{origin} {error}")
                cleaned.append(name)
                value = None
        if max_bytes and value and not (value.isascii() and len(value) <= max_bytes and "\0" not in value):
            text = _Text.of(value, max_bytes)
            value = text.value
            is_truncated |= text.is_truncated
            if text.is_cleaned:
                cleaned.append(name)
        if required and value in (None, ""):
            return Reject(child, f"{origin} is missing")
        row[name] = value
    row |= observation
    row["text_truncated"] = is_truncated
    return Record(row, tuple(cleaned))
