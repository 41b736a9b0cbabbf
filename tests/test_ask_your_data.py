"""The queries of docs/ask-your-data.md, on a warehouse that two hours' runs of the main job have filled."""

import os
import random
import re
import shutil
from datetime import timedelta
from statistics import median

import pytest

from reddit_etl.report import queries
from reddit_etl.warehouse.duckdb import DuckDBWarehouse
from tests import NO_LOOKS, PROJECT, commands
from tests.standins.loads import DuckDBLoads
from tests.standins.payloads import NOON, post

PAGE = (PROJECT / "docs" / "ask-your-data.md").read_text(encoding="utf-8")
QUESTIONS = {
    section.splitlines()[0]: section.partition("```sql\n")[2].partition("```")[0] for section in PAGE.split("\n## ")[1:]
}
# What at least one of DuckDB, Redshift and Athena lacks or means differently.
NOT_SHARED = re.compile(
    r"\b(FILTER|QUALIFY|DISTINCT ON|GROUP BY ALL|GROUP BY \d|ILIKE|DATE_?DIFF|DATE_?ADD|EPOCH|DOW|LIST|UNNEST)\b|::|\["
    # Athena's average of decimals has no more places than they have.
    r"|AVG\(\d",
    re.IGNORECASE,
)


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory):
    folder = tmp_path_factory.mktemp("warehouse")
    ours = ("REDDIT_", "LAKE_", "WAREHOUSE_", "TRANSFORM_", "LUIGI_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)} | NO_LOOKS
    shutil.copy(PROJECT / "luigi.cfg", folder)
    for hour in ("2026-11-23T04", "2026-11-23T05"):
        chosen = ["--hour", hour, "--subreddits", '["python", "aws"]']
        command = ("-m", "luigi", "--module", "jobs", "RedditPipeline", *chosen)
        assert commands.run(*command, cwd=folder, env=environment).returncode == 0
    return DuckDBWarehouse(folder / "data" / "warehouse.duckdb")


def test_every_query_of_the_page_has_a_question():
    assert 8 <= len(QUESTIONS) == PAGE.count("```sql")
    assert all(question.endswith("?") and sql for question, sql in QUESTIONS.items())


@pytest.mark.parametrize(("question", "sql"), QUESTIONS.items(), ids=QUESTIONS)
def test_a_question_is_answered(warehouse, question, sql):
    columns, rows = warehouse.query(sql, limit=1000)
    assert rows, question
    for number, column in enumerate(columns):
        assert any(row[number] is not None for row in rows), f"{question} {column} is empty"


@pytest.mark.parametrize("sql", QUESTIONS.values(), ids=QUESTIONS)
def test_a_query_keeps_to_the_sql_that_the_warehouses_share(sql):
    # A text may hold anything.
    assert not NOT_SHARED.search(re.sub(r"'[^']*'", "''", sql))


def test_each_load_is_one_hour_of_one_entity(warehouse):
    columns, rows = warehouse.query(QUESTIONS["What did each load change?"], limit=1000)
    loads = [dict(zip(columns, row, strict=True)) for row in rows]
    assert len(loads) == 4
    for entity in ("posts", "comments"):
        second, first = (load for load in loads if load["entity"] == entity)
        assert (first["hour"], first["rows_inserted"], first["rows_updated"]) == ("2026-11-23T04", 2000, 0)
        assert second["hour"] == "2026-11-23T05"
        assert second["rows_inserted"] + second["rows_updated"] == second["rows_staged"] == 2000
        assert second["rows_inserted"] > 0


HOURS = timedelta(hours=1)


def test_an_hour_in_which_no_listing_was_read_is_a_gap_also_with_looks(tmp_path):
    loads = DuckDBLoads(tmp_path)
    found = {"a": 0, "b": 1, "c": 4}
    looks = {"a": (1, 2, 3), "b": (2, 3, 4)}
    loads.load(
        *[post(name, seen=NOON + hour * HOURS) for name, hour in found.items()],
        *[post(name, seen=NOON + hour * HOURS) for name, hours in looks.items() for hour in hours],
    )
    assert loads.rows(QUESTIONS["Which hours were not observed?"]) == [
        ("python", NOON + HOURS, NOON + 4 * HOURS, "gap"),
        ("python", NOON, NOON + HOURS, "no gap"),
    ]


def test_the_fastest_rise_is_per_hour_and_within_the_last_hours(tmp_path):
    loads = DuckDBLoads(tmp_path)
    seen = {
        "slow": [(-5, 0), (-3, 10), (0, 100)],
        "fast": [(-3, 5), (-1, 65)],
        # Its gain is of earlier.
        "old": [(-12, 0), (-11, 1000), (-1, 1000), (0, 1001)],
        # Two observations this close say little.
        "twice": [(-1, 0), (-0.9, 500)],
        "falling": [(-2, 9), (0, 1)],
    }
    rows = [
        post(name, title=name, seen=NOON + at * HOURS, score=score) for name, all_ in seen.items() for at, score in all_
    ]
    loads.load(*rows)
    found = loads.rows(QUESTIONS["Which posts are rising fastest?"])
    assert [(title, gained, rate) for _, title, _, _, gained, rate in found] == [
        ("fast", 60, 30.0),
        ("slow", 100, 20.0),
        ("old", 1, 1.0),
    ]


def test_the_best_time_to_post_is_found_at_equal_age_in_each_subreddit(tmp_path):
    loads = DuckDBLoads(tmp_path)
    midnight = NOON - 12 * HOURS
    posts = {
        # Posted at this hour, in this subreddit: the score at each age in hours.
        ("a", 3, "python"): {1: 900, 25: 700, 47: 10, 72: 1000},
        ("b", 5, "python"): {2: 1, 25: 50},
        ("c", 3, "aws"): {24: 5},
        ("d", 5, "aws"): {29: 4},
        ("too-young", 7, "aws"): {23: 1},
        ("seen-too-late", 9, "aws"): {20: 1, 48: 9},
    }
    rows = [
        post(name, subreddit=subreddit, created_at=midnight + hour * HOURS, score=score,
             seen=midnight + (hour + age) * HOURS)
        for (name, hour, subreddit), scores in posts.items()
        for age, score in scores.items()
    ]  # fmt: skip
    loads.load(*rows)
    found = loads.rows(QUESTIONS["What is the best time of day to post?"])
    assert found == [
        ("aws", 3, 1, 5.0, 75.0),
        ("aws", 5, 1, 4.0, 25.0),
        ("python", 5, 1, 50.0, 75.0),
        ("python", 3, 1, 10.0, 25.0),
    ]


def test_the_report_ranks_the_hours_of_the_day_the_same(tmp_path):
    loads = DuckDBLoads(tmp_path)
    dice = random.Random(5)
    midnight = NOON - 12 * HOURS
    rows = []
    for number in range(200):
        created = midnight + dice.randrange(48) * HOURS / 2
        fixed = {"subreddit": dice.choice(["python", "aws"]), "created_at": created}
        for age in sorted(dice.uniform(0, 60) for _ in range(4)):
            score = dice.choice([1, 1, 2, 50, 700, None])
            rows.append(post(f"p{number}", seen=created + age * HOURS, **fixed | {"score": score}))
    loads.load(*rows)
    range_ = [rows[0]["source"], midnight, midnight + 24 * HOURS, midnight]
    drawn = {
        (name, int(hour)): (int(number), 100 * float(places) / int(number))
        for name, hour, number, places in loads.warehouse.find("post_metrics", queries.best(), [*range_, 24])
    }
    answered = {
        (name, int(hour)): (number, float(better))
        for name, hour, number, _, better in loads.rows(QUESTIONS["What is the best time of day to post?"])
    }
    assert len(drawn) > 40
    assert answered == {key: (number, pytest.approx(share, abs=0.501)) for key, (number, share) in drawn.items()}
    # Whatever is equal, half of the posts are better than the other half.
    for name in ("python", "aws"):
        shares = [(number, share) for (one, _), (number, share) in drawn.items() if one == name]
        assert sum(number * share for number, share in shares) == pytest.approx(
            50 * sum(number for number, _ in shares)
        )


def test_of_posts_of_one_moment_the_report_has_the_same_risers(tmp_path):
    """Where all are of the same age and began with nothing, most per hour is most at an equal age."""
    loads = DuckDBLoads(tmp_path)
    scores = random.Random(6).sample(range(1, 1000), 40)
    seen = [(NOON, 0), (NOON + 2 * HOURS, 500), (NOON + 5 * HOURS, None)]
    rows = [
        post(f"p{number}", created_at=NOON, seen=at, score=last if score is None else score)
        for number, last in enumerate(scores)
        for at, score in seen
    ]
    loads.load(*rows)
    range_ = [rows[0]["source"], NOON, NOON + HOURS, NOON]
    share = 4
    drawn = loads.warehouse.find("post_metrics", queries.rises(share), [*range_, 3])
    [(number, middle)] = [
        (number, middle) for _, is_fastest, band, number, _, middle in drawn if is_fastest and band == 3
    ]
    answered = loads.rows(QUESTIONS["Which posts are rising fastest?"])[: len(scores) // share]
    assert (number, middle) == (len(answered), median(score for _, _, _, score, _, _ in answered))
    assert [gained for *_, gained, _ in answered] == sorted(scores, reverse=True)[: len(answered)]
