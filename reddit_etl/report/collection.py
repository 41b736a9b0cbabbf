"""What the warehouse holds of the posts and comments of a range of hours: aggregates alone.

What is computed from scores is of five posts at least.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from reddit_etl.entities import COMMENTS, ENTITIES, POSTS
from reddit_etl.report import queries
from reddit_etl.warehouse.base import Warehouse
from reddit_etl.warehouse.tables import SCHEMA

SHARES = (4, 10)
"""The fastest risers are a tenth of the posts, or a quarter where there are few."""
LENGTHS = (1, 2, 3, 4, 6)
"""Hours of the day that are compared as one, so that there are enough posts."""
COMPARED = (1, 2, 3, 6, 12, 24)
"""Those at which posts are ranked: a score of less than an hour says little, and one of days nothing about its rise."""


@dataclass(frozen=True)
class Rise:
    """The score at one age of the posts of a subreddit that had the most at an equal age, or of all others."""

    name: str
    is_fastest: bool
    band: int
    """Begins at this age."""
    posts: int
    age: float
    """The average, in hours."""
    score: float
    """The median."""


@dataclass(frozen=True)
class Best:
    """How the posts of a subreddit that were created in some hours of the day compare with all of it, at equal age."""

    name: str
    hour: int
    hours: int
    """How many, from `hour` on."""
    posts: int
    place: float
    """The share of the subreddit's posts that they scored higher than, on average; 0.5 is typical."""


@dataclass(frozen=True)
class Trees:
    """How many of the comments of a subreddit's posts are stored."""

    posts: int
    with_comments: int
    """Posts of which at least one comment is stored."""
    counted: int
    """Comments by Reddit's own count, which includes removed ones."""
    stored: int


@dataclass
class Collection:
    """What was created in a range of hours; by the name of a subreddit."""

    per_hour: dict[str, dict[str, Counter[datetime]]] = field(default_factory=dict)
    """By entity."""
    kinds: dict[str, Counter[str]] = field(default_factory=dict)
    band: tuple[int, int] | None = None
    """The ages in hours at which posts are ranked by their score."""
    share: int = 10
    """The fastest risers are one of so many equal parts of a subreddit's posts."""
    rises: list[Rise] = field(default_factory=list)
    best: list[Best] = field(default_factory=list)
    trees: dict[str, Trees] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    """Of each table, whenever created."""
    tombstones: dict[tuple[str, str], int] = field(default_factory=dict)
    """By entity and kind, whenever they were put."""


def collect(warehouse: Warehouse, *, source: str, first: datetime, end: datetime) -> Collection:
    """Query what was created from `first` until `end`, exclusive. Raises WarehouseError."""
    found = Collection()
    created = [source, first, end]
    for entity in ENTITIES.values():
        hours = found.per_hour.setdefault(entity.name, {})
        for name, hour, number in warehouse.find(entity.name, queries.per_hour(entity), created):
            hours.setdefault(name, Counter())[hour] = int(number)
        for table in (entity.name, entity.metrics_table):
            for (number,) in warehouse.find(table, f"SELECT COUNT(*) FROM {SCHEMA}.{table}", []):
                found.rows[table] = int(number)
    for name, kind, number in warehouse.find(POSTS.name, queries.kinds(), created):
        found.kinds.setdefault(name, Counter())[kind] = int(number)
    for name, posts, some, counted, stored in warehouse.find(COMMENTS.name, queries.trees(), [source, first, *created]):
        found.trees[name] = Trees(int(posts), int(some), int(counted or 0), int(stored))
    for entity_name, kind, number in warehouse.find("tombstones", queries.TOMBSTONES, []):
        found.tombstones[entity_name, kind] = int(number)
    _add_scores(found, warehouse, [*created, first])
    return found


def _add_scores(found: Collection, warehouse: Warehouse, observed: Sequence[object]) -> None:
    table = POSTS.metrics_table
    posts: dict[int, list[int]] = {}
    for band, number in warehouse.find(table, queries.ages(), observed):
        if band in COMPARED:
            posts.setdefault(int(band), []).append(int(number))
    if not posts:
        return
    # The oldest at which nearly as many were observed as at any.
    enough = max(map(sum, posts.values())) * 3 / 4
    band = max(age for age, numbers in posts.items() if sum(numbers) >= enough)
    found.band = band, queries.BANDS[queries.BANDS.index(band) + 1]
    found.share = max(SHARES) if max(posts[band]) >= max(SHARES) * queries.LEAST else min(SHARES)
    for row in warehouse.find(table, queries.rises(found.share), [*observed, band]):
        name, is_fastest, age, number, average, score = row
        found.rises.append(Rise(name, bool(is_fastest), int(age), int(number), float(average), float(score)))
    hours = warehouse.find(table, queries.best(), [*observed, band])
    found.best = _merged([(name, int(hour), int(number), float(places)) for name, hour, number, places in hours])


def _merged(hours: Sequence[tuple[str, int, int, float]]) -> list[Best]:
    """The hours as they are if there are enough posts in them, else several as one.

    Of each the subreddit, the hour, the number of posts and the sum of their places.
    """
    enough = sum(number for _, _, number, _ in hours) / 2
    found: list[Best] = []
    for length in LENGTHS:
        sums: dict[tuple[str, int], tuple[int, float]] = {}
        for name, hour, number, places in hours:
            key = name, hour - hour % length
            known = sums.get(key, (0, 0.0))
            sums[key] = known[0] + number, known[1] + places
        found = [
            Best(name, hour, length, number, places / number)
            for (name, hour), (number, places) in sums.items()
            if number >= queries.LEAST
        ]
        if sum(one.posts for one in found) >= enough:
            break
    return found


def largest(numbers: dict[str, Any], most: int) -> list[str]:
    """The names of the largest totals, largest first; a total is a number, or the sum of the values of a Counter."""
    totals = {name: sum(one.values()) if isinstance(one, Counter) else one for name, one in numbers.items()}
    return sorted(totals, key=lambda name: (-totals[name], name))[:most]
