"""What this process is doing, as one line: tasks done of those planned, time left, the running task, what it reads."""

import math
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import luigi

from jobs.terminal import Terminal

SHORTEST = 1.0
"""Seconds of a wait and of a time left that are shown, and of work that has a rate."""


class Tasks:
    """The tasks of a run that were not complete before it, as Luigi's events report them."""

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self._left: dict[str, str] = {}  # Ids with families.
        self._done: Counter[str] = Counter()  # By family.
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._failed = 0

    def plan(self, *tasks: luigi.Task) -> None:
        """They are to be run, unless they are found to be complete."""
        for task in tasks:
            if task.task_id not in self._seen:
                self._seen.add(task.task_id)
                self._left[task.task_id] = task.task_family

    def omit(self, task: luigi.Task) -> None:
        """It is complete."""
        self._left.pop(task.task_id, None)

    def finish(self, task: luigi.Task, seconds: float) -> None:
        """It is done, and took these seconds."""
        if self._left.pop(task.task_id, None):
            self._done[task.task_family] += 1
            self._seconds[task.task_family] += seconds

    def fail(self, task: luigi.Task) -> None:
        """It will not be done in this run."""
        if self._left.pop(task.task_id, None):
            self._failed += 1

    @property
    def planned(self) -> int:
        """How many there are, those that are done and those that failed included."""
        return self._done.total() + self._failed + len(self._left)

    def __str__(self) -> str:
        failed = f", {self._failed:,} failed" if self._failed else ""
        return f"{self._done.total():,}/{self.planned:,} tasks{failed}"

    def seconds_left(self, family: str, elapsed: float) -> tuple[float, bool]:
        """Seconds until all are done, if one of this family began `elapsed` seconds ago.

        A task counts as the mean of those of its family that are done. False if there are tasks left of a family of
        which none is done: they are not counted, and the seconds are a minimum.
        """
        # Copies: another thread asks, and must not meet a change in its loops.
        done, left = dict(self._done), Counter(self._left.values())
        means = {one: self._seconds[one] / number for one, number in done.items()}
        seconds = sum(number * means.get(one, 0) for one, number in left.items())
        return seconds - min(elapsed, means.get(family, 0)), left.keys() <= done.keys()


class Progress:
    """What runs, as its tasks report it; `now` gives seconds. A terminal that follows it draws its text."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self.tasks = Tasks()
        self._now = now
        self._terminal: Terminal | None = None
        # Numbers and seconds of what tasks that have ended read, by unit.
        self._read: dict[str, tuple[int, float]] = {}
        self._unit = ""
        self._begin("", "")

    def follow(self, terminal: Terminal) -> None:
        """Show the line on a terminal from the first task on."""
        self._terminal = terminal
        events = luigi.Event
        for event, react in (
            (events.DEPENDENCY_DISCOVERED, self._discovered),
            (events.DEPENDENCY_PRESENT, self.tasks.omit),
            (events.START, self._started),
            (events.SUCCESS, self._succeeded),
            (events.FAILURE, self._failed),
            (events.BROKEN_TASK, self._failed),
        ):
            luigi.Task.event_handler(event)(react)

    @contextmanager
    def showing(self, title: str) -> Iterator[None]:
        """Show the line while the block does the work of a command."""
        self._begin(title, "")
        try:
            yield
        finally:
            self.hide()

    def hide(self) -> None:
        """Remove the line."""
        if self._terminal:
            self._terminal.hide()

    def hidden(self) -> AbstractContextManager[None]:
        """Remove the line while the block writes to standard output and flushes it."""
        return self._terminal.hidden() if self._terminal else nullcontext()

    def expect(self, total: int | None, unit: str) -> None:
        """What runs reads `total` posts, or whatever the unit is, at most; None if that is unknown."""
        self._total, self._unit, self._count, self._counting = total, unit, 0, self._now()

    def add(self, number: int) -> None:
        """So many more were read."""
        self._count += number

    def reach(self, number: int) -> None:
        """So many in all were read."""
        self._count = number

    def wait(self, seconds: float, reason: str) -> None:
        """What runs waits, from now on."""
        if seconds >= SHORTEST:
            self._wait_until, self._reason = self._now() + seconds, reason

    def text(self) -> str:
        """The line. What matters most comes first, since a narrow terminal shows its beginning."""
        now = self._now()
        wait = max(0.0, self._wait_until - now)
        parts = [f"waiting {math.ceil(wait)} s for {self._reason}"] if wait else []
        time_left = self._time_left(now, wait)
        if self.tasks.planned > 1:
            parts.append(f"{self.tasks}{time_left}")
            time_left = ""
        parts += [self._title] if self._title else []
        if self._unit:
            of = f"/{self._total:,}" if self._total else ""
            parts.append(f"{self._count:,}{of} {self._unit}{self._rate(now)}{time_left}")
        elif self._title:
            parts.append(_span(now - self._begun))
        return " | ".join(parts)

    def _time_left(self, now: float, wait: float) -> str:
        if self.tasks.planned > 1:
            seconds, is_all = self.tasks.seconds_left(self._family, now - self._begun)
        elif self._total and self._count:
            seconds = (now - self._counting) / self._count * (self._total - self._count)
            is_all = True
        else:
            return ""
        if seconds < SHORTEST:
            return ""
        return f", {'' if is_all else 'at least '}{_span(seconds + wait)} left"

    def _rate(self, now: float) -> str:
        """Of all that were read so far: a listing may take less than a second."""
        number, seconds = self._read_by(now)
        if seconds < SHORTEST or not number:
            return ""
        rate = number / seconds
        return f", {rate:,.0f}/s" if rate >= 10 else f", {rate:.1f}/s"

    def _read_by(self, now: float) -> tuple[int, float]:
        number, seconds = self._read.get(self._unit, (0, 0.0))
        return number + self._count, seconds + now - self._counting

    def _begin(self, title: str, family: str) -> None:
        now = self._now()
        if self._unit:
            self._read[self._unit] = self._read_by(now)
        self._title, self._family, self._begun = title, family, now
        self._wait_until, self._reason = 0.0, ""
        self.expect(None, "")
        if self._terminal:
            self._terminal.show()

    def _discovered(self, task: luigi.Task, needed: luigi.Task) -> None:
        self.tasks.plan(task, needed)
        if self._terminal:
            self._terminal.show()

    def _started(self, task: luigi.Task) -> None:
        self.tasks.plan(task)
        self._begin(getattr(task, "title", str(task)), task.task_family)

    def _succeeded(self, task: luigi.Task) -> None:
        self.tasks.finish(task, self._now() - self._begun)
        self._begin("", "")

    def _failed(self, task: luigi.Task, _: BaseException) -> None:
        self.tasks.fail(task)
        self._begin("", "")


def _span(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


CURRENT = Progress()
"""That of this process."""
