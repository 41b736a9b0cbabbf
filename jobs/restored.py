"""Repeat loads that the warehouse lost from before the last 48 hours, as when it was restored from an old copy."""

import logging
from collections.abc import Iterator
from datetime import datetime, timedelta

from jobs import resources
from jobs.catch_up import Past, ours
from jobs.load import load_from
from jobs.task import new_attempt, read_receipt
from reddit_etl.entities import ENTITIES
from reddit_etl.errors import EtlError
from reddit_etl.lake.layout import RECEIPTS, hour_text, receipt_key
from reddit_etl.lake.receipts import Transformed

log = logging.getLogger(__name__)

DAY = timedelta(days=1)


def reload_before(end: datetime) -> dict[str, int]:
    """Repeat the lost loads of the hours before `end`, the oldest day first; returns the rows by day and entity.

    Looks back day by day, until a day of whose loads none is lost. So after a day with an error it goes no further: the
    next run must find the later days lost, too, in order to look back as far. Holds one day at a time. Raises EtlError.
    """
    rows: dict[str, int] = {}
    for begin, until in reversed(list(_days_with_losses(end))):
        errors: list[EtlError] = []
        for hour, entity, selection in Past(until, first=begin).lost_loads:
            where = {"hour": hour_text(hour), "entity": entity, "of": selection}
            try:
                transformed = read_receipt(receipt_key("transform", entity, hour, selection), Transformed)
                if not ours(transformed.extracts):
                    continue
                log.warning("the warehouse lacks this load; loading it again", extra=where)
                loaded = load_from(new_attempt(ENTITIES[entity], hour), transformed, is_again=True).rows
            except EtlError as error:
                log.error("not loaded again", extra=where | {"error": str(error)})
                errors.append(error)
            else:
                title = f"{begin:%Y-%m-%d} {entity}"
                rows[title] = rows.get(title, 0) + loaded
        if errors:
            raise errors[0]
    return rows


def _days_with_losses(end: datetime) -> Iterator[tuple[datetime, datetime]]:
    """The days before `end`, the newest first, each as its first hour and the hour after its last."""
    names = [name for name in resources.lake().folders(RECEIPTS) if "dt=" < name <= f"dt={end:%Y-%m-%d}"]
    for name in sorted(names, reverse=True):
        begin = datetime.fromisoformat(name.removeprefix("dt="))
        until = min(begin + DAY, end)
        past = Past(until, first=begin) if begin < until else None
        if past and past.lost_loads:
            yield begin, until
        elif past and past.has_loads:
            return
