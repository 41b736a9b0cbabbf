"""The load as SQL: one text for every warehouse, made from the entity.

The warehouse never goes back in time. `posts` holds the newest state of each post and `post_metrics` every
observation, whatever the order, repetition or overlap of the loads. Redshift's MERGE takes no condition beside
equality, so what is not newer leaves the staging table before it; and Redshift enforces no keys, so doubles and null
keys are looked for here. How the rows are grouped into loads makes no difference either.

Expects the rows in a temporary table `staged` with the entity's curated columns, in a transaction.
"""

from reddit_etl.entities.schema import Column, Entity
from reddit_etl.warehouse.tables import AUDIT, SCHEMA

FIRST_YEAR = 2005  # Reddit opened in June.
COUNT_STAGED = "SELECT COUNT(*) FROM staged"


def null_keys(entity: Entity) -> str:
    """Counts the rows that cannot be told apart or put in order."""
    return f"SELECT COUNT(*) FROM staged WHERE {entity.key} IS NULL OR observed_at IS NULL"


def misdated(last_year: int) -> str:
    """Counts the rows observed outside Reddit's years: of times that are read in a wrong unit, all are."""
    # No literal has a year of five digits, which not every warehouse reads.
    end = min(last_year + 1, 9999)
    return f"SELECT COUNT(*) FROM staged WHERE observed_at < '{FIRST_YEAR}-01-01' OR observed_at >= '{end}-01-01'"


def observe(entity: Entity) -> str:
    """Keeps each new observation once."""
    metrics = f"{SCHEMA}.{entity.metrics_table}"
    names = _names(entity.metrics)
    return f"""\
INSERT INTO {metrics} ({names})
SELECT {_names(entity.metrics, "seen")}
FROM (
  SELECT {names}, ROW_NUMBER() OVER (PARTITION BY {entity.key}, observed_at ORDER BY {names}) AS copy_number
  FROM staged
) AS seen
LEFT JOIN {metrics} AS known ON known.{entity.key} = seen.{entity.key} AND known.observed_at = seen.observed_at
WHERE seen.copy_number = 1 AND known.{entity.key} IS NULL"""


def earliest(entity: Entity) -> str:
    """Sets the first observation of each staged key aside, before only the newest is left."""
    return f"""\
CREATE TEMPORARY TABLE earliest AS
SELECT {entity.key}, MIN(observed_at) AS observed_at
FROM staged
GROUP BY {entity.key}"""


def count_doubles(entity: Entity) -> str:
    """Counts the rows too many: a post that several listings show is observed more than once."""
    return f"SELECT COUNT(*) - COUNT(DISTINCT {entity.key}) FROM staged"


def deduplicate(entity: Entity) -> list[str]:
    """Leaves the newest row per key in `staged`. Sorts whole rows, so only to be run where there are doubles."""
    columns = _names(entity.curated)
    return [
        f"""\
CREATE TEMPORARY TABLE singled AS
SELECT {columns}
FROM (
  SELECT {columns}, ROW_NUMBER() OVER (PARTITION BY {entity.key} ORDER BY observed_at DESC) AS age
  FROM staged
) AS ranked
WHERE age = 1""",
        "DELETE FROM staged",
        f"INSERT INTO staged ({columns}) SELECT {columns} FROM singled",
        "DROP TABLE singled",
    ]


def drop_stale(entity: Entity) -> str:
    """What is not newer than the stored row leaves the staging table."""
    table = f"{SCHEMA}.{entity.name}"
    return f"""\
DELETE FROM staged
USING {table}
WHERE {table}.{entity.key} = staged.{entity.key} AND {table}.observed_at >= staged.observed_at"""


def count_known(entity: Entity) -> str:
    """Counts the staged rows that will replace a stored one."""
    table = f"{SCHEMA}.{entity.name}"
    return f"SELECT COUNT(*) FROM staged JOIN {table} ON {table}.{entity.key} = staged.{entity.key}"


def merge(entity: Entity) -> str:
    """Updates the stored rows that `staged` is newer than, and inserts the new ones."""
    table = f"{SCHEMA}.{entity.name}"
    changing = [column.name for column in entity.curated if column.name != entity.key]
    updates = ",\n  ".join(f"{name} = staged.{name}" for name in changing)
    return f"""\
MERGE INTO {table}
USING staged ON {table}.{entity.key} = staged.{entity.key}
WHEN MATCHED THEN UPDATE SET
  {updates}
WHEN NOT MATCHED THEN INSERT ({_names(entity.curated)}, first_observed_at)
VALUES ({_names(entity.curated, "staged")}, staged.observed_at)"""


def backdate(entity: Entity) -> list[str]:
    """An observation that arrives late, or with a newer one, may be the first one."""
    table = f"{SCHEMA}.{entity.name}"
    return [
        f"""\
UPDATE {table} SET first_observed_at = earliest.observed_at
FROM earliest
WHERE {table}.{entity.key} = earliest.{entity.key} AND earliest.observed_at < {table}.first_observed_at""",
        "DROP TABLE earliest",
    ]


def audit(placeholder: str) -> str:
    """Says that the load happened; `placeholder` is how the driver marks a bound value."""
    values = ", ".join([placeholder] * len(AUDIT))
    return f"INSERT INTO {SCHEMA}.load_audit ({_names(AUDIT)}) VALUES ({values})"


def find_audit(placeholder: str) -> str:
    """The counts of a load that was committed before, by its bound `load_id`."""
    return (
        "SELECT rows_staged, rows_inserted, rows_updated, rows_stale "
        f"FROM {SCHEMA}.load_audit WHERE load_id = {placeholder}"
    )


def find_loads(placeholder: str) -> str:
    """The loads of an entity in a range of hours."""
    return (
        f"SELECT load_id FROM {SCHEMA}.load_audit "
        f"WHERE entity = {placeholder} AND hour >= {placeholder} AND hour <= {placeholder}"
    )


def _names(columns: tuple[Column, ...], table: str = "") -> str:
    return ", ".join(f"{table}.{column.name}" if table else column.name for column in columns)
