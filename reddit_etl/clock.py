"""The one clock. Whatever needs the time is given a `Clock`; tests give their own.

Times are naive `datetime`s in UTC, the way the lake and the warehouse store them.
"""

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


def hour_of(moment: datetime) -> datetime:
    """The UTC hour that the moment lies in."""
    return moment.replace(minute=0, second=0, microsecond=0)


def clock_in(hour: datetime, *, now: Clock = utc_now) -> Clock:
    """A clock that stands in `hour` and runs on from there: the real minutes and seconds, in another hour.

    The sandbox lives in the hour of its run, so that a run for the next hour sees what Reddit will be like by then.
    """
    shift = hour - hour_of(now())
    return lambda: now() + shift


def iso(moment: datetime) -> str:
    """`2026-11-23T04:05:06.123456Z`, the form of every time in the lake."""
    return moment.isoformat(timespec="microseconds") + "Z"


def moment(text: str) -> datetime:
    """The time that `iso` has written. Raises ValueError for anything else."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ")  # noqa: DTZ007
