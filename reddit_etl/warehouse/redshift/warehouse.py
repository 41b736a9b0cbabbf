"""A warehouse in Amazon Redshift: COPY from the lake into a staging table, then the upsert, in one transaction."""

import logging
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import chain
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from reddit_etl.clock import Clock, utc_now
from reddit_etl.entities.schema import Entity
from reddit_etl.errors import WarehouseError
from reddit_etl.lake.base import Lake
from reddit_etl.lake.layout import hour_text
from reddit_etl.warehouse import checksum, forget, tables, upsert
from reddit_etl.warehouse.base import Answer, Forgotten, Load, LoadCounts, carry_out
from reddit_etl.warehouse.comparison import compare
from reddit_etl.warehouse.held import Held
from reddit_etl.warehouse.redshift import copy, probe, query
from reddit_etl.warehouse.redshift.connections import Connections, executing
from reddit_etl.warehouse.redshift.errors import PassingError
from reddit_etl.warehouse.redshift.login import Login

log = logging.getLogger(__name__)

# The catalog's own table: information_schema leaves out what the user has no right to.
FIND_COLUMNS = """\
SELECT pg_class.relname, pg_attribute.attname
FROM pg_namespace
JOIN pg_class ON pg_class.relnamespace = pg_namespace.oid
JOIN pg_attribute ON pg_attribute.attrelid = pg_class.oid
WHERE pg_namespace.nspname = %s AND pg_attribute.attnum > 0 AND NOT pg_attribute.attisdropped"""


class RedshiftWarehouse:
    """A `Warehouse` in Amazon Redshift."""

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
        self._connections = Connections(login, copy_role=copy_role, pause=pause)

    def load(self, load: Load) -> LoadCounts:
        """See `Warehouse`."""
        manifest = copy.put_manifest(load.lake, load.objects)

        is_due = False

        def once() -> LoadCounts:
            nonlocal is_due
            with self._connections.open() as connection:
                # Or in a try before, whose commit was not answered.
                is_due |= self._take_in(connection, load.lake, load.entity, listed=load.tombstones)
                counts = self._load(connection, load, manifest)
                connection.commit()
                return counts

        try:
            counts = self._connections.retry(once)
        except PassingError:
            raise
        except WarehouseError:
            _verify(load)
            raise
        if is_due:
            try:
                self._erase()
            except WarehouseError as error:
                # The load is committed, and the next forgetting tries it again.
                log.warning("the tables still have bytes of what was forgotten", extra={"error": str(error)})
        return counts

    def forget(self, lake: Lake, key: str) -> Forgotten | None:
        """See `Warehouse`."""

        def once() -> int | None:
            with self._connections.open() as connection:
                stored = tables.with_stored([], _columns(connection))
                if not stored:
                    return None
                self._take_in(connection, lake, *stored)
                connection.commit()
                [(due, _)] = connection.exec_driver_sql(forget.COUNT_DUE)
                return int(due)

        due = self._connections.retry(once)
        if due is None:
            return None
        if due:
            self._erase()
        return forget.outcome(self.find("forget_audit", forget.FIND, (key,)), place=f"{lake.url}/{key}")

    def _take_in(
        self,
        connection: sa.Connection,
        lake: Lake,
        *loaded: Entity,
        listed: Callable[[], Iterable[str]] | None = None,
    ) -> bool:
        """Bring the tables of what is loaded and the tombstones up to date, in a transaction that waits for others.

        Gives whether there were new tombstones.
        """
        entities = [*loaded]
        with self._connections.waiting(connection):
            for entity in entities:
                self._define(connection, entity)
            connection.commit()
            # The lake is read before others have to wait for it, but for what is more than fits into memory.
            parts = forget.missing(lake, executing(connection), listed)
            first = next(parts, {})
            if first:
                entities = tables.with_stored(entities, _columns(connection))
                for entity in entities:
                    self._define(connection, entity)
            connection.commit()
            # Loads wait here for each other. Under snapshot isolation two of them would else each insert what neither
            # sees of the other; a lock as the first statement leaves the snapshot for after it.
            connection.exec_driver_sql(tables.LOCK)
        execute, now = executing(connection), self._clock()
        return any([forget.take_in(part, execute, entities=entities, now=now) for part in chain([first], parts)])

    def _erase(self) -> None:
        """Redshift keeps deleted rows in its blocks until VACUUM, which runs in no transaction.

        VACUUM leaves what is still seen by a transaction that is older than the deletion. The loads that wait are such
        transactions, so their turn comes first.
        """

        def once() -> None:
            with self._connections.open() as connection, self._connections.waiting(connection):
                [(_, until)] = connection.exec_driver_sql(forget.COUNT_DUE)
                connection.commit()
                connection.exec_driver_sql(tables.LOCK)
            with self._connections.open(isolation_level="AUTOCOMMIT") as connection:
                for entity in tables.with_stored([], _columns(connection)):
                    for table in (entity.name, entity.metrics_table):
                        self._vacuum(connection, f"{tables.SCHEMA}.{table}")
                executing(connection)(forget.erased(), (self._clock(), until))

        self._connections.retry(once)

    def _vacuum(self, connection: sa.Connection, table: str) -> None:
        """Without the right, a table is skipped with a warning. Raises WarehouseError then."""
        warnings: list[str] = []

        def keep(_: object, cursor: Any, *__: object) -> None:
            # SQLAlchemy drops them afterwards.
            warnings.extend(cursor.connection.notices)

        sa.event.listen(connection, "after_cursor_execute", keep)
        connection.exec_driver_sql(f"VACUUM DELETE ONLY {table} TO 100 PERCENT")
        sa.event.remove(connection, "after_cursor_execute", keep)
        if any("skipping" in warning for warning in warnings):
            fix = "grant it VACUUM by a role, or make it the owner of the table"
            raise WarehouseError(f"{self.url}: Redshift does not VACUUM {table} for this user: {fix}")

    def compare(self, load: Load) -> Held:
        """See `Warehouse`."""
        manifest = copy.put_manifest(load.lake, load.objects)

        def once() -> Held:
            with self._connections.open() as connection:
                staged = self._staged(connection, load, manifest)
                found = _columns(connection)
                return compare(load, executing(connection), staged=staged, found=found, dialect=checksum.REDSHIFT)

        try:
            held = self._connections.retry(once)
        except PassingError:
            raise
        except WarehouseError:
            _verify(load)
            raise
        if not held.is_equal:
            # COPY reads a damaged object too, if it is still one of Parquet.
            _verify(load)
        return held

    def loaded(self, *, first_hour: str, last_hour: str) -> set[str]:
        """See `Warehouse`."""
        known = self.find("load_audit", upsert.FIND_LOADS, (first_hour, last_hour))
        return {load_id for (load_id,) in known}

    def reading(self) -> AbstractContextManager[None]:
        """See `Warehouse`. Each query has a connection of its own still, so that it can be tried again."""
        return nullcontext()

    def find(self, table: str, sql: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        """See `Warehouse`."""

        def once() -> list[tuple[Any, ...]]:
            with self._connections.open() as connection:
                if table not in dict(_columns(connection)):
                    return []
                return [tuple(row) for row in executing(connection)(sql, values)]

        return self._connections.retry(once)

    def answer(self, sql: str, *, limit: int | None = None) -> AbstractContextManager[Answer]:
        """See `Warehouse`."""
        return query.answer(self._connections, sql, limit=limit)

    def query(self, sql: str, *, limit: int) -> tuple[list[str], list[tuple[object, ...]]]:
        """See `Warehouse`."""
        with self.answer(sql, limit=limit) as answer:
            return list(answer.names), list(answer.rows)

    def to_parquet(self, sql: str, path: Path) -> int:
        """See `Warehouse`. Needs DuckDB, which writes the file."""
        return query.to_parquet(self._connections, sql, path)

    def check(self, *, entity: Entity, lake: Lake, folder: str) -> str:
        """See `Warehouse`."""
        # Before the login, as a load does: Redshift ends a session that is idle, and others wait for its lock.
        manifest = probe.put(lake, folder)
        with self._connections.open() as connection:
            with self._connections.waiting(connection):
                self._define(connection, entity)
                connection.exec_driver_sql(tables.LOCK)
            hour = hour_text(self._clock())
            self._load(connection, Load(entity, "doctor", hour, lake, objects=[], columns={}), None)
            probe.check(connection, manifest, role=self._copy_role)
        return f"{self.url} logs in, takes a load into schema {tables.SCHEMA}, and copies from the lake"

    def _load(self, connection: sa.Connection, load: Load, manifest: str | None) -> LoadCounts:
        # The columns are asked for under the lock, so that those of another version's load are known.
        found = _columns(connection)
        staged = self._staged(connection, load, manifest)
        return carry_out(load, executing(connection), staged=staged, found=found, clock=self._clock)

    def _staged(self, connection: sa.Connection, load: Load, manifest: str | None) -> Iterator[None]:
        columns = load.columns or {column.name: column.type.sql for column in load.entity.curated}
        copy.stage(connection, load.entity, columns, manifest, role=self._copy_role)
        yield

    def _define(self, connection: sa.Connection, entity: Entity) -> None:
        """Make what is missing."""
        found = _columns(connection)
        statements = tables.definitions(entity, found, storage=True)
        if tables.LOCK_TABLE not in dict(found):
            statements += tables.CREATE_LOCK
        # Who may create tables in a schema need not be allowed to create schemas.
        if not connection.exec_driver_sql("SELECT 1 FROM pg_namespace WHERE nspname = %s", (tables.SCHEMA,)).fetchone():
            statements.insert(0, f"CREATE SCHEMA {tables.SCHEMA}")
        for statement in statements:
            connection.exec_driver_sql(statement)


def _verify(load: Load) -> None:
    """An object that is missing or damaged is named better by the lake than by COPY."""
    for entry in load.objects:
        with tempfile.TemporaryDirectory(prefix="load-") as scratch:
            load.lake.verified_file(entry, Path(scratch))


def _columns(connection: sa.Connection) -> list[tuple[str, str]]:
    """The tables of the schema with their columns, as far as there are any."""
    return [(table, column) for table, column in connection.exec_driver_sql(FIND_COLUMNS, (tables.SCHEMA,))]
