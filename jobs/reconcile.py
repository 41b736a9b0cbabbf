"""The reconciliation: do the lake, the catalog and the warehouse agree on what receipts say was done?"""

import logging
import sys
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import groupby

import luigi
from luigi.task import flatten

from jobs import progress, resources
from jobs.catch_up import Past, ours
from jobs.load import Load, load_from
from jobs.parameters import HourParameter
from jobs.pipeline import ends
from jobs.process import stopping
from jobs.repair import successor
from jobs.task import new_attempt
from jobs.transform import Transform
from reddit_etl.clock import hour_of, utc_now
from reddit_etl.entities import ENTITIES
from reddit_etl.errors import ConfigurationError, EtlError, LakeError, UnreadableObjectError
from reddit_etl.lake.index import ReceiptKey, newest
from reddit_etl.lake.layout import hour_text, load_prefix, selection_of
from reddit_etl.lake.receipts import DataObject
from reddit_etl.sources import named
from reddit_etl.steps.load import load_of
from reddit_etl.steps.publish import publish
from reddit_etl.steps.reconcile import Difference, Hour, Rows, differing, misplaced, unlisted

log = logging.getLogger(__name__)

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


def reconcile(first: datetime, last: datetime, *, deep: bool = False, repair: bool = False) -> int:
    """Compare all stores for the hours from `first` to `last`, inclusive; returns the number of differences.

    Prints a line per difference, or one of what was compared. With `deep` every object is read. With `repair` what can
    be loaded, published or made again is, and only what then still differs counts; a line says what was repaired. Holds
    one day at a time. Raises EtlError, ConfigurationError also if there is nothing to compare.
    """
    if first > last:
        raise ConfigurationError(f"--first {hour_text(first)} is after --last {hour_text(last)}: swap them")
    resources.used_lake()
    progress.CURRENT.expect(int((last - first) / HOUR) + 1, "hours")
    kept = ", what was repaired is kept" if repair else ""
    with stopping(f"stopped; not all hours were compared{kept}: run it again"):
        return _compared(first, last, deep=deep, repair=repair)


def _compared(first: datetime, last: datetime, *, deep: bool, repair: bool) -> int:
    number = compared = rows = objects = 0
    begin = first
    while begin <= last:
        end = min(begin.replace(hour=0) + DAY, last + HOUR)
        past = Past(end, first=begin)
        try:
            compared += len({key.hour for key in past.receipts.all if key.entity in ENTITIES})
        except UnreadableObjectError as error:
            # A damaged pack of receipts.
            _print([], [Difference(begin, "lake", str(error))])
            number, begin = number + 1, end
            continue
        # What was merged stands for many hours.
        loaded: set[DataObject] = set()
        found = left = sorted(_of_a_day(first, past, end, loaded, deep=deep), key=_in_order)
        try:
            if found and repair:
                _repair(found)
                loaded.clear()
                left = sorted(_of_a_day(first, Past(end, first=begin), end, loaded, deep=deep), key=_in_order)
                log.info("repaired", extra={"day": f"{begin:%Y-%m-%d}", "left": len(left)})
        finally:
            _print(found, left)
        number += len(left)
        rows += sum(one.rows for one in loaded)
        objects += len(loaded)
        begin = end
    if not compared and not number:
        raise ConfigurationError(
            f"nothing to compare: {resources.lake().url} has no receipts of the hours from {hour_text(first)} to "
            f"{hour_text(last)}: choose hours that were run, with --first and --last"
        )
    if not number:
        stores = "lake, catalog and warehouse" if resources.catalog() else "lake and warehouse"
        what = f"the {compared:,} {'hour' if compared == 1 else 'hours'} with receipts"
        with progress.CURRENT.hidden():
            sys.stdout.write(
                f"{stores} agree on {what} from {hour_text(first)} to {hour_text(last)}: "
                f"{rows:,} rows in {objects:,} objects compared\n"
            )
            sys.stdout.flush()
    fields = {"first": hour_text(first), "last": hour_text(last), "hours": compared, "differences": number}
    log.log(logging.ERROR if number else logging.INFO, "reconciled", extra=fields)
    return number


def _in_order(one: Difference) -> tuple[datetime, str, str]:
    return one.hour, one.store, one.what


def _print(found: Iterable[Difference], left: Iterable[Difference]) -> None:
    """Those that are left after the repair, and before them those that are not."""
    lines = list(map(str, left))
    with progress.CURRENT.hidden():
        for line in (*(f"{one}: repaired" for one in map(str, found) if one not in lines), *lines):
            sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


def _of_a_day(
    first: datetime, past: Past, end: datetime, compared: set[DataObject], *, deep: bool
) -> Iterator[Difference]:
    """Of the hours of `past`, which are of one day and end before `end`; `first` is the first hour of all.

    Adds to `compared` the objects that are compared with the warehouse.
    """
    keys = past.receipts.all
    yield from _undone(past)
    done = {
        load_prefix(key.entity, key.hour, key.name.partition("-")[0])
        for key in keys
        if key.step in ("transform", "load")
    }
    yield from unlisted({one for one in past.known_loads if _is_before(one, end)}, done)
    lost = set(past.lost_loads)
    for hour, of_hour in groupby(keys, key=lambda key: key.hour):
        progress.CURRENT.reach(int((hour - first) / HOUR))
        yield from _of_an_hour(hour, list(of_hour), lost, compared, deep=deep)


def _is_before(load_id: str, end: datetime) -> bool:
    return load_id.split("/")[1] < hour_text(end)


def _undone(past: Past) -> Iterator[Difference]:
    steps = {(key.hour, key.step, key.entity, key.name.partition("-")[0]) for key in past.receipts.all}
    for hour, extracts in past.unfinished:
        entity, selection = named(extracts[0], source=resources.settings().source).entity.name, selection_of(extracts)
        if (hour, "transform", entity, selection) not in steps:
            store, what = "lake", "not transformed"
        elif (hour, "load", entity, selection) not in steps:
            store, what = "warehouse", "no receipt of the load"
        else:
            store, what = "catalog", "not published"
        yield Difference(hour, store, f"{entity} {selection}: {what}", extracts=extracts)


def _of_an_hour(
    hour: datetime,
    keys: list[ReceiptKey],
    lost: set[tuple[datetime, str, str]],
    compared: set[DataObject],
    *,
    deep: bool,
) -> Iterator[Difference]:
    lake, catalog, warehouse = resources.lake(), resources.catalog(), resources.warehouse()
    read = Hour(lake, hour, keys)
    yield from read.differences
    damaged = list(read.damaged(deep=deep))
    yield from damaged
    done = {(key.step, key.entity, key.name) for key in keys}
    for rows in read.rows:
        if not ours(rows.transformed.extracts):
            continue
        loaded = ("load", rows.entity.name, f"{rows.selection}-{resources.warehouse_name()}") in done
        if (hour, rows.entity.name, rows.selection) in lost:
            yield Difference(hour, "warehouse", f"{rows}: load_audit lacks its load", rows)
        elif loaded and not compared.issuperset(rows.transformed.objects) and not _is_damaged(rows, damaged):
            compared.update(rows.transformed.objects)
            attempt = new_attempt(rows.entity, hour)
            yield from differing(warehouse, load_of(attempt, rows.transformed), rows)
        if catalog and ("publish", rows.entity.name, f"{rows.selection}-{resources.catalog_name()}") in done:
            yield from misplaced(catalog, lake, [rows])


def _is_damaged(rows: Rows, damaged: list[Difference]) -> bool:
    return any(one.rows and one.rows.transformed.objects == rows.transformed.objects for one in damaged)


def _repair(differences: Iterable[Difference]) -> None:
    """Each transformation once for each store."""
    seen: set[tuple[object, ...]] = set()
    for one in differences:
        about = (one.store, one.hour, one.extracts or str(one.rows))
        if about in seen or not (one.rows or one.extracts):
            continue
        seen.add(about)
        try:
            if one.rows:
                _repair_rows(one.rows, one)
            else:
                for task in ends([Load(hour=one.hour, extracts=one.extracts)]):
                    _finish(task)
        except EtlError as error:
            log.error("not repaired", extra={"difference": str(one), "error": str(error)})


def _repair_rows(rows: Rows, difference: Difference) -> None:
    attempt, catalog = new_attempt(rows.entity, rows.hour), resources.catalog()
    if difference.store == "warehouse":
        load_from(attempt, rows.transformed, is_again=True)
    elif difference.store == "lake":
        task = Transform(hour=rows.hour, extracts=tuple(rows.transformed.extracts))
        successor(task, rows.transformed, attempt, difference.what)
    elif catalog:
        publish(attempt, catalog, rows.transformed)


def _finish(task: luigi.Task) -> None:
    """Run a task and all that it needs, as far as that is not complete."""
    if not task.complete():
        for needed in flatten(task.requires()):
            _finish(needed)
        task.run()


class Reconcile(luigi.Task):
    """Compares the lake, the catalog and the warehouse; fails if they differ."""

    first: datetime | None = HourParameter(
        default=None, flag="--first", description="the first UTC hour; without it 48 hours are compared"
    )
    last: datetime | None = HourParameter(
        default=None, flag="--last", description="the last UTC hour; without it the newest that was run"
    )
    deep: bool = luigi.BoolParameter(description="compare the checksum of every object, too")
    repair: bool = luigi.BoolParameter(description="load, publish and make again what is missing")

    _is_done = False

    def complete(self) -> bool:
        """Whether this task has run in this process, without finding a difference."""
        return self._is_done

    def run(self) -> None:
        """Raises LakeError if there are differences, so that the exit code is 30."""
        first, last = hours(self.first, self.last)
        number = reconcile(first, last, deep=self.deep, repair=self.repair)
        if number:
            raise LakeError(f"{number} differences between lake, catalog and warehouse")
        self._is_done = True


def hours(first: datetime | None, last: datetime | None) -> tuple[datetime, datetime]:
    """The given hours, by default the 48 up to the newest that was run.

    The current one is left out until all that it has read is loaded, as its run may be at work. Raises EtlError.
    """
    now = hour_of(utc_now())
    if not last:
        last = newest(resources.lake(), ["extract"]) or now
        if last == now and Past(last + HOUR, first=last).unfinished:
            last -= HOUR
        if first and first > last:
            raise ConfigurationError(
                f"--first {hour_text(first)} is after {hour_text(last)}, the newest hour that was run: "
                "choose an hour that is not later"
            )
    return first or last - resources.REACH + HOUR, last
