"""What the plots of the report's page have in common: size, settings, axes."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import wraps
from typing import Any, ParamSpec

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from reddit_etl.report.page import printable
from reddit_etl.report.svg import COLOURS, SETTINGS

WIDTH = 4.3
"""Inches: about 310 units of the SVG, which a phone shows in their own size."""
LONG = 31 * 24
"""Hours that are shown one by one."""
LONGEST = 20
"""Characters of a name."""
Given = ParamSpec("Given")


def drawn(draw: Callable[Given, str]) -> Callable[Given, str]:
    """With the page's settings, and without a warning for each character of a name that the font lacks."""

    @wraps(draw)
    def with_settings(*args: Given.args, **kwargs: Given.kwargs) -> str:
        with rc_context(SETTINGS), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            return draw(*args, **kwargs)

    return with_settings


def label(name: str) -> str:
    """A name in one line, not longer than a plot allows, and without the characters that XML has not."""
    text = str(printable(name))
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def figure_of(height: float, rows: int = 1, **options: Any) -> tuple[Figure, Sequence[Axes]]:
    """A figure of so many inches with axes one under the other."""
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    axes = figure.subplots(rows, 1, squeeze=False, **options)
    return figure, [one for (one,) in axes]


def show_dates(axes: Axes) -> None:
    """Label the x axis with days and hours."""
    axes.xaxis_date()
    locator = AutoDateLocator(minticks=3, maxticks=7)
    axes.xaxis.set_major_locator(locator)
    formats, zeros = ["%Y", "%b", "%b %d", "%H:%M", "%H:%M", "%S"], ["", "%Y", "%b %d", "%b %d", "%H:%M", "%H:%M"]
    axes.xaxis.set_major_formatter(
        ConciseDateFormatter(locator, formats=formats, zero_formats=zeros, show_offset=False)
    )


def unit_of(every: Sequence[datetime]) -> tuple[str, int]:
    """What a step of a plot stands for, and its hours: more steps could not be told apart, and need megabytes."""
    return ("hour", 1) if len(every) <= LONG else ("day", 24)


def draw_area(axes: Axes, numbers: Mapping[datetime, int], every: Sequence[datetime]) -> None:
    """A step for each hour or day, as wide as that."""
    _, length = unit_of(every)
    heights = [sum(numbers.get(hour, 0) for hour in every[n : n + length]) for n in range(0, len(every), length)]
    ends = [*every[::length], every[-1] + timedelta(hours=1)]
    axes.fill_between(date2num(ends), [*heights, heights[-1]], step="post", color=COLOURS["s0"], linewidth=0)
    axes.set_ylim(bottom=0)
    axes.margins(x=0.01)


def show_whole(axes: Axes, ticks: int = 4) -> None:
    """Label the y axis with so many whole numbers at most."""
    axes.yaxis.set_major_locator(MaxNLocator(ticks, integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
