"""The transformation over the set: each observation once, and what is derived from columns.

One SQL text, made from the entity, that every engine runs over a relation `records`. It picks the records by their
narrow keys first and fetches the wide rows after, which keeps 100,000 posts within the container's memory.

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


def transform_sql(entity: Entity) -> str:
    columns = ",\n".join(
        f"  {column.origin.expression} AS {column.name}" if isinstance(column.origin, Sql) else f"  {column.name}"
        for column in entity.curated
    )
    return f"""\
WITH ranked AS (
  SELECT
    listing AS picked_listing,
    place AS picked_place,
    ROW_NUMBER() OVER (PARTITION BY {entity.key}, observed_at ORDER BY listing, place) AS copy_number
  FROM records
)
SELECT
{columns}
FROM records
JOIN ranked ON picked_listing = listing AND picked_place = place
WHERE copy_number = 1
"""


def definition(entity: Entity) -> str:
    """A digest of all that the transformation knows of the entity; differs if the other side knows another."""
    columns = [[(c.name, c.type.sql) for c in side] for side in (entity.record, entity.curated)]
    return hashlib.sha256(json.dumps([count_sql(entity), transform_sql(entity), columns]).encode()).hexdigest()
