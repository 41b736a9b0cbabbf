"""Curated objects of several attempts merged into one, on DuckDB, inside the process, row by row."""

import logging
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import duckdb

from reddit_etl import duck
from reddit_etl.errors import DamagedObjectError, TransformError
from reddit_etl.lake.base import Lake
from reddit_etl.transform.base import Merged, Parts
from reddit_etl.transform.rewrite_duckdb import PARQUET
from reddit_etl.transform.sql import count_sql, merged_sql

log = logging.getLogger(__name__)


def merge(lake: Lake, all_parts: Iterable[Parts]) -> Iterator[Merged]:
    """See `TransformEngine`. Scratch space has the objects that are merged, on S3, and the new one."""
    try:
        with (
            tempfile.TemporaryDirectory(prefix="merge-") as scratch,
            duck.connect(scratch=Path(scratch)) as connection,
            duck.interruptible(),
        ):
            for parts in all_parts:
                with tempfile.TemporaryDirectory(dir=scratch) as place:
                    try:
                        yield _merged(connection, lake, parts, Path(place))
                    except DamagedObjectError as error:
                        # Another run has replaced them, or a load will find one missing, and have it rebuilt.
                        log.warning("objects not merged", extra={"error": str(error)})
    except duckdb.Error as error:
        raise TransformError(f"TRANSFORM_ENGINE duckdb: {str(error).splitlines()[0]}") from error


def _merged(connection: duckdb.DuckDBPyConnection, lake: Lake, parts: Parts, scratch: Path) -> Merged:
    try:
        return _written(connection, lake, parts, scratch)
    except duckdb.IOException:
        lake.check_there(entry.key for entry in parts.objects)
        raise


def _written(connection: duckdb.DuckDBPyConnection, lake: Lake, parts: Parts, scratch: Path) -> Merged:
    # Before 2.0.1, DuckDB's type hints leave out that it takes a list.
    paths: Any = [duck.exactly(lake.verified_file(entry, scratch)) for entry in parts.objects]
    stored = connection.read_parquet(paths, hive_partitioning=False)
    stored.create_view("stored", replace=True)
    [(rows, observations)] = connection.execute(count_sql(parts.entity, "stored")).fetchall()
    output = scratch / "merged.parquet"
    query = merged_sql(parts.entity, stored.columns, has_copies=rows > observations)
    connection.execute(f"COPY ({query}) TO ? ({PARQUET})", [str(output)])
    [(written,)] = connection.read_parquet(duck.exactly(output)).aggregate("count(*)").fetchall()
    if written != observations:
        raise TransformError(f"row counts do not match: {observations} observations, {written} rows written")
    return Merged(parts, (lake.add_file(output, f"{parts.to}part-00000.parquet", written),))
