"""A warehouse in Amazon Redshift: COPY from the lake into a staging table, then the upsert, in one transaction.

Logs in with the user and password of the URL, or as the AWS identity of the job: temporary credentials are asked for
whenever a connection is made.
"""

import logging
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import astuple
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool
from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_random_exponential

from reddit_etl.clock import Clock, utc_now
from reddit_etl.entities.schema import Entity
from reddit_etl.errors import WarehouseError
from reddit_etl.lake.base import Lake
from reddit_etl.lake.layout import hour_text
from reddit_etl.lake.receipts import DataObject
from reddit_etl.warehouse import tables, upsert
from reddit_etl.warehouse.base import LoadCounts, upsert_staged
from reddit_etl.warehouse.redshift import copy, probe
from reddit_etl.warehouse.redshift.errors import CANCELLED, LostError, PassingError, code_of, meaning
from reddit_etl.warehouse.redshift.login import Login

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")

TRIES = 6
LONGEST_WAIT = 30.0  # Seconds between tries.
LOCK_WAIT = 60.0  # Seconds that a try waits for another session; who reads a table that is to be altered waits too.
PORTION = 1000  # The most rows that a cluster of one node fetches at once.
# The catalog's own table: information_schema leaves out what the user has no right to.
FIND_COLUMNS = """\
SELECT pg_class.relname, pg_attribute.attname
FROM pg_namespace
JOIN pg_class ON pg_class.relnamespace = pg_namespace.oid
JOIN pg_attribute ON pg_attribute.attrelid = pg_class.oid
WHERE pg_namespace.nspname = %s AND pg_attribute.attnum > 0 AND NOT pg_attribute.attisdropped"""
QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
# What makes it hard to tell where a quote ends.
OBSCURE = ("--", "/*", "\\", "$")


class RedshiftWarehouse:
    """A `Warehouse` in Amazon Redshift, with one connection for each use."""

    def __init__(
        self,
        login: Login,
        *,
        copy_role: str,
        clock: Clock = utc_now,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.url = login.place
        self._copy_role = copy_role
        self._clock = clock
        self._is_lost = False
        self._engine = sa.create_engine(login.url, poolclass=NullPool, hide_parameters=True)
        sa.event.listen(self._engine, "do_connect", login.add_credentials)
        self._tries = Retrying(
            retry=retry_if_exception_type(PassingError),
            stop=self._is_enough,
            wait=wait_random_exponential(max=LONGEST_WAIT),
            sleep=pause,
            before_sleep=self._say_waiting,
            reraise=True,
        )

    def load(
        self,
        *,
        entity: Entity,
        load_id: str,
        hour: str,
        lake: Lake,
        objects: Sequence[DataObject],
        columns: Mapping[str, str],
    ) -> LoadCounts:
        """See `Warehouse`."""
        manifest = copy.put_manifest(lake, objects)
        rows = sum(entry.rows for entry in objects)

        def once() -> LoadCounts:
            with self._connection() as connection:
                with self._waiting(connection):
                    self._define(connection, entity)
                    connection.commit()
                    # Loads wait here for each other. Under snapshot isolation two of them would else each insert what
                    # neither sees of the other; a lock as the first statement leaves the snapshot for after it.
                    connection.exec_driver_sql(tables.LOCK)
                counts = self._load(
                    connection,
                    entity=entity,
                    load_id=load_id,
                    hour=hour,
                    manifest=manifest,
                    columns=columns,
                    rows=rows,
                )
                connection.commit()
                return counts

        try:
            return self._tried(once)
        except PassingError:
            raise
        except WarehouseError:
            # An object that is gone or damaged is told better by the lake than by COPY.
            for entry in objects:
                with tempfile.TemporaryDirectory(prefix="load-") as scratch:
                    lake.verified_file(entry, Path(scratch))
            raise

    def _tried(self, once: Callable[[], Answer]) -> Answer:
        """Until it succeeds, or there is no use in trying."""
        try:
            answer = self._tries(once)
        except LostError:
            # The process may have many more loads; each is tried, but none waits as long again.
            self._is_lost = True
            raise
        self._is_lost = False
        return answer

    def loaded(self, *, entity: Entity, first_hour: str, last_hour: str) -> set[str]:
        """See `Warehouse`."""
        known = self.find("load_audit", upsert.find_loads, (entity.name, first_hour, last_hour))
        return {load_id for (load_id,) in known}

    def find(self, table: str, statement: Callable[[str], str], values: Sequence[object]) -> list[tuple[Any, ...]]:
        """See `Warehouse`."""

        def once() -> list[tuple[Any, ...]]:
            with self._connection() as connection:
                if table not in dict(self._columns(connection)):
                    return []
                return [tuple(row) for row in connection.exec_driver_sql(statement("%s"), tuple(values))]

        return self._tried(once)

    def query(self, sql: str, *, limit: int) -> tuple[list[str], list[tuple[object, ...]]]:
        """See `Warehouse`."""
        statement = sql.strip().rstrip(";")
        if ";" in QUOTED.sub("", statement) or (";" in statement and any(mark in statement for mark in OBSCURE)):
            # Redshift would run what comes behind the query, a COMMIT included.
            raise WarehouseError("query: give one statement, and in a text write CHR(59) for a semicolon")
        rows: list[tuple[object, ...]] = []
        with self._connection(postgresql_readonly=True) as connection:
            try:
                # A cursor leaves the rows behind the limit where they are.
                connection.exec_driver_sql(f"DECLARE answer CURSOR FOR {statement}")
                while True:
                    wanted = min(PORTION, limit - len(rows))
                    answer = connection.exec_driver_sql(f"FETCH FORWARD {wanted} FROM answer")
                    portion = answer.fetchall()
                    rows += map(tuple, portion)
                    if len(portion) < wanted or len(rows) == limit:
                        return list(answer.keys()), rows
            except sa.exc.ProgrammingError as error:
                raise WarehouseError(f"query: {' '.join(str(error.orig).split())}") from error

    def check(self, *, entity: Entity, lake: Lake, folder: str) -> str:
        """See `Warehouse`."""
        # Before the login, as a load does: Redshift ends a session that is idle, and others wait for its lock.
        manifest = probe.put(lake, folder)
        with self._connection() as connection:
            with self._waiting(connection):
                self._define(connection, entity)
                connection.exec_driver_sql(tables.LOCK)
            hour = hour_text(self._clock())
            self._load(connection, entity=entity, load_id="doctor", hour=hour, manifest=None, columns={}, rows=0)
            probe.check(connection, manifest, role=self._copy_role)
        return f"{self.url} logs in, takes a load into schema {tables.SCHEMA}, and copies from the lake"

    def _load(
        self,
        connection: sa.Connection,
        *,
        entity: Entity,
        load_id: str,
        hour: str,
        manifest: str | None,
        columns: Mapping[str, str],
        rows: int,
    ) -> LoadCounts:
        done = connection.exec_driver_sql(upsert.find_audit("%s"), (load_id,)).fetchone()
        if done:
            return LoadCounts(*done)
        columns = columns or {column.name: column.type.sql for column in entity.curated}
        copy.stage(connection, entity, columns, manifest, role=self._copy_role)
        counts = upsert_staged(entity, connection.exec_driver_sql, hour=hour, now=self._clock())
        if counts.staged != rows:
            raise WarehouseError(f"{counts.staged} rows arrived where the receipt lists {rows}")
        values = (load_id, entity.name, hour, *astuple(counts), self._clock())
        connection.exec_driver_sql(upsert.audit("%s"), values)
        return counts

    def _define(self, connection: sa.Connection, entity: Entity) -> None:
        """Make what is missing."""
        found = self._columns(connection)
        statements = tables.definitions(entity, found, storage=True)
        if tables.LOCK_TABLE not in dict(found):
            statements += tables.CREATE_LOCK
        # Who may create tables in a schema need not be allowed to create schemas.
        if not connection.exec_driver_sql("SELECT 1 FROM pg_namespace WHERE nspname = %s", (tables.SCHEMA,)).fetchone():
            statements.insert(0, f"CREATE SCHEMA {tables.SCHEMA}")
        for statement in statements:
            connection.exec_driver_sql(statement)

    def _columns(self, connection: sa.Connection) -> list[tuple[str, str]]:
        """The tables of the schema with their columns, as far as there are any."""
        return [(table, column) for table, column in connection.exec_driver_sql(FIND_COLUMNS, (tables.SCHEMA,))]

    @contextmanager
    def _waiting(self, connection: sa.Connection) -> Iterator[None]:
        """Around what waits for locks, which Redshift does without an end."""
        connection.exec_driver_sql(f"SET statement_timeout TO {LOCK_WAIT * 1000:.0f}")
        try:
            yield
        except DBAPIError as error:
            if code_of(error) == CANCELLED:
                who = "another load, or for a session that left a transaction open"
                text = " ".join(str(error.orig).split())
                raise PassingError(f"WAREHOUSE_URL: {self.url}: waiting for {who}: {text}") from error
            raise
        connection.exec_driver_sql("SET statement_timeout TO DEFAULT")

    @contextmanager
    def _connection(self, **options: Any) -> Iterator[sa.Connection]:
        """Closed after each use; what was not committed is rolled back."""
        try:
            with self._engine.connect() as connection:
                # Without values a percent sign in a statement is just that.
                yield connection.execution_options(no_parameters=True, **options)
        except DBAPIError as error:
            raise meaning(error, place=f"WAREHOUSE_URL: {self.url}", copy_role=self._copy_role) from error

    def _is_enough(self, state: RetryCallState) -> bool:
        is_lost = bool(state.outcome and isinstance(state.outcome.exception(), LostError))
        return state.attempt_number >= (1 if is_lost and self._is_lost else TRIES)

    def _say_waiting(self, state: RetryCallState) -> None:
        error = state.outcome and state.outcome.exception()
        log.warning("the load is tried again", extra={"try": state.attempt_number + 1, "error": str(error)})
