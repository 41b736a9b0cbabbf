"""The transformation on DuckDB, inside the process."""

from pathlib import Path

import duckdb

from reddit_etl import duck
from reddit_etl.errors import TransformError
from reddit_etl.schema import Entity
from reddit_etl.transform import transform_sql


def transform(*, entity: Entity, inputs: list[Path], output: Path, scratch: Path) -> tuple[int, int]:
    """See `TransformEngine`."""
    columns = {column.name: column.type.sql for column in entity.record}
    try:
        with duck.connect(scratch=scratch) as connection:
            records = connection.read_json(
                [str(path) for path in inputs],  # type: ignore[arg-type]
                format="newline_delimited",
                compression="gzip",
                columns=columns,
            )
            records.create_view("records")
            [(read,)] = connection.sql("SELECT count(*) FROM records").fetchall()
            connection.sql(transform_sql(entity)).write_parquet(str(output), compression="zstd")
            [(written,)] = connection.read_parquet(str(output)).aggregate("count(*)").fetchall()
    except duckdb.Error as error:
        raise TransformError(f"TRANSFORM_ENGINE duckdb: {str(error).splitlines()[0]}") from error
    return read, written
