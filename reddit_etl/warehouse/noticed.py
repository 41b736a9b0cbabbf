"""What the newest states show to be deleted, removed or without its account, and no tombstone names yet."""

from collections.abc import Iterator
from datetime import datetime

from reddit_etl.clock import iso
from reddit_etl.entities import forgotten
from reddit_etl.entities.schema import Entity
from reddit_etl.lake.tombstones import Kind, Tombstone
from reddit_etl.warehouse.base import Warehouse
from reddit_etl.warehouse.tables import SCHEMA


def noticed(
    warehouse: Warehouse, entity: Entity, *, since: datetime, until: datetime, with_removed: bool
) -> Iterator[Tombstone]:
    """Tombstones of the kinds `deleted`, `removed` and `account`, by id, from what was observed in a range of time.

    Those of the kind `removed` only `with_removed`.

    The cost is bounded by that range, from `since` to `until`, exclusive. A state that is loaded late has an old time
    of observation, so the range has to reach back as far as loads are caught up. The moment of a tombstone is that of
    the observation. Raises `WarehouseError`.
    """
    if not warehouse.find("tombstones", f"SELECT COUNT(*) FROM {SCHEMA}.tombstones", []):
        return
    statement = noticed_sql(entity, with_removed=with_removed)
    for id_, kind, seen, created in warehouse.find(entity.name, statement, [since, until]):
        yield Tombstone(entity.name, id_, Kind(kind), iso(seen), f"{created:%Y-%m-%d}")


def noticed_sql(entity: Entity, *, with_removed: bool) -> str:
    """Ids, kinds, times of observation and of creation, by id. Binds the begin and the end of the range.

    An account that was missing from the first observation on leaves nothing to forget, except in a profile. Rows that
    stay after their account is forgotten are not noticed again. Reddit shows no author of most comments that moderators
    removed. Without the kind `removed` they count as missing their account, so that the author's name does not stay.
    """
    missing = " AND ".join(f"r.{column.name} IS NULL" for column in entity.columns if column.names_author)
    account = f"{missing or '1 = 0'} AND (r.first_observed_at < r.observed_at OR {forgotten.in_profile_sql(entity)})"
    kinds = {Kind.DELETED: forgotten.deleted_sql(entity, "r")}
    if with_removed:
        kinds[Kind.REMOVED] = forgotten.removed_sql(entity, "r")
    cases = "\n      ".join(f"WHEN {condition} THEN '{kind}'" for kind, condition in kinds.items())
    return f"""\
SELECT shown.id, shown.kind, shown.observed_at, shown.created_at
FROM (
  SELECT r.{entity.key} AS id, r.observed_at, r.created_at,
    CASE {cases}
      WHEN {account} THEN '{Kind.ACCOUNT}' END AS kind
  FROM {SCHEMA}.{entity.name} AS r
  WHERE r.observed_at >= ? AND r.observed_at < ?
) AS shown
LEFT JOIN {SCHEMA}.tombstones AS known ON known.entity = '{entity.name}' AND known.id = shown.id
  AND known.kind = '{Kind.ACCOUNT}' AND shown.kind = '{Kind.ACCOUNT}'
WHERE shown.kind IS NOT NULL AND known.id IS NULL
ORDER BY shown.id"""
