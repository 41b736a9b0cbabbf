"""The receipts of a range of hours by their keys, from one listing of the lake instead of one read per receipt."""

from collections.abc import Container, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from reddit_etl.lake.base import Lake
from reddit_etl.lake.layout import DAY, RECEIPT, RECEIPTS, after, receipts_of


@dataclass(frozen=True, order=True)
class ReceiptKey:
    """The parts of the key of a receipt."""

    hour: datetime
    step: str
    entity: str
    name: str
    key: str

    @classmethod
    def parse(cls, key: str) -> "ReceiptKey | None":
        """None for any other key."""
        found = RECEIPT.fullmatch(key)
        if not found:
            return None
        hour = datetime.fromisoformat(f"{found['day']}T{found['hour']}:00")
        return cls(hour, found["step"], found["entity"], found["name"], key)


def days(lake: Lake) -> list[datetime]:
    """The days with receipts, the newest first. Raises LakeError."""
    # There may be other folders, such as a copy that a person has made of one.
    found = (DAY.fullmatch(f"{RECEIPTS}{name}/") for name in lake.folders(RECEIPTS))
    return sorted((datetime.fromisoformat(day[1]) for day in found if day), reverse=True)


def newest(lake: Lake, steps: Container[str]) -> datetime | None:
    """The newest hour with a receipt of one of these steps; None if there is none. Raises LakeError."""
    for begin in days(lake):
        found = [one.hour for one in Receipts(lake, begin, begin + timedelta(hours=23)).all if one.step in steps]
        if found:
            return max(found)
    return None


class Receipts:
    """The receipts of the hours from `first` to `last`, inclusive, as of their first use."""

    def __init__(self, lake: Lake, first: datetime, last: datetime) -> None:
        self._lake = lake
        self._first = first
        self._last = last

    @cached_property
    def all(self) -> list[ReceiptKey]:
        """By hour. Raises LakeError."""
        return sorted(self._listed())

    def keys_of(self, step: str, entity: str, name: str) -> list[str]:
        """The keys of one task's receipts, by hour. Raises LakeError."""
        return [one.key for one in self.all if (one.step, one.entity, one.name) == (step, entity, name)]

    def extracts_of(self, entity: str, name: str) -> list[str]:
        """The keys of the extracts of the same listing, whatever their limits. Raises LakeError."""
        listing, _, _ = name.rpartition("-")
        found = (one for one in self.all if (one.step, one.entity) == ("extract", entity))
        return [one.key for one in found if one.name.rpartition("-")[0] == listing]

    @cached_property
    def before(self) -> "Receipts | None":
        """Those of the last day that has any before `first`: a pause may have been longer. Raises LakeError."""
        latest = self._first - timedelta(hours=1)
        first = next((day for day in days(self._lake) if day <= latest), None)
        return Receipts(self._lake, first, min(latest, first + timedelta(hours=23))) if first else None

    def covers(self, hour: datetime) -> bool:
        """Whether the hour is in the range."""
        return self._first <= hour <= self._last

    def has(self, key: str) -> bool:
        """Whether the receipt existed. Raises LakeError."""
        return key in self._keys

    @cached_property
    def _keys(self) -> set[str]:
        return {one.key for one in self.all}

    def _listed(self) -> Iterator[ReceiptKey]:
        for key in self._lake.keys_between(receipts_of(self._first), after(receipts_of(self._last))):
            found = ReceiptKey.parse(key)
            if found:
                yield found
