"""Luigi's own ways to start work: a range of hours, a central scheduler, a name that is no task's."""

import subprocess
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from luigi.retcodes import run_with_retcodes

from jobs import resources
from jobs.settings import Settings
from jobs.task import ReceiptTarget
from reddit_etl.lake.layout import receipt_key
from reddit_etl.lake.receipts import Published
from tests import PROJECT, commands
from tests.conftest import Pipeline, forget_run

DAY = "2024-11-23"
NOON = "1732363200"  # Of that day, for Luigi.
MISCONFIGURED = 78
RANGE = ("RangeHourly", "--of", "RedditPipeline", "--now", NOON)
SELECTION = ("--of-params", '{"subreddits": ["python"], "listings": ["new"], "limit": 100}')


def run_range(pipeline: Pipeline, first: str, last: str) -> int:
    for name, value in pipeline.environment().items():
        pipeline.monkeypatch.setenv(name, value)
    forget_run()
    span = ("--start", f"{DAY}T{first}", "--stop", f"{DAY}T{last}")
    with pytest.raises(SystemExit) as end:
        run_with_retcodes(["--module", "jobs", *RANGE, *SELECTION, *span])
    return int(end.value.code or 0)


def loaded(pipeline: Pipeline) -> list[str]:
    return [str(hour)[-2:] for (hour,) in pipeline.rows("SELECT hour FROM reddit.load_audit ORDER BY hour")]


def test_a_range_runs_the_sandbox_s_hours_once_and_loads_them_into_a_warehouse_that_is_gone(pipeline: Pipeline) -> None:
    assert run_range(pipeline, "04", "07") == 0
    assert loaded(pipeline) == ["04", "05", "06"]
    files, tables, asked = pipeline.files(), pipeline.tables(), pipeline.server.used
    assert run_range(pipeline, "04", "07") == 0
    assert pipeline.files() == files
    pipeline.warehouse.unlink()
    assert run_range(pipeline, "04", "07") == 0
    assert {name: pipeline.tables()[name] for name in ("posts", "post_metrics")} == {
        name: tables[name] for name in ("posts", "post_metrics")
    }
    assert pipeline.server.used == asked


def test_what_another_process_did_while_a_range_was_listed_is_no_error(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in pipeline.environment().items():
        monkeypatch.setenv(name, value)
    forget_run()
    hour = datetime.fromisoformat(f"{DAY}T04:00")
    key = receipt_key("publish", "posts", hour, "a-selection")
    assert resources.receipts(hour).all == []
    made = Published(entity="posts", hour=f"{DAY}T04", attempt="x", committed_at="x", location=None)
    assert resources.lake().create(key, made.to_json())
    # The next hour of the range sees it.
    assert resources.receipts(hour + timedelta(hours=1)).has(key)
    assert ReceiptTarget(hour, key, Published).read() == made


def test_a_range_loads_what_was_read_of_reddit_and_names_the_hours_that_nobody_read(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    # Only a stand-in on this machine can answer a test.
    monkeypatch.setattr(Settings, "source", "reddit")
    pipeline.warehouse.write_text("not a database")
    assert pipeline.run(f"{DAY}T04", limit=100) == MISCONFIGURED
    assert pipeline.run(f"{DAY}T07", limit=100) == MISCONFIGURED
    pipeline.warehouse.unlink()
    asked = pipeline.server.used
    assert run_range(pipeline, "03", "09") == 0
    assert pipeline.server.used == asked
    assert loaded(pipeline) == ["04", "07"]
    [line] = [vars(record) for record in caplog.records if "skipped" in record.getMessage()]
    assert line["msg"] == "hours skipped that were not extracted at the time: Reddit's listings have no history"
    assert line["hours"] == f"{DAY}T03, {DAY}T05 to {DAY}T06, {DAY}T08"


def test_an_hour_of_a_range_that_fails_ends_it_with_its_code(pipeline: Pipeline) -> None:
    pipeline.warehouse.write_text("not a database")
    assert run_range(pipeline, "04", "06") == MISCONFIGURED
    assert len(pipeline.receipts("transform-*.json")) == 2


def _luigi(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return commands.run("-m", "luigi", "--module", "jobs", *arguments, cwd=folder)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "luigi.cfg").write_text((PROJECT / "luigi.cfg").read_text())
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (RANGE, "At least one of start and stop needs to be specified"),
        (
            (*RANGE, "--start", f"{DAY}T05", "--stop", f"{DAY}T04"),
            "Can't have start > stop",
        ),
        ((*RANGE, "--start", DAY), f"--start: '{DAY}' is not valid: use a UTC hour such as"),
        ((*RANGE, "--start", "2020-01-01T00"), "--start is more than 2400 hours ago: add a larger --hours-back"),
        ((*RANGE, "--start", "2024-11-20T00"), "--task-limit is 50, and 84 hours are incomplete: raise it"),
        ((*RANGE, "--start", f"{DAY}T04", "--of-params", '{"limits": 5}'), "--of-params"),
        ((*RANGE, "--start", f"{DAY}T04", "--of-params", '{"limit": 0}'), "--limit is 0"),
        ((*RANGE, "--start", f"{DAY}T04", "--of-params", '{"limit": "9"}'), "--of-params has a string"),
        (("RangeHourly", "--of", "Extract", "--start", f"{DAY}T04"), "--of is Extract: use RedditPipeline"),
        (("RedditPipeline", "--scheduler-host", "luigid.example.com"), "a central scheduler is not supported"),
        (("RedditPipeline", "--scheduler-port", "80"), "a central scheduler is not supported"),
        ((*RANGE, "--scheduler-url", "http://127.0.0.1:1/"), "a central scheduler is not supported"),
        ((*RANGE, "--start", f"{DAY}T04", "--of-params", "x"), "--of-params: 'x' is not valid: use a JSON object"),
        (("ForgetRequest",), "--names is not set: ForgetRequest needs it"),
        (("Load", "--hour", f"{DAY}T04"), "--extracts is not set: Load needs it"),
        (("RedditPipelin",), "No task RedditPipelin. Did you mean: RedditPipeline"),
        (
            ("RangeHourly", "--of", "Pipeline", "--start", f"{DAY}T04"),
            "--of: 'Pipeline' is not valid: use RedditPipeline",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_what_luigi_would_not_do_is_one_line(folder: Path, arguments: tuple[str, ...], says: str) -> None:
    done = _luigi(folder, *arguments)
    assert (done.returncode, done.stdout) == (MISCONFIGURED, ""), done.stderr
    [line] = done.stderr.splitlines()
    assert says in line
    assert "raceback" not in line
    assert not (folder / "data").exists()


def test_a_range_of_days_is_refused(folder: Path) -> None:
    done = _luigi(folder, "RangeDaily", "--of", "RedditPipeline", "--now", NOON, "--start", "2024-11-20")
    assert done.returncode == MISCONFIGURED
    assert "RedditPipeline runs by the hour: use RangeHourly" in done.stderr
    assert "raceback" not in done.stderr


@pytest.mark.parametrize("task", [("RedditPipeline",), (*RANGE, "--start", f"{DAY}T04")], ids=" ".join)
def test_a_file_that_asks_for_a_central_scheduler_is_refused_before_one_is_looked_for(
    folder: Path, task: tuple[str, ...]
) -> None:
    text = (folder / "luigi.cfg").read_text()
    (folder / "luigi.cfg").write_text(text.replace("local_scheduler=true\n", ""))
    done = _luigi(folder, *task)
    assert done.returncode == MISCONFIGURED
    assert "a central scheduler is not supported: set local_scheduler=true in luigi.cfg's [core]" in done.stderr
