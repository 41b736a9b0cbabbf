"""A load reads no more of an old warehouse than of a young one: counted in the plans that the engines carry out."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest

from benchmarks.age import CURATED, SEEN, fill, write_hours
from benchmarks.posts import NEW
from reddit_etl import duck
from reddit_etl.entities import POSTS
from reddit_etl.warehouse import duckdb as warehouse_duckdb
from reddit_etl.warehouse import named, tables, upsert
from reddit_etl.warehouse.base import Execute, Load, LoadCounts, carry_out
from reddit_etl.warehouse.duckdb import DuckDBWarehouse
from tests.standins.loads import LOADED_AT
from tests.standins.payloads import listed

HOURS = 100
EXPECTED = LoadCounts(staged=SEEN * NEW, inserted=NEW, updated=(SEEN - 1) * NEW, stale=0)
# Rows of a row group, the fewest that DuckDB takes; an hour of one subreddit has 999.
GROUP = 2048
PAGES = 8  # That share an entry of a BRIN index.
# Those of a load that read or change a stored table.
STATEMENTS = ("observe", "arrive", "remove", "insert", "backdate")


@pytest.fixture
def old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A warehouse of 100 hours, in the order of time."""
    monkeypatch.setattr(duck, "ROW_GROUP", GROUP)
    fill(tmp_path / "old.duckdb", 1, HOURS)
    return tmp_path / "old.duckdb"


@pytest.fixture
def hour(tmp_path: Path) -> Path:
    """The next hour's rows."""
    return write_hours(tmp_path, 1, range(HOURS, HOURS + 1))[0]


def explaining(execute: Execute, option: str, plans: list[Any]) -> Execute:
    """Runs what is not a query as well as explaining it; adds the plans."""

    def explained(sql: str, values: Sequence[object]) -> Any:
        if sql.startswith(("SELECT", "DROP", "INSERT INTO reddit.load_audit")):
            return execute(sql, values)
        [(*_, plan)] = execute(f"EXPLAIN ({option}) {sql}", values).fetchall()
        plans.append(json.loads(plan) if isinstance(plan, str) else plan)
        return None

    return explained


def nodes(plan: Any) -> Iterator[dict[str, Any]]:
    """All objects of a plan, whatever its engine calls what is below them."""
    if isinstance(plan, dict):
        yield plan
    for part in plan.values() if isinstance(plan, dict) else plan:
        if isinstance(part, dict | list):
            yield from nodes(part)


def test_a_load_scans_the_last_row_groups_of_a_duckdb_file(old, hour, monkeypatch):
    plans: list[Any] = []

    def explained(load: Load, execute: Execute, **rest: Any) -> LoadCounts:
        return carry_out(load, explaining(execute, "ANALYZE, FORMAT json", plans), **rest)

    monkeypatch.setattr(warehouse_duckdb, "carry_out", explained)
    assert DuckDBWarehouse(old).load(listed("next", [hour], EXPECTED.staged)) == EXPECTED
    scans = {
        statement: [
            (node["row_groups_scanned"], node["total_row_groups_to_scan"])
            for node in nodes(plan)
            if ".reddit." in node.get("extra_info", {}).get("Table", "")
        ]
        for statement, plan in zip(STATEMENTS, plans, strict=True)
    }
    groups = 1 + HOURS * NEW // GROUP
    # That no stored observation is of this hour is known from the table's least and greatest time alone.
    assert scans == {"observe": [], "arrive": [(2, groups)], "remove": [(2, groups)], "insert": [], "backdate": []}


def test_a_load_scans_the_last_row_groups_of_the_tombstones(old, hour):
    """As many as there are posts, and none of them names what arrives."""
    with duck.connect(old, scratch=old.with_suffix(".tmp")) as connection:
        connection.execute(
            "INSERT INTO reddit.tombstones "
            "SELECT 'posts', post_id || 'x', 'deleted', observed_at, 'object' FROM reddit.posts ORDER BY post_id"
        )
        connection.execute(f"CREATE TEMPORARY VIEW staged AS FROM '{hour}'")
        [(_, _, *ids)] = connection.execute(upsert.bounds(POSTS)).fetchall()
        assert connection.execute(named.find(POSTS), ids).fetchall() == [(0,)]
        [(_, plan)] = connection.execute(f"EXPLAIN (ANALYZE, FORMAT json) {named.find(POSTS)}", ids).fetchall()
    scans = [
        (node["row_groups_scanned"], node["total_row_groups_to_scan"])
        for node in nodes(json.loads(plan))
        if "tombstones" in node.get("extra_info", {}).get("Table", "")
    ]
    # No post that arrives is a crosspost.
    assert scans == [(2, 1 + HOURS * NEW // GROUP)]


def test_a_load_s_bounds_let_postgresql_read_the_last_pages(old, hour, redshift_server):
    """BRIN indexes keep the least and the greatest value of some pages, as Redshift does of each block."""
    redshift_server.reset()
    plans: list[Any] = []
    with redshift_server.session() as connection, connection.cursor() as cursor:
        fill_postgres(cursor, redshift_server.folder, old, hour)

        def execute(sql: str, values: Sequence[object]) -> Any:
            cursor.execute(sql.replace("?", "%s"), values)
            return cursor

        carry_out(
            listed("next", [hour], EXPECTED.staged),
            explaining(execute, "ANALYZE, FORMAT json", plans),
            staged=[None],
            found=[],
            clock=lambda: LOADED_AT,
        )
        cursor.execute("SELECT relname, relpages FROM pg_class WHERE relname IN ('posts', 'post_metrics')")
        pages = dict(cursor.fetchall())
    read = {
        statement: [
            (node["Relation Name"], node["Exact Heap Blocks"] + node["Lossy Heap Blocks"])
            for node in nodes(plan)
            if "Heap Blocks" in " ".join(node)
        ]
        for statement, plan in zip(STATEMENTS, plans, strict=True)
    }
    # Two of the stored hours are matched. An index entry is of some pages, and the first and the last may hold others.
    most = 1 + pages["posts"] * (SEEN - 1) // HOURS + 2 * PAGES
    assert most < pages["posts"] / 10
    assert {statement: [table for table, _ in scans] for statement, scans in read.items()} == {
        "observe": ["post_metrics"],
        "arrive": ["posts"],
        "remove": ["posts"],
        "insert": [],
        # Its bounds are NULL, since nothing arrived late.
        "backdate": [],
    }
    assert read["observe"] == [("post_metrics", 0)]
    assert max(read["arrive"][0][1], read["remove"][0][1]) <= most


def fill_postgres(cursor: Any, folder: Path, old: Path, hour: Path) -> None:
    """Copy an old warehouse, and the next hour's rows into `staged`; with BRIN indexes."""
    cursor.execute(f"CREATE SCHEMA {tables.SCHEMA}")
    for statement in tables.definitions(POSTS, [], storage=False):
        cursor.execute(statement)
    cursor.execute(f"CREATE TEMPORARY TABLE staged AS SELECT {CURATED} FROM reddit.posts")
    with duckdb.connect(str(old), read_only=True) as connection:
        for table, query in {
            "reddit.posts": "FROM reddit.posts",
            "reddit.post_metrics": "FROM reddit.post_metrics",
            "staged": f"FROM '{hour}'",
        }.items():
            # The folder of the server, who may look into no folder of pytest's.
            file = folder / f"{table}.csv"
            connection.execute(f"COPY ({query}) TO '{file}' (FORMAT csv, HEADER false)")
            cursor.execute(f"COPY {table} FROM '{file}' (FORMAT csv)")
            file.unlink()
    for table, columns in {"posts": "post_id, observed_at", "post_metrics": "observed_at"}.items():
        cursor.execute(f"CREATE INDEX ON reddit.{table} USING brin ({columns}) WITH (pages_per_range = {PAGES})")
        cursor.execute(f"ANALYZE reddit.{table}")
    cursor.execute("SET enable_seqscan = off")
