"""The load as SQL: one text for every warehouse, made from the entity.

The warehouse never goes back in time. `posts` holds the newest state of each post and `post_metrics` every
observation, whatever the order, repetition or overlap of the loads. How the rows are grouped into loads makes no
difference either. Redshift enforces no keys, so copies and null keys are looked for here.

A load costs the same in a warehouse of many years: wherever a stored table is read, the text gives bounds of the rows
that the load can match, and the engine skips the rest, Redshift by the least and the greatest value of each block,
DuckDB by those of each row group. The bounds are the least and the greatest of the very values that are then compared,
so they never leave out a match. Reddit's ids rise with time, so where rows lie in the order of time, bounds of ids skip
as much as bounds of times do.

A newer state replaces the stored row by DELETE and INSERT, which is what Redshift's MERGE does internally, but that
takes no bounds. DuckDB holds an UPDATE of long texts in memory until the commit, and that of 50,000 rows fails.

Expects the rows in a relation `staged` with the entity's curated columns, in a transaction. A `?` is a bound value.
"""

from collections.abc import Sequence

from reddit_etl.entities.forgotten import links
from reddit_etl.entities.schema import Column, Entity
from reddit_etl.warehouse.tables import AUDIT, SCHEMA, quoted

FIRST_YEAR = 2005  # Reddit opened in June.
NEW = "arrived.stored_newest IS NULL"
NEWER = "arrived.stored_newest < arrived.newest"
# Changes only `first_observed_at` of the stored row.
EARLIER = "arrived.stored_newest >= arrived.newest AND arrived.earliest < arrived.stored_earliest"


def examine(entity: Entity, last_year: int) -> str:
    """Counts the rows, the observations, those without a key or a time, and those outside Reddit's years.

    There are more rows than observations if some are copies, with the same key and time. If times are read in a wrong
    unit, all are outside Reddit's years.
    """
    # No literal has a year of five digits, which not every warehouse reads.
    end = min(last_year + 1, 9999)
    return f"""\
SELECT
  COALESCE(SUM(copies), 0),
  COUNT(*),
  COUNT(CASE WHEN {entity.key} IS NULL OR observed_at IS NULL THEN 1 END),
  COUNT(CASE WHEN observed_at < '{FIRST_YEAR}-01-01' OR observed_at >= '{end}-01-01' THEN 1 END)
FROM (SELECT {entity.key}, observed_at, COUNT(*) AS copies FROM staged GROUP BY {entity.key}, observed_at) AS moments"""


def single(entity: Entity) -> str:
    """Puts one row per observation into `singled`. Sorts whole rows, so only to be run if there are copies."""
    columns = _names(entity.curated)
    return f"""\
CREATE TEMPORARY TABLE singled AS
SELECT {columns}
FROM (
  SELECT {columns},
    ROW_NUMBER() OVER (PARTITION BY {entity.key}, observed_at ORDER BY {_names(entity.metrics)}) AS copy_number
  FROM staged
) AS ranked
WHERE copy_number = 1"""


def bounds(entity: Entity) -> str:
    """The least and the greatest time that arrived, and id: of the key, and of the posts that the rows show."""
    columns = ["observed_at", *links(entity)]
    return f"SELECT {', '.join(f'MIN({column}), MAX({column})' for column in columns)} FROM staged"


def observe(entity: Entity, source: str) -> str:
    """Keeps each new observation. Binds the least and the greatest time."""
    metrics = f"{SCHEMA}.{entity.metrics_table}"
    return f"""\
INSERT INTO {metrics} ({_names(entity.metrics)})
SELECT {_names(entity.metrics, "seen")}
FROM {source} AS seen
LEFT JOIN {metrics} AS known ON known.{entity.key} = seen.{entity.key} AND known.observed_at = seen.observed_at
  AND known.observed_at >= ? AND known.observed_at <= ?
WHERE known.{entity.key} IS NULL"""


def arrive(entity: Entity, source: str, others: Sequence[str]) -> str:
    """Puts into `arrived`, per key, when it was observed and what is stored. Binds the least and the greatest key.

    `others` are columns of the stored table that are not the entity's, which a newer state leaves as they are. They are
    numbered here, since they may have any name.
    """
    return f"""\
CREATE TEMPORARY TABLE arrived AS
SELECT seen.{entity.key}, seen.newest, seen.earliest,
  stored.observed_at AS stored_newest, stored.first_observed_at AS stored_earliest{_others(others)}
FROM (
  SELECT {entity.key}, MAX(observed_at) AS newest, MIN(observed_at) AS earliest
  FROM {source}
  GROUP BY {entity.key}
) AS seen
LEFT JOIN {SCHEMA}.{entity.name} AS stored ON stored.{entity.key} = seen.{entity.key}
  AND stored.{entity.key} >= ? AND stored.{entity.key} <= ?"""


def outcome() -> str:
    """The number of new and of newer states, and between which times the rows lie that `remove` and `backdate` match.

    Without a row to match the times are NULL, and nothing is read.
    """
    counts = [f"COUNT(CASE WHEN {which} THEN 1 END)" for which in (NEW, NEWER)]
    times = [f"{end}(CASE WHEN {which} THEN stored_newest END)" for which in (NEWER, EARLIER) for end in ("MIN", "MAX")]
    return "SELECT\n  {}\nFROM arrived".format(",\n  ".join(counts + times))


def remove(entity: Entity) -> str:
    """Removes the stored rows of which a newer state arrived. Binds the bounds of `_matched`."""
    return f"DELETE FROM {SCHEMA}.{entity.name}\nUSING arrived\nWHERE {_matched(entity)}\n  AND {NEWER}"


def insert(entity: Entity, source: str, others: Sequence[str]) -> list[str]:
    """Adds the new and the newer states; of the removed rows, it keeps the first time and the columns of others.

    Only newer states have values for those columns: new ones get their defaults.
    """
    first = (
        "CASE WHEN arrived.stored_earliest < arrived.earliest THEN arrived.stored_earliest ELSE arrived.earliest END"
    )
    names = "".join(f", {quoted(name)}" for name in others)
    kept = "".join(f", arrived.other_{number}" for number in range(len(others)))
    return [
        f"""\
INSERT INTO {SCHEMA}.{entity.name} ({_names(entity.curated)}, first_observed_at{more})
SELECT {_names(entity.curated, "seen")},
  {first}{values}
FROM {source} AS seen
JOIN arrived ON arrived.{entity.key} = seen.{entity.key} AND arrived.newest = seen.observed_at
WHERE {which}"""
        for which, more, values in (
            [(NEW, "", ""), (NEWER, names, kept)] if others else [(f"{NEW} OR {NEWER}", "", "")]
        )
    ]


def backdate(entity: Entity) -> str:
    """An observation that arrives late may be the first one. Binds the bounds of `_matched`."""
    return f"""\
UPDATE {SCHEMA}.{entity.name} SET first_observed_at = arrived.earliest
FROM arrived
WHERE {_matched(entity)}
  AND {EARLIER}"""


def redate(entity: Entity) -> str:
    """A state that was lost was first observed when its observations say.

    Binds the least and the greatest key, twice.
    """
    table, metrics = f"{SCHEMA}.{entity.name}", f"{SCHEMA}.{entity.metrics_table}"
    return f"""\
UPDATE {table} SET first_observed_at = seen.earliest
FROM (
  SELECT known.{entity.key}, MIN(known.observed_at) AS earliest
  FROM {metrics} AS known
  JOIN arrived ON arrived.{entity.key} = known.{entity.key}
  WHERE known.{entity.key} >= ? AND known.{entity.key} <= ?
  GROUP BY known.{entity.key}
) AS seen
WHERE {table}.{entity.key} = seen.{entity.key} AND {table}.{entity.key} >= ? AND {table}.{entity.key} <= ?
  AND {table}.first_observed_at > seen.earliest"""


def _matched(entity: Entity) -> str:
    """The stored rows of keys that arrived. Binds the least and the greatest key, and of the stored rows' times."""
    table = f"{SCHEMA}.{entity.name}"
    return (
        f"{table}.{entity.key} = arrived.{entity.key} AND {table}.{entity.key} >= ? AND {table}.{entity.key} <= ?\n"
        f"  AND {table}.observed_at >= ? AND {table}.observed_at <= ?"
    )


ADD_AUDIT = (
    f"INSERT INTO {SCHEMA}.load_audit ({', '.join(column.name for column in AUDIT)}) "
    f"VALUES ({', '.join('?' for _ in AUDIT)})"
)
"""Records the load. Binds a value per column."""

REMOVE_AUDIT = f"DELETE FROM {SCHEMA}.load_audit WHERE load_id = ?"
"""Before a load is recorded that was committed before. Binds its `load_id`."""

FIND_AUDIT = (
    "SELECT rows_staged, rows_inserted, rows_updated, rows_stale, COALESCE(rows_forgotten, 0) "
    f"FROM {SCHEMA}.load_audit WHERE load_id = ?"
)
"""The counts of a load that was committed before. Binds its `load_id`."""

FIND_LOADS = f"SELECT load_id FROM {SCHEMA}.load_audit WHERE hour >= ? AND hour <= ?"
"""The loads of a range of hours. Binds the first and the last hour."""


def _names(columns: tuple[Column, ...], table: str = "") -> str:
    return ", ".join(f"{table}.{column.name}" if table else column.name for column in columns)


def _others(names: Sequence[str]) -> str:
    return "".join(f", stored.{quoted(name)} AS other_{number}" for number, name in enumerate(names))
