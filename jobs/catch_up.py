"""What earlier runs left undone, by their receipts, and what the warehouse lacks, by its own `load_audit`."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property

from jobs import resources
from jobs.task import read_receipt
from reddit_etl.entities import ENTITIES
from reddit_etl.errors import ConfigurationError, EtlError
from reddit_etl.lake.index import Receipts
from reddit_etl.lake.layout import hour_text, load_prefix, receipt_key, selection_of
from reddit_etl.lake.receipts import Extracted, Transformed
from reddit_etl.sources import full_name, grouped, named
from reddit_etl.sources.refresh import Refresh

Work = tuple[datetime, tuple[str, ...]]
"""An hour, and the names of extracts of one entity in it, to be transformed and loaded."""


@dataclass(frozen=True)
class Steps:
    """What receipts record as done for an hour and an entity: names of extracts, and selections of extracts."""

    extracted: set[str] = field(default_factory=set)
    transformed: set[str] = field(default_factory=set)
    loaded: set[str] = field(default_factory=set)
    """Into this warehouse."""
    published: set[str] = field(default_factory=set)
    """In this catalog."""


class Past:
    """The receipts of the 48 hours before an hour, and of that hour itself; or with `first`, from that hour until the
    hour, exclusive.

    Only receipts of the settings' source count. An hour whose receipts cannot be read is added to `errors`, so that the
    other hours are loaded all the same.
    """

    def __init__(self, hour: datetime, *, first: datetime | None = None) -> None:
        self.hour = hour
        self._first = first
        self.errors: list[EtlError] = []

    @cached_property
    def receipts(self) -> Receipts:
        """As of the first use."""
        last = self.hour - timedelta(hours=1)
        return Receipts(resources.lake(), self._first, last) if self._first else resources.receipts(self.hour)

    @cached_property
    def unfinished(self) -> list[Work]:
        """The work that earlier hours left: extracts that were not transformed, and transformations that were not
        loaded or not published.
        """
        work: list[Work] = []
        for (hour, entity), steps in sorted(self._steps.items()):
            done = steps.loaded & steps.published if resources.catalog() else steps.loaded
            if hour == self.hour or (steps.transformed == done and _selections(steps.extracted) <= done):
                continue
            try:
                extracts = {name: self._extracts_of(hour, entity, name) for name in steps.transformed}
                left = [name for name in steps.extracted.difference(*extracts.values()) if self._was_read(hour, name)]
            except EtlError as error:
                self.errors.append(error)
                continue
            work += [(hour, extracts[name]) for name in sorted(steps.transformed - done) if ours(extracts[name])]
            work += [(hour, group) for group in _groups(left)]
        return work

    @cached_property
    def lost(self) -> list[Work]:
        """Loads that receipts record and the warehouse lacks, because it was replaced, emptied or restored.

        Use it after the extraction, which must not depend on the warehouse.
        """
        work: list[Work] = []
        try:
            lost = self.lost_loads
        except EtlError as error:
            self.errors.append(error)
            return []
        for hour, entity, name in lost:
            try:
                extracts = self._extracts_of(hour, entity, name)
            except EtlError as error:
                self.errors.append(error)
                continue
            if ours(extracts):
                work.append((hour, extracts))
        return work

    @cached_property
    def lost_loads(self) -> list[tuple[datetime, str, str]]:
        """The same loads, of every source, each as its hour, entity and selection. Raises EtlError."""
        known = self.known_loads if self.has_loads else set()
        called_loaded = sorted((*key, name) for key, steps in self._steps.items() for name in steps.loaded)
        return [load for load in called_loaded if load_prefix(load[1], load[0], load[2]) not in known]

    @property
    def unloaded(self) -> list[tuple[datetime, str, str]]:
        """The transformations, of every source, of which no load is recorded, likewise. Raises LakeError."""
        return sorted((*key, name) for key, steps in self._steps.items() for name in steps.transformed - steps.loaded)

    @property
    def has_loads(self) -> bool:
        """Whether receipts record any load into this warehouse. Raises LakeError."""
        return any(steps.loaded for steps in self._steps.values())

    @property
    def has_early_loads(self) -> bool:
        """Whether receipts record any that is a day old: after a pause there is none. Raises LakeError."""
        latest = self.hour - resources.REACH / 2
        return any(steps.loaded for (hour, _), steps in self._steps.items() if hour <= latest)

    @cached_property
    def known_loads(self) -> set[str]:
        """The loads of these hours in the warehouse, each as its `load_prefix`. Raises EtlError."""
        return known_loads(self._first or self.hour - resources.REACH, self.hour)

    @cached_property
    def _steps(self) -> dict[tuple[datetime, str], Steps]:
        warehouse, catalog = resources.warehouse_name(), resources.catalog_name()
        found: dict[tuple[datetime, str], Steps] = {}
        for one in self.receipts.all:
            if one.entity not in ENTITIES:
                continue
            steps = found.setdefault((one.hour, one.entity), Steps())
            selection, _, store = one.name.partition("-")
            if one.step == "extract" and ours([one.name]):
                steps.extracted.add(one.name)
                for entity, name in _taken_over(one.name):
                    found.setdefault((one.hour, entity), Steps()).extracted.add(name)
            elif one.step == "transform":
                steps.transformed.add(one.name)
            elif one.step == "load" and store == warehouse:
                steps.loaded.add(selection)
            elif one.step == "publish" and store == catalog:
                steps.published.add(selection)
        return found

    def _was_read(self, hour: datetime, name: str) -> bool:
        """Whether the extract was made, or can be taken over: an earlier version may have had fewer entities.

        Raises LakeError.
        """
        source = resources.settings().source
        what = named(name, source=source)
        if not isinstance(what, Refresh) or self.receipts.has(receipt_key("extract", what.entity.name, hour, name)):
            return True
        reader = receipt_key("extract", what.reader.entity.name, hour, full_name(what.reader.name, source))
        return read_receipt(reader, Extracted).part(what.entity.name) is not None

    def _extracts_of(self, hour: datetime, entity: str, selection: str) -> tuple[str, ...]:
        steps = self._steps[hour, entity]
        for group in _groups(steps.extracted) if selection not in steps.transformed else ():
            if selection == selection_of(group):
                # The receipt of its transformation was deleted, to repeat it.
                return group
        return tuple(read_receipt(receipt_key("transform", entity, hour, selection), Transformed).extracts)


def known_loads(first: datetime, last: datetime) -> set[str]:
    """The loads of these hours in the warehouse, each as its `load_prefix`. Raises EtlError."""
    found = resources.warehouse().loaded(first_hour=hour_text(first), last_hour=hour_text(last))
    return {load_id[: load_id.rfind("/") + 1] for load_id in found}


def _groups(names: Iterable[str]) -> list[tuple[str, ...]]:
    """Extracts of one entity as they are transformed together, by their names."""
    source = resources.settings().source
    groups = grouped(named(name, source=source) for name in names)
    return [tuple(full_name(what.name, source) for what in group) for group in groups]


def _taken_over(name: str) -> Iterator[tuple[str, str]]:
    """The extracts, each with its entity, that take over what this one has read; a run may have ended before them."""
    source = resources.settings().source
    for part in named(name, source=source).parts:
        yield part.entity.name, full_name(part.name, source)


def _selections(names: Iterable[str]) -> set[str]:
    return {selection_of(group) for group in _groups(names)}


def ours(extracts: Iterable[str]) -> bool:
    """Whether all are of the settings' source and supported by this version."""
    try:
        return all(named(name, source=resources.settings().source) for name in extracts)
    except ConfigurationError:
        return False
