"""COPY: the lake's Parquet files into a temporary table, by a manifest."""

import json
import re
from collections.abc import Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy_redshift.commands import CopyCommand, Format

from reddit_etl.entities.schema import BIGINT, BOOLEAN, DOUBLE, INTEGER, TIMESTAMP, Entity
from reddit_etl.errors import WarehouseError
from reddit_etl.lake.base import Lake
from reddit_etl.lake.receipts import DataObject
from reddit_etl.warehouse import tables

NAME = re.compile(r"[a-z_][a-z0-9_]*")
TYPE = re.compile("|".join([kind.sql for kind in (BIGINT, BOOLEAN, DOUBLE, INTEGER, TIMESTAMP)] + [r"VARCHAR\(\d+\)"]))


def put_manifest(lake: Lake, objects: Sequence[DataObject]) -> str | None:
    """Put the list of objects that COPY reads into the lake; gives its URL."""
    if not objects:
        return None
    entries = [
        {"url": f"{lake.url}/{entry.key}", "mandatory": True, "meta": {"content_length": entry.bytes}}
        for entry in objects
    ]
    # Beside the first object, under a name that Athena overlooks.
    key = f"{objects[0].key.rpartition('/')[0]}/_copy.json"
    if not lake.create(key, json.dumps({"entries": entries}, indent=1).encode()):
        raise WarehouseError(f"{lake.url}/{key} lists other objects than the receipt: remove it")
    return f"{lake.url}/{key}"


def copy(connection: sa.Connection, table: str, manifest: str, *, role: str) -> None:
    """Copy the Parquet objects of a manifest into a table, by the right of an IAM role's ARN."""
    options = {"format": Format.parquet, "manifest": True, "iam_role_arns": role}
    connection.execute(CopyCommand(sa.table(table), data_location=manifest, **options))


def stage(
    connection: sa.Connection, entity: Entity, columns: Mapping[str, str], manifest: str | None, *, role: str
) -> None:
    """Fill `staged`. COPY goes by position, so it first has the files' columns, then all that are defined."""
    for name, kind in columns.items():
        if not NAME.fullmatch(name) or not TYPE.fullmatch(str(kind)):
            raise WarehouseError(f"the receipt of the transformation lists a column that cannot be: {name!r}, {kind!r}")
    texts = ",\n".join(f"  {name} {kind}" for name, kind in columns.items())
    connection.exec_driver_sql(f"CREATE TEMPORARY TABLE staged (\n{texts}\n)\n{tables.together(entity)}")
    if manifest:
        copy(connection, "staged", manifest, role=role)
    for column in entity.curated:
        if column.name not in columns:
            connection.exec_driver_sql(f"ALTER TABLE staged ADD COLUMN {column.name} {column.type.sql}")
