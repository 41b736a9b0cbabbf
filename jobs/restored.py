"""Loads from before the last 48 hours: those that the warehouse lost, and those that it was unavailable for."""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from jobs import resources
from jobs.catch_up import Past, ours
from jobs.load import load_from
from jobs.task import new_attempt, read_receipt
from reddit_etl.clock import iso
from reddit_etl.entities import ENTITIES
from reddit_etl.errors import EtlError, LakeError, UnreadableObjectError
from reddit_etl.lake.index import days
from reddit_etl.lake.layout import hour_text, receipt_key
from reddit_etl.lake.receipts import Lost, Transformed
from reddit_etl.steps.attempt import new_name

log = logging.getLogger(__name__)

DAY = timedelta(days=1)
UNLOADED = "this was not loaded while the warehouse was unavailable; loading it"

Rows = Counter[tuple[str, datetime]]
"""How many were loaded again, by entity and hour. An hour has several loads of an entity: of listings, and of looks."""

Notes = dict[str, Lost]
"""What runs noted, by the key of the receipt."""


def reload_before(past: Past, end: datetime, *, over_pause: bool) -> Rows:
    """Repeat the lost loads of the hours before `end`, the oldest day first.

    Does also those that were never done, as the warehouse was unavailable for longer than runs catch up.

    Looks back day by day, until a day of whose loads none is lost, if one of `past` is lost, and with `over_pause` also
    if receipts record no load that is a day old, as the warehouse may have been replaced in the pause. What cannot be
    loaded again holds up nothing else: it is added to `past.errors`. Before anything is loaded, the lake notes all that
    is lost, so that the runs of the next 48 hours, and the first one after a pause, try what this one leaves, though no
    later load is lost any more. Holds the receipts of one day at a time. Raises EtlError.
    """
    # Those of `past` are loaded after this, and leave its hours if that fails for long.
    lost = {hour for hour, _ in past.lost}
    notes = _notes(past)
    begins = _days_with_losses(end, notes, is_searched=bool(lost) or (over_pause and not past.has_early_loads))
    noted = [_note(past, lost.union(begins))] if lost or begins else []
    rows, failed = Rows(), set[datetime]()
    for begin in begins:
        of_day, is_whole = _reload(past, begin, min(begin + DAY, end))
        rows += of_day
        if not is_whole:
            failed.add(begin)
    if failed.issuperset(begins):
        return rows
    # Else the next runs would look at each of these days again.
    later = {hour for note in notes.values() for hour in _hours(note) if hour >= end}
    _note(past, lost | failed | later, settles=[*notes, *noted])
    return rows


def _reload(past: Past, begin: datetime, end: datetime) -> tuple[Rows, bool]:
    """Do what a day's hours lack; False if something could not be loaded, which is added to `past.errors`."""
    rows, is_whole = Rows(), True
    try:
        day = Past(end, first=begin)
        loads = [*((load, True) for load in day.lost_loads), *((load, False) for load in day.unloaded)]
    except UnreadableObjectError as error:
        # A damaged pack of receipts.
        log.error("not loaded again", extra={"day": f"{begin:%Y-%m-%d}", "error": str(error)})
        past.errors.append(error)
        return rows, False
    for (hour, entity, selection), is_again in loads:
        where = {"hour": hour_text(hour), "entity": entity, "of": selection}
        try:
            transformed = _transformed(hour, entity, selection)
            if not ours(transformed.extracts):
                continue
            log.warning("the warehouse lacks this load; loading it again" if is_again else UNLOADED, extra=where)
            receipt = load_from(new_attempt(ENTITIES[entity], hour), transformed, is_again=is_again)
            if not is_again:
                key = receipt_key("load", entity, hour, f"{selection}-{resources.warehouse_name()}")
                resources.lake().create(key, receipt.to_json())
        except EtlError as error:
            log.error("not loaded again", extra=where | {"error": str(error)})
            past.errors.append(error)
            is_whole = False
        else:
            rows[entity, hour] += receipt.rows
    return rows, is_whole


def _note(past: Past, hours: Iterable[datetime], settles: Iterable[str] = ()) -> str:
    """Put the receipt; returns its key."""
    clock = resources.clock(past.hour)
    name = new_name(clock)
    header = {"entity": "all", "hour": hour_text(past.hour), "attempt": name, "committed_at": iso(clock())}
    receipt = Lost(**header, hours=sorted(set(map(hour_text, hours))), settles=sorted(settles))
    key = receipt_key("lost", "all", past.hour, f"{name}-{resources.warehouse_name()}")
    resources.lake().create(key, receipt.to_json())
    return key


def _notes(past: Past) -> Notes:
    """What earlier runs have noted for this warehouse."""
    end = f"-{resources.warehouse_name()}"
    keys = [one.key for one in past.receipts.all if one.step == "lost" and one.name.endswith(end)]
    return {key: read_receipt(key, Lost) for key in keys}


def _hours(note: Lost) -> Iterator[datetime]:
    return (datetime.fromisoformat(f"{hour}:00") for hour in note.hours)


def _days_with_losses(end: datetime, notes: Notes, *, is_searched: bool) -> list[datetime]:
    """The days before `end` of which loads are lost, the oldest first, each as its first hour.

    Of days that were noted, and if `is_searched`, of all before `end` back to a day that is whole; what was noted in
    these is added to `notes`, as the run may have been killed before a pause. Also those whose receipts cannot be read.
    """
    found, unloaded = set[datetime](), set[datetime]()
    for begin in (day for day in days(resources.lake()) if day < end) if is_searched else ():
        day = Past(min(begin + DAY, end), first=begin)
        try:
            notes.update(_notes(day))
            if _has_losses(day):
                unloaded.add(begin)
            if day.has_loads:
                # What is older than the first load into a new warehouse is not loaded into it.
                found |= unloaded
                unloaded.clear()
                if not day.lost_loads:
                    break
        except UnreadableObjectError:
            found.add(begin)
    settled = {key for note in notes.values() for key in note.settles}
    noted = (hour for key, note in notes.items() if key not in settled for hour in _hours(note))
    for begin in {hour.replace(hour=0) for hour in noted if hour < end} - found:
        try:
            if _has_losses(Past(min(begin + DAY, end), first=begin)):
                found.add(begin)
        except UnreadableObjectError:
            found.add(begin)
    return sorted(found)


def _has_losses(day: Past) -> bool:
    """Whether a load of the settings' source is lost, or was never done. Raises EtlError."""
    for load in (*day.lost_loads, *day.unloaded):
        try:
            if ours(_transformed(*load).extracts):
                return True
        except LakeError:
            # Loading it again says what is wrong.
            return True
    return False


def _transformed(hour: datetime, entity: str, selection: str) -> Transformed:
    return read_receipt(receipt_key("transform", entity, hour, selection), Transformed)
