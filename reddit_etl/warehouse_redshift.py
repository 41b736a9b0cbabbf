"""A warehouse in Amazon Redshift: COPY from the lake into a staging table, then the upsert, in one transaction.

Logs in with the user and password of the URL, or as the AWS identity of the job: temporary credentials are asked for
whenever a connection is made.
"""

import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import astuple
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool
from sqlalchemy_redshift.commands import CopyCommand, Format
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from reddit_etl import upsert
from reddit_etl.clock import Clock, utc_now
from reddit_etl.errors import ConfigurationError, WarehouseError
from reddit_etl.lake import Lake
from reddit_etl.receipt import DataObject
from reddit_etl.redshift_login import Login
from reddit_etl.schema import Entity
from reddit_etl.warehouse import LoadCounts, count, definitions, upsert_staged

log = logging.getLogger(__name__)

TRIES = 6
LONGEST_WAIT = 30.0  # Seconds between tries.
ROLE_REFUSALS = ("not authorized to assume", "S3ServiceException:Access", "AccessDenied", "Access Denied")
# What another load of the same posts, or a lock held for long, makes of a transaction; PostgreSQL's own codes beside.
CONFLICTS = ("40001", "40P01", "55P03")
# Redshift gives these no code of their own: error 1023, and its like for definitions.
CONFLICT_WORDS = ("erializable isolation violation", "conflict with concurrent transaction")
# Two first loads at once: both find the schema, a table or a column missing, and one comes second.
MADE_MEANWHILE = ("42P06", "42P07", "42701", "23505")


class _PassingError(WarehouseError):
    """The whole transaction may succeed if it is tried again."""


class RedshiftWarehouse:
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
        self._engine = sa.create_engine(login.url, poolclass=NullPool, hide_parameters=True)
        sa.event.listen(self._engine, "do_connect", login.add_credentials)
        self._tries = Retrying(
            retry=retry_if_exception_type(_PassingError),
            stop=stop_after_attempt(TRIES),
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
        manifest = _manifest(lake, objects)
        columns = columns or {column.name: column.type.sql for column in entity.curated}
        rows = sum(entry.rows for entry in objects)

        def once() -> LoadCounts:
            with self._connection() as connection:
                self._define(connection, entity)
                connection.commit()
                # Loads wait here for each other. Under snapshot isolation two of them would else each insert what
                # neither sees of the other; a lock as the first statement leaves the snapshot for after it.
                connection.exec_driver_sql(upsert.LOCK)
                done = connection.exec_driver_sql(upsert.find_audit("%s"), (load_id,)).fetchone()
                if done:
                    return LoadCounts(*done)
                self._stage(connection, entity, manifest, columns)
                counts = upsert_staged(entity, connection.exec_driver_sql)
                if counts.staged != rows:
                    raise WarehouseError(f"{counts.staged} rows arrived where the receipt lists {rows}")
                said = (load_id, entity.name, hour, *astuple(counts), self._clock())
                connection.exec_driver_sql(upsert.audit("%s"), said)
                connection.commit()
                return counts

        return self._tries(once)

    def is_gone(self) -> bool:
        """See `Warehouse`. Only Redshift itself could tell."""
        return False

    def query(self, sql: str, *, limit: int) -> tuple[list[str], list[tuple[object, ...]]]:
        """See `Warehouse`."""
        with self._connection(postgresql_readonly=True) as connection:
            try:
                # A cursor leaves the rows behind the limit where they are.
                connection.exec_driver_sql(f"DECLARE answer CURSOR FOR {sql.strip().rstrip(';')}")
                answer = connection.exec_driver_sql(f"FETCH FORWARD {limit} FROM answer")
                return list(answer.keys()), [tuple(row) for row in answer.fetchall()]
            except sa.exc.ProgrammingError as error:
                raise WarehouseError(f"query: {' '.join(str(error.orig).split())}") from error

    def check(self, *, entity: Entity, lake: Lake, probe: str) -> str:
        """See `Warehouse`."""
        with self._connection() as connection:
            self._define(connection, entity)
            connection.exec_driver_sql("CREATE TEMPORARY TABLE probe (probe VARCHAR(64))")
            self._copy(connection, "probe", f"{lake.url}/{probe}", format=Format.json, path_file="auto")
            if count(connection.exec_driver_sql, "SELECT COUNT(*) FROM probe") != 1:
                raise WarehouseError(f"REDSHIFT_COPY_ROLE: COPY read something else than {lake.url}/{probe}")
        return f"{self.url} logs in, keeps schema {upsert.SCHEMA}, and copies from the lake"

    def _define(self, connection: sa.Connection, entity: Entity) -> None:
        """Make what is missing."""
        answer = connection.exec_driver_sql(upsert.find_columns("%s"), (upsert.SCHEMA,))
        statements = definitions(entity, [(table, column) for table, column in answer], storage=True)
        # Who may create tables in a schema need not be allowed to create schemas.
        if not connection.exec_driver_sql("SELECT 1 FROM pg_namespace WHERE nspname = %s", (upsert.SCHEMA,)).fetchone():
            statements.insert(0, f"CREATE SCHEMA {upsert.SCHEMA}")
        for statement in statements:
            connection.exec_driver_sql(statement)

    def _stage(
        self, connection: sa.Connection, entity: Entity, manifest: str | None, columns: Mapping[str, str]
    ) -> None:
        """Fill `staged`. COPY goes by position, so it first has the files' columns, then all that are defined."""
        texts = ",\n".join(f"  {name} {kind}" for name, kind in columns.items())
        connection.exec_driver_sql(f"CREATE TEMPORARY TABLE staged (\n{texts}\n)\n{upsert.together(entity)}")
        if manifest:
            self._copy(connection, "staged", manifest, format=Format.parquet, manifest=True)
        for column in entity.curated:
            if column.name not in columns:
                connection.exec_driver_sql(f"ALTER TABLE staged ADD COLUMN {column.name} {column.type.sql}")

    def _copy(self, connection: sa.Connection, table: str, place: str, **options: Any) -> None:
        command = CopyCommand(sa.table(table), data_location=place, iam_role_arns=self._copy_role, **options)
        connection.execute(command)

    @contextmanager
    def _connection(self, **options: Any) -> Iterator[sa.Connection]:
        """Closed after each use; what was not committed is rolled back."""
        try:
            with self._engine.connect() as connection:
                # Without values a percent sign in a statement is just that.
                yield connection.execution_options(no_parameters=True, **options)
        except DBAPIError as error:
            raise self._meaning(error) from error

    def _meaning(self, error: DBAPIError) -> WarehouseError | ConfigurationError:
        """What the driver's error means for the load. Its text holds no password."""
        code = getattr(error.orig, "pgcode", None)
        text = " ".join(str(error.orig).split())[:500]
        place = f"WAREHOUSE_URL: {self.url}"
        if any(refusal in text for refusal in ROLE_REFUSALS):
            fix = "let the role read the lake, and Redshift assume it: attach it to the namespace or cluster"
            return ConfigurationError(f"REDSHIFT_COPY_ROLE: {self._copy_role}: {text}: {fix}")
        if code == "42501":
            return ConfigurationError(f"{place}: {text}: grant this user CREATE on the database, or schema reddit")
        if "authentication failed" in text:
            return ConfigurationError(f"{place}: login refused: mend user and password in the URL, or the job's role")
        if "could not translate host name" in text:
            return ConfigurationError(f"{place}: no such host: copy the endpoint from Redshift's console")
        if 'database "' in text and "does not exist" in text:
            return ConfigurationError(f"{place}: no such database: name one that exists at the URL's end")
        is_conflict = code in CONFLICTS or any(word in text for word in CONFLICT_WORDS)
        is_lost = error.connection_invalidated or (code is None and isinstance(error, sa.exc.OperationalError))
        kind = _PassingError if is_conflict or is_lost or code in MADE_MEANWHILE else WarehouseError
        return kind(f"{place}: {text}")

    def _say_waiting(self, state: RetryCallState) -> None:
        error = state.outcome and state.outcome.exception()
        log.warning("the load is tried again", extra={"try": state.attempt_number + 1, "error": str(error)})


def _manifest(lake: Lake, objects: Sequence[DataObject]) -> str | None:
    """Put the list of objects that COPY reads into the lake; gives its URL."""
    if not objects:
        return None
    entries = [
        {"url": f"{lake.url}/{entry.key}", "mandatory": True, "meta": {"content_length": entry.bytes}}
        for entry in objects
    ]
    # Beside the first object, under a name that Athena overlooks.
    key = f"{objects[0].key.rpartition('/')[0]}/_copy.json"
    if not lake.create(key, json.dumps({"entries": entries}, indent=1).encode()):
        raise WarehouseError(f"{lake.url}/{key} lists other objects than the receipt: remove it")
    return f"{lake.url}/{key}"
