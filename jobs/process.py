"""The process: log lines, one line per error and a last one of what failed, exit codes, signals.

Exit codes in addition to those of luigi.cfg's `[retcode]` (30: a task failed, a retry may succeed):
78 a setting or permission is wrong, a retry cannot succeed; 143 stopped by SIGTERM (130 by Ctrl-C), no partial results
remain.
"""

import atexit
import gc
import io
import json
import logging
import multiprocessing
import os
import re
import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from queue import Queue
from types import FrameType, TracebackType
from typing import Any, NoReturn, TextIO

import luigi
from luigi.parameter import MissingParameterException, UnconsumedParameterWarning
from luigi.retcodes import retcode
from luigi.task_register import TaskClassException

from jobs import failures, progress
from jobs.terminal import Terminal, can_redraw
from reddit_etl.errors import ConfigurationError, EtlError

MISCONFIGURED = 78  # EX_CONFIG of sysexits.h
TERMINATED = 128 + signal.SIGTERM
INTERRUPTED = 128 + signal.SIGINT
STOPPED = "stopped; committed work is kept, the next run does the rest"
LONGEST_GOODBYE = 8  # Seconds; AWS Batch gives 30 between SIGTERM and SIGKILL.

# Errors logged without a traceback: our own, and those of the machine (full disk, missing permission).
UNDERSTOOD = (EtlError, OSError)

# What Luigi says of a task whose `complete` raised an error, before the traceback.
INCOMPLETE = re.compile(r"Will not run (?P<task>.+) or any dependencies due to error in complete\(\) method:")
# What Luigi says of a parameter that was not given.
MISSING = re.compile(r"^(?P<task>\w+)\[.*requires the '(?P<name>\w+)' parameter", re.DOTALL)

log = logging.getLogger("jobs")

# The signals received. DuckDB turns any exception raised during a query into a plain KeyboardInterrupt.
_signals: list[int] = []

_PLAIN = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class Terminated(KeyboardInterrupt):
    """SIGTERM was received. Luigi passes on KeyboardInterrupt, but turns SystemExit into a failed task."""


class LineFormatter(logging.Formatter):
    """One line per event: text on a terminal, JSON elsewhere."""

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
            reason = f": {fields.pop('error')}" if "error" in fields else ""
            return mark + message + reason + "".join(f"  {name}={value}" for name, value in fields.items())
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        return json.dumps({"time": moment, "level": record.levelname.lower(), "event": message} | fields, default=str)


def _not_logged_already(record: logging.LogRecord) -> bool:
    """Drops Luigi's messages about failed tasks and dependencies, which `_failed` has logged."""
    text = str(record.msg)
    return not (text.startswith("[pid %s] Worker %s failed") or "due to error in deps() method" in text)


def _not_the_same_error(record: logging.LogRecord) -> bool:
    """Drops what Luigi says of a failed completeness check, if another task has failed with the same error."""
    text = str(record.msg)
    found = INCOMPLETE.match(text)
    return not found or failures.CURRENT.add(found["task"], text.strip().splitlines()[-1])


def _missing_parameter_in_one_line(record: logging.LogRecord) -> bool:
    """Luigi logs the traceback of a parameter that was not given, and exits as after an unexpected error."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, MissingParameterException):
        found = MISSING.search(str(error))
        option = f"--{found['name'].replace('_', '-')}" if found else str(error)
        task = found["task"] if found else "the task"
        record.msg, record.args, record.exc_info = "not started", (), None
        vars(record)["error"] = f"{option} is not set: {task} needs it, see luigi --module jobs {task} --help"
        # Luigi exits with this code next.
        codes: Any = retcode()
        codes.unhandled_exception = MISCONFIGURED
    return True


def set_up() -> None:
    """Set up output, logging and signals, when the command line imports the jobs."""
    for stream in (sys.stdout, sys.stderr):
        # Characters that the terminal cannot show are escaped.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115, PTH123
    if not logging.getLogger().handlers:
        handler: logging.StreamHandler[TextIO] = logging.StreamHandler(sys.stderr)
        if can_redraw(sys.stderr):
            handler = terminal = Terminal(sys.stderr, progress.CURRENT.text)
            progress.CURRENT.follow(terminal)
        handler.setFormatter(LineFormatter(words=sys.stderr.isatty()))
        logging.basicConfig(level=logging.INFO, handlers=[handler])
    # At DEBUG they log requests with credentials; at WARNING each retry, which the client logs itself.
    for chatty in ("botocore", "boto3", "urllib3", "praw", "prawcore", "smart_open"):
        logging.getLogger(chatty).setLevel(logging.ERROR)
    for name in ("luigi", "luigi-interface"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for drops_or_changes in (_not_logged_already, _not_the_same_error, _missing_parameter_in_one_line):
        logging.getLogger("luigi-interface").addFilter(drops_or_changes)
    # Their sections are checked by `check_section`.
    known = r".* is not consumed by the task '(RedditPipeline|Maintenance|retcode)'"
    warnings.filterwarnings("ignore", known, UnconsumedParameterWarning)
    signal.signal(signal.SIGTERM, _terminate)
    sys.excepthook = _end
    atexit.register(failures.CURRENT.close)
    _do_without_shared_memory()


class _OwnQueue(Queue[Any]):
    """A queue within the process."""

    def close(self) -> None:
        """Does nothing: there is nothing to close."""


def _do_without_shared_memory() -> None:
    """Luigi creates a queue between processes even for one, and some containers have no writable /dev/shm."""
    try:
        multiprocessing.Queue().close()
    except OSError:
        multiprocessing.Queue = _OwnQueue  # type: ignore[assignment, misc]


@contextmanager
def stopping(text: str) -> Iterator[None]:
    """If the block is stopped by a signal, log this text instead of `STOPPED`; that of the innermost block counts."""
    try:
        yield
    except KeyboardInterrupt as stop:
        stop.add_note(text)
        raise


@contextmanager
def held() -> Iterator[None]:
    """Defer signals: an exception during the import of a C library breaks it. Defer garbage collection, for speed."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def misconfigured(error: ConfigurationError) -> SystemExit:
    """Log a line for each fault; raise the result to exit with 78 before any task runs."""
    for fault in error.faults:
        log.error("not started", extra={"error": fault})
    return SystemExit(MISCONFIGURED)


def _terminate(number: int, _frame: FrameType | None) -> NoReturn:
    _signals.append(number)
    # If a C library or a finalizer swallows the exception, the process must still end.
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
    log.warning(getattr(error, "__notes__", [STOPPED])[0])
    logging.shutdown()
    sys.stdout.flush()
    # After a KeyboardInterrupt Python would end by SIGINT.
    os._exit(TERMINATED if _signals else INTERRUPTED)


def _failed(task: luigi.Task, error: BaseException) -> None:
    is_understood = isinstance(error, UNDERSTOOD)
    text = str(error) if is_understood else f"{type(error).__name__}: {error}"
    if failures.CURRENT.add(str(task), text):
        fields = {"task": str(task)} | ({"error": text} if is_understood else {})
        log.error("task failed", extra=fields, exc_info=None if is_understood else error)
    end_as(error)


def end_as(error: BaseException) -> None:
    """After a ConfigurationError, let the process exit with 78."""
    if isinstance(error, ConfigurationError):
        # Luigi keeps one instance of its configuration, and reads the exit codes from it at the end.
        codes: Any = retcode()
        codes.task_failed = codes.scheduling_error = MISCONFIGURED


luigi.Task.event_handler(luigi.Event.FAILURE)(_failed)
luigi.Task.event_handler(luigi.Event.BROKEN_TASK)(_failed)
