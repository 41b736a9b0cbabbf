"""Queries of Amazon Redshift: one statement that only reads, whose rows are streamed or written as Parquet."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from reddit_etl.errors import WarehouseError
from reddit_etl.extras import needing
from reddit_etl.warehouse.base import Answer
from reddit_etl.warehouse.redshift.connections import Connections
from reddit_etl.warehouse.statement import single

PORTION = 1000  # The most rows that a cluster of one node fetches at once.


@contextmanager
def answer(connections: Connections, sql: str, *, limit: int | None) -> Iterator[Answer]:
    """See `Warehouse`."""
    with _cursor(connections, sql) as connection:
        first = _fetch(connection, limit)
        yield Answer(list(first.keys()), _rows(connection, first, limit))


def to_parquet(connections: Connections, sql: str, path: Path) -> int:
    """See `Warehouse`."""
    with needing("local", "--format parquet"):
        from reddit_etl.warehouse.parquet import write  # noqa: PLC0415

    with _cursor(connections, sql) as connection:
        first = _fetch(connection, None)
        return write(first.cursor.description, _rows(connection, first, None), path)


@contextmanager
def _cursor(connections: Connections, sql: str) -> Iterator[sa.Connection]:
    """A transaction that reads, in which the cursor `answer` is open."""
    # Redshift would run what comes behind the query, a COMMIT included.
    statement = single(sql)
    with connections.open(postgresql_readonly=True) as connection:
        try:
            # A cursor leaves the rows where they are until they are asked for.
            connection.exec_driver_sql(f"DECLARE answer CURSOR FOR {statement}")
            yield connection
        except sa.exc.ProgrammingError as error:
            raise WarehouseError(f"query: {' '.join(str(error.orig).split())}") from error


def _fetch(connection: sa.Connection, left: int | None) -> sa.CursorResult[Any]:
    portion = PORTION if left is None else min(PORTION, left)
    return connection.exec_driver_sql(f"FETCH FORWARD {portion} FROM answer")


def _rows(connection: sa.Connection, result: sa.CursorResult[Any], left: int | None) -> Iterator[tuple[object, ...]]:
    """The rows of a first portion, and of those that follow it until `left` are read."""
    while True:
        portion = result.fetchall()
        yield from map(tuple, portion)
        if left is not None:
            left -= len(portion)
        if len(portion) < PORTION or left == 0:
            return
        result = _fetch(connection, left)
