"""What is merged: the objects that stand for the transformations of a day, as many together as fit."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from reddit_etl.entities.schema import Entity
from reddit_etl.lake import successors
from reddit_etl.lake.base import Lake
from reddit_etl.lake.index import ReceiptKey
from reddit_etl.lake.inventory import Day, Place
from reddit_etl.lake.layout import listing_key, merged_selection, source_selection
from reddit_etl.lake.receipts import Transformed

MOST_BYTES = 128 << 20
"""Of a merged object: Athena and Redshift like files of about this size. What has half of it is not merged."""


@dataclass(frozen=True)
class Source:
    """What stands for one or several transformations today."""

    place: Place
    """Of the first object."""
    standing: Transformed

    @property
    def bytes(self) -> int:
        """Of all objects."""
        return sum(entry.bytes for entry in self.standing.objects)


@dataclass(frozen=True)
class Unit:
    """Sources of one day that become one."""

    entity: Entity
    sources: Sequence[Source]

    @property
    def hour(self) -> datetime:
        """Where the new object lies."""
        return min(source.place.hour for source in self.sources)

    @property
    def selection(self) -> str:
        """That of the new object: the same for the same sources."""
        attempts = [source.standing.attempt for source in self.sources]
        return merged_selection(str(self.sources[0].place.selection), attempts)

    @property
    def receipt(self) -> str:
        """The key of the receipt."""
        return listing_key(self.entity.name, self.hour, self.selection)


def sources_of(lake: Lake, entity: Entity, day: Day, selection: str) -> list[Source]:
    """What stands for the transformations of a selection, and for what was merged of it, each once, by hour.

    Raises LakeError.
    """
    found: dict[str, Source] = {}
    for receipt in filter(None, map(ReceiptKey.parse, day.receipts)):
        is_one = receipt.step == "transform" and receipt.name == selection
        is_merged = receipt.step == "compact" and source_selection(receipt.name) == selection
        if receipt.entity == entity.name and (is_one or is_merged):
            standing = successors.listed(lake, receipt.key)
            place = Place.parse(standing.objects[0].key) if standing and standing.objects else None
            if standing and place:
                found[standing.attempt] = Source(place, standing)
    return sorted(found.values(), key=lambda source: (source.place.hour, source.place.key))


def small(places: Iterable[Place]) -> Mapping[str, int]:
    """The folders with objects that are worth merging, with their bytes."""
    sizes: dict[str, int] = {}
    for place in (place for place in places if place.is_parquet):
        sizes[place.folder] = sizes.get(place.folder, 0) + place.bytes
    return {folder: size for folder, size in sizes.items() if size < MOST_BYTES // 2}


def packed(entity: Entity, sources: Sequence[Source]) -> Iterator[Unit]:
    """Sources with the same columns, as many together as `MOST_BYTES` allows."""
    by_columns: dict[tuple[tuple[str, str], ...], list[list[Source]]] = {}
    for source in sources:
        if source.bytes < MOST_BYTES // 2:
            units = by_columns.setdefault(tuple(source.standing.columns.items()), [[]])
            if sum(other.bytes for other in units[-1]) + source.bytes > MOST_BYTES:
                units.append([])
            units[-1].append(source)
    for units in by_columns.values():
        yield from (Unit(entity, unit) for unit in units if len(unit) > 1)
