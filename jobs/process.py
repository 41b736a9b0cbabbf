"""How the process speaks and how it ends: log lines, one line for an error, exit codes, SIGTERM.

Exit codes beside those of luigi.cfg's `[retcode]` (30: a task failed, running again may help):
78 a setting or a right is wrong, running again does not help; 143 stopped by SIGTERM (130 by Ctrl-C), nothing
half-done is left.
"""

import io
import json
import logging
import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from queue import Queue
from types import FrameType, TracebackType
from typing import Any, NoReturn

import luigi
from luigi.retcodes import retcode
from luigi.task_register import TaskClassException

from reddit_etl.errors import ConfigurationError, EtlError

MISCONFIGURED = 78  # EX_CONFIG of sysexits.h
TERMINATED = 128 + signal.SIGTERM
INTERRUPTED = 128 + signal.SIGINT
LONGEST_GOODBYE = 8  # Seconds; AWS Batch gives 30 between SIGTERM and SIGKILL.

# Failures that one line tells whole: ours, and the machine's (a full disk, a folder that may not be written).
UNDERSTOOD = (EtlError, OSError)

log = logging.getLogger("jobs")

# What stopped the process. DuckDB makes a plain KeyboardInterrupt of whatever is raised while it works.
_signals: list[int] = []

_PLAIN = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class Terminated(KeyboardInterrupt):
    """SIGTERM came. Luigi lets a KeyboardInterrupt through where it turns a SystemExit into a failed task."""


class LineFormatter(logging.Formatter):
    """A line per event: words on a terminal, JSON elsewhere."""

    def __init__(self, *, words: bool) -> None:
        super().__init__()
        self._words = words

    def format(self, record: logging.LogRecord) -> str:
        """One line with the message and the extra fields; as JSON also with time, level and traceback."""
        message, fields = record.getMessage(), {k: v for k, v in vars(record).items() if k not in _PLAIN}
        if "\nTraceback" in message:
            # Luigi puts the traceback of a failed completeness check into the message.
            first, *_, last = message.strip().splitlines()
            message, fields = first.rstrip(":"), fields | {"error": last}
        if record.exc_info and record.exc_info[1]:
            fields["error"] = f"{type(record.exc_info[1]).__name__}: {record.exc_info[1]}"
            if not self._words:
                fields["traceback"] = self.formatException(record.exc_info)
        if self._words:
            mark = "" if record.levelno < logging.WARNING else f"{record.levelname.lower()}: "
            return mark + message + "".join(f"  {name}={value}" for name, value in fields.items())
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        return json.dumps({"time": moment, "level": record.levelname.lower(), "event": message} | fields, default=str)


def _not_told_already(record: logging.LogRecord) -> bool:
    """Luigi tells of a failed task and of a task that could not be planned; `_failed` has done so."""
    text = str(record.msg)
    return not (text.startswith("[pid %s] Worker %s failed") or "due to error in deps() method" in text)


def set_up() -> None:
    """Called when the command line loads the jobs."""
    for stream in (sys.stdout, sys.stderr):
        # A report with a name that the terminal cannot show is still a report.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115, PTH123
    if not logging.getLogger().handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(LineFormatter(words=sys.stderr.isatty()))
        logging.basicConfig(level=logging.INFO, handlers=[handler])
    # At DEBUG they tell what they send, credentials included; at WARNING of each retry, as the client does itself.
    for chatty in ("botocore", "boto3", "urllib3", "praw", "prawcore", "smart_open"):
        logging.getLogger(chatty).setLevel(logging.ERROR)
    for name in ("luigi", "luigi-interface"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("luigi-interface").addFilter(_not_told_already)
    signal.signal(signal.SIGTERM, _terminate)
    sys.excepthook = _end
    _do_without_shared_memory()


class _OwnQueue(Queue[Any]):
    """Between the tasks of one process."""

    def close(self) -> None:
        """Nothing is held open."""


def _do_without_shared_memory() -> None:
    """Luigi makes a queue between processes though it starts none, and not every container has a writable /dev/shm."""
    try:
        multiprocessing.Queue().close()
    except OSError:
        multiprocessing.Queue = _OwnQueue  # type: ignore[assignment, misc]


@contextmanager
def held() -> Iterator[None]:
    """Let signals wait: the import of a C library does not survive an exception in its middle."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def misconfigured(error: ConfigurationError) -> SystemExit:
    """To be raised where no task runs yet: says the line and ends with its code."""
    log.error("not started", extra={"error": str(error)})
    return SystemExit(MISCONFIGURED)


def _terminate(number: int, _frame: FrameType | None) -> NoReturn:
    _signals.append(number)
    # Who swallows the exception, a C library or a finalizer, must not keep the process alive.
    signal.signal(signal.SIGALRM, lambda *_: os._exit(TERMINATED))
    signal.alarm(LONGEST_GOODBYE)
    raise Terminated


def _end(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, TaskClassException):
        misconfigured(ConfigurationError(" ".join(str(error).split())))
        logging.shutdown()
        os._exit(MISCONFIGURED)
    if not issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    log.warning("stopped; what is committed stays, the rest is done by the next run")
    logging.shutdown()
    sys.stdout.flush()
    # Python would end itself by SIGINT after a KeyboardInterrupt.
    os._exit(TERMINATED if _signals else INTERRUPTED)


def _failed(task: luigi.Task, error: BaseException) -> None:
    if isinstance(error, UNDERSTOOD):
        log.error("task failed", extra={"task": str(task), "error": str(error)})
    else:
        log.error("task failed", extra={"task": str(task)}, exc_info=error)
    end_as(error)


def end_as(error: BaseException) -> None:
    """Let the process end with the code of what is misconfigured, if that is what the error says."""
    if isinstance(error, ConfigurationError):
        # Luigi keeps one instance of its configuration and reads the codes from it at the end of the run.
        codes: Any = retcode()
        codes.task_failed = codes.scheduling_error = MISCONFIGURED


luigi.Task.event_handler(luigi.Event.FAILURE)(_failed)
luigi.Task.event_handler(luigi.Event.BROKEN_TASK)(_failed)
