"""Which lake, transformation, catalog and warehouse a setting means. A new one is a module and a branch here.

Engines are imported when they are chosen: a run pays for no library that it does not use.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from reddit_etl.errors import ConfigurationError
from reddit_etl.lake.base import Lake
from reddit_etl.transform.sql import TransformEngine
from reddit_etl.warehouse.base import DUCKDB, REDSHIFT, Warehouse

if TYPE_CHECKING:
    from reddit_etl.catalog.glue import Catalog

ROLE = re.compile(r"arn:aws[\w-]*:iam::\d{12}:role/[\w+=,.@/-]+", re.ASCII)


def kind_of_lake(url: str) -> Literal["s3", "folder"]:
    """Raises ConfigurationError for anything else."""
    scheme, colon, rest = url.partition(":")
    place = rest.removeprefix("//").partition("/")[0]
    if url and (not colon or "/" in scheme):
        return "folder"
    if "@" in place or ":" in place:
        raise ConfigurationError("LAKE_URL holds credentials: leave them out, AWS's own settings give them")
    if scheme == "s3" and rest.startswith("//") and place:
        # They are part of a key to S3, and nothing to Hadoop's paths, by which Glue reads.
        if {"", ".", ".."} & set(rest.rstrip("/").split("/")[3:]):
            raise ConfigurationError(
                "LAKE_URL has //, /. or /.. in its prefix, where Glue finds nothing: leave them out"
            )
        return "s3"
    # Not repeated here: it may hold a password.
    raise ConfigurationError("LAKE_URL is not understood: give s3://bucket/prefix or a folder")


def open_lake(url: str) -> Lake:
    """The lake at `s3://bucket[/prefix]`, or in a folder."""
    if kind_of_lake(url) == "s3":
        # boto3 is 25 MB of memory that a local lake does not need.
        from reddit_etl.lake.s3 import S3Lake  # noqa: PLC0415

        bucket, _, prefix = url.removeprefix("s3://").partition("/")
        return S3Lake(bucket=bucket, prefix=prefix.strip("/"))
    from reddit_etl.lake.folder import FolderLake  # noqa: PLC0415

    return FolderLake(_expanded("LAKE_URL", url))


def kind_of_transform(name: str) -> Literal["duckdb", "glue"]:
    """Raises ConfigurationError for anything else."""
    if name == "duckdb":
        return "duckdb"
    if name == "glue":
        return "glue"
    raise ConfigurationError(f"TRANSFORM_ENGINE is {name!r}: give duckdb, or glue with GLUE_JOB_NAME")


def transform_engine(name: str, *, glue_job: str | None = None) -> TransformEngine:
    if kind_of_transform(name) == "glue":
        from reddit_etl.transform.glue import GlueTransform  # noqa: PLC0415

        return GlueTransform(job=glue_job or "")
    with _needing("local", "TRANSFORM_ENGINE"):
        from reddit_etl.transform.duckdb import DuckDBTransform  # noqa: PLC0415

    return DuckDBTransform()


def open_catalog(database: str) -> "Catalog":
    from reddit_etl.catalog.glue import Catalog  # noqa: PLC0415

    return Catalog(database=database)


def kind_of_warehouse(url: str) -> Literal["duckdb", "redshift"]:
    """Raises ConfigurationError for anything else."""
    if url.startswith(DUCKDB) and url not in (DUCKDB, f"{DUCKDB}:memory:"):
        return "duckdb"
    if url.startswith(REDSHIFT):
        return "redshift"
    # Not repeated here: it may hold a password.
    raise ConfigurationError(
        f"WAREHOUSE_URL is not understood: give {DUCKDB}path/to/file.duckdb or {REDSHIFT}host:5439/database"
    )


def open_warehouse(
    url: str, *, copy_role: str | None = None, workgroup: str | None = None, cluster: str | None = None
) -> Warehouse:
    """`copy_role`, `workgroup` and `cluster` are Redshift's, as are their settings."""
    if kind_of_warehouse(url) == "duckdb":
        with _needing("local", "WAREHOUSE_URL"):
            from reddit_etl.warehouse.duckdb import DuckDBWarehouse  # noqa: PLC0415

        path = _expanded("WAREHOUSE_URL", url.removeprefix(DUCKDB))
        if path.is_dir():
            raise ConfigurationError(f"WAREHOUSE_URL: {path} is a folder: give duckdb:///path/to/file.duckdb")
        return DuckDBWarehouse(path)
    if not copy_role or not ROLE.fullmatch(copy_role):
        raise ConfigurationError("REDSHIFT_COPY_ROLE: give the ARN of a role, like arn:aws:iam::123456789012:role/copy")
    with _needing("redshift", "WAREHOUSE_URL"):
        from reddit_etl.warehouse.redshift.login import read_login  # noqa: PLC0415
        from reddit_etl.warehouse.redshift.warehouse import RedshiftWarehouse  # noqa: PLC0415

    return RedshiftWarehouse(read_login(url, workgroup=workgroup, cluster=cluster), copy_role=copy_role)


@contextmanager
def _needing(extra: str, setting: str) -> Iterator[None]:
    """Around the import of an engine, whose libraries come with an extra of setup.cfg."""
    try:
        yield
    except ModuleNotFoundError as error:
        # The image's target batch is the one place without DuckDB that few would think of.
        image = ", or run the image's target local" if extra == "local" else ""
        raise ConfigurationError(
            f"{setting}: {error.name} is not installed: pip install -e '.[{extra}]' in the project's folder{image}"
        ) from error


def _expanded(setting: str, path: str) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise ConfigurationError(f"{setting}: {error}: give the whole path") from error
