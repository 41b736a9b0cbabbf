"""The main job from end to end: PRAW over HTTP, a lake in a folder, DuckDB."""

import errno
import io
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from jobs.settings import Settings
from reddit_etl.errors import ConfigurationError, LakeError
from reddit_etl.lake.folder import FolderLake
from reddit_etl.lake.receipts import Summary
from reddit_etl.report import text
from reddit_etl.report.facts import EntityFacts, Facts
from reddit_etl.sandbox.content import InventedReddit, Subreddit
from reddit_etl.sandbox.server import Listing, Refusal
from tests import PROJECT
from tests.conftest import Pipeline

HOUR = "2026-11-23T04"
NEXT = "2026-11-23T05"
TASK_FAILED = 30
MISCONFIGURED = 78


def test_a_run_lands_every_post_once_and_says_so(pipeline: Pipeline, capsys: pytest.CaptureFixture[str]) -> None:
    assert pipeline.run(HOUR, subreddits=("python", "aws"), limit=250) == 0
    assert pipeline.rows("SELECT count(*), count(DISTINCT post_id) FROM reddit.posts") == [(500, 500)]
    assert pipeline.rows("SELECT count(*) FROM reddit.post_metrics") == [(500,)]
    assert pipeline.rows("SELECT rows_staged, rows_inserted FROM reddit.load_audit") == [(500, 500)]
    report = capsys.readouterr().out
    assert "  posts         500 observations in 2 listings\n" in report
    assert "requests      7" in report  # Three pages each, and the token.
    assert str(pipeline.lake) in report
    assert str(pipeline.warehouse) in report


def test_the_same_hour_again_requests_nothing_and_changes_nothing(
    pipeline: Pipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    assert pipeline.run(HOUR, limit=100) == 0
    files, tables, requests = pipeline.files(), pipeline.tables(), pipeline.server.used
    assert pipeline.run(HOUR, limit=100) == 0
    assert pipeline.server.used == requests
    assert pipeline.files() == files
    assert pipeline.tables() == tables
    assert "already complete; nothing requested" in capsys.readouterr().out


IMPORTED = """\
import sys
from luigi.cmdline import luigi_run
try:
    luigi_run(["--module", "jobs", "RedditPipeline", *sys.argv[1:]])
finally:
    print(sorted({"boto3", "praw", "smart_open", "sqlalchemy"}.intersection(sys.modules)))
"""


def test_a_run_imports_no_large_library_that_it_does_not_use(pipeline: Pipeline) -> None:
    command = [sys.executable, "-c", IMPORTED, "--hour", HOUR, "--listings", '["new"]', "--limit", "100"]
    environment = os.environ | pipeline.environment()
    runs = [subprocess.check_output(command, cwd=PROJECT, env=environment, text=True) for _ in range(2)]
    assert [text.splitlines()[-1] for text in runs] == ["['praw']", "[]"]


def test_a_scheduler_s_moment_belongs_to_its_hour(pipeline: Pipeline, capsys: pytest.CaptureFixture[str]) -> None:
    assert pipeline.run(HOUR, limit=100) == 0
    for moment in ("2026-11-23T04:05:00Z", "2026-11-23T04:59Z", "2026-11-23T04:00:00.000Z"):
        assert pipeline.run(moment, limit=100) == 0
        assert f"Hour {HOUR} UTC, sandbox Reddit (invented data): already complete" in capsys.readouterr().out


def test_the_next_hour_updates_scores_and_adds_posts_with_none_twice(pipeline: Pipeline) -> None:
    pipeline.run(HOUR, limit=200)
    before = dict(pipeline.rows("SELECT post_id, score FROM reddit.posts"))
    assert pipeline.run(NEXT, limit=200) == 0
    after = dict(pipeline.rows("SELECT post_id, score FROM reddit.posts"))
    assert set(before) < set(after)
    assert any(before[post] != after[post] for post in before)
    assert pipeline.rows("SELECT count(*) - count(DISTINCT post_id) FROM reddit.posts") == [(0,)]
    assert pipeline.rows("SELECT count(*) FROM reddit.post_metrics") == [(400,)]


@pytest.mark.parametrize(
    "other",
    [{"subreddits": ("aws",)}, {"listings": ["top"]}, {"limit": 150}, {"listings": ["new", "hot"], "limit": 100}],
    ids=str,
)
def test_another_selection_in_the_same_hour_lands_whole(pipeline: Pipeline, other: dict[str, Any]) -> None:
    first = {"subreddits": ("python",), "listings": ["new"], "limit": 100}
    assert pipeline.run(HOUR, **first) == 0
    assert pipeline.run(HOUR, **first | other) == 0
    assert len(pipeline.receipts("load-*.json")) == 2
    wanted = first | other
    posts = {
        post["id"]
        for name in wanted["subreddits"]
        for listing in wanted["listings"]
        for post in _shown(pipeline, name, listing)[: wanted["limit"]]
    }
    assert posts <= {post for (post,) in pipeline.rows("SELECT post_id FROM reddit.posts")}


def _shown(pipeline: Pipeline, name: str, listing: str) -> list[dict[str, Any]]:
    shown = InventedReddit(lambda: pipeline.now).listing(name, listing)
    assert isinstance(shown, Listing)
    return [shown.post(place) for place in range(len(shown.ids))]


def test_the_report_counts_what_this_run_did(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SWEEP_HOURS", "1")
    pipeline.run("2026-11-23T03", limit=100)
    pipeline.run(HOUR, limit=100)
    capsys.readouterr()
    assert pipeline.run(HOUR, subreddits=["python", "aws"], limit=100) == 0
    report = capsys.readouterr().out
    before = "by an earlier run of this hour"
    # Both runs have the hour's looks at all 100 posts that were stored, and the listing of python.
    assert f"  posts         300 observations in 2 listings and looks, 200 of them {before}\n" in report
    assert "  new           100\n  updated       0\n  not newer     200\n" in report
    assert f"  looked again  100 of 100 known posts and comments, {before}\n" in report
    assert pipeline.run(HOUR, subreddits=["python", "aws"], limit=100) == 0
    assert "  new           0\n  updated       0\n  not newer     300\n" in capsys.readouterr().out


def test_the_report_has_the_looks_after_what_it_says_of_listings() -> None:
    read = Summary(records=2, rejects=0, verdict="ok", is_listing=True, truncated=2)
    done = {"due": 5, "done": 5, "absent": 0, "missed": 0}
    looks = Summary(records=5, rejects=0, verdict="ok", is_listing=False, coverage=done)
    private = Summary(records=0, rejects=0, verdict="private", is_listing=True)
    posts = EntityFacts(name="posts", extracts={"r/python new": read, "looks": looks, "r/x new": private}, loads=[])
    comments = EntityFacts(name="comments", extracts={"r/python comments": read}, loads=[])
    facts: dict[str, Any] = {
        "hour": datetime.fromisoformat(HOUR),
        "source": "sandbox",
        "was_complete": False,
        "requests": 9,
    }
    lines = list(text.lines(Facts(**facts, entities=[posts, comments], seconds=1.0)))
    names = [line[2:14].strip() for line in lines]
    assert names[names.index("time") + 1 :] == ["truncated", "skipped", "truncated", "looked again"]


def test_overlapping_listings_give_each_post_once(pipeline: Pipeline) -> None:
    assert pipeline.run(HOUR, listings=["new", "top", "hot"], limit=1000) == 0
    [transformed] = pipeline.receipts("transform-*.json")
    assert transformed["records"] == 3000
    assert pipeline.rows("SELECT count(*), count(DISTINCT post_id) FROM reddit.posts") == [(1000, 1000)]


def test_a_subreddit_that_is_not_given_gets_its_verdict_and_the_others_go_on(
    pipeline: Pipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    refused = ("private_example", "banned_example", "unknown_example")
    assert pipeline.run(HOUR, subreddits=(*refused, "python"), limit=100) == 0
    verdicts = {receipt["subreddit"]: receipt["verdict"] for receipt in pipeline.receipts("extract-*.json")}
    assert verdicts == {
        "private_example": "private",
        "banned_example": "banned",
        "unknown_example": "unknown",
        "python": "ok",
    }
    assert pipeline.rows("SELECT count(*) FROM reddit.posts") == [(100,)]
    assert "r/private_example new: private" in capsys.readouterr().out


def test_a_run_without_any_post_is_complete_and_says_zero(pipeline: Pipeline) -> None:
    assert pipeline.run(HOUR, subreddits=("private_example",)) == 0
    assert [receipt["objects"] for receipt in pipeline.receipts("transform-*.json")] == [[]]
    assert pipeline.rows("SELECT rows_staged FROM reddit.load_audit") == [(0,)]


@pytest.mark.parametrize(("hour", "rows"), [("2005-01-01T00", 0), ("2100-01-01T00", 50), ("9999-12-31T23", 0)], ids=str)
def test_the_sandbox_has_every_hour_since_reddit_began(pipeline: Pipeline, hour: str, rows: int) -> None:
    """A load refuses rows from the future, but not those of a run for a future hour. No post is of 2100 or later."""
    assert pipeline.run(hour, limit=50) == 0
    assert pipeline.rows("SELECT count(*), count(DISTINCT observed_at) FROM reddit.posts") == [(rows, min(rows, 1))]


def test_every_object_of_data_is_listed_by_one_receipt(pipeline: Pipeline) -> None:
    pipeline.run(HOUR, subreddits=("python", "aws"), limit=100)
    listed = [
        entry["key"]
        for receipt in pipeline.receipts("*.json")
        for entry in [*receipt.get("objects", []), *receipt.get("rejected", [])]  # type: ignore[misc]
    ]
    data = [name for name in pipeline.files() if not name.startswith("receipts/")]
    assert sorted(listed) == sorted(data)


class FailsFor:
    """The sandbox's content, but one subreddit is broken until it is mended."""

    def __init__(self, name: str, pipeline: Pipeline) -> None:
        self.name = name
        self.inner = InventedReddit(lambda: pipeline.now)
        self.broken = True

    def listing(self, subreddit: str, listing: str) -> Listing | Refusal:
        return Refusal(410) if self.broken and subreddit == self.name else self.inner.listing(subreddit, listing)

    def info(self, fullnames: list[str]) -> list[dict[str, Any]]:
        return list(self.inner.info(fullnames))


def test_an_extract_that_fails_keeps_the_others_and_the_next_run_catches_up(pipeline: Pipeline) -> None:
    content = FailsFor("aws", pipeline)
    pipeline.server.content = content
    assert pipeline.run(HOUR, subreddits=("python", "aws"), limit=100) == TASK_FAILED
    assert [receipt["subreddit"] for receipt in pipeline.receipts("extract-*.json")] == ["python"]
    content.broken = False
    assert pipeline.run(NEXT, subreddits=("python", "aws"), limit=100) == 0
    # What was extracted in the first hour is in the warehouse, each observation of it.
    assert pipeline.rows("SELECT count(*) FROM reddit.post_metrics WHERE date_part('hour', observed_at) = 4") == [
        (100,)
    ]
    assert pipeline.rows("SELECT hour, rows_staged FROM reddit.load_audit ORDER BY hour") == [(HOUR, 100), (NEXT, 200)]


def test_a_warehouse_down_for_three_hours_costs_no_post(
    make_pipeline: Callable[..., Pipeline], caplog: pytest.LogCaptureFixture
) -> None:
    hours = [f"2026-11-23T{hour:02}" for hour in range(4, 8)]
    calm, troubled = make_pipeline("calm"), make_pipeline("troubled")
    for hour in hours:
        assert calm.run(hour, limit=100) == 0
    troubled.warehouse.write_text("not a database")
    for count, hour in enumerate(hours[:3], start=1):
        caplog.clear()
        assert troubled.run(hour, limit=100) == MISCONFIGURED
        assert len(troubled.receipts("extract-*.json")) == len(troubled.receipts("transform-*.json")) == count
        assert not troubled.receipts("load-*.json")
        # That of this hour's load and of those of the hours before is the same.
        [failure] = [record for record in caplog.records if record.getMessage() == "task failed"]
        assert "WAREHOUSE_URL" in str(vars(failure)["error"])
    troubled.warehouse.unlink()
    assert troubled.run(hours[3], limit=100) == 0
    assert len(troubled.receipts("load-*.json")) == 4
    assert troubled.tables()["posts"] == calm.tables()["posts"]
    assert troubled.tables()["post_metrics"] == calm.tables()["post_metrics"]


def test_what_is_older_than_two_days_is_left_alone(pipeline: Pipeline) -> None:
    pipeline.warehouse.write_text("not a database")
    pipeline.run("2026-11-20T23", limit=100)
    pipeline.run("2026-11-21T04", limit=100)
    pipeline.warehouse.unlink()
    assert pipeline.run(HOUR, limit=100) == 0
    assert [hour for (hour,) in pipeline.rows("SELECT hour FROM reddit.load_audit ORDER BY hour")] == [
        "2026-11-21T04",
        HOUR,
    ]


@pytest.mark.parametrize("step", ["extract", "transform", "load"])
def test_a_run_that_ends_between_data_and_receipt_is_done_again(
    make_pipeline: Callable[..., Pipeline], monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    calm, broken = make_pipeline("calm"), make_pipeline("broken")
    calm.run(HOUR, limit=100)
    create = FolderLake.create

    def fail(lake: FolderLake, key: str, content: bytes) -> bool:
        if f"/{step}-" in key:
            raise LakeError("LAKE_URL: gone for a moment")
        return create(lake, key, content)

    with monkeypatch.context() as patch:
        patch.setattr(FolderLake, "create", fail)
        assert broken.run(HOUR, limit=100) == TASK_FAILED
    assert broken.run(HOUR, limit=100) == 0
    assert broken.tables() == calm.tables()


def test_two_runs_of_one_hour_at_once_both_end_well_with_nothing_twice(
    make_pipeline: Callable[..., Pipeline], run_luigi: Callable[..., Any]
) -> None:
    calm, shared = make_pipeline("calm"), make_pipeline("shared")
    calm.run(HOUR, subreddits=("python", "aws"), limit=200)
    runs = [run_luigi(shared, HOUR, subreddits=("python", "aws"), limit=200) for _ in range(3)]
    assert [process.wait(timeout=60) for process in runs] == [0, 0, 0]
    assert shared.tables() == calm.tables()


def _said(caplog: pytest.LogCaptureFixture, event: str) -> list[dict[str, Any]]:
    return [vars(record) for record in caplog.records if record.getMessage() == event]


def test_a_gap_is_reported(
    pipeline: Pipeline, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="jobs")
    place = Subreddit("python")
    posts_an_hour = 3600 // place.interval
    pipeline.run(HOUR, limit=posts_an_hour)
    pipeline.run("2026-11-23T10", limit=posts_an_hour)
    [_, later] = pipeline.receipts("extract-*.json")
    [first, _] = pipeline.receipts("extract-*.json")
    assert later["gap"] == [first["newest"], later["oldest"]]
    assert "were missed" in capsys.readouterr().out
    # An alarm counts them, whatever becomes of the rest of the run.
    assert [line["gaps"] for line in _said(caplog, "extracted")] == [0, 1]


def test_only_a_run_that_is_complete_says_so(pipeline: Pipeline, caplog: pytest.LogCaptureFixture) -> None:
    """An alarm rings when nobody has said it for some hours."""
    caplog.set_level("INFO", logger="jobs")
    pipeline.warehouse.write_text("not a database")
    assert pipeline.run(HOUR, limit=100) == MISCONFIGURED
    assert _said(caplog, "run complete") == []
    pipeline.warehouse.unlink()
    assert pipeline.run(HOUR, limit=100) == 0
    assert [line["hour"] for line in _said(caplog, "run complete")] == [HOUR]


def test_a_real_run_takes_nothing_of_the_sandbox_s_hour_for_its_own(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline.warehouse.write_text("not a database")
    assert pipeline.run("2026-11-23T03", limit=100) == MISCONFIGURED
    pipeline.warehouse.unlink()
    # The same hour again, as if this were Reddit: only a stand-in on this machine can answer a test.
    monkeypatch.setattr(Settings, "source", "reddit")
    asked = pipeline.server.used
    assert pipeline.run("2026-11-23T03", limit=100) == 0
    assert pipeline.server.used > asked
    assert pipeline.run(HOUR, limit=100) == 0
    assert pipeline.rows("SELECT DISTINCT source FROM reddit.posts") == [("reddit",)]
    assert {receipt["source"] for receipt in pipeline.receipts("extract-*.json")} == {"sandbox", "reddit"}


def test_a_warehouse_that_is_gone_is_filled_again(pipeline: Pipeline) -> None:
    pipeline.run(HOUR, limit=100)
    pipeline.run(NEXT, limit=100)
    before = pipeline.tables()
    pipeline.warehouse.unlink()
    asked = pipeline.server.used
    assert pipeline.run(NEXT, limit=100) == 0
    assert pipeline.server.used == asked
    assert pipeline.tables()["posts"] == before["posts"]
    assert pipeline.tables()["post_metrics"] == before["post_metrics"]


def test_another_warehouse_gets_what_the_lake_holds(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline.run(HOUR, limit=100)
    pipeline.run(NEXT, limit=100)
    before = pipeline.tables()
    other = pipeline.folder / "other.duckdb"
    monkeypatch.setattr(Pipeline, "warehouse", other)
    assert pipeline.run(NEXT, limit=100) == 0
    assert pipeline.tables()["posts"] == before["posts"]
    assert pipeline.tables()["post_metrics"] == before["post_metrics"]


def test_a_stranger_s_file_among_the_receipts_disturbs_no_run(pipeline: Pipeline) -> None:
    pipeline.run(HOUR, limit=100)
    for name in ("extract-posts-x.json", "extract-posts-.json", "extract-things-a-new-1.json", "x.txt"):
        (pipeline.lake / "receipts/dt=2026-11-23/hr=04" / name).write_text("what is this")
    assert pipeline.run(NEXT, limit=100) == 0


@pytest.mark.parametrize("content", ['{"v": 2}', "\x00\xff"], ids=repr)
@pytest.mark.parametrize("step", ["extract", "transform"])
def test_a_receipt_that_cannot_be_read_keeps_no_hour_from_being_extracted(
    pipeline: Pipeline, caplog: pytest.LogCaptureFixture, step: str, content: str
) -> None:
    assert pipeline.run(HOUR, limit=100) == 0
    [broken] = pipeline.lake.glob(f"receipts/**/{step}-*.json")
    broken.write_text(content)
    for later in ("transform", "load")[step == "transform" :]:
        [receipt] = pipeline.lake.glob(f"receipts/**/{later}-*.json")
        receipt.unlink()
    assert pipeline.run(NEXT, limit=100) == TASK_FAILED
    assert pipeline.rows("SELECT count(*) FROM reddit.load_audit WHERE hour = '2026-11-23T05'") == [(1,)]
    said = [str(vars(record)["error"]) for record in caplog.records if record.getMessage() == "task failed"]
    assert any(broken.name in line and "delete it to repeat the task" in line for line in said)
    assert not any("\n" in line for line in said)


@pytest.mark.parametrize(
    ("hour", "denied"), [(HOUR, "extract-"), (HOUR, "transform-"), (HOUR, "load-"), (NEXT, "transform-")], ids=str
)
def test_a_right_that_is_missing_on_a_receipt_is_no_matter_of_trying_again(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, hour: str, denied: str
) -> None:
    """A hole in a bucket's policy, say; root may read any file, so the lake is made to refuse."""
    assert pipeline.run(HOUR, limit=100) == 0
    # Else nobody asks for it.
    for later in {"extract-": ("transform", "load"), "transform-": ("load",)}.get(denied, ()):
        [receipt] = pipeline.lake.glob(f"receipts/**/{later}-*.json")
        receipt.unlink()
    read = FolderLake.read

    def refusing(lake: FolderLake, key: str) -> bytes | None:
        if f"/hr=04/{denied}" in key:
            raise ConfigurationError(f"LAKE_URL: {key}: AccessDenied: grant this role s3:GetObject")
        return read(lake, key)

    monkeypatch.setattr(FolderLake, "read", refusing)
    assert pipeline.run(hour, limit=100) == MISCONFIGURED
    # What the right is not needed for is done.
    audit = pipeline.rows("SELECT count(*) FROM reddit.load_audit WHERE hour = '2026-11-23T05'")
    assert audit == [(1 if hour == NEXT else 0,)]


class FullDisk(io.StringIO):
    def flush(self) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_report_that_cannot_be_printed_fails_no_run(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("sys.stdout", FullDisk())
        assert pipeline.run(HOUR, limit=100) == 0
