"""The state of the pipeline in a range of hours, collected from receipts and from a listing of the lake.

Names of extracts and subreddits are shown, except user profiles, whose name is an author's. Nothing else of what users
wrote is in it, so a report need not change when content is forgotten.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby
from typing import TypeVar

from reddit_etl import clock
from reddit_etl.entities import ENTITIES
from reddit_etl.entities.forgotten import PROFILE
from reddit_etl.errors import LakeError
from reddit_etl.lake import inventory
from reddit_etl.lake.base import Lake
from reddit_etl.lake.index import ReceiptKey
from reddit_etl.lake.layout import RECEIPTS, REPORTS, TOMBSTONES, ZONES
from reddit_etl.lake.receipts import Extracted, Forgotten, Loaded, Receipt, Retained, Transformed
from reddit_etl.steps.attempt import began

Kind = TypeVar("Kind", bound=Receipt)

HOUR = timedelta(hours=1)
READERS = 8
"""Receipts that are read at a time: a request to S3 takes 20 to 50 ms, and a week has thousands."""
KINDS: dict[str, type[Receipt]] = {
    "extract": Extracted,
    "transform": Transformed,
    "load": Loaded,
    "forget": Forgotten,
    "retain": Retained,
}
PROFILES = "user profiles"
TREES = "comment trees"
# The ids of all entities share the requests.
LOOKS = f"looks at {' and '.join(ENTITIES)}"


@dataclass
class Reading:
    """What one listing, the comment trees or the looks gave in all hours."""

    hours: int = 0
    records: int = 0
    rejects: int = 0
    requests: int = 0
    full: int = 0
    """Hours in which it had as many items as its limit allows."""
    gaps: int = 0
    truncated: int = 0
    cleaned: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    """Hours by the reason why Reddit did not return it."""
    coverage: Counter[str] = field(default_factory=Counter)
    """As in `Extracted.coverage`, with `deferred` for all that is left for a later hour; empty for listings."""
    suspicious: int = 0


@dataclass(frozen=True)
class Gap:
    """What was created between two moments and was missed."""

    title: str
    entity: str
    first: str
    last: str


@dataclass(frozen=True)
class Removal:
    """One run of forgetting."""

    hour: datetime
    why: str
    """`noticed` on Reddit, or a `request`."""
    tombstones: int
    hours: float | None
    """From the notice to the removal of the last byte; None without a notice, or if it is in a later hour."""
    rows: int
    objects: int


@dataclass
class State:
    """All facts of the hours from `first` to `last`, inclusive."""

    first: datetime
    last: datetime
    readings: dict[str, Reading] = field(default_factory=dict)
    """By title, such as `r/python new`."""
    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Rejects by entity and reason."""
    gaps: list[Gap] = field(default_factory=list)
    read: set[datetime] = field(default_factory=set)
    """Hours with an extract."""
    loaded: set[datetime] = field(default_factory=set)
    """Hours that are in the warehouse, by the receipts of their loads."""
    requests: Counter[datetime] = field(default_factory=Counter)
    """Requests to Reddit by hour: pages, logins and retries."""
    lag: dict[datetime, float] = field(default_factory=dict)
    """Minutes from the beginning of the first extract to the end of the last load."""
    seconds: dict[str, list[float]] = field(default_factory=dict)
    """By step, of each task."""
    removals: list[Removal] = field(default_factory=list)
    retained: list[Retained] = field(default_factory=list)
    zones: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Objects and bytes of the whole lake, by zone and entity."""
    unreadable: Counter[str] = field(default_factory=Counter)
    """Receipts that could not be parsed, by step."""
    last_done: datetime | None = None
    """When the last of all receipts was committed."""
    begun: datetime | None = None
    """The first hour of the range that was read, if nothing was before the range."""

    @property
    def hours(self) -> list[datetime]:
        """Those in which a run was possible: all of the range, or those since the first run."""
        return hours(self.begun or self.first, self.last)


def hours(first: datetime, last: datetime) -> list[datetime]:
    """All from the first to the last, inclusive."""
    return [first + n * HOUR for n in range(int((last - first) / HOUR) + 1)]


def collect(lake: Lake, keys: Iterable[ReceiptKey], state: State, *, source: str, warehouse: str) -> None:
    """Add what the receipts of these keys hold, which are in order, and the sizes of the lake's zones.

    Only extracts of the source, and loads into the warehouse of this short name, count. Holds the receipts of a day in
    memory. Raises LakeError.
    """
    begins: dict[datetime, datetime] = {}
    ends: dict[datetime, datetime] = {}
    for key, receipt in _receipts(lake, keys, state, warehouse):
        ended = clock.moment(receipt.committed_at)
        if isinstance(receipt, Extracted):
            if receipt.source != source:
                continue
            _add_extract(state, key, receipt)
            begins[key.hour] = min(began(receipt.attempt), begins.get(key.hour, ended))
        elif isinstance(receipt, Loaded):
            ends[key.hour] = max(ended, ends.get(key.hour, ended))
        elif isinstance(receipt, Forgotten):
            state.removals.append(_removal(key, receipt))
        elif isinstance(receipt, Retained):
            state.retained.append(receipt)
        state.last_done = max(ended, state.last_done or ended)
        state.seconds.setdefault(key.step, []).append(max(0.0, (ended - began(receipt.attempt)).total_seconds()))
    state.loaded = {hour for hour in ends if hour in begins}
    state.lag = {hour: (ends[hour] - begins[hour]).total_seconds() / 60 for hour in sorted(state.loaded)}
    state.zones = _zones(lake)
    if state.read and not any(day < f"dt={state.first:%Y-%m-%d}" for day in lake.folders(RECEIPTS)):
        state.begun = min(state.read)


def _receipts(
    lake: Lake, keys: Iterable[ReceiptKey], state: State, warehouse: str
) -> Iterator[tuple[ReceiptKey, Receipt]]:
    wanted = (
        key for key in keys if key.step in KINDS and (key.step != "load" or key.name.rpartition("-")[2] == warehouse)
    )
    with ThreadPoolExecutor(READERS) as pool:
        for _, of_day in groupby(wanted, key=lambda key: key.hour.date()):
            day = list(of_day)
            for key, content in zip(day, pool.map(lake.read, (key.key for key in day)), strict=True):
                try:
                    receipt = KINDS[key.step].from_json(content or b"", key=key.key)
                    clock.moment(receipt.committed_at)
                except (LakeError, ValueError):
                    state.unreadable[key.step] += 1
                else:
                    yield key, receipt


def shown(subreddit: str) -> str:
    """The name as it may be shown: a profile's name is an author's."""
    return PROFILES if subreddit.lower().startswith(PROFILE) else f"r/{subreddit}"


def _title(receipt: Extracted) -> str:
    if receipt.listing:
        return f"{shown(receipt.subreddit or '')} {receipt.listing}"
    return TREES if "num_comments" in receipt.coverage else LOOKS


def _add_extract(state: State, key: ReceiptKey, receipt: Extracted) -> None:
    title = _title(receipt)
    reading = state.readings.setdefault(title, Reading())
    # The receipt of a further entity of the same requests has nothing but its records and rejects.
    reading.hours += bool(receipt.listing or receipt.coverage)
    reading.records += receipt.records
    reading.rejects += receipt.rejects
    reading.requests += receipt.requests
    reading.full += receipt.limit is not None and receipt.records + receipt.rejects >= receipt.limit
    reading.truncated += receipt.truncated
    reading.cleaned += sum(receipt.cleaned.values())
    reading.suspicious += receipt.is_suspicious
    if receipt.verdict != "ok":
        reading.skipped[receipt.verdict] += 1
    if receipt.coverage:
        reading.coverage.update(receipt.coverage)
        reading.coverage["deferred"] += len(receipt.left) + receipt.coverage.get("waiting", 0)
    if receipt.gap:
        reading.gaps += 1
        state.gaps.append(Gap(title, receipt.entity, *receipt.gap))
    for reason, number in receipt.reasons.items():
        state.reasons[receipt.entity, reason] += number
    state.requests[key.hour] += receipt.requests
    state.read.add(key.hour)


def _removal(key: ReceiptKey, receipt: Forgotten) -> Removal:
    took = None
    if receipt.noticed_at:
        took = (clock.moment(receipt.gone_at) - clock.moment(receipt.noticed_at)).total_seconds() / 3600
    if took is not None and took < 0:
        # In the sandbox, whose time is that of the hour of the run.
        took = None
    return Removal(
        hour=key.hour,
        why=key.name.partition("-")[0],
        tombstones=receipt.tombstones,
        hours=took,
        rows=receipt.warehouse.get("removed", 0),
        objects=sum(zone.get("replaced", 0) + zone.get("removed", 0) for zone in receipt.lake.values()),
    )


def _zones(lake: Lake) -> dict[str, tuple[int, int]]:
    found: dict[str, tuple[int, int]] = {}
    for zone in ZONES:
        for entity in ENTITIES:
            sizes = [place.bytes for day in inventory.days(lake, zone, entity) for place in day.places]
            found[f"{zone}/{entity}"] = (len(sizes), sum(sizes))
    for prefix in (RECEIPTS, TOMBSTONES, REPORTS):
        sizes = [size for _, size in lake.sizes(prefix)]
        found[prefix.rstrip("/")] = (len(sizes), sum(sizes))
    return found
