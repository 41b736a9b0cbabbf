"""The line that a terminal shows while a run works, and that nothing else gets."""

import io
import json
import logging
import os
import pty
import re
import signal
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import luigi
import pytest

from jobs.progress import Progress
from jobs.table import width
from jobs.terminal import Terminal, can_redraw
from reddit_etl.sandbox import server
from tests import PROJECT, commands
from tests.conftest import LUIGI_AT, Pipeline
from tests.test_process import HOUR, INTERRUPTED, Signposted

JOBS = "import runpy; runpy.run_module('jobs', run_name='__main__')"
LINE = re.compile(r"[^\r\n]+")


class Read(luigi.Task):
    name = luigi.Parameter()


class Load(Read):
    pass


class Tty:
    """A terminal, and all that was written to it."""

    def __init__(self, columns: int = 120) -> None:
        self.leader, self.follower = pty.openpty()
        self.resize(columns)
        self.written = b""
        self._more = threading.Condition()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        with suppress(OSError):  # Linux ends a terminal with EIO.
            while part := os.read(self.leader, 4096):
                with self._more:
                    self.written += part
                    self._more.notify()

    def wait_for(self, text: bytes) -> None:
        with self._more:
            assert self._more.wait_for(lambda: text in self.written, timeout=60), self.written

    def resize(self, columns: int) -> None:
        termios.tcsetwinsize(self.follower, (50, columns))

    def start(self, code: str, *words: str, **settings: str) -> "subprocess.Popen[bytes]":
        """A Python program on this terminal."""
        environment = os.environ | {"PYTHONPATH": str(PROJECT), "TERM": "xterm"} | settings
        streams = {"stdin": self.follower, "stdout": self.follower, "stderr": self.follower}
        command = [sys.executable, "-c", code, *words]
        return subprocess.Popen(command, cwd=PROJECT, env=environment, **streams)

    def end(self) -> None:
        """Wait for the end of all that writes to it."""
        os.close(self.follower)
        self._reader.join(timeout=60)
        os.close(self.leader)

    def lines(self) -> list[str]:
        """All texts that stood in a row, also those that were written over."""
        return [text.rstrip() for text in LINE.findall(self.written.decode()) if text.strip()]

    def screen(self) -> list[str]:
        """The rows that are shown in the end."""
        rows, place = [""], 0
        for one in self.written.decode():
            if one in "\r\n":
                rows, place = rows + [""] * (one == "\n"), 0
            else:
                assert one.isprintable(), f"{one!r} controls the terminal"
                rows[-1] = rows[-1][:place].ljust(place) + one + rows[-1][place + 1 :]
                place += 1
        return [row.rstrip() for row in rows]


@pytest.fixture
def tty() -> Iterator[Tty]:
    made = Tty()
    yield made
    with suppress(OSError):
        made.end()


def _luigi(tty: Tty, pipeline: Pipeline, *words: str, **settings: str) -> "subprocess.Popen[bytes]":
    code = LUIGI_AT.format(moment=pipeline.now)
    return tty.start(code, "--module=jobs", *words, **pipeline.environment(), **settings)


def _is_of_the_line(row: str) -> bool:
    return " tasks" in row or "waiting" in row


def test_a_run_shows_its_tasks_and_leaves_only_log_and_report(tty: Tty, pipeline: Pipeline) -> None:
    tty.resize(300)
    process = _luigi(tty, pipeline, "RedditPipeline", f"--hour={HOUR}", "--limit=300")
    tty.end()
    assert process.wait() == 0
    drawn = "\n".join(row for row in tty.lines() if _is_of_the_line(row))
    assert re.search(rf"^\d+/1\d tasks.* \| r/\w+ (new|comments) {HOUR} \| [\d,]+/300 (posts|comments)", drawn, re.M)
    shown = tty.screen()
    assert not any(_is_of_the_line(row) for row in shown)
    begins = {row.partition("  ")[0] for row in shown[: shown.index("")]}
    assert begins == {"extracted", "transformed", "loaded"}
    assert shown[shown.index("") + 1].startswith(f"Hour {HOUR} UTC")
    assert shown[-2:] == [f"run complete  hour={HOUR}", ""]


def test_a_wait_for_the_rate_limit_is_counted_down(
    tty: Tty, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    def count(reddit: server.RedditServer) -> float:
        reddit.used += 1
        return server.WINDOW - 2

    # The login and the first page use up what is allowed, and two seconds of the window are left.
    monkeypatch.setattr(server, "ALLOWED", 2)
    monkeypatch.setattr(server.RedditServer, "count", count)
    words = ("--hour=2026-11-23T04", '--subreddits=["python"]', '--listings=["new"]', "--limit=200")
    process = _luigi(tty, pipeline, "RedditPipeline", *words)
    tty.end()
    assert process.wait() == 0
    waits = [row for row in tty.lines() if row.startswith("waiting")]
    assert all(row.startswith(f"waiting {row.split()[1]} s for Reddit's rate limit | 0/4 tasks") for row in waits)
    assert all("| r/python new 2026-11-23T04 | 100/200 posts" in row for row in waits)
    assert {row.split()[1] for row in waits} == {"1", "2"}
    assert not any(_is_of_the_line(row) for row in tty.screen())


def test_ctrl_c_removes_the_line(tty: Tty, pipeline: Pipeline) -> None:
    content = Signposted(pipeline, hold_at=150)
    pipeline.server.content = content
    process = _luigi(tty, pipeline, "RedditPipeline", f"--hour={HOUR}", '--listings=["new"]')
    tty.wait_for(b" tasks | r/")
    # The terminal shows ^C, and would send the signal to the shell's processes.
    os.write(tty.leader, b"\x03")
    tty.wait_for(b"^C")
    process.send_signal(signal.SIGINT)
    tty.end()
    assert process.wait() == INTERRUPTED
    content.release.set()
    assert tty.screen() == ["warning: stopped; committed work is kept, the next run does the rest", ""]


def test_off_a_terminal_there_are_lines_of_json_alone(pipeline: Pipeline) -> None:
    words = ("--module=jobs", "RedditPipeline", f"--hour={HOUR}", "--limit=100")
    code, environment = LUIGI_AT.format(moment=pipeline.now), os.environ | pipeline.environment()
    ended = commands.run("-c", code, *words, env=environment)
    assert ended.returncode == 0
    assert {json.loads(row)["event"] for row in ended.stderr.splitlines()} >= {"extracted", "loaded", "run complete"}
    assert "\r" not in ended.stderr + ended.stdout


@pytest.mark.parametrize(
    ("words", "drawn"),
    [
        (("reconcile", "--first", HOUR, "--last", HOUR), "reconcile | 0"),
        (("forget", "t3_abc", "--prove"), "forget --prove | 0"),
        (("export", "posts", "--output", "posts.csv"), "write csv | 0"),
    ],
)
def test_a_long_command_shows_the_line(tty: Tty, pipeline: Pipeline, words: tuple[str, ...], drawn: str) -> None:
    assert pipeline.run(HOUR, limit=100) == 0
    words = tuple(str(pipeline.folder / word) if word == "posts.csv" else word for word in words)
    process = tty.start(JOBS, *words, **pipeline.environment())
    tty.end()
    assert process.wait() == 0
    assert any(row.startswith(drawn) for row in tty.lines())
    result = {
        "reconcile": "reconciled  first=",
        "forget": "t3_abc: nothing found in ",
        "export": "100 rows written to ",
    }
    shown = [row for row in tty.screen() if row.startswith(result[words[0]])]
    assert len(shown) == 1
    # Nothing of the line is left.
    assert not any(row.startswith(drawn.partition(" |")[0] + " |") for row in tty.screen())


@contextmanager
def terminal_on(tty: Tty, text: str) -> Iterator[tuple[Terminal, logging.Logger]]:
    """A terminal in this process, with this line."""
    log = logging.Logger("of the test")
    handler = Terminal(os.fdopen(os.dup(tty.follower), "w"), lambda: text)
    log.addHandler(handler)
    yield handler, log
    handler.close()
    handler.stream.close()


def test_log_lines_stand_above_the_line(tty: Tty) -> None:
    with terminal_on(tty, "3/14 tasks") as (terminal, log):
        log.warning("before it is shown")
        terminal.show()
        # The terminal writes this itself.
        os.write(tty.follower, b"^C")
        log.warning("first")
        log.warning("longer than the line")
        with terminal.hidden():
            os.write(tty.follower, b"the report\n")
        log.warning("last")
    tty.end()
    assert tty.screen() == ["before it is shown", "first", "longer than the line", "the report", "last", ""]
    assert tty.lines().count("3/14 tasks") >= 3


@pytest.mark.parametrize(
    ("columns", "drawn"),
    [
        (1, ""),
        (3, ""),
        (4, "r"),
        (9, "r/日本"),
        (10, "r/日本"),
        (11, "r/日本語"),
        (18, "r/日本語 | 😀"),
        (0, "r/日本語 | 😀"),
    ],
)
def test_the_line_is_cut_to_its_row(tty: Tty, columns: int, drawn: str) -> None:
    tty.resize(columns)
    with terminal_on(tty, "r/日本語 | 😀") as (terminal, log):
        terminal.show()
        log.warning("-")
    tty.end()
    assert {row for row in tty.lines() if row != "-"} == ({drawn} if drawn else set())
    # The cursor behind it, and ^C, must stay in the row.
    assert max(map(width, LINE.findall(tty.written.decode()))) < (columns or 80) or not drawn
    assert tty.screen() == ["-", ""]


def test_after_a_resize_the_line_is_cut_anew(tty: Tty) -> None:
    with terminal_on(tty, "3/14 tasks | r/python new") as (terminal, log):
        for columns in (20, 30, 13):
            tty.resize(columns)
            terminal.show()
            log.warning("-")
    tty.end()
    assert [row for row in tty.lines() if row != "-"] == [
        "3/14 tasks | r/py",
        "3/14 tasks | r/py",
        "3/14 tasks | r/python new",
        "3/14 tasks",
    ]


def test_a_terminal_that_was_closed_is_left_alone() -> None:
    leader, follower = pty.openpty()
    with os.fdopen(follower, "w") as stream:
        terminal = Terminal(stream, lambda: "3/14 tasks")
        terminal.show()
        os.close(leader)
        with pytest.raises(OSError, match="Input/output"):
            os.write(follower, b"-")
        with terminal.hidden():
            pass
        terminal.show()
        terminal.close()


@pytest.mark.parametrize(("term", "can"), [("xterm", True), ("dumb", False)])
def test_only_a_terminal_that_can_redraw_gets_the_line(
    tty: Tty, monkeypatch: pytest.MonkeyPatch, term: str, can: bool
) -> None:
    monkeypatch.setenv("TERM", term)
    with os.fdopen(os.dup(tty.follower), "w") as stream:
        assert can_redraw(stream) is can
    assert not can_redraw(io.StringIO())


class Clock:
    """Seconds, as the test sets them."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Run:
    """A run of four tasks of one kind and two of another, with a clock."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.progress = Progress(self.clock)
        self.reads = [Read(name=f"r/{name}") for name in "abcd"]
        self.loads = [Load(name=name) for name in "ab"]
        for task in self.loads:
            for needed in self.reads:
                self.progress._discovered(task, needed)

    def do(self, task: luigi.Task, seconds: float, *, fails: bool = False) -> None:
        self.progress._started(task)
        self.clock.now += seconds
        if fails:
            self.progress._failed(task, ValueError())
        else:
            self.progress._succeeded(task)


@pytest.fixture
def run() -> Run:
    return Run()


def test_time_left_comes_from_the_tasks_that_are_done(run: Run) -> None:
    assert run.progress.text() == "0/6 tasks"
    run.do(run.reads[0], 10)
    # Three tasks like that, and two of which nothing is known.
    assert run.progress.text() == "1/6 tasks, at least 30 s left"
    run.do(run.reads[1], 20)
    run.progress._started(run.reads[2])
    run.clock.now += 5
    assert run.progress.text() == "2/6 tasks, at least 25 s left | Read(name=r/c) | 5 s"
    run.clock.now += 200
    # It takes longer than the others, but cannot have less than nothing left.
    assert run.progress.text() == "2/6 tasks, at least 15 s left | Read(name=r/c) | 3 min"
    run.progress._succeeded(run.reads[2])
    run.do(run.reads[3], 5)
    # Nothing like what is left is done.
    assert run.progress.text() == "4/6 tasks"
    run.do(run.loads[0], 3600 * 3)
    assert run.progress.text() == "5/6 tasks, 3.0 h left"
    run.do(run.loads[1], 1)
    assert run.progress.text() == "6/6 tasks"


def test_tasks_that_were_complete_are_not_counted_and_those_that_failed_are(run: Run) -> None:
    run.progress.tasks.omit(run.reads[0])
    run.progress._discovered(run.loads[0], run.reads[0])
    run.do(run.reads[1], 1, fails=True)
    run.do(run.reads[2], 4)
    # One that was added while another was run.
    run.progress._discovered(run.loads[0], Read(name="r/e"))
    assert run.progress.text() == "1/6 tasks, 1 failed, at least 8 s left"


def test_what_is_read_has_a_rate_over_all_tasks_of_the_run(run: Run) -> None:
    for task in run.reads[:2]:
        run.progress._started(task)
        run.progress.expect(1000, "posts")
        run.clock.now += 0.8
        run.progress.add(100)
        assert run.progress.text().endswith("| 100/1,000 posts") or task is not run.reads[0]
        last = run.progress.text()
        run.progress._succeeded(task)
    assert last.endswith("| Read(name=r/b) | 100/1,000 posts, 125/s")
    run.progress._started(run.reads[2])
    run.progress.expect(None, "comments")
    run.progress.add(3)
    run.clock.now += 2
    assert run.progress.text().endswith("| 3 comments, 1.5/s")


def test_a_wait_comes_first_and_counts_as_time_left(run: Run) -> None:
    run.do(run.reads[0], 10)
    run.progress._started(run.reads[1])
    run.progress.wait(0.5, "Reddit's rate limit")
    assert "waiting" not in run.progress.text()
    run.progress.wait(42, "Reddit's rate limit")
    run.clock.now += 2.5
    assert run.progress.text().startswith("waiting 40 s for Reddit's rate limit | 1/6 tasks, at least 67 s left | ")
    run.clock.now += 39.5
    assert run.progress.text().startswith("1/6 tasks")


def test_a_single_task_has_the_time_left_of_what_it_works_through() -> None:
    clock = Clock()
    progress = Progress(clock)
    with progress.showing("reconcile"):
        progress.expect(48, "hours")
        clock.now += 6
        assert progress.text() == "reconcile | 0/48 hours"
        progress.reach(12)
        assert progress.text() == "reconcile | 12/48 hours, 2.0/s, 18 s left"
        progress.reach(60)
        assert progress.text() == "reconcile | 60/48 hours, 10/s"
