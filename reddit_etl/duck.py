"""How DuckDB is opened here: within the memory of a small container, and without the network."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

# Measured with 100,000 posts, see benchmarks/: the whole job stays under 256 MB.
MEMORY_LIMIT = "128MB"


def connect(database: Path | str = ":memory:", *, scratch: Path, read_only: bool = False) -> duckdb.DuckDBPyConnection:
    """A connection that spills to `scratch` what does not fit in memory."""
    return duckdb.connect(
        str(database),
        read_only=read_only,
        config={
            "memory_limit": MEMORY_LIMIT,
            "threads": 1,
            "temp_directory": str(scratch),
            # Lets it write what it has instead of keeping it for its turn.
            "preserve_insertion_order": "false",
            "autoinstall_known_extensions": "false",
        },
    )


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
