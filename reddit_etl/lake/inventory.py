"""What is in the lake, whether a receipt lists it or not, one day after the other."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from itertools import groupby

from reddit_etl.lake.base import Lake
from reddit_etl.lake.layout import DATA, RECEIPTS, successor_key


@dataclass(frozen=True)
class Place:
    """The parts of the key of a data object."""

    key: str
    zone: str
    entity: str
    hour: datetime
    selection: str | None
    attempt: str
    bytes: int
    stored_at: datetime | None

    @classmethod
    def parse(cls, key: str, size: int = 0, stored_at: datetime | None = None) -> "Place | None":
        """None for any other key."""
        found = DATA.fullmatch(key)
        if not found:
            return None
        hour = datetime.fromisoformat(f"{found['day']}T{found['hour']}:00")
        return cls(key, found["zone"], found["entity"], hour, found["selection"], found["attempt"], size, stored_at)

    @property
    def is_parquet(self) -> bool:
        """Whether it holds rows. Beside such objects lie the notes of loads and of Glue."""
        return self.key.endswith(".parquet")

    @property
    def owner(self) -> tuple[datetime, str | None, str]:
        """The attempt that it is of: an attempt may write in several hours."""
        return self.hour, self.selection, self.attempt

    @property
    def folder(self) -> str:
        """The folder that the object is in."""
        return self.key.rpartition("/")[0]


class Day:
    """The data objects of one zone and entity in one day of hours."""

    def __init__(self, lake: Lake, day: date, places: Sequence[Place]) -> None:
        self._lake = lake
        self.day = day
        self.places = places

    @cached_property
    def receipts(self) -> frozenset[str]:
        """The keys of the receipts of the day, as of their first use. Raises LakeError."""
        return frozenset(self._lake.keys(f"{RECEIPTS}dt={self.day:%Y-%m-%d}/"))

    def is_replaced(self, place: Place) -> bool:
        """Whether a successor stands for the object. Raises LakeError."""
        return successor_key(place.key) in self.receipts


def days(lake: Lake, zone: str, entity: str) -> Iterator[Day]:
    """All days with data objects, in order, from one listing: a day has few objects once it is compacted.

    Raises LakeError.
    """
    found = (Place.parse(*one) for one in lake.stored(f"{zone}/{entity}/"))
    for day, places in groupby((place for place in found if place), key=lambda place: place.hour.date()):
        yield Day(lake, day, list(places))
