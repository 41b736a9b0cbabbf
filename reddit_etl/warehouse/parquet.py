"""Write rows that were fetched from a server as Parquet, with DuckDB."""

import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import duckdb
import msgspec
from isal import igzip

from reddit_etl import duck
from reddit_etl.errors import WarehouseError
from reddit_etl.warehouse.duckdb_query import PARQUET
from reddit_etl.warehouse.tables import quoted

LONGEST_LINE = 4 << 20  # Bytes; twice this is the reader's buffer. The longest text takes 400 kB as JSON.

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


def write(description: Iterable[Sequence[Any]], rows: Iterable[Sequence[object]], path: Path) -> int:
    """Write rows to a new file, with the types by which psycopg2 describes their columns; gives how many there are.

    They are first kept as compressed JSON lines beside the file. Raises `WarehouseError`.
    """
    columns = [(column[0], _type(column)) for column in description]
    with tempfile.TemporaryDirectory(prefix=".rows-", dir=path.parent) as scratch:
        lines = Path(scratch, "rows.jsonl.gz")
        count = 0
        with igzip.open(lines, "wb", compresslevel=1) as file:  # type: ignore[no-untyped-call]
            for row in rows:
                # By position: two columns may have one name.
                file.write(msgspec.json.encode({str(n): value for n, value in enumerate(row)}) + b"\n")
                count += 1
        _to_parquet(lines, columns, path, scratch=Path(scratch))
    return count


def _to_parquet(lines: Path, columns: Sequence[tuple[str, str]], path: Path, *, scratch: Path) -> None:
    """From gzip JSON lines, each an object with the values by position; `columns` are names and DuckDB's types."""
    fields = {str(number): kind for number, (_, kind) in enumerate(columns)}
    names = ", ".join(f'"{number}" AS {quoted(name)}' for number, (name, _) in enumerate(columns))
    try:
        with duck.connect(scratch=scratch) as connection, duck.interruptible():
            connection.read_json(
                duck.exactly(lines),
                format="newline_delimited",
                compression="gzip",
                columns=fields,
                maximum_object_size=LONGEST_LINE,
                hive_partitioning=False,
            ).create_view("fetched")
            connection.execute(f"COPY (SELECT {names} FROM fetched) TO ? ({PARQUET})", [str(path)])
    except duckdb.Error as error:
        raise WarehouseError(f"query: {' '.join(str(error).split())}") from error


def _type(column: Sequence[Any]) -> str:
    """DuckDB's name for the type of a column, as the driver describes it."""
    _, number, _, _, precision, scale, _ = column
    if number == NUMERIC and precision and scale is not None and precision <= MOST_DIGITS:
        return f"DECIMAL({precision}, {scale})"
    # A number without a declared precision has any.
    return "DOUBLE" if number == NUMERIC else TYPES.get(number, "VARCHAR")
