"""What the lake, the catalog and the warehouse have otherwise than receipts say is found, named and repaired."""

import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import boto3
import duckdb
import pytest

from jobs import resources
from jobs.reconcile import hours, reconcile
from jobs.settings import Settings
from reddit_etl.entities import POSTS
from reddit_etl.entities.schema import Entity
from reddit_etl.errors import ConfigurationError
from reddit_etl.lake.receipts import DataObject
from reddit_etl.warehouse.base import Load
from tests import commands
from tests.aws import AwsPipeline
from tests.conftest import MINUTE, Pipeline, bare_environment, forget_run, pipelines
from tests.standins.loads import NEWER, OLDER, DuckDBLoads, Loads
from tests.standins.payloads import post
from tests.standins.redshift import Redshift

HOURS = ("2026-11-23T04", "2026-11-23T05")
READ = {"listings": ["new", "comments"], "limit": 100}
TABLES = ("posts", "post_metrics", "comments", "comment_metrics", "load_audit")
DIFFERENT, MISCONFIGURED, INTERRUPTED = 30, 78, 130


def moment(hour: str) -> datetime:
    return datetime.fromisoformat(f"{hour}:00")


def found(capsys: pytest.CaptureFixture[str], **how: bool) -> list[str]:
    """The differences that a reconciliation of the two hours prints."""
    forget_run()
    capsys.readouterr()
    number = reconcile(moment(HOURS[0]), moment(HOURS[1]), **how)
    lines = capsys.readouterr().out.splitlines()
    if not number:
        assert "warehouse agree on the 2 hours with receipts from " in lines.pop()
    if not how.get("repair"):
        assert number == len(lines)
    return lines


class Stores:
    """A pair of engines after two hours, which can be changed behind the pipeline's back and put back."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline

    def object(self, pattern: str) -> str:
        """The first key that the pattern matches."""
        keys = sorted(resources.lake().keys(""))
        return next(key for key in keys if re.search(pattern, key))

    def read(self, key: str) -> bytes:
        content = resources.lake().read(key)
        assert content is not None
        return content


class Local(Stores):
    """A folder and a DuckDB file."""

    def change(self, sql: str) -> None:
        with duckdb.connect(str(self.pipeline.warehouse)) as connection:
            for statement in sql.split(";"):
                connection.execute(statement)

    def save(self) -> None:
        shutil.copy(self.pipeline.warehouse, self.pipeline.folder / "saved.duckdb")

    def restore(self) -> None:
        shutil.copy(self.pipeline.folder / "saved.duckdb", self.pipeline.warehouse)

    def write(self, key: str, content: bytes | None) -> None:
        path = self.pipeline.lake / key
        if content is None:
            path.unlink()
        else:
            path.write_bytes(content)


class OnAws(Stores):
    """S3, the Glue Data Catalog and Redshift."""

    def __init__(self, pipeline: Pipeline, server: Redshift) -> None:
        super().__init__(pipeline)
        self.server = server

    def change(self, sql: str) -> None:
        self.server.rows(sql)

    def save(self) -> None:
        self.server.rows("; ".join(f"CREATE TABLE public.{table} AS TABLE reddit.{table}" for table in TABLES))

    def restore(self) -> None:
        self.server.rows("; ".join(f"DELETE FROM reddit.{t}; INSERT INTO reddit.{t} TABLE public.{t}" for t in TABLES))

    def write(self, key: str, content: bytes | None) -> None:
        _, _, bucket, prefix = resources.lake().url.split("/", 3)
        where = {"Bucket": bucket, "Key": f"{prefix}/{key}"}
        if content is None:
            boto3.client("s3").delete_object(**where)
        else:
            boto3.client("s3").put_object(**where, Body=content)

    def partition(self) -> tuple[dict[str, str], dict[str, Any]]:
        """Of posts in the first hour."""
        table = {"DatabaseName": str(resources.settings().glue_database), "TableName": "posts"}
        partitions = boto3.client("glue").get_partitions(**table)["Partitions"]
        [one] = [one for one in partitions if one["Values"][1] == HOURS[0][-2:]]
        return table, one


@pytest.fixture(scope="module")
def two_hours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in whose folder `kept` is what two hours left."""
    folder = tmp_path_factory.mktemp("two-hours")
    with pytest.MonkeyPatch.context() as patch:
        bare_environment(patch)
        with pipelines(folder, patch) as make:
            pipeline = make()
            for hour in HOURS:
                assert pipeline.run(hour, **READ) == 0
    pipeline.folder.rename(folder / "kept")
    return folder


@pytest.fixture
def local(two_hours: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Local]:
    """At the old place, for where a warehouse is is part of its receipts' names."""
    place = two_hours / "run"
    shutil.copytree(two_hours / "kept", place)
    with pipelines(two_hours, monkeypatch) as make:
        pipeline = make()
        for name, value in pipeline.environment().items():
            monkeypatch.setenv(name, value)
        forget_run()
        yield Local(pipeline)
    shutil.rmtree(place)


# Faults of the warehouse

SOME = "SELECT MIN(post_id) FROM reddit.posts"
FIRST = "(SELECT MIN(observed_at) FROM reddit.post_metrics)"
# Of posts that both hours saw, the observation of the first.
SEEN = f"post_id = ({SOME}) AND observed_at = {FIRST}"


# Each with what is reported of the first hour.
WAREHOUSE = {
    "a flipped value": (
        f"UPDATE reddit.post_metrics SET score = score + 1 WHERE {SEEN}",
        "other values in post_metrics: the checksums of 100 rows differ",
    ),
    "two swapped values": (
        f"UPDATE reddit.post_metrics SET score = (SELECT MIN(score) + MAX(score) FROM reddit.post_metrics "
        f"WHERE observed_at = {FIRST}) - score WHERE observed_at = {FIRST} AND score IN ("
        f"(SELECT MIN(score) FROM reddit.post_metrics WHERE observed_at = {FIRST}), "
        f"(SELECT MAX(score) FROM reddit.post_metrics WHERE observed_at = {FIRST}))",
        "other values in post_metrics: the checksums of 100 rows differ",
    ),
    "a lost observation": (
        f"DELETE FROM reddit.post_metrics WHERE {SEEN}",
        "rows missing in post_metrics: 1 of 100",
    ),
    "a doubled observation": (
        f"INSERT INTO reddit.post_metrics SELECT * FROM reddit.post_metrics WHERE {SEEN}",
        "surplus rows in post_metrics: 1 beside 100",
    ),
    "one lost and one doubled": (
        f"INSERT INTO reddit.post_metrics SELECT * FROM reddit.post_metrics WHERE observed_at = {FIRST} "
        f"AND post_id = (SELECT MAX(post_id) FROM reddit.post_metrics WHERE observed_at = {FIRST}); "
        f"DELETE FROM reddit.post_metrics WHERE {SEEN}",
        "other values in post_metrics: the checksums of 100 rows differ",
    ),
    "a lost state": (
        f"DELETE FROM reddit.posts WHERE post_id = ({SOME})",
        "rows missing in posts: 1 of 100",
    ),
    "a doubled state": (
        f"INSERT INTO reddit.posts SELECT * FROM reddit.posts WHERE post_id = ({SOME})",
        "surplus rows in posts: 1 beside 100",
    ),
    "a changed text": (
        f"UPDATE reddit.posts SET title = title || ' ' WHERE post_id = ({SOME})",
        "other values in posts: the checksums of 5 rows differ",
    ),
    "an older state": (
        f"UPDATE reddit.posts SET observed_at = {FIRST} - INTERVAL '1 hour' WHERE post_id = ({SOME})",
        "rows in posts with an older state than the lake's: 1",
    ),
    "a state from nowhere": (
        f"UPDATE reddit.posts SET observed_at = observed_at + INTERVAL '1 day' WHERE post_id = ({SOME})",
        "rows in posts with a state that is not in post_metrics: 1",
    ),
    "a later first observation": (
        f"UPDATE reddit.posts SET first_observed_at = first_observed_at + INTERVAL '1 minute' WHERE post_id = ({SOME})",
        "rows in posts with a later first_observed_at than the lake's: 1",
    ),
    "a missing row of load_audit": (
        f"DELETE FROM reddit.load_audit WHERE hour = '{HOURS[0]}' AND entity = 'posts'",
        "load_audit lacks its load",
    ),
    "all comments of an hour": (
        "DELETE FROM reddit.comment_metrics WHERE observed_at = (SELECT MIN(observed_at) FROM reddit.comment_metrics)",
        "rows missing in comment_metrics: 100 of 100",
    ),
}


def check_warehouse(stores: Local | OnAws, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    sql, expected = WAREHOUSE[name]
    stores.change(sql)
    lines = found(capsys)
    # Nothing else is reported of another store or hour.
    assert {tuple(line.split()[:2]) for line in lines} == {(HOURS[0], "warehouse")}, name
    assert [line for line in lines if line.endswith(f": {expected}")], (name, lines)
    stores.restore()


@pytest.mark.parametrize("name", WAREHOUSE)
def test_each_fault_of_a_duckdb_file_is_found_and_named(
    local: Local, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert found(capsys, deep=True) == []
    local.save()
    check_warehouse(local, name, capsys)


# Faults of the lake


def flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def rewritten(query: str) -> Callable[[bytes], bytes]:
    """A file of Parquet with other rows; `query` is over `rows`."""

    def change(content: bytes) -> bytes:
        with duckdb.connect() as connection, tempfile.TemporaryDirectory() as folder:
            before, after = Path(folder, "before"), Path(folder, "after")
            before.write_bytes(content)
            connection.read_parquet(str(before)).create_view("rows")
            connection.execute(f"COPY ({query}) TO '{after}' (FORMAT parquet, COMPRESSION zstd)")
            return after.read_bytes()

    return change


CURATED, RAW = r"^curated/posts/.*hr=04/.*parquet$", r"^raw/comments/.*hr=04/"
SWAPPED = """\
SELECT * REPLACE (CASE score WHEN least THEN most WHEN most THEN least ELSE score END AS score)
FROM rows, (SELECT min(score) AS least, max(score) AS most FROM rows)"""
LAKE: dict[str, tuple[str, Callable[[bytes], bytes | None]]] = {
    "a flipped bit": (CURATED, flipped),
    "a flipped bit in raw records": (RAW, flipped),
    "a lost row": (CURATED, rewritten("FROM rows LIMIT 99")),
    "a doubled row": (CURATED, rewritten("FROM rows UNION ALL FROM (FROM rows LIMIT 1)")),
    "two swapped values": (CURATED, rewritten(f"SELECT * EXCLUDE (least, most) FROM ({SWAPPED})")),
    "a cut object": (RAW, lambda content: content[:-1]),
    "a lost object": (CURATED, lambda _: None),
    "a lost object of raw records": (RAW, lambda _: None),
}


def check_lake(stores: Local | OnAws, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    pattern, change = LAKE[name]
    key = stores.object(pattern)
    content = stores.read(key)
    stores.write(key, change(content))
    [line] = found(capsys, deep=True)
    assert line.startswith(f"{HOURS[0]}  lake       {key}: "), name
    stores.write(key, content)


@pytest.mark.parametrize("name", LAKE)
def test_each_fault_of_a_folder_is_found_and_named(local: Local, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    check_lake(local, name, capsys)
    assert found(capsys, deep=True) == []


@pytest.mark.parametrize("name", ["a cut object", "a lost object", "a lost object of raw records"])
def test_missing_objects_and_other_sizes_are_found_without_reading(
    local: Local, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    pattern, change = LAKE[name]
    key = local.object(pattern)
    local.write(key, change(local.read(key)))
    [line] = found(capsys)
    assert line.startswith(f"{HOURS[0]}  lake       {key}: ")
    assert "checksum" not in line


def test_only_deep_reads_raw_records(local: Local, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a flipped bit in raw records", "a flipped bit"):
        pattern, change = LAKE[name]
        key = local.object(pattern)
        local.write(key, change(local.read(key)))
    [line] = found(capsys)
    assert "curated/posts" in line
    assert len(found(capsys, deep=True)) == 2


@pytest.mark.parametrize("step", ["extract", "transform"])
def test_a_receipt_that_is_damaged_is_named_with_what_to_do(
    local: Local, step: str, capsys: pytest.CaptureFixture[str]
) -> None:
    key = local.object(rf"^receipts/.*hr=04/{step}-posts")
    local.write(key, b"{}")
    [line] = found(capsys)
    assert line.startswith(
        f"{HOURS[0]}  lake       {key}: not a receipt of this kind (TypeError): restore it, or remove "
    )
    assert line.endswith(" and run the hour again")
    receipts = re.findall(r"receipts/\S+\.json", line.partition("remove ")[2])
    assert receipts[0] == key
    for receipt in receipts:
        local.write(receipt, None)
    assert local.pipeline.run(HOURS[0], **READ) == 0
    assert found(capsys) == []


def test_only_the_hours_asked_for_are_compared(local: Local, capsys: pytest.CaptureFixture[str]) -> None:
    local.change("DELETE FROM reddit.posts")
    for hour in HOURS:
        forget_run()
        assert reconcile(moment(hour), moment(hour)) == 1
        assert capsys.readouterr().out.startswith(f"{hour}  warehouse  ")
    with pytest.raises(ConfigurationError, match="no receipts of the hours from 2026-11-20T00 to 2026-11-23T03"):
        reconcile(moment("2026-11-20T00"), moment("2026-11-23T03"))
    assert reconcile(moment("2026-11-22T23"), moment("2026-11-23T04")) == 1


def test_what_another_source_loaded_is_left_out(
    local: Local, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after the sandbox was tried out, and its rows removed from the warehouse before the first real run."""
    local.change("DELETE FROM reddit.posts; DELETE FROM reddit.load_audit")
    assert len(found(capsys)) == 4
    monkeypatch.setattr(Settings, "source", "reddit")
    assert found(capsys) == []


# Rows that the definition or the files have otherwise


@pytest.fixture(params=["duckdb", "redshift"])
def loads(request: pytest.FixtureRequest, tmp_path: Path) -> Loads:
    return DuckDBLoads(tmp_path) if request.param == "duckdb" else request.getfixturevalue("redshift_loads")


def load_of(loads: Loads, file: DataObject, made_by: Entity, entity: Entity) -> Load:
    columns = {column.name: column.type.sql for column in made_by.curated}
    return Load(entity, "one", "2026-11-23T12", loads.lake, [file], columns)


@pytest.mark.parametrize(
    ("made_by", "now", "value"),
    [
        (OLDER, POSTS, "link_flair_text = 'flair'"),
        (POSTS, OLDER, "link_flair_text = 'flair'"),
        (POSTS, NEWER, "award_count = 7"),
    ],
)
def test_columns_that_one_side_lacks_are_not_compared(loads: Loads, made_by: Entity, now: Entity, value: str) -> None:
    """Of the file, of the definition, and of the table, which gains the column with the next load."""
    file, _ = loads.file(post("a", link_flair_text="a"), post("b"), entity=made_by)
    loads.warehouse.load(load_of(loads, file, made_by, made_by))
    held = loads.warehouse.compare(load_of(loads, file, made_by, now))
    assert held.is_equal
    assert held.arrived.rows == held.newest.rows == 2
    loads.load(post("c"), entity=now)
    loads.change(f"UPDATE reddit.posts SET {value}")
    assert loads.warehouse.compare(load_of(loads, file, made_by, now)).is_equal


def test_a_column_that_the_table_gains_with_the_next_load_is_not_compared(loads: Loads) -> None:
    """As after an upgrade between the transformation and the load, which an older version carried out."""
    file, _ = loads.file(post("a", award_count=7), entity=NEWER)
    loads.warehouse.load(load_of(loads, file, NEWER, POSTS))
    assert loads.warehouse.compare(load_of(loads, file, NEWER, NEWER)).is_equal


def test_a_warehouse_without_tables_lacks_all_rows(loads: Loads) -> None:
    file, _ = loads.file(post("a"), post("b"))
    held = loads.warehouse.compare(load_of(loads, file, POSTS, POSTS))
    assert not held.is_equal
    assert (held.arrived.rows, held.keys, held.observed.rows, held.states) == (2, 2, 0, 0)


def test_portions_of_a_file_add_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loads = DuckDBLoads(tmp_path)
    file, _ = loads.file(*(post(f"p{number}", score=number) for number in range(10)))
    load = load_of(loads, file, POSTS, POSTS)
    loads.warehouse.load(load)
    at_once = loads.warehouse.compare(load)
    monkeypatch.setattr("reddit_etl.warehouse.duckdb.PORTION", 3)
    assert loads.warehouse.compare(load) == at_once
    assert at_once.is_equal


# Receipts and load_audit


@pytest.mark.parametrize(
    ("steps", "store", "said"),
    [
        (("load",), "warehouse", "posts {selection}: no receipt of the load"),
        (("load", "transform"), "lake", "posts {selection}: not transformed"),
        (("load", "transform", "extract"), "lake", f"no receipt of the load posts/{HOURS[0]}/{{selection}}"),
    ],
)
def test_what_receipts_lack_is_named(
    local: Local, steps: tuple[str, ...], store: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for step in steps:
        key = local.object(rf"^receipts/.*hr=04/{step}-posts")
        local.write(key, None)
    selection = local.object(r"^curated/posts/.*hr=04/").split("sel=")[1][:12]
    assert any(line.startswith(f"{HOURS[0]}  {store:<9}  {said.format(selection=selection)}") for line in found(capsys))


# Repair


def test_what_the_warehouse_lacks_is_loaded_again_though_load_audit_has_it(
    local: Local, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = local.pipeline.tables()
    local.change("DELETE FROM reddit.posts; DELETE FROM reddit.post_metrics")
    lines = found(capsys)
    assert len(lines) == 4
    assert found(capsys, repair=True) == [f"{line}: repaired" for line in lines]
    assert found(capsys) == []
    tables = local.pipeline.tables()
    assert len(tables["load_audit"]) == len(whole["load_audit"])
    assert {name: rows for name, rows in tables.items() if name != "load_audit"} == {
        name: rows for name, rows in whole.items() if name != "load_audit"
    }


@pytest.mark.parametrize("steps", [("load",), ("load", "transform")])
def test_what_was_not_done_is_done(local: Local, steps: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    whole = local.pipeline.tables()["posts"]
    local.change(f"DELETE FROM reddit.load_audit WHERE hour = '{HOURS[0]}'; DELETE FROM reddit.posts")
    for step in steps:
        local.write(local.object(rf"^receipts/.*hr=04/{step}-posts"), None)
    found(capsys, repair=True)
    assert found(capsys, deep=True) == []
    assert local.pipeline.tables()["posts"] == whole


def test_a_curated_object_is_made_again_from_raw_once(local: Local, capsys: pytest.CaptureFixture[str]) -> None:
    key = local.object(CURATED)
    local.write(key, flipped(local.read(key)))
    found(capsys, repair=True)
    assert found(capsys, deep=True) == []
    # And its successor, too.
    key = next(one for one in sorted(resources.lake().keys("curated/posts/dt=2026-11-23/hr=04/")) if one != key)
    local.write(key, None)
    found(capsys, repair=True)
    assert found(capsys, deep=True) == []


def test_what_cannot_be_repaired_stays_a_difference(local: Local, capsys: pytest.CaptureFixture[str]) -> None:
    for pattern in (CURATED, CURATED.replace("curated", "raw").replace("parquet", "gz")):
        local.write(local.object(pattern), None)
    lines = found(capsys, repair=True)
    assert len(lines) == 2
    assert found(capsys) == lines


# The commands


def command(local: Local, *words: str) -> tuple[int, str, list[dict[str, Any]]]:
    """Exit code, output, and the lines of the log."""
    done = commands.run(*words, env=os.environ | local.pipeline.environment())
    return done.returncode, done.stdout, [json.loads(line) for line in done.stderr.splitlines() if line[:1] == "{"]


AGREE = f"""\
lake and warehouse agree on the 2 hours with receipts from {HOURS[0]} to {HOURS[1]}: 400 rows in 4 objects compared
"""


@pytest.mark.parametrize(("now", "left"), [(HOURS[1], HOURS[0]), ("2026-11-23T06", HOURS[1])])
def test_the_current_hour_is_compared_once_all_that_it_has_read_is_loaded(
    local: Local, monkeypatch: pytest.MonkeyPatch, now: str, left: str
) -> None:
    monkeypatch.setattr("jobs.reconcile.utc_now", lambda: moment(now) + MINUTE)
    assert hours(None, None) == (moment("2026-11-21T06"), moment(HOURS[1]))
    assert hours(moment(HOURS[0]), moment(HOURS[0])) == (moment(HOURS[0]), moment(HOURS[0]))
    local.write(local.object("receipts/.*hr=05/load-comments-"), None)
    forget_run()
    assert hours(None, None)[1] == moment(left)


def test_the_command_ends_with_what_it_found(local: Local) -> None:
    hours = ("--first", HOURS[0], "--last", HOURS[1])
    code, output, log = command(local, "-m", "jobs", "reconcile", *hours, "--deep")
    assert (code, output) == (0, AGREE)
    # By default, up to the newest hour that was run.
    default = command(local, "-m", "jobs", "reconcile")
    assert default[:2] == (0, AGREE.replace(HOURS[0], "2026-11-21T06"))
    assert [line["differences"] for line in log if line["event"] == "reconciled"] == [0]
    local.change(f"DELETE FROM reddit.post_metrics WHERE {SEEN}; DELETE FROM reddit.posts WHERE {SEEN}")
    code, output, log = command(local, "-m", "jobs", "reconcile", *hours)
    assert code == DIFFERENT
    assert len(output.splitlines()) == 2
    assert [line["differences"] for line in log if line["event"] == "reconciled"] == [2]
    luigi = ("-c", "from luigi.cmdline import luigi_run; luigi_run()", "--module", "jobs", "Reconcile", *hours)
    assert command(local, *luigi)[0] == DIFFERENT
    assert command(local, *luigi, "--repair")[0] == 0
    assert command(local, *luigi)[0] == 0
    after = f"--first {HOURS[1]} is after --last {HOURS[0]}: swap them"
    unknown = f"is after {HOURS[1]}, the newest hour that was run: choose"
    wrong_hours = {(HOURS[1], "--last", HOURS[0]): after, ("2026-12-01T00",): unknown, ("yesterday",): "--first"}
    for wrong, error in wrong_hours.items():
        code, _, log = command(local, "-m", "jobs", "reconcile", "--first", *wrong)
        assert code == MISCONFIGURED
        assert error in str(log[-1]["error"])
    local.pipeline.lake.rename(local.pipeline.folder / "elsewhere")
    code, _, log = command(local, "-m", "jobs", "reconcile", *hours)
    assert (code, "LAKE_URL: " in str(log[-1]["error"])) == (MISCONFIGURED, True)
    assert command(local, *luigi)[0] == MISCONFIGURED
    assert not local.pipeline.lake.exists()


STOPPED_AT_ONCE = """\
import os, runpy, signal, sys
import jobs.reconcile
jobs.reconcile._of_a_day = lambda *_, **__: os.kill(os.getpid(), signal.SIGINT) or []
runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)
"""


@pytest.mark.parametrize(
    ("words", "logged"),
    [
        (("jobs", "reconcile"), "stopped; not all hours were compared: run it again"),
        (
            ("luigi", "--module", "jobs", "Reconcile", "--repair"),
            "stopped; not all hours were compared, what was repaired is kept: run it again",
        ),
    ],
)
def test_a_stop_is_logged_with_what_to_do(local: Local, words: tuple[str, ...], logged: str) -> None:
    code, output, log = command(local, "-c", STOPPED_AT_ONCE, *words, "--first", HOURS[0], "--last", HOURS[1])
    assert (code, output) == (INTERRUPTED, "")
    assert [line["event"] for line in log] == [logged]


# S3, the Glue Data Catalog and Redshift


def test_each_fault_is_found_and_named_on_aws_and_what_is_missing_is_repaired(
    on_aws: Callable[..., AwsPipeline], redshift_server: Redshift, capsys: pytest.CaptureFixture[str]
) -> None:
    pipeline = on_aws()
    for hour in HOURS:
        assert pipeline.run(hour, **READ) == 0
    stores = OnAws(pipeline, redshift_server)
    assert found(capsys, deep=True) == []
    stores.save()
    for name in WAREHOUSE:
        check_warehouse(stores, name, capsys)
    for name in LAKE:
        check_lake(stores, name, capsys)
    glue = boto3.client("glue")
    table, partition = stores.partition()
    wanted = partition["StorageDescriptor"]
    moved = wanted | {"Location": wanted["Location"].replace("hr=04", "hr=05")}
    glue.update_partition(
        **table,
        PartitionValueList=partition["Values"],
        PartitionInput={"Values": partition["Values"], "StorageDescriptor": moved},
    )
    [line] = found(capsys)
    assert line.startswith(f"{HOURS[0]}  catalog    partition of posts ")
    assert line.endswith(f"points to {moved['Location']}, not {wanted['Location']}")
    found(capsys, repair=True)
    assert found(capsys) == []
    glue.delete_partition(**table, PartitionValues=partition["Values"])
    [line] = found(capsys)
    assert line.endswith(f"missing, not {wanted['Location']}")
    redshift_server.rows(f"DELETE FROM reddit.post_metrics WHERE {SEEN}; DELETE FROM reddit.posts")
    found(capsys, repair=True)
    assert found(capsys) == []
    assert stores.partition()[1]["StorageDescriptor"]["Location"] == wanted["Location"]


def test_a_bit_that_copy_overlooks_is_named_by_the_lake_s_checksum(
    on_aws: Callable[..., AwsPipeline], redshift_server: Redshift, capsys: pytest.CaptureFixture[str]
) -> None:
    """The object is still Parquet of the same size, with another value in it."""
    pipeline = on_aws()
    assert pipeline.run(HOURS[0], limit=10) == 0
    stores = OnAws(pipeline, redshift_server)
    key = stores.object(CURATED)
    changed = rewritten("SELECT * REPLACE (score + 1 AS score) FROM rows")(stores.read(key))
    # The receipt has this object's size, and still the checksum of the other.
    receipt = stores.object(r"^receipts/.*transform-posts")
    described = json.loads(stores.read(receipt))
    described["objects"][0]["bytes"] = len(changed)
    stores.write(receipt, json.dumps(described).encode())
    stores.write(stores.object("_copy.json$"), None)
    stores.write(key, changed)
    [line] = found(capsys)
    assert line.startswith(f"{HOURS[0]}  lake       {key}: ")
