"""The transformation on DuckDB as a test does it: from files of records to one file of Parquet."""

from pathlib import Path

from reddit_etl.entities.schema import Entity
from reddit_etl.transform.duckdb import DuckDBTransform
from tests.standins.payloads import listed


def transformed(*, entity: Entity, inputs: list[Path], output: Path) -> tuple[int, int, int]:
    """Gives the numbers of records, observations and rows; the file is there if there are rows."""
    given = listed("", inputs, 0)
    done = DuckDBTransform()(entity=entity, lake=given.lake, inputs=given.objects, prefix=f"{str(output)[1:]}.objects/")
    assert len(done.objects) <= 1, "the inputs are more than a batch"
    for entry in done.objects:
        (Path("/") / entry.key).rename(output)
    return done.records, done.observations, sum(entry.rows for entry in done.objects)
