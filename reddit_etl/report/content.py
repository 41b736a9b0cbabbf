"""The parts of the page on the collection: what the warehouse holds."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from reddit_etl.report import collection_plots
from reddit_etl.report.collection import Collection, largest
from reddit_etl.report.page import Part, Table
from reddit_etl.report.queries import LEAST, NAMELESS
from reddit_etl.report.state import PROFILES
from reddit_etl.report.text import percent

LISTED = 50
"""Rows of a table; beyond, subreddits are added up."""


def named(name: str) -> str:
    """The name of a subreddit as the page shows it."""
    return name if name in (PROFILES, NAMELESS) else f"r/{name}"


def parts(found: Collection, hours: Sequence[datetime], *, has_trees: bool) -> list[Part]:
    """All parts, in the order of the page. The coverage of comment trees is left out if none were read."""
    return [
        *(_per_hour(entity, counts, hours) for entity, counts in found.per_hour.items()),
        _rises(found),
        _best(found),
        _kinds(found),
        *([_trees(found)] if has_trees else []),
        _stored(found),
    ]


def _per_hour(entity: str, counts: dict[str, Counter[datetime]], hours: Sequence[datetime]) -> Part:
    number = sum(sum(one.values()) for one in counts.values())
    rows = []
    for name in largest(dict(counts), LISTED):
        busiest, most = max(counts[name].items(), key=lambda one: (one[1], one[0]))
        total = sum(counts[name].values())
        # A listing shows the newest thousand: what is older was not missed, it was never read.
        since = sum(hour >= min(counts[name]) for hour in hours)
        rows.append([named(name), f"{total:,}", f"{total / since:,.1f}", f"{most:,}", f"{busiest:%Y-%m-%d %H}:00"])
    columns = ["subreddit", entity, "an hour", "most", "in the hour"]
    subreddits = f"{len(counts):,} subreddit{'' if len(counts) == 1 else 's'}"
    text = f"{number:,} {entity} of {subreddits} were created in these hours and are stored. "
    text += "The average of an hour is since a subreddit's first."
    return Part(
        f"{entity}-by-hour",
        f"{entity.capitalize()} per hour",
        text if number else f"No {entity} created in these hours are stored.",
        [collection_plots.per_hour(entity, counts, hours, named)],
        [Table(f"{entity.capitalize()} by subreddit", columns, rows, is_folded=True)],
    )


def _drawn(number: int, most: int) -> str:
    """A sentence if a plot has fewer subreddits than there are."""
    return f" The plot has the {most} subreddits with the most posts." if number > most else ""


def _posts(found: Collection) -> dict[str, int]:
    return {name: sum(one.values()) for name, one in found.kinds.items()}


def _part(found: Collection) -> str:
    return {4: "quarter", 10: "tenth"}[found.share]


def _rises(found: Collection) -> Part:
    text = f"Too few posts were observed at one age: at least {LEAST} of a subreddit are needed."
    if found.rises and found.band:
        text = (
            f"Posts are ranked at an equal age of {found.band[0]} to {found.band[1]} hours. Solid: the {_part(found)} "
            "of each subreddit's posts with the highest scores at that age; dashed: the rest. "
            f"Each point is the median of at least {LEAST} posts."
        ) + _drawn(len({one.name for one in found.rises if one.is_fastest}), collection_plots.LINES)
    rows = [
        [
            f"{named(one.name)}, {f'fastest {_part(found)}' if one.is_fastest else 'the rest'}",
            f"{one.age:,.1f}",
            f"{one.posts:,}",
            f"{one.score:,.1f}".removesuffix(".0"),
        ]
        for one in found.rises
    ]
    columns = ["posts", "age in hours", "number", "median score"]
    plot = collection_plots.rises(found.rises, _posts(found), named)
    return Part("risers", "Fastest risers", text, [plot], [Table("Scores by age", columns, rows, is_folded=True)])


def _best(found: Collection) -> Part:
    text = f"Too few posts were observed at one age: at least {LEAST} of an hour of the day are needed."
    if found.best and found.band:
        text = (
            "The share of a subreddit's posts that a post of these hours outscores on average, compared at an equal "
            f"age of {found.band[0]} to {found.band[1]} hours; 50% is typical. What has fewer than {LEAST} posts is "
            "left out; the fewer posts, the less it says, and the table has their number."
        ) + _drawn(len({one.name for one in found.best}), collection_plots.MOST)
    rows = [
        [named(one.name), f"{one.hour:02}:00 to {one.hour + one.hours - 1:02}:59", f"{one.posts:,}", percent(one.place)]
        for one in found.best
    ]
    columns = ["subreddit", "hours, UTC", "posts", "outscored"]
    plot = collection_plots.best(found.best, _posts(found), named)
    return Part("best-hour", "Best hour to post", text, [plot], [Table("By hour", columns, rows, 2, is_folded=True)])


def _kinds(found: Collection) -> Part:
    total: Counter[str] = sum(found.kinds.values(), Counter())
    order = [kind for kind, _ in total.most_common()]
    rows = [
        [named(name), *(f"{found.kinds[name][kind]:,}" for kind in order)]
        for name in largest(dict(found.kinds), LISTED)
    ]
    text = ", ".join(f"{percent(number, total.total())} {kind}" for kind, number in total.most_common())
    more = _drawn(len(found.kinds), collection_plots.MOST)
    return Part(
        "types",
        "Types of posts",
        f"Of all posts created in these hours: {text}.{more}"
        if total
        else "No posts created in these hours are stored.",
        [collection_plots.kinds(found.kinds, named)],
        [Table("Posts by type", ["subreddit", *order], rows, is_folded=True)],
    )


def _trees(found: Collection) -> Part:
    counted = sum(one.counted for one in found.trees.values())
    stored = sum(one.stored for one in found.trees.values())
    rows = [
        [named(name), *(f"{number:,}" for number in (one.posts, one.with_comments, one.counted, one.stored))]
        for name, one in ((name, found.trees[name]) for name in largest(_counted(found), LISTED))
    ]
    text = "No comments of posts created in these hours are stored."
    if counted:
        text = (
            f"{stored:,} comments are stored of the {counted:,} that Reddit counts for the posts created in these "
            "hours, whether their tree was due or not. Reddit's number includes removed ones, so less than 100% is "
            "normal."
        )
    columns = ["subreddit", "posts", "with comments", "by Reddit", "stored"]
    return Part(
        "tree-coverage",
        "Coverage of comment trees",
        text,
        [collection_plots.trees(found.trees, named)],
        [Table("Stored comments by subreddit", columns, rows, is_folded=True)],
    )


def _counted(found: Collection) -> dict[str, int]:
    return {name: one.counted for name, one in found.trees.items()}


def _stored(found: Collection) -> Part:
    rows = [[table, f"{number:,}"] for table, number in found.rows.items()]
    tombstones = [[entity, kind, f"{number:,}"] for (entity, kind), number in found.tombstones.items()]
    return Part(
        "warehouse",
        "Rows of the warehouse",
        "All rows, whenever they were created; and the tombstones of what was forgotten.",
        tables=[
            Table("Rows", ["table", "rows"], rows),
            Table("Tombstones", ["entity", "kind", "number"], tombstones, 2),
        ],
    )
