"""Whatever the order, repetition, split or overlap of the loads, the warehouse ends in the same state.

A post's state is a function of time; a history is which posts were seen at which times, by which loads. What the
warehouse must hold in the end follows from what was seen, and from nothing else.
"""

from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from datetime import datetime
from itertools import count
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zlib import crc32

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reddit_etl.entities import POSTS
from reddit_etl.warehouse.base import LoadCounts
from reddit_etl.warehouse.duckdb import DuckDBWarehouse
from tests.standins.payloads import MINUTE, NOON, listed, parquet

# What one file of a load holds: some posts, each with a moment at which it was seen.
Sightings = list[tuple[str, int]]
History = list[list[Sightings]]

COLUMNS = [column.name for column in POSTS.table]


def state(post_id: str, moment: int) -> dict[str, Any]:
    """What Reddit shows of a post at a moment. Scores fall as well as rise, authors vanish and come back."""
    dice = crc32(f"{post_id} {moment}".encode())
    return {column.name: None for column in POSTS.curated} | {
        "post_id": post_id,
        "subreddit": "python",
        "author": None if dice % 3 == 0 else "someone",
        "title": f"Title of {post_id}",
        "selftext": f"edited {dice % 5} times 🎉",
        "created_at": NOON - crc32(post_id.encode()) % 1000 * MINUTE,
        "score": dice % 200 - 100,
        "upvote_ratio": dice % 101 / 100,
        "num_comments": dice % 50,
        "is_locked": dice % 2 == 0,
        "text_truncated": False,
        "observed_at": NOON + moment * MINUTE,
        "source": "sandbox",
    }


def expected(history: History) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """The rows of posts and of post_metrics that follow from what was seen."""
    seen: dict[str, set[int]] = {}
    for load in history:
        for sightings in load:
            for post_id, moment in sightings:
                seen.setdefault(post_id, set()).add(moment)
    posts = []
    for post_id, moments in sorted(seen.items()):
        row = state(post_id, max(moments)) | {"first_observed_at": NOON + min(moments) * MINUTE}
        posts.append(tuple(row[name] for name in COLUMNS))
    metrics = [
        tuple(state(post_id, moment)[column.name] for column in POSTS.metrics)
        for post_id, moments in sorted(seen.items())
        for moment in sorted(moments)
    ]
    return posts, metrics


class Files:
    """The files of a history, each written once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._number = count()

    def of(self, load: list[Sightings]) -> list[Path]:
        return [
            parquet(self._folder / f"{next(self._number)}.parquet", [state(*seen) for seen in sightings])
            for sightings in load
        ]


def load(warehouse: Path, load_id: str, files: list[Path], rows: int) -> LoadCounts:
    return DuckDBWarehouse(warehouse).load(listed(load_id, files, rows))


def rows_of(load: list[Sightings]) -> int:
    return sum(map(len, load))


def check(warehouse: Path, history: History) -> None:
    def rows(sql: str) -> list[tuple[object, ...]]:
        return DuckDBWarehouse(warehouse).query(sql, limit=10_000)[1]

    posts, metrics = expected(history)
    assert rows(f"SELECT {', '.join(COLUMNS)} FROM reddit.posts ORDER BY post_id") == posts
    names = ", ".join(column.name for column in POSTS.metrics)
    assert rows(f"SELECT {names} FROM reddit.post_metrics ORDER BY post_id, observed_at") == metrics
    # What the loads say they did is what there is.
    assert rows(
        "SELECT sum(rows_inserted), bool_and(rows_staged = rows_inserted + rows_updated + rows_stale), "
        "count(*) - count(DISTINCT load_id) FROM reddit.load_audit"
    ) == [(len(posts), True, 0)]


sightings = st.sets(st.tuples(st.sampled_from("abcde"), st.integers(0, 6)), min_size=1, max_size=6).map(sorted)
histories = st.lists(st.lists(sightings, min_size=1, max_size=2), min_size=1, max_size=4)


@st.composite
def runs(draw: st.DrawFn) -> tuple[History, list[tuple[int, int]]]:
    """A history, and the order in which its loads are done: each at least once, some again.

    A load that is done again has its own name if its receipt was lost, and another one if all of it is done anew.
    """
    history = draw(histories)
    again = draw(st.lists(st.tuples(st.integers(0, len(history) - 1), st.integers(0, 1)), max_size=3))
    return history, draw(st.permutations([*((number, 0) for number in range(len(history))), *again]))


def converges(history: History, order: Iterable[tuple[int, int]]) -> None:
    with TemporaryDirectory() as folder:
        warehouse, files = Path(folder) / "warehouse.duckdb", Files(Path(folder))
        written = [files.of(load) for load in history]
        for number, attempt in order:
            load(warehouse, f"{number}/{attempt}", written[number], rows_of(history[number]))
        check(warehouse, history)


@settings(max_examples=10, deadline=None)
@given(runs())
def test_any_history_loaded_in_any_order_with_repeats_ends_in_the_same_tables(run):
    converges(*run)


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(runs())
def test_many_histories_loaded_in_any_order_with_repeats_end_in_the_same_tables(run):
    converges(*run)


@settings(max_examples=4, deadline=None)
@given(st.sets(st.tuples(st.sampled_from("abc"), st.integers(0, 4)), min_size=1, max_size=8), st.data())
def test_the_same_sightings_split_over_loads_in_any_way_end_in_the_same_tables(seen, data):
    for _ in range(2):
        left, history = data.draw(st.permutations(sorted(seen))), []
        while left:
            size = data.draw(st.integers(1, len(left)))
            history.append([left[:size]])
            del left[:size]
        converges(history, [(number, 0) for number in range(len(history))])


@pytest.fixture(scope="module")
def pool():
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        yield pool


def converges_side_by_side(pool: ProcessPoolExecutor, history: History, order: Iterable[tuple[int, int]]) -> None:
    with TemporaryDirectory() as folder:
        warehouse, files = Path(folder) / "warehouse.duckdb", Files(Path(folder))
        written = [files.of(load) for load in history]
        loads = [
            pool.submit(load, warehouse, f"{number}/{attempt}", written[number], rows_of(history[number]))
            for number, attempt in order
        ]
        for done in loads:
            done.result()
        check(warehouse, history)


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(run=runs())
def test_two_processes_at_a_time_end_in_the_same_tables(pool, run):
    converges_side_by_side(pool, *run)


def test_a_state_has_a_value_for_every_curated_column():
    """Else the oracle would overlook a column."""
    assert set(state("a", 1)) == {column.name for column in POSTS.curated}
    assert isinstance(state("a", 1)["observed_at"], datetime)
