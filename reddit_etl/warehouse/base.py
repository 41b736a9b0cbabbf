"""The warehouse: what a load is, and what every load does in its transaction."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, Self

from reddit_etl.entities.schema import Entity
from reddit_etl.errors import WarehouseError
from reddit_etl.lake.base import Lake
from reddit_etl.lake.receipts import DataObject
from reddit_etl.warehouse import upsert

Execute = Callable[[str], Any]
"""Runs a statement in an open transaction; a query's answer has `fetchall()`."""


@dataclass(frozen=True)
class LoadCounts:
    """Rows that arrived, and what they did."""

    staged: int
    inserted: int
    updated: int
    stale: int

    def __add__(self, other: Self) -> "LoadCounts":
        return LoadCounts(
            self.staged + other.staged,
            self.inserted + other.inserted,
            self.updated + other.updated,
            self.stale + other.stale,
        )


class Warehouse(Protocol):
    """Where the rows end: a table of newest states and one of observations for each entity, and the audit of loads."""

    url: str
    """Without a password."""

    def load(
        self,
        *,
        entity: Entity,
        load_id: str,
        hour: str,
        lake: Lake,
        objects: Sequence[DataObject],
        columns: Mapping[str, str],
    ) -> LoadCounts:
        """Upsert the rows of Parquet objects, all of them, in one transaction, once per `load_id`.

        `columns` are the files' own, in their order, each with its SQL type. A load that was committed before is not
        repeated: its counts are given again. Raises `WarehouseError`.
        """

    def loaded(self, *, entity: Entity, first_hour: str, last_hour: str) -> set[str]:
        """The `load_id` of each load of these hours that the warehouse itself knows, by its `load_audit`.

        Hours are written like `2026-11-23T04`, and both are included. An empty or missing warehouse knows none. Raises
        `WarehouseError`.
        """

    def find(self, table: str, statement: Callable[[str], str], values: Sequence[object]) -> list[tuple[Any, ...]]:
        """The rows of a query over one of the schema's tables; none if that table is not there.

        `statement` makes it, given how the driver marks a bound value. Raises `WarehouseError`.
        """

    def check(self, *, entity: Entity, lake: Lake, folder: str) -> str:
        """Try all that a load does, and keep nothing of it in the warehouse; gives what was found.

        `folder` is where in the lake the warehouse puts what it tries to read. Raises
        `WarehouseError`.
        """

    def query(self, sql: str, *, limit: int) -> tuple[list[str], list[tuple[object, ...]]]:
        """The column names and the first `limit` rows of a query that changes nothing."""


def upsert_staged(entity: Entity, execute: Execute, *, hour: str, now: datetime) -> LoadCounts:
    """Move what is in `staged` into the tables.

    Raises `WarehouseError` for rows that cannot be told apart or put in order, and for rows observed before Reddit's
    first year or after the next one: a row from the future would stay the newest state for ever.
    """
    staged = count(execute, upsert.COUNT_STAGED)
    if count(execute, upsert.null_keys(entity)):
        raise WarehouseError(f"{entity.name} without a key or a time came from the transformation")
    # The sandbox's rows are of the run's hour, which may lie in the future; real Reddit's are of now.
    last_year = max(int(hour[:4]), now.year) + 1
    if count(execute, upsert.misdated(last_year)):
        raise WarehouseError(
            f"{entity.name} with an observed_at outside the years {upsert.FIRST_YEAR} to {last_year} came from the "
            "transformation: check the clock of the machine that runs the extract, and run `python -m jobs doctor` to "
            "check how the warehouse reads times from Parquet"
        )
    execute(upsert.observe(entity))
    execute(upsert.earliest(entity))
    if count(execute, upsert.count_doubles(entity)):
        for statement in upsert.deduplicate(entity):
            execute(statement)
    execute(upsert.drop_stale(entity))
    fresh = count(execute, upsert.COUNT_STAGED)
    known = count(execute, upsert.count_known(entity))
    execute(upsert.merge(entity))
    for statement in upsert.backdate(entity):
        execute(statement)
    return LoadCounts(staged=staged, inserted=fresh - known, updated=known, stale=staged - fresh)


def count(execute: Execute, sql: str) -> int:
    """The one number that a query gives."""
    [(number,)] = execute(sql).fetchall()
    return int(number)
