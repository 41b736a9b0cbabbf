"""The plots of the pipeline's state as SVG elements, each an empty text if there is nothing to draw."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from matplotlib.dates import date2num
from matplotlib.patches import Patch

from reddit_etl.report.drawing import LONG, draw_area, drawn, figure_of, show_dates, show_whole, unit_of
from reddit_etl.report.svg import COLOURS, inline

SHORT = 3
"""Minutes below which a lag is shown in seconds."""


@drawn
def hours(first: datetime, last: datetime, read: set[datetime], loaded: set[datetime]) -> str:
    """A square for each hour, one line per day: in the warehouse, only in the lake, or without a run."""
    days = [first.date() + timedelta(days=n) for n in range((last.date() - first.date()).days + 1)]
    figure, [axes] = figure_of(min(9.0, 0.75 + 0.2 * len(days)))
    size = 0.86

    def kind(hour: datetime) -> str:
        return "s0" if hour in loaded else "bad" if hour in read else "line"

    for row, day in enumerate(days):
        begin = datetime(day.year, day.month, day.day)  # noqa: DTZ001
        every = [hour for n in range(24) if first <= (hour := begin + timedelta(hours=n)) <= last]
        for colour, alike in groupby(every, kind):
            places = [hour.hour for hour in alike]
            # Of many days, equal hours are one bar.
            for place in places if len(days) * 24 <= LONG else places[:1]:
                width = size if len(days) * 24 <= LONG else len(places)
                where: dict[str, Any] = {"width": width, "bottom": row - size / 2, "align": "edge", "clip_on": False}
                axes.bar(place - size / 2, size, color=COLOURS[colour], **where)
                if colour == "bad":
                    axes.plot([place], [row], "x", color=COLOURS["ink"], markersize=4)
    axes.set_xlim(-0.6, 23.6)
    axes.set_ylim(len(days) - 0.4, -0.6)
    axes.set_xticks(range(0, 24, 3), [f"{hour:02}" for hour in range(0, 24, 3)])
    shown = range(0, len(days), -(-len(days) // 16))
    axes.set_yticks(shown, [f"{days[n]:%b %d}" for n in shown])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    names = {"s0": "in the warehouse", "bad": "not loaded (x)", "line": "no run"}
    patches = [Patch(color=COLOURS[colour], label=name) for colour, name in names.items()]
    figure.legend(handles=patches, loc="outside lower center", ncols=3, columnspacing=1.2, handlelength=1.2)
    text = f"{len(loaded)} hours are in the warehouse, {len(read - loaded)} are read and not loaded."
    return inline(figure, "hours", "Hours of the day, one line per day", text)


@drawn
def requests(by_hour: Mapping[datetime, int], every: Sequence[datetime], most: int) -> str:
    """Bars of the requests by hour."""
    if not any(by_hour.values()):
        return ""
    figure, [axes] = figure_of(2.1)
    draw_area(axes, by_hour, every)
    axes.grid(axis="y")
    axes.set_ylabel(f"requests per {unit_of(every)[0]}")
    show_dates(axes)
    show_whole(axes)
    highest = max(by_hour.values())
    text = f"At most {highest:,} requests in an hour, of the {most:,} that Reddit allows."
    return inline(figure, "requests", f"Requests to Reddit by {unit_of(every)[0]}", text)


@drawn
def lag(minutes: Mapping[datetime, float]) -> str:
    """A point for each hour: how long it took until it was in the warehouse."""
    if not minutes:
        return ""
    figure, [axes] = figure_of(2.1)
    shown = dict(minutes)
    if len(minutes) > LONG:
        # The longest of each day.
        days = groupby(sorted(minutes), lambda hour: hour.date())
        shown = {hour: minutes[hour] for _, hours in days for hour in [max(hours, key=minutes.__getitem__)]}
    longest = max(minutes.values())
    unit, length = ("minutes", 1) if longest >= SHORT else ("seconds", 60)
    values = [length * value for value in shown.values()]
    axes.plot(date2num(list(shown)), values, "o", color=COLOURS["s0"], markersize=3, clip_on=False)
    axes.set_ylim(bottom=0, top=max(1.0, longest * length) * 1.05)
    axes.grid(axis="y")
    axes.set_ylabel(unit)
    show_dates(axes)
    text = f"{len(minutes):,} hours; the longest took {longest * length:,.1f} {unit}."
    return inline(figure, "lag", f"{unit.capitalize()} from the beginning of an hour's run to its last load", text)
