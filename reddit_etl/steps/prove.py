"""Where something is that was to be forgotten: reads every object of the lake, and asks every table."""

from collections.abc import Iterator, Sequence

from reddit_etl.entities import ENTITIES, forgotten
from reddit_etl.entities.schema import Entity
from reddit_etl.lake import inventory, rewrite
from reddit_etl.lake.base import Lake
from reddit_etl.lake.inventory import Place
from reddit_etl.lake.tombstones import Tombstone
from reddit_etl.steps import lines
from reddit_etl.warehouse.base import Warehouse
from reddit_etl.warehouse.tables import SCHEMA


def prove(lake: Lake, warehouse: Warehouse, tombstones: Sequence[Tombstone]) -> Iterator[str]:
    """The objects and tables that hold what these tombstones take, whether a receipt lists them or not.

    Copies each object of a lake in S3 to this machine. Raises LakeError, TransformError, WarehouseError.
    """
    # DuckDB is not in every image.
    from reddit_etl.transform.rewrite_duckdb import touched  # noqa: PLC0415

    for entity in ENTITIES.values():
        changes = {"raw": lines.of_records(entity, tombstones), "rejected": lines.of_rejects(tombstones)}
        for zone, change in changes.items():
            for place in _places(lake, zone, entity):
                if rewrite.touched(lake, place.key, change):
                    yield f"{lake.url}/{place.key}"
        keys = (place.key for place in _places(lake, "curated", entity) if place.key.endswith(".parquet"))
        for key in touched(lake, entity, keys, tombstones):
            yield f"{lake.url}/{key}"
        yield from _tables(warehouse, entity, tombstones)


def _places(lake: Lake, zone: str, entity: Entity) -> Iterator[Place]:
    for day in inventory.days(lake, zone, entity.name):
        yield from day.places


def _tables(warehouse: Warehouse, entity: Entity, tombstones: Sequence[Tombstone]) -> list[str]:
    """Those that have a row of it, or a column that shows content of it."""
    asked = []
    for one in tombstones:
        if one.entity == entity.name:
            asked += [(table, f"{entity.key} = ?", one.id) for table in (entity.name, entity.metrics_table)]
        if one.entity == forgotten.SHOWN:
            shows = [column for column in entity.curated if column.shows]
            asked += [(entity.name, f"{column.shows} = ? AND {column.name} IS NOT NULL", one.id) for column in shows]
    found = {
        table
        for table, condition, id_ in asked
        if warehouse.find(table, f"SELECT 1 FROM {SCHEMA}.{table} WHERE {condition} LIMIT 1", [id_])
    }
    return [f"{warehouse.url}: {SCHEMA}.{table}" for table in sorted(found)]
