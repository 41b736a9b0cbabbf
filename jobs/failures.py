"""What failed in this process: each error is logged once, and the last line of the log names the first one."""

import logging

import luigi

log = logging.getLogger(__name__)


class Failures:
    """The tasks that failed, by their errors, and those that did not run, as Luigi's events report them."""

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._left: set[str] = set()
        self._errors: dict[str, list[str]] = {}

    def clear(self) -> None:
        """Begin again, for another run in this process."""
        self._known, self._left, self._errors = set(), set(), {}

    def plan(self, *tasks: luigi.Task) -> None:
        """They are to be run, unless they are found to be complete."""
        new = set(map(str, tasks)) - self._known
        self._known |= new
        self._left |= new

    def omit(self, task: luigi.Task) -> None:
        """It is complete."""
        self._left.discard(str(task))

    def add(self, task: str, error: str) -> bool:
        """It failed. Returns whether no other task has failed with the same error, so that it is to be logged."""
        self._left.discard(task)
        tasks = self._errors.setdefault(" ".join(error.split()), [])
        tasks.append(task)
        return len(tasks) == 1

    def close(self) -> None:
        """Log what failed first, and how many other tasks failed or did not run. Does nothing if no task failed."""
        for error, (task, *_) in [*self._errors.items()][:1]:
            failed = sum(map(len, self._errors.values()))
            log.error("run failed", extra={"error": error, "task": task, "failed": failed, "not_run": len(self._left)})


CURRENT = Failures()
"""Those of this process."""

luigi.Task.event_handler(luigi.Event.DEPENDENCY_DISCOVERED)(CURRENT.plan)
luigi.Task.event_handler(luigi.Event.DEPENDENCY_PRESENT)(CURRENT.omit)
luigi.Task.event_handler(luigi.Event.SUCCESS)(CURRENT.omit)
