"""The definitions of an entity in the Glue Data Catalog, made from its columns: a table and two views for Athena."""

import base64
import json
from collections.abc import Sequence
from typing import Any

from reddit_etl.entities.schema import Column, Entity, Origin

Definition = dict[str, Any]

PARTITION_KEYS = [
    {"Name": "dt", "Type": "string", "Comment": "The UTC day of the run, like 2026-11-23."},
    {"Name": "hr", "Type": "string", "Comment": "The UTC hour of the run, 00 to 23."},
    {"Name": "sel", "Type": "string", "Comment": "A hash of the extracts that were transformed together."},
]
PARQUET = "org.apache.hadoop.hive.ql.io.parquet"
LONGEST_COMMENT = 255
# A parameter that marks our tables, with the lake's URL. Athena and Trino ignore unknown parameters.
MARK = "reddit_etl.lake"


def table_input(entity: Entity, lake_url: str) -> Definition:
    """The table of every observation."""
    return {
        "Name": entity.name,
        "Description": f"Every observation of {entity.name}; see {entity.name}_latest for the newest of each.",
        "TableType": "EXTERNAL_TABLE",
        "Parameters": {"EXTERNAL": "TRUE", "classification": "parquet", MARK: lake_url},
        "PartitionKeys": PARTITION_KEYS,
        "StorageDescriptor": storage(entity, f"{lake_url}/curated/{entity.name}/"),
    }


def latest_view(entity: Entity, database: str, lake_url: str) -> Definition:
    """The view `<entity>_latest`, as Glue's TableInput; `database` has the table that it selects from."""
    description = f"Each of the {entity.name} once, in the newest state that was observed."
    return _view(
        f"{entity.name}_latest", description, entity.table, latest_sql(entity), database=database, lake_url=lake_url
    )


def metrics_view(entity: Entity, database: str, lake_url: str) -> Definition:
    """The view of the entity's metrics, as Glue's TableInput; one row per key and `observed_at`."""
    description = f"The metrics of the {entity.name}, one row per observation."
    return _view(
        entity.metrics_table, description, entity.metrics, metrics_sql(entity), database=database, lake_url=lake_url
    )


def latest_sql(entity: Entity) -> str:
    """The rows of the warehouse's table. Of two of the same time that of the earlier run is taken, as there."""
    first = f"MIN(observed_at) OVER (PARTITION BY {entity.key}) AS "
    kept = [first + c.name if c.origin is Origin.WAREHOUSE else c.name for c in entity.table]
    return _first_of(entity.table, kept, entity.key, "observed_at DESC, dt, hr, sel", entity)


def metrics_sql(entity: Entity) -> str:
    """The rows of the warehouse's table of observations; overlapping runs may have read one twice."""
    names = [column.name for column in entity.metrics]
    return _first_of(entity.metrics, names, f"{entity.key}, observed_at", "dt, hr, sel", entity)


def _first_of(columns: tuple[Column, ...], expressions: list[str], key: str, order: str, entity: Entity) -> str:
    outer = ",\n".join(f"  {column.name}" for column in columns)
    inner = ",\n".join(f"    {expression}" for expression in expressions)
    return f"""\
SELECT
{outer}
FROM (
  SELECT
{inner},
    ROW_NUMBER() OVER (PARTITION BY {key} ORDER BY {order}) AS age
  FROM {entity.name}
) AS ranked
WHERE age = 1"""


def _view(
    name: str, description: str, columns: tuple[Column, ...], sql: str, *, database: str, lake_url: str
) -> Definition:
    """A view as Athena itself stores it in the catalog; `database` is the one with the table."""
    text = {
        "originalSql": sql,
        "catalog": "awsdatacatalog",
        "schema": database,
        "columns": [{"name": column.name, "type": column.type.presto} for column in columns],
    }
    return {
        "Name": name,
        "Description": description,
        "TableType": "VIRTUAL_VIEW",
        # The flag makes it a view; Trino requires exactly this comment, too.
        "Parameters": {"presto_view": "true", "comment": "Presto View", MARK: lake_url},
        "PartitionKeys": [],
        "StorageDescriptor": {"Columns": _columns(columns), "SerdeInfo": {}},
        "ViewOriginalText": f"/* Presto View: {base64.b64encode(json.dumps(text).encode()).decode()} */",
        "ViewExpandedText": "/* Presto View */",
    }


def storage(entity: Entity, location: str) -> Definition:
    """Glue's StorageDescriptor of the Parquet files below `location`, a URL that ends with a slash."""
    return {
        "Columns": _columns(entity.curated),
        "Location": location,
        "InputFormat": f"{PARQUET}.MapredParquetInputFormat",
        "OutputFormat": f"{PARQUET}.MapredParquetOutputFormat",
        "SerdeInfo": {
            "SerializationLibrary": f"{PARQUET}.serde.ParquetHiveSerDe",
            "Parameters": {"serialization.format": "1"},
        },
    }


def _columns(columns: Sequence[Column]) -> list[dict[str, str]]:
    return [{"Name": c.name, "Type": c.type.hive, "Comment": c.doc[:LONGEST_COMMENT]} for c in columns]
