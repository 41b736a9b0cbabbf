"""The warehouse's tables, made from the entities, and the DDL for what is missing of them."""

from collections.abc import Iterable
from dataclasses import dataclass

from reddit_etl.entities.schema import BIGINT, TIMESTAMP, Column, Entity, Origin, varchar

SCHEMA = "reddit"
# One that nobody reads: LOCK waits for every reader who leaves a transaction open, and all other readers for it.
LOCK_TABLE = "load_lock"
LOCK = f"LOCK TABLE {SCHEMA}.{LOCK_TABLE}"
CREATE_LOCK = (
    f"CREATE TABLE {SCHEMA}.{LOCK_TABLE} (nothing INTEGER)",
    f"COMMENT ON TABLE {SCHEMA}.{LOCK_TABLE} IS 'Loads wait for each other here; do not read it.'",
)

AUDIT = (
    Column("load_id", varchar(256), Origin.WAREHOUSE, "The transformation that was loaded."),
    Column("entity", varchar(64), Origin.WAREHOUSE, "What was loaded: posts or comments."),
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
    """A table of the warehouse, as the entity declares it."""

    name: str
    columns: tuple[Column, ...]
    storage: str
    """Where Redshift keeps the rows: which of them lie together, and in which order."""

    @property
    def path(self) -> str:
        """The name with its schema."""
        return f"{SCHEMA}.{self.name}"


def tables(entity: Entity) -> tuple[Table, Table, Table]:
    """What a warehouse holds for an entity: its newest states, its observations, the loads."""
    return (
        Table(entity.name, entity.table, f"{together(entity)} SORTKEY ({entity.sort})"),
        Table(entity.metrics_table, entity.metrics, f"{together(entity)} SORTKEY (observed_at)"),
        Table("load_audit", AUDIT, "DISTSTYLE ALL SORTKEY (loaded_at)"),
    )


def together(entity: Entity) -> str:
    """All rows of a post lie on one node of Redshift: a load joins them without moving any."""
    return f"DISTSTYLE KEY DISTKEY ({entity.key})"


def create(table: Table, *, storage: bool) -> list[str]:
    """DDL for a table that is not there; DuckDB takes no word about storage."""
    columns = ",\n".join(f"  {column.name} {column.type.sql}" for column in table.columns)
    comments = [_comment(table, column) for column in table.columns]
    where = f"\n{table.storage}" if storage else ""
    return [f"CREATE TABLE {table.path} (\n{columns}\n){where}", *comments]


def add_column(table: Table, column: Column) -> list[str]:
    """DDL for a column that the definition gained."""
    return [f"ALTER TABLE {table.path} ADD COLUMN {column.name} {column.type.sql}", _comment(table, column)]


def _comment(table: Table, column: Column) -> str:
    text = column.doc.replace("'", "''")
    return f"COMMENT ON COLUMN {table.path}.{column.name} IS '{text}'"


def definitions(entity: Entity, found: Iterable[tuple[str, str]], *, storage: bool) -> list[str]:
    """The DDL of what is missing, where `found` are tables and their columns; nothing is ever dropped."""
    known: dict[str, set[str]] = {}
    for name, column in found:
        known.setdefault(name, set()).add(column)
    statements: list[str] = []
    for table in tables(entity):
        if table.name not in known:
            statements += create(table, storage=storage)
        else:
            gained = [column for column in table.columns if column.name not in known[table.name]]
            statements += [text for column in gained for text in add_column(table, column)]
    return statements


def others(entity: Entity, found: Iterable[tuple[str, str]]) -> list[str]:
    """The columns of an entity's table that the definition lost or that others added.

    `found` are tables and their columns.
    """
    own = {column.name for column in entity.table}
    return sorted(column for table, column in found if table == entity.name and column not in own)
