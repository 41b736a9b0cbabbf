"""What a warehouse holds of the rows of one transformation, compared inside the warehouse, where they are staged.

Every observation that arrived must be in the table of observations, with the same values. The table of newest states
must have each key once, in no older state than the newest that arrived, and in a state that was observed; where that
state is one of those that arrived, with the same values. What tombstones take from the rows is left out, as in a load.

Columns that the objects, the definition or the table lack are not compared: one that was added later is NULL in older
rows.
"""

from collections.abc import Iterable

from reddit_etl.entities.schema import Column, Entity
from reddit_etl.warehouse import base, upsert
from reddit_etl.warehouse.base import Execute, Load
from reddit_etl.warehouse.checksum import Dialect, Total, checksum
from reddit_etl.warehouse.held import Held
from reddit_etl.warehouse.tables import SCHEMA


def compare(
    load: Load, execute: Execute, *, staged: Iterable[None], found: Iterable[tuple[str, str]], dialect: Dialect
) -> Held:
    """Compare the rows of a load with the tables; changes neither.

    With each step of `staged` other rows of the load are in the relation `staged`; `found` are the schema's tables and
    their columns.
    """
    known: dict[str, set[str]] = {}
    for table, column in found:
        known.setdefault(table, set()).add(column)
    held = Held()
    if not {load.entity.name, load.entity.metrics_table} <= set(known):
        return nothing_of(load)
    for _ in staged:
        held = held.plus(_staged(load, execute, known, dialect))
    return held


def nothing_of(load: Load) -> Held:
    """What a warehouse holds that has not even the tables; only the numbers are exact."""
    return Held(arrived=Total(load.rows, 0, 0), keys=load.rows)


def _staged(load: Load, execute: Execute, known: dict[str, set[str]], dialect: Dialect) -> Held:
    entity = load.entity
    metrics, states = f"{SCHEMA}.{entity.metrics_table}", f"{SCHEMA}.{entity.name}"
    [(first, last, *ids)] = execute(upsert.bounds(entity), []).fetchall()
    keys, source, forgotten = ids[:2], "staged", 0
    if "tombstones" in known and (rest := base.leave_out(entity, source, ids, execute)):
        source, forgotten = rest

    def total(
        columns: tuple[Column, ...], table: str, name: str, join: str = "", values: Iterable[object] = ()
    ) -> Total:
        in_table = load.columns or {column.name for column in entity.curated}
        compared = [column for column in columns if column.name in in_table and column.name in known[table]]
        text = checksum(compared, f"{source} AS seen{join}", dialect, table=name)
        return Total.of(execute(text, list(values)).fetchall()[0])

    observed = (
        f"\nJOIN {metrics} AS known ON known.{entity.key} = seen.{entity.key} "
        "AND known.observed_at = seen.observed_at AND known.observed_at >= ? AND known.observed_at <= ?"
    )
    newest = (
        f"\nJOIN {states} AS stored ON stored.{entity.key} = seen.{entity.key} "
        f"AND stored.observed_at = seen.observed_at AND stored.{entity.key} >= ? AND stored.{entity.key} <= ?"
    )
    numbers = execute(_states(entity, source), keys).fetchall()[0]
    [(unobserved,)] = execute(_unobserved(entity, source), [*keys, *keys, first]).fetchall()
    held = Held(
        forgotten=forgotten,
        arrived=total(entity.metrics, entity.metrics_table, "seen"),
        observed=total(entity.metrics, entity.metrics_table, "known", observed, (first, last)),
        newest=total(entity.curated, entity.name, "seen", newest, keys),
        stored=total(entity.curated, entity.name, "stored", newest, keys),
        keys=int(numbers[0]),
        states=int(numbers[1]),
        older=int(numbers[2]),
        misdated=int(numbers[3]),
        unobserved=int(unobserved),
    )
    for table in base.NAMED if source != "staged" else ():
        execute(f"DROP TABLE {table}", [])
    return held


def _states(entity: Entity, source: str) -> str:
    """How many keys arrived, and of their stored states all, the older ones and the misdated ones.

    Binds the least and the greatest key.
    """
    return f"""\
SELECT COUNT(DISTINCT seen.{entity.key}), COUNT(stored.{entity.key}),
  COUNT(CASE WHEN stored.observed_at < seen.newest THEN 1 END),
  COUNT(CASE WHEN stored.first_observed_at > seen.earliest THEN 1 END)
FROM (
  SELECT {entity.key}, MAX(observed_at) AS newest, MIN(observed_at) AS earliest
  FROM {source} AS arrived
  GROUP BY {entity.key}
) AS seen
LEFT JOIN {SCHEMA}.{entity.name} AS stored ON stored.{entity.key} = seen.{entity.key}
  AND stored.{entity.key} >= ? AND stored.{entity.key} <= ?"""


def _unobserved(entity: Entity, source: str) -> str:
    """How many stored states of the keys that arrived were never observed.

    Binds the least and the greatest key, twice, and the least time; states before it are older than what arrived.
    """
    return f"""\
SELECT COUNT(*)
FROM (SELECT {entity.key} FROM {source} AS arrived GROUP BY {entity.key}) AS seen
JOIN {SCHEMA}.{entity.name} AS stored ON stored.{entity.key} = seen.{entity.key}
  AND stored.{entity.key} >= ? AND stored.{entity.key} <= ?
LEFT JOIN {SCHEMA}.{entity.metrics_table} AS known ON known.{entity.key} = stored.{entity.key}
  AND known.observed_at = stored.observed_at
  AND known.{entity.key} >= ? AND known.{entity.key} <= ? AND known.observed_at >= ?
WHERE known.{entity.key} IS NULL"""
