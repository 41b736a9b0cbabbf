"""Athena as far as the catalog is concerned: runs SQL over Glue's tables, partitions and views, and S3's objects.

It goes by the catalog alone, asked over HTTP, and follows Athena's documented ways: a partition's rows are those of all
objects below its own location; Parquet's columns are found by name, and one that a file lacks is NULL; a column of
another type than the file's is refused; times are read to the millisecond; a view is the SQL in its base64 JSON, and is
stale if that gives other columns than the JSON lists.

DuckDB runs the SQL. So it does not show Athena's own parser, its decimal arithmetic (there the average of decimals has
no more digits than they have), its permissions or its prices.
"""

import base64
import json
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import duckdb

PARQUET = "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"
# DuckDB's and Presto's names of the catalog's types.
TYPES = {
    "string": ("VARCHAR", "varchar"),
    "int": ("INTEGER", "integer"),
    "bigint": ("BIGINT", "bigint"),
    "double": ("DOUBLE", "double"),
    "boolean": ("BOOLEAN", "boolean"),
    "timestamp": ("TIMESTAMP", "timestamp(3)"),
}


class AthenaError(Exception):
    """A query that Athena refuses, with Athena's word for it."""


def ask(sql: str, *, database: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """The column names and the rows that a query gives."""
    glue = boto3.client("glue")
    tables = glue.get_tables(DatabaseName=database)["TableList"]
    with tempfile.TemporaryDirectory() as folder, duckdb.connect() as connection:
        connection.execute(f"CREATE SCHEMA {database}; USE {database}")
        # The views read the tables.
        for table in sorted(tables, key=lambda table: table["TableType"] == "VIRTUAL_VIEW"):
            is_view = table["TableType"] == "VIRTUAL_VIEW"
            text = _view(connection, table) if is_view else _rows(connection, glue, table, Path(folder))
            connection.execute(f"CREATE VIEW {table['Name']} AS {text}")
        result = connection.execute(sql)
        return [column[0] for column in result.description or ()], result.fetchall()


def _described(connection: duckdb.DuckDBPyConnection, sql: str) -> dict[str, str]:
    return {row[0]: row[1] for row in connection.execute(f"DESCRIBE {sql}").fetchall()}


def _view(connection: duckdb.DuckDBPyConnection, table: dict[str, Any]) -> str:
    assert table["Parameters"]["presto_view"] == "true"
    assert table["ViewExpandedText"] == "/* Presto View */"
    text = table["ViewOriginalText"].removeprefix("/* Presto View: ").removesuffix(" */")
    view = json.loads(base64.b64decode(text, validate=True))
    assert (view["catalog"], view["schema"]) == ("awsdatacatalog", table["DatabaseName"])
    presto = dict(TYPES.values())
    gives = {name: presto[kind] for name, kind in _described(connection, view["originalSql"]).items()}
    if list(gives.items()) != [(column["name"], column["type"]) for column in view["columns"]]:
        raise AthenaError(f"VIEW_IS_STALE: {table['Name']} gives {gives}")
    return str(view["originalSql"])


def _rows(connection: duckdb.DuckDBPyConnection, glue: Any, table: dict[str, Any], scratch: Path) -> str:
    """A query for the rows of all partitions."""
    columns = {column["Name"]: column["Type"] for column in table["StorageDescriptor"]["Columns"]}
    keys = [key["Name"] for key in table["PartitionKeys"]]
    none = [f"CAST(NULL AS {TYPES[kind][0]}) AS {name}" for name, kind in columns.items()]
    none += [f"CAST(NULL AS VARCHAR) AS {key}" for key in keys]
    selects = [f"SELECT {', '.join(none)} WHERE false"]
    pages = glue.get_paginator("get_partitions").paginate(DatabaseName=table["DatabaseName"], TableName=table["Name"])
    for partition in [partition for page in pages for partition in page["Partitions"]]:
        stored = partition["StorageDescriptor"]
        assert stored["SerdeInfo"]["SerializationLibrary"] == PARQUET
        types = {column["Name"]: column["Type"] for column in stored["Columns"]}
        if odd := [name for name, kind in columns.items() if types.get(name, kind) != kind]:
            raise AthenaError(f"HIVE_PARTITION_SCHEMA_MISMATCH: {odd}")
        values = [f"'{value}' AS {key}" for key, value in zip(keys, partition["Values"], strict=True)]
        for path in _objects(stored["Location"], scratch):
            file = f"read_parquet('{path}', hive_partitioning = false)"
            held = _described(connection, f"FROM {file}")
            read = [_read(name, kind, held.get(name)) for name, kind in columns.items()]
            selects.append(f"SELECT {', '.join(read + values)} FROM {file}")
    return " UNION ALL ".join(selects)


def _read(name: str, kind: str, held: str | None) -> str:
    if held is None:
        return f"CAST(NULL AS {TYPES[kind][0]}) AS {name}"
    if held != TYPES[kind][0]:
        raise AthenaError(f"HIVE_BAD_DATA: {name} is {held} in the file, {kind} in the table")
    return f"date_trunc('millisecond', {name}) AS {name}" if kind == "timestamp" else name


def _objects(location: str, scratch: Path) -> list[Path]:
    url, s3 = urlsplit(location), boto3.client("s3")
    assert url.scheme == "s3"
    found = []
    # Without its slash a location would take in its neighbours.
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=url.netloc, Prefix=url.path.strip("/") + "/"):
        for entry in page.get("Contents", ()):
            path = scratch / entry["Key"].replace("/", "_")
            path.write_bytes(s3.get_object(Bucket=url.netloc, Key=entry["Key"])["Body"].read())
            found.append(path)
    return found
