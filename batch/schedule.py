"""EventBridge schedules, `rate(1 hour)` or `cron(5 * * * ? *)`: the runs per month, and the longest gap between two."""

import re
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from math import ceil, inf

from reddit_etl.errors import ConfigurationError

UNITS = {"minute": 1 / 60, "hour": 1.0, "day": 24.0}
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")  # EventBridge counts from 1.
# Any two years: a week or a month that ends a year has its successor in the next.
DAYS = [date(2027, 1, 1) + timedelta(number) for number in range(2 * 365)]
MAX_ALARM_HOURS = 168  # CloudWatch looks back a week.


@dataclass(frozen=True)
class Schedule:
    """A schedule as EventBridge writes it, with what follows for costs and for the alarm."""

    text: str
    runs: float
    """Per month."""
    gap: float
    """Hours."""

    def alarm_hours(self) -> int:
        """After how many hours without a success the alarm is due: the gap, and two hours for a late run."""
        if self.gap + 2 > MAX_ALARM_HOURS:
            raise ConfigurationError(
                f"the schedule {self.text!r} leaves {self.gap:,.0f} hours between two runs, and no alarm looks back "
                f"further than {MAX_ALARM_HOURS}: run it every six days or more often"
            )
        return ceil(self.gap) + 2


def parse(text: str) -> Schedule:
    """Raises ConfigurationError for what EventBridge, or this module, cannot read."""
    rate = re.fullmatch(r"rate\((?:1 (minute|hour|day)|([1-9]\d{0,5}) (minute|hour|day)s)\)", text, re.ASCII)
    if rate and rate[2] != "1":
        gap = int(rate[2] or 1) * UNITS[rate[1] or rate[3]]
        return Schedule(text, 730 / gap, gap)
    try:
        starts = _starts(text)
    except ValueError:
        starts = []
    if not starts:
        raise ConfigurationError(f"the schedule {text!r} is not valid: write it like rate(1 hour) or cron(5 * * * ? *)")
    gap = max((later - earlier for earlier, later in pairwise(starts)), default=inf)
    return Schedule(text, len(starts) / 24, gap / 60)


def _starts(text: str) -> list[int]:
    """The starts on DAYS, in minutes; raises ValueError."""
    fields = re.fullmatch(r"cron\(([^?\s]+) ([^?\s]+) (\S+) ([^?\s]+) (\S+) [\d*,/-]+\)", text)
    # One of day and weekday must be left open, and only one.
    if not fields or (fields[3] == "?") == (fields[5] == "?"):
        raise ValueError(text)
    minutes, hours = sorted(_allowed(fields[1], 0, 59)), sorted(_allowed(fields[2], 0, 23))
    days, months = _allowed(fields[3], 1, 31), _allowed(fields[4], 1, 12, MONTHS)
    weekdays = _allowed(fields[5], 1, 7, WEEKDAYS)
    return [
        (24 * number + hour) * 60 + minute
        for number, day in enumerate(DAYS)
        if day.day in days and day.month in months and day.isoweekday() % 7 + 1 in weekdays
        for hour in hours
        for minute in minutes
    ]


def _allowed(field: str, low: int, high: int, names: tuple[str, ...] = ()) -> set[int]:
    """The values that a field allows; raises ValueError."""
    allowed: set[int] = set()
    for number, name in enumerate(names, 1):
        field = field.upper().replace(name, str(number))
    for part in ("*" if field == "?" else field).split(","):
        found = re.fullmatch(r"(?:\*|(\d{1,4})(?:-(\d{1,4}))?)(?:/(\d{1,4}))?", part, re.ASCII)
        if not found:
            raise ValueError(field)
        first, last, step = found.groups()
        begin = int(first or low)
        end = int(last or (begin if first and not step else high))
        if not low <= begin <= end <= high:
            raise ValueError(field)
        allowed.update(range(begin, end + 1, int(step or 1)))
    return allowed
