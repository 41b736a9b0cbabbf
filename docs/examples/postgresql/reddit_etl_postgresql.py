"""PostgreSQL as the warehouse, `WAREHOUSE_URL=postgresql://user:password@host/database`; see another-warehouse.md."""

import re
import select
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext, suppress
from itertools import chain, islice
from pathlib import Path
from typing import Any

import duckdb
import psycopg2
from psycopg2.extras import execute_values

from reddit_etl import duck
from reddit_etl.clock import Clock, utc_now
from reddit_etl.entities.schema import Entity
from reddit_etl.errors import ConfigurationError, WarehouseError
from reddit_etl.lake.base import Lake
from reddit_etl.lake.layout import hour_text
from reddit_etl.warehouse import forget, parquet, tables, upsert
from reddit_etl.warehouse.base import Answer, Execute, Forgotten, Load, LoadCounts, carry_out
from reddit_etl.warehouse.checksum import Dialect
from reddit_etl.warehouse.comparison import compare
from reddit_etl.warehouse.held import Held
from reddit_etl.warehouse.statement import single, with_percent

DIALECT = Dialect("VARCHAR", "TO_CHAR({}, 'YYYYMMDDHH24MISSUS')", "('x' || {})::BIT(32)::BIGINT")
FIND_COLUMNS = "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = ?"
# Loads and forgetting wait for each other here, until the transaction ends.
LOCK = "SELECT pg_advisory_xact_lock(hashtext('reddit_etl'))"
# In what VACUUM reports: how many deleted rows it left, since an older transaction is open.
LEFT = re.compile(r"(\d+) dead row versions cannot be removed")
PORTION = 1000  # Rows that are fetched at once.


class PostgreSQLWarehouse:
    """A `Warehouse` in a schema of a PostgreSQL database, with a connection for each use."""

    def __init__(self, url: str, *, clock: Clock = utc_now) -> None:
        try:
            place = psycopg2.extensions.parse_dsn(url)
        except psycopg2.Error:
            # Its text may hold the password.
            raise ConfigurationError("WAREHOUSE_URL: use postgresql://user:password@host:5432/database") from None
        self.url = f"postgresql://{place.get('host', '')}:{place.get('port', 5432)}/{place.get('dbname', '')}"
        self._dsn = url
        self._clock = clock

    def load(self, load: Load) -> LoadCounts:
        with self._session() as connection:
            has_removed = self._take_in(connection, load.lake, load.entity, listed=load.tombstones)
            counts = self._load(connection, load)
        if has_removed:
            # The load is committed, and the next forgetting tries again what fails here.
            with suppress(WarehouseError):
                self._erase()
        return counts

    def _load(self, connection: Any, load: Load) -> LoadCounts:
        execute = executing(connection)
        return carry_out(load, execute, staged=_staged(connection, load), found=_columns(execute), clock=self._clock)

    def _take_in(
        self,
        connection: Any,
        lake: Lake,
        *loaded: Entity,
        listed: Callable[[], Iterable[str]] | None = None,
    ) -> bool:
        """Make what is missing of the tables, and take in the tombstones that the warehouse lacks, if there are any."""
        execute = executing(connection)
        execute(LOCK, [])
        entities = tables.with_stored(loaded, _columns(execute))
        for entity in entities:
            _define(execute, entity)
        has_new = False
        for objects in forget.missing(lake, execute, listed):
            has_new |= forget.take_in(objects, execute, entities=entities, now=self._clock())
        return has_new

    def forget(self, lake: Lake, key: str) -> Forgotten | None:
        with self._session() as connection:
            if not tables.with_stored([], _columns(executing(connection))):
                return None
            self._take_in(connection, lake)
        self._erase()
        return forget.outcome(self.find("forget_audit", forget.FIND, [key]), place=f"{lake.url}/{key}")

    def _erase(self) -> None:
        """PostgreSQL keeps deleted rows in the tables' files until VACUUM writes these anew, in no transaction.

        It leaves what an older transaction may see. Loads that wait are such transactions, so their turn comes first.
        """
        with self._session() as connection:
            executing(connection)(LOCK, [])
        with self._session(autocommit=True) as connection:
            execute = executing(connection)
            [(due, until)] = execute(forget.COUNT_DUE, []).fetchall()
            if not due:
                return
            for entity in tables.with_stored([], _columns(execute)):
                for table in (entity.name, entity.metrics_table):
                    connection.notices.clear()
                    execute(f"VACUUM (FULL, VERBOSE) {tables.SCHEMA}.{table}", [])
                    left = LEFT.findall("".join(connection.notices))
                    if not left:
                        raise WarehouseError(f"{self.url}: VACUUM reports in another language: set lc_messages to C")
                    if any(map(int, left)):
                        raise WarehouseError(f"{self.url}: an open transaction keeps deleted rows of {table}: end it")
            execute(forget.erased(), [self._clock(), until])

    def compare(self, load: Load) -> Held:
        with self._session() as connection:
            execute, staged = executing(connection), _staged(connection, load)
            return compare(load, execute, staged=staged, found=_columns(execute), dialect=DIALECT)

    def loaded(self, *, first_hour: str, last_hour: str) -> set[str]:
        return {load_id for (load_id,) in self.find("load_audit", upsert.FIND_LOADS, [first_hour, last_hour])}

    def reading(self) -> AbstractContextManager[None]:
        return nullcontext()

    def find(self, table: str, sql: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        with self._session() as connection:
            execute = executing(connection)
            found: list[tuple[Any, ...]] = []
            if table in dict(_columns(execute)):
                found = execute(sql, values).fetchall()
            return found

    def check(self, *, entity: Entity, lake: Lake, folder: str) -> str:  # noqa: ARG002
        with self._session() as connection:
            _define(executing(connection), entity)
            self._load(connection, Load(entity, "doctor", hour_text(self._clock()), lake, objects=[], columns={}))
            connection.rollback()
        return f"{self.url} takes a load into schema {tables.SCHEMA}"

    @contextmanager
    def answer(self, sql: str, *, limit: int | None = None) -> Iterator[Answer]:
        with self._asked(sql) as (description, rows):
            yield Answer([column[0] for column in description], islice(rows, limit))

    def query(self, sql: str, *, limit: int) -> tuple[list[str], list[tuple[object, ...]]]:
        with self.answer(sql, limit=limit) as answer:
            return list(answer.names), list(answer.rows)

    def to_parquet(self, sql: str, path: Path) -> int:
        with self._asked(sql) as (description, rows):
            return parquet.write(description, rows, path)

    @contextmanager
    def _asked(self, sql: str) -> Iterator[tuple[Sequence[Any], Iterator[tuple[object, ...]]]]:
        """The columns and rows of a query, which are fetched from a cursor of the server's as they are asked for."""
        statement = single(sql)
        with self._session(readonly=True) as connection, connection.cursor("answer") as cursor:
            try:
                cursor.itersize = PORTION
                cursor.execute(statement)
                first = cursor.fetchmany(PORTION)
                yield cursor.description, chain(first, cursor)
            except psycopg2.Error as error:
                raise WarehouseError(f"query: {' '.join(str(error).split())}") from error

    @contextmanager
    def _session(self, **options: bool) -> Iterator[Any]:
        """A connection; its transaction is committed at the end of the block, and rolled back after an error."""
        try:
            with closing(psycopg2.connect(self._dsn, client_encoding="UTF8")) as connection:
                connection.set_session(**options)
                yield connection
                connection.commit()
        except (psycopg2.Error, duckdb.Error) as error:
            raise WarehouseError(f"WAREHOUSE_URL: {self.url}: {' '.join(str(error).split())}") from error


def wait(connection: Any) -> None:
    """Wait for the server in Python: within libpq a SIGTERM would wait for the end of the query, or of a lock."""
    while (state := connection.poll()) != psycopg2.extensions.POLL_OK:
        reading, writing = ([connection], []) if state == psycopg2.extensions.POLL_READ else ([], [connection])
        select.select(reading, writing, [])


# It is that of all connections of the process: another one waits in Python, too.
if psycopg2.extensions.get_wait_callback() is None:
    psycopg2.extensions.set_wait_callback(wait)


def executing(connection: Any) -> Execute:
    """Runs statements of the pipeline's own, in which a `?` is a bound value."""

    def execute(sql: str, values: Sequence[object]) -> Any:
        cursor = connection.cursor()
        if values:
            cursor.execute(with_percent(sql), values)
        else:
            # Here a percent sign is just that.
            cursor.execute(sql)
        return cursor

    return execute


def _columns(execute: Execute) -> list[tuple[str, str]]:
    """The tables of the schema with their columns, as far as there are any."""
    found: list[tuple[str, str]] = execute(FIND_COLUMNS, [tables.SCHEMA]).fetchall()
    return found


def _define(execute: Execute, entity: Entity) -> None:
    """Make what is missing of an entity's tables, with an index by which a load finds what is stored.

    PostgreSQL's statistics have values of the columns, which no VACUUM removes there; those of texts are not kept.
    """
    found = _columns(execute)
    if not found:
        execute(f"CREATE SCHEMA IF NOT EXISTS {tables.SCHEMA}", [])
    for statement in tables.definitions(entity, found, storage=False):
        execute(statement, [])
    for column in entity.table:
        if column.type.max_bytes and column.name != entity.key and (entity.name, column.name) not in found:
            execute(f"ALTER TABLE {tables.SCHEMA}.{entity.name} ALTER {column.name} SET STATISTICS 0", [])
    for table, key in ((entity.name, entity.key), (entity.metrics_table, f"{entity.key}, observed_at")):
        execute(f"CREATE UNIQUE INDEX IF NOT EXISTS {table}_key ON {tables.SCHEMA}.{table} ({key})", [])


def _staged(connection: Any, load: Load) -> Iterator[None]:
    """Fill the relation `staged`, by name: a file may lack a column that the definition has gained since."""
    columns = load.entity.curated
    types = ", ".join(f"{column.name} {column.type.sql}" for column in columns)
    with connection.cursor() as cursor, tempfile.TemporaryDirectory(prefix="load-") as scratch:
        cursor.execute(f"CREATE TEMPORARY TABLE staged ({types}) ON COMMIT DROP")
        for entry in load.objects:
            path = duck.exactly(load.lake.verified_file(entry, Path(scratch)))
            with duck.connect(scratch=Path(scratch)) as reader:
                there = reader.read_parquet(path, hive_partitioning=False).columns
                names = ", ".join(column.name for column in columns if column.name in there)
                rows = reader.execute(f"SELECT {names} FROM read_parquet(?, hive_partitioning = false)", [path])
                while portion := rows.fetchmany(PORTION):
                    execute_values(cursor, f"INSERT INTO staged ({names}) VALUES %s", portion, page_size=PORTION)
    yield
