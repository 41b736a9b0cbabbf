"""The warehouse: what a load is, and which warehouse a URL means."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from reddit_etl.lake import Lake
from reddit_etl.receipt import DataObject
from reddit_etl.schema import Entity

DUCKDB = "duckdb:///"


@dataclass(frozen=True)
class LoadCounts:
    """Rows that arrived, and what they did."""

    staged: int
    inserted: int
    updated: int
    stale: int


class Warehouse(Protocol):
    url: str
    """Without a password."""

    def load(self, *, entity: Entity, load_id: str, hour: str, lake: Lake, objects: Sequence[DataObject]) -> LoadCounts:
        """Upsert the rows of Parquet objects, all of them, in one transaction, once per `load_id`.

        A load that was committed before is not repeated: its counts are given again. Raises `WarehouseError`.
        """

    def is_gone(self) -> bool:
        """True only if it is certain, without asking anybody, that nothing is in it, whatever was loaded before."""

    def query(self, sql: str, *, limit: int) -> tuple[list[str], list[tuple[object, ...]]]:
        """The column names and the first `limit` rows of a query that changes nothing."""
