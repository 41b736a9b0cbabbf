"""The transformation over the set: each observation once, and what is derived from columns.

Two SQL texts, made from the entity, that every engine runs over a relation `records`. The first finds the further
copies of observations by narrow columns alone. The second shapes the wide rows, in one pass that holds none, and leaves
the copies out. So an engine may run the first over one part of the keys after the other, and the second over one part
of the rows: the result is the same.

A post that two listings of an hour show is observed twice, at two moments, and both are kept: what is known in the end
must not depend on which listings happened to be transformed together.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence

from reddit_etl.entities import forgotten
from reddit_etl.entities.schema import Entity, Sql


def count_sql(entity: Entity, rows: str = "records") -> str:
    """Counts the records and the observations."""
    return f"""\
SELECT
  (SELECT COUNT(*) FROM {rows}) AS records,
  (SELECT COUNT(*) FROM (SELECT DISTINCT {entity.key}, observed_at FROM {rows}) AS observed) AS observations
"""


def copies_sql(entity: Entity) -> str:
    """The records that repeat an observation, by their listing and place in it, which together name one record."""
    return f"""\
SELECT listing, place
FROM (
  SELECT
    listing,
    place,
    ROW_NUMBER() OVER (PARTITION BY {entity.key}, observed_at ORDER BY listing, place) AS copy_number
  FROM records
) AS ranked
WHERE copy_number > 1
"""


def transform_sql(entity: Entity) -> str:
    """The curated rows, where `copies` is what `copies_sql` gave."""
    columns = ",\n".join(
        f"  {column.origin.expression} AS {column.name}" if isinstance(column.origin, Sql) else f"  {column.name}"
        for column in entity.curated
    )
    return f"""\
SELECT
{columns}
FROM records
ANTI JOIN copies ON copies.listing = records.listing AND copies.place = records.place
"""


def named_sql(entity: Entity, columns: str) -> str:
    """These columns of the rows that may lose something, by their ids."""
    conditions = [
        f"r.{column} IN (SELECT id FROM named WHERE entity = '{name}')"
        for column, name in forgotten.links(entity).items()
    ]
    return f"SELECT {columns} FROM stored AS r WHERE {' OR '.join(conditions)}"


def touched_sql(entity: Entity) -> str:
    """The number of rows that are dropped, or lose a value."""
    cleared = [f"(({when}) AND r.{name} IS NOT NULL)" for name, when in forgotten.cleared_sql(entity).items()]
    touched = "\n  OR ".join([forgotten.dropped_sql(entity), *cleared])
    return f"""\
SELECT COUNT(*)
FROM stored AS r
{forgotten.joins_sql(entity, "named")}
WHERE CASE WHEN {touched} THEN 1 ELSE 0 END = 1"""


def kept_sql(entity: Entity, columns: Sequence[str]) -> str:
    """What is left of the rows, in these columns: those of the files."""
    return forgotten.kept_sql(entity, rows="stored", summary="named", columns=columns)


def merged_sql(entity: Entity, columns: Sequence[str], *, has_copies: bool) -> str:
    """The rows of `stored` in these columns, each observation once. Without copies no row has to be held."""
    names = ", ".join(columns)
    if not has_copies:
        return f"SELECT {names} FROM stored"
    return f"""\
SELECT {names}
FROM (
  SELECT {names}, ROW_NUMBER() OVER (PARTITION BY {entity.key}, observed_at ORDER BY {entity.key}) AS copy_number
  FROM stored
) AS ranked
WHERE copy_number = 1"""


def definition(entity: Entity) -> str:
    """A digest of all that the transformation knows of the entity; differs if the other side knows another."""
    texts = [count_sql(entity), copies_sql(entity), transform_sql(entity)]
    columns = [[(c.name, c.type.sql) for c in side] for side in (entity.record, entity.curated)]
    return hashlib.sha256(json.dumps([*texts, columns]).encode()).hexdigest()


def merging_definition(entities: Iterable[Entity]) -> str:
    """A digest of how objects are merged; differs if the other side merges otherwise."""
    texts = [
        text
        for entity in entities
        for text in (count_sql(entity, "stored"), merged_sql(entity, ["*"], has_copies=True), entity.name)
    ]
    return hashlib.sha256(json.dumps(texts).encode()).hexdigest()


def rewriting_definition(entities: Iterable[Entity]) -> str:
    """A digest of all that is taken by tombstones; differs if the other side knows another."""
    texts = [
        text
        for entity in entities
        for text in (named_sql(entity, entity.key), touched_sql(entity), kept_sql(entity, ()), entity.name)
    ]
    return hashlib.sha256(json.dumps([*texts, forgotten.summary_sql("tombstones")]).encode()).hexdigest()
