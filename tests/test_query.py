"""Rows on their way out of the warehouse: to the terminal, and to files that another program reads back."""

import contextlib
import gc
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import polars
import pyarrow.parquet
import pytest

from benchmarks.memory import WHOLE_JOB, measured
from jobs import __main__, output, resources
from jobs.query import DAYS, ROWS, export_sql
from jobs.table import WIDEST, table, width
from reddit_etl.entities import COMMENTS, ENTITIES
from reddit_etl.errors import EtlError
from reddit_etl.warehouse.base import Warehouse
from tests import PROJECT
from tests.standins.loads import DuckDBLoads, Loads
from tests.standins.payloads import MINUTE, NOON, post

FORMATS = ("csv", "json", "parquet")
DAY = datetime(2026, 11, 22)  # noqa: DTZ001
MOMENT = timedelta(microseconds=1)
MISCONFIGURED = 78
# What one format or the other could take for something else.
TEXTS = (
    None,
    "",
    " ",
    "NULL",
    "null",
    "\\N",
    '"',
    '""',
    "a,b",
    "line\nline",
    "\r\n",
    "\r",
    "\t",
    "'",
    "true",
    "1",
    "1.0",
)
TEXTS += ("2026-11-22", "=1+1", "😀 日本語 é \u2028", "{}", "[1, 2]", "a" * 60000, "\x1b[31mred")
ROWS_OF_POSTS = [
    post(f"p{n}", title=text and text[:4000], selftext=text, created_at=DAY + n * MINUTE, observed_at=NOON + n * MOMENT)
    for n, text in enumerate(TEXTS)
]
ROWS_OF_POSTS += [
    post("least", score=-(2**31), upvote_ratio=0.1 + 0.2, is_self=True, is_nsfw=False, edited_at=DAY + MOMENT),
    post("most", score=2**31 - 1, upvote_ratio=5e-324, is_self=False, is_nsfw=None, edited_at=None),
]
Main = Callable[..., int]


@pytest.fixture
def main(monkeypatch: pytest.MonkeyPatch) -> Main:
    """The command `python -m jobs` in this process, on a warehouse of the test's."""

    def run(warehouse: Warehouse, *words: str) -> int:
        monkeypatch.setattr(resources, "warehouse", lambda: warehouse)
        monkeypatch.setattr(sys, "argv", ["jobs", *words])
        return __main__.main()

    return run


def read_back(path: Path, types: dict[str, str]) -> list[tuple[Any, ...]]:
    """The rows of a file, read by DuckDB as columns of these types; those of a Parquet file must have them already."""
    with duckdb.connect(config={"threads": 1}) as connection:
        # Its own reading of times with a zone needs a library; none of ours has one.
        if path.suffix == ".parquet":
            rows = connection.read_parquet(str(path))
            assert dict(zip(rows.columns, map(str, rows.types), strict=True)) == types
            return rows.fetchall()
        if path.suffix == ".csv":
            return connection.execute(
                "SELECT * FROM read_csv(?, header = true, auto_detect = false, delim = ',', quote = '\"', "
                f"nullstr = '', allow_quoted_nulls = false, max_line_size = 200_000, columns = {types})",
                [str(path)],
            ).fetchall()
        assert len(json.loads(path.read_text(encoding="utf-8"))) == path.read_text(encoding="utf-8").count("\n{")
        return connection.execute(f"SELECT * FROM read_json(?, columns = {types})", [str(path)]).fetchall()


def types_of(entity_table: str) -> dict[str, str]:
    """DuckDB's names for the declared types."""
    [columns] = [
        columns
        for entity in ENTITIES.values()
        for name, columns in ((entity.name, entity.table), (entity.metrics_table, entity.metrics))
        if name == entity_table
    ]
    plain = {"DOUBLE PRECISION": "DOUBLE"}
    return {one.name: plain.get(one.type.sql, one.type.sql.partition("(")[0]) for one in columns}


@pytest.mark.parametrize("ending", FORMATS)
def test_an_export_read_back_equals_the_table_with_its_types(
    loads: Loads, main: Main, tmp_path: Path, ending: str
) -> None:
    loads.load(*ROWS_OF_POSTS)
    comment = {"comment_id": "c1", "created_at": DAY, "observed_at": NOON, "body": 'say ""', "text_truncated": False}
    loads.load(comment | {"score": None, "source": "sandbox"}, entity=COMMENTS)
    for name in DAYS:
        path = tmp_path / f"{name}.{ending}"
        assert main(loads.warehouse, "export", name, "--output", str(path)) == 0
        found = read_back(path, types_of(name))
        assert len(found) == (1 if name.startswith("comment") else len(ROWS_OF_POSTS))
        assert sorted(map(repr, found)) == sorted(map(repr, loads.rows(f"SELECT * FROM reddit.{name}")))


def test_pyarrow_and_polars_read_the_same_rows_and_types(loads: Loads, main: Main, tmp_path: Path) -> None:
    loads.load(*ROWS_OF_POSTS)
    path = tmp_path / "posts.parquet"
    assert main(loads.warehouse, "export", "posts", "--output", str(path)) == 0
    rows = sorted(map(repr, loads.rows("SELECT * FROM reddit.posts")))
    assert sorted(repr(tuple(row.values())) for row in pyarrow.parquet.read_table(path).to_pylist()) == rows
    assert sorted(map(repr, polars.read_parquet(path).rows())) == rows


def test_a_day_s_export_has_what_was_posted_on_that_day(loads: Loads, main: Main, tmp_path: Path) -> None:
    moments = {"before": DAY - MOMENT, "first": DAY, "last": DAY + timedelta(days=1) - MOMENT, "next": DAY}
    moments["next"] += timedelta(days=1)
    loads.load(*[post(name, created_at=moment) for name, moment in moments.items()])
    path = tmp_path / "day.csv"
    assert main(loads.warehouse, "export", "posts", "--day", "2026-11-22", "--output", str(path)) == 0
    assert [row[0] for row in sorted(read_back(path, types_of("posts")))] == ["first", "last"]
    # Of the observations, those made on that day.
    assert export_sql("post_metrics", DAY.date()).count("observed_at") == 2


@pytest.mark.parametrize("ending", FORMATS)
def test_an_export_without_rows_has_the_columns(loads: Loads, main: Main, tmp_path: Path, ending: str) -> None:
    loads.load(post())
    path = tmp_path / f"none.{ending}"
    assert main(loads.warehouse, "export", "posts", "--day", "2000-01-01", "--output", str(path)) == 0
    if ending == "json":
        assert json.loads(path.read_text()) == []
    else:
        assert read_back(path, types_of("posts")) == []
        assert ending == "parquet" or path.read_text().count("\n") == 1


@pytest.mark.parametrize("ending", FORMATS)
def test_a_query_to_a_file_has_all_rows_in_their_order(loads: Loads, main: Main, tmp_path: Path, ending: str) -> None:
    """More than are fetched, and shown, at once."""
    loads.load(*[post(f"p{n}", score=n) for n in range(40)])
    path = tmp_path / f"all.{ending}"
    sql = "SELECT a.score * 40 + b.score AS n FROM reddit.posts AS a CROSS JOIN reddit.posts AS b ORDER BY 1 DESC"
    assert main(loads.warehouse, "query", sql, "--output", str(path)) == 0
    assert read_back(path, {"n": "INTEGER"}) == [(n,) for n in reversed(range(1600))]
    assert len(range(1600)) > ROWS


def test_numbers_of_a_query_keep_their_types(loads: Loads, main: Main, tmp_path: Path) -> None:
    loads.load(post("a", score=2**31 - 1), post("b", score=2**31 - 1), post("c", score=None))
    path = tmp_path / "types.parquet"
    sql = "SELECT COUNT(*) AS n, CAST(SUM(score) AS BIGINT) AS total, SUM(upvote_ratio) / 3 AS share FROM reddit.posts"
    assert main(loads.warehouse, "query", sql, "--output", str(path)) == 0
    assert read_back(path, {"n": "BIGINT", "total": "BIGINT", "share": "DOUBLE"}) == [(3, 2**32 - 2, 0.75)]


@pytest.mark.parametrize("ending", FORMATS)
def test_two_columns_of_one_name_are_both_there(loads: Loads, main: Main, tmp_path: Path, ending: str) -> None:
    loads.load(post())
    path = tmp_path / f"twice.{ending}"
    assert main(loads.warehouse, "query", "SELECT 1 AS a, 2 AS a, 3 AS b", "--output", str(path)) == 0
    names = ("a", "a" if ending == "csv" else "a_1", "b")
    if ending == "csv":
        assert path.read_text() == "a,a,b\n1,2,3\n"
    else:
        assert read_back(path, dict.fromkeys(names, "INTEGER")) == [(1, 2, 3)]


# ---- Where the SQL comes from


def test_the_sql_is_read_from_a_file_and_from_standard_input(
    main: Main, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    loads = DuckDBLoads(tmp_path)
    loads.load(post())
    file = tmp_path / "a.sql"
    file.write_bytes("-- why\nSELECT 'ä' AS a;\n".encode())
    for words in (["--file", str(file)], ["-"], ["-f", "-"]):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(file.read_bytes())))
        assert main(loads.warehouse, "query", "--format", "csv", *words) == 0
        assert capsys.readouterr().out == "a\nä\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "query: use either the SQL as an argument, or --file FILE; - is standard input"),
        (["SELECT 1", "-f", "a.sql"], "query: use either the SQL as an argument, or --file FILE"),
        (["-f", "nowhere.sql"], "--file: nowhere.sql: No such file or directory"),
        (["SELECT 1", "--format", "parquet"], "--format parquet: use it with --output FILE"),
        (
            ["SELECT 1", "-o", "a.xlsx"],
            "--format is not set, and a.xlsx does not show it: use table, csv, json, parquet",
        ),
        (["SELECT 1", "-o", "nowhere/a.csv"], "nowhere is not a folder that can be written to: make it first"),
        (["SELECT 1", "-o", "/dev/null", "--format", "csv"], "--output: /dev/null is not a file: name a file"),
        (["SELECT 1", "-o", ".", "--format", "csv"], "--output: . is not a file: name a file"),
    ],
)
def test_a_wrong_argument_is_one_line_that_names_it(
    main: Main, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    with contextlib.chdir(tmp_path):
        assert main(DuckDBLoads(tmp_path).warehouse, "query", *words) == MISCONFIGURED
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_an_export_of_another_table_names_the_query_for_it(
    main: Main, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(DuckDBLoads(tmp_path).warehouse, "export", "tombstones", "-o", "tombstones.csv")
    assert 'use query "SELECT * FROM reddit.tombstones" --output tombstones.csv' in capsys.readouterr().err


def test_show_tables_shows_the_tables_and_an_unknown_one_is_answered_with_them(
    main: Main, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loads = DuckDBLoads(tmp_path)
    loads.load(post())
    names = ["forget_audit", "load_audit", "post_metrics", "posts", "tombstones"]
    assert [name for (name,) in loads.rows("SHOW TABLES")] == names
    assert loads.rows("SELECT post_id FROM posts") == loads.rows("SELECT post_id FROM reddit.posts") == [("abc",)]
    assert main(loads.warehouse, "query", "SELECT 1 FROM reddit.post") == 1
    said = (
        f"query: Table with name post does not exist: the tables are {', '.join(f'reddit.{name}' for name in names)}\n"
    )
    assert capsys.readouterr().err == said


@pytest.mark.parametrize("sql", ["", " \n", ";", "-- nothing", "/* none\n */;"])
def test_a_query_without_a_statement_is_refused(loads: Loads, sql: str, tmp_path: Path) -> None:
    loads.load(post())
    for use in (lambda: loads.rows(sql), lambda: loads.warehouse.to_parquet(sql, tmp_path / "a.parquet")):
        with pytest.raises(EtlError, match=r"^query: there is no statement in it$"):
            use()


@pytest.mark.parametrize(
    "sql", ["SELECT 1; SELECT 2", "SELECT 1;\n-- so\nSELECT 2;", "DROP TABLE reddit.posts; SELECT 1"]
)
def test_a_query_of_several_statements_is_refused(loads: Loads, sql: str, tmp_path: Path) -> None:
    loads.load(post())
    for use in (lambda: loads.rows(sql), lambda: loads.warehouse.to_parquet(sql, tmp_path / "a.parquet")):
        with pytest.raises(EtlError, match=r"^query: use one statement, not several"):
            use()
    assert len(loads.rows("SELECT 1 AS a FROM reddit.posts")) == 1


@pytest.mark.parametrize(
    "sql", ["SELECT 1 AS a;", "SELECT 1 AS a -- so", "SELECT 1 AS a\n;\n", "/* why */ SELECT 1 AS a"]
)
def test_one_statement_may_end_in_any_way(loads: Loads, sql: str, tmp_path: Path) -> None:
    loads.load(post())
    assert loads.rows(sql) == [(1,)]
    assert loads.warehouse.to_parquet(sql, tmp_path / "a.parquet") == 1


def test_a_query_to_parquet_can_write_that_file_alone(tmp_path: Path) -> None:
    loads = DuckDBLoads(tmp_path)
    loads.load(post())
    other, file = tmp_path / "other.csv", tmp_path / "a.parquet"
    other.write_text("a\n1\n")
    for sql in (f"COPY (SELECT 1) TO '{other}'", f"SELECT * FROM read_csv('{other}')", f"FROM '{other}'"):
        with pytest.raises(EtlError, match=r"^query: "):
            loads.warehouse.to_parquet(sql, file)
    assert other.read_text() == "a\n1\n"


# ---- Whole files


@pytest.mark.parametrize("ending", FORMATS)
def test_a_query_that_fails_leaves_the_file_as_it_was(
    main: Main, tmp_path: Path, capsys: pytest.CaptureFixture[str], ending: str
) -> None:
    """After thousands of rows."""
    loads = DuckDBLoads(tmp_path)
    loads.load(post())
    path = tmp_path / "out" / f"a.{ending}"
    path.parent.mkdir()
    path.write_text("the last one")
    sql = "SELECT CASE WHEN i = 90000 THEN error('broken') ELSE i END AS n FROM range(100000) AS t(i)"
    assert main(loads.warehouse, "query", sql, "--output", str(path)) == 1
    assert "broken" in capsys.readouterr().err
    assert {file.name: file.read_text() for file in path.parent.iterdir()} == {path.name: "the last one"}


def test_a_file_appears_whole_and_a_stopped_one_leaves_nothing(tmp_path: Path) -> None:
    path, link = tmp_path / "a.csv", tmp_path / "link.csv"
    link.symlink_to(path)
    with output.appearing(str(link)) as new:
        new.write_text("whole")
        assert not path.exists()
    assert (path.read_text(), link.is_symlink()) == ("whole", True)
    with pytest.raises(KeyboardInterrupt), output.appearing(str(path)) as new:
        new.write_text("half")
        raise KeyboardInterrupt
    assert path.read_text() == "whole"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.csv", "link.csv"]


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("chosen", ["csv", "table"])
def test_a_full_disk_is_one_line(tmp_path: Path, chosen: str, unbuffered: str) -> None:
    loads = DuckDBLoads(tmp_path)
    loads.load(post())
    environment = os.environ | {"WAREHOUSE_URL": loads.warehouse.url, "PYTHONUNBUFFERED": unbuffered}
    command = [sys.executable, "-m", "jobs", "query", "--format", chosen, "SELECT * FROM reddit.posts"]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            command, cwd=PROJECT, env=environment, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (done.returncode, done.stderr) == (1, "standard output: No space left on device\n")
    with Path("/dev/full").open("wb", buffering=0) as full:
        stream = output.Output(full, "--output: a.csv")
        with pytest.raises(EtlError, match=r"^--output: a\.csv: No space left on device$"):
            stream.write(b"a")


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("chosen", ["csv", "table"])
def test_a_reader_that_stops_ends_the_command_without_an_error(tmp_path: Path, chosen: str, unbuffered: str) -> None:
    loads = DuckDBLoads(tmp_path)
    loads.load(*[post(f"p{n}", selftext="x" * 5000) for n in range(100)])
    sql = "SELECT a.* FROM reddit.posts AS a CROSS JOIN reddit.posts AS b"
    environment = os.environ | {"WAREHOUSE_URL": loads.warehouse.url, "PYTHONUNBUFFERED": unbuffered}
    command = [sys.executable, "-m", "jobs", "query", "--format", chosen, sql]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=PROJECT, env=environment, **pipes) as process:
        assert process.stdout.read(10)
        process.stdout.close()
        assert process.wait(60) == 0
        assert b"Error" not in process.stderr.read()


def test_unbuffered_standard_output_gets_every_byte_and_stays_open(monkeypatch: pytest.MonkeyPatch) -> None:
    class Pipe(io.RawIOBase):
        got = b""

        def writable(self) -> bool:
            return True

        def write(self, part: Any) -> int:
            """As a system call may do, only a part of it."""
            self.got += bytes(part[:7])
            return len(bytes(part[:7]))

    pipe = Pipe()
    monkeypatch.setattr(sys, "stdout", SimpleNamespace(buffer=pipe, encoding="utf-8"))
    with output.standard() as out:
        out.write(b"0123456789" * 3)
    del out
    gc.collect()
    assert (pipe.got, pipe.closed) == (b"0123456789" * 3, False)


# ---- The table


def test_a_table_has_its_first_rows_and_says_so(main: Main, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    loads = DuckDBLoads(tmp_path)
    loads.load(post())
    for rows in (ROWS, ROWS + 1):
        assert main(loads.warehouse, "query", f"SELECT i FROM range({rows}) AS t(i)") == 0
        shown, said = capsys.readouterr()
        assert shown.count("\n") == ROWS + 2
        assert said == (
            "" if rows == ROWS else f"only the first {ROWS:,} rows are shown; --format csv, json or parquet has all\n"
        )
    path = tmp_path / "a.txt"
    assert main(loads.warehouse, "query", "SELECT 'ä' AS a", "--format", "table", "--output", str(path)) == 0
    assert path.read_text(encoding="utf-8") == "a\n-\nä\n"


def test_columns_of_a_table_are_aligned_whatever_is_in_them() -> None:
    texts = ["plain", "日本語", "👨‍👩‍👧‍👦 family", "👍🏽", "❤️", "e\u0301te", "한국어", None, ""]
    lines = table(["text", "n"], [(text, n) for n, text in enumerate(texts)]).splitlines()
    [place] = {width(line[: line.rindex(" ")]) for line in lines[2:]}
    assert place == width("👨‍👩‍👧‍👦 family") + 1
    assert [width(text) for text in texts if text] == [5, 6, 9, 2, 2, 3, 6]


@pytest.mark.parametrize("letter", ["x", "語", "e\u0301", "👍🏽"])
def test_a_value_that_is_too_wide_is_cut_to_the_width(letter: str) -> None:
    [_, _, shown] = table(["a"], [(letter * 100,)]).splitlines()
    assert WIDEST - 2 < width(shown) <= WIDEST
    assert shown.endswith("…")


def test_a_text_cannot_control_the_terminal() -> None:
    [_, _, shown] = table(["a"], [("\x1b]0;title\x07 \u202eright\u202c \x9b2J",)]).splitlines()
    assert shown == r"\x1b]0;title\x07 \u202eright\u202c \x9b2J"


# ---- Memory


@pytest.mark.slow
@pytest.mark.parametrize("ending", FORMATS)
def test_a_million_rows_stay_within_the_memory_of_a_run(tmp_path: Path, ending: str) -> None:
    loads = DuckDBLoads(tmp_path)
    loads.load(post(selftext="x" * 200))
    sql = "SELECT p.*, i FROM reddit.posts AS p CROSS JOIN range(1000000) AS t(i)"
    environment = os.environ | {"WAREHOUSE_URL": loads.warehouse.url, "PYTHONPATH": str(PROJECT)}
    environment["LUIGI_CONFIG_PATH"] = str(PROJECT / "luigi.cfg")
    command = ("-m", "jobs", "query", sql, "--output", str(tmp_path / f"all.{ending}"))
    usage, written = measured([sys.executable, *command], tmp_path, environment)
    assert written.startswith("1,000,000 rows written to ")
    assert usage.peak < WHOLE_JOB
