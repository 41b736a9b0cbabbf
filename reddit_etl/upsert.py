"""The load as SQL: one text for every warehouse, made from the entity.

The warehouse never goes back in time. `posts` holds the newest state of each post and `post_metrics` every
observation, whatever the order, repetition or overlap of the loads. Redshift's MERGE takes no condition beside
equality, so what is not newer leaves the staging table before it; and Redshift enforces no keys, so doubles and null
keys are looked for here.

Expects the rows in a temporary table `staged` with the entity's curated columns, in a transaction.
"""

from dataclasses import dataclass

from reddit_etl.schema import BIGINT, TIMESTAMP, Column, Entity, Origin, varchar

SCHEMA = "reddit"

AUDIT = (
    Column("load_id", varchar(256), Origin.WAREHOUSE, "The transformation that was loaded."),
    Column("entity", varchar(64), Origin.WAREHOUSE, "What was loaded: posts."),
    Column("hour", varchar(16), Origin.WAREHOUSE, "The run's UTC hour."),
    Column("rows_staged", BIGINT, Origin.WAREHOUSE, "Rows that arrived."),
    Column("rows_inserted", BIGINT, Origin.WAREHOUSE, "Rows that were new."),
    Column("rows_updated", BIGINT, Origin.WAREHOUSE, "Rows that replaced an older state."),
    Column(
        "rows_stale",
        BIGINT,
        Origin.WAREHOUSE,
        "Rows that were not newer; their observations are kept.",
    ),
    Column("loaded_at", TIMESTAMP, Origin.WAREHOUSE, "When the load was committed."),
)


@dataclass(frozen=True)
class Table:
    name: str
    columns: tuple[Column, ...]

    @property
    def path(self) -> str:
        return f"{SCHEMA}.{self.name}"


def tables(entity: Entity) -> tuple[Table, Table, Table]:
    """What a warehouse holds for an entity: its newest states, its observations, the loads."""
    return (
        Table(entity.name, entity.table),
        Table(entity.metrics_table, entity.metrics),
        Table("load_audit", AUDIT),
    )


def create(table: Table) -> list[str]:
    """DDL for a table that is not there."""
    columns = ",\n".join(f"  {column.name} {column.type.sql}" for column in table.columns)
    comments = [_comment(table, column) for column in table.columns]
    return [f"CREATE TABLE {table.path} (\n{columns}\n)", *comments]


def add_column(table: Table, column: Column) -> list[str]:
    """DDL for a column that the definition gained."""
    return [f"ALTER TABLE {table.path} ADD COLUMN {column.name} {column.type.sql}", _comment(table, column)]


def _comment(table: Table, column: Column) -> str:
    text = column.doc.replace("'", "''")
    return f"COMMENT ON COLUMN {table.path}.{column.name} IS '{text}'"


def count_doubles(entity: Entity) -> str:
    """Counts the rows too many; none come from a transformation, whose keys are unique."""
    return f"SELECT COUNT(*) - COUNT(DISTINCT {entity.key}) FROM staged WHERE {entity.key} IS NOT NULL"


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


def null_keys(entity: Entity) -> str:
    """Counts the rows that cannot be told apart or put in order."""
    return f"SELECT COUNT(*) FROM staged WHERE {entity.key} IS NULL OR observed_at IS NULL"


def observe(entity: Entity) -> str:
    """Keeps each new observation once."""
    metrics = f"{SCHEMA}.{entity.metrics_table}"
    return f"""\
INSERT INTO {metrics} ({_names(entity.metrics)})
SELECT {_names(entity.metrics, "staged")}
FROM staged
LEFT JOIN {metrics} AS known ON known.{entity.key} = staged.{entity.key} AND known.observed_at = staged.observed_at
WHERE known.{entity.key} IS NULL"""


def backdate(entity: Entity) -> str:
    """An observation that arrives late may be the first one."""
    table = f"{SCHEMA}.{entity.name}"
    return f"""\
UPDATE {table} SET first_observed_at = staged.observed_at
FROM staged
WHERE {table}.{entity.key} = staged.{entity.key} AND staged.observed_at < {table}.first_observed_at"""


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


def audit(placeholder: str) -> str:
    """Says that the load happened; `placeholder` is how the driver marks a bound value."""
    values = ", ".join([placeholder] * len(AUDIT))
    return f"INSERT INTO {SCHEMA}.load_audit ({_names(AUDIT)}) VALUES ({values})"


def find_audit(placeholder: str) -> str:
    return (
        "SELECT rows_staged, rows_inserted, rows_updated, rows_stale "
        f"FROM {SCHEMA}.load_audit WHERE load_id = {placeholder}"
    )


def _names(columns: tuple[Column, ...], table: str = "") -> str:
    return ", ".join(f"{table}.{column.name}" if table else column.name for column in columns)
