"""From records to Parquet: one SQL text, run by DuckDB or by AWS Glue.

Engines are imported when they are chosen: a run pays for no library that it does not use.
"""

from typing import TYPE_CHECKING, Literal

from reddit_etl.errors import ConfigurationError

if TYPE_CHECKING:
    from reddit_etl.transform.base import TransformEngine


def kind_of_transform(name: str) -> Literal["duckdb", "glue"]:
    """Raises ConfigurationError for anything else."""
    if name == "duckdb":
        return "duckdb"
    if name == "glue":
        return "glue"
    raise ConfigurationError(f"TRANSFORM_ENGINE is {name!r}: use duckdb, or glue with GLUE_JOB_NAME")


def open_transform(name: str, *, glue_job: str | None = None) -> "TransformEngine":
    """The engine `duckdb` or `glue`; `glue_job` is the name of the Glue job."""
    if kind_of_transform(name) == "glue":
        from reddit_etl.transform.glue import GlueTransform  # noqa: PLC0415

        return GlueTransform(job=glue_job or "")
    from reddit_etl.extras import needing  # noqa: PLC0415

    with needing("local", "TRANSFORM_ENGINE"):
        from reddit_etl.transform.duckdb import DuckDBTransform  # noqa: PLC0415

    return DuckDBTransform()
