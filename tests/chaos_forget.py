"""Runs and maintenances that are killed and overlap, on stores that are lost and restored, while content is taken back.

    python -m tests.chaos_forget --seeds 20 [--first N] [--aws]

Posts and comments with a mark in every text are deleted, removed, vanish, lose their accounts, and some come back.
After the last fault, undisturbed runs and maintenances must leave no mark of what is gone in any byte of any store, and
of all else the newest state and each observation, once. A seed repeats the same faults, though not to the millisecond.
"""

import argparse
import importlib
import os
import random
import runpy
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime, timedelta
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

from duckdb import DuckDBPyConnection
from luigi.retcodes import run_with_retcodes

from jobs import forget as request
from jobs import resources
from reddit_etl import duck
from reddit_etl.clock import utc_now
from reddit_etl.entities import ENTITIES
from reddit_etl.lake.index import ReceiptKey
from reddit_etl.sandbox.server import RedditServer
from reddit_etl.steps import forget
from tests.commands import LIBRARIES
from tests.standins.fates import World
from tests.standins.kept import observed, tombstones, wrong_rows
from tests.standins.marked import mark
from tests.standins.stores import Aws, Local, Stores, servers

FIRST = datetime(2026, 11, 10, 4)  # noqa: DTZ001
RUN, MAINTAIN = timedelta(minutes=17), timedelta(minutes=50)
STEPS = (1, 1, 1, 2, 5, 11, 23)
"""Hours between two ticks."""
# The sweep asks for everything twice, and what killed attempts left becomes old enough.
SETTLING = (1, 26, 26)
LOOKS = {"REFRESH_AGES": '["1h", "6h"]', "SWEEP_HOURS": "3"}
LATEST = timedelta(hours=30)
"""So late an hour that always failed is run without faults: what is older is no longer caught up."""
KILLED, TASK_FAILED, MISCONFIGURED = -signal.SIGKILL, 30, 78
TOOLS = ("reconcile", "forget")
LONGEST = {"RedditPipeline": 0.8, "Maintenance": 0.6, "reconcile": 0.6, "forget": 0.6}
"""Seconds until a kill, at most; most runs take less."""
AWS_FACTOR = 1.5


def run(stores: Stores, url: str, now: datetime, words: list[str], *, later: timedelta) -> None:
    """Run a command of the project in this process at a simulated time, then exit."""
    log = os.open(stores.folder / "log", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.dup2(log, 1)
    os.dup2(log, 2)
    # After a kill, this is the user's to remove.
    tempfile.tempdir = str(stores.folder / "scratch")
    os.environ |= stores.environment | LOOKS | {"REDDIT_URL": url}
    resources.clock = lambda _: lambda: now
    # The age of unfinished files goes by the clock of the store.
    forget.utc_now = lambda: utc_now() + later  # type: ignore[attr-defined]
    request.utc_now = lambda: now  # type: ignore[attr-defined]
    duck.connect = readable(duck.connect)
    code: object = 0
    try:
        if words[0] in TOOLS:
            sys.argv = ["jobs", *words]
            runpy.run_module("jobs", run_name="__main__", alter_sys=True)
        else:
            run_with_retcodes(["--module", "jobs", *words])
    except SystemExit as end:
        code = end.code or 0
    finally:
        sys.stdout.flush()
        os._exit(int(str(code)))


def readable(connect: Callable[..., DuckDBPyConnection]) -> Callable[..., DuckDBPyConnection]:
    """Let DuckDB's file be searched for texts, which it would compress."""

    def connected(*given: Any, **options: Any) -> DuckDBPyConnection:
        connection = connect(*given, **options)
        if not options.get("read_only"):
            connection.execute("PRAGMA force_compression = 'uncompressed'")
        return connection

    return connected


@contextmanager
def reddits(world: World) -> Iterator[list[str]]:
    """The URL of the Reddit at each tick. They are served by another process, so that this one can fork."""
    here, there = Pipe()
    child = os.fork()
    if not child:
        served = [RedditServer(world.content(tick)) for tick in range(len(world.times))]
        for server in served:
            server.start()
        there.send([server.url for server in served])
        signal.pause()
        os._exit(0)
    try:
        yield here.recv()
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


class Game:
    def __init__(self, seed: int, stores: Stores, world: World, urls: list[str]) -> None:
        self.dice = random.Random(seed)
        self.stores, self.world, self.urls = stores, world, urls
        self.counts: Counter[str] = Counter()
        self.tick = 0
        self.undone: set[int] = set()
        """The ticks whose hour no run has finished."""
        self.has_lost = False
        """Whether a curated object is missing."""
        self.slowness = AWS_FACTOR if isinstance(stores, Aws) else 1

    def chance(self, share: float) -> bool:
        return self.dice.random() < share

    def start(self, words: list[str], at: timedelta = RUN, later: timedelta = timedelta()) -> int:
        self.counts[words[0]] += 1
        child = os.fork()
        if not child:
            run(self.stores, self.urls[self.tick], self._hour(self.tick) + at, words, later=later)
        return child

    def pipeline(self, tick: int) -> list[str]:
        words = ["RedditPipeline", "--hour", f"{self._hour(tick):%Y-%m-%dT%H}", "--limit", "100"]
        return [*words, "--subreddits", '["python"]', "--listings", '["new", "comments"]']

    def maintenance(self, tick: int) -> list[str]:
        return ["Maintenance", "--hour", f"{self._hour(tick):%Y-%m-%dT%H}"]

    def _hour(self, tick: int) -> datetime:
        return self.world.times[tick] - RUN

    def end(self, child: int) -> int:
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        self.counts[f"exit {code}"] += 1
        return code

    def play(self, settled: int) -> list[str]:
        """Play all ticks; gives what is wrong."""
        wrong: list[str] = []
        for tick in range(len(self.world.times)):
            self.tick = tick
            wrong += self._settled() if tick >= settled else self._disturbed()
        return [*wrong, *self._wrong()]

    def _settled(self) -> list[str]:
        """A tick in which nothing goes wrong; gives what is left in the warehouse's files all the same."""
        self._finish_all()
        self._until_done(self.pipeline(self.tick))
        self._repair()
        self._until_done(self.maintenance(self.tick), MAINTAIN, later=timedelta(hours=48))
        # What is left may be overwritten by the next load.
        return self._not_erased()

    def _disturbed(self) -> list[str]:
        """A tick of runs that may be killed, beside each other, and what happens to the stores meanwhile."""
        self._finish_all(before=self._hour(self.tick) - LATEST)
        if self.chance(0.3):
            self._choose(FAULTS)
        self.undone.add(self.tick)
        commands = [(self.pipeline(self.tick), RUN)] * (1 + self.chance(0.2))
        if self.tick and self.chance(0.3):
            commands.append((self.pipeline(self.dice.randrange(self.tick)), RUN))
        if self.chance(0.6):
            commands += [(self.maintenance(self.tick), MAINTAIN)] * (1 + self.chance(0.4))
        if self.tick and self.chance(0.1):
            commands.append((self.maintenance(self.dice.randrange(self.tick)), MAINTAIN))
        # Without a receipt there is nothing to reconcile and nothing known, which both refuse. Maintenance puts others.
        keys = (ReceiptKey.parse(key) for key, _ in self.stores.objects())
        has_receipts = any(key and key.entity in ENTITIES for key in keys)
        if self.chance(0.15) and has_receipts:
            commands.append((self.reconciliation("--repair"), MAINTAIN))
        if self.chance(0.15) and has_receipts:
            fate = self.dice.choice([fate for fate in self.world.fates if fate.born <= self.tick])
            commands.append((["forget", f"{fate.entity.kind}_{fate.id}"], MAINTAIN))
        if self.chance(0.5):
            # One after the other, as a scheduler would, instead of at once.
            codes = [code for words, at in commands for code in self._together([(words, at)])]
        else:
            self.dice.shuffle(commands)
            codes = self._together(commands)
        if 0 in codes:
            self.stores.keep_copy(str(self.dice.randrange(4)))
        return []

    def _together(self, commands: list[tuple[list[str], timedelta]]) -> list[int]:
        children = [(self.start(words, at), words) for words, at in commands]
        if self.chance(0.1):
            self._pause("Maintenance")
            self._choose(WAREHOUSE_FAULTS)
        for child, words in children:
            if self.chance(0.5):
                self._pause(words[0])
                with suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
                    self.counts["kills"] += 1
        codes = [self.end(child) for child, _ in children]
        self._clear_up(codes)
        for code, (_, words) in zip(codes, children, strict=True):
            if code == 0 and words[0] == "RedditPipeline":
                self.undone -= {tick for tick in self.undone if words == self.pipeline(tick)}
        return codes

    def _pause(self, task: str) -> None:
        time.sleep(self.dice.random() * LONGEST[task] * self.slowness)

    def _choose(self, faults: "tuple[Fault, ...]") -> None:
        fault = self.dice.choice(faults)
        self.counts[fault.__name__] += 1
        fault(self)

    def _finish_all(self, before: datetime | None = None) -> None:
        """Hours that no run finished: a scheduler tries again."""
        for tick in sorted(self.undone):
            if before is None or self._hour(tick) < before:
                self._until_done(self.pipeline(tick))
                self.undone.remove(tick)

    def _until_done(self, words: list[str], at: timedelta = RUN, later: timedelta = timedelta()) -> None:
        """Run it without faults until it succeeds; a log that the error message names for removal is removed."""
        for _ in range(2):
            code = self.end(self.start(words, at, later))
            if code == 0:
                return
            self._clear_up([code])
        raise AssertionError(f"{' '.join(words)} ended with {code}: see {self.stores.folder}/log")

    def _clear_up(self, codes: list[int]) -> None:
        strange = set(codes) - {0, KILLED, TASK_FAILED, MISCONFIGURED}
        assert not strange, f"exit codes {strange}: see {self.stores.folder}/log"
        if MISCONFIGURED in codes:
            assert isinstance(self.stores, Local)
            said = (self.stores.folder / "log").read_text()
            assert f"{self.stores.log} is " in said, f"misconfigured without a reason: see {self.stores.folder}/log"
            self.stores.log.unlink(missing_ok=True)

    def _repair(self) -> None:
        if self.has_lost:
            self.end(self.start(self.reconciliation("--repair")))
            self.has_lost = False

    def reconciliation(self, *words: str) -> list[str]:
        first, last = (f"{self._hour(tick):%Y-%m-%dT%H}" for tick in (0, self.tick))
        return ["reconcile", "--deep", "--first", first, "--last", last, *words]

    def _not_erased(self) -> list[str]:
        """What is left in the warehouse's files of what tombstones name."""
        self.stores.remove_copies()
        taken, _ = tombstones(self.world, dict(self.stores.objects()))
        gone = [fate for fate in self.world.gone() if taken.get(fate.key, -1) >= max(fate.states)]
        marks = [mark(fate.entity, fate.id) for fate in gone]
        self.counts["erased"] += len(marks)
        files = list(self.stores.warehouse_bytes())
        return [f"{text} is in {place}" for place, file in files for text in marks if text.encode() in file]

    def _wrong(self) -> list[str]:
        content = dict(self.stores.objects())
        seen = observed(self.world, content)
        wrong = [*wrong_rows(self.world, self.stores, content, seen)]
        if code := self.end(self.start(self.reconciliation())):
            wrong.append(f"reconcile ended with {code}")
        names = [f"{fate.entity.kind}_{fate.id}" for fate in self.world.gone() if fate.key in seen]
        if names and (code := self.end(self.start(["forget", "--prove", *names]))):
            wrong.append(f"forget --prove ended with {code}")
        forbidden = [text.encode() for text in self.world.forbidden(seen)]
        self.counts["gone"] += len(forbidden)
        places: dict[str, list[str]] = {}
        for place, text in self.stores.texts():
            self.counts["places"] += 1
            for found in (one for one in forbidden if one in text):
                places.setdefault(found.decode(), []).append(place)
        return [*wrong, *(f"{text} is in {len(where)} places: {where[:3]}" for text, where in places.items())]


Fault = Callable[[Game], None]


def remove(game: Game) -> None:
    game.stores.remove_warehouse(game.dice)


def restore(game: Game) -> None:
    """Restore an older copy; in a folder atomically, and at times the write-ahead log is left behind."""
    game.stores.restore_copy(game.dice)


def leave_half_made(game: Game) -> None:
    """Remove the warehouse, and kill a run while it fills a new one."""
    remove(game)
    game._together([(game.pipeline(game.dice.randrange(game.tick + 1)), RUN)])


def rebuild_curated(game: Game) -> None:
    """Lose a curated object, which a load makes again if the warehouse is lost, too; else a repair does."""
    keys = sorted({key for key, _ in game.stores.objects() if key.endswith(".parquet")})
    if keys:
        game.stores.lose(game.dice.choice(keys))
        game.has_lost = True
        if game.chance(0.5):
            remove(game)
        else:
            game._repair()


WAREHOUSE_FAULTS: tuple[Fault, ...] = (remove, restore)
FAULTS: tuple[Fault, ...] = (remove, restore, restore, leave_half_made, rebuild_curated)


def play(seed: int, ticks: int, stores: Stores) -> tuple[list[str], Counter[str]]:
    """Play a seed; gives what is wrong, and how often each event happened."""
    dice = random.Random(f"world {seed}")
    times = [FIRST + RUN]
    for hours in [*(dice.choice(STEPS) for _ in range(ticks - 1)), *SETTLING]:
        times.append(times[-1] + timedelta(hours=hours))
    world = World(dice, times, ticks)
    with reddits(world) as urls:
        game = Game(seed, stores, world, urls)
        try:
            return game.play(ticks), game.counts
        except AssertionError as error:
            return [str(error)], game.counts


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos_forget", description=__doc__)
    parser.add_argument("--ticks", type=int, default=20, help="hours with runs; then nothing disturbs any more")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--aws", action="store_true", help="on stand-ins for S3 and Redshift")
    arguments = parser.parse_args()
    for library in LIBRARIES:
        importlib.import_module(library)
    total: Counter[str] = Counter()
    failed = []
    with ExitStack() as stack:
        at = stack.enter_context(servers()) if arguments.aws else None
        for seed in range(arguments.first, arguments.first + arguments.seeds):
            folder = Path(tempfile.mkdtemp(prefix=f"chaos-forget-{seed}-"))
            (folder / "scratch").mkdir()
            begin = time.monotonic()
            wrong, counts = play(seed, arguments.ticks, Aws(folder, at) if at else Local(folder))
            total += counts
            seconds = f"{time.monotonic() - begin:.0f} s"
            print(seed, "; ".join(wrong) or "whole", seconds, dict(sorted(counts.items())), flush=True)  # noqa: T201
            if wrong:
                failed.append(seed)
            else:
                shutil.rmtree(folder)
    print("all together", dict(sorted(total.items())), f"not whole: {failed or 'none'}")  # noqa: T201
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
