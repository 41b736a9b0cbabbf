"""Loads as a test does them: rows to a file of Parquet, the file into a lake, the lake's object into a warehouse."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from reddit_etl.entities import POSTS
from reddit_etl.entities.schema import INTEGER, Column, Entity
from reddit_etl.lake.base import Lake
from reddit_etl.lake.folder import FolderLake
from reddit_etl.lake.receipts import DataObject
from reddit_etl.warehouse.base import Load, LoadCounts, Warehouse
from reddit_etl.warehouse.duckdb import DuckDBWarehouse
from tests.standins.payloads import parquet

LOADED_AT = datetime(2026, 11, 23, 13)  # noqa: DTZ001
HOUR = "2026-11-23T12"

# The definition as it was before somebody added a line, and as it will be after.
GAINED = Column("award_count", INTEGER, "award_count", "How many awards it has.", metric=True)
OLDER = replace(POSTS, columns=tuple(column for column in POSTS.columns if column.name != "link_flair_text"))
NEWER = replace(POSTS, columns=(*POSTS.columns[:5], GAINED, *POSTS.columns[5:]))


class Loads:
    """A warehouse, a lake, and the files of rows in it."""

    def __init__(self, folder: Path, warehouse: Warehouse, lake: Lake, change: Callable[[str], object]) -> None:
        self.folder = folder
        self.change = change
        """Runs a statement in the warehouse, as another client."""
        self.warehouse = warehouse
        self.lake = lake
        self._number = 0

    def file(self, *rows: dict[str, object], entity: Entity = POSTS) -> tuple[DataObject, Entity]:
        """An object of the lake, and the definition that it was made by."""
        self._number += 1
        path = parquet(self.folder / f"{self._number}.parquet", rows, entity)
        return self.lake.add_file(path, f"curated/{self._number}/part-00000.parquet", len(rows)), entity

    def load(
        self, *rows: dict[str, object], entity: Entity = POSTS, load_id: str | None = None, hour: str = HOUR
    ) -> LoadCounts:
        return self.load_files(self.file(*rows, entity=entity), entity=entity, load_id=load_id, hour=hour)

    def load_files(
        self, *files: tuple[DataObject, Entity], entity: Entity = POSTS, load_id: str | None = None, hour: str = HOUR
    ) -> LoadCounts:
        self._number += 1
        made_by = files[0][1] if files else entity
        return self.warehouse.load(
            Load(
                entity=entity,
                load_id=load_id or f"load-{self._number}",
                hour=hour,
                lake=self.lake,
                objects=[file for file, _ in files],
                columns={column.name: column.type.sql for column in made_by.curated},
            )
        )

    def of(self, file: DataObject, load_id: str) -> Load:
        """A load of one object of posts, by a receipt without columns."""
        return Load(POSTS, load_id=load_id, hour=HOUR, lake=self.lake, objects=[file], columns={})

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return self.warehouse.query(sql, limit=100_000)[1]

    def everything(self) -> list[list[tuple[Any, ...]]]:
        return [
            self.rows("SELECT * FROM reddit.posts ORDER BY post_id"),
            self.rows("SELECT * FROM reddit.post_metrics ORDER BY post_id, observed_at"),
            self.rows("SELECT * FROM reddit.load_audit ORDER BY load_id"),
        ]


class DuckDBLoads(Loads):
    def __init__(self, folder: Path, name: str = "warehouse.duckdb") -> None:
        self.path = folder / name
        warehouse = DuckDBWarehouse(self.path, clock=lambda: LOADED_AT)
        super().__init__(folder, warehouse, FolderLake(folder / "lake"), self._change)

    def _change(self, sql: str) -> None:
        with duckdb.connect(str(self.path)) as connection:
            connection.execute(sql)
