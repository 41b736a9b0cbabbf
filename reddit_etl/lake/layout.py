"""The keys of the lake: each is made from a task's parameters, by one function here."""

import hashlib
import re
from collections.abc import Iterable
from datetime import datetime, timedelta

from reddit_etl.errors import LakeError

RECEIPT = re.compile(
    r"receipts/dt=(?P<day>\d{4}-\d\d-\d\d)/hr=(?P<hour>[01]\d|2[0-3])/"
    r"(?P<step>plan|extract|transform|publish|load|lost|successor|forget|expire|compact|retain)-(?P<entity>[a-z]+)-(?P<name>.+)\.json"
)

PACK = re.compile(r"receipts/dt=(?P<day>\d{4}-\d\d-\d\d)/packed-(?P<attempt>.+)\.jsonl\.gz")
"""The key of a pack of receipts of a day."""
DAY = re.compile(r"receipts/dt=(\d{4}-\d\d-\d\d)/")

ZONES = ("raw", "rejected", "curated")
"""The folders of data objects."""
DATA = re.compile(
    rf"(?P<zone>{'|'.join(ZONES)})/"
    r"(?P<entity>[a-z]+)/dt=(?P<day>\d{4}-\d\d-\d\d)/hr=(?P<hour>[01]\d|2[0-3])/"
    r"(sel=(?P<selection>[0-9a-f]+)/)?(?P<attempt>[^/]+)/(?P<file>.+)"
)


SELECTION = 12
"""Characters of the selection of extracts."""


def selection_of(extracts: Iterable[str]) -> str:
    """A short hash of a set of extracts."""
    return hashlib.sha256("\n".join(sorted(set(extracts))).encode()).hexdigest()[:SELECTION]


def merged_selection(selection: str, attempts: Iterable[str]) -> str:
    """The selection of what objects of these attempts were merged into; it begins with that of the extracts."""
    digest = hashlib.sha256("\n".join(sorted(attempts)).encode()).hexdigest()
    return source_selection(selection) + digest[:8]


def source_selection(selection: str) -> str:
    """The selection of the extracts, also of merged objects."""
    return selection[:SELECTION]


def hour_text(hour: datetime) -> str:
    """`2026-11-23T04`, as parameters and receipts have it."""
    return hour.strftime("%Y-%m-%dT%H")


def spans_text(hours: Iterable[datetime]) -> str:
    """A list of hours, in which consecutive ones are shown as a span."""
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


def day_of(key: str) -> str | None:
    """The day of a receipt or of a pack, like `2026-11-23`; None for any other key."""
    found = DAY.match(key)
    return found[1] if found else None


def packs_of(day: str) -> str:
    """The prefix of the packs of a day; they come after all other keys of the day."""
    return f"{RECEIPTS}dt={day}/packed-"


def pack_key(day: str, attempt: str) -> str:
    """The receipts of a day that one run has packed."""
    return f"{packs_of(day)}{attempt}.jsonl.gz"


def after(prefix: str) -> str:
    """A key that comes after all that begin with a prefix, and before all later ones."""
    return f"{prefix[:-1]}{chr(ord(prefix[-1]) + 1)}"


def receipt_key(task: str, entity: str, hour: datetime, name: str) -> str:
    """The key of a task's receipt. `name` is an extract's name, or begins with a selection."""
    return f"{receipts_of(hour)}{task}-{entity}-{name}.json"


def listing_key(entity: str, hour: datetime, selection: str) -> str:
    """The key of the receipt that lists the curated objects of an hour and a selection."""
    is_merged = selection != source_selection(selection)
    return receipt_key("compact" if is_merged else "transform", entity, hour, selection)


def successor_key(key: str) -> str:
    """The key of the receipt of what replaces the data object of this key, and all others of the same attempt.

    Raises LakeError for a key that is not one of a data object.
    """
    found = DATA.fullmatch(key)
    if not found:
        raise LakeError(f"{key}: not the key of a data object")
    what = found["selection"] or found["zone"]
    return f"receipts/dt={found['day']}/hr={found['hour']}/successor-{found['entity']}-{what}-{found['attempt']}.json"


def expiry_key(key: str) -> str:
    """The key of the receipt that old objects of this one's zone, entity and day were removed.

    Raises LakeError for a key that is not one of a data object.
    """
    found = DATA.fullmatch(key)
    if not found:
        raise LakeError(f"{key}: not the key of a data object")
    return f"receipts/dt={found['day']}/hr=00/expire-{found['entity']}-{found['zone']}.json"


def replacement_key(key: str, attempt: str) -> str:
    """The key of an object that replaces one of a single object per attempt, a raw or rejected one."""
    folder, _, file = key.rpartition("/")
    return f"{folder.rpartition('/')[0]}/{attempt}/{file}"


def load_prefix(entity: str, hour: datetime, selection: str) -> str:
    """The beginning of a `load_id` in the warehouse; the attempt of the transformation follows."""
    return f"{entity}/{hour_text(hour)}/{selection}/"


def hour_of_load(load_id: str) -> datetime:
    """The hour in a `load_id`."""
    return datetime.fromisoformat(f"{load_id.split('/')[1]}:00")


def partition_of(key: str) -> str:
    """The prefix of all data objects of the same kind, entity and hour as the one with this key."""
    return "/".join(key.split("/")[:4]) + "/"


def raw_key(entity: str, hour: datetime, attempt: str, name: str) -> str:
    """The records of an extract."""
    return f"raw/{entity}/{_partition(hour)}/{attempt}/{name}.jsonl.gz"


def rejected_key(entity: str, hour: datetime, attempt: str, name: str) -> str:
    """The rejects of an extract."""
    return f"rejected/{entity}/{_partition(hour)}/{attempt}/{name}.jsonl.gz"


def curated_prefix(entity: str, hour: datetime, selection: str, attempt: str) -> str:
    """The prefix of a transformation's Parquet objects, the first of which is `part-00000.parquet`."""
    return f"curated/{entity}/{_partition(hour)}/sel={selection}/{attempt}/"


TOMBSTONES = "tombstones/"
"""The folder of all tombstones, which are kept for ever."""

REPORTS = "reports/"
"""The folder of the daily reports, whose keys are in the order of their hours."""

FOLDERS = (*(f"{zone}/" for zone in ZONES), RECEIPTS, TOMBSTONES, REPORTS)
"""What a lake has; its bucket or folder may have things of others beside them."""


def tombstones_of(hour: datetime) -> str:
    """The prefix of all tombstones of an hour; those of later hours come after it."""
    return f"{TOMBSTONES}{_partition(hour)}/"


def tombstones_key(hour: datetime, name: str) -> str:
    """The tombstones that one run put; `name` says what for, such as `noticed`."""
    return f"{tombstones_of(hour)}{name}.json"


def report_key(hour: datetime) -> str:
    """The report that ends with an hour."""
    return f"{REPORTS}{hour_text(hour)}.html"
