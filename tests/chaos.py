"""Hours of runs that are killed and overlap, on a warehouse file that is removed, restored and half made again.

    python -m tests.chaos --hours 30 --seeds 20

After the last fault one run of the last hour must make the warehouse whole. What it must hold follows from the
sandbox's posts alone: each in its newest state, once, and each observation, once. A seed repeats the same faults,
though not to the millisecond.
"""

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from multiprocessing import Pipe
from pathlib import Path

import duckdb
from luigi.retcodes import run_with_retcodes

from jobs import resources
from reddit_etl.sandbox.content import InventedReddit
from reddit_etl.sandbox.server import Listing, RedditServer
from tests import NO_LOOKS

FIRST = datetime(2026, 11, 20, 4)  # noqa: DTZ001
MINUTE = timedelta(minutes=17)
SUBREDDITS = ("python", "aws")
POSTS = 100  # Of each subreddit in each hour.
KILLED = -signal.SIGKILL
TASK_FAILED, MISCONFIGURED = 30, 78
LONGEST_RUN = 0.6  # Seconds until a kill, at most; most runs take less.


def run(folder: Path, url: str, hour: datetime) -> None:
    """Run the main job in this process, then exit."""
    log = os.open(folder / "log", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.dup2(log, 1)
    os.dup2(log, 2)
    # What the embedded defaults would be, without looks: the witness knows what the listings show.
    os.environ |= NO_LOOKS | {
        "LAKE_URL": f"{folder}/lake",
        "WAREHOUSE_URL": f"duckdb:///{folder}/warehouse.duckdb",
        "REDDIT_URL": url,
    }
    resources.clock = lambda then: lambda: then + MINUTE
    code = 0
    try:
        run_with_retcodes(
            [
                *("--module", "jobs", "RedditPipeline", "--hour", f"{hour:%Y-%m-%dT%H}"),
                *("--subreddits", json.dumps(SUBREDDITS), "--limit", str(POSTS)),
            ]
        )
    except SystemExit as end:
        code = int(end.code or 0)
    finally:
        os._exit(code)


@contextmanager
def reddits(hours: list[datetime]) -> Iterator[list[str]]:
    """The URL of each hour's Reddit. They are served by another process, so that this one can fork."""
    here, there = Pipe()
    child = os.fork()
    if not child:
        servers = [RedditServer(InventedReddit(lambda hour=hour: hour + MINUTE)) for hour in hours]
        for server in servers:
            server.start()
        there.send([server.url for server in servers])
        signal.pause()
        os._exit(0)
    try:
        yield here.recv()
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


class Chaos:
    def __init__(self, seed: int, folder: Path, hours: list[datetime], urls: list[str]) -> None:
        self.dice = random.Random(seed)
        self.folder, self.hours, self.urls = folder, hours, urls
        self.warehouse = folder / "warehouse.duckdb"
        self.log = folder / "warehouse.duckdb.wal"
        self.counts: Counter[str] = Counter()

    def start(self, number: int) -> int:
        self.counts["runs"] += 1
        child = os.fork()
        if not child:
            run(self.folder, self.urls[number], self.hours[number])
        return child

    def end(self, child: int) -> int:
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        self.counts[f"exit {code}"] += 1
        return code

    def chance(self, share: float) -> bool:
        return self.dice.random() < share

    def pause(self) -> None:
        time.sleep(self.dice.random() * LONGEST_RUN)

    def play(self) -> list[str]:
        """Run all hours; gives the differences from the expected tables."""
        for number in range(len(self.hours)):
            self.hour(number)
        for number, hour in enumerate(self.hours):
            # A listing that every run was killed before it had it: a scheduler tries again.
            posts = f"lake/receipts/{hour:dt=%Y-%m-%d/hr=%H}/extract-posts-*.json"
            if len(list(self.folder.glob(posts))) < len(SUBREDDITS):
                self.until_done(number)
        self.choose(FAULTS)(self)
        self.until_done(len(self.hours) - 1)
        return self.wrong()

    def hour(self, number: int) -> None:
        for faults, share in ((FAULTS, 0.35), (LAKE_FAULTS, 0.1)):
            if self.chance(share):
                self.choose(faults)(self)
        before = [self.dice.randrange(number)] if number and self.chance(0.3) else []
        children = [self.start(which) for which in (number, *[number] * self.chance(0.3), *before)]
        if self.chance(0.15):
            self.pause()
            self.choose(FAULTS)(self)
        for child in children:
            if self.chance(0.4):
                self.pause()
                with suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
                    self.counts["kills"] += 1
        codes = [self.end(child) for child in children]
        self.clear_up(codes)
        if 0 in codes and not self.log.exists() and self.warehouse.exists():
            shutil.copy(self.warehouse, self.folder / f"copy-{self.dice.randrange(5)}")

    def choose(self, faults: "tuple[Fault, ...]") -> "Fault":
        fault = self.dice.choice(faults)
        self.counts[fault.__name__] += 1
        return fault

    def until_done(self, number: int) -> None:
        """Run an hour without faults until it succeeds; files that the error message names for removal are removed."""
        for _ in range(2):
            code = self.end(self.start(number))
            if code == 0:
                return
            self.clear_up([code])
        raise AssertionError(f"the run of {self.hours[number]} ended with {code}: see {self.folder}/log")

    def clear_up(self, codes: list[int]) -> None:
        strange = set(codes) - {0, KILLED, TASK_FAILED, MISCONFIGURED}
        assert not strange, f"exit codes {strange}: see {self.folder}/log"
        if MISCONFIGURED in codes:
            said = (self.folder / "log").read_text()
            assert f"{self.log} is " in said, f"misconfigured without a reason: see {self.folder}/log"
            self.log.unlink(missing_ok=True)

    def wrong(self) -> list[str]:
        newest: dict[str, tuple[object, ...]] = {}
        seen = set()
        for hour in self.hours:
            for name in SUBREDDITS:
                listing = InventedReddit(lambda hour=hour: hour + MINUTE).listing(name, "new")
                assert isinstance(listing, Listing)
                for post in map(listing.post, range(POSTS)):
                    state = (post["id"], hour + MINUTE, post["score"], post["num_comments"])
                    first = newest[post["id"]][4] if post["id"] in newest else hour + MINUTE
                    newest[post["id"]] = (*state, first)
                    seen.add(state)
        with duckdb.connect(str(self.warehouse), read_only=True) as connection:
            columns = "post_id, observed_at, score, num_comments"
            posts = connection.sql(f"SELECT {columns}, first_observed_at FROM reddit.posts").fetchall()
            metrics = connection.sql(f"SELECT {columns} FROM reddit.post_metrics").fetchall()
            loads = connection.sql("SELECT load_id FROM reddit.load_audit").fetchall()
        return [
            f"{name}: {len(found)} rows, {len(set(found) ^ expected)} of them or of those expected are wrong"
            for name, found, expected in (
                ("posts", posts, set(newest.values())),
                ("post_metrics", metrics, seen),
                ("load_audit", loads, set(loads)),
            )
            if len(found) != len(expected) or set(found) != expected
        ]


Fault = Callable[[Chaos], None]


def remove(chaos: Chaos) -> None:
    chaos.warehouse.unlink(missing_ok=True)
    if chaos.chance(0.7):
        chaos.log.unlink(missing_ok=True)


def restore(chaos: Chaos) -> None:
    """Restore an older copy, atomically; sometimes the write-ahead log is left behind."""
    copies = sorted(chaos.folder.glob("copy-*"))
    if copies:
        new = shutil.copy(chaos.dice.choice(copies), chaos.folder / "new")
        Path(new).replace(chaos.warehouse)
        if chaos.chance(0.7):
            chaos.log.unlink(missing_ok=True)


def leave_half_made(chaos: Chaos) -> None:
    """Remove the file, and kill a run while it fills a new one."""
    remove(chaos)
    child = chaos.start(chaos.dice.randrange(len(chaos.hours)) if chaos.chance(0.2) else 0)
    chaos.pause()
    with suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
    chaos.clear_up([chaos.end(child)])


def leave_empty(chaos: Chaos) -> None:
    chaos.warehouse.unlink(missing_ok=True)
    chaos.log.unlink(missing_ok=True)
    duckdb.connect(str(chaos.folder / "empty")).close()
    (chaos.folder / "empty").replace(chaos.warehouse)


def lose_curated(chaos: Chaos) -> None:
    objects = sorted(chaos.folder.glob("lake/curated/**/*.parquet"))
    if objects:
        chaos.dice.choice(objects).unlink()


def damage_curated(chaos: Chaos) -> None:
    objects = sorted(chaos.folder.glob("lake/curated/**/*.parquet"))
    if objects:
        path = chaos.dice.choice(objects)
        path.write_bytes(path.read_bytes()[:-10])


FAULTS: tuple[Fault, ...] = (remove, restore, restore, leave_half_made, leave_empty)
LAKE_FAULTS: tuple[Fault, ...] = (lose_curated, damage_curated)


def play(seed: int, hours: int, folder: Path) -> tuple[list[str], Counter[str]]:
    """Run the hours of a seed; gives the differences and how often each event happened."""
    times = [FIRST + timedelta(hours=number) for number in range(hours)]
    with reddits(times) as urls:
        chaos = Chaos(seed, folder, times, urls)
        return chaos.play(), chaos.counts


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--hours", type=int, default=30)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    arguments = parser.parse_args()
    total: Counter[str] = Counter()
    failed = []
    for seed in range(arguments.first, arguments.first + arguments.seeds):
        folder = Path(tempfile.mkdtemp(prefix=f"chaos-{seed}-"))
        wrong, counts = play(seed, arguments.hours, folder)
        total += counts
        print(seed, "; ".join(wrong) or "whole", dict(sorted(counts.items())), flush=True)  # noqa: T201
        if wrong:
            failed.append(seed)
        else:
            shutil.rmtree(folder)
    print("all together", dict(sorted(total.items())), f"not whole: {failed or 'none'}")  # noqa: T201
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
