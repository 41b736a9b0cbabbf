"""Queries of the DuckDB file: one statement that only reads, whose rows are streamed or written as Parquet."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import duckdb

from reddit_etl import duck
from reddit_etl.errors import WarehouseError
from reddit_etl.warehouse.base import Answer
from reddit_etl.warehouse.duckdb_file import DuckDBFile
from reddit_etl.warehouse.statement import NOTHING, SEVERAL
from reddit_etl.warehouse.tables import SCHEMA

PORTION = 1000  # Rows that become Python objects together; 65 MB if each has the longest text.
# As the lake's files are written. A row group is held in memory until it is written, and only in rows of any order can
# its size be given in bytes; one thread still writes them in the order of the query.
PARQUET = "FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE_BYTES 8_000_000, USE_TMP_FILE false"

TABLES = "SELECT table_name FROM information_schema.tables WHERE table_schema = ? ORDER BY table_name"
UNKNOWN = re.compile(r"Table with name \S+ does not exist")

# Sorting a million wide rows takes more memory; other queries would only fill it with blocks of the file.
SORT = re.compile(r"\border\s+by\b", re.IGNORECASE)


@contextmanager
def answer(file: DuckDBFile, sql: str, *, limit: int | None) -> Iterator[Answer]:
    """See `Warehouse`."""
    with _asking(file, sql) as connection:
        statement = _single(sql)
        connection.execute("SET enable_external_access = false")
        result = connection.execute(statement)
        size = PORTION if limit is None else min(PORTION, limit)
        rows = (row for portion in iter(lambda: result.fetchmany(size), []) for row in portion)
        yield Answer([column[0] for column in result.description or ()], islice(rows, limit))


def to_parquet(file: DuckDBFile, sql: str, path: Path) -> int:
    """See `Warehouse`."""
    place = str(path.absolute()).replace("'", "''")
    with _asking(file, sql) as connection:
        statement = _single(sql)
        # Of all files, the query can reach this one alone.
        connection.execute(f"SET allowed_paths = ['{place}']")
        connection.execute("SET enable_external_access = false")
        # On a line of its own: the statement may end with a comment.
        [(rows,)] = connection.execute(f"COPY (\n{statement}\n) TO '{place}' ({PARQUET})").fetchall()
        return int(rows)


@contextmanager
def _asking(file: DuckDBFile, sql: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection that reads; an error of DuckDB's is one of the query."""
    if not file.path.exists():
        raise WarehouseError(f"WAREHOUSE_URL: {file.path} is not there yet: run the pipeline first")
    with file.connection(read_only=True) as connection:
        names = [name for (name,) in connection.execute(TABLES, [SCHEMA]).fetchall()]
        try:
            if names:
                # So that SHOW TABLES shows them.
                connection.execute(f"USE warehouse.{SCHEMA}")
            if SORT.search(sql):
                connection.execute(f"SET memory_limit = '{duck.MOST_LOAD_MEMORY}'")
            yield connection
        except duckdb.OutOfMemoryException as error:
            raise WarehouseError("query: it needs too much memory: select fewer columns or rows") from error
        except duckdb.Error as error:
            message = " ".join(str(error).split())
            unknown = UNKNOWN.search(message)
            if unknown and names:
                # What DuckDB proposes may be a table of its own.
                message = f"{unknown[0]}: the tables are {', '.join(f'{SCHEMA}.{name}' for name in names)}"
            raise WarehouseError(f"query: {message}") from error


def _single(sql: str) -> str:
    """The statement without what ends it. Raises WarehouseError for none or several, and `duckdb.Error`."""
    found = duckdb.extract_statements(sql)
    if len(found) != 1:
        raise WarehouseError(SEVERAL if found else NOTHING)
    words = [place for place, kind in duckdb.tokenize(sql) if kind != duckdb.token_type.comment]
    while sql.startswith(";", words[-1]):
        sql = sql[: words.pop()]
    return sql
