"""The warehouse: a DuckDB file, Amazon Redshift or one of another package, and the one upsert that all run."""

import re
from typing import TYPE_CHECKING, Literal

from reddit_etl.errors import ConfigurationError, EtlError
from reddit_etl.extras import needing
from reddit_etl.paths import expanded

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from reddit_etl.warehouse.base import Warehouse

DUCKDB = "duckdb:///"
REDSHIFT = "redshift+psycopg2://"
OTHERS = "reddit_etl.warehouses"
"""The entry points by which packages add warehouses: the scheme of their URLs, and what opens a `Warehouse` by one."""
ROLE = re.compile(r"arn:aws[\w-]*:iam::\d{12}:role/[\w+=,.@/-]+", re.ASCII)


def kind_of_warehouse(url: str) -> Literal["duckdb", "redshift", "other"]:
    """Raises ConfigurationError for anything else."""
    if url.startswith(DUCKDB) and url not in (DUCKDB, f"{DUCKDB}:memory:"):
        return "duckdb"
    if url.startswith(REDSHIFT):
        return "redshift"
    if _other(url):
        return "other"
    # Not repeated here: it may hold a password.
    raise ConfigurationError(
        f"WAREHOUSE_URL is not valid: use {DUCKDB}path/to/file.duckdb or {REDSHIFT}host:5439/database, or install a "
        "package for such URLs (docs/another-warehouse.md)"
    )


def open_warehouse(
    url: str, *, copy_role: str | None = None, workgroup: str | None = None, cluster: str | None = None
) -> "Warehouse":
    """`copy_role`, `workgroup` and `cluster` are Redshift's, as are their settings."""
    kind = kind_of_warehouse(url)
    if other := kind == "other" and _other(url):
        return _opened(other, url)
    if kind == "duckdb":
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


def _other(url: str) -> "EntryPoint | None":
    # Finding the installed packages takes 20 ms, which a run with a built-in warehouse does not need.
    from importlib.metadata import entry_points  # noqa: PLC0415

    scheme, separator, _ = url.partition("://")
    found = {one.value: one for one in entry_points(group=OTHERS, name=scheme)} if separator else {}
    if len(found) > 1:
        raise ConfigurationError(
            f"WAREHOUSE_URL: {' and '.join(sorted(found))} both open {scheme}://: uninstall all packages but one"
        )
    return next(iter(found.values()), None)


def _opened(other: "EntryPoint", url: str) -> "Warehouse":
    try:
        opens = other.load()
    except Exception as error:
        raise ConfigurationError(
            f"WAREHOUSE_URL: {other.value} cannot be imported: {' '.join(str(error).split())}: install what it needs"
        ) from error
    try:
        warehouse: Warehouse = opens(url)
    except EtlError:
        raise
    except Exception as error:  # noqa: BLE001
        # Its text, and that of its causes, may hold the password.
        raise ConfigurationError(
            f"WAREHOUSE_URL: {other.value} cannot open it ({type(error).__name__}): check the URL, and the package's "
            "documentation"
        ) from None
    return warehouse
