"""The clock. Code that needs the time takes a `Clock`, so that tests can set it.

Times are naive `datetime`s in UTC, as the lake and the warehouse store them.
"""

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The current time in UTC."""
    return datetime.now(UTC).replace(tzinfo=None)


def hour_of(moment: datetime) -> datetime:
    """The hour that contains the moment."""
    return moment.replace(minute=0, second=0, microsecond=0)


def clock_in(hour: datetime, *, now: Clock = utc_now) -> Clock:
    """A clock that shows the real minutes and seconds, in `hour`.

    The sandbox uses the hour of the run, so that a run for the next hour sees the changes of an hour.
    """
    shift = hour - hour_of(now())
    return lambda: now() + shift


def iso(moment: datetime) -> str:
    """`2026-11-23T04:05:06.123456Z`, the format of all times in the lake."""
    return moment.isoformat(timespec="microseconds") + "Z"


def moment(text: str) -> datetime:
    """Parse the output of `iso`. Raises ValueError for anything else."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ")  # noqa: DTZ007
