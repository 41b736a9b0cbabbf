"""How the warehouse opens its DuckDB file: waiting for other processes, and always the one that the path names."""

import logging
import os
import re
import secrets
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import TypeVar

import duckdb
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_random

from reddit_etl import duck
from reddit_etl.errors import ConfigurationError, WarehouseError
from reddit_etl.warehouse import DUCKDB

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")

# A DuckDB file has one writer at a time; another run is done with it in seconds.
LOCK_WAIT = 60.0
# Within a process DuckDB locks nothing: two loads would each insert what neither sees of the other.
ONE_AT_A_TIME = Lock()

# What DuckDB says of the process that has the file.
HOLDER = re.compile(r"held in (?P<program>.+?) \(PID (?P<pid>\d+)\)")
# What it says of a file that it will never read, and of a log of changes that is another file's.
DAMAGE = ("not a valid DuckDB database", "Could not read enough bytes", "Corrupt database file")
LEFT_OVER = "Failure while replaying WAL"
# Bytes that the file must have: three headers, and the blocks that the last of them counts.
SIZE = (
    "SELECT 3 * 4096 + block_size * total_blocks FROM pragma_database_size() WHERE database_name = current_database()"
)


def _is_locked(error: BaseException) -> bool:
    return isinstance(error, duckdb.IOException) and "Could not set lock" in str(error)


class DuckDBFile:
    """A file that is opened for each use and closed after it."""

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().absolute()
        self.url = f"{DUCKDB}{self.path}"
        self.scratch = self.path.with_name(f"{self.path.name}.tmp")
        self._wal = self.path.with_name(f"{self.path.name}.wal")
        self._is_held = False

    @contextmanager
    def connection(
        self, *, read_only: bool = False, load_memory: str = duck.LOAD_MEMORY_LIMIT, lock_wait: float | None = None
    ) -> Iterator[duckdb.DuckDBPyConnection]:
        """Closed after each use, so that others find the file free; what was not committed is rolled back.

        `lock_wait` is for how many seconds it waits for a locked file, `LOCK_WAIT` if it is None.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, FileNotFoundError, NotADirectoryError, PermissionError) as error:
            raise ConfigurationError(
                f"WAREHOUSE_URL: {self.url}: {error}: name a file in a folder that can be made"
            ) from error
        with self.failures():
            if not read_only and not self.path.exists():
                self._create(self.scratch)
            with (
                ONE_AT_A_TIME,
                self._waiting(lock_wait)(self._open, read_only=read_only, load_memory=load_memory) as connection,
            ):
                self._is_held = False
                yield connection

    @contextmanager
    def failures(self) -> Iterator[None]:
        """Around what uses a connection. Raises ConfigurationError and WarehouseError in place of DuckDB's errors."""
        try:
            with duck.interruptible():
                yield
        except (duckdb.Error, OSError) as error:
            raise self._meaning(error) from error

    def check_can_be_made(self) -> None:
        """Raises ConfigurationError if it cannot be made where the path says. Tries it: rights are not all it takes."""
        self.check_no_log_is_left()
        place = next(parent for parent in self.path.parents if parent.exists())
        try:
            with tempfile.TemporaryDirectory(dir=place, prefix=".doctor-"):
                pass
        except OSError as error:
            raise ConfigurationError(
                f"WAREHOUSE_URL: {self.path} cannot be made: {place}: {error.strerror}: name a file in a folder that "
                "can be written to"
            ) from error

    def check_no_log_is_left(self) -> None:
        """Raises ConfigurationError for the log of a file that is not there."""
        # In this order, as another run may make the file right now.
        if self._wal.exists() and not self.path.exists():
            raise ConfigurationError(f"WAREHOUSE_URL: {self._wal} is left of a file that was removed: remove it too")

    def check_whole(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Raises ConfigurationError for a file that was cut: DuckDB notices it when it reads what is missing."""
        [(least,)] = connection.execute(SIZE).fetchall()
        size = self.path.stat().st_size
        if size < least:
            raise self._damaged(f"the file is truncated, it has {size:,} of {least:,} bytes")

    def _say_waiting(self, attempt: int) -> None:
        if attempt == 1:
            log.info("the warehouse is open in another process: waiting", extra={"warehouse": self.url})

    def _create(self, scratch: Path) -> None:
        """Let the file appear whole: of two first runs at once, the other would find half a header in it."""
        self.check_no_log_is_left()
        new = self.path.with_name(f".{self.path.name}.{secrets.token_hex(4)}.new")
        try:
            duck.connect(new, scratch=scratch).close()
            with suppress(FileExistsError):
                os.link(new, self.path)
        finally:
            new.unlink(missing_ok=True)

    def _open(self, *, read_only: bool, load_memory: str) -> duckdb.DuckDBPyConnection:
        """Open the file that the path names: before it is locked, another process may replace it by a rewritten one."""
        while True:
            inode = self.path.stat().st_ino
            connection = duck.connect(self.path, scratch=self.scratch, read_only=read_only, load_memory=load_memory)
            if self.path.stat().st_ino == inode:
                return connection
            connection.close()

    def _waiting(self, lock_wait: float | None) -> Retrying:
        """The process may have many more loads; each is tried, but none waits as long again for the same holder."""
        return Retrying(
            retry=retry_if_exception(_is_locked),
            stop=stop_after_delay(0 if self._is_held else LOCK_WAIT if lock_wait is None else lock_wait),
            wait=wait_random(0.05, 0.3),
            before_sleep=lambda state: self._say_waiting(state.attempt_number),
            reraise=True,
        )

    def _meaning(self, error: Exception) -> ConfigurationError | WarehouseError:
        place, message = f"WAREHOUSE_URL: {self.url}", str(error).splitlines()[0]
        if _is_locked(error):
            self._is_held = True
            holder = HOLDER.search(message)
            who = f"{holder['program']} (PID {holder['pid']})" if holder else "another process"
            return WarehouseError(
                f"{place}: the file is locked by {who}: wait until that process has ended, or end it; what a run could "
                "not load, the next run loads"
            )
        if LEFT_OVER in message:
            return ConfigurationError(
                f"{place}: {self._wal} is of another copy of the file: remove it; what it held is loaded again"
            )
        if any(words in message for words in DAMAGE):
            return self._damaged(message.rstrip("!."))
        return WarehouseError(f"{place}: {message}")

    def _damaged(self, what: str) -> ConfigurationError:
        return ConfigurationError(
            f"WAREHOUSE_URL: {self.url}: {what}: name another file, restore this one from a copy, or remove it and "
            "its .wal; the next run loads all that the lake has"
        )


def with_enough_memory(once: Callable[[str], Answer]) -> Answer:
    """Do it with the memory of a load, and if that does not suffice with more."""
    try:
        return once(duck.LOAD_MEMORY_LIMIT)
    except WarehouseError as error:
        if not isinstance(error.__cause__, duckdb.OutOfMemoryException):
            raise
        # As when a load replaces rows all over a table of more than 10 million.
        log.warning("it is tried again with more memory", extra={"error": str(error)})
        return once(duck.MOST_LOAD_MEMORY)
