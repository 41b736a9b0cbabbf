"""The whole graph on AWS's engines: S3, Glue, once with real Spark, the catalog, and Redshift on real PostgreSQL."""

import json
import os
from pathlib import Path

import boto3

from jobs import resources
from reddit_etl.catalog.glue import Catalog
from reddit_etl.errors import CatalogError
from tests import commands
from tests.test_real_input import SUBREDDITS, Recorded, scheduled_runs

HOURS = ("2026-11-23T04", "2026-11-23T05")
SECRETS = ("s3cret-of-reddit", "s3cret-of-aws", "s3cret-of-a-session", "s3cret-of-redshift")


def test_the_graph_on_aws_ends_in_the_tables_of_the_embedded_run(  # noqa: PLR0917
    make_pipeline, on_aws, glue_server, warm_spark, monkeypatch, capsys
):
    glue_server.work = warm_spark
    monkeypatch.setenv("COMMENT_TREE_AGES", '["2h"]')
    monkeypatch.setenv("REFRESH_AGES", '["1h"]')
    monkeypatch.setenv("SWEEP_HOURS", "5")
    chosen = {"subreddits": ["python", "aws"], "listings": ["new", "top", "comments"], "limit": 300}
    embedded = make_pipeline("embedded")
    for hour in HOURS:
        assert embedded.run(hour, **chosen) == 0
    ended = embedded.tables()
    pipeline = on_aws()
    for hour in HOURS:
        assert pipeline.run(hour, **chosen) == 0
    assert pipeline.tables() == ended
    # Posts and comments of each hour, and the looks and trees of the second: in the first none is due.
    assert [run.state for run in glue_server.runs] == ["SUCCEEDED"] * 6
    assert len(ended["posts"]) > 1000
    assert len(ended["comments"]) > 600
    report = capsys.readouterr().out
    assert f"catalog       {pipeline.settings['GLUE_DATABASE']} in Athena" in report
    assert f"lake          {pipeline.settings['LAKE_URL']}" in report
    # Once more: nothing is asked of anybody, nothing changes.
    keys = pipeline.keys("")
    assert pipeline.run(HOURS[1], **chosen) == 0
    assert "already complete" in capsys.readouterr().out
    assert (pipeline.keys(""), pipeline.tables(), len(glue_server.runs)) == (keys, ended, 6)


def test_the_catalog_has_each_validated_attempt(on_aws):
    pipeline = on_aws()
    for hour in HOURS:
        assert pipeline.run(hour, limit=100) == 0
    client = boto3.client("glue")
    database = pipeline.settings["GLUE_DATABASE"]
    partitions = client.get_partitions(DatabaseName=database, TableName="posts")["Partitions"]
    found = {tuple(p["Values"][:2]): p["StorageDescriptor"]["Location"] for p in partitions}
    lake = resources.lake()
    expected = {}
    for key in pipeline.keys("receipts/"):
        if "transform-" in key:
            receipt = json.loads(lake.read(key))
            folder = receipt["objects"][0]["key"].rpartition("/")[0]
            expected[tuple(receipt["hour"].split("T"))] = f"{lake.url}/{folder}/"
    assert {hour: location.rstrip("/") + "/" for hour, location in found.items()} == expected
    views = {table["Name"] for table in client.get_tables(DatabaseName=database)["TableList"]}
    assert views == {"posts", "posts_latest", "post_metrics"}


def test_each_engine_that_is_down_stops_only_its_own_task(on_aws, glue_server, redshift_server, capsys):
    """Listings are read all the same, and the first run after catches up."""
    pipeline = on_aws()
    with redshift_server.down():
        assert pipeline.run("2026-11-23T04", limit=100) == 30
    assert {key.rpartition("/")[2].partition("-")[0] for key in pipeline.keys("receipts/")} == {
        "extract",
        "transform",
        "publish",
    }
    glue_server.states, glue_server.error = ["FAILED"], "out of luck"
    assert pipeline.run("2026-11-23T05", limit=100) == 30
    glue_server.states = None
    capsys.readouterr()
    assert pipeline.run("2026-11-23T06", limit=100) == 0
    report = capsys.readouterr().out
    assert "caught up     posts 2026-11-23T05: " in report
    hours = pipeline.rows("SELECT hour FROM reddit.load_audit ORDER BY hour")
    assert hours == [("2026-11-23T04",), ("2026-11-23T05",), ("2026-11-23T06",)]
    partitions = boto3.client("glue").get_partitions(DatabaseName=pipeline.settings["GLUE_DATABASE"], TableName="posts")
    assert {p["Values"][1] for p in partitions["Partitions"]} == {"04", "05", "06"}


def test_a_new_warehouse_under_the_same_url_is_filled_and_a_lost_object_made_again(on_aws, redshift_server, capsys):
    pipeline = on_aws()
    for hour in HOURS:
        assert pipeline.run(hour, limit=100) == 0
    whole = pipeline.tables()
    redshift_server.reset()
    assert pipeline.run(HOURS[1], limit=100) == 0
    assert pipeline.tables() == whole
    assert "reloaded      posts 2026-11-23T04 to 2026-11-23T05: " in capsys.readouterr().out

    redshift_server.reset()
    [lost] = [key for key in pipeline.keys("curated/") if "/hr=04/" in key and key.endswith(".parquet")]
    bucket, _, prefix = pipeline.settings["LAKE_URL"].removeprefix("s3://").partition("/")
    boto3.client("s3").delete_object(Bucket=bucket, Key=f"{prefix}/{lost}")
    assert pipeline.run(HOURS[1], limit=100) == 0
    assert pipeline.tables() == whole
    # Athena finds the rows where they are now.
    [standing] = [key for key in pipeline.keys("curated/") if "/hr=04/" in key and key.endswith(".parquet")]
    partition = boto3.client("glue").get_partition(
        DatabaseName=pipeline.settings["GLUE_DATABASE"],
        TableName="posts",
        PartitionValues=["2026-11-23", "04", standing.split("sel=")[1].partition("/")[0]],
    )["Partition"]
    folder = f"{pipeline.settings['LAKE_URL']}/{standing.rpartition('/')[0]}"
    assert partition["StorageDescriptor"]["Location"].rstrip("/") == folder


def test_a_catalog_that_refuses_does_not_keep_the_rows_from_the_warehouse(on_aws, monkeypatch):
    pipeline = on_aws()
    pipeline.settings |= {"GLUE_DATABASE": "nobody_may"}
    for name, value in pipeline.environment().items():
        monkeypatch.setenv(name, value)

    def refuse(*_: object, **__: object) -> None:
        raise CatalogError("GLUE_DATABASE: nobody_may: not today")

    with monkeypatch.context() as today:
        today.setattr(Catalog, "prepare", refuse)
        assert pipeline.run("2026-11-23T04", limit=100) == 30
    assert pipeline.rows("SELECT COUNT(*) FROM reddit.posts") == [(100,)]
    assert pipeline.run("2026-11-23T05", limit=100) == 0
    assert len([key for key in pipeline.keys("receipts/") if "publish-" in key]) == 2


def test_rows_missing_after_a_good_run_of_glue_fail_the_transformation(on_aws, glue_server):
    def drop_rows(folder: Path) -> None:
        for path in folder.rglob("_report.json"):
            report = json.loads(path.read_text())
            report["objects"][0]["rows"] -= 1
            path.write_text(json.dumps(report))

    pipeline = on_aws()
    glue_server.after = drop_rows
    assert pipeline.run("2026-11-23T04", limit=100) == 30
    assert not [key for key in pipeline.keys("receipts/") if "transform-" in key]
    glue_server.after = None
    assert pipeline.run("2026-11-23T04", limit=100) == 0
    assert pipeline.rows("SELECT COUNT(*) FROM reddit.posts") == [(100,)]


def test_no_secret_is_written_anywhere(on_aws, redshift_server, glue_server):
    """A run with everything at DEBUG; what it printed, put into the lake, told Glue, and stored."""
    redshift_server.users["loader"] = type(redshift_server.users["loader"])("s3cret-of-redshift")
    pipeline = on_aws()
    pipeline.settings |= {"WAREHOUSE_URL": redshift_server.url, "AWS_SESSION_TOKEN": "s3cret-of-a-session"}
    loud = "import logging, sys; logging.basicConfig(level=logging.DEBUG); from luigi.cmdline import luigi_run; "
    arguments = ("--module", "jobs", "RedditPipeline", "--hour", "2026-11-23T04", "--subreddits", '["python"]')
    words = ("-c", loud + "luigi_run(sys.argv[1:])", *arguments, "--limit", "100", "--log-level", "DEBUG")
    done = commands.run(*words, env=os.environ | pipeline.environment())
    assert done.returncode == 0, done.stderr[-2000:]
    for name, value in pipeline.environment().items():
        pipeline.monkeypatch.setenv(name, value)
    written = {"stdout": done.stdout.encode(), "stderr": done.stderr.encode()}
    written |= {key: resources.lake().read(key) or b"" for key in pipeline.keys("")}
    written["statements"] = "\n".join(redshift_server.statements).encode()
    written["glue"] = json.dumps([run.arguments for run in glue_server.runs]).encode()
    assert len(written) > 10
    for secret in SECRETS:
        assert [name for name, content in written.items() if secret.encode() in content] == []


def test_fourteen_real_days_end_on_aws_in_any_order_as_embedded(real: Path, make_pipeline, on_aws):
    runs = scheduled_runs(real)
    ended = []
    for make, sequence in ((make_pipeline, runs), (on_aws, sorted(runs, key=lambda run: run[0][::-1]))):
        content = Recorded()
        pipeline = make(content=content)
        for hour, content.listings in sequence:
            assert pipeline.run(hour, subreddits=SUBREDDITS, limit=100) == 0
        tables = pipeline.tables()
        ended.append((tables["posts"], tables["post_metrics"]))
    embedded, on_stand_ins = ended
    assert len(embedded[0]) > 300
    assert on_stand_ins == embedded
