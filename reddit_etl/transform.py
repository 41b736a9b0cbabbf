"""The transformation over the set: newest observation per key, and what is derived from columns.

One SQL text, made from the entity, that every engine runs over a relation `records`. It picks the newest records by
their narrow keys first and fetches the wide rows after, which keeps 100,000 posts within the container's memory.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from reddit_etl.lake import Lake
from reddit_etl.receipt import DataObject
from reddit_etl.schema import Entity, Sql


@dataclass(frozen=True)
class Transformation:
    """How many records were read, how many different keys they have, and the Parquet objects that were written."""

    records: int
    keys: int
    objects: tuple[DataObject, ...]


class TransformEngine(Protocol):
    """Something that runs the SQL over objects of the lake."""

    def __call__(self, *, entity: Entity, lake: Lake, inputs: Sequence[DataObject], prefix: str) -> Transformation:
        """Read the records of just these objects, and write Parquet below the prefix. Raises `TransformError`."""


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
    ROW_NUMBER() OVER (PARTITION BY {entity.key} ORDER BY observed_at DESC, listing, place) AS age
  FROM records
)
SELECT
{columns}
FROM records
JOIN ranked ON picked_listing = listing AND picked_place = place
WHERE age = 1
"""
