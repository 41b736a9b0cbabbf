"""One checksum of rows that DuckDB, Spark and Redshift calculate alike, made from an entity's columns.

A row is a text of its values, joined by `|`; the checksum is the number of rows and two sums, each of 32 bits of the
MD5 of that text. So the order of the rows makes no difference, and unlike an XOR a sum also changes with a row that is
there twice. Texts are in it by their own MD5, so that no row exceeds Redshift's 65,535 bytes. Numbers with a fraction
are compared to four digits after the point, half of the last rounded up, because engines round halves differently.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

from reddit_etl.entities.schema import BOOLEAN, DOUBLE, TIMESTAMP, Column

MISSING, TOO_LARGE = "'~'", "'!'"
# What times 10,000 still is a BIGINT.
LARGEST = "1e14"


class Total(NamedTuple):
    """The checksum of some rows; those of parts of them add up to it."""

    rows: int
    first: int
    second: int

    @classmethod
    def of(cls, row: Iterable[Any]) -> Self:
        """From the one row that the query gives; its sums are NULL if there are no rows."""
        return cls(*(int(value or 0) for value in row))

    def plus(self, other: "Total") -> "Total":
        """Of the rows of both."""
        return Total(self.rows + other.rows, self.first + other.first, self.second + other.second)


@dataclass(frozen=True)
class Dialect:
    """What the engines write differently."""

    text: str
    """The type of a number as text."""
    time: str
    """A time as digits, to the microsecond."""
    number: str
    """The value of eight hexadecimal digits."""


DUCKDB = Dialect("VARCHAR", "strftime({}, '%Y%m%d%H%M%S%f')", "CAST('0x' || {} AS BIGINT)")
REDSHIFT = Dialect("VARCHAR(20)", "TO_CHAR({}, 'YYYYMMDDHH24MISSUS')", "STRTOL({}, 16)")
SPARK = Dialect("STRING", "date_format({}, 'yyyyMMddHHmmssSSSSSS')", "CAST(conv({}, 16, 10) AS BIGINT)")


def checksum(columns: Iterable[Column], source: str, dialect: Dialect, *, table: str) -> str:
    """A query for the `Total` of what follows FROM in `source`, in which `table` names the one with the columns."""
    row = " || '|' || ".join(_value(column, f"{table}.{column.name}", dialect) for column in columns)
    first, second = (dialect.number.format(f"SUBSTRING(digest, {begin}, 8)") for begin in (1, 9))
    return f"""\
SELECT COUNT(*), SUM({first}), SUM({second})
FROM (
SELECT MD5({row}) AS digest
FROM {source}
) AS digests"""


def _value(column: Column, name: str, dialect: Dialect) -> str:
    if column.type == BOOLEAN:
        return f"CASE WHEN {name} THEN '1' WHEN NOT {name} THEN '0' ELSE {MISSING} END"
    if column.type == DOUBLE:
        number = f"CAST(CAST(FLOOR({name} * 10000 + 0.5) AS BIGINT) AS {dialect.text})"
        is_small = f"{name} > -{LARGEST} AND {name} < {LARGEST}"
        return f"CASE WHEN {name} IS NULL THEN {MISSING} WHEN {is_small} THEN {number} ELSE {TOO_LARGE} END"
    if column.type == TIMESTAMP:
        value = dialect.time.format(name)
    elif column.type.max_bytes:
        value = f"MD5({name})"
    else:
        value = f"CAST({name} AS {dialect.text})"
    return f"COALESCE({value}, {MISSING})"
