"""What is in the lake, whether a receipt lists it or not, one day after the other."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from reddit_etl.lake.base import Lake
from reddit_etl.lake.layout import DATA, RECEIPTS, ZONES, successor_key


@dataclass(frozen=True)
class Place:
    """The parts of the key of a data object."""

    key: str
    zone: str
    entity: str
    hour: datetime
    selection: str | None
    attempt: str

    @classmethod
    def parse(cls, key: str) -> "Place | None":
        """None for any other key."""
        found = DATA.fullmatch(key)
        if not found:
            return None
        hour = datetime.fromisoformat(f"{found['day']}T{found['hour']}:00")
        return cls(key, found["zone"], found["entity"], hour, found["selection"], found["attempt"])

    @property
    def folder(self) -> str:
        """The folder that the object is in."""
        return self.key.rpartition("/")[0]


class Day:
    """The objects of one day of hours."""

    def __init__(self, lake: Lake, name: str) -> None:
        self._lake = lake
        self._name = name

    @cached_property
    def receipts(self) -> frozenset[str]:
        """The keys of the receipts of the day, as of their first use. Raises LakeError."""
        return frozenset(self._lake.keys(f"{RECEIPTS}{self._name}/"))

    def objects(self, zone: str, entity: str) -> Iterator[Place]:
        """The data objects. Raises LakeError."""
        for key in self._lake.keys(f"{zone}/{entity}/{self._name}/"):
            if place := Place.parse(key):
                yield place

    def is_replaced(self, place: Place) -> bool:
        """Whether a successor stands for the object. Raises LakeError."""
        return successor_key(place.key) in self.receipts


def days(lake: Lake, entities: Sequence[str]) -> list[Day]:
    """All days with data objects, in order. Raises LakeError."""
    names = {name for zone in ZONES for entity in entities for name in lake.folders(f"{zone}/{entity}/")}
    return [Day(lake, name) for name in sorted(names) if name.startswith("dt=")]
