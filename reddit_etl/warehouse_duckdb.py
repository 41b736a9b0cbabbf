"""A warehouse in a DuckDB file, for the embedded run."""

import logging
import os
import secrets
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import astuple
from pathlib import Path
from threading import Lock

import duckdb
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_random

from reddit_etl import duck, upsert
from reddit_etl.clock import Clock, utc_now
from reddit_etl.errors import WarehouseError
from reddit_etl.lake import Lake
from reddit_etl.receipt import DataObject
from reddit_etl.schema import Entity
from reddit_etl.warehouse import DUCKDB, LoadCounts

log = logging.getLogger(__name__)

# A DuckDB file has one writer at a time; another run is done with it in seconds.
LOCK_WAIT = 60.0
# Within a process DuckDB locks nothing: two loads would each insert what neither sees of the other.
ONE_AT_A_TIME = Lock()


def _is_locked(error: BaseException) -> bool:
    return isinstance(error, duckdb.IOException) and "Could not set lock" in str(error)


class DuckDBWarehouse:
    def __init__(self, path: Path, *, clock: Clock = utc_now) -> None:
        self._clock = clock
        self.path = path.expanduser().absolute()
        self.url = f"{DUCKDB}{self.path}"

    def load(self, *, entity: Entity, load_id: str, hour: str, lake: Lake, objects: Sequence[DataObject]) -> LoadCounts:
        """See `Warehouse`."""
        rows = sum(entry.rows for entry in objects)
        with tempfile.TemporaryDirectory(prefix="load-") as scratch:
            files = [lake.verified_file(entry, Path(scratch)) for entry in objects]
            with self._connection() as connection:
                connection.begin()
                self._prepare(connection, entity)
                known = connection.execute(upsert.find_audit("?"), [load_id]).fetchone()
                if known:
                    connection.rollback()
                    return LoadCounts(*known)
                counts = self._upsert(connection, entity, files, rows)
                said = [load_id, entity.name, hour, *astuple(counts), self._clock()]
                connection.execute(upsert.audit("?"), said)
                connection.commit()
                return counts

    def is_gone(self) -> bool:
        """See `Warehouse`."""
        return not self.path.exists()

    def query(self, sql: str, *, limit: int) -> tuple[list[str], list[tuple[object, ...]]]:
        """See `Warehouse`."""
        if self.is_gone():
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

    def _prepare(self, connection: duckdb.DuckDBPyConnection, entity: Entity) -> None:
        """Create what is missing, add what the definition gained; nothing is ever dropped."""
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {upsert.SCHEMA}")
        found: dict[str, set[str]] = {}
        for table, column in connection.execute(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = ?", [upsert.SCHEMA]
        ).fetchall():
            found.setdefault(table, set()).add(column)
        for table in upsert.tables(entity):
            if table.name not in found:
                statements = upsert.create(table)
            else:
                missing = [column for column in table.columns if column.name not in found[table.name]]
                statements = [text for column in missing for text in upsert.add_column(table, column)]
            for statement in statements:
                connection.execute(statement)

    def _upsert(
        self, connection: duckdb.DuckDBPyConnection, entity: Entity, files: list[Path], rows: int
    ) -> LoadCounts:
        columns = ", ".join(f"{column.name} {column.type.sql}" for column in entity.curated)
        connection.execute(f"CREATE OR REPLACE TEMPORARY TABLE staged ({columns})")
        staged = inserted = updated = 0
        for _ in _stage(connection, entity, files):
            staged += _count(connection, "SELECT COUNT(*) FROM staged")
            if _count(connection, upsert.null_keys(entity)):
                raise WarehouseError(f"{entity.name} without a key or a time came from the transformation")
            if _count(connection, upsert.count_doubles(entity)):
                for statement in upsert.deduplicate(entity):
                    connection.execute(statement)
            connection.execute(upsert.observe(entity))
            connection.execute(upsert.backdate(entity))
            connection.execute(upsert.drop_stale(entity))
            fresh = _count(connection, "SELECT COUNT(*) FROM staged")
            known = _count(connection, upsert.count_known(entity))
            connection.execute(upsert.merge(entity))
            updated += known
            inserted += fresh - known
        if staged != rows:
            raise WarehouseError(f"{staged} rows arrived where the receipt lists {rows}")
        return LoadCounts(staged=staged, inserted=inserted, updated=updated, stale=staged - inserted - updated)

    def _say_waiting(self, attempt: int) -> None:
        if attempt == 1:
            log.info("the warehouse is open in another process: waiting", extra={"warehouse": self.url})

    def _create(self, scratch: Path) -> None:
        """Let the file appear whole: of two first runs at once, the other would find half a header in it."""
        new = self.path.with_name(f".{self.path.name}.{secrets.token_hex(4)}.new")
        try:
            duck.connect(new, scratch=scratch).close()
            with suppress(FileExistsError):
                os.link(new, self.path)
        finally:
            new.unlink(missing_ok=True)

    @contextmanager
    def _connection(self, *, read_only: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
        """Closed after each use, so that others find the file free; what was not committed is rolled back."""
        waiting = Retrying(
            retry=retry_if_exception(_is_locked),
            stop=stop_after_delay(LOCK_WAIT),
            wait=wait_random(0.05, 0.3),
            before_sleep=lambda state: self._say_waiting(state.attempt_number),
            reraise=True,
        )
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            scratch = self.path.with_name(f"{self.path.name}.tmp")
            if not read_only and self.is_gone():
                self._create(scratch)
            with (
                ONE_AT_A_TIME,
                waiting(duck.connect, self.path, scratch=scratch, read_only=read_only) as connection,
                duck.interruptible(),
            ):
                yield connection
        except (duckdb.Error, OSError) as error:
            raise WarehouseError(f"WAREHOUSE_URL: {self.url}: {str(error).splitlines()[0]}") from error


def _stage(connection: duckdb.DuckDBPyConnection, entity: Entity, files: list[Path]) -> Iterator[None]:
    """Fill `staged` with one row group of the files after the other: whole files do not fit into DuckDB's memory.

    By name: a file that waited while the definition gained or lost a column still loads.
    """
    names = [column.name for column in entity.curated]
    for path in map(duck.exactly, files):
        groups = connection.execute(
            "SELECT any_value(row_group_num_rows) FROM parquet_metadata(?) GROUP BY row_group_id ORDER BY row_group_id",
            [path],
        ).fetchall()
        begin = 0
        for (rows,) in groups:
            connection.execute("TRUNCATE staged")
            connection.execute(
                "INSERT INTO staged BY NAME SELECT COLUMNS(lambda name: list_contains(?, name)) "
                "FROM read_parquet(?, file_row_number = true, hive_partitioning = false) "
                "WHERE file_row_number >= ? AND file_row_number < ?",
                [names, path, begin, begin + rows],
            )
            begin += rows
            yield


def _count(connection: duckdb.DuckDBPyConnection, sql: str) -> int:
    [(count,)] = connection.execute(sql).fetchall()
    return int(count)
