"""The filter of every load as SQL: what tombstones name of the rows that arrive.

Few loads have any, so `find` costs one query between bounds of the ids that arrived, and the rest is run only if it
finds some. A `?` is a bound value.
"""

from reddit_etl.entities import forgotten
from reddit_etl.entities.schema import Entity
from reddit_etl.warehouse.tables import SCHEMA


def find(entity: Entity) -> str:
    """Counts the tombstones that name what is in `staged`. Binds the least and the greatest id of each of the links."""
    return f"SELECT COUNT(*) FROM (\n{_naming(entity)}\n) AS naming"


def name(entity: Entity) -> str:
    """Puts what those tombstones name into `named`. Binds the same."""
    naming = f"(\n{_naming(entity)}\n) AS naming"
    return f"CREATE TEMPORARY TABLE named AS\n{forgotten.summary_sql(naming)}"


def mark_back(entity: Entity) -> str:
    """Marks in `named` what the warehouse has, as it came back. Binds the least and the greatest key.

    Rows that show that it is gone are then kept, so that it is noticed again.
    """
    stored = f"{SCHEMA}.{entity.name}"
    return f"""\
UPDATE named SET is_back = 1
FROM {stored} AS stored
WHERE stored.{entity.key} = named.id AND named.entity = '{entity.name}'
  AND stored.{entity.key} >= ? AND stored.{entity.key} <= ?"""


def shown_again(entity: Entity) -> str:
    """Removes the tombstones of accounts whose author is shown again, so that it is noticed if that ends.

    The lake keeps them. Binds the least and the greatest key.
    """
    stored = f"{SCHEMA}.tombstones"
    shown = " OR ".join(f"staged.{column.name} IS NOT NULL" for column in entity.columns if column.names_author)
    return f"""\
DELETE FROM {stored}
USING staged
WHERE {stored}.entity = '{entity.name}' AND {stored}.kind = '{forgotten.ACCOUNT}' AND {stored}.id = staged.{entity.key}
  AND {stored}.id >= ? AND {stored}.id <= ? AND {stored}.moment < staged.observed_at AND ({shown or "1 = 0"})"""


def touch(entity: Entity, source: str) -> str:
    """Puts into `touched` what becomes of the rows of `source` that are named."""
    return f"CREATE TEMPORARY TABLE touched AS\n{forgotten.effects_sql(entity, rows=source, summary='named')}"


def count_dropped(entity: Entity) -> str:
    """Counts the rows of `staged` that are dropped."""
    return f"SELECT COUNT(*)\nFROM staged AS r\n{_join(entity)}\nWHERE touched.is_dropped = 1"


def rest(entity: Entity, source: str) -> str:
    """What is left of `source`, as a query in brackets; it reads only the columns that are asked for."""
    cleared = forgotten.cleared_sql(entity)
    columns = ", ".join(
        f"CASE WHEN touched.clears_{c.name} = 1 THEN NULL ELSE r.{c.name} END AS {c.name}"
        if c.name in cleared
        else f"r.{c.name}"
        for c in entity.curated
    )
    is_kept = "(touched.is_dropped IS NULL OR touched.is_dropped = 0)"
    return f"(SELECT {columns}\nFROM {source} AS r\nLEFT {_join(entity)}\nWHERE {is_kept})"


def _join(entity: Entity) -> str:
    return f"JOIN touched ON touched.{entity.key} = r.{entity.key} AND touched.observed_at = r.observed_at"


def _naming(entity: Entity) -> str:
    return "\nUNION\n".join(
        f"SELECT entity, id, kind, moment FROM {SCHEMA}.tombstones\n"
        f"WHERE entity = '{of}' AND id >= ? AND id <= ? AND id IN (SELECT {column} FROM staged)"
        for column, of in forgotten.links(entity).items()
    )
