"""The comparison of what receipts list with the lake's objects, the catalog's partitions and the warehouse's rows."""

import tempfile
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from reddit_etl.entities import ENTITIES
from reddit_etl.entities.schema import Entity
from reddit_etl.errors import DamagedObjectError, LakeError
from reddit_etl.lake import successors
from reddit_etl.lake.base import Lake
from reddit_etl.lake.index import ReceiptKey
from reddit_etl.lake.inventory import Place
from reddit_etl.lake.layout import expiry_key, hour_of_load, hour_text, partition_of, receipts_of
from reddit_etl.lake.receipts import DataObject, Extracted, Receipt, Transformed
from reddit_etl.warehouse.base import Load, Warehouse
from reddit_etl.warehouse.held import Held

if TYPE_CHECKING:
    from reddit_etl.catalog.glue import Catalog

Kind = TypeVar("Kind", bound=Receipt)


@dataclass(frozen=True)
class Rows:
    """A transformation as it stands today: its receipt, with the objects that stand for its own."""

    entity: Entity
    hour: datetime
    selection: str
    transformed: Transformed

    def __str__(self) -> str:
        return f"{self.entity.name} {self.selection}"


@dataclass(frozen=True)
class Difference:
    """Something that a store lacks or has otherwise."""

    hour: datetime
    store: str
    """lake, catalog or warehouse."""
    what: str
    rows: Rows | None = None
    """The transformation that it is about, if that can be loaded, published or made again."""
    extracts: tuple[str, ...] = ()
    """Extracts that were not transformed, loaded or published."""

    def __str__(self) -> str:
        return f"{hour_text(self.hour)}  {self.store:<9}  {self.what}"


class Hour:
    """The receipts of one hour, read. Receipts that cannot be read are differences."""

    def __init__(self, lake: Lake, hour: datetime, keys: Iterable[ReceiptKey]) -> None:
        self._lake = lake
        self.hour = hour
        self.differences: list[Difference] = []
        self.rows: list[Rows] = []
        self._listed: dict[str, tuple[DataObject, Rows | None]] = {}
        self._found = [key for key in keys if key.entity in ENTITIES]
        self._successors = {key.key for key in self._found if key.step == "successor"}
        self._expiries: dict[str, bool] = {}
        for key in self._found:
            if key.step == "extract" and (extracted := self._read(key, Extracted)):
                self._list_raw(key, extracted)
            elif key.step == "transform" and (transformed := self._read(key, Transformed)):
                self._list_curated(key, transformed)

    def _read(self, key: ReceiptKey, kind: type[Kind]) -> Kind | None:
        content = self._lake.read(key.key)
        if content is None:
            # It was removed since the lake was listed.
            return None
        with self._noted(key):
            try:
                return kind.from_json(content, key=key.key)
            except LakeError as error:
                receipts = ", ".join(map(self._lake.place, self._to_repeat(key)))
                raise LakeError(f"{error}: restore it, or remove {receipts} and run the hour again") from error
        return None

    def _to_repeat(self, key: ReceiptKey) -> Iterator[str]:
        """The keys of the receipts without which a task is repeated: its own, and those of what is made of its rows."""
        yield key.key
        if key.step == "transform":
            for one in self._found:
                is_later = one.step in ("load", "publish") and one.entity == key.entity
                if is_later and one.name.partition("-")[0] == key.name:
                    yield one.key

    def _list_raw(self, key: ReceiptKey, extracted: Extracted) -> None:
        with self._noted(key):
            objects = [*extracted.objects, *extracted.rejected]
            for part in filter(None, map(extracted.part, extracted.others)):
                objects += [*part["objects"], *part["rejected"]]
            standing = successors.standing(self._lake, objects, may_be=self._may_be)
            self._listed.update((entry.key, (entry, None)) for entry in standing)

    def _list_curated(self, key: ReceiptKey, transformed: Transformed) -> None:
        with self._noted(key):
            standing = successors.transformed(self._lake, transformed, may_be=self._may_be)
            rows = Rows(ENTITIES[key.entity], self.hour, key.name, standing)
            self.rows.append(rows)
            self._listed.update((entry.key, (entry, rows)) for entry in standing.objects)

    def _may_be(self, successor: str) -> bool:
        """Those of this hour were listed; what was merged with other hours may have one there."""
        return successor in self._successors or not successor.startswith(receipts_of(self.hour))

    def _is_expired(self, key: str) -> bool:
        place = expiry_key(key)
        if place not in self._expiries:
            self._expiries[place] = self._lake.read(place) is not None
        return self._expiries[place]

    @contextmanager
    def _noted(self, key: ReceiptKey) -> Iterator[None]:
        """A receipt that cannot be read is a difference."""
        try:
            yield
        except LakeError as error:
            self.differences.append(Difference(self.hour, "lake", f"{self._lake.place(key.key)}: {error}"))

    def damaged(self, *, deep: bool) -> Iterator[Difference]:
        """The objects that are missing or have another size; if `deep`, also those with another checksum.

        Reads every object if `deep`. Raises LakeError.
        """
        sizes: dict[str, int] = {}
        for prefix in sorted({partition_of(key) for key in self._listed}):
            sizes.update(self._lake.sizes(prefix))
        for entry, rows in self._listed.values():
            what = None
            if entry.key not in sizes:
                # It may have been replaced since the receipts were listed.
                is_known = self._is_expired(entry.key) or successors.read(self._lake, entry.key)
                what = None if is_known else "missing, though a receipt lists it"
            elif sizes[entry.key] != entry.bytes:
                what = f"{sizes[entry.key]:,} bytes, and {entry.bytes:,} in its receipt"
            elif deep and not self._is_whole(entry):
                what = "its checksum differs from its receipt's"
            if what:
                yield Difference(self.hour, "lake", f"{entry.key}: {what}", rows)

    def _is_whole(self, entry: DataObject) -> bool:
        with tempfile.TemporaryDirectory(prefix="reconcile-") as scratch:
            try:
                self._lake.verified_file(entry, Path(scratch))
            except DamagedObjectError:
                return False
        return True


def misplaced(catalog: "Catalog", lake: Lake, published: Iterable[Rows]) -> Iterator[Difference]:
    """The partitions that are missing or point to another folder. Raises CatalogError."""
    for rows in published:
        what = _misplacement(catalog, lake, rows)
        if what and (later := _replaced(lake, rows)):
            rows, what = later, _misplacement(catalog, lake, later)  # noqa: PLW2901
        if what:
            yield Difference(rows.hour, "catalog", f"partition of {rows}: {what}", rows)


def _misplacement(catalog: "Catalog", lake: Lake, rows: Rows) -> str:
    if not rows.transformed.objects:
        return ""
    key = rows.transformed.objects[0].key
    place, wanted = Place.parse(key), f"{lake.url}/{key.rpartition('/')[0]}/"
    # What was merged has one partition, in the hour that it lies in.
    hour, selection = (place.hour, str(place.selection)) if place else (rows.hour, rows.selection)
    found = catalog.location(entity=rows.entity, hour=hour, selection=selection)
    if found == wanted:
        return ""
    return f"{f'points to {found}' if found else 'missing'}, not {wanted}"


def _replaced(lake: Lake, rows: Rows) -> Rows | None:
    """What another run has put in place of the objects since the receipts were read; None if they still stand."""
    standing = successors.transformed(lake, rows.transformed)
    return replace(rows, transformed=standing) if standing.attempt != rows.transformed.attempt else None


def differing(warehouse: Warehouse, load: Load, rows: Rows) -> Iterator[Difference]:
    """How the warehouse's rows differ from the lake's. Raises WarehouseError and LakeError."""
    try:
        held = warehouse.compare(load)
    except DamagedObjectError as error:
        if later := _replaced(load.lake, rows):
            objects, columns = later.transformed.objects, later.transformed.columns
            yield from differing(warehouse, replace(load, objects=objects, columns=columns), later)
            return
        yield Difference(rows.hour, "lake", f"{error.key}: missing, or its checksum differs from its receipt's", rows)
        return
    for what in _complaints(held, rows.entity, load.rows):
        yield Difference(rows.hour, "warehouse", f"{rows}: {what}", rows)


def _complaints(held: Held, entity: Entity, listed: int) -> Iterator[str]:
    metrics, states = entity.metrics_table, entity.name
    if held.arrived.rows + held.forgotten != listed:
        arrived = held.arrived.rows + held.forgotten
        yield f"rows that arrived from the lake: {arrived:,}, and its receipt lists {listed:,}"
    for table, wanted, found in (
        (metrics, held.arrived.rows, held.observed.rows),
        (states, held.keys, held.states),
    ):
        if found < wanted:
            yield f"rows missing in {table}: {wanted - found:,} of {wanted:,}"
        elif found > wanted:
            yield f"surplus rows in {table}: {found - wanted:,} beside {wanted:,}"
    if held.arrived.rows == held.observed.rows and held.arrived != held.observed:
        yield f"other values in {metrics}: the checksums of {held.arrived.rows:,} rows differ"
    if held.newest != held.stored:
        yield f"other values in {states}: the checksums of {held.newest.rows:,} rows differ"
    for number, what in (
        (held.older, "an older state than the lake's"),
        (held.misdated, "a later first_observed_at than the lake's"),
        (held.unobserved, f"a state that is not in {metrics}"),
    ):
        if number:
            yield f"rows in {states} with {what}: {number:,}"


def unlisted(known: AbstractSet[str], receipts: AbstractSet[str]) -> Iterator[Difference]:
    """The loads in `load_audit` of which the lake has no receipt; both are written by `load_prefix`."""
    for load_id in sorted(known - receipts):
        what = f"no receipt of the load {load_id.rstrip('/')}, which load_audit lists"
        yield Difference(hour_of_load(load_id), "lake", what)
