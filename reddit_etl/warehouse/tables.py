"""The warehouse's tables, made from the entities, and the DDL for what is missing of them."""

from collections.abc import Iterable
from dataclasses import dataclass

from reddit_etl.entities import ENTITIES
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
    Column("rows_forgotten", BIGINT, Origin.WAREHOUSE, "Rows that were left out, as tombstones name them."),
    Column("loaded_at", TIMESTAMP, Origin.WAREHOUSE, "When the load was committed."),
)

TOMBSTONES = (
    Column("entity", varchar(64), Origin.WAREHOUSE, "What it names: posts or comments."),
    Column("id", varchar(16), Origin.WAREHOUSE, "The id of what is forgotten."),
    Column(
        "kind",
        varchar(16),
        Origin.WAREHOUSE,
        "Why: deleted, removed, gone, request; or account, which takes the author's name alone.",
    ),
    Column(
        "moment",
        TIMESTAMP,
        Origin.WAREHOUSE,
        "What was observed up to then is forgotten. If it is named again for the same reason, the last moment.",
    ),
    Column("object", varchar(256), Origin.WAREHOUSE, "The object of the lake that it was copied from."),
)

FORGET_AUDIT = (
    Column("object", varchar(256), Origin.WAREHOUSE, "The object of the lake whose tombstones were copied."),
    Column("tombstones", BIGINT, Origin.WAREHOUSE, "How many it has."),
    Column(
        "rows_removed",
        BIGINT,
        Origin.WAREHOUSE,
        "Rows that were removed with this object and those of the same `taken_at`.",
    ),
    Column(
        "rows_cleared",
        BIGINT,
        Origin.WAREHOUSE,
        "Rows from which a name or a URL was removed, counted in the same way.",
    ),
    Column("taken_at", TIMESTAMP, Origin.WAREHOUSE, "When they were removed from the tables."),
    Column("erased_at", TIMESTAMP, Origin.WAREHOUSE, "When no byte of them was left in the tables' storage."),
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


def tables(entity: Entity) -> tuple[Table, ...]:
    """What a warehouse holds for an entity, its newest states and observations; and for all, loads and tombstones."""
    return (
        Table(entity.name, entity.table, f"{together(entity)} SORTKEY ({entity.sort})"),
        Table(entity.metrics_table, entity.metrics, f"{together(entity)} SORTKEY (observed_at)"),
        Table("load_audit", AUDIT, "DISTSTYLE ALL SORTKEY (loaded_at)"),
        Table("tombstones", TOMBSTONES, "DISTSTYLE ALL SORTKEY (entity, id)"),
        Table("forget_audit", FORGET_AUDIT, "DISTSTYLE ALL SORTKEY (taken_at)"),
    )


def with_stored(entities: Iterable[Entity], found: Iterable[tuple[str, str]]) -> list[Entity]:
    """These entities, and the others that have a table, where `found` are tables and their columns."""
    given = {entity.name: entity for entity in entities}
    names = {name for name, _ in found}
    return [*({name: entity for name, entity in ENTITIES.items() if name in names} | given).values()]


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


def quoted(name: str) -> str:
    """A column's name in SQL, whatever it is."""
    return '"{}"'.format(name.replace('"', '""'))
