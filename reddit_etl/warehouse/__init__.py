"""The warehouse: a DuckDB file or Amazon Redshift, and the one upsert that both run."""

import re
from typing import TYPE_CHECKING, Literal

from reddit_etl.errors import ConfigurationError
from reddit_etl.extras import needing
from reddit_etl.paths import expanded

if TYPE_CHECKING:
    from reddit_etl.warehouse.base import Warehouse

DUCKDB = "duckdb:///"
REDSHIFT = "redshift+psycopg2://"
ROLE = re.compile(r"arn:aws[\w-]*:iam::\d{12}:role/[\w+=,.@/-]+", re.ASCII)


def kind_of_warehouse(url: str) -> Literal["duckdb", "redshift"]:
    """Raises ConfigurationError for anything else."""
    if url.startswith(DUCKDB) and url not in (DUCKDB, f"{DUCKDB}:memory:"):
        return "duckdb"
    if url.startswith(REDSHIFT):
        return "redshift"
    # Not repeated here: it may hold a password.
    raise ConfigurationError(
        f"WAREHOUSE_URL is not valid: use {DUCKDB}path/to/file.duckdb or {REDSHIFT}host:5439/database"
    )


def open_warehouse(
    url: str, *, copy_role: str | None = None, workgroup: str | None = None, cluster: str | None = None
) -> "Warehouse":
    """`copy_role`, `workgroup` and `cluster` are Redshift's, as are their settings."""
    if kind_of_warehouse(url) == "duckdb":
        with needing("local", "WAREHOUSE_URL"):
            from reddit_etl.warehouse.duckdb import DuckDBWarehouse  # noqa: PLC0415

        path = expanded("WAREHOUSE_URL", url.removeprefix(DUCKDB))
        if path.is_dir():
            raise ConfigurationError(f"WAREHOUSE_URL: {path} is a folder: use duckdb:///path/to/file.duckdb")
        return DuckDBWarehouse(path)
    if not copy_role or not ROLE.fullmatch(copy_role):
        raise ConfigurationError("REDSHIFT_COPY_ROLE: use the ARN of a role, like arn:aws:iam::123456789012:role/copy")
    with needing("redshift", "WAREHOUSE_URL"):
        from reddit_etl.warehouse.redshift.login import read_login  # noqa: PLC0415
        from reddit_etl.warehouse.redshift.warehouse import RedshiftWarehouse  # noqa: PLC0415

    return RedshiftWarehouse(read_login(url, workgroup=workgroup, cluster=cluster), copy_role=copy_role)
