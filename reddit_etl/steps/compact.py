"""Compaction: the small Parquet objects of a day and a selection become one, once the day is older than the catch-up.

The new object is listed by a receipt of its own, and stands for the objects of each hour by their successors. It lies
in the first of these hours, below a selection that begins with theirs. What two runs at once or a killed run leave is
merged again: each observation is kept once, whatever was merged how often, so the order of events does not matter.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import chain, islice
from typing import TYPE_CHECKING

from reddit_etl.clock import Clock
from reddit_etl.entities import ENTITIES
from reddit_etl.entities.schema import Entity
from reddit_etl.lake import inventory, successors
from reddit_etl.lake.base import Lake
from reddit_etl.lake.inventory import Day, Place
from reddit_etl.lake.layout import curated_prefix, hour_text, listing_key, source_selection
from reddit_etl.lake.receipts import Compacted, Successor, Transformed
from reddit_etl.steps.attempt import Attempt, began, new_name, origin
from reddit_etl.steps.forget_lake import LONGEST_RUN
from reddit_etl.steps.publish import publish
from reddit_etl.steps.units import Source, Unit, packed, small, sources_of
from reddit_etl.transform.base import Merged, Parts, TransformEngine

if TYPE_CHECKING:
    from reddit_etl.catalog.glue import Catalog

CAUGHT_UP = timedelta(hours=48)
"""What is older is no longer transformed or loaded by an hourly run."""
MOST_UNITS = 400
"""That are merged in one run, so that a run of Glue's ends in time; the next run goes on. A day has about four."""
REASON = "merged with the objects of other hours"


@dataclass
class Counts:
    """What was merged."""

    days: int = 0
    """Of one entity each."""
    merged: int = 0
    """Objects that were replaced."""
    objects: int = 0
    """Objects that stand for them."""
    rows: int = 0


@dataclass
class Compacting:
    """Merges the objects of a lake; `hour` is that of the run."""

    lake: Lake
    hour: datetime
    clock: Clock
    engine: TransformEngine
    catalog: "Catalog | None"
    counts: Counts = field(default_factory=Counts)

    def compact(self) -> Counts:
        """Merge what is small in all days that are old enough; days without such objects cost a part of one listing.

        May be repeated. Raises LakeError, TransformError, CatalogError.
        """
        prefix = f"curated/_merge/{hour_text(self.hour)}/{new_name(self.clock)}/"
        units: dict[str, Unit] = {}
        for done in self.engine.merge(lake=self.lake, all_parts=self._parts(units), prefix=prefix):
            self._commit(units.pop(done.parts.to), done)
        return self.counts

    def _parts(self, units: dict[str, Unit]) -> Iterator[Parts]:
        """What is to be merged, with its unit in `units` by the prefix of the new object."""
        for unit in islice(self._all_units(), MOST_UNITS):
            latest = max((source.standing.attempt for source in unit.sources), key=origin)
            name = new_name(self.clock, replaces=latest)
            to = curated_prefix(unit.entity.name, unit.hour, unit.selection, name)
            units[to] = unit
            yield Parts(unit.entity, tuple(chain.from_iterable(one.standing.objects for one in unit.sources)), to)

    def _all_units(self) -> Iterator[Unit]:
        for entity in ENTITIES.values():
            for day in inventory.days(self.lake, "curated", entity.name):
                if datetime.combine(day.day, datetime.min.time()) + timedelta(days=1) > self.hour - CAUGHT_UP:
                    break
                found = list(self._units(entity, day))
                self.counts.days += bool(found)
                yield from found

    def _units(self, entity: Entity, day: Day) -> Iterator[Unit]:
        by_selection: dict[str, list[Place]] = {}
        for place in day.places:
            by_selection.setdefault(source_selection(str(place.selection)), []).append(place)
        for selection, found in by_selection.items():
            if len(small(found)) > 1:
                sources = sources_of(self.lake, entity, day, selection)
                self._tidy(entity, day, found, sources)
                yield from packed(entity, sources)

    def _tidy(self, entity: Entity, day: Day, places: Sequence[Place], sources: Sequence[Source]) -> None:
        """Remove what killed runs have left: objects that were replaced, and such as no receipt will ever list."""
        standing = {entry.key for source in sources for entry in source.standing.objects}
        attempts = {source.place.owner for source in sources}
        # Beside the objects of an attempt lie the notes of loads and of Glue.
        left = [
            place for place in places if place.key not in standing and (place.is_parquet or place.owner not in attempts)
        ]
        replaced = [place for place in left if day.is_replaced(place)]
        for hour, selection in sorted({(place.hour, str(place.selection)) for place in replaced}):
            # The catalog may not know it yet.
            if found := successors.listed(self.lake, listing_key(entity.name, hour, selection)):
                self._publish(entity, found, [(hour, selection)])
        dead = [place for place in left if place not in replaced and began(place.attempt) < self.clock() - LONGEST_RUN]
        self.lake.remove(place.key for place in (*replaced, *dead))

    def _commit(self, unit: Unit, done: Merged) -> None:
        """Create the receipt; if another run has, that counts, and the objects of this one are removed."""
        first = unit.sources[0].standing
        # Glue's run may be another one's, and the objects too.
        name = next(place.attempt for entry in done.objects if (place := Place.parse(entry.key)))
        attempt = Attempt(self.lake, unit.entity, unit.hour, name, self.clock)
        receipt = Compacted(
            **attempt.header(),
            extracts=first.extracts,
            records=sum(entry.rows for entry in done.objects),
            objects=done.objects,
            columns=first.columns,
            replaces=[source.place.key for source in unit.sources],
        )
        if not self.lake.create(unit.receipt, receipt.to_json()):
            receipt = Compacted.from_json(self.lake.read(unit.receipt) or b"", key=unit.receipt)
            listed = {entry.key for entry in receipt.objects}
            self.lake.remove(entry.key for entry in done.objects if entry.key not in listed)
        self._replace(unit, receipt)

    def _replace(self, unit: Unit, merged: Compacted) -> None:
        """Let what the receipt lists stand for the sources, and remove those."""
        standing = successors.transformed(self.lake, merged)
        # They are all that will be left.
        self.lake.check_there(entry.key for entry in standing.objects)
        for source in unit.sources:
            attempt = Attempt(self.lake, unit.entity, source.place.hour, merged.attempt, self.clock)
            successor = Successor(
                **attempt.header(),
                replaces=source.standing.attempt,
                objects=merged.objects,
                reason=REASON,
                columns=merged.columns,
            )
            successors.put(self.lake, source.place.key, successor)
        places = [(source.place.hour, str(source.place.selection)) for source in unit.sources]
        self._publish(unit.entity, standing, places)
        attempts = {source.place.owner for source in unit.sources}
        found = map(Place.parse, self.lake.keys(f"curated/{unit.entity.name}/dt={unit.hour:%Y-%m-%d}/"))
        self.lake.remove(place.key for place in found if place and place.owner in attempts)
        self.counts.merged += sum(len(source.standing.objects) for source in unit.sources)
        self.counts.objects += len(standing.objects)
        self.counts.rows += standing.rows

    def _publish(self, entity: Entity, standing: Transformed, places: Sequence[tuple[datetime, str]]) -> None:
        if self.catalog:
            attempt = Attempt(self.lake, entity, places[0][0], standing.attempt, self.clock)
            publish(attempt, self.catalog, standing, instead_of=places)
