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

from reddit_etl.entities.schema import Entity, Sql


def count_sql(entity: Entity) -> str:
    """Counts the records and the observations."""
    return f"""\
SELECT
  (SELECT COUNT(*) FROM records) AS records,
  (SELECT COUNT(*) FROM (SELECT DISTINCT {entity.key}, observed_at FROM records) AS observed) AS observations
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


def definition(entity: Entity) -> str:
    """A digest of all that the transformation knows of the entity; differs if the other side knows another."""
    texts = [count_sql(entity), copies_sql(entity), transform_sql(entity)]
    columns = [[(c.name, c.type.sql) for c in side] for side in (entity.record, entity.curated)]
    return hashlib.sha256(json.dumps([*texts, columns]).encode()).hexdigest()
