"""The catalog's entry, in a Glue that is spoken to over HTTP. That Athena can read it is for test_athena.py."""

import base64
import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from threading import Barrier
from typing import Any
from uuid import uuid4

import boto3
import pytest

from reddit_etl.catalog.glue import Catalog
from reddit_etl.catalog.tables import MARK, latest_sql, latest_view, metrics_sql, metrics_view, table_input
from reddit_etl.entities import ENTITIES, POSTS
from reddit_etl.entities.schema import BIGINT, Column, Entity
from reddit_etl.errors import CatalogError, ConfigurationError
from reddit_etl.lake import open_lake
from reddit_etl.lake.folder import FolderLake
from reddit_etl.lake.layout import curated_prefix
from reddit_etl.lake.receipts import DataObject
from reddit_etl.lake.s3 import S3Lake
from tests import PROJECT
from tests.aws import LOGIN
from tests.conftest import Pipeline
from tests.standins.payloads import THINGS
from tests.standins.s3 import ENVIRONMENT, answering

LAKE = "s3://reddit/lake"
HOUR = datetime(2026, 11, 23, 4)  # noqa: DTZ001
VALUES = ["2026-11-23", "04", "abc"]
PARQUET = "org.apache.hadoop.hive.ql.io.parquet"
FORMAT = {
    "InputFormat": f"{PARQUET}.MapredParquetInputFormat",
    "OutputFormat": f"{PARQUET}.MapredParquetOutputFormat",
    "SerdeInfo": {
        "SerializationLibrary": f"{PARQUET}.serde.ParquetHiveSerDe",
        "Parameters": {"serialization.format": "1"},
    },
}
COLUMNS = [
    {"Name": "thing_id", "Type": "string", "Comment": "Its id."},
    {"Name": "colour", "Type": "string", "Comment": "Its colour; NULL if it hasn't any."},
    {"Name": "is_warm", "Type": "boolean", "Comment": "Whether it is warm."},
    {"Name": "score", "Type": "int", "Comment": "Its score."},
    {"Name": "text_truncated", "Type": "boolean", "Comment": "Whether a text was cut."},
    {"Name": "observed_at", "Type": "timestamp", "Comment": "When it was like this."},
]
FIRST = {"Name": "first_observed_at", "Type": "timestamp", "Comment": "When it was first seen."}
WEIGHT = Column("weight", BIGINT, "weight", "Its weight.")
HEAVY = replace(THINGS, columns=(THINGS.columns[0], WEIGHT, *THINGS.columns[1:]))


@pytest.fixture
def point_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Points boto3 at an endpoint, in a new session."""

    def point(url: str) -> None:
        for name, value in (ENVIRONMENT | {"AWS_ENDPOINT_URL": url}).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)

    return point


@pytest.fixture
def glue(s3_url: str, point_at: Callable[[str], None]) -> Any:
    point_at(s3_url)
    return boto3.client("glue")


@pytest.fixture
def database() -> str:
    return f"lake_{uuid4().hex}"


@pytest.fixture
def lake(glue: Any) -> S3Lake:
    assert glue
    return S3Lake(bucket="reddit", prefix="lake")


@pytest.fixture
def catalog(database: str, lake: S3Lake) -> Catalog:
    made = Catalog(database)
    made.prepare(entity=THINGS, lake=lake)
    return made


def operations() -> list[str]:
    """The operations that clients made from now on ask for."""
    asked: list[str] = []
    boto3.setup_default_session()
    boto3.DEFAULT_SESSION.events.register("before-call.glue", lambda model, **_: asked.append(model.name))
    return asked


def writes(asked: list[str]) -> list[str]:
    return [operation for operation in asked if not operation.startswith("Get")]


def before(operation: str, act: Callable[[], object]) -> None:
    """Something that happens once, right before the first request of that kind by a client made from now on."""
    waiting = [act]

    def once(**_: Any) -> None:
        if waiting:
            waiting.pop()()

    boto3.setup_default_session()
    boto3.DEFAULT_SESSION.events.register(f"before-call.glue.{operation}", once)


def parts(attempt: str = "a1", count: int = 1) -> list[DataObject]:
    folder = curated_prefix("things", HOUR, "abc", attempt)
    return [DataObject(f"{folder}part-{number:05}.parquet", 1, "", 1) for number in range(count)]


def publish(catalog: Catalog, lake: S3Lake, objects: list[DataObject], entity: Entity = THINGS) -> str | None:
    return catalog.publish(entity=entity, lake=lake, hour=HOUR, selection="abc", objects=objects)


def partitions(glue: Any, database: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = glue.get_partitions(DatabaseName=database, TableName="things")["Partitions"]
    return found


def stored(glue: Any, database: str, name: str, wanted: dict[str, Any]) -> dict[str, Any]:
    table = glue.get_table(DatabaseName=database, Name=name)["Table"]
    return {key: table.get(key) for key in wanted}


def folder_of(attempt: str) -> str:
    return f"s3://reddit/lake/curated/things/dt=2026-11-23/hr=04/sel=abc/{attempt}/"


def test_the_whole_table() -> None:
    assert table_input(THINGS, LAKE) == {
        "Name": "things",
        "Description": "Every observation of things; see things_latest for the newest of each.",
        "TableType": "EXTERNAL_TABLE",
        "Parameters": {"EXTERNAL": "TRUE", "classification": "parquet", "reddit_etl.lake": LAKE},
        "PartitionKeys": [
            {"Name": "dt", "Type": "string", "Comment": "The UTC day of the run, like 2026-11-23."},
            {"Name": "hr", "Type": "string", "Comment": "The UTC hour of the run, 00 to 23."},
            {"Name": "sel", "Type": "string", "Comment": "A hash of the extracts that were transformed together."},
        ],
        "StorageDescriptor": {"Columns": COLUMNS, "Location": "s3://reddit/lake/curated/things/", **FORMAT},
    }


@pytest.mark.parametrize(
    ("view", "name", "sql", "columns", "types"),
    [
        (
            latest_view(THINGS, "lake_db", LAKE),
            "things_latest",
            latest_sql(THINGS),
            [*COLUMNS[:5], FIRST, COLUMNS[5]],
            ["varchar", "varchar", "boolean", "integer", "boolean", "timestamp(3)", "timestamp(3)"],
        ),
        (
            metrics_view(THINGS, "lake_db", LAKE),
            "thing_metrics",
            metrics_sql(THINGS),
            [COLUMNS[0], COLUMNS[3], COLUMNS[5]],
            ["varchar", "integer", "timestamp(3)"],
        ),
    ],
    ids=["latest", "metrics"],
)
def test_a_whole_view(
    view: dict[str, Any], name: str, sql: str, columns: list[dict[str, str]], types: list[str]
) -> None:
    text = view.pop("ViewOriginalText")
    assert text.startswith("/* Presto View: ")
    assert text.endswith(" */")
    assert json.loads(base64.b64decode(text[16:-3], validate=True)) == {
        "originalSql": sql,
        "catalog": "awsdatacatalog",
        "schema": "lake_db",
        "columns": [{"name": c["Name"], "type": kind} for c, kind in zip(columns, types, strict=True)],
    }
    assert view.pop("Description")
    assert view == {
        "Name": name,
        "TableType": "VIRTUAL_VIEW",
        "Parameters": {"presto_view": "true", "comment": "Presto View", "reddit_etl.lake": LAKE},
        "PartitionKeys": [],
        "StorageDescriptor": {"Columns": columns, "SerdeInfo": {}},
        "ViewExpandedText": "/* Presto View */",
    }


@pytest.mark.parametrize("entity", ENTITIES.values(), ids=ENTITIES)
def test_every_columns_type_and_comment_fit_the_catalog(entity: Entity) -> None:
    for column in entity.table:
        assert column.name.islower()
    longest = replace(entity, columns=(replace(entity.columns[0], doc="x" * 300),))
    [described] = table_input(longest, LAKE)["StorageDescriptor"]["Columns"]
    assert described["Comment"] == "x" * 255


@pytest.mark.usefixtures("catalog")
def test_what_is_missing_is_created(glue: Any, database: str) -> None:
    assert glue.get_database(Name=database)["Database"]["Description"]
    for wanted in (table_input(THINGS, LAKE), latest_view(THINGS, database, LAKE)):
        assert stored(glue, database, wanted["Name"], wanted) == wanted
    assert len(glue.get_tables(DatabaseName=database)["TableList"]) == 3


@pytest.mark.usefixtures("catalog")
def test_what_is_as_it_should_be_is_not_written_again(database: str, lake: S3Lake) -> None:
    asked = operations()
    again = Catalog(database)
    again.prepare(entity=THINGS, lake=lake)
    assert asked == ["GetDatabase", *["GetTable"] * 6]
    publish(again, lake, parts())
    publish(again, lake, parts())
    assert asked[7:] == ["GetPartition", "CreatePartition", "GetPartition"]


@pytest.mark.usefixtures("catalog")
def test_a_column_that_the_definition_gained_comes_last(glue: Any, database: str, lake: S3Lake) -> None:
    asked = operations()
    again = Catalog(database)
    again.prepare(entity=HEAVY, lake=lake)
    # The observations' view has no such column.
    assert writes(asked) == ["UpdateTable", "UpdateTable"]
    table = glue.get_table(DatabaseName=database, Name="things")["Table"]
    weight = {"Name": "weight", "Type": "bigint", "Comment": "Its weight."}
    assert table["StorageDescriptor"]["Columns"] == [*COLUMNS, weight]
    wanted = latest_view(HEAVY, database, LAKE)
    assert stored(glue, database, "things_latest", wanted) == wanted
    again.prepare(entity=HEAVY, lake=lake)
    assert len(writes(asked)) == 2


def test_a_column_that_the_definition_lost_stays_in_the_table_and_leaves_the_view(
    glue: Any, catalog: Catalog, database: str, lake: S3Lake
) -> None:
    light = replace(THINGS, columns=tuple(column for column in THINGS.columns if column.name != "colour"))
    catalog.prepare(entity=light, lake=lake)
    table = glue.get_table(DatabaseName=database, Name="things")["Table"]
    assert table["StorageDescriptor"]["Columns"] == COLUMNS
    wanted = latest_view(light, database, LAKE)
    assert stored(glue, database, "things_latest", wanted) == wanted


def test_what_others_keep_with_the_table_stays(glue: Any, catalog: Catalog, database: str, lake: S3Lake) -> None:
    wanted = table_input(THINGS, LAKE)
    kept = wanted | {"Parameters": {"recordCount": "7", MARK: LAKE}}
    glue.update_table(DatabaseName=database, TableInput=kept)
    catalog.prepare(entity=THINGS, lake=lake)
    table = glue.get_table(DatabaseName=database, Name="things")["Table"]
    assert table["Parameters"] == wanted["Parameters"] | {"recordCount": "7"}


ICEBERG = {
    "Name": "things",
    "Parameters": {"table_type": "ICEBERG", "metadata_location": "s3://own/things/metadata/0.json"},
    "TableType": "EXTERNAL_TABLE",
    "StorageDescriptor": {"Columns": [{"Name": "a", "Type": "int"}], "Location": "s3://own/things"},
}
CSV = {
    "Name": "thing_metrics",
    "Parameters": {"classification": "csv"},
    "TableType": "EXTERNAL_TABLE",
    "PartitionKeys": [{"Name": "day", "Type": "string"}],
    "StorageDescriptor": {"Columns": [{"Name": "a", "Type": "int"}], "Location": "s3://own/metrics"},
}
# As Athena makes it with CREATE OR REPLACE VIEW.
VIEW = latest_view(THINGS, "own", LAKE) | {"Parameters": {"presto_view": "true", "comment": "Presto View"}}
BARE = {"Name": "things_latest", "TableType": "EXTERNAL_TABLE"}


def tables(glue: Any, database: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = glue.get_tables(DatabaseName=database)["TableList"]
    return found


def refusal_of(database: str, lake: S3Lake) -> str:
    with pytest.raises(ConfigurationError) as caught:
        Catalog(database).prepare(entity=THINGS, lake=lake)
    return str(caught.value)


@pytest.mark.parametrize("own", [ICEBERG, CSV, VIEW, BARE], ids=["iceberg", "csv", "view", "bare"])
def test_somebodys_own_table_stays_as_it_is_and_nothing_is_put_beside_it(
    glue: Any, database: str, lake: S3Lake, own: dict[str, Any]
) -> None:
    glue.create_database(DatabaseInput={"Name": database})
    glue.create_table(DatabaseName=database, TableInput=own)
    there = tables(glue, database)
    assert refusal_of(database, lake) == (
        f"GLUE_DATABASE: {database}.{own['Name']} belongs to another tool: use another database"
    )
    assert tables(glue, database) == there


def test_somebodys_own_table_that_comes_in_between_stays_as_it_is(glue: Any, database: str, lake: S3Lake) -> None:
    before("CreateTable", lambda: glue.create_table(DatabaseName=database, TableInput=ICEBERG) and None)
    assert refusal_of(database, lake).endswith("things belongs to another tool: use another database")
    [table] = tables(glue, database)
    assert table["Parameters"] == ICEBERG["Parameters"]


@pytest.mark.usefixtures("catalog")
@pytest.mark.parametrize("prefix", ["", "lake2", "lake/more"])
def test_two_lakes_do_not_share_a_database(glue: Any, database: str, prefix: str) -> None:
    there, other = tables(glue, database), S3Lake(bucket="reddit", prefix=prefix)
    assert refusal_of(database, other) == (
        f"GLUE_DATABASE: {database}.things belongs to the lake {LAKE}, but LAKE_URL is {other.url}: "
        "use another database"
    )
    assert tables(glue, database) == there


def test_a_lake_is_the_same_however_its_url_ends(glue: Any, catalog: Catalog, database: str) -> None:
    there = tables(glue, database)
    catalog.prepare(entity=THINGS, lake=open_lake(f"{LAKE}/"))
    assert tables(glue, database) == there


def test_a_partition_is_the_folder_of_the_objects(glue: Any, catalog: Catalog, database: str, lake: S3Lake) -> None:
    assert publish(catalog, lake, parts(count=2)) == folder_of("a1")
    [partition] = partitions(glue, database)
    assert partition["Values"] == VALUES
    assert partition["StorageDescriptor"] == {"Columns": COLUMNS, "Location": folder_of("a1"), **FORMAT}


def test_another_attempt_moves_the_partition(glue: Any, catalog: Catalog, database: str, lake: S3Lake) -> None:
    publish(catalog, lake, parts("a1"))
    publish(catalog, lake, parts("a2"), HEAVY)
    [partition] = partitions(glue, database)
    assert partition["StorageDescriptor"]["Location"] == folder_of("a2")
    assert "weight" in [column["Name"] for column in partition["StorageDescriptor"]["Columns"]]


def test_without_objects_there_is_no_partition(glue: Any, catalog: Catalog, database: str, lake: S3Lake) -> None:
    assert publish(catalog, lake, []) is None
    assert partitions(glue, database) == []


def test_objects_of_two_folders_are_refused(glue: Any, catalog: Catalog, database: str, lake: S3Lake) -> None:
    with pytest.raises(CatalogError, match=rf"^GLUE_DATABASE: {database}: .* several folders: .*/a1, .*/a2$"):
        publish(catalog, lake, parts("a1") + parts("a2"))
    assert partitions(glue, database) == []


class Cataloged(Pipeline):
    """Runs with a lake in S3 and its catalog, and all else embedded."""

    def environment(self) -> dict[str, str]:
        return super().environment() | LOGIN | {"LAKE_URL": os.environ["LAKE_URL"], "GLUE_DATABASE": "dropped"}


def test_a_dropped_catalog_is_filled_again_as_the_page_says(
    s3_lake: str, make_pipeline: Callable[..., Pipeline], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAKE_URL", s3_lake)
    pipeline, client = make_pipeline(kind=Cataloged), boto3.client("glue")

    def published() -> list[tuple[Any, Any]]:
        assert pipeline.run("2026-11-23T04", limit=100) == 0
        found = client.get_partitions(DatabaseName="dropped", TableName="posts")["Partitions"]
        return [(partition["Values"], partition["StorageDescriptor"]["Location"]) for partition in found]

    first = published()
    assert len(first) == 1
    client.delete_database(Name="dropped")
    page = " ".join((PROJECT / "docs" / "engines.md").read_text().split())
    assert "after their `publish-*.json` receipts are removed" in page
    for found in boto3.resource("s3").Bucket(s3_lake.split("/")[2]).objects.all():
        if "/publish-" in found.key:
            found.delete()
    assert published() == first


def test_many_runs_at_once_do_no_harm(glue: Any, database: str, lake: S3Lake) -> None:
    together = Barrier(4)
    catalogs = [Catalog(database) for _ in range(4)]

    def run(catalog: Catalog) -> str | None:
        together.wait()
        catalog.prepare(entity=THINGS, lake=lake)
        return publish(catalog, lake, parts())

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(run, catalogs)) == {folder_of("a1")}
    assert len(partitions(glue, database)) == 1


@pytest.mark.usefixtures("glue")
@pytest.mark.parametrize("operation", ["CreateDatabase", "CreateTable"])
def test_another_run_that_prepares_in_between_does_no_harm(operation: str, database: str, lake: S3Lake) -> None:
    rival = Catalog(database)
    before(operation, lambda: rival.prepare(entity=HEAVY, lake=lake))
    Catalog(database).prepare(entity=THINGS, lake=lake)
    columns = boto3.client("glue").get_table(DatabaseName=database, Name="things")["Table"]["StorageDescriptor"][
        "Columns"
    ]
    assert "weight" in [column["Name"] for column in columns]


def test_another_run_that_publishes_in_between_is_looked_at_again(
    glue: Any, catalog: Catalog, database: str, lake: S3Lake
) -> None:
    before("CreatePartition", lambda: publish(catalog, lake, parts("rival")) and None)
    publish(Catalog(database), lake, parts("ours"))
    [partition] = partitions(glue, database)
    assert partition["StorageDescriptor"]["Location"] == folder_of("ours")


def refused(code: str) -> tuple[int, str]:
    return 400, json.dumps({"__type": code, "message": "no,\nnot at all"})


def test_a_race_that_never_ends_does(point_at: Callable[[str], None], lake_before: S3Lake) -> None:
    with answering(lambda *_: refused("ConcurrentModificationException")) as server:
        point_at(server.url)
        with pytest.raises(CatalogError, match=r"^GLUE_DATABASE: reddit_lake: .*Concurrent.* no, not at all$"):
            Catalog().prepare(entity=THINGS, lake=lake_before)
        assert len(server.asked) == 5


@pytest.fixture
def lake_before(point_at: Callable[[str], None]) -> S3Lake:
    """A lake that nobody will ask for anything."""
    point_at("http://127.0.0.1:9")
    return S3Lake(bucket="reddit", prefix="lake")


@pytest.mark.parametrize(
    "expected",
    [
        ("AccessDeniedException", ConfigurationError, "grant this role glue:GetDatabase, glue:CreateDatabase, "),
        ("GlueEncryptionException", ConfigurationError, "KMS key"),
        ("ExpiredTokenException", ConfigurationError, "log in again"),
        ("ResourceNumberLimitExceededException", CatalogError, "no, not at all"),
    ],
    ids=lambda expected: expected[0],
)
@pytest.mark.parametrize("step", ["prepare", "publish"])
def test_a_refusal_is_one_line_that_names_the_setting(
    point_at: Callable[[str], None], lake_before: S3Lake, expected: tuple[str, type[Exception], str], step: str
) -> None:
    code, kind, said = expected
    with answering(lambda *_: refused(code)) as server:
        point_at(server.url)
        catalog = Catalog()
        with pytest.raises(kind) as caught:
            if step == "prepare":
                catalog.prepare(entity=POSTS, lake=lake_before)
            else:
                publish(catalog, lake_before, parts())
        assert len(server.asked) == 1
    message = str(caught.value)
    assert message.startswith("GLUE_DATABASE: reddit_lake: ")
    assert said in message
    assert "\n" not in message


def test_every_right_that_is_used_is_named(point_at: Callable[[str], None], lake: S3Lake, database: str) -> None:
    """What the fix of AccessDeniedException lists is all that a run asks for."""
    asked = operations()
    for entity, attempt in ((THINGS, "a1"), (HEAVY, "a2")):
        catalog = Catalog(database)
        catalog.prepare(entity=entity, lake=lake)
        publish(catalog, lake, parts(attempt), entity)
    with answering(lambda *_: refused("AccessDeniedException")) as server:
        point_at(server.url)
        with pytest.raises(ConfigurationError) as caught:
            Catalog().prepare(entity=THINGS, lake=lake)
    listed = str(caught.value).partition("role ")[2].partition(" on ")[0].split(", ")
    assert sorted(listed) == sorted({f"glue:{operation}" for operation in asked})


@pytest.mark.parametrize("name", ["Reddit", "reddit-lake", "reddit lake", "", "x" * 256, "lake\n", "läke"])
def test_a_name_that_athena_does_not_take_is_refused(point_at: Callable[[str], None], name: str) -> None:
    point_at("http://127.0.0.1:9")
    with pytest.raises(ConfigurationError, match=r"^GLUE_DATABASE: .*lower-case letters, digits and underscores"):
        Catalog(name)


@pytest.mark.parametrize("step", ["prepare", "publish"])
def test_a_lake_in_a_folder_is_refused(point_at: Callable[[str], None], tmp_path: Path, step: str) -> None:
    point_at("http://127.0.0.1:9")
    lake, catalog = FolderLake(tmp_path), Catalog()
    with pytest.raises(ConfigurationError, match=r"^GLUE_DATABASE is set, but LAKE_URL is .*: use s3://"):
        if step == "prepare":
            catalog.prepare(entity=THINGS, lake=lake)
        else:
            catalog.publish(entity=THINGS, lake=lake, hour=HOUR, selection="abc", objects=[])


def test_no_login_is_said(
    monkeypatch: pytest.MonkeyPatch, point_at: Callable[[str], None], lake_before: S3Lake
) -> None:
    point_at("http://127.0.0.1:9")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(ConfigurationError, match=r"^GLUE_DATABASE: reddit_lake: NoCredentialsError: log in to AWS"):
        Catalog().prepare(entity=THINGS, lake=lake_before)
