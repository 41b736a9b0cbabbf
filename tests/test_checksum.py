"""The checksum of rows is the same on DuckDB, on Redshift and on Spark, and changes with any change of a row."""

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Any

import duckdb
import pytest

from reddit_etl.clock import iso
from reddit_etl.entities import COMMENTS, ENTITIES, POSTS
from reddit_etl.entities.record import Record, to_record
from reddit_etl.entities.schema import BOOLEAN, DOUBLE, TIMESTAMP, Column, Entity
from reddit_etl.lake.jsonl import JsonLines
from reddit_etl.transform.duckdb import DuckDBTransform
from reddit_etl.warehouse import checksum
from reddit_etl.warehouse.base import Load
from reddit_etl.warehouse.checksum import DUCKDB, REDSHIFT, SPARK, Dialect, Total
from tests.standins.loads import DuckDBLoads, Loads
from tests.standins.payloads import NOON, post
from tests.standins.spark import spark_environment
from tests.test_real_input import _dumps, _listings, _odd

MICROSECOND = timedelta(microseconds=1)
TEXTS = ["", "~", "|", "a|b", "a'b\"c`d\\e", "line\nline\r\n\tend ", "😀 é 日本語 \u2028", "x" * 65535, None, "NULL"]
DOUBLES = [0.1 + 0.2, 0.3, 0.00005, 0.00015, 0.99995, -0.5, -0.00005, 0.0, -0.0, 1.0, 123456.789, 1e13, 1e300, None]
INTEGERS = [0, -1, 1, 2**31 - 1, -(2**31), None]
# Runs on a Spark that has nothing of the project.
ASK_SPARK = """\
import json, sys
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
spark.conf.set("spark.sql.session.timeZone", "America/New_York")
answers = []
for path, sql in json.load(open(sys.argv[1])):
    spark.read.parquet(path).createOrReplaceTempView("rows")
    answers.append([int(value) for value in spark.sql(sql).collect()[0]])
json.dump(answers, open(sys.argv[2], "w"))
"""


def generated() -> list[dict[str, Any]]:
    """A row for each place in the lists of values above; columns go through them at different speeds."""
    rows = []
    for number in range(60):
        row: dict[str, Any] = {}
        for place, column in enumerate(POSTS.curated):
            row[column.name] = _value(column, number + place, number)
        rows.append(row | {"post_id": f"id{number}", "observed_at": NOON + number * MICROSECOND})
    return rows


def _value(column: Column, turn: int, number: int) -> object:
    if column.type == TIMESTAMP:
        return None if turn % 5 == 0 else datetime(2008, 1, 1) + timedelta(days=turn, microseconds=turn * 1001)  # noqa: DTZ001
    values: list[Any] = {BOOLEAN.sql: [True, False, None], DOUBLE.sql: DOUBLES}.get(column.type.sql, INTEGERS)
    if column.type.max_bytes:
        return ((TEXTS[turn % len(TEXTS)] or "") + str(number))[: column.type.max_bytes // 8] if turn % 4 else None
    return values[turn % len(values)]


def total(loads: Loads, entity: Entity, dialect: Dialect, *, metrics: bool = False) -> Total:
    table, columns = (entity.metrics_table, entity.metrics) if metrics else (entity.name, entity.curated)
    text = checksum.checksum(columns, f"reddit.{table} AS one", dialect, table="one")
    [row] = loads.rows(text)
    return Total.of(row)


def by_spark(folder: Path, asked: list[tuple[Path, str]]) -> list[Total]:
    """The answers of one query for each file of Parquet."""
    (folder / "spark").mkdir()
    script, given, answer = (folder / "spark" / name for name in ("ask.py", "asked.json", "answers.json"))
    script.write_text(ASK_SPARK)
    given.write_text(json.dumps([(str(path), sql) for path, sql in asked]))
    with (folder / "spark" / "log").open("wb") as log:
        command = [sys.executable, str(script), str(given), str(answer)]
        subprocess.run(command, check=True, env=spark_environment(folder / "spark"), stdout=log, stderr=log)
    return [Total(*row) for row in json.loads(answer.read_text())]


def exported(loads: DuckDBLoads, entity: Entity) -> Path:
    """The newest states, as a file of Parquet."""
    path = loads.folder / f"{entity.name}.parquet"
    loads.change(f"COPY reddit.{entity.name} TO '{path}' (FORMAT parquet)")
    return path


@pytest.fixture
def duckdb_loads(tmp_path: Path) -> DuckDBLoads:
    (tmp_path / "duckdb").mkdir()
    return DuckDBLoads(tmp_path / "duckdb")


def test_duckdb_and_redshift_agree_on_every_kind_of_value(duckdb_loads: DuckDBLoads, redshift_loads: Loads) -> None:
    totals = []
    for loads, dialect in ((duckdb_loads, DUCKDB), (redshift_loads, REDSHIFT)):
        loads.load(*generated())
        totals.append((total(loads, POSTS, dialect), total(loads, POSTS, dialect, metrics=True)))
    assert totals[0] == totals[1]
    assert totals[0][0].rows == 60
    assert 0 < totals[0][0].first != totals[0][0].second > 0


CHANGES = [
    "UPDATE reddit.posts SET title = title || 'x' WHERE post_id = 'a'",
    "UPDATE reddit.posts SET title = NULL WHERE post_id = 'a'",
    "UPDATE reddit.posts SET score = -score WHERE post_id = 'a'",
    "UPDATE reddit.posts SET upvote_ratio = upvote_ratio + 0.0001 WHERE post_id = 'a'",
    "UPDATE reddit.posts SET is_self = NOT is_self WHERE post_id = 'a'",
    "UPDATE reddit.posts SET is_self = NULL WHERE post_id = 'a'",
    "UPDATE reddit.posts SET created_at = created_at + INTERVAL '1 microsecond' WHERE post_id = 'a'",
    "UPDATE reddit.posts SET is_stickied = FALSE WHERE post_id = 'a'",
    # Of two rows, or of two columns, the values are swapped.
    "UPDATE reddit.posts SET score = 10 - score",
    "UPDATE reddit.posts SET title = selftext, selftext = title WHERE post_id = 'a'",
    "DELETE FROM reddit.posts WHERE post_id = 'a'",
    "INSERT INTO reddit.posts SELECT * FROM reddit.posts WHERE post_id = 'a'",
]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("engine", ["duckdb", "redshift"])
def test_any_change_of_a_row_changes_the_checksum(engine: str, change: str, request: pytest.FixtureRequest) -> None:
    loads: Loads = request.getfixturevalue(f"{engine}_loads")
    dialect = DUCKDB if engine == "duckdb" else REDSHIFT
    loads.load(*(post(name, score=score, selftext=name, is_self=True) for name, score in (("a", 3), ("b", 7))))
    before = total(loads, POSTS, dialect)
    loads.change(change)
    assert total(loads, POSTS, dialect) != before


def test_twice_the_same_two_rows_do_not_cancel_out(duckdb_loads: DuckDBLoads) -> None:
    duckdb_loads.load(post("a"), post("b"))
    first = total(duckdb_loads, POSTS, DUCKDB)
    duckdb_loads.change("INSERT INTO reddit.posts FROM reddit.posts")
    assert total(duckdb_loads, POSTS, DUCKDB) == first.plus(first)


@pytest.mark.slow
def test_spark_agrees_on_every_kind_of_value(duckdb_loads: DuckDBLoads, tmp_path: Path) -> None:
    pytest.importorskip("pyspark")
    duckdb_loads.load(*generated())
    path = exported(duckdb_loads, POSTS)
    asked = [(path, checksum.checksum(POSTS.curated, "rows AS one", SPARK, table="one"))]
    assert by_spark(tmp_path, asked) == [total(duckdb_loads, POSTS, DUCKDB)]


# Recorded data


def _comments(found: object) -> Iterator[object]:
    """Each comment, at any depth, as a listing child."""
    parts = found if isinstance(found, list) else list(found.values()) if isinstance(found, dict) else []
    if isinstance(found, dict) and found.get("kind") == "t1":
        yield found
    for part in parts:
        yield from _comments(part)


def recorded(entity: Entity, real: Path) -> Iterator[object]:
    if entity is POSTS:
        return chain(_odd(real), _listings(real), _dumps(real))
    files = [*sorted((real / "listings").glob("*.json")), *sorted((real / "snapshots").glob("*/*.json"))]
    return chain(*(_comments(json.loads(path.read_text())) for path in files))


@pytest.mark.slow
def test_all_engines_agree_on_all_recorded_data(
    real: Path, duckdb_loads: DuckDBLoads, redshift_loads: Loads, tmp_path: Path
) -> None:
    asked, wanted = [], []
    for entity in ENTITIES.values():
        curated = {}
        for loads in (duckdb_loads, redshift_loads):
            with JsonLines(loads.lake, f"raw/{entity.name}.jsonl.gz") as lines:
                for number, child in enumerate(recorded(entity, real)):
                    observed = {"observed_at": iso(NOON + number * MICROSECOND), "source": "reddit"}
                    found = to_record(entity, child, observed | {"listing": "any", "place": number})
                    if isinstance(found, Record):
                        lines.write(found.values)
            engine = DuckDBTransform()
            done = engine(entity=entity, lake=loads.lake, inputs=lines.entries(), prefix=f"curated/{entity.name}/")
            loads.warehouse.load(Load(entity, entity.name, "2026-11-23T12", loads.lake, done.objects, {}))
            curated[loads] = done
        assert curated[duckdb_loads].observations > (1000 if entity is COMMENTS else 11_000)
        states = total(duckdb_loads, entity, DUCKDB)
        observations = total(duckdb_loads, entity, DUCKDB, metrics=True)
        assert total(redshift_loads, entity, REDSHIFT) == states
        assert total(redshift_loads, entity, REDSHIFT, metrics=True) == observations
        files = [duckdb_loads.folder / "lake" / entry.key for entry in curated[duckdb_loads].objects]
        assert observations == _of_files(entity, files)
        if len(files) == 1:
            asked.append((files[0], checksum.checksum(entity.metrics, "rows AS one", SPARK, table="one")))
            wanted.append(observations)
        asked.append(
            (exported(duckdb_loads, entity), checksum.checksum(entity.curated, "rows AS one", SPARK, table="one"))
        )
        wanted.append(states)
    pytest.importorskip("pyspark")
    assert by_spark(tmp_path, asked) == wanted


def _of_files(entity: Entity, files: list[Path]) -> Total:
    with duckdb.connect() as connection:
        connection.read_parquet([str(path) for path in files]).create_view("rows")  # type: ignore[arg-type]
        [row] = connection.execute(checksum.checksum(entity.metrics, "rows AS one", DUCKDB, table="one")).fetchall()
    return Total.of(row)
