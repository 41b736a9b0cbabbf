"""Convert one child of a Reddit listing to a typed record, or to a reject with its reason. Pure functions."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from reddit_etl.entities.schema import Entity

HALF_PAIR = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class Record:
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


@dataclass
class _Reading:
    """What was changed while the columns of one payload were read."""

    cleaned: list[str] = field(default_factory=list)
    truncated: bool = False

    def text(self, name: str, value: str, max_bytes: int) -> str:
        # Stores accept neither: PostgreSQL and Redshift reject NUL, and half of a surrogate pair has no UTF-8 form.
        storable = value.replace("\0", "")
        try:
            encoded = storable.encode()
        except UnicodeEncodeError:
            storable = HALF_PAIR.sub("\ufffd", storable)
            encoded = storable.encode()
        if storable != value:
            self.cleaned.append(name)
        if len(encoded) <= max_bytes:
            return storable
        self.truncated = True
        return encoded[:max_bytes].decode(errors="ignore")


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
    reading = _Reading()
    row: dict[str, object] = {}
    for origin, name, read, max_bytes, required in entity.fields:
        raw = payload.get(origin)
        try:
            value = None if raw is None else read(raw)
        except ValueError as error:
            if required:
                return Reject(child, f"{origin} {error}")
            reading.cleaned.append(name)
            value = None
        if max_bytes and isinstance(value, str):
            value = reading.text(name, value, max_bytes)
        if required and value in (None, ""):
            return Reject(child, f"{origin} is missing")
        row[name] = value
    row |= observation
    row["text_truncated"] = reading.truncated
    return Record(row, tuple(reading.cleaned))
