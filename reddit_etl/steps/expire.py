"""Expiry: raw records and rejects of days that are older than they are to be kept are removed, with all versions.

A receipt says so, one for each day, entity and zone, and is created before anything is removed. The data objects need
no successors: none can stand for them, and thousands of receipts would stay for ever to say the same of one day.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from reddit_etl.clock import Clock, iso
from reddit_etl.entities import ENTITIES
from reddit_etl.entities.schema import Entity
from reddit_etl.lake import inventory
from reddit_etl.lake.base import Lake
from reddit_etl.lake.inventory import Day
from reddit_etl.lake.layout import expiry_key, hour_text
from reddit_etl.lake.receipts import Expired
from reddit_etl.steps.attempt import new_name, origin

LEAST = timedelta(hours=72)
"""What was read in this time is kept, however old its hour is: it may not have been transformed yet."""


@dataclass
class Removed:
    """What was removed."""

    days: int = 0
    """Of one entity and zone each."""
    objects: int = 0
    bytes: int = 0
    """With all versions."""


def expire(lake: Lake, hour: datetime, *, days: int, clock: Clock) -> Removed:
    """Keep the raw records and rejects of the last `days` days, including that of the run's hour; at least one.

    May be repeated, and finishes what a killed run has left. Holds the keys of one day. Raises LakeError.
    """
    removed = Removed()
    for entity in ENTITIES.values():
        for zone in ("raw", "rejected"):
            for day in inventory.days(lake, zone, entity.name):
                if day.day > hour.date() - timedelta(days=days):
                    break
                _expire(lake, entity, day, clock=clock, removed=removed)
    return removed


def _expire(lake: Lake, entity: Entity, day: Day, *, clock: Clock, removed: Removed) -> None:
    old = [place for place in day.places if origin(place.attempt) < clock() - LEAST]
    if not old:
        return
    receipt = Expired(
        entity=entity.name,
        hour=hour_text(datetime.combine(day.day, datetime.min.time())),
        attempt=new_name(clock),
        committed_at=iso(clock()),
        removed={"objects": len(old), "bytes": sum(place.bytes for place in old)},
    )
    # There is one already if an earlier run was killed, or if something was written late.
    lake.create(expiry_key(old[0].key), receipt.to_json())
    removed.days += 1
    removed.objects += len(old)
    removed.bytes += lake.remove(place.key for place in old)
