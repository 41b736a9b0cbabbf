"""Forgetting in the lake: every object that holds what tombstones take is replaced, then removed with all its versions.

Objects are found by what is in them, not by receipts or by asking the warehouse: one that no receipt lists yet, because
its attempt is at work or was killed, is found like any other. A raw or rejected object is replaced whoever reads it.
The objects of a transformation are replaced together, since they are one partition of the catalog, and only if a
receipt lists them; what no receipt lists after `LONGEST_RUN` is removed.

Any number of runs may do this at once, and each may be killed anywhere: a new object appears whole or not at all, of
two successors of the same objects one counts, and what was replaced but not removed is found by the next run.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from itertools import groupby
from typing import TYPE_CHECKING

from reddit_etl.clock import Clock
from reddit_etl.entities import ENTITIES
from reddit_etl.entities.schema import Entity
from reddit_etl.errors import DamagedObjectError, EtlError, TransformError, UnreadableObjectError
from reddit_etl.lake import inventory, successors
from reddit_etl.lake.base import Lake
from reddit_etl.lake.inventory import Day, Place
from reddit_etl.lake.layout import curated_prefix, hour_text, listing_key, replacement_key
from reddit_etl.lake.receipts import DataObject, Successor, Transformed
from reddit_etl.lake.rewrite import Change, rewrite
from reddit_etl.lake.tombstones import Tombstone, earliest
from reddit_etl.steps import lines
from reddit_etl.steps.attempt import Attempt, began, new_name, origin
from reddit_etl.steps.publish import publish
from reddit_etl.transform.base import Folder, Rewritten, TransformEngine

if TYPE_CHECKING:
    from reddit_etl.catalog.glue import Catalog

LONGEST_RUN = timedelta(hours=12)
"""What an attempt has written after this time, and no receipt lists, will never be listed."""
REASON = "it held what was taken back"


@dataclass
class Counts:
    """What was done in one zone of the lake."""

    replaced: int = 0
    rows: int = 0
    removed: int = 0
    bytes: int = 0


@dataclass
class Outcome:
    """What was done in the lake."""

    zones: dict[str, Counts] = field(
        default_factory=lambda: {zone: Counts() for zone in ("raw", "rejected", "curated")}
    )
    digests: list[dict[str, list[str]]] = field(default_factory=list)

    def counts(self) -> dict[str, dict[str, int]]:
        """By zone, as the receipt has them."""
        return {zone: asdict(counts) for zone, counts in self.zones.items()}


class LakeForgetting:
    """Takes from a lake what tombstones take; `hour` is that of the run."""

    def __init__(
        self, lake: Lake, hour: datetime, *, clock: Clock, engine: TransformEngine, catalog: "Catalog | None"
    ) -> None:
        self.outcome = Outcome()
        self._lake = lake
        self._hour = hour
        self._clock = clock
        self._engine = engine
        self._catalog = catalog
        self.errors: list[EtlError] = []
        """What could not be searched, and holds up nothing else."""
        self._met: list[Folder] = []
        """What another run has put in place of objects while they were written anew."""

    def take(
        self, tombstones: Sequence[Tombstone], *, since: datetime | None = None, restored: datetime | None = None
    ) -> None:
        """Take it from all objects that may hold it, or from those of what was read since a moment, or restored since.

        What ended before the first of it was created cannot hold it, and is not read. An object that cannot be read is
        an error in `errors`. Raises LakeError, CatalogError.
        """
        may_hold = _may_hold(earliest(tombstones), since, restored)
        for entity in ENTITIES.values():
            changes = {"raw": lines.of_records(entity, tombstones), "rejected": lines.of_rejects(tombstones)}
            for zone, change in changes.items():
                for day in inventory.days(self._lake, zone, entity.name):
                    with self._noted():
                        for place in self._standing(day, filter(may_hold, day.places)):
                            self._rewrite(entity, place, change)
        self._rewrite_folders(self._all_folders(may_hold), tombstones)
        while met := self._met:
            self._met = []
            self._rewrite_folders(met, tombstones)

    @contextmanager
    def _noted(self) -> Iterator[None]:
        """What cannot be read, such as a day's receipts, holds up nothing else."""
        try:
            yield
        except UnreadableObjectError as error:
            self.errors.append(error)

    def _all_folders(self, may_hold: Callable[[Place], bool]) -> Iterator[Folder]:
        for entity in ENTITIES.values():
            for day in inventory.days(self._lake, "curated", entity.name):
                with self._noted():
                    yield from self._folders(day, entity, may_hold)

    def _rewrite_folders(self, folders: Iterable[Folder], tombstones: Sequence[Tombstone]) -> None:
        prefix = f"curated/_rewrite/{hour_text(self._hour)}/{new_name(self._clock)}/"
        try:
            for done in self._engine.rewrite(lake=self._lake, folders=folders, tombstones=tombstones, prefix=prefix):
                self._replace(done)
        except TransformError as error:
            self.errors.append(error)

    def _standing(self, day: Day, places: Iterable[Place]) -> list[Place]:
        """Those that nothing has replaced; the others are removed."""
        standing = []
        for place in places:
            if day.is_replaced(place):
                self._remove(place.zone, [place.key])
            else:
                standing.append(place)
        return standing

    def _rewrite(self, entity: Entity, place: Place, change: Change) -> None:
        attempt = self._attempt(entity, place.hour, new_name(self._clock, replaces=place.attempt))
        try:
            done = rewrite(self._lake, place.key, replacement_key(place.key, attempt.name), change)
        except DamagedObjectError:
            found = successors.read(self._lake, place.key)
        except UnreadableObjectError as error:
            self.errors.append(error)
            return
        else:
            if not done:
                return
            header = attempt.header()
            successor = Successor(**header, replaces=place.attempt, objects=done.objects, reason=REASON)
            found = self._put(place.zone, [done.old], successor, done.lines)
            self._remove(place.zone, [place.key])
        if found and found.attempt != attempt.name:
            # Another run has replaced it, which may have had other tombstones.
            for other in filter(None, (Place.parse(entry.key) for entry in found.objects)):
                self._rewrite(entity, other, change)

    def _folders(self, day: Day, entity: Entity, may_hold: Callable[[Place], bool]) -> Iterator[Folder]:
        """The objects of each transformation; what was replaced, and what will never be listed, is removed."""
        places = [place for place in day.places if place.key.endswith(".parquet")]
        for (hour, selection), group in groupby(places, key=lambda place: (place.hour, str(place.selection))):
            found = list(group)
            if not any(map(may_hold, found)):
                continue
            replaced = [place.key for place in found if day.is_replaced(place)]
            if replaced:
                # The run that replaced them may have been killed before the catalog knew.
                if listed := self._listed(entity, hour, selection):
                    self._publish(entity, hour, selection, listed)
                self._remove("curated", replaced)
            standing = [place for place in found if place.key not in replaced]
            is_listed = listing_key(entity.name, hour, selection) in day.receipts
            if not is_listed or len({place.folder for place in standing}) > 1:
                listed = self._listed(entity, hour, selection)
                known = {entry.key for entry in listed.objects} if listed else set()
                self._remove_dead([place for place in standing if place.key not in known])
                standing = [place for place in standing if place.key in known]
            if standing and may_hold(standing[0]):
                name = new_name(self._clock, replaces=standing[0].attempt)
                to = curated_prefix(entity.name, hour, selection, name)
                yield Folder(entity, tuple(place.key for place in standing), to)

    def _listed(self, entity: Entity, hour: datetime, selection: str) -> Transformed | None:
        """The receipt of a transformation or of what was merged, with what stands for its objects today."""
        return successors.listed(self._lake, listing_key(entity.name, hour, selection))

    def _remove_dead(self, places: Sequence[Place]) -> None:
        """Remove what no receipt lists, unless its attempt may still be at work."""
        latest = self._clock() - LONGEST_RUN
        self._remove("curated", [place.key for place in places if began(place.attempt) < latest])

    def _replace(self, done: Rewritten) -> None:
        """Let what was written anew stand for the objects of a transformation, if a receipt lists those."""
        old = [place for place in map(Place.parse, done.folder.keys) if place]
        entity, hour, selection = done.folder.entity, old[0].hour, str(old[0].selection)
        listed = self._listed(entity, hour, selection)
        if not listed or {entry.key for entry in listed.objects} != set(done.folder.keys):
            self._remove("curated", [one.key for one in done.objects])
            self._remove_dead(old)
            self._meet(entity, listed)
            return
        if not done.rows:
            # It is lost, and a load or a reconciliation has it made again.
            return
        read = dict(zip(done.folder.keys, done.digests, strict=True))
        if damaged := [entry.key for entry in listed.objects if entry.sha256 != read[entry.key]]:
            # What was made of it would pass for whole.
            self._remove("curated", [one.key for one in done.objects])
            what = "it does not match its receipt: restore it, or remove it and run `python -m jobs reconcile --repair`"
            self.errors.append(UnreadableObjectError(f"{self._lake.url}/{damaged[0]}: {what}"))
            return
        attempt = self._attempt(entity, hour, done.folder.to.rstrip("/").rpartition("/")[2])
        successor = Successor(
            **attempt.header(), replaces=listed.attempt, objects=done.objects, reason=REASON, columns=listed.columns
        )
        found = self._put("curated", listed.objects, successor, done.rows)
        standing = successors.transformed(self._lake, successors.replaced(listed, found))
        self._publish(entity, hour, selection, standing)
        self._remove("curated", done.folder.keys)
        if found.attempt != attempt.name:
            self._meet(entity, standing)

    def _meet(self, entity: Entity, standing: Transformed | None) -> None:
        places = [place for entry in standing.objects if (place := Place.parse(entry.key))] if standing else []
        if places:
            name = new_name(self._clock, replaces=places[0].attempt)
            to = curated_prefix(entity.name, places[0].hour, str(places[0].selection), name)
            self._met.append(Folder(entity, tuple(place.key for place in places), to))

    def _publish(self, entity: Entity, hour: datetime, selection: str, standing: Transformed) -> None:
        if self._catalog:
            attempt = self._attempt(entity, hour, standing.attempt)
            publish(attempt, self._catalog, standing, instead_of=[(hour, selection)])

    def _attempt(self, entity: Entity, hour: datetime, name: str) -> Attempt:
        return Attempt(self._lake, entity, hour, name, self._clock)

    def _put(self, zone: str, old: Sequence[DataObject], successor: Successor, rows: int) -> Successor:
        """Create the successor; if there is one already, that counts, and the objects of this one are removed."""
        found = successors.put(self._lake, old[0].key, successor)
        if found.attempt == successor.attempt:
            counts = self.outcome.zones[zone]
            counts.replaced += len(old)
            counts.rows += rows
            self.outcome.digests.append({"old": _digests(old), "new": _digests(found.objects)})
        else:
            self._remove(zone, [one.key for one in successor.objects])
        return found

    def _remove(self, zone: str, keys: Sequence[str]) -> None:
        if keys:
            counts = self.outcome.zones[zone]
            counts.bytes += self._lake.remove(keys)
            counts.removed += len(keys)


def _may_hold(created: datetime | None, since: datetime | None, restored: datetime | None) -> Callable[[Place], bool]:
    """Whether an object may hold what was created then or later, if its attempt began since a moment.

    The hour alone does not say when its records were observed: an old hour may be run late. What was stored long after
    its attempt was restored, and counts if that was since the other moment.
    """

    def may_hold(place: Place) -> bool:
        begin = origin(place.attempt)
        is_late = created is None or max(begin, place.hour) + LONGEST_RUN >= created
        late = began(place.attempt) + LONGEST_RUN
        is_restored = restored is not None and place.stored_at is not None and place.stored_at >= max(restored, late)
        return is_late and (since is None or begin >= since or is_restored)

    return may_hold


def _digests(objects: Sequence[DataObject]) -> list[str]:
    return [one.sha256 for one in objects]
