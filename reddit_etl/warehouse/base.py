"""The warehouse: what a load is, and what every load does in its transaction."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import astuple, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol, Self

from reddit_etl.clock import Clock
from reddit_etl.entities.schema import Entity
from reddit_etl.errors import WarehouseError
from reddit_etl.lake.base import Lake
from reddit_etl.lake.receipts import DataObject
from reddit_etl.warehouse import named, tables, upsert
from reddit_etl.warehouse.held import Held

NAMED = ("named", "touched")
"""The temporary tables of `leave_out`."""

Execute = Callable[[str, Sequence[object]], Any]
"""Runs a statement with its bound values in an open transaction; a query's answer has `fetchall()`."""


@dataclass(frozen=True)
class Load:
    """The rows of one transformation, in Parquet objects of the lake."""

    entity: Entity
    load_id: str
    hour: str
    """Written like `2026-11-23T04`."""
    lake: Lake
    objects: Sequence[DataObject]
    columns: Mapping[str, str]
    """The files' own, in their order, each with its SQL type; none in receipts of the first version."""
    tombstones: Callable[[], Iterable[str]] | None = None
    """The keys of all tombstones, if the lake need not be listed again. Newer ones are taken in by who has put them."""
    is_again: bool = False
    """Whether it is repeated because the warehouse lacks rows, even if `load_audit` has it."""

    @property
    def rows(self) -> int:
        """How many rows the receipt lists."""
        return sum(entry.rows for entry in self.objects)


@dataclass(frozen=True)
class LoadCounts:
    """Rows that arrived, and what they did."""

    staged: int
    inserted: int
    updated: int
    stale: int
    forgotten: int = 0
    """Rows that were left out, as tombstones name them."""

    def __add__(self, other: Self) -> "LoadCounts":
        return LoadCounts(
            self.staged + other.staged,
            self.inserted + other.inserted,
            self.updated + other.updated,
            self.stale + other.stale,
            self.forgotten + other.forgotten,
        )


@dataclass(frozen=True)
class Forgotten:
    """What a warehouse did with the tombstones of one object of the lake."""

    removed: int
    """Rows that it removed, of all entities, with those of the objects that it took in together with this one."""
    cleared: int
    """Rows from which it removed names or URLs, counted in the same way."""
    taken_at: datetime
    """When no query gave them any more."""
    erased_at: datetime
    """When no byte of them was left in the tables' storage."""


@dataclass(frozen=True)
class Answer:
    """What a query gives."""

    names: Sequence[str]
    """Of the columns; two may be equal."""
    rows: Iterator[tuple[object, ...]]
    """Fetched as they are asked for, so that a million take no more memory than a thousand."""


class Warehouse(Protocol):
    """Where the rows end: a table of newest states and one of observations for each entity, and the audit of loads."""

    url: str
    """Without a password."""

    def load(self, load: Load) -> LoadCounts:
        """Upsert the rows, all of them, in one transaction, once per `load_id`.

        A load that was committed before is not repeated, unless it says so: its counts are given again. Before it, the
        tombstones of the lake that the warehouse lacks are taken in, and what they name is left out of the load. Raises
        `WarehouseError`.
        """

    def compare(self, load: Load) -> Held:
        """What the warehouse holds of the rows of a load; changes nothing.

        Raises `WarehouseError`, and `DamagedObjectError` for an object that is missing or differs from its receipt.
        """

    def loaded(self, *, first_hour: str, last_hour: str) -> set[str]:
        """The `load_id` of each load of these hours that the warehouse itself knows, by its `load_audit`.

        Hours are written like `2026-11-23T04`, and both are included. An empty or missing warehouse knows none. Raises
        `WarehouseError`.
        """

    def forget(self, lake: Lake, key: str) -> Forgotten | None:
        """Take in all tombstones of the lake that the warehouse lacks: remove what they name, then the bytes of it.

        Gives what became of those of one object; None if there is nothing yet in which anything could be stored. May
        be repeated. Raises `WarehouseError` and `LakeError`.
        """

    def reading(self) -> AbstractContextManager[None]:
        """For several `find` and `loaded` in a row, and nothing else: what need be opened is opened once.

        Raises `WarehouseError`.
        """

    def find(self, table: str, sql: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        """The rows of a query over one of the schema's tables; none if that table is not there.

        A `?` in the query is a bound value. Raises `WarehouseError`.
        """

    def check(self, *, entity: Entity, lake: Lake, folder: str) -> str:
        """Try all that a load does, and keep nothing of it in the warehouse; gives what was found.

        `folder` is where in the lake the warehouse puts what it tries to read. Raises
        `WarehouseError`.
        """

    def answer(self, sql: str, *, limit: int | None = None) -> AbstractContextManager[Answer]:
        """The first `limit` rows of a query that changes nothing, or all; they can be read within the block.

        The SQL is one statement. Raises `WarehouseError`.
        """

    def query(self, sql: str, *, limit: int) -> tuple[list[str], list[tuple[object, ...]]]:
        """The column names and the first `limit` rows of a query, as `answer` gives them."""

    def to_parquet(self, sql: str, path: Path) -> int:
        """Write all rows of a query to a new Parquet file, with their types; gives how many there are.

        The memory does not grow with the rows. The SQL is as for `answer`. Raises `WarehouseError`.
        """


def carry_out(
    load: Load, execute: Execute, *, staged: Iterable[None], found: Iterable[tuple[str, str]], clock: Clock
) -> LoadCounts:
    """What every load does in its transaction; gives the counts of before if the load was committed before.

    With each step of `staged` other rows of the load are in the relation `staged`; `found` are the schema's tables and
    their columns. Raises `WarehouseError`.
    """
    known = execute(upsert.FIND_AUDIT, [load.load_id]).fetchall()
    if known and not load.is_again:
        return LoadCounts(*known[0])
    counts = LoadCounts(0, 0, 0, 0)
    others = tables.others(load.entity, found)
    for _ in staged:
        counts += upsert_staged(load, execute, others=others, now=clock())
    if counts.staged != load.rows:
        raise WarehouseError(f"{counts.staged} rows arrived where the receipt lists {load.rows}")
    if known:
        execute(upsert.REMOVE_AUDIT, [load.load_id])
    execute(upsert.ADD_AUDIT, [load.load_id, load.entity.name, load.hour, *astuple(counts), clock()])
    return counts


def upsert_staged(load: Load, execute: Execute, *, others: Sequence[str], now: datetime) -> LoadCounts:
    """Move what is in `staged` into the tables; `others` are the columns that `tables.others` finds.

    Raises `WarehouseError` for rows that cannot be told apart or put in order, and for rows observed before Reddit's
    first year or after the next one: a row from the future would stay the newest state for ever.
    """
    entity = load.entity
    # The sandbox's rows are of the run's hour, which may lie in the future; real Reddit's are of now.
    last_year = max(int(load.hour[:4]), now.year) + 1
    [(rows, observations, without, misdated)] = execute(upsert.examine(entity, last_year), []).fetchall()
    if without:
        raise WarehouseError(f"{entity.name} without a key or a time came from the transformation")
    if misdated:
        raise WarehouseError(
            f"{entity.name} with an observed_at outside the years {upsert.FIRST_YEAR} to {last_year} came from the "
            "transformation: check the clock of the machine that runs the extract, and run `python -m jobs doctor` to "
            "check how the warehouse reads times from Parquet"
        )
    temporary: list[str] = []
    source = "staged"
    if rows > observations:
        execute(upsert.single(entity), [])
        temporary.append(source := "singled")
    [(first, last, *ids)] = execute(upsert.bounds(entity), []).fetchall()
    keys, left_out = ids[:2], 0
    if rest := leave_out(entity, source, ids, execute):
        execute(named.shown_again(entity), ids[:2])
        source, left_out = rest
        temporary += NAMED
    execute(upsert.observe(entity, source), [first, last])
    execute(upsert.arrive(entity, source, others), keys)
    [(new, newer, *times)] = execute(upsert.outcome(), []).fetchall()
    execute(upsert.remove(entity), [*keys, *times[:2]])
    for statement in upsert.insert(entity, source, others):
        execute(statement, [])
    execute(upsert.backdate(entity), [*keys, *times[2:]])
    if load.is_again:
        # Earlier observations may be there still, whose loads are not repeated.
        execute(upsert.redate(entity), [*keys, *keys])
    for table in ("arrived", *temporary):
        execute(f"DROP TABLE {table}", [])
    stale = int(rows) - new - newer - left_out
    return LoadCounts(staged=int(rows), inserted=new, updated=newer, stale=stale, forgotten=left_out)


def leave_out(entity: Entity, source: str, ids: Sequence[object], execute: Execute) -> tuple[str, int] | None:
    """What tombstones leave of the rows of `source`, and how many of them they take; None if they name none.

    Uses the temporary tables `NAMED`, which are to be dropped afterwards. `ids` are what `upsert.bounds` gives.
    """
    if execute(named.find(entity), ids).fetchall() == [(0,)]:
        return None
    execute(named.name(entity), ids)
    execute(named.mark_back(entity), ids[:2])
    execute(named.touch(entity, source), [])
    [(rows,)] = execute(named.count_dropped(entity), []).fetchall()
    return named.rest(entity, source), int(rows)
