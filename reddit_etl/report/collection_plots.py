"""The plots of the collection as SVG elements, each an empty text if there is nothing to draw.

`named` gives the name of a subreddit as it is shown.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, NullLocator

from reddit_etl.report.collection import Best, Rise, Trees, largest
from reddit_etl.report.drawing import draw_area, drawn, figure_of, label, show_dates, show_whole, unit_of
from reddit_etl.report.svg import COLOURS, inline

MOST = 8
"""Subreddits in a plot."""
LINES = 4
"""Subreddits in a plot of lines."""
EDGES = (0.0, 0.3, 0.4, 0.46, 0.54, 0.6, 0.7, 1.0)
"""The steps of the colours of the heatmap, with typical ones in the middle."""


@drawn
def per_hour(
    entity: str, counts: Mapping[str, Counter[datetime]], every: Sequence[datetime], named: Callable[[str], str]
) -> str:
    """For each subreddit what was created by hour, one under the other."""
    names = largest(dict(counts), MOST)
    if not names:
        return ""
    rest: Counter[datetime] = sum((counts[name] for name in counts.keys() - set(names)), Counter())
    shown = [(label(named(name)), counts[name]) for name in names]
    if rest:
        others = len(counts) - len(names)
        shown.append((f"{others} other{'' if others == 1 else 's'}", rest))
    figure, axes = figure_of(0.4 + 0.72 * len(shown), len(shown), sharex=True)
    for one, (name, numbers) in zip(axes, shown, strict=True):
        draw_area(one, numbers, every)
        one.set_title(f"{name}  ({sum(numbers.values()):,})", fontsize=9, pad=2)
        one.grid(axis="y")
        show_whole(one, 2)
    show_dates(axes[-1])
    text = "; ".join(f"{name}: {sum(numbers.values()):,}" for name, numbers in shown)
    return inline(
        figure, f"{entity}-per-hour", f"{entity.capitalize()} created by {unit_of(every)[0]}, for each subreddit", text
    )


@drawn
def rises(found: Sequence[Rise], posts: Mapping[str, int], named: Callable[[str], str]) -> str:
    """Scores by age: a line for the fastest part of each subreddit, a dashed one for the rest."""
    with_fastest = {one.name: posts.get(one.name, 0) for one in found if one.is_fastest}
    names = largest(with_fastest, LINES)
    if not names:
        return ""
    figure, [axes] = figure_of(3.2)
    texts = []
    for number, name in enumerate(names):
        for is_fastest in (True, False):
            line = sorted((one for one in found if (one.name, one.is_fastest) == (name, is_fastest)), key=_age)
            axes.plot(
                [one.age for one in line],
                [one.score for one in line],
                color=COLOURS[f"s{number}"],
                linestyle="-" if is_fastest else "--",
                linewidth=1.8 if is_fastest else 1.1,
                marker="osD^"[number],
                markersize=4 if is_fastest else 3,
                label=label(named(name)) if is_fastest else None,
            )
            if line and is_fastest:
                texts.append(f"{label(named(name))}: a score of {line[-1].score:,.0f} after {line[-1].age:.0f} hours")
    axes.set_xscale("log")
    ticks = (0.5, 1, 2, 3, 6, 12, 24, 48, 72, 168)
    ages = [one.age for one in found if one.name in names]
    shown = [tick for tick in ticks if min(ages) * 0.7 <= tick <= max(ages) * 1.4]
    axes.set_xticks(shown, [f"{tick:g}" for tick in shown])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("age in hours")
    axes.set_ylabel("median score")
    axes.grid(axis="y")
    show_whole(axes, 5)
    figure.legend(loc="outside lower center", ncols=2, columnspacing=1.2)
    return inline(figure, "rises", "Score by age of the fastest risers, by subreddit", "; ".join(texts))


def _age(one: Rise) -> int:
    return one.band


@drawn
def best(found: Sequence[Best], posts: Mapping[str, int], named: Callable[[str], str]) -> str:
    """A heatmap of subreddits and hours of the day."""
    names = largest({one.name: posts.get(one.name, 0) for one in found}, MOST)
    if not names:
        return ""
    height = 0.3 * len(names)
    figure, [axes, key] = figure_of(1.3 + height, 2, height_ratios=[height, 0.16])
    norm, colours = BoundaryNorm(EDGES, 7), ListedColormap([COLOURS[f"h{n}"] for n in range(7)])
    texts = []
    for row, name in enumerate(names):
        ones = [one for one in found if one.name == name]
        for one in ones:
            middle, width = one.hour + (one.hours - 1) / 2, one.hours - 0.06
            axes.bar(middle, 0.94, width, row - 0.47, color=colours(norm(one.place)), clip_on=False)
        top = max(ones, key=lambda one: one.place)
        texts.append(f"{label(named(name))}: from {top.hour:02}:00 UTC, above {top.place:.0%} of its posts")
    axes.set_xlim(-0.6, 23.6)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xticks(range(0, 24, 3), [f"{hour:02}" for hour in range(0, 24, 3)])
    axes.set_yticks(range(len(names)), [label(named(name)) for name in names])
    axes.set_xlabel("hour of the day of the post, UTC")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    key.bar(range(7), 1, width=0.97, color=[COLOURS[f"h{n}"] for n in range(7)], clip_on=False)
    key.set_xticks([n - 0.5 for n in range(8)], [f"{edge:.0%}" for edge in EDGES])
    key.set_yticks([])
    key.set_xlabel("share of the subreddit's posts outscored")
    key.spines[:].set_visible(False)
    key.tick_params(length=0, labelsize=8)
    return inline(figure, "best", "Best hour to post, by subreddit", "Best hours: " + "; ".join(texts))


@drawn
def kinds(counts: Mapping[str, Counter[str]], named: Callable[[str], str]) -> str:
    """A bar of shares for each subreddit."""
    names = largest(dict(counts), MOST)
    if not names:
        return ""
    total: Counter[str] = sum((counts[name] for name in names), Counter())
    order = [kind for kind, _ in total.most_common()]
    # There are seven; others would be of a later version.
    colours = {kind: COLOURS[f"s{min(number, 6)}"] for number, kind in enumerate(order)}
    figure, [axes] = figure_of(1.0 + 0.32 * len(names))
    for row, name in enumerate(names):
        left = 0.0
        for kind in order:
            share = 100 * counts[name][kind] / sum(counts[name].values())
            axes.barh(row, share, 0.7, left=left, color=colours[kind])
            left += share
    axes.set_xlim(0, 100)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_yticks(range(len(names)), [label(named(name)) for name in names])
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0f}%"))
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    figure.legend(
        handles=[Patch(color=colours[kind], label=label(kind)) for kind in order],
        loc="outside lower center",
        ncols=4,
        columnspacing=1.2,
        handlelength=1.2,
    )
    text = ", ".join(f"{label(kind)} {number:,}" for kind, number in total.most_common())
    return inline(figure, "kinds", "Types of posts, as shares by subreddit", text)


@drawn
def trees(found: Mapping[str, Trees], named: Callable[[str], str]) -> str:
    """A bar for each subreddit: the share of the comments that Reddit counts."""
    names = largest({name: one.counted for name, one in found.items() if one.counted}, MOST)
    if not names:
        return ""
    shares = {name: 100 * found[name].stored / found[name].counted for name in names}
    figure, [axes] = figure_of(0.7 + 0.32 * len(names))
    axes.barh(range(len(names)), [100] * len(names), 0.7, color=COLOURS["line"])
    axes.barh(range(len(names)), [shares[name] for name in names], 0.7, color=COLOURS["s0"])
    axes.set_xlim(0, max(100, *shares.values()))
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_yticks(range(len(names)), [f"{label(named(name))}  {shares[name]:.0f}%" for name in names])
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0f}%"))
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    text = "; ".join(f"{label(named(name))}: {found[name].stored:,} of {found[name].counted:,}" for name in names)
    return inline(figure, "trees", "Share of the comments by Reddit's count that are stored", text)
