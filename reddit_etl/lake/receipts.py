"""Receipts: what each task did.

A receipt is a small JSON object, put once and never changed, that lists exactly what its task produced. The next task
reads what the receipt lists and nothing else, so an orphaned or half-written object can never be taken for data.
"""

import json
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self

from reddit_etl.errors import LakeError
from reddit_etl.lake.layout import RECEIPT


@dataclass(frozen=True)
class DataObject:
    """An object of data in the lake: its key, its size in bytes, the SHA-256 of them, and its rows."""

    key: str
    bytes: int
    sha256: str
    rows: int


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What the report says of one extract."""

    records: int
    rejects: int
    verdict: str
    is_listing: bool
    reasons: dict[str, int] = field(default_factory=dict)
    cleaned: dict[str, int] = field(default_factory=dict)
    truncated: int = 0
    gap: tuple[str, str] | None = None
    coverage: dict[str, int] = field(default_factory=dict)
    left: int = 0


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """What every receipt says. `hour` is written like `2026-11-23T04`, every other time in full."""

    entity: str
    hour: str
    attempt: str
    committed_at: str

    def to_json(self) -> bytes:
        return json.dumps(asdict(self), indent=1).encode()

    @classmethod
    def from_json(cls, text: bytes, *, key: str) -> Self:
        """What is stored under `key`. Raises LakeError, also if it is the receipt of another hour."""
        try:
            values = _known(cls, json.loads(text))
            for name in {"objects", "rejected"} & set(values):
                values[name] = tuple(DataObject(**_known(DataObject, entry)) for entry in values[name])
            if values.get("gap"):
                values["gap"] = tuple(values["gap"])
            if "summaries" in values:
                values["summaries"] = {name: _summary(entry) for name, entry in values["summaries"].items()}
            if "columns" in values:
                values["columns"] = dict(values["columns"])
            receipt = cls(**values)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise LakeError(f"not a receipt of this kind ({type(error).__name__})") from error
        found = RECEIPT.fullmatch(key)
        if not found or receipt.hour != f"{found['day']}T{found['hour']}":
            raise LakeError(f"a receipt of another hour: {receipt.hour!r}")
        return receipt


def _summary(content: dict[str, Any]) -> Summary:
    values = _known(Summary, content)
    return Summary(**values | {"gap": tuple(values["gap"]) if values.get("gap") else None})


def _known(kind: type[Receipt | DataObject | Summary], content: dict[str, Any]) -> dict[str, Any]:
    """A later version may say more; what it says as we know it is enough."""
    return {field.name: content[field.name] for field in fields(kind) if field.name in content}


@dataclass(frozen=True, kw_only=True)
class Planned(Receipt):
    """What is due, asked once: every attempt of the hour works from the same list."""

    until: str
    """When it was asked, by the clock of the run."""
    due: list[dict[str, Any]]
    missed: int
    """How many were due for so long that they were dropped."""
    loads: list[str]
    """The loads that the warehouse knew of."""


@dataclass(frozen=True, kw_only=True)
class Extracted(Receipt):
    """What one source gave, read once."""

    source: str
    verdict: str
    """`ok`, or why Reddit does not give the listing: private, banned, unknown, …"""
    requests: int
    records: int
    rejects: int
    objects: tuple[DataObject, ...]
    rejected: tuple[DataObject, ...]
    reasons: dict[str, int] = field(default_factory=dict)
    """How many payloads were rejected for which reason."""
    cleaned: dict[str, int] = field(default_factory=dict)
    """How many values were changed in which column."""
    truncated: int = 0
    """How many records had a text cut to its column's size."""
    oldest: str | None = None
    newest: str | None = None
    gap: tuple[str, str] | None = None
    """What was created between these two times was missed: the listing ended before the previous one began."""
    subreddit: str | None = None
    """With the next two, of a listing."""
    listing: str | None = None
    limit: int | None = None
    coverage: dict[str, int] = field(default_factory=dict)
    """Of trees: posts that were due, done, unavailable and missed; comments fetched, left and counted by Reddit."""
    left: list[dict[str, Any]] = field(default_factory=list)
    """Of trees: the posts that are left for a later hour."""

    @property
    def summary(self) -> Summary:
        values = {name: getattr(self, name) for name in ("records", "rejects", "verdict", "reasons", "cleaned")}
        values |= {name: getattr(self, name) for name in ("truncated", "gap", "coverage")}
        return Summary(**values, is_listing=self.listing is not None, left=len(self.left))


@dataclass(frozen=True, kw_only=True)
class Transformed(Receipt):
    """Each observation of several extracts, once."""

    extracts: list[str]
    """The names of the extracts that went in."""
    records: int
    objects: tuple[DataObject, ...]
    columns: dict[str, str] = field(default_factory=dict)
    """The objects' own columns, in their order, each with its SQL type; not said by the oldest receipts."""
    summaries: dict[str, Summary] = field(default_factory=dict)
    """Of the extracts, by their names; older receipts have none."""

    @property
    def rows(self) -> int:
        return sum(entry.rows for entry in self.objects)


@dataclass(frozen=True, kw_only=True)
class Successor(Transformed):
    """The same rows once more, in place of objects that were lost."""

    replaces: str
    """The attempt whose objects they were."""
    reason: str


@dataclass(frozen=True, kw_only=True)
class Published(Receipt):
    """The catalog's entry for one transformation's rows."""

    location: str | None
    """The partition's; None where there were no rows."""


@dataclass(frozen=True, kw_only=True)
class Loaded(Receipt):
    """One load of a transformation's rows into the warehouse."""

    rows: int
    inserted: int
    updated: int
    stale: int
    """Rows that changed nothing: the warehouse knew the post in the same or a newer state."""
