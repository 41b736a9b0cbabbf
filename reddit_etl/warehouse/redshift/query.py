"""Queries of Amazon Redshift: one statement that only reads, whose rows are streamed or written as Parquet."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa
from isal import igzip

from reddit_etl.errors import WarehouseError
from reddit_etl.extras import needing
from reddit_etl.warehouse.base import Answer
from reddit_etl.warehouse.redshift.connections import Connections
from reddit_etl.warehouse.statement import single

PORTION = 1000  # The most rows that a cluster of one node fetches at once.

# DuckDB's names of the types that a result has, by PostgreSQL's numbers of them (pg_type.oid).
TYPES = {
    16: "BOOLEAN",
    20: "BIGINT",
    21: "SMALLINT",
    23: "INTEGER",
    700: "REAL",
    701: "DOUBLE",
    1082: "DATE",
    1114: "TIMESTAMP",
    1184: "TIMESTAMP WITH TIME ZONE",
}
NUMERIC = 1700
MOST_DIGITS = 38
"""Of a DECIMAL, in Redshift and in DuckDB."""


@contextmanager
def answer(connections: Connections, sql: str, *, limit: int | None) -> Iterator[Answer]:
    """See `Warehouse`."""
    with _cursor(connections, sql) as connection:
        first = _fetch(connection, limit)
        yield Answer(list(first.keys()), _rows(connection, first, limit))


def to_parquet(connections: Connections, sql: str, path: Path) -> int:
    """See `Warehouse`. The rows are first kept as compressed JSON lines beside the file."""
    with needing("local", "--format parquet"):
        from reddit_etl.warehouse.redshift.parquet import write  # noqa: PLC0415

    with tempfile.TemporaryDirectory(prefix=".rows-", dir=path.parent) as scratch:
        lines = Path(scratch, "rows.jsonl.gz")
        with _cursor(connections, sql) as connection:
            first = _fetch(connection, None)
            columns = [(column[0], _type(column)) for column in first.cursor.description]
            rows = 0
            with igzip.open(lines, "wb", compresslevel=1) as file:  # type: ignore[no-untyped-call]
                for row in _rows(connection, first, None):
                    # By position: two columns may have one name.
                    file.write(msgspec.json.encode({str(n): value for n, value in enumerate(row)}) + b"\n")
                    rows += 1
        write(lines, columns, path, scratch=Path(scratch))
    return rows


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


def _type(column: Sequence[Any]) -> str:
    """DuckDB's name for the type of a column, as the driver describes it."""
    _, number, _, _, precision, scale, _ = column
    if number == NUMERIC and precision and scale is not None and precision <= MOST_DIGITS:
        return f"DECIMAL({precision}, {scale})"
    # A number without a declared precision has any.
    return "DOUBLE" if number == NUMERIC else TYPES.get(number, "VARCHAR")
