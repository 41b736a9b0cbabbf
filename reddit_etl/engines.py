"""Which lake, transformation, catalog and warehouse a setting means. A new one is a module and a branch here.

Engines are imported when they are chosen: a run pays for no library that it does not use.
"""

import re
from pathlib import Path
from typing import TYPE_CHECKING

from reddit_etl.errors import ConfigurationError
from reddit_etl.lake import Lake
from reddit_etl.transform import TransformEngine
from reddit_etl.warehouse import DUCKDB, REDSHIFT, Warehouse

if TYPE_CHECKING:
    from reddit_etl.catalog import Catalog

EXTRA = "pip install 'reddit-etl[redshift]'"
ROLE = re.compile(r"arn:aws[\w-]*:iam::\d{12}:role/[\w+=,.@/-]+", re.ASCII)


def open_lake(url: str) -> Lake:
    """The lake at `s3://bucket[/prefix]`, or in a folder."""
    scheme, colon, rest = url.partition(":")
    place, _, prefix = rest.removeprefix("//").partition("/")
    is_folder = not colon or "/" in scheme
    if not is_folder and ("@" in place or ":" in place):
        raise ConfigurationError("LAKE_URL holds credentials: leave them out, AWS's own settings give them")
    if scheme == "s3" and rest.startswith("//") and place:
        # boto3 is 25 MB of memory that a local lake does not need.
        from reddit_etl.lake_s3 import S3Lake  # noqa: PLC0415

        return S3Lake(bucket=place, prefix=prefix.strip("/"))
    if url and is_folder:
        from reddit_etl.lake_folder import FolderLake  # noqa: PLC0415

        return FolderLake(_expanded("LAKE_URL", url))
    # Not repeated here: it may hold a password.
    raise ConfigurationError("LAKE_URL is not understood: give s3://bucket/prefix or a folder")


def transform_engine(name: str, *, glue_job: str | None = None) -> TransformEngine:
    if name == "duckdb":
        from reddit_etl.transform_duckdb import DuckDBTransform  # noqa: PLC0415

        return DuckDBTransform()
    if name == "glue" and glue_job:
        from reddit_etl.transform_glue import GlueTransform  # noqa: PLC0415

        return GlueTransform(job=glue_job)
    raise ConfigurationError(f"TRANSFORM_ENGINE is {name!r}: give duckdb, or glue with GLUE_JOB_NAME")


def open_catalog(database: str) -> "Catalog":
    from reddit_etl.catalog import Catalog  # noqa: PLC0415

    return Catalog(database=database)


def open_warehouse(
    url: str, *, copy_role: str | None = None, workgroup: str | None = None, cluster: str | None = None
) -> Warehouse:
    """`copy_role`, `workgroup` and `cluster` are Redshift's, as are their settings."""
    if url.startswith(DUCKDB) and url != DUCKDB:
        from reddit_etl.warehouse_duckdb import DuckDBWarehouse  # noqa: PLC0415

        path = _expanded("WAREHOUSE_URL", url.removeprefix(DUCKDB))
        if path.is_dir():
            raise ConfigurationError(f"WAREHOUSE_URL: {path} is a folder: give duckdb:///path/to/file.duckdb")
        return DuckDBWarehouse(path)
    if url.startswith(REDSHIFT):
        if not copy_role or not ROLE.fullmatch(copy_role):
            raise ConfigurationError(
                "REDSHIFT_COPY_ROLE: give the ARN of a role, like arn:aws:iam::123456789012:role/copy"
            )
        try:
            from reddit_etl.redshift_login import read_login  # noqa: PLC0415
            from reddit_etl.warehouse_redshift import RedshiftWarehouse  # noqa: PLC0415
        except ModuleNotFoundError as error:
            raise ConfigurationError(f"WAREHOUSE_URL: {error.name} is not installed: add {EXTRA}") from error

        return RedshiftWarehouse(read_login(url, workgroup=workgroup, cluster=cluster), copy_role=copy_role)
    raise ConfigurationError(
        f"WAREHOUSE_URL is not understood: give {DUCKDB}path/to/file.duckdb or {REDSHIFT}host:5439/database"
    )


def _expanded(setting: str, path: str) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise ConfigurationError(f"{setting}: {error}: give the whole path") from error
