"""Packing: the receipts of a day become one object, once nothing but a new warehouse or a late deletion adds to them.

A pipeline of one subreddit writes 200,000 receipts a year; all of them are needed for as long as the lake is.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from reddit_etl.clock import Clock
from reddit_etl.errors import UnreadableObjectError
from reddit_etl.lake.layout import PACK, RECEIPTS
from reddit_etl.lake.packed import Day, PackedLake
from reddit_etl.steps.attempt import began, new_name

AGE = timedelta(days=90)
"""Of the days that are packed."""
FEWEST = 24
"""Receipts that are worth a pack; fewer stay as they are."""
MOST = 16_500
"""Receipts that one run packs, up to the end of a day, the oldest first: those of 30 days of one subreddit.

It reads each, which takes 20 ms in S3, and has two hours in AWS for all that it does.
"""
STANDING = timedelta(hours=24)
"""So long a pack stands before what is in it is removed: twice as long as any run may take (`LONGEST_RUN`)."""


@dataclass
class Counts:
    """What one run has done."""

    days: int = 0
    packed: int = 0
    """Receipts that were put into packs."""
    removed: int = 0
    """Receipts that are in packs of earlier runs."""


def pack(lake: PackedLake, clock: Clock) -> Counts:
    """Pack the receipts of the days that are old enough, and remove those that were packed by earlier runs.

    May be repeated. Days that are packed cost a part of one listing. A damaged pack holds up no other day. Raises
    LakeError.
    """
    counts, damaged = Counts(), []
    old = lake.days(RECEIPTS, f"{RECEIPTS}dt={clock() - AGE:%Y-%m-%d}")
    for day in old:
        try:
            if len(day.loose) >= FEWEST:
                _pack(lake, day, clock, counts)
        except UnreadableObjectError as error:
            damaged.append(error)
        if counts.packed >= MOST:
            break
    if damaged:
        raise damaged[0]
    return counts


def _pack(lake: PackedLake, day: Day, clock: Clock, counts: Counts) -> None:
    packed = lake.packed_in(day.packs)
    new = [key for key in day.loose if key not in packed]
    if len(new) >= FEWEST:
        counts.packed += lake.add_pack(day.day, new_name(clock), new)
    standing = lake.packed_in(pack for pack in day.packs if _began(pack) < clock() - STANDING)
    old = [key for key in day.loose if key in standing]
    lake.remove(old)
    counts.removed += len(old)
    counts.days += 1


def _began(pack: str) -> datetime:
    found = PACK.fullmatch(pack)
    return began(found["attempt"] if found else "")
