"""How an entity is declared: its columns, each with a name, a type, an origin and a meaning.

Everything else about columns is derived from the declaration: the typed record, the lake's JSON lines, the
transformation, the Parquet files, the warehouse's tables, the catalog and the data dictionary.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import NamedTuple

from reddit_etl.entities import values

Cast = Callable[[object], object]


@dataclass(frozen=True, kw_only=True)
class Type:
    """A column type: its name in each engine, and how to convert Reddit's value."""

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
    """Text of at most `max_bytes` bytes in UTF-8; Redshift counts bytes, and has a maximum of 65,535."""
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
# Times have no time zone in the lake. Athena reads them with millisecond precision.
TIMESTAMP = Type(sql="TIMESTAMP", spark="timestamp_ntz", hive="timestamp", presto="timestamp(3)", cast=values.timestamp)


class Origin(Enum):
    """Where a column comes from, other than a field of the payload or SQL."""

    OBSERVATION = "the observation"
    """Known from the request rather than the payload, or from the conversion to a record."""

    WAREHOUSE = "the warehouse"
    """Maintained by the load over all observations."""


@dataclass(frozen=True)
class Sql:
    """A column that the transformation derives, by an expression over the record's columns."""

    expression: str


@dataclass(frozen=True)
class Column:
    """A column of an entity."""

    name: str
    type: Type
    origin: str | Sql | Origin
    """The field of the payload, or where else the column comes from."""
    doc: str
    """The meaning, a sentence for the data dictionary and the catalog."""
    required: bool = False
    """A payload without it is rejected; any other column is then NULL."""
    metric: bool = False
    """Its history is kept, one value per observation."""
    curated: bool = True
    """False: only in the raw records, for the transformation to derive other columns from."""
    cast: Cast | None = None
    """How to convert the payload's value, if not as the type does."""
    names_author: bool = False
    """It holds the author's name, and is NULL once the account is deleted."""
    shows: str | None = None
    """It holds content of another post, such as the title in a URL: the column with that post's id."""
    profile_of: str | None = None
    """It holds a subreddit. A profile's (`u_name`) names the author of a post: the column with that post's id."""

    @property
    def read(self) -> Cast:
        """How to convert the payload's value: by the column's own `cast` if it has one, else by its type's."""
        return self.cast or self.type.cast


class Field(NamedTuple):
    """What reading a payload needs of a column. Looking it up for each record took a third of `to_record`."""

    origin: str
    name: str
    plain: type | None
    """The type of JSON values that `read` returns unchanged, so that it need not be called; None if there is none."""
    read: Cast
    max_bytes: int | None
    required: bool


@dataclass(frozen=True)
class Mark:
    """A value of a column by which Reddit shows that the content is gone."""

    column: str
    value: str | None = None
    """None: any value but NULL."""
    end: str = ""
    """If given, `value` is only how the text begins, in any case of its letters, and this is its last character."""


@dataclass(frozen=True)
class Entity:
    """Something that is stored, such as posts. `key` and `observed_at` together identify one observation."""

    name: str
    kind: str
    """Reddit's prefix for the kind, `t3` for posts."""
    key: str
    sort: str
    """The column that most queries filter by: the sort key in Redshift, and what gaps are measured by."""
    columns: tuple[Column, ...]
    deleted: tuple[Mark, ...] = ()
    """Any of these: its author deleted it."""
    removed: tuple[Mark, ...] = ()
    """Any of these, and none of `deleted`: moderators or Reddit removed it."""

    @property
    def payload(self) -> tuple[Column, ...]:
        """The columns that are read from a field of the payload."""
        return tuple(column for column in self.columns if isinstance(column.origin, str))

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        """The columns that are read from a field of the payload, as `to_record` needs them."""
        return tuple(
            Field(str(c.origin), c.name, values.PLAIN.get(c.read), c.read, c.type.max_bytes, c.required)
            for c in self.payload
        )

    @property
    def record(self) -> tuple[Column, ...]:
        """The columns of a record in the lake."""
        return tuple(c for c in self.columns if isinstance(c.origin, str) or c.origin is Origin.OBSERVATION)

    @property
    def curated(self) -> tuple[Column, ...]:
        """The columns of the Parquet files, in their order."""
        return tuple(c for c in self.columns if c.curated and c.origin is not Origin.WAREHOUSE)

    @property
    def table(self) -> tuple[Column, ...]:
        """The columns of the warehouse's table."""
        return tuple(column for column in self.columns if column.curated)

    @property
    def metrics(self) -> tuple[Column, ...]:
        """The columns of the table that has every observation."""
        return tuple(c for c in self.curated if c.metric or c.name in (self.key, "observed_at"))

    @property
    def metrics_table(self) -> str:
        """The table with one row per observation, in the singular, such as `post_metrics`."""
        return f"{self.name.removesuffix('s')}_metrics"
