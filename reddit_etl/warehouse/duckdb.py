"""A warehouse in a DuckDB file, for the embedded run."""

import logging
import os
import re
import secrets
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

import duckdb
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_random

from reddit_etl import duck
from reddit_etl.clock import Clock, utc_now
from reddit_etl.entities.schema import Entity
from reddit_etl.errors import ConfigurationError, WarehouseError
from reddit_etl.lake.base import Lake
from reddit_etl.warehouse import DUCKDB, forget, tables, upsert
from reddit_etl.warehouse.base import Forgotten, Load, LoadCounts, carry_out
from reddit_etl.warehouse.rewrite import rewrite

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")

# Rows that are upserted together; their keys and times are held in memory. The tables are read once for each portion.
PORTION = 250_000
# A DuckDB file has one writer at a time; another run is done with it in seconds.
LOCK_WAIT = 60.0
FIND_COLUMNS = "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = ?"
# Within a process DuckDB locks nothing: two loads would each insert what neither sees of the other.
ONE_AT_A_TIME = Lock()


# What DuckDB says of the process that has the file.
HOLDER = re.compile(r"held in (?P<program>.+?) \(PID (?P<pid>\d+)\)")
# What it says of a file that it will never read, and of a log of changes that is another file's.
DAMAGE = ("not a valid DuckDB database", "Could not read enough bytes", "Corrupt database file")
LEFT_OVER = "Failure while replaying WAL"


def _is_locked(error: BaseException) -> bool:
    return isinstance(error, duckdb.IOException) and "Could not set lock" in str(error)


class DuckDBWarehouse:
    """A `Warehouse` in one DuckDB file, opened for each use and closed after it."""

    def __init__(self, path: Path, *, clock: Clock = utc_now) -> None:
        self._clock = clock
        self.path = path.expanduser().absolute()
        self.url = f"{DUCKDB}{self.path}"
        self._wal = self.path.with_name(f"{self.path.name}.wal")
        self._scratch = self.path.with_name(f"{self.path.name}.tmp")
        self._is_held = False

    def load(self, load: Load) -> LoadCounts:
        """See `Warehouse`."""
        with tempfile.TemporaryDirectory(prefix="load-") as scratch:
            files = [load.lake.verified_file(entry, Path(scratch)) for entry in load.objects]
            counts, is_due = _with_enough_memory(lambda memory: self._load(load, files, memory))
        if is_due:
            try:
                self._erase()
            except WarehouseError as error:
                # The load is committed, and the next forgetting tries it again.
                log.warning("the file still has bytes of what was forgotten", extra={"error": str(error)})
        return counts

    def _load(self, load: Load, files: list[Path], memory: str) -> tuple[LoadCounts, bool]:
        """Gives whether new tombstones were taken in too."""
        with self._connection(load_memory=memory) as connection:
            connection.begin()
            has_removed = self._take_in(connection, load.lake, load.entity)
            found = _columns(connection)
            staged = _staged(connection, load.entity, files)
            counts = carry_out(load, connection.execute, staged=staged, found=found, clock=self._clock)
            connection.commit()
            return counts, has_removed

    def forget(self, lake: Lake, key: str) -> Forgotten | None:
        """See `Warehouse`. A file that is not there yet is not made, as for `check`."""
        if not self.path.exists():
            return None
        due = _with_enough_memory(lambda memory: self._forget(lake, memory))
        if due is None:
            return None
        if due:
            self._erase()
        return forget.outcome(self.find("forget_audit", forget.FIND, [key]), place=f"{lake.url}/{key}")

    def _forget(self, lake: Lake, memory: str) -> int | None:
        """Gives of how many objects bytes are to be erased; None if there is no table yet."""
        with self._connection(load_memory=memory) as connection:
            stored = tables.with_stored([], _columns(connection))
            if not stored:
                return None
            connection.begin()
            self._take_in(connection, lake, *stored)
            connection.commit()
            [(due, _)] = connection.execute(forget.COUNT_DUE).fetchall()
            return int(due)

    def _take_in(self, connection: duckdb.DuckDBPyConnection, lake: Lake, *loaded: Entity) -> bool:
        """Bring the tables of what is loaded and the tombstones up to date; whether there were new ones."""
        entities = [*loaded]
        for entity in entities:
            self._define(connection, entity)
        objects = forget.missing(lake, connection.execute)
        if objects:
            entities = tables.with_stored(entities, _columns(connection))
            for entity in entities:
                self._define(connection, entity)
        return forget.take_in(objects, connection.execute, entities=entities, now=self._clock())

    def _erase(self) -> None:
        def once(memory: str) -> None:
            with self._connection(load_memory=memory) as connection:
                rewrite(connection, self.path, scratch=self._scratch, now=self._clock())

        _with_enough_memory(once)

    def loaded(self, *, entity: Entity, first_hour: str, last_hour: str) -> set[str]:
        """See `Warehouse`."""
        known = self.find("load_audit", upsert.FIND_LOADS, [entity.name, first_hour, last_hour])
        return {load_id for (load_id,) in known}

    def find(self, table: str, sql: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        """See `Warehouse`."""
        if not self.path.exists():
            return []
        with self._connection(read_only=True) as connection:
            if table not in dict(_columns(connection)):
                return []
            return connection.execute(sql, values).fetchall()

    def check(self, *, entity: Entity, lake: Lake, folder: str) -> str:  # noqa: ARG002
        """See `Warehouse`. A file that is not there yet is not made: an empty one would pass for a full one."""
        place = next(parent for parent in self.path.parents if parent.exists())
        if self.path.exists():
            with self._connection() as connection:
                connection.begin()
                self._define(connection, entity)
                connection.rollback()
            return f"{self.url} can be written"
        self._check_no_log_is_left()
        if not os.access(place, os.W_OK | os.X_OK):
            raise WarehouseError(f"WAREHOUSE_URL: {self.path} cannot be made: {place} may not be written to")
        return f"{self.url} will be made by the first load"

    def query(self, sql: str, *, limit: int) -> tuple[list[str], list[tuple[object, ...]]]:
        """See `Warehouse`."""
        if not self.path.exists():
            raise WarehouseError(f"WAREHOUSE_URL: {self.path} is not there yet: run the pipeline first")
        with self._connection(read_only=True) as connection:
            try:
                connection.execute("SET enable_external_access = false")
                result = connection.execute(sql)
                if result is None:  # What DuckDB makes of a text without a statement.
                    return [], []
                return [column[0] for column in result.description or ()], result.fetchmany(limit)
            except duckdb.Error as error:
                raise WarehouseError(f"query: {' '.join(str(error).split())}") from error

    def _define(self, connection: duckdb.DuckDBPyConnection, entity: Entity) -> None:
        """Make what is missing."""
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {tables.SCHEMA}")
        found = _columns(connection)
        for statement in tables.definitions(entity, found, storage=False):
            connection.execute(statement)

    def _say_waiting(self, attempt: int) -> None:
        if attempt == 1:
            log.info("the warehouse is open in another process: waiting", extra={"warehouse": self.url})

    def _check_no_log_is_left(self) -> None:
        # In this order, as another run may make the file right now.
        if self._wal.exists() and not self.path.exists():
            raise ConfigurationError(f"WAREHOUSE_URL: {self._wal} is left of a file that was removed: remove it too")

    def _create(self, scratch: Path) -> None:
        """Let the file appear whole: of two first runs at once, the other would find half a header in it."""
        self._check_no_log_is_left()
        new = self.path.with_name(f".{self.path.name}.{secrets.token_hex(4)}.new")
        try:
            duck.connect(new, scratch=scratch).close()
            with suppress(FileExistsError):
                os.link(new, self.path)
        finally:
            new.unlink(missing_ok=True)

    @contextmanager
    def _connection(
        self, *, read_only: bool = False, load_memory: str = duck.LOAD_MEMORY_LIMIT
    ) -> Iterator[duckdb.DuckDBPyConnection]:
        """Closed after each use, so that others find the file free; what was not committed is rolled back."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, FileNotFoundError, NotADirectoryError, PermissionError) as error:
            raise ConfigurationError(
                f"WAREHOUSE_URL: {self.url}: {error}: name a file in a folder that can be made"
            ) from error
        try:
            if not read_only and not self.path.exists():
                self._create(self._scratch)
            with (
                ONE_AT_A_TIME,
                self._waiting()(self._open, read_only=read_only, load_memory=load_memory) as connection,
                duck.interruptible(),
            ):
                self._is_held = False
                yield connection
        except (duckdb.Error, OSError) as error:
            raise self._meaning(error) from error

    def _open(self, *, read_only: bool, load_memory: str) -> duckdb.DuckDBPyConnection:
        """Open the file that the path names: before it is locked, another process may replace it by a rewritten one."""
        while True:
            inode = self.path.stat().st_ino
            connection = duck.connect(self.path, scratch=self._scratch, read_only=read_only, load_memory=load_memory)
            if self.path.stat().st_ino == inode:
                return connection
            connection.close()

    def _waiting(self) -> Retrying:
        """The process may have many more loads; each is tried, but none waits as long again for the same holder."""
        return Retrying(
            retry=retry_if_exception(_is_locked),
            stop=stop_after_delay(0 if self._is_held else LOCK_WAIT),
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
                f"{place}: {who} has it open: end that, and read a copy of the file there or ask by "
                "`python -m jobs query`; the next run loads what is left"
            )
        if LEFT_OVER in message:
            return ConfigurationError(
                f"{place}: {self._wal} is of another copy of the file: remove it; what it held is loaded again"
            )
        if any(words in message for words in DAMAGE):
            return ConfigurationError(
                f"{place}: {message.rstrip('!.')}: name another file, restore this one from a copy, or remove it and "
                "its .wal; what receipts say of the last 48 hours is loaded again"
            )
        return WarehouseError(f"{place}: {message}")


def _columns(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, str]]:
    """The tables of the schema with their columns, as far as there are any."""
    return connection.execute(FIND_COLUMNS, [tables.SCHEMA]).fetchall()


def _with_enough_memory(once: Callable[[str], Answer]) -> Answer:
    """Do it with the memory of a load, and if that does not suffice with more."""
    try:
        return once(duck.LOAD_MEMORY_LIMIT)
    except WarehouseError as error:
        if not isinstance(error.__cause__, duckdb.OutOfMemoryException):
            raise
        # As when a load replaces rows all over a table of more than 10 million.
        log.warning("it is tried again with more memory", extra={"error": str(error)})
        return once(duck.MOST_LOAD_MEMORY)


def _staged(connection: duckdb.DuckDBPyConnection, entity: Entity, files: list[Path]) -> Iterator[None]:
    """Let the view `staged` be `PORTION` rows of the files after the other.

    Long texts are thus read from the file when they are inserted, and never held. By name: a file that waited while the
    definition gained or lost a column still loads.
    """
    for path in map(duck.exactly, files):
        [(rows,)] = connection.execute("SELECT sum(num_rows) FROM parquet_file_metadata(?)", [path]).fetchall()
        empty = connection.execute("SELECT * FROM read_parquet(?, hive_partitioning = false) LIMIT 0", [path])
        there = {name for name, *_ in empty.description or ()}
        columns = ", ".join(
            f"CAST({column.name if column.name in there else 'NULL'} AS {column.type.sql}) AS {column.name}"
            for column in entity.curated
        )
        # A view takes no bound value.
        text = path.replace("'", "''")
        for begin in range(0, int(rows), PORTION):
            connection.execute(
                f"CREATE OR REPLACE TEMPORARY VIEW staged AS SELECT {columns} "
                f"FROM read_parquet('{text}', file_row_number = true, hive_partitioning = false) "
                f"WHERE file_row_number >= {begin} AND file_row_number < {begin + PORTION}"
            )
            yield
