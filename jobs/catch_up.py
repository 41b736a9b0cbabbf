"""What the runs before left undone, by their receipts, and what the warehouse has lost, by its own `load_audit`."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from functools import cached_property

from jobs import resources
from jobs.receipts import ReceiptTarget, ReceiptTask
from reddit_etl.errors import EtlError
from reddit_etl.lake.layout import RECEIPT, hour_text, load_prefix, receipt_key, receipts_of, selection_of
from reddit_etl.lake.receipts import Transformed
from reddit_etl.sources.names import extract_parts

REACH = timedelta(hours=48)

Work = tuple[datetime, tuple[str, ...]]
"""An hour, and the extracts of it to transform and load."""


@dataclass(frozen=True)
class Steps:
    """The names that the receipts of an hour say are done: extracts, and selections of extracts."""

    extracted: set[str] = field(default_factory=set)
    transformed: set[str] = field(default_factory=set)
    loaded: set[str] = field(default_factory=set)
    """Into this warehouse."""
    published: set[str] = field(default_factory=set)
    """In this catalog."""


class Past:
    """The receipts of the 48 hours before an hour, and of that hour itself.

    The sandbox's are left to the sandbox, and Reddit's to Reddit. An hour whose receipts cannot be read is an error
    that comes with the rest: it must not keep the other hours from being loaded.
    """

    def __init__(self, hour: datetime) -> None:
        self._hour = hour
        self._entity = ReceiptTask.entity
        self.errors: list[EtlError] = []

    @cached_property
    def unfinished(self) -> list[Work]:
        """The work left in the hours before: extracts that no transformation lists, transformations that are not
        loaded, or not published.
        """
        work: list[Work] = []
        for hour, steps in sorted(self._steps.items()):
            done = steps.loaded & steps.published if resources.catalog() else steps.loaded
            if hour == self._hour or (steps.transformed == done and selection_of(steps.extracted) in done):
                continue
            try:
                extracts = {name: self._extracts_of(hour, name) for name in steps.transformed}
            except EtlError as error:
                self.errors.append(error)
                continue
            work += [(hour, extracts[name]) for name in sorted(steps.transformed - done) if _ours(extracts[name])]
            left = steps.extracted.difference(*extracts.values())
            if left:
                work.append((hour, tuple(sorted(left))))
        return work

    @cached_property
    def lost(self) -> list[Work]:
        """What receipts call loaded and the warehouse does not know: it was replaced, emptied or restored.

        To be asked after the extraction, which waits for no warehouse.
        """
        work: list[Work] = []
        called_loaded = {(hour, name) for hour, steps in self._steps.items() for name in steps.loaded}
        try:
            known = known_loads(self._hour - REACH, self._hour) if called_loaded else set()
        except EtlError as error:
            self.errors.append(error)
            return []
        for hour, name in sorted(called_loaded):
            if load_prefix(self._entity.name, hour, name) in known:
                continue
            try:
                extracts = self._extracts_of(hour, name)
            except EtlError as error:
                self.errors.append(error)
                continue
            if _ours(extracts):
                work.append((hour, extracts))
        return work

    @cached_property
    def _steps(self) -> dict[datetime, Steps]:
        begin, end = self._hour - REACH, self._hour
        warehouse, catalog = resources.warehouse_name(), resources.catalog_name()
        found: dict[datetime, Steps] = {}
        for days in range((end.date() - begin.date()).days + 1):
            day = datetime.combine(begin.date() + timedelta(days=days), time.min)
            for key in resources.lake().keys(receipts_of(day)):
                match = RECEIPT.fullmatch(key)
                if not match or match["entity"] != self._entity.name:
                    continue
                hour = day + timedelta(hours=int(match["hour"]))
                if not begin <= hour <= end:
                    continue
                steps, name = found.setdefault(hour, Steps()), match["name"]
                selection, _, place = name.partition("-")
                if match["step"] == "extract" and _ours([name]):
                    steps.extracted.add(name)
                elif match["step"] == "transform":
                    steps.transformed.add(name)
                elif match["step"] == "load" and place == warehouse:
                    steps.loaded.add(selection)
                elif match["step"] == "publish" and place == catalog:
                    steps.published.add(selection)
        return found

    def _extracts_of(self, hour: datetime, selection: str) -> tuple[str, ...]:
        steps = self._steps[hour]
        if selection not in steps.transformed and selection == selection_of(steps.extracted):
            # Its transformation's receipt was removed, to have it done again.
            return tuple(sorted(steps.extracted))
        target = ReceiptTarget(receipt_key("transform", self._entity.name, hour, selection), Transformed)
        return tuple(target.read().extracts)


def known_loads(first: datetime, last: datetime) -> set[str]:
    """The loads of these hours that are in the warehouse, as `load_prefix` begins their names. Raises EtlError."""
    found = resources.warehouse().loaded(
        entity=ReceiptTask.entity, first_hour=hour_text(first), last_hour=hour_text(last)
    )
    return {load_id[: load_id.rfind("/") + 1] for load_id in found}


def _ours(extracts: Iterable[str]) -> bool:
    parts = map(extract_parts, extracts)
    return all(part is not None and part[3] == resources.settings().source for part in parts)
