"""Receipts: what each task did.

A receipt is a small JSON object, created once and never changed, that lists exactly what its task produced. The next
task reads only what the receipt lists, so an orphaned or incomplete object is never mistaken for data.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self

from reddit_etl.errors import LakeError
from reddit_etl.lake.layout import RECEIPT


@dataclass(frozen=True)
class DataObject:
    """A data object in the lake: its key, size in bytes, SHA-256 and number of rows."""

    key: str
    bytes: int
    sha256: str
    rows: int


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What the report shows of one extract."""

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
    is_suspicious: bool = False


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """The fields of all receipts. `hour` is like `2026-11-23T04`, all other times are complete."""

    entity: str
    hour: str
    attempt: str
    committed_at: str

    def to_json(self) -> bytes:
        """The content of the object."""
        content = bytearray()
        # Part by part: a plan may be long.
        for part in json.JSONEncoder(indent=1).iterencode(asdict(self)):
            content += part.encode()
        return bytes(content)

    @classmethod
    def from_json(cls, text: bytes, *, key: str) -> Self:
        """Parse the object under `key`. Raises LakeError, also for the receipt of another hour."""
        try:
            values = _known(cls, json.loads(text))
            _read_objects(values)
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


def _read_objects(values: dict[str, Any]) -> None:
    for name in {"objects", "rejected"} & set(values):
        values[name] = tuple(DataObject(**_known(DataObject, entry)) for entry in values[name])


def _summary(content: dict[str, Any]) -> Summary:
    values = _known(Summary, content)
    return Summary(**values | {"gap": tuple(values["gap"]) if values.get("gap") else None})


def _known(kind: type[Receipt | DataObject | Summary], content: dict[str, Any]) -> dict[str, Any]:
    """Without fields that a later version may have added."""
    return {field.name: content[field.name] for field in fields(kind) if field.name in content}


@dataclass(frozen=True, kw_only=True)
class Planned(Receipt):
    """What is due, decided once: every attempt of the hour works from the same list."""

    until: str
    """When it was decided, by the clock of the run."""
    due: Sequence[Any]
    """For trees the posts, for looks the posts and comments, each as its source writes it."""
    missed: int
    """How many were dropped because they were overdue."""
    loads: list[str]
    """The loads that were in the warehouse at that time."""
    rest: list[str] = field(default_factory=list)
    """What is due too, but more than the requests of a run can read: as windows, for the next plan."""
    waiting: int = 0
    """How many that are."""


@dataclass(frozen=True, kw_only=True)
class Extracted(Receipt):
    """One reading of a source."""

    source: str
    verdict: str
    """`ok`, or why Reddit does not return the listing: private, banned, unknown, …"""
    requests: int
    records: int
    rejects: int
    objects: tuple[DataObject, ...]
    rejected: tuple[DataObject, ...]
    reasons: dict[str, int] = field(default_factory=dict)
    """The number of rejected payloads by reason."""
    cleaned: dict[str, int] = field(default_factory=dict)
    """The number of changed values by column."""
    truncated: int = 0
    """The number of records with a text that was cut to its column's size."""
    oldest: str | None = None
    newest: str | None = None
    gap: tuple[str, str] | None = None
    """Items created between these times were missed: the listing did not reach back to the previous one."""
    subreddit: str | None = None
    """This and the next two are set for listings."""
    listing: str | None = None
    limit: int | None = None
    coverage: dict[str, int] = field(default_factory=dict)
    """For trees: posts due, done, unavailable and missed; comments fetched, left in stubs, and Reddit's count.
    For looks: posts and comments due, done, absent, gone, unclear and missed.
    """
    left: list[Any] = field(default_factory=list)
    """For trees and looks: what is deferred to a later hour, as the plan has it."""
    absent: list[str] = field(default_factory=list)
    """For looks: the names of what Reddit did not return, to be asked for again."""
    gone: list[str] = field(default_factory=list)
    """For looks: the names of what Reddit did not return for the second time, and is taken for deleted."""
    is_suspicious: bool = False
    """For looks: whether so much was absent at once that nothing was concluded; `absent` and `gone` are empty then."""
    others: dict[str, dict[str, Any]] = field(default_factory=dict)
    """For looks: what the same requests gave of other entities, in the fields `records` to `newest`."""

    def part(self, entity: str) -> dict[str, Any] | None:
        """The fields of one of the other entities; None if it was added later. Raises LakeError if it is damaged."""
        try:
            if entity not in self.others:
                return None
            values = _known(Extracted, self.others[entity])
            _read_objects(values)
        except (TypeError, KeyError, AttributeError) as error:
            raise LakeError(f"the extract of {self.entity} of {self.hour}: its part of {entity} is damaged") from error
        return values

    @property
    def summary(self) -> Summary:
        """For the receipt of the transformation, from which the report is made."""
        values = {name: getattr(self, name) for name in ("records", "rejects", "verdict", "reasons", "cleaned")}
        values |= {name: getattr(self, name) for name in ("truncated", "gap", "coverage", "is_suspicious")}
        return Summary(**values, is_listing=self.listing is not None, left=len(self.left))


@dataclass(frozen=True, kw_only=True)
class Transformed(Receipt):
    """Each observation of several extracts, once."""

    extracts: list[str]
    """The names of the extracts that were transformed."""
    records: int
    objects: tuple[DataObject, ...]
    columns: dict[str, str] = field(default_factory=dict)
    """The columns of the objects, in their order, each with its SQL type; empty in the oldest receipts."""
    summaries: dict[str, Summary] = field(default_factory=dict)
    """By name of extract; older receipts have none."""

    @property
    def rows(self) -> int:
        """Of all objects."""
        return sum(entry.rows for entry in self.objects)


@dataclass(frozen=True, kw_only=True)
class Compacted(Transformed):
    """The objects into which those of several transformations of a day were merged; `hour` is where they lie."""

    replaces: list[str]
    """The key of the first object of each."""


@dataclass(frozen=True, kw_only=True)
class Expired(Receipt):
    """The removal of the records or rejects of a day, since it is old; `hour` is its first."""

    removed: dict[str, int]
    """How many objects and bytes there were; what was written later is not counted."""


@dataclass(frozen=True, kw_only=True)
class Retained(Receipt):
    """What one run removed since it was old, and what it merged."""

    expired: dict[str, int]
    compacted: dict[str, int]
    packed: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Successor(Receipt):
    """What stands for the objects of one attempt from now on; their number may be 0. There is one per attempt."""

    replaces: str
    """The attempt that wrote the replaced objects."""
    objects: tuple[DataObject, ...]
    reason: str
    columns: dict[str, str] = field(default_factory=dict)
    """For curated objects, as for the transformation."""


@dataclass(frozen=True, kw_only=True)
class Published(Receipt):
    """The catalog's entry for one transformation's rows."""

    location: str | None
    """The location of the partition; None if there were no rows."""


@dataclass(frozen=True, kw_only=True)
class Loaded(Receipt):
    """One load of a transformation's rows into the warehouse."""

    rows: int
    inserted: int
    updated: int
    stale: int
    """Rows that changed nothing: the warehouse had the same or a newer state."""
    forgotten: int = 0
    """Rows that were left out, as tombstones name them."""


@dataclass(frozen=True, kw_only=True)
class Lost(Receipt):
    """What a run found missing in the warehouse and may have failed to load again, for later runs to try it too."""

    hours: list[str]
    """Of a day before the last 48 hours, its first."""
    settles: list[str] = field(default_factory=list)
    """The keys of earlier ones, of which nothing but these hours is left."""


@dataclass(frozen=True, kw_only=True)
class Forgotten(Receipt):
    """What one run took from all stores; never what that was."""

    lists: list[str]
    """The objects with the tombstones that it worked through: its own, and those of the runs since a day before."""
    tombstones: int
    noticed_at: str | None
    """When the first of its own was noticed."""
    gone_at: str
    """When the last byte was removed."""
    lake: dict[str, dict[str, int]]
    """By zone of the lake: objects that were replaced, their rows that lost something, objects that were removed, and
    their bytes, with all versions."""
    digests: list[dict[str, list[str]]]
    """Of the objects that were replaced together: the SHA-256 of what was there, and of what stands for it."""
    warehouse: dict[str, int]
    """The rows that were removed from the tables, and those from which something was cleared."""
