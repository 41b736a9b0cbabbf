"""Comments through the whole pipeline, from listings and from trees."""

import itertools
import json
import random
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import duckdb
import pytest

from reddit_etl.clock import iso
from reddit_etl.entities import COMMENTS
from reddit_etl.entities.record import Record, to_record
from reddit_etl.sources.client import Observation
from reddit_etl.sources.thread import tree_of
from reddit_etl.sources.tree import Due, Trees
from tests.conftest import Pipeline
from tests.standins.loads import DuckDBLoads, Loads
from tests.standins.payloads import json_lines
from tests.standins.transformed import transformed
from tests.test_trees import make_client

HOUR = "2026-11-23T04"
NEXT = "2026-11-23T05"
BOTH = ("new", "comments")
RECORD = {column.name for column in COMMENTS.record} - {"observed_at", "listing", "place", "source"}


def values(observation: Observation, moment: datetime | None = None, place: int = 1) -> dict[str, object]:
    """The record, of which the fetch is left out unless there is a moment."""
    observed = {"observed_at": iso(moment), "listing": "x", "place": place, "source": "sandbox"} if moment else {}
    outcome = to_record(COMMENTS, observation.child, observed)
    assert isinstance(outcome, Record)
    return outcome.values


@pytest.fixture
def read(pipeline: Pipeline) -> dict[str, dict[str, Observation]]:
    """The same comments as a listing and as trees give them, by id."""
    pipeline.now = datetime.fromisoformat(HOUR)
    client = make_client(pipeline.server.url)
    listed = list(client.listing("python", "comments", limit=300))
    posts = {one.child["data"]["link_id"].removeprefix("t3_") for one in listed}  # type: ignore[index]
    due = [Due(post, 24, "2026-11-22T04:00:00.000000Z") for post in sorted(posts)]
    trees = Trees((24,)).planned(due, missed=0, waiting=0, most_requests=1000)
    found = {
        "listing": {str(values(one)["comment_id"]): one for one in listed},
        "tree": {str(values(one)["comment_id"]): one for one in trees.observations(client)},
    }
    client.close()
    return found


def test_a_comment_is_the_same_record_from_a_listing_as_from_a_tree(
    read: dict[str, dict[str, Observation]],
) -> None:
    assert len(read["listing"]) == 300
    assert set(read["listing"]) <= set(read["tree"])
    for name, listed in read["listing"].items():
        assert values(listed) == values(read["tree"][name])
    records = [values(one) for one in read["tree"].values()]
    # What Reddit has of every kind is among them.
    assert {record["parent_comment_id"] is None for record in records} == {True, False}
    assert {record["score_hidden"] for record in records} == {True, False}
    assert "[deleted]" in {record["body"] for record in records}


def test_listing_after_tree_and_tree_after_listing_end_equal(
    read: dict[str, dict[str, Observation]], tmp_path: Path
) -> None:
    """Whatever is loaded in which order and how often, at whatever moments it was read."""
    dice = random.Random(7)
    begin = datetime.fromisoformat(HOUR)
    batches = []
    for kind in ("listing", "tree", "listing", "tree"):
        moment = begin + timedelta(minutes=dice.randrange(60))
        names = dice.sample(sorted(read[kind]), 100)
        batches.append([values(read[kind][name], moment, place) for place, name in enumerate(names, start=1)])
    ended = []
    for run in range(3):
        order = batches if run == 0 else dice.sample(batches, len(batches))
        loads = DuckDBLoads(tmp_path / str(run))
        for number, batch in enumerate(order):
            loads.folder.mkdir(exist_ok=True)
            rows = curated(json_lines(loads.folder / f"{number}.jsonl.gz", batch), loads.folder)
            loads.load(*rows, entity=COMMENTS)
        ended.append(
            [
                loads.rows("SELECT * FROM reddit.comments ORDER BY comment_id"),
                loads.rows("SELECT * FROM reddit.comment_metrics ORDER BY comment_id, observed_at"),
            ]
        )
    assert ended[0] == ended[1] == ended[2]
    assert len(ended[0][0]) > 150


def curated(file: Path, folder: Path) -> list[dict[str, object]]:
    """The records as the transformation gives them."""
    output = folder / f"{file.stem}.parquet"
    transformed(entity=COMMENTS, inputs=[file], output=output)
    with duckdb.connect() as connection:
        rows = connection.read_parquet(str(output))
        return [dict(zip(rows.columns, row, strict=True)) for row in rows.fetchall()]


def test_listings_and_trees_end_in_both_tables(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COMMENT_TREE_AGES", '["2h", "1d"]')
    assert pipeline.run(HOUR, listings=BOTH, limit=200) == 0
    assert pipeline.rows("SELECT count(*), count(DISTINCT comment_id) FROM reddit.comments") == [(200, 200)]
    assert pipeline.run(NEXT, listings=BOTH, limit=200) == 0
    report = capsys.readouterr().out
    [plan] = [made for made in pipeline.receipts("plan-*.json") if made["hour"] == NEXT]
    [tree] = [made for made in pipeline.receipts("extract-comments-sandbox.tree-*.json") if made["hour"] == NEXT]
    coverage = tree["coverage"]
    assert coverage["done"] == coverage["due"] == len(plan["due"]) > 10  # type: ignore[call-overload, index, arg-type]
    assert f"{coverage['done']} of {coverage['due']} posts" in report  # type: ignore[call-overload, index]
    # All comments of a post that was due are there, as many as Reddit counts but for those that it shows to nobody.
    ids = ", ".join(f"'{one['post_id']}'" for one in plan["due"])  # type: ignore[index, attr-defined]
    [(found,)] = pipeline.rows(f"SELECT count(DISTINCT comment_id) FROM reddit.comments WHERE post_id IN ({ids})")
    assert tree["records"] <= found  # type: ignore[operator]
    assert 0.95 * coverage["num_comments"] <= coverage["fetched"] <= coverage["num_comments"]  # type: ignore[index, call-overload]
    files, tables, requests = pipeline.files(), pipeline.tables(), pipeline.server.used
    assert pipeline.run(NEXT, listings=BOTH, limit=200) == 0
    assert (pipeline.files(), pipeline.tables(), pipeline.server.used) == (files, tables, requests)


def test_a_clock_that_is_set_back_does_not_change_what_the_audit_counts(
    make_pipeline: Callable[..., Pipeline], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMMENT_TREE_AGES", '["2h"]')
    ended = []
    for seconds in (1, -1):
        moments = itertools.count(time.time(), seconds)
        monkeypatch.setattr("luigi.scheduler.time", SimpleNamespace(time=moments.__next__))
        pipeline = make_pipeline(str(seconds))
        assert [pipeline.run(hour, listings=BOTH, limit=200) for hour in (HOUR, NEXT)] == [0, 0]
        ended.append(pipeline.tables())
    assert ended[0] == ended[1]


def test_trees_wait_for_the_warehouse_and_listings_do_not(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMMENT_TREE_AGES", '["5h"]')
    assert pipeline.run(HOUR, listings=BOTH, limit=100) == 0
    good = pipeline.warehouse.read_bytes()
    pipeline.warehouse.write_bytes(b"no database")
    assert pipeline.run(NEXT, listings=BOTH, limit=100) == 78
    names = {path.name for path in pipeline.lake.glob("receipts/**/hr=05/*.json")}
    assert {name for name in names if name.startswith("extract-")} == {
        "extract-comments-sandbox.python-comments-100.json",
        "extract-posts-sandbox.python-new-100.json",
    }
    assert {name.split("-")[1] for name in names if name.startswith("transform-")} == {"comments", "posts"}
    pipeline.warehouse.write_bytes(good)
    # What came of age in the hour without a plan is in the next one.
    begin, end = "2026-11-22 23:17", "2026-11-23 01:17"
    known = pipeline.rows(
        f"SELECT post_id FROM reddit.posts WHERE num_comments > 0 AND created_at > '{begin}' AND created_at <= '{end}'"
    )
    assert known
    assert pipeline.run("2026-11-23T06", listings=BOTH, limit=100) == 0
    [after] = [made for made in pipeline.receipts("plan-*.json") if made["hour"] == "2026-11-23T06"]
    assert {one["post_id"] for one in after["due"]} >= {post for (post,) in known}  # type: ignore[attr-defined]
    assert {row[0] for row in pipeline.rows("SELECT DISTINCT hour FROM reddit.load_audit")} >= {HOUR, NEXT}


def test_a_later_hour_goes_on_with_what_the_requests_did_not_suffice_for(
    make_pipeline: Callable[..., Pipeline], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMMENT_TREE_AGES", '["2h", "1d"]')
    ended = []
    for name, most in (("at once", "600"), ("bit by bit", "4")):
        monkeypatch.setenv("COMMENT_TREE_REQUESTS", most)
        pipeline = make_pipeline(name)
        for hour in range(4, 12):
            assert pipeline.run(f"2026-11-23T{hour:02}", limit=100) == 0
        trees = pipeline.receipts("extract-comments-*.json")
        # A post is begun with a request left; only the last one may take more.
        assert all(made["requests"] <= int(most) + 1 for made in trees)  # type: ignore[operator]
        ended.append({json.dumps(one["post_id"]) for made in pipeline.receipts("plan-*.json") for one in made["due"]})  # type: ignore[attr-defined]
        waiting = [int(str(made["waiting"])) for made in pipeline.receipts("plan-*.json")]
    # A post may get its first comment while it is waiting.
    assert ended[0] <= ended[1]
    assert max(waiting) > 0


def recorded(real: Path) -> list[dict[str, object]]:
    """A record of each comment at the top of the recorded trees and in the recorded listings."""
    moment = iso(datetime.fromisoformat(HOUR))
    records: list[dict[str, object]] = []
    for path in sorted(real.glob("listings/*.json")):
        body = json.loads(path.read_text()) if ".meta" not in path.suffixes else None
        tree = isinstance(body, list) and len(body) == 2
        children = tree_of(body).children if tree else (body or {}).get("data", {}).get("children", [])
        for child in children:
            fetch = {"observed_at": moment, "listing": "x", "place": len(records) + 1, "source": "sandbox"}
            outcome = to_record(COMMENTS, child, fetch)
            if isinstance(outcome, Record):
                records.append(outcome.values)
    return records


def test_recorded_comments_end_equal_in_both_warehouses(real: Path, tmp_path: Path, redshift_loads: Loads) -> None:
    records = recorded(real)
    assert len(records) > 500
    rows = curated(json_lines(tmp_path / "all.jsonl.gz", records), tmp_path)
    assert {row["comment_id"] for row in rows} == {record["comment_id"] for record in records}
    ended = []
    for loads in (DuckDBLoads(tmp_path), redshift_loads):
        loads.load(*rows, entity=COMMENTS)
        ended.append(
            [
                loads.rows("SELECT * FROM reddit.comments ORDER BY comment_id"),
                loads.rows("SELECT * FROM reddit.comment_metrics ORDER BY comment_id, observed_at"),
            ]
        )
    assert ended[0] == ended[1]
    assert len(ended[0][0]) == len(rows)
