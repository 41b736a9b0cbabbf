"""DuckDB connections, with the memory of a small container and without network access."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

# Measured with 100,000 posts, see benchmarks/: the whole job stays under 256 MB.
MEMORY_LIMIT = "128MB"
# Loads get less: compression and commits use memory beyond the limit, and so do the earlier tasks of the process.
LOAD_MEMORY_LIMIT = "96MB"
# For a load that failed for want of memory; with it the process stays below 512 MB.
MOST_LOAD_MEMORY = "256MB"
# Rows that are buffered and written together; DuckDB's default of 122,880 takes hundreds of MB for long texts. Until
# the commit, DuckDB also keeps a block of 256 kB for each row group that lost a row, with space for 15 vectors of 2,048
# rows: smaller groups take as much each, and are more.
ROW_GROUP = 15 * 2048


def connect(
    database: Path | None = None, *, scratch: Path, read_only: bool = False, load_memory: str = LOAD_MEMORY_LIMIT
) -> duckdb.DuckDBPyConnection:
    """Open a database file, as `warehouse`, or an in-memory database; what exceeds the memory limit goes to `scratch`.

    The limit is `load_memory` for a file that may be written to.
    """
    connection = duckdb.connect(
        config={
            "memory_limit": MEMORY_LIMIT if database is None or read_only else load_memory,
            "threads": 1,
            "temp_directory": str(scratch),
            # Rows may be written as they come, instead of being buffered to keep their order.
            "preserve_insertion_order": "false",
            "autoinstall_known_extensions": "false",
        },
    )
    # After two seconds DuckDB prints it to standard output, where the report is, even without a terminal.
    connection.execute("SET enable_progress_bar = false")
    if database:
        path = str(database).replace("'", "''")
        # Only ATTACH has an option for the row group size, and in DuckDB 1.5 it takes no bound value.
        options = "READ_ONLY" if read_only else f"ROW_GROUP_SIZE {ROW_GROUP}"
        try:
            # Without a name it has the file's, and with reddit.duckdb the schema `reddit` could not be named.
            connection.execute(f"ATTACH '{path}' AS warehouse ({options})")
            connection.execute("USE warehouse")
            if not read_only:
                # By default five row groups are buffered before they are written.
                connection.execute("SET write_buffer_row_group_count = 1")
        except BaseException:
            connection.close()
            raise
    return connection


def exactly(path: Path) -> str:
    """A glob pattern that matches only this file; DuckDB reads every path as a glob."""
    return re.sub(r"([*?[])", r"[\1]", str(path))


@contextmanager
def interruptible() -> Iterator[None]:
    """For queries: if a signal handler raises during one, DuckDB raises RuntimeError instead of that exception."""
    try:
        yield
    except RuntimeError as error:
        if str(error) == "Query interrupted":
            raise KeyboardInterrupt from error
        raise
