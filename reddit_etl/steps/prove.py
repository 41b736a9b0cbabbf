"""Where something is that was to be forgotten: reads every object of the lake, and queries every table."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from reddit_etl.entities import ENTITIES, forgotten
from reddit_etl.entities.schema import Entity
from reddit_etl.lake import inventory, rewrite
from reddit_etl.lake.base import Lake
from reddit_etl.lake.inventory import Place
from reddit_etl.lake.tombstones import Tombstone
from reddit_etl.steps import lines
from reddit_etl.warehouse.base import Warehouse
from reddit_etl.warehouse.tables import SCHEMA

PORTION = 500
"""Ids in one query."""
Progress = Callable[[int], object]
Changes = Callable[[Sequence[Tombstone]], rewrite.Change]


def prove(
    lake: Lake, warehouse: Warehouse, tombstones: Sequence[Tombstone], *, progress: Progress = lambda _: None
) -> Iterator[tuple[Tombstone, str]]:
    """The objects and tables that hold what these tombstones take, whether a receipt lists them or not.

    Gives each place with the tombstone that takes something of it. Copies each object of a lake in S3 to this machine,
    and those that hold anything once more for each tombstone. Raises LakeError, TransformError, WarehouseError.
    """
    # DuckDB is not in every image.
    from reddit_etl.transform.rewrite_duckdb import touched  # noqa: PLC0415

    for entity in ENTITIES.values():
        changes: dict[str, Changes] = {"raw": partial(lines.of_records, entity), "rejected": lines.of_rejects}
        for zone, change in changes.items():
            for place in _places(lake, zone, entity, progress):
                if rewrite.touched(lake, place.key, change(tombstones)):
                    takes = partial(_takes, lake, place.key, change)
                    yield from ((one, f"{lake.url}/{place.key}") for one in _takers(tombstones, takes))
        keys = (place.key for place in _places(lake, "curated", entity, progress) if place.key.endswith(".parquet"))
        for key in touched(lake, entity, keys, tombstones):
            takes = partial(_takes_curated, lake, key, entity)
            yield from ((one, f"{lake.url}/{key}") for one in _takers(tombstones, takes))
        for one in tombstones:
            yield from ((one, table) for table in _tables(warehouse, entity, one))


def stored(warehouse: Warehouse, tombstones: Sequence[Tombstone]) -> set[tuple[str, str]]:
    """Of what they name, that of which the warehouse has a row, as entity and id. Raises WarehouseError."""
    found: set[tuple[str, str]] = set()
    for entity in ENTITIES.values():
        ids = [one.id for one in tombstones if one.entity == entity.name]
        for begin in range(0, len(ids), PORTION):
            portion = ids[begin : begin + PORTION]
            places = ", ".join(["?"] * len(portion))
            sql = f"SELECT {entity.key} FROM {SCHEMA}.{entity.name} WHERE {entity.key} IN ({places})"
            found.update((entity.name, str(id_)) for (id_,) in warehouse.find(entity.name, sql, portion))
    return found


def _takers(tombstones: Sequence[Tombstone], takes: Callable[[Tombstone], bool]) -> Sequence[Tombstone]:
    """Those that take something of an object of which all together do."""
    # A place must be shown in any case.
    return tombstones if len(tombstones) == 1 else [one for one in tombstones if takes(one)] or tombstones


def _takes(lake: Lake, key: str, change: Changes, tombstone: Tombstone) -> bool:
    return rewrite.touched(lake, key, change([tombstone])) > 0


def _takes_curated(lake: Lake, key: str, entity: Entity, tombstone: Tombstone) -> bool:
    from reddit_etl.transform.rewrite_duckdb import touched  # noqa: PLC0415

    return any(touched(lake, entity, [key], [tombstone]))


def _places(lake: Lake, zone: str, entity: Entity, progress: Progress) -> Iterator[Place]:
    for day in inventory.days(lake, zone, entity.name):
        for place in day.places:
            yield place
            progress(1)


def _tables(warehouse: Warehouse, entity: Entity, tombstone: Tombstone) -> list[str]:
    """Those that have a row of it, or a column that shows content of it."""
    queries = []
    if tombstone.entity == entity.name:
        queries += [(table, f"{entity.key} = ?") for table in (entity.name, entity.metrics_table)]
    if tombstone.entity == forgotten.SHOWN:
        shows = [column for column in entity.curated if column.shows]
        queries += [(entity.name, f"{column.shows} = ? AND {column.name} IS NOT NULL") for column in shows]
    found = {
        table
        for table, condition in queries
        if warehouse.find(table, f"SELECT 1 FROM {SCHEMA}.{table} WHERE {condition} LIMIT 1", [tombstone.id])
    }
    return [f"{warehouse.url}: {SCHEMA}.{table}" for table in sorted(found)]
