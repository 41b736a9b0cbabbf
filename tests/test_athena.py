"""Athena reads the catalog: the questions of docs/ask-your-data.md get the same answers there as from the warehouse.

Three hours' runs of the main job filled a lake and a warehouse; the lake's curated objects are copied to an S3 and
published as they are. What answers is tests/standins/athena.py, which says what it shows and what it doesn't.
"""

import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import pytest

from reddit_etl.catalog.glue import Catalog
from reddit_etl.entities import ENTITIES
from reddit_etl.entities.schema import BIGINT, INTEGER, Column, Entity, varchar
from reddit_etl.lake.layout import RECEIPT, curated_prefix
from reddit_etl.lake.receipts import DataObject, Transformed
from reddit_etl.lake.s3 import S3Lake
from reddit_etl.warehouse.duckdb import DuckDBWarehouse
from tests import NO_LOOKS, PROJECT, commands
from tests.standins.athena import AthenaError, ask
from tests.standins.payloads import THINGS, parquet
from tests.standins.s3 import ENVIRONMENT
from tests.test_ask_your_data import PAGE, QUESTIONS

HOUR = datetime(2026, 11, 23, 4)  # noqa: DTZ001
BOTH = ["python", "aws"]
# Two selections of one hour overlap, and an hour is left out.
RUNS = [("04", BOTH), ("05", BOTH), ("05", ["python"]), ("07", BOTH)]

NAMES = dict(re.findall(r"^\| `(reddit\.\w+)` \| `(\w+)` \|$", PAGE, re.MULTILINE))
ASKED = {question: sql for question, sql in QUESTIONS.items() if "reddit.load_audit" not in sql}


def in_athena(sql: str) -> str:
    """The query as the page says to ask it."""
    return re.sub(r"reddit\.\w+", lambda found: NAMES[found[0]], sql)


@contextmanager
def aws_at(url: str) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (ENVIRONMENT | {"AWS_ENDPOINT_URL": url}).items():
            patch.setenv(name, value)
        patch.setattr(boto3, "DEFAULT_SESSION", None)
        yield


@pytest.fixture
def _aws(s3_url: str) -> Iterator[None]:
    with aws_at(s3_url):
        yield


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an embedded pipeline that ran its hours."""
    folder = tmp_path_factory.mktemp("ran")
    ours = ("REDDIT_", "LAKE_", "WAREHOUSE_", "TRANSFORM_", "LUIGI_", "AWS_", "GLUE_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)} | NO_LOOKS
    shutil.copy(PROJECT / "luigi.cfg", folder)
    for hour, subreddits in RUNS:
        chosen = ["--hour", f"2026-11-23T{hour}", "--subreddits", json.dumps(subreddits), "--limit", "200"]
        command = ("-m", "luigi", "--module", "jobs", "RedditPipeline", *chosen)
        assert commands.run(*command, cwd=folder, env=environment).returncode == 0
    return folder / "data"


@pytest.fixture(scope="module")
def warehouse(ran: Path) -> DuckDBWarehouse:
    return DuckDBWarehouse(ran / "warehouse.duckdb")


def publish_all(ran: Path) -> list[Transformed]:
    """Put the transformations' objects into S3 and into the catalog's database reddit_lake; gives their receipts."""
    boto3.client("s3").create_bucket(Bucket="reddit")
    lake = S3Lake(bucket="reddit", prefix="lake")
    catalog = Catalog()
    for entity in ENTITIES.values():
        catalog.prepare(entity=entity, lake=lake)
    receipts = []
    for path in sorted((ran / "lake").glob("receipts/**/transform-*.json")):
        found = RECEIPT.fullmatch(str(path.relative_to(ran / "lake")))
        assert found
        receipt = Transformed.from_json(path.read_bytes(), key=found.string)
        for entry in receipt.objects:
            assert lake.add_file(ran / "lake" / entry.key, entry.key, entry.rows) == entry
        hour = datetime.fromisoformat(receipt.hour)
        entity = ENTITIES[receipt.entity]
        catalog.publish(entity=entity, lake=lake, hour=hour, selection=found["name"], objects=receipt.objects)
        receipts.append(receipt)
    return receipts


@pytest.fixture(scope="module")
def receipts(ran: Path, s3_url: str) -> list[Transformed]:
    with aws_at(s3_url):
        return publish_all(ran)


@pytest.fixture
def published(receipts: list[Transformed], _aws: None) -> list[Transformed]:
    """The receipts of what is in the catalog that the test asks."""
    return receipts


def as_athena_has_it(value: Any) -> Any:
    """Times to the millisecond; an average, which hangs on the order of the rows, may be rounded the other way."""
    if isinstance(value, float):
        return pytest.approx(value, abs=0.011)
    return value.replace(microsecond=value.microsecond // 1000 * 1000) if isinstance(value, datetime) else value


def in_athena_s_precision(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return [tuple(map(as_athena_has_it, row)) for row in rows]


def test_the_page_names_what_is_in_athena() -> None:
    assert NAMES == {
        "reddit.posts": "posts_latest",
        "reddit.post_metrics": "post_metrics",
        "reddit.comments": "comments_latest",
        "reddit.comment_metrics": "comment_metrics",
    }
    assert len(ASKED) == len(QUESTIONS) - 1
    assert "choose the database `reddit_lake`" in PAGE


@pytest.mark.usefixtures("published")
@pytest.mark.parametrize("sql", ASKED.values(), ids=ASKED)
def test_a_question_has_the_same_answer_as_from_the_warehouse(warehouse: DuckDBWarehouse, sql: str) -> None:
    columns, rows = warehouse.query(sql, limit=100_000)
    assert rows
    assert ask(in_athena(sql), database="reddit_lake") == (columns, in_athena_s_precision(rows))


@pytest.mark.usefixtures("published")
@pytest.mark.parametrize(
    ("table", "order"),
    [
        ("reddit.posts", "post_id"),
        ("reddit.post_metrics", "post_id, observed_at"),
        ("reddit.comments", "comment_id"),
        ("reddit.comment_metrics", "comment_id, observed_at"),
    ],
)
def test_a_view_is_the_warehouses_table(warehouse: DuckDBWarehouse, table: str, order: str) -> None:
    sql = f"SELECT * FROM {table} ORDER BY {order}"
    columns, rows = warehouse.query(sql, limit=100_000)
    assert len(rows) > 400
    assert ask(in_athena(sql), database="reddit_lake") == (columns, in_athena_s_precision(rows))


@pytest.mark.parametrize("entity", ENTITIES)
def test_every_observation_is_in_its_partition(published: list[Transformed], entity: str) -> None:
    sql = "SELECT dt, hr, COUNT(*) FROM {} WHERE dt >= '2026-11-23' GROUP BY dt, hr, sel ORDER BY dt, hr, COUNT(*)"
    _, rows = ask(sql.format(entity), database="reddit_lake")
    receipts = [receipt for receipt in published if receipt.entity == entity]
    assert rows == sorted((receipt.hour[:10], receipt.hour[11:], receipt.rows) for receipt in receipts)
    assert len(rows) == len(RUNS)


class Shelf:
    """Things in a lake and in a catalog of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        name = f"things-{uuid4().hex}"
        boto3.client("s3").create_bucket(Bucket=name)
        self.lake = S3Lake(bucket=name, prefix="")
        self.catalog = Catalog(name.replace("-", "_"))
        self.catalog.prepare(entity=THINGS, lake=self.lake)

    def put(self, attempt: str, *ids: str, entity: Entity = THINGS, part: int = 0, **values: object) -> DataObject:
        """An object in an attempt's folder."""
        rows = [{"thing_id": name, "observed_at": HOUR, **values} for name in ids]
        path = parquet(self.folder / f"{uuid4().hex}.parquet", rows, entity)
        return self.lake.add_file(
            path, f"{curated_prefix('things', HOUR, 'abc', attempt)}part-{part}.parquet", len(ids)
        )

    def publish(self, *objects: DataObject, entity: Entity = THINGS, hour: datetime = HOUR) -> None:
        self.catalog.publish(entity=entity, lake=self.lake, hour=hour, selection="abc", objects=objects)

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        return ask(sql, database=self.catalog.database)[1]

    def seen(self) -> list[str]:
        return [name for (name,) in self.ask("SELECT thing_id FROM things ORDER BY thing_id")]


@pytest.fixture
def shelf(tmp_path: Path, _aws: None) -> Shelf:
    return Shelf(tmp_path)


def test_a_reader_sees_an_attempt_whole_and_only_once_it_is_published(shelf: Shelf) -> None:
    assert shelf.seen() == []
    parts = [shelf.put("a1", "x", part=0)]
    assert shelf.seen() == []
    parts.append(shelf.put("a1", "y", part=1))
    shelf.publish(*parts)
    assert shelf.seen() == ["x", "y"]
    again = [shelf.put("a10", "y", part=0)]
    assert shelf.seen() == ["x", "y"]
    again.append(shelf.put("a10", "z", part=1))
    shelf.publish(*again)
    assert shelf.seen() == ["y", "z"]


def test_a_column_that_came_is_null_in_what_is_older(shelf: Shelf) -> None:
    shelf.publish(shelf.put("a1", "old", colour="red", score=1))
    grown = replace(THINGS, columns=(Column("weight", BIGINT, "weight", "Its weight."), *THINGS.columns))
    # What was made before the table knew the column is published after.
    late = shelf.put("a2", "late", entity=grown, weight=5)
    shelf.publish(late, entity=grown, hour=HOUR.replace(hour=5))
    assert shelf.seen() == ["late", "old"]
    shelf.catalog.prepare(entity=grown, lake=shelf.lake)
    sql = "SELECT thing_id, colour, score, weight FROM {} ORDER BY thing_id"
    for table in ("things", "things_latest"):
        assert shelf.ask(sql.format(table)) == [("late", None, None, 5), ("old", "red", 1, None)]


def test_a_column_that_went_can_still_be_read_where_it_is(shelf: Shelf) -> None:
    shelf.publish(shelf.put("a1", "old", colour="red"))
    shrunk = replace(THINGS, columns=tuple(c for c in THINGS.columns if c.name != "colour"))
    shelf.catalog.prepare(entity=shrunk, lake=shelf.lake)
    shelf.publish(shelf.put("a2", "new", entity=shrunk), entity=shrunk, hour=HOUR.replace(hour=5))
    assert shelf.ask("SELECT thing_id, colour FROM things ORDER BY thing_id") == [("new", None), ("old", "red")]
    assert shelf.ask("SELECT COUNT(*) FROM things_latest") == [(2,)]


@pytest.mark.parametrize("kind", [BIGINT, varchar(8)], ids=["wider", "text"])
def test_the_stand_in_refuses_what_the_catalog_calls_by_another_type(shelf: Shelf, kind: Any) -> None:
    retyped = replace(THINGS, columns=tuple(replace(c, type=kind) if c.name == "score" else c for c in THINGS.columns))
    assert INTEGER in [column.type for column in THINGS.columns]
    shelf.publish(shelf.put("a1", "x", entity=retyped))
    with pytest.raises(AthenaError, match="HIVE_BAD_DATA: score"):
        shelf.seen()


def test_the_stand_in_refuses_a_view_that_gives_other_columns_than_it_lists(shelf: Shelf) -> None:
    glue = boto3.client("glue")
    name = {"DatabaseName": shelf.catalog.database}
    table = glue.get_table(**name, Name="things")["Table"]
    storage = table["StorageDescriptor"]
    storage["Columns"] = [c | {"Type": "bigint"} if c["Name"] == "score" else c for c in storage["Columns"]]
    kept = {key: table[key] for key in ("Name", "TableType", "Parameters", "PartitionKeys", "StorageDescriptor")}
    glue.update_table(**name, TableInput=kept)
    with pytest.raises(AthenaError, match="VIEW_IS_STALE: things_latest"):
        shelf.ask("SELECT * FROM things_latest")
