"""When runs start: a schedule of EventBridge, `rate(1 hour)` or `cron(5 * * * ? *)`, in numbers."""

import re
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from math import ceil, inf

from reddit_etl.errors import ConfigurationError

UNITS = {"minute": 1 / 60, "hour": 1.0, "day": 24.0}
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
# As EventBridge counts them, from 1.
WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
# Two years, because a week or a month that ends a year has its next in another. Any two will do.
DAYS = [date(2027, 1, 1) + timedelta(number) for number in range(2 * 365)]
# CloudWatch looks back a week, and no further.
LONGEST_WATCH = 168


@dataclass(frozen=True)
class Schedule:
    text: str
    runs: float
    """A month."""
    gap: float
    """The most hours from one to the next."""

    def watch(self) -> int:
        """After how many hours without a success somebody is told: the gap, and two hours for a run that is late."""
        if self.gap + 2 > LONGEST_WATCH:
            raise ConfigurationError(
                f"the schedule {self.text!r} leaves {self.gap:,.0f} hours between two runs, and no alarm looks back "
                f"further than {LONGEST_WATCH}: let it run every six days or more often"
            )
        return ceil(self.gap) + 2


def parse(text: str) -> Schedule:
    every = re.fullmatch(r"rate\(([1-9]\d*) (minute|hour|day)(s?)\)", text, re.ASCII)
    if every and (every[1] == "1") == bool(every[3]):
        every = None
    if every:
        gap = int(every[1]) * UNITS[every[2]]
        return Schedule(text, 730 / gap, gap)
    fields = re.fullmatch(r"cron\(([^?\s]+) ([^?\s]+) (\S+) ([^?\s]+) (\S+) [\d*,/-]+\)", text)
    try:
        starts = _starts(*fields.groups()) if fields else []
    except ValueError:
        starts = []
    if not starts:
        raise ConfigurationError(
            f"the schedule {text!r} is not understood: give it like rate(1 hour) or cron(5 * * * ? *)"
        )
    gap = max((later - earlier for earlier, later in pairwise(starts)), default=inf)
    return Schedule(text, len(starts) / 24, gap / 60)


def _starts(minute: str, hour: str, day: str, month: str, weekday: str) -> list[int]:
    """The minutes of these days, from the beginning of the first."""
    if (day == "?") == (weekday == "?"):
        # EventBridge wants one of the two left open, and just one.
        raise ValueError(day)
    minutes, hours = sorted(_chosen(minute, 0, 59)), sorted(_chosen(hour, 0, 23))
    days, months = _chosen(day, 1, 31), _chosen(month, 1, 12, MONTHS)
    weekdays = _chosen(weekday, 1, 7, WEEKDAYS)
    return [
        (24 * number + h) * 60 + m
        for number, today in enumerate(DAYS)
        if today.day in days and today.month in months and today.isoweekday() % 7 + 1 in weekdays
        for h in hours
        for m in minutes
    ]


def _chosen(field: str, low: int, high: int, names: tuple[str, ...] = ()) -> set[int]:
    """The values that a field allows; raises ValueError."""
    chosen: set[int] = set()
    for part in ("*" if field == "?" else field).split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        begin = low if first == "*" else _number(first, names)
        end = _number(last, names) if last else high if step or first == "*" else begin
        if not low <= begin <= end <= high:
            raise ValueError(field)
        chosen.update(range(begin, end + 1, _number(step or "1", ())))
    return chosen


def _number(text: str, names: tuple[str, ...]) -> int:
    if text.upper() in names:
        return names.index(text.upper()) + 1
    if not re.fullmatch(r"\d{1,4}", text, re.ASCII):
        raise ValueError(text)
    return int(text)
