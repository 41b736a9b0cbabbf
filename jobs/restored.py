"""Repeat loads that the warehouse lost from before the last 48 hours, as when it was restored from an old copy."""

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
from reddit_etl.errors import EtlError, UnreadableObjectError
from reddit_etl.lake.layout import RECEIPTS, hour_text, receipt_key
from reddit_etl.lake.receipts import Lost, Transformed
from reddit_etl.steps.attempt import new_name

log = logging.getLogger(__name__)

DAY = timedelta(days=1)

Rows = Counter[tuple[str, datetime]]
"""How many were loaded again, by entity and hour. An hour has several loads of an entity: of listings, and of looks."""


def reload_before(past: Past, end: datetime, *, over_pause: bool) -> Rows:
    """Repeat the lost loads of the hours before `end`, the oldest day first.

    Looks back day by day, until a day of whose loads none is lost; with `over_pause` also if receipts record no load
    that is a day old, as the warehouse may have been replaced in the pause. What cannot be loaded again holds up
    nothing else: it is added to `past.errors`, and the lake notes its hour, so that the runs of the next 48 hours try
    it again, though no later load is lost any more. Holds the receipts of one day at a time. Raises EtlError.
    """
    lost = sorted({hour for hour, _ in past.lost})
    if lost:
        # They are loaded after this, and leave the hours of `past` if that fails for long.
        _note(past, lost)
    rows = Rows()
    days = {hour.replace(hour=0) for hour in _noted(past) if hour < end}
    if lost or (over_pause and not past.has_early_loads):
        days |= set(_days_with_losses(end))
    for begin in sorted(days):
        failed = []
        try:
            of_day = Past(min(begin + DAY, end), first=begin).lost_loads
        except UnreadableObjectError as error:
            # A damaged pack of receipts.
            log.error("not loaded again", extra={"day": f"{begin:%Y-%m-%d}", "error": str(error)})
            past.errors.append(error)
            _note(past, [begin])
            continue
        for hour, entity, selection in of_day:
            where = {"hour": hour_text(hour), "entity": entity, "of": selection}
            try:
                transformed = read_receipt(receipt_key("transform", entity, hour, selection), Transformed)
                if not ours(transformed.extracts):
                    continue
                log.warning("the warehouse lacks this load; loading it again", extra=where)
                loaded = load_from(new_attempt(ENTITIES[entity], hour), transformed, is_again=True).rows
            except EtlError as error:
                log.error("not loaded again", extra=where | {"error": str(error)})
                past.errors.append(error)
                failed.append(hour)
            else:
                rows[entity, hour] += loaded
        if failed:
            # Before a later day is loaded, as a run that finds that whole looks no further back.
            _note(past, failed)
    return rows


def _note(past: Past, hours: Iterable[datetime]) -> None:
    clock = resources.clock(past.hour)
    name = new_name(clock)
    header = {"entity": "all", "hour": hour_text(past.hour), "attempt": name, "committed_at": iso(clock())}
    receipt = Lost(**header, hours=sorted(set(map(hour_text, hours))))
    key = receipt_key("lost", "all", past.hour, f"{name}-{resources.warehouse_name()}")
    resources.lake().create(key, receipt.to_json())


def _noted(past: Past) -> Iterator[datetime]:
    """The hours that earlier runs have noted for this warehouse."""
    for one in past.receipts.all:
        if one.step == "lost" and one.name.endswith(f"-{resources.warehouse_name()}"):
            yield from (datetime.fromisoformat(f"{hour}:00") for hour in read_receipt(one.key, Lost).hours)


def _days_with_losses(end: datetime) -> Iterator[datetime]:
    """The days before `end`, the newest first, each as its first hour; also those whose receipts cannot be read."""
    names = [name for name in resources.lake().folders(RECEIPTS) if "dt=" < name <= f"dt={end:%Y-%m-%d}"]
    for name in sorted(names, reverse=True):
        begin = datetime.fromisoformat(name.removeprefix("dt="))
        until = min(begin + DAY, end)
        past = Past(until, first=begin) if begin < until else None
        try:
            if past and past.lost_loads:
                yield begin
            elif past and past.has_loads:
                return
        except UnreadableObjectError:
            yield begin
