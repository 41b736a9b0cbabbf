"""The transformation on DuckDB, inside the process."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb

from reddit_etl import duck
from reddit_etl.entities.schema import Entity
from reddit_etl.errors import TransformError
from reddit_etl.lake.base import Lake
from reddit_etl.lake.receipts import DataObject
from reddit_etl.transform.base import Transformation
from reddit_etl.transform.sql import count_sql, transform_sql

# A record's texts come to 82 kB, and a character to six bytes at most as JSON writes it. Twice this is the reader's
# buffer.
LONGEST_LINE = 1 << 20
# A row group is held in memory until it is written; DuckDB's own default is 122,880 rows of any size.
ROW_GROUP_BYTES = 8_000_000


class DuckDBTransform:
    """See `TransformEngine`."""

    def __call__(self, *, entity: Entity, lake: Lake, inputs: Sequence[DataObject], prefix: str) -> Transformation:
        """Writes one object."""
        if not inputs:
            return Transformation(0, 0, ())
        with tempfile.TemporaryDirectory(prefix="transform-") as folder:
            scratch = Path(folder)
            output = scratch / "out.parquet"
            files = [lake.verified_file(entry, scratch) for entry in inputs]
            read, observed, written = to_parquet(entity=entity, inputs=files, output=output, scratch=scratch)
            return Transformation(read, observed, (lake.add_file(output, f"{prefix}part-00000.parquet", written),))

    def check(self) -> str:
        """The scratch space is all that it needs."""
        with tempfile.TemporaryDirectory(prefix="transform-") as folder:
            return f"DuckDB runs in this process, with scratch files in {Path(folder).parent}"


def to_parquet(*, entity: Entity, inputs: list[Path], output: Path, scratch: Path) -> tuple[int, int, int]:
    """From files of records to a Parquet file; gives the numbers of records, observations, and rows written."""
    columns = {column.name: column.type.sql for column in entity.record}
    try:
        with duck.connect(scratch=scratch) as connection, duck.interruptible():
            # Before 2.0.1, DuckDB's type hints leave out that it takes a list.
            paths: Any = [duck.exactly(path) for path in inputs]
            records = connection.read_json(
                paths,
                format="newline_delimited",
                compression="gzip",
                columns=columns,
                maximum_object_size=LONGEST_LINE,
                # Else folders of the lake's own path, such as `score=7`, would be read as columns.
                hive_partitioning=False,
            )
            records.create_view("records")
            [(read, observed)] = connection.sql(count_sql(entity)).fetchall()
            connection.execute(
                f"COPY ({transform_sql(entity)}) TO ? "
                f"(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE_BYTES {ROW_GROUP_BYTES})",
                [str(output)],
            )
            [(written,)] = connection.read_parquet(duck.exactly(output)).aggregate("count(*)").fetchall()
    except duckdb.Error as error:
        raise TransformError(f"TRANSFORM_ENGINE duckdb: {str(error).splitlines()[0]}") from error
    return read, observed, written
