"""What the report computes, against the same computed in another way."""

import random
import re
from collections import Counter, defaultdict
from datetime import datetime, timedelta
from pathlib import Path
from statistics import mean, median
from typing import Any

import pytest

from reddit_etl.clock import iso
from reddit_etl.entities import COMMENTS
from reddit_etl.lake.folder import FolderLake
from reddit_etl.lake.index import Receipts
from reddit_etl.lake.layout import receipt_key
from reddit_etl.lake.receipts import Extracted, Forgotten, Loaded, Receipt
from reddit_etl.report import collection_plots, content, state, state_plots, status
from reddit_etl.report.collection import Best, Collection, Rise, Trees, collect
from reddit_etl.report.page import Page, Part, Table
from reddit_etl.report.queries import BANDS
from reddit_etl.report.text import percent
from reddit_etl.warehouse.duckdb import DuckDBWarehouse
from tests.standins.loads import Loads
from tests.standins.payloads import post

HOUR = timedelta(hours=1)
FIRST = datetime(2026, 11, 20)  # noqa: DTZ001
END = FIRST + 72 * HOUR
NAMES = {"python": "python", "rust": "rust", "u_someone": "user profiles", "U_other": "user profiles"}
Row = dict[str, Any]


def named(row: Row) -> str:
    return NAMES[row["subreddit"]] if row["subreddit"] else "no subreddit"


def observations(dice: random.Random) -> list[Row]:
    """Posts before, in and after the range, of both sources, each seen several times; in order."""
    rows = []
    for number in range(800):
        created = FIRST + dice.uniform(-10, 80) * HOUR
        fixed = {
            "post_id": f"p{number}",
            "subreddit": dice.choices([*NAMES, None], [30, 30, 2, 2, 1])[0],
            "created_at": created,
            "post_type": dice.choice(["self", "link", None]),
            "num_comments": dice.choice([0, 3, 8, None]),
            "source": "reddit" if dice.random() < 0.1 else "sandbox",
        }
        for age in sorted(30 * dice.random() ** 3 - 0.2 for _ in range(dice.randrange(1, 7))):
            score = dice.choice([1, 1, 2, 50, 700, None])
            rows.append(post(seen=created + age * HOUR, **fixed | {"score": score}))  # type: ignore[arg-type]
    return rows


def expected(rows: list[Row], comments: Counter[str]) -> Collection:
    """Without any SQL. `comments` are the stored ones of each post."""
    found = Collection()
    posts = {row["post_id"]: row for row in rows if row["source"] == "sandbox" and FIRST <= row["created_at"] < END}
    trees: dict[str, list[Row]] = defaultdict(list)
    for row in posts.values():
        hour = row["created_at"].replace(minute=0, second=0, microsecond=0)
        found.per_hour.setdefault("posts", {}).setdefault(named(row), Counter())[hour] += 1
        found.kinds.setdefault(named(row), Counter())[row["post_type"] or "unknown"] += 1
        trees[named(row)].append(row)
    for name, of in trees.items():
        stored = [comments[row["post_id"]] for row in of]
        counted = sum(row["num_comments"] or 0 for row in of)
        found.trees[name] = Trees(len(of), sum(number > 0 for number in stored), counted, sum(stored))
    last: dict[tuple[str, int], tuple[float, int]] = {}
    for row in rows:
        age = (row["observed_at"] - row["created_at"]) / HOUR
        if row["post_id"] in posts and row["score"] is not None and age >= 0 and row["observed_at"] >= FIRST:
            band = max(begin for begin in BANDS if begin <= age)
            last[row["post_id"], band] = max(last.get((row["post_id"], band), (age, 0)), (age, row["score"]))
    sizes = Counter(band for _, band in last if 1 <= band <= 24)
    band = max(one for one, number in sizes.items() if 4 * number >= 3 * max(sizes.values()))
    found.band = band, BANDS[BANDS.index(band) + 1]
    of_name: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for (post_id, one), (_, score) in last.items():
        if one == band:
            of_name[named(posts[post_id])].append((-score, post_id))
    for name, ranked in sorted(of_name.items()):
        add_scores(found, name, sorted(ranked), last, posts)
    return found


def add_scores(
    found: Collection,
    name: str,
    ranked: list[tuple[int, str]],
    last: dict[tuple[str, int], tuple[float, int]],
    posts: dict[str, Row],
) -> None:
    # A tenth of 23 has three posts.
    size = len(ranked) // 10 + (len(ranked) % 10 > 0)
    for is_fastest, some in ((False, ranked[size:]), (True, ranked[:size])):
        for begin in BANDS[:-1]:
            seen = [last[post_id, begin] for _, post_id in some if (post_id, begin) in last]
            if len(seen) >= 5:
                age, score = mean(age for age, _ in seen), median(score for _, score in seen)
                found.rises.append(Rise(name, is_fastest, begin, len(seen), age, score))
    scores = [-score for score, _ in ranked]
    places = defaultdict(list)
    for score, post_id in ranked:
        lower, equal = sum(-score > one for one in scores), scores.count(-score)
        places[posts[post_id]["created_at"].hour].append((lower + equal / 2) / len(scores))
    for hour, of_hour in sorted(places.items()):
        if len(of_hour) >= 5:
            found.best.append(Best(name, hour, 1, len(of_hour), mean(of_hour)))


def comment(number: int, **fields: object) -> Row:
    return {
        "comment_id": f"c{number}",
        "subreddit": "python",
        "created_at": FIRST + HOUR,
        "score": 1,
        "text_truncated": False,
        "observed_at": FIRST + 2 * HOUR,
        "source": "sandbox",
    } | fields


def test_the_collection_is_that_of_another_computation(loads: Loads) -> None:
    dice = random.Random(7)
    rows = observations(dice)
    loads.load(*rows)
    comments = Counter(f"p{dice.randrange(800)}" for _ in range(300))
    stored = [comment(n, post_id=post_id) for n, post_id in enumerate(comments.elements())]
    others = [comment(300, post_id="p1", source="reddit"), comment(301, post_id="p1", created_at=FIRST - HOUR)]
    loads.load(*stored, *others, entity=COMMENTS)

    found = collect(loads.warehouse, source="sandbox", first=FIRST, end=END)
    other = expected(rows, comments)
    assert len(other.rises) > 20
    assert len(other.best) > 10
    assert {one.name for one in other.rises} == {"python", "rust", "user profiles"}
    assert found.per_hour["posts"] == other.per_hour["posts"]
    assert found.per_hour["comments"] == {"python": {FIRST + HOUR: 300}}
    assert (found.kinds, found.trees, found.band) == (other.kinds, other.trees, other.band)
    assert values(found.rises) == values(other.rises)
    assert values(found.best) == values(other.best)
    assert found.rows == {"posts": 800, "post_metrics": len(rows), "comments": 302, "comment_metrics": 302}
    assert found.tombstones == {}


def values(ones: list[Any]) -> list[Any]:
    """Up to what the engines' arithmetic differs in."""
    return [
        {name: round(value, 3) if isinstance(value, float) else value for name, value in vars(one).items()}
        for one in ones
    ]


def test_an_empty_warehouse_has_an_empty_collection(tmp_path: Path) -> None:
    found = collect(DuckDBWarehouse(tmp_path / "none.duckdb"), source="sandbox", first=FIRST, end=END)
    assert found == Collection(per_hour={"posts": {}, "comments": {}})


def test_the_plots_of_two_months_are_by_day_and_stay_small() -> None:
    every = [FIRST + n * HOUR for n in range(60 * 24)]
    counts = {f"s{n}": Counter({hour: n + hour.hour for hour in every}) for n in range(12)}
    drawn = [
        state_plots.hours(every[0], every[-1], set(every[:-5]), set(every[9:-9])),
        state_plots.requests(Counter(every), every, 6000),
        state_plots.lag(dict.fromkeys(every, 1.0)),
        collection_plots.per_hour("posts", counts, every, str),
    ]
    assert [len(one) < 100_000 for one in drawn] == [True] * 4
    assert ["by day" in one for one in drawn] == [False, True, False, True]
    assert "by hour" in collection_plots.per_hour("posts", counts, every[:48], str)


# ---- Receipts


@pytest.mark.parametrize(
    ("part", "whole", "digits", "shown"),
    [
        (770, 776, 0, "99%"),
        (995, 1000, 0, ">99%"),
        (1000, 1000, 0, "100%"),
        (1100, 1000, 0, "110%"),
        (4, 1000, 0, "<1%"),
        (0, 1000, 0, "0%"),
        (1, 6000, 1, "<0.1%"),
        (5999, 6000, 1, ">99.9%"),
    ],
)
def test_a_share_is_rounded_neither_to_all_nor_to_nothing(part: int, whole: int, digits: int, shown: str) -> None:
    assert percent(part, whole, digits) == shown


def commit(lake: FolderLake, step: str, name: str, receipt: Receipt) -> None:
    hour = datetime.fromisoformat(f"{receipt.hour}:00")
    assert lake.create(receipt_key(step, receipt.entity, hour, name), receipt.to_json())


def extracted(begin: datetime, seconds: int, **fields: Any) -> Extracted:
    given = {"source": "reddit", "verdict": "ok", "requests": 10, "records": 90, "rejects": 0}
    given |= {"subreddit": "python", "listing": "new", "limit": 100, "objects": (), "rejected": ()}
    return Extracted(**header(begin, seconds) | given | fields)


def header(begin: datetime, seconds: int) -> dict[str, Any]:
    """Of an attempt that began then."""
    return {
        "entity": "posts",
        "hour": f"{begin:%Y-%m-%dT%H}",
        "attempt": f"{begin:%Y%m%dT%H%M%S}-1a2b3c4d",
        "committed_at": iso(begin + timedelta(seconds=seconds)),
    }


def loaded(begin: datetime, seconds: int, hour: datetime) -> Loaded:
    values = header(begin, seconds) | {"hour": f"{hour:%Y-%m-%dT%H}"}
    return Loaded(**values, rows=90, inserted=90, updated=0, stale=0)


def test_lag_and_time_are_from_the_beginning_of_the_reading_to_the_last_load(tmp_path: Path) -> None:
    lake = FolderLake(tmp_path / "lake")
    five, six = FIRST + 5 * HOUR, FIRST + 6 * HOUR
    begin = five + timedelta(minutes=4)
    commit(lake, "extract", "python-new-100", extracted(begin, 20))
    rejected = {"rejects": 10, "reasons": {"id is missing": 10}, "gap": (iso(FIRST), iso(FIRST + HOUR))}
    commit(lake, "extract", "rust-new-100", extracted(begin + 20 * timedelta(seconds=1), 40, **rejected))
    commit(lake, "extract", "sandbox.python-new-100", extracted(begin - HOUR / 60, 1, source="sandbox"))
    commit(lake, "extract", "python-new-100", extracted(six, 5, verdict="private", records=0))
    # It was loaded when the warehouse was available again; the load into another warehouse does not count.
    commit(lake, "load", "0123456789ab-aaaaaa", loaded(begin + 2 * HOUR, 30, five))
    values = vars(loaded(begin + timedelta(minutes=1), 30, five)) | {"entity": "comments"}
    commit(lake, "load", "0123456789ab-aaaaaa", Loaded(**values))
    commit(lake, "load", "0123456789ab-bbbbbb", loaded(begin + 9 * HOUR, 30, five))
    (lake.folder / "receipts/dt=2026-11-20/hr=06/load-posts-0123456789ab-aaaaaa.json").write_bytes(b"{}")

    found = state.State(FIRST, FIRST + 7 * HOUR)
    receipts = Receipts(lake, found.first, found.last).all
    state.collect(lake, receipts, found, source="reddit", warehouse="aaaaaa")
    assert found.lag == {five: 120.5}
    assert found.seconds == {"extract": [20.0, 40.0, 5.0], "load": [30.0, 30.0]}
    assert (found.read, found.loaded, found.hours) == ({five, six}, {five}, [five, six, six + HOUR])
    assert found.requests == {five: 20, six: 10}
    assert found.unreadable == {"load": 1}
    assert found.reasons == {("posts", "id is missing"): 10}
    assert found.gaps == [state.Gap("r/python new", "posts", iso(FIRST), iso(FIRST + HOUR))]
    reading = found.readings["r/python new"]
    assert (reading.hours, reading.records, reading.rejects, reading.full, reading.gaps) == (3, 180, 10, 1, 1)
    assert reading.skipped == {"private": 1}
    # Hours before the first run count once there is anything before the range.
    commit(lake, "extract", "python-new-100", extracted(FIRST - HOUR, 5))
    again = state.State(FIRST, FIRST + 7 * HOUR)
    state.collect(lake, receipts, again, source="reddit", warehouse="aaaaaa")
    assert again.hours == [FIRST + n * HOUR for n in range(8)]


def test_looks_at_all_entities_are_one_row_and_what_waits_is_deferred(tmp_path: Path) -> None:
    lake = FolderLake(tmp_path / "lake")
    coverage = {"due": 17, "waiting": 5, "done": 8, "absent": 2, "gone": 1, "unclear": 0, "missed": 3}
    looks = {"subreddit": None, "listing": None, "limit": None}
    posts = extracted(FIRST, 20, records=6, requests=2, coverage=coverage, left=["a", "b"], **looks)
    commit(lake, "extract", "refresh-posts-001h", posts)
    comments = vars(extracted(FIRST, 20, records=2, requests=0, **looks)) | {"entity": "comments"}
    commit(lake, "extract", "refresh-comments-001h", Extracted(**comments))
    found = state.State(FIRST, FIRST)
    state.collect(lake, Receipts(lake, FIRST, FIRST).all, found, source="reddit", warehouse="aaaaaa")
    assert [*found.readings] == ["looks at posts and comments"]
    [part] = [part for part in status.parts(found, 0) if part.name == "looks"]
    [table] = part.tables
    values = {name.split(":")[0]: number for name, number in table.rows}
    assert values == {"due": "17", "done": "8", "absent": "2", "gone": "1", "deferred": "7", "missed": "3"}
    [part] = [part for part in status.parts(found, 0) if part.name == "extracts"]
    assert part.tables[-1].rows == [["looks at posts and comments", "1", "8", "0", "2", "0", "0", "0"]]


def test_an_average_is_over_the_hours_since_a_subreddit_was_first_seen() -> None:
    every = [FIRST + n * HOUR for n in range(168)]
    found = Collection(per_hour={"posts": {"python": Counter(dict.fromkeys(every[-10:], 7)), "rust": Counter(every)}})
    [table] = content.parts(found, every, has_trees=False)[0].tables
    assert [row[:3] for row in table.rows] == [["r/rust", "168", "1.0"], ["r/python", "70", "7.0"]]


def test_a_time_that_a_removal_took_is_left_out_if_the_notice_is_of_a_later_hour(tmp_path: Path) -> None:
    lake = FolderLake(tmp_path / "lake")
    for begin, noticed in ((FIRST, FIRST - 3 * HOUR), (FIRST + HOUR, FIRST + 9 * HOUR)):
        times = {"noticed_at": iso(noticed), "gone_at": iso(begin)}
        given = header(begin, 20) | times | {"entity": "all", "lists": [], "lake": {}, "digests": [], "warehouse": {}}
        commit(lake, "forget", "noticed-aaaaaa", Forgotten(**given, tombstones=2))
    found = state.State(FIRST, FIRST + HOUR)
    state.collect(lake, Receipts(lake, FIRST, END).all, found, source="reddit", warehouse="aaaaaa")
    assert [(one.tombstones, one.hours) for one in found.removals] == [(2, 3.0), (2, None)]


def test_a_median_between_two_scores_is_not_rounded() -> None:
    found = Collection(rises=[Rise("aws", True, 12, 6, 16.7, 54.5), Rise("aws", False, 12, 18, 16.8, 1204.0)])
    [part] = [part for part in content.parts(found, [FIRST], has_trees=False) if part.name == "risers"]
    assert [row[-1] for row in part.tables[0].rows] == ["54.5", "1,204"]


def test_a_lag_is_in_seconds_if_it_is_short() -> None:
    assert "the longest took 30.0 seconds" in state_plots.lag({FIRST: 0.5})
    assert "the longest took 30.0 minutes" in state_plots.lag({FIRST: 30.0, FIRST + HOUR: 0.5})


def test_what_a_plot_leaves_out_is_named() -> None:
    def text(number: int) -> str:
        found = Collection(kinds={f"s{n}": Counter({"self": n + 1}) for n in range(number)})
        return next(part.text for part in content.parts(found, [FIRST], has_trees=False) if part.name == "types")

    assert text(8) == "Of all posts created in these hours: 100% self."
    assert text(9).endswith(": 100% self. The plot has the 8 subreddits with the most posts.")


def test_a_table_of_many_rows_is_folded() -> None:
    tables = [Table(f"{number} rows", ["row"], [["1"]] * number) for number in (40, 41)]
    parts = [Part("part", "Part", "", tables=tables)]
    page = Page(FIRST, FIRST, FIRST, "reddit", stores={}, facts=[], notices=[], state=parts)
    assert re.findall("<summary>([^<]+)", page.html()) == ["41 rows"]
