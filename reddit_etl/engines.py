"""Which lake, transformation and warehouse a setting means. A new engine is a module of its own and a branch here.

Engines are imported when they are chosen: a run pays for no library that it does not use.
"""

from pathlib import Path

from reddit_etl.errors import ConfigurationError
from reddit_etl.lake import Lake
from reddit_etl.transform import TransformEngine
from reddit_etl.warehouse import DUCKDB, Warehouse


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


def transform_engine(name: str) -> TransformEngine:
    if name == "duckdb":
        from reddit_etl.transform_duckdb import transform  # noqa: PLC0415

        return transform
    raise ConfigurationError(f"TRANSFORM_ENGINE is {name!r}: give duckdb")


def open_warehouse(url: str) -> Warehouse:
    if url.startswith(DUCKDB) and url != DUCKDB:
        from reddit_etl.warehouse_duckdb import DuckDBWarehouse  # noqa: PLC0415

        path = _expanded("WAREHOUSE_URL", url.removeprefix(DUCKDB))
        if path.is_dir():
            raise ConfigurationError(f"WAREHOUSE_URL: {path} is a folder: give duckdb:///path/to/file.duckdb")
        return DuckDBWarehouse(path)
    raise ConfigurationError("WAREHOUSE_URL is not understood: give duckdb:///path/to/file.duckdb")


def _expanded(setting: str, path: str) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise ConfigurationError(f"{setting}: {error}: give the whole path") from error
