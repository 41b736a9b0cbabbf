"""Forgetting as SQL: one text for every warehouse, made from the entity, and the order in which it is run.

The tombstones of the lake are copied into `reddit.tombstones`, an object at a time or many at once, in the transaction
that removes what they name. So a warehouse that is new or was restored takes in all that it lacks with its first load,
and `forget_audit` lists the objects that it has. What a tombstone takes from a row is in `entities/forgotten.py`.

As in upsert.py, wherever a stored table is read the text gives bounds of the rows that can match, and a `?` is a bound
value.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from reddit_etl.clock import moment
from reddit_etl.entities import forgotten
from reddit_etl.entities.schema import Entity
from reddit_etl.errors import LakeError, WarehouseError
from reddit_etl.lake import tombstones
from reddit_etl.lake.base import Lake
from reddit_etl.lake.tombstones import Tombstone
from reddit_etl.warehouse.base import Execute, Forgotten
from reddit_etl.warehouse.tables import FORGET_AUDIT, SCHEMA, TOMBSTONES

TABLE = f"{SCHEMA}.tombstones"
AUDIT = f"{SCHEMA}.forget_audit"
# Tombstones that one statement inserts.
PORTION = 500
# Tombstones that are taken in together, which take 60 MB; a new warehouse takes in those of years.
AT_ONCE = 50_000

Objects = Mapping[str, Sequence[Tombstone]]
"""By key in the lake."""


def missing(lake: Lake, execute: Execute, listed: Callable[[], Iterable[str]] | None = None) -> Iterator[Objects]:
    """The objects of tombstones that the warehouse has not taken in, so many at a time as fit into memory.

    `listed` gives the keys of all, without a request. Raises LakeError if one is damaged.
    """
    known = _known(execute)
    found: dict[str, Sequence[Tombstone]] = {}
    for key in listed() if listed else tombstones.keys(lake):
        if key not in known:
            found[key] = tombstones.read(lake, key)
        if sum(map(len, found.values())) >= AT_ONCE:
            yield found
            found = {}
    if found:
        yield found


def take_in(objects: Objects, execute: Execute, *, entities: Sequence[Entity], now: datetime) -> bool:
    """Copy tombstones into the warehouse, and remove what they name of these entities' tables; False: they were there.

    Runs in a transaction that no other load or forgetting runs beside.
    """
    # Another one may have taken them in since they were read.
    known = _known(execute) if objects else set()
    coming = {key: ones for key, ones in objects.items() if key not in known}
    if not coming:
        return False
    _insert(coming, execute)
    execute(f"CREATE TEMPORARY TABLE named AS\n{forgotten.summary_sql('coming')}", [])
    bounds = {
        entity: [first, last]
        for entity, first, last in execute("SELECT entity, MIN(id), MAX(id) FROM named GROUP BY entity", []).fetchall()
    }
    removed = cleared = 0
    for entity in entities:
        counts = _remove(entity, bounds, execute)
        removed, cleared = removed + counts[0], cleared + counts[1]
    for table in ("named", "coming"):
        execute(f"DROP TABLE {table}", [])
    names = ", ".join(column.name for column in FORGET_AUDIT)
    for key, ones in coming.items():
        execute(f"INSERT INTO {AUDIT} ({names}) VALUES (?, ?, ?, ?, ?, NULL)", [key, len(ones), removed, cleared, now])
    return True


FIND = f"SELECT rows_removed, rows_cleared, taken_at, erased_at FROM {AUDIT} WHERE object = ?"
"""What became of one object. Binds its key."""


def outcome(found: Sequence[Sequence[Any]], *, place: str) -> Forgotten:
    """What `FIND` gave. Raises WarehouseError if there is no such object."""
    if not found:
        raise WarehouseError(f"{place} is missing: put the tombstones into the lake first")
    [(removed, cleared, taken_at, erased_at)] = found
    return Forgotten(int(removed), int(cleared), taken_at, erased_at)


COUNT_DUE = f"SELECT COUNT(*), MAX(taken_at) FROM {AUDIT} WHERE erased_at IS NULL"
"""How many objects were taken in of which bytes may be left, and when the last of them was."""


def erased(audit: str = AUDIT) -> str:
    """Notes that no byte is left of what was removed until then. Binds now, and the time of `COUNT_DUE`."""
    return f"UPDATE {audit} SET erased_at = ? WHERE erased_at IS NULL AND taken_at <= ?"


def _known(execute: Execute) -> set[str]:
    return {key for (key,) in execute(f"SELECT object FROM {AUDIT}", []).fetchall()}


def _insert(objects: Objects, execute: Execute) -> None:
    types = ", ".join(f"{column.name} {column.type.sql}" for column in TOMBSTONES)
    names = ", ".join(column.name for column in TOMBSTONES)
    execute(f"CREATE TEMPORARY TABLE coming ({types})", [])
    # What is named again for the same reason has one row, with the last moment.
    last: dict[tuple[str, str, str], tuple[datetime, str]] = {}
    for key, ones in objects.items():
        for one in ones:
            named, found = (one.entity, one.id, one.kind.value), (_moment(key, one), key)
            last[named] = max(found, last.get(named, found))
    rows = [(*named, *found) for named, found in sorted(last.items())]
    for begin in range(0, len(rows), PORTION):
        portion = rows[begin : begin + PORTION]
        places = ", ".join(["(?, ?, ?, ?, ?)"] * len(portion))
        execute(f"INSERT INTO coming ({names}) VALUES {places}", [value for row in portion for value in row])
    between = execute("SELECT MIN(id), MAX(id) FROM coming", []).fetchall()[0]
    execute(_OUTDATED, between)
    # A load reads them between bounds of ids.
    values = ", ".join(f"coming.{column.name}" for column in TOMBSTONES)
    execute(f"INSERT INTO {TABLE} ({names})\nSELECT {values}\n{_UNKNOWN}\nORDER BY coming.entity, coming.id", between)


# Both bind the least and the greatest id of `coming`.
_OUTDATED = f"""\
DELETE FROM {TABLE}
USING coming
WHERE coming.entity = {TABLE}.entity AND coming.id = {TABLE}.id AND coming.kind = {TABLE}.kind
  AND {TABLE}.moment <= coming.moment AND {TABLE}.id >= ? AND {TABLE}.id <= ?"""
_UNKNOWN = f"""\
FROM coming
LEFT JOIN {TABLE} AS known ON known.entity = coming.entity AND known.id = coming.id AND known.kind = coming.kind
  AND known.id >= ? AND known.id <= ?
WHERE known.id IS NULL"""


def _moment(key: str, tombstone: Tombstone) -> datetime:
    try:
        return moment(tombstone.moment)
    except ValueError as error:
        raise LakeError(f"{key}: not a list of tombstones: {tombstone.moment!r} is not a time: restore it") from error


def _remove(entity: Entity, bounds: Mapping[str, Sequence[object]], execute: Execute) -> tuple[int, int]:
    """Remove what `named` takes of an entity's tables; gives how many rows went, and how many have less in them.

    `bounds` has the least and the greatest id by entity.
    """
    links = {column: name for column, name in forgotten.links(entity).items() if name in bounds}
    if not links:
        return 0, 0
    execute(_find(entity, links), [id_ for name in links.values() for id_ in bounds[name]])
    [between] = execute(f"SELECT MIN({entity.key}), MAX({entity.key}) FROM candidates", []).fetchall()
    execute(_touch(entity), between)
    [(removed, returned, cleared, *of_columns)] = execute(_count(entity), []).fetchall()
    execute(_remove_observations(entity), between)
    stored = f"{SCHEMA}.{entity.name}"
    execute(f"DELETE FROM {stored}\nUSING touched\nWHERE {_matched(entity)} AND touched.is_dropped = 1", between)
    if returned:
        execute(_first_again(entity), [*between, *between])
    for name, count in zip(forgotten.cleared_sql(entity), of_columns, strict=True):
        if count:
            is_cleared = f"{_matched(entity)} AND touched.clears_{name} = 1"
            execute(f"UPDATE {stored} SET {name} = NULL\nFROM touched\nWHERE {is_cleared}", between)
    for table in ("touched", "candidates"):
        execute(f"DROP TABLE {table}", [])
    return int(removed), int(cleared)


def _find(entity: Entity, links: Mapping[str, str]) -> str:
    """Puts into `candidates` the keys of the stored rows with an id that is named. Binds the bounds of each link."""
    return "CREATE TEMPORARY TABLE candidates AS\n" + "\nUNION\n".join(
        f"SELECT stored.{entity.key} FROM {SCHEMA}.{entity.name} AS stored\n"
        f"JOIN named ON named.id = stored.{column} AND named.entity = '{name}'\n"
        f"WHERE stored.{column} >= ? AND stored.{column} <= ?"
        for column, name in links.items()
    )


def _count(entity: Entity) -> str:
    """Of `touched`, how many rows are removed, came back, have something cleared, and that by column."""
    clears = [f"clears_{name} = 1" for name in forgotten.cleared_sql(entity)]
    kept = ["taken_at IS NOT NULL", f"({' OR '.join(clears or ['1 = 0'])})", *clears]
    which = ["is_dropped = 1", *(f"is_dropped = 0 AND {one}" for one in kept)]
    return f"SELECT {', '.join(f'COUNT(CASE WHEN {one} THEN 1 END)' for one in which)} FROM touched"


def _touch(entity: Entity) -> str:
    """Puts into `touched` what becomes of each stored row of `candidates`. Binds their least and greatest key."""
    effects = forgotten.effects_sql(entity, rows=f"{SCHEMA}.{entity.name}", summary="named")
    return f"""\
CREATE TEMPORARY TABLE touched AS
{effects}
  AND r.{entity.key} IN (SELECT {entity.key} FROM candidates) AND r.{entity.key} >= ? AND r.{entity.key} <= ?"""


def _remove_observations(entity: Entity) -> str:
    """Of a removed row all go, and of one that came back those until the tombstone's moment."""
    metrics = f"{SCHEMA}.{entity.metrics_table}"
    return f"""\
DELETE FROM {metrics}
USING touched
WHERE touched.{entity.key} = {metrics}.{entity.key} AND {metrics}.{entity.key} >= ? AND {metrics}.{entity.key} <= ?
  AND (touched.is_dropped = 1 OR {metrics}.observed_at <= touched.taken_at)"""


def _first_again(entity: Entity) -> str:
    """What came back was first observed when the first observation that is left was made. Binds the bounds twice."""
    stored, metrics = f"{SCHEMA}.{entity.name}", f"{SCHEMA}.{entity.metrics_table}"
    return f"""\
UPDATE {stored} SET first_observed_at = remaining.earliest
FROM (
  SELECT seen.{entity.key}, MIN(seen.observed_at) AS earliest
  FROM {metrics} AS seen
  JOIN touched ON touched.{entity.key} = seen.{entity.key}
  WHERE touched.is_dropped = 0 AND touched.taken_at IS NOT NULL AND seen.{entity.key} >= ? AND seen.{entity.key} <= ?
  GROUP BY seen.{entity.key}
) AS remaining
WHERE remaining.{entity.key} = {stored}.{entity.key} AND {stored}.{entity.key} >= ? AND {stored}.{entity.key} <= ?"""


def _matched(entity: Entity) -> str:
    stored = f"{SCHEMA}.{entity.name}.{entity.key}"
    return f"touched.{entity.key} = {stored} AND {stored} >= ? AND {stored} <= ?"
