"""A warehouse in a DuckDB file, for the embedded run."""

import logging
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

import duckdb

from reddit_etl import duck
from reddit_etl.clock import Clock, utc_now
from reddit_etl.entities.schema import Entity
from reddit_etl.errors import WarehouseError
from reddit_etl.lake.base import Lake
from reddit_etl.warehouse import checksum, duckdb_query, forget, tables, upsert
from reddit_etl.warehouse.base import Answer, Forgotten, Load, LoadCounts, carry_out
from reddit_etl.warehouse.comparison import compare, nothing_of
from reddit_etl.warehouse.duckdb_file import DuckDBFile, with_enough_memory
from reddit_etl.warehouse.held import Held
from reddit_etl.warehouse.rewrite import rewrite

log = logging.getLogger(__name__)

# Rows that are upserted together; their keys and times are held in memory. The tables are read once for each portion.
PORTION = 250_000
FIND_COLUMNS = "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = ?"


class DuckDBWarehouse:
    """A `Warehouse` in one DuckDB file, opened for each use and closed after it."""

    def __init__(self, path: Path, *, clock: Clock = utc_now) -> None:
        self._clock = clock
        self._file = DuckDBFile(path)
        self.path = self._file.path
        self.url = self._file.url
        self._kept: duckdb.DuckDBPyConnection | None = None

    def load(self, load: Load) -> LoadCounts:
        """See `Warehouse`."""
        with tempfile.TemporaryDirectory(prefix="load-") as scratch:
            files = [load.lake.verified_file(entry, Path(scratch)) for entry in load.objects]
            with _in_place(load):
                counts, is_due = with_enough_memory(lambda memory: self._load(load, files, memory))
        if is_due:
            try:
                self._erase()
            except WarehouseError as error:
                # The load is committed, and the next forgetting tries it again.
                log.warning("the file still has bytes of what was forgotten", extra={"error": str(error)})
        return counts

    def _load(self, load: Load, files: list[Path], memory: str) -> tuple[LoadCounts, bool]:
        """Gives whether new tombstones were taken in too."""
        with self._file.connection(load_memory=memory) as connection:
            connection.begin()
            has_removed = self._take_in(connection, load.lake, load.entity, listed=load.tombstones)
            found = _columns(connection)
            staged = _staged(connection, load.entity, files)
            counts = carry_out(load, connection.execute, staged=staged, found=found, clock=self._clock)
            connection.commit()
            return counts, has_removed

    def forget(self, lake: Lake, key: str) -> Forgotten | None:
        """See `Warehouse`. A file that is not there yet is not made, as for `check`."""
        if not self.path.exists():
            return None
        due = with_enough_memory(lambda memory: self._forget(lake, memory))
        if due is None:
            return None
        if due:
            self._erase()
        return forget.outcome(self.find("forget_audit", forget.FIND, [key]), place=f"{lake.url}/{key}")

    def _forget(self, lake: Lake, memory: str) -> int | None:
        """Gives of how many objects bytes are to be erased; None if there is no table yet."""
        with self._file.connection(load_memory=memory) as connection:
            stored = tables.with_stored([], _columns(connection))
            if not stored:
                return None
            connection.begin()
            self._take_in(connection, lake, *stored)
            connection.commit()
            [(due, _)] = connection.execute(forget.COUNT_DUE).fetchall()
            return int(due)

    def _take_in(
        self,
        connection: duckdb.DuckDBPyConnection,
        lake: Lake,
        *loaded: Entity,
        listed: Callable[[], Iterable[str]] | None = None,
    ) -> bool:
        """Bring the tables of what is loaded and the tombstones up to date; whether there were new ones."""
        entities = [*loaded]
        for entity in entities:
            self._define(connection, entity)
        has_new = False
        for objects in forget.missing(lake, connection.execute, listed):
            entities = tables.with_stored(entities, _columns(connection))
            for entity in entities:
                self._define(connection, entity)
            has_new |= forget.take_in(objects, connection.execute, entities=entities, now=self._clock())
        return has_new

    def _erase(self) -> None:
        def once(memory: str) -> None:
            with self._file.connection(load_memory=memory) as connection:
                rewrite(connection, self.path, scratch=self._file.scratch, now=self._clock())

        with_enough_memory(once)

    def compare(self, load: Load) -> Held:
        """See `Warehouse`."""
        with tempfile.TemporaryDirectory(prefix="compare-") as scratch:
            files = [load.lake.verified_file(entry, Path(scratch)) for entry in load.objects]
            if not self.path.exists():
                return nothing_of(load)
            with _in_place(load), self._file.connection(read_only=True) as connection:
                found = connection.execute(FIND_COLUMNS, [tables.SCHEMA]).fetchall()
                staged = _staged(connection, load.entity, files)
                return compare(load, connection.execute, staged=staged, found=found, dialect=checksum.DUCKDB)

    def loaded(self, *, first_hour: str, last_hour: str) -> set[str]:
        """See `Warehouse`."""
        known = self.find("load_audit", upsert.FIND_LOADS, [first_hour, last_hour])
        return {load_id for (load_id,) in known}

    def find(self, table: str, sql: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        """See `Warehouse`."""
        if not self._kept and not self.path.exists():
            return []
        with self._to_read() as connection:
            if table not in dict(_columns(connection)):
                return []
            return connection.execute(sql, values).fetchall()

    @contextmanager
    def reading(self) -> Iterator[None]:
        """See `Warehouse`. To open the file takes 17 ms of CPU."""
        if self._kept or not self.path.exists():
            yield
            return
        # Not in a `with`: an OSError of something else in the block is not the warehouse's.
        opened = ExitStack()
        self._kept = opened.enter_context(self._file.connection(read_only=True))
        try:
            yield
        finally:
            self._kept = None
            opened.close()

    @contextmanager
    def _to_read(self) -> Iterator[duckdb.DuckDBPyConnection]:
        if self._kept:
            with self._file.failures():
                yield self._kept
            return
        with self._file.connection(read_only=True) as connection:
            yield connection

    def check(self, *, entity: Entity, lake: Lake, folder: str) -> str:  # noqa: ARG002
        """See `Warehouse`. A file that is not there yet is not made: an empty one would pass for a full one."""
        if self.path.exists():
            # A check says at once who has it.
            with self._file.connection(lock_wait=0) as connection:
                self._file.check_whole(connection)
                connection.begin()
                self._define(connection, entity)
                connection.rollback()
            return f"{self.url} can be written"
        self._file.check_can_be_made()
        return f"{self.url} will be made by the first load"

    def answer(self, sql: str, *, limit: int | None = None) -> AbstractContextManager[Answer]:
        """See `Warehouse`."""
        return duckdb_query.answer(self._file, sql, limit=limit)

    def query(self, sql: str, *, limit: int) -> tuple[list[str], list[tuple[object, ...]]]:
        """See `Warehouse`."""
        with self.answer(sql, limit=limit) as answer:
            return list(answer.names), list(answer.rows)

    def to_parquet(self, sql: str, path: Path) -> int:
        """See `Warehouse`."""
        return duckdb_query.to_parquet(self._file, sql, path)

    def _define(self, connection: duckdb.DuckDBPyConnection, entity: Entity) -> None:
        """Make what is missing."""
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {tables.SCHEMA}")
        found = _columns(connection)
        for statement in tables.definitions(entity, found, storage=False):
            connection.execute(statement)


@contextmanager
def _in_place(load: Load) -> Iterator[None]:
    """An error is another one if an object has been removed since it was checked."""
    try:
        yield
    except WarehouseError:
        load.lake.check_there(entry.key for entry in load.objects)
        raise


def _columns(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, str]]:
    """The tables of the schema with their columns, as far as there are any."""
    return connection.execute(FIND_COLUMNS, [tables.SCHEMA]).fetchall()


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
