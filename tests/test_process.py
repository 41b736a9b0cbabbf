"""How the process ends: by a signal at any moment, and with its own exit code; and what it says meanwhile."""

import json
import logging
import multiprocessing
import random
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from subprocess import TimeoutExpired
from typing import Any

import pytest

from jobs import process
from jobs.process import LineFormatter
from reddit_etl.sandbox import server
from reddit_etl.sandbox.content import InventedReddit
from reddit_etl.sandbox.server import Listing, Refusal
from tests.commands import Command
from tests.conftest import Pipeline

HOUR = "2026-11-23T04"
SELECTION: dict[str, Any] = {"subreddits": ["python", "aws", "golang"], "limit": 300}
TERMINATED = 143
INTERRUPTED = 130
MISCONFIGURED = 78

Start = Callable[..., Command]


class Signposted:
    """The sandbox's content, which tells when it is first asked, and can hold the answer to a page back."""

    def __init__(self, pipeline: Pipeline, *, hold_at: int | None = None) -> None:
        self.inner = InventedReddit(lambda: pipeline.now)
        self.hold_at = hold_at
        self.asked = threading.Event()
        self.release = threading.Event()

    def listing(self, subreddit: str, listing: str) -> Listing | Refusal:
        shown = self.inner.listing(subreddit, listing)
        assert isinstance(shown, Listing)
        if self.hold_at is None:
            self.asked.set()

        def post(place: int) -> dict[str, Any]:
            if place == self.hold_at:
                self.asked.set()
                self.release.wait(timeout=60)
            return shown.post(place)

        return Listing(shown.ids, post)

    def info(self, fullnames: list[str]) -> list[dict[str, Any]]:
        return list(self.inner.info(fullnames))


def _unlisted(pipeline: Pipeline) -> list[Path]:
    """The files of the lake that no receipt lists."""
    listed = {
        entry["key"]
        for receipt in pipeline.receipts("*.json")
        for entry in [*receipt.get("objects", []), *receipt.get("rejected", [])]  # type: ignore[misc]
    }
    files = (path for path in pipeline.lake.rglob("*") if path.is_file() and "receipts" not in path.parts)
    return [path for path in files if path.relative_to(pipeline.lake).as_posix() not in listed]


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGTERM, TERMINATED), (signal.SIGINT, INTERRUPTED)])
def test_a_stop_in_mid_extraction_leaves_nothing_half_done(
    make_pipeline: Callable[..., Pipeline], run_luigi: Start, sent: signal.Signals, code: int
) -> None:
    calm, stopped = make_pipeline("calm"), make_pipeline("stopped")
    calm.run(HOUR, **SELECTION)
    content = Signposted(stopped, hold_at=150)
    stopped.server.content = content
    process = run_luigi(stopped, HOUR, **SELECTION)
    assert content.asked.wait(timeout=60)
    process.send_signal(sent)
    assert process.wait(timeout=10) == code
    content.release.set()
    assert "Traceback" not in process.stdout.read()
    assert not stopped.lake.exists() or not any(path.is_file() for path in stopped.lake.rglob("*"))
    stopped.server.content = InventedReddit(lambda: stopped.now)
    assert stopped.run(HOUR, **SELECTION) == 0
    assert stopped.tables() == calm.tables()


@pytest.mark.slow
def test_after_a_kill_at_any_moment_the_next_run_ends_in_the_same_tables(
    make_pipeline: Callable[..., Pipeline], run_luigi: Start
) -> None:
    calm = make_pipeline("calm")
    content = Signposted(calm)
    calm.server.content = content
    process = run_luigi(calm, HOUR, **SELECTION)
    assert content.asked.wait(timeout=60)
    begun = time.monotonic()
    assert process.wait(timeout=60) == 0
    working = time.monotonic() - begun
    states = set()
    for number in range(12):
        killed = make_pipeline(f"killed-{number}")
        content = Signposted(killed)
        killed.server.content = content
        process = run_luigi(killed, HOUR, **SELECTION)
        assert content.asked.wait(timeout=60)
        try:
            process.wait(timeout=random.uniform(0, working))
        except TimeoutExpired:
            process.kill()
        process.wait()
        states.add((len(killed.receipts("*.json")), killed.warehouse.exists()))
        for orphan in _unlisted(killed):
            orphan.write_bytes(b"whoever reads this fails")
        assert killed.run(HOUR, **SELECTION) == 0
        assert killed.tables() == calm.tables(), f"killed with {len(killed.receipts('*.json'))} receipts"
    # The moments were not all alike.
    assert len(states) >= 3


def test_secrets_appear_in_no_byte_that_a_run_writes(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], caplog: Any
) -> None:
    secrets = {"REDDIT_CLIENT_ID": "MARKED-id-51", "REDDIT_CLIENT_SECRET": "MARKED-secret-52"}
    for name, value in (secrets | {"REDDIT_USER_AGENT": "linux:reddit-etl:1 (by /u/somebody)"}).items():
        monkeypatch.setenv(name, value)
    caplog.set_level(logging.DEBUG)
    assert pipeline.run(HOUR, limit=100) == 0
    monkeypatch.setattr(server._Handler, "_login", lambda _: False)
    assert pipeline.run("2026-11-23T05", limit=100) != 0
    told = "".join(capfd.readouterr()) + caplog.text + "".join(str(vars(record)) for record in caplog.records)
    written = b"".join(pipeline.files().values()) + pipeline.warehouse.read_bytes()
    for secret in secrets.values():
        assert secret not in told
        assert secret.encode() not in written


def _record(**fields: object) -> logging.LogRecord:
    return logging.makeLogRecord({"msg": "extracted", "levelno": logging.INFO, "levelname": "INFO", **fields})


def test_off_a_terminal_each_event_is_a_line_of_json() -> None:
    line = LineFormatter(words=False).format(_record(records=3, subreddit="python"))
    said = json.loads(line)
    assert (said["event"], said["records"], said["subreddit"], said["level"]) == ("extracted", 3, "python", "info")
    assert "\n" not in line


def test_on_a_terminal_each_event_is_a_line_of_words() -> None:
    assert LineFormatter(words=True).format(_record(records=3)) == "extracted  records=3"
    failed = _record(msg="task failed", levelno=logging.ERROR, levelname="ERROR", task="Load", error="LAKE_URL: no")
    assert LineFormatter(words=True).format(failed) == "error: task failed: LAKE_URL: no  task=Load"


def test_an_error_is_logged_once_and_the_last_line_names_it(pipeline: Pipeline, run_luigi: Start) -> None:
    pipeline.warehouse.write_text("not a database")
    assert pipeline.run(HOUR, limit=100) == MISCONFIGURED
    process = run_luigi(pipeline, "2026-11-23T05", subreddits=["python"], limit=100)
    assert process.wait(timeout=60) == MISCONFIGURED
    lines = [json.loads(line) for line in process.stdout.read().splitlines()]
    [failed] = [line for line in lines if line["event"] == "task failed"]
    assert failed["error"].startswith("WAREHOUSE_URL: ")
    last = {name: lines[-1][name] for name in ("level", "event", "error", "task", "failed", "not_run")}
    # The loads of both hours, and what needs them.
    known = {"level": "error", "event": "run failed", "failed": 2, "not_run": 1}
    assert last == known | {name: failed[name] for name in ("error", "task")}
    assert failed["task"].startswith("Load(")


def test_a_traceback_that_luigi_puts_into_its_message_becomes_one_line() -> None:
    message = (
        "Will not run X due to error in complete() method:\nTraceback (most recent call last):\n  File\nLakeError: no"
    )
    said = json.loads(LineFormatter(words=False).format(_record(msg=message)))
    assert said["event"] == "Will not run X due to error in complete() method"
    assert said["error"] == "LakeError: no"


def test_a_container_without_shared_memory_runs_the_pipeline(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(multiprocessing, "Queue", refuse)
    process._do_without_shared_memory()
    assert pipeline.run(HOUR, limit=100) == 0
