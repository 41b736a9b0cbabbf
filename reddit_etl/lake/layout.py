"""The names of everything in the lake: each key comes from a task's parameters, and from one function here."""

import hashlib
import re
from collections.abc import Iterable
from datetime import datetime, timedelta

RECEIPT = re.compile(
    r"receipts/dt=(?P<day>\d{4}-\d\d-\d\d)/hr=(?P<hour>[01]\d|2[0-3])/"
    r"(?P<step>plan|extract|transform|publish|load|successor)-(?P<entity>[a-z]+)-(?P<name>.+)\.json"
)


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


RECEIPTS = "receipts/"
"""The folder of all receipts, with one folder a day in it."""


def receipts_of(hour: datetime) -> str:
    """The prefix of all receipts of an hour."""
    return f"receipts/{_partition(hour)}/"


def receipt_key(task: str, entity: str, hour: datetime, name: str) -> str:
    """Where the receipt of a task is. `name` is an extract's name, or a selection."""
    return f"{receipts_of(hour)}{task}-{entity}-{name}.json"


def load_prefix(entity: str, hour: datetime, selection: str) -> str:
    """How the warehouse's name of a load begins; the transformation's attempt follows."""
    return f"{entity}/{hour_text(hour)}/{selection}/"


def hour_of_load(load_id: str) -> datetime:
    """The hour in the warehouse's name of a load."""
    return datetime.fromisoformat(f"{load_id.split('/')[1]}:00")


def raw_key(entity: str, hour: datetime, attempt: str, name: str) -> str:
    return f"raw/{entity}/{_partition(hour)}/{attempt}/{name}.jsonl.gz"


def rejected_key(entity: str, hour: datetime, attempt: str, name: str) -> str:
    return f"rejected/{entity}/{_partition(hour)}/{attempt}/{name}.jsonl.gz"


def curated_prefix(entity: str, hour: datetime, selection: str, attempt: str) -> str:
    """Where a transformation's Parquet objects are, `part-00000.parquet` the first of them."""
    return f"curated/{entity}/{_partition(hour)}/sel={selection}/{attempt}/"
