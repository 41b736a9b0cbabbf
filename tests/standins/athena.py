"""Athena as far as the catalog is concerned: runs SQL over Glue's tables, partitions and views, and S3's objects.

It goes by the catalog alone, asked over HTTP, and follows Athena's documented ways: a partition's rows are those of all
objects below its own location; Parquet's columns are found by name, and one that a file lacks is NULL; a column of
another type than the file's is refused; times are read to the millisecond; a view is the SQL in its base64 JSON, and is
stale if that gives other columns than the JSON lists.

The SQL is parsed in Athena's dialect by sqlglot and run by DuckDB. So it does not show Athena's own parser, its
decimal arithmetic (there the average of decimals has no more digits than they have), its permissions or its prices.
"""

import base64
import json
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import duckdb
import sqlglot
from sqlglot import exp
from sqlglot.optimizer.qualify_tables import qualify_tables

PARQUET = "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"
DUCKDB_TYPES = {
    "string": "VARCHAR",
    "int": "INTEGER",
    "bigint": "BIGINT",
    "double": "DOUBLE",
    "boolean": "BOOLEAN",
    "timestamp": "TIMESTAMP",
}
PRESTO_TYPES = {
    "VARCHAR": "varchar",
    "INTEGER": "integer",
    "BIGINT": "bigint",
    "DOUBLE": "double",
    "BOOLEAN": "boolean",
    "TIMESTAMP": "timestamp(3)",
}


class AthenaError(Exception):
    """A query that Athena refuses, with Athena's word for it."""


def ask(sql: str, *, database: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """The column names and the rows that a query gives."""
    with tempfile.TemporaryDirectory() as folder, duckdb.connect() as connection:
        result = connection.execute(_Query(connection, Path(folder)).translated(sql, database))
        return [column[0] for column in result.description or ()], result.fetchall()


class _Query:
    """Gives DuckDB a view for each table that a query and the views below it name."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, scratch: Path) -> None:
        self._connection = connection
        self._scratch = scratch
        self._glue = boto3.client("glue")
        self._s3 = boto3.client("s3")
        self._defined: set[tuple[str, str]] = set()

    def translated(self, sql: str, database: str) -> str:
        tree = qualify_tables(sqlglot.parse_one(sql, dialect="athena"), db=database, dialect="athena")
        for table in tree.find_all(exp.Table):
            if table.db:
                self._define(table.db, table.name)
        return tree.sql(dialect="duckdb")

    def _define(self, database: str, name: str) -> None:
        if (database, name) in self._defined:
            return
        self._defined.add((database, name))
        try:
            table = self._glue.get_table(DatabaseName=database, Name=name)["Table"]
        except self._glue.exceptions.EntityNotFoundException as error:
            raise AthenaError(f"TABLE_NOT_FOUND: {database}.{name}") from error
        self._connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{database}"')
        is_view = table["TableType"] == "VIRTUAL_VIEW"
        sql = self._view(table) if is_view else self._union(table)
        self._connection.execute(f'CREATE VIEW "{database}"."{name}" AS {sql}')

    def _view(self, table: dict[str, Any]) -> str:
        assert table["Parameters"]["presto_view"] == "true"
        assert table["ViewExpandedText"] == "/* Presto View */"
        text = table["ViewOriginalText"].removeprefix("/* Presto View: ").removesuffix(" */")
        view = json.loads(base64.b64decode(text, validate=True))
        assert view["catalog"] == "awsdatacatalog"
        sql = self.translated(view["originalSql"], view["schema"])
        gives = [(name, PRESTO_TYPES[kind]) for name, kind in self._described(sql)]
        if gives != [(column["name"], column["type"]) for column in view["columns"]]:
            raise AthenaError(f"VIEW_IS_STALE: {table['Name']} gives {gives}")
        return sql

    def _described(self, sql: str) -> list[tuple[str, str]]:
        return [(row[0], row[1]) for row in self._connection.execute(f"DESCRIBE {sql}").fetchall()]

    def _union(self, table: dict[str, Any]) -> str:
        name = {"DatabaseName": table["DatabaseName"], "TableName": table["Name"]}
        pages = self._glue.get_paginator("get_partitions").paginate(**name)
        partitions = [partition for page in pages for partition in page["Partitions"]]
        none = [f"CAST(NULL AS {DUCKDB_TYPES[c['Type']]}) AS {c['Name']}" for c in _columns(table)]
        none += [f"CAST(NULL AS VARCHAR) AS {key['Name']}" for key in table["PartitionKeys"]]
        parts = [part for partition in partitions for part in self._partition(table, partition)]
        return "\nUNION ALL ".join([f"SELECT {', '.join(none)} WHERE false", *parts])

    def _partition(self, table: dict[str, Any], partition: dict[str, Any]) -> list[str]:
        """A SELECT for each object below the partition's location."""
        storage = partition["StorageDescriptor"]
        assert storage["SerdeInfo"]["SerializationLibrary"] == PARQUET
        types = {column["Name"]: column["Type"] for column in storage["Columns"]}
        keys = [
            f"'{value}' AS {key['Name']}"
            for key, value in zip(table["PartitionKeys"], partition["Values"], strict=True)
        ]
        selects = []
        for path in self._objects(storage["Location"]):
            held = dict(self._described(f"SELECT * FROM read_parquet('{path}', hive_partitioning = false)"))
            columns = []
            for column in _columns(table):
                name, kind = column["Name"], column["Type"]
                if types.get(name, kind) != kind:
                    raise AthenaError(f"HIVE_PARTITION_SCHEMA_MISMATCH: {name} is {types[name]} in the partition")
                if held.get(name, DUCKDB_TYPES[kind]) != DUCKDB_TYPES[kind]:
                    raise AthenaError(f"HIVE_BAD_DATA: {name} is {held[name]} in the file, {kind} in the table")
                columns.append(_read(name, kind) if name in held else f"CAST(NULL AS {DUCKDB_TYPES[kind]}) AS {name}")
            columns_text = ", ".join(columns + keys)
            selects.append(f"SELECT {columns_text} FROM read_parquet('{path}', hive_partitioning = false)")
        return selects

    def _objects(self, location: str) -> list[Path]:
        url = urlsplit(location)
        assert url.scheme == "s3"
        # Without its slash a location would take in its neighbours.
        prefix = url.path.strip("/") + "/"
        found = []
        for page in self._s3.get_paginator("list_objects_v2").paginate(Bucket=url.netloc, Prefix=prefix):
            for entry in page.get("Contents", ()):
                path = self._scratch / entry["Key"].replace("/", "_")
                path.write_bytes(self._s3.get_object(Bucket=url.netloc, Key=entry["Key"])["Body"].read())
                found.append(path)
        return found


def _columns(table: dict[str, Any]) -> list[dict[str, str]]:
    columns: list[dict[str, str]] = table["StorageDescriptor"]["Columns"]
    return columns


def _read(name: str, kind: str) -> str:
    return f"date_trunc('millisecond', {name}) AS {name}" if kind == "timestamp" else name
