"""Receipts: what a task did, and the names of everything in the lake.

A receipt is a small JSON object, put once and never changed, that lists exactly what its task produced. The next task
reads what the receipt lists and nothing else, so an orphaned or half-written object can never be taken for data.
"""

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime, timedelta
from typing import Any, Self

from reddit_etl.errors import LakeError

REDDIT = "reddit"
# Of these only a user's profile may have a dash in its name.
EXTRACT = re.compile(r"((?P<source>[a-z]+)\.)?(?P<subreddit>[\w-]+)-(?P<listing>[a-z]+)-(?P<limit>\d+)", re.ASCII)
RECEIPT = re.compile(
    r"receipts/dt=(?P<day>\d{4}-\d\d-\d\d)/hr=(?P<hour>[01]\d|2[0-3])/"
    r"(?P<step>extract|transform|publish|load|successor)-(?P<entity>[a-z]+)-(?P<name>.+)\.json"
)


@dataclass(frozen=True)
class DataObject:
    """An object of data in the lake: its key, its size in bytes, the SHA-256 of them, and its rows."""

    key: str
    bytes: int
    sha256: str
    rows: int


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
            if "columns" in values:
                values["columns"] = dict(values["columns"])
            receipt = cls(**values)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise LakeError(f"not a receipt of this kind ({type(error).__name__})") from error
        found = RECEIPT.fullmatch(key)
        if not found or receipt.hour != f"{found['day']}T{found['hour']}":
            raise LakeError(f"a receipt of another hour: {receipt.hour!r}")
        return receipt


def _known(kind: type[Receipt | DataObject], content: dict[str, Any]) -> dict[str, Any]:
    """A later version may say more; what it says as we know it is enough."""
    return {field.name: content[field.name] for field in fields(kind) if field.name in content}


@dataclass(frozen=True, kw_only=True)
class Extracted(Receipt):
    """One listing of one subreddit, read once."""

    subreddit: str
    listing: str
    limit: int
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
    """Posts created between these two times were missed: the listing ended before the previous one began."""


@dataclass(frozen=True, kw_only=True)
class Transformed(Receipt):
    """The newest observation of each post of several extracts."""

    extracts: list[str]
    """The names of the extracts that went in."""
    records: int
    objects: tuple[DataObject, ...]
    columns: dict[str, str] = field(default_factory=dict)
    """The objects' own columns, in their order, each with its SQL type; not said by the oldest receipts."""

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


def extract_name(subreddit: str, listing: str, limit: int, source: str = REDDIT) -> str:
    """What is not from Reddit says so in front, so that neither is ever taken for the other."""
    name = f"{subreddit}-{listing}-{limit}"
    return name if source == REDDIT else f"{source}.{name}"


def extract_parts(name: str) -> tuple[str, str, int, str] | None:
    """Subreddit, listing, limit and source of a name; None if it is not an extract's."""
    found = EXTRACT.fullmatch(name)
    return found and (found["subreddit"], found["listing"], int(found["limit"]), found["source"] or REDDIT)


def selection_of(extracts: Iterable[str]) -> str:
    """A short name for a set of extracts, the same for the same set."""
    return hashlib.sha256("\n".join(sorted(set(extracts))).encode()).hexdigest()[:12]


def hour_text(hour: datetime) -> str:
    return hour.strftime("%Y-%m-%dT%H")


def spans_text(hours: Iterable[datetime]) -> str:
    """Hours in order, those without a gap between them as one span."""
    spans: list[list[datetime]] = []
    for hour in sorted(hours):
        if spans and hour - spans[-1][-1] == timedelta(hours=1):
            spans[-1].append(hour)
        else:
            spans.append([hour])
    return ", ".join(" to ".join(hour_text(end) for end in (span[0], *span[1:][-1:])) for span in spans)


def _partition(hour: datetime) -> str:
    return hour.strftime("dt=%Y-%m-%d/hr=%H")


def receipts_of(day: datetime) -> str:
    """The prefix of all receipts of a day."""
    return f"receipts/dt={day:%Y-%m-%d}/"


def receipt_key(task: str, entity: str, hour: datetime, name: str) -> str:
    """Where the receipt of a task is. `name` is an extract's name, or a selection."""
    return f"receipts/{_partition(hour)}/{task}-{entity}-{name}.json"


def load_prefix(entity: str, hour: datetime, selection: str) -> str:
    """How the warehouse's name of a load begins; the transformation's attempt follows."""
    return f"{entity}/{hour_text(hour)}/{selection}/"


def raw_key(entity: str, hour: datetime, attempt: str, name: str) -> str:
    return f"raw/{entity}/{_partition(hour)}/{attempt}/{name}.jsonl.gz"


def rejected_key(entity: str, hour: datetime, attempt: str, name: str) -> str:
    return f"rejected/{entity}/{_partition(hour)}/{attempt}/{name}.jsonl.gz"


def curated_prefix(entity: str, hour: datetime, selection: str, attempt: str) -> str:
    """Where a transformation's Parquet objects are, `part-00000.parquet` the first of them."""
    return f"curated/{entity}/{_partition(hour)}/sel={selection}/{attempt}/"
