"""How an entity is declared: its columns, each with a name, a type, an origin and a sentence.

Everything that knows about columns is made from the declaration: the typed record, the lake's JSON lines, the
transformation, the Parquet files, the warehouse's tables and the data dictionary.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from reddit_etl.entities import values

Cast = Callable[[object], object]


@dataclass(frozen=True, kw_only=True)
class Type:
    """A column type: what each engine calls it, and how to read Reddit's value."""

    sql: str
    """In DuckDB and in Redshift."""
    spark: str
    hive: str
    """In tables of the Glue Data Catalog."""
    presto: str
    """In views of the Glue Data Catalog."""
    cast: Cast
    max_bytes: int | None = None


def varchar(max_bytes: int) -> Type:
    """Text of at most so many bytes in UTF-8; Redshift counts bytes, and holds 65,535 at most."""
    return Type(
        sql=f"VARCHAR({max_bytes})",
        spark="string",
        hive="string",
        presto="varchar",
        cast=values.text,
        max_bytes=max_bytes,
    )


INTEGER = Type(sql="INTEGER", spark="int", hive="int", presto="integer", cast=values.integer)
BIGINT = Type(sql="BIGINT", spark="bigint", hive="bigint", presto="bigint", cast=values.bigint)
DOUBLE = Type(sql="DOUBLE PRECISION", spark="double", hive="double", presto="double", cast=values.double)
BOOLEAN = Type(sql="BOOLEAN", spark="boolean", hive="boolean", presto="boolean", cast=values.boolean)
# A time has no zone in the lake. Athena reads times to the millisecond.
TIMESTAMP = Type(sql="TIMESTAMP", spark="timestamp_ntz", hive="timestamp", presto="timestamp(3)", cast=values.timestamp)


class Origin(Enum):
    """Where a column comes from, if not from a field of the payload or from SQL."""

    OBSERVATION = "the observation"
    """Known of the fetch, not of the post: `Observation`'s own fields, and what the record did to the payload."""

    WAREHOUSE = "the warehouse"
    """Kept by the load over all observations of a post."""


@dataclass(frozen=True)
class Sql:
    """A column derived in the transformation, by an expression over the record's columns."""

    expression: str


@dataclass(frozen=True)
class Column:
    name: str
    type: Type
    origin: str | Sql | Origin
    """The payload's field, or where else the column comes from."""
    doc: str
    required: bool = False
    """A payload without it is rejected; without any other column it gives NULL."""
    metric: bool = False
    """Changes from observation to observation; its history is kept."""
    curated: bool = True
    """False: only in the lake's raw records, for the transformation to derive from."""
    cast: Cast | None = None
    """How to read the payload's value, where it is not the type's way."""

    @property
    def read(self) -> Cast:
        return self.cast or self.type.cast


@dataclass(frozen=True)
class Entity:
    """Something Reddit has many of. `key` and `observed_at` together name one observation of it."""

    name: str
    kind: str
    """Reddit's prefix for the kind of thing, `t3` for posts."""
    key: str
    sort: str
    """The column that most questions are limited by."""
    columns: tuple[Column, ...]

    @property
    def payload(self) -> tuple[Column, ...]:
        return tuple(column for column in self.columns if isinstance(column.origin, str))

    @property
    def record(self) -> tuple[Column, ...]:
        """The columns of a record in the lake."""
        return tuple(c for c in self.columns if isinstance(c.origin, str) or c.origin is Origin.OBSERVATION)

    @property
    def curated(self) -> tuple[Column, ...]:
        """The columns that the transformation gives, in the order of the Parquet files."""
        return tuple(c for c in self.columns if c.curated and c.origin is not Origin.WAREHOUSE)

    @property
    def table(self) -> tuple[Column, ...]:
        """The columns of the warehouse's table."""
        return tuple(column for column in self.columns if column.curated)

    @property
    def metrics(self) -> tuple[Column, ...]:
        """The columns of the table that keeps every observation."""
        return tuple(c for c in self.curated if c.metric or c.name in (self.key, "observed_at"))

    @property
    def metrics_table(self) -> str:
        return f"{self.name.removesuffix('s')}_metrics"
