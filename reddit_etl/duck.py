"""How DuckDB is opened here: within the memory of a small container, and without the network."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

# Measured with 100,000 posts, see benchmarks/: the whole job stays under 256 MB.
MEMORY_LIMIT = "128MB"
# A load is given less: what DuckDB compresses and commits comes on top, and all that ran before it in the process.
LOAD_MEMORY_LIMIT = "96MB"
# Rows that wait in memory to be written together; DuckDB's own 122,880 rows of long texts are hundreds of MB.
ROW_GROUP = 8192


def connect(database: Path | None = None, *, scratch: Path, read_only: bool = False) -> duckdb.DuckDBPyConnection:
    """A connection that spills to `scratch` what does not fit in memory; to no file, unless one is given."""
    to_load = database is not None and not read_only
    connection = duckdb.connect(
        ":memory:" if database is None or to_load else str(database),
        read_only=read_only,
        config={
            "memory_limit": LOAD_MEMORY_LIMIT if to_load else MEMORY_LIMIT,
            "threads": 1,
            "temp_directory": str(scratch),
            # Lets it write what it has instead of keeping it for its turn.
            "preserve_insertion_order": "false",
            "autoinstall_known_extensions": "false",
        },
    )
    # DuckDB draws it on standard output after two seconds, in the middle of the report, terminal or not.
    connection.execute("SET enable_progress_bar = false")
    if to_load:
        path = str(database).replace("'", "''")
        try:
            # Only ATTACH can be told the size of the row groups, and DuckDB 1.5 takes no bound value in it.
            connection.execute(f"ATTACH '{path}' AS warehouse (ROW_GROUP_SIZE {ROW_GROUP})")
            connection.execute("USE warehouse")
        except BaseException:
            connection.close()
            raise
    return connection


def exactly(path: Path) -> str:
    """A pattern that matches this file alone: where DuckDB reads, it takes every name as a glob."""
    return re.sub(r"([*?[])", r"[\1]", str(path))


@contextmanager
def interruptible() -> Iterator[None]:
    """Around queries: DuckDB swallows what a signal's handler raised while one ran, and says RuntimeError instead."""
    try:
        yield
    except RuntimeError as error:
        if str(error) == "Query interrupted":
            raise KeyboardInterrupt from error
        raise
