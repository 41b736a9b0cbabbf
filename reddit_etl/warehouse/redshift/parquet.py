"""Write rows that were fetched from Redshift as Parquet, with DuckDB."""

from collections.abc import Sequence
from pathlib import Path

import duckdb

from reddit_etl import duck
from reddit_etl.errors import WarehouseError
from reddit_etl.warehouse.duckdb_query import PARQUET
from reddit_etl.warehouse.tables import quoted

LONGEST_LINE = 4 << 20  # Bytes; twice this is the reader's buffer. The longest text takes 400 kB as JSON.


def write(lines: Path, columns: Sequence[tuple[str, str]], path: Path, *, scratch: Path) -> None:
    """From gzip JSON lines, each an object with the values by position; `columns` are names and DuckDB's types.

    Raises `WarehouseError`.
    """
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
