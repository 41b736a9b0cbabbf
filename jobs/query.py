"""The commands `query` and `export`: rows of the warehouse to the terminal or to a file."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

from jobs import lines, output, progress, resources
from jobs.table import table
from reddit_etl.entities import ENTITIES
from reddit_etl.errors import ConfigurationError
from reddit_etl.warehouse import tables

Row = tuple[object, ...]
ROWS = 1000
"""Of a table; its columns can be aligned only once all of its rows are known."""
FORMATS = ("table", "csv", "json", "parquet")
# The tables of the entities, each with the time that says of which day a row is.
DAYS = {
    name: column
    for entity in ENTITIES.values()
    for name, column in ((entity.name, entity.sort), (entity.metrics_table, "observed_at"))
}


def add_query(parser: argparse.ArgumentParser) -> None:
    """The arguments of `query`."""
    parser.add_argument("sql", nargs="?", metavar="SQL", help="one statement; - reads it from standard input")
    parser.add_argument("-f", "--file", metavar="FILE", help="read the SQL from a file")
    parser.add_argument("-o", "--output", metavar="FILE", help="write to a file; it replaces one of that name")
    parser.add_argument(
        "--format",
        choices=FORMATS,
        help=f"default: as FILE ends, or table without one. A table has at most {ROWS:,} rows, the others have all",
    )


def add_export(parser: argparse.ArgumentParser) -> None:
    """The arguments of `export`."""
    parser.add_argument("table", type=_table, metavar=f"{{{','.join(DAYS)}}}")
    parser.add_argument("-o", "--output", metavar="FILE", required=True, help="it replaces a file of that name")
    parser.add_argument(
        "--day",
        type=_day,
        metavar="YYYY-MM-DD",
        help="only what was posted on this day (UTC), or observed, for a table of observations; default: all",
    )
    parser.add_argument("--format", choices=FORMATS[1:], help="default: as FILE ends")


def query(given: argparse.Namespace) -> int:
    """Carry out `query`. Raises EtlError."""
    sql = _sql(given)
    if given.output:
        _write(sql, given.output, _format(given, FORMATS))
        return 0
    chosen = given.format or "table"
    if chosen == "parquet":
        raise ConfigurationError("--format parquet: use it with --output FILE")
    with output.standard() as out:
        _stream(sql, out, chosen)
    return 0


def export(given: argparse.Namespace) -> int:
    """Carry out `export`. Raises EtlError."""
    _write(export_sql(given.table, given.day), given.output, _format(given, FORMATS[1:]))
    return 0


def export_sql(name: str, day: date | None) -> str:
    """The query for all rows of a table of the warehouse, or for those of a day."""
    where = (
        f"\nWHERE {DAYS[name]} >= TIMESTAMP '{day} 00:00:00'"
        f" AND {DAYS[name]} < TIMESTAMP '{day + timedelta(days=1)} 00:00:00'"
        if day
        else ""
    )
    return f"SELECT *\nFROM {tables.SCHEMA}.{name}{where}"


def _write(sql: str, name: str, chosen: str) -> None:
    """Write the rows to a file, and print how many there are."""
    with output.appearing(name) as new, progress.CURRENT.showing(f"write {chosen}"):
        if chosen == "parquet":
            rows = resources.warehouse().to_parquet(sql, new)
        else:
            with output.opened(new, name) as out:
                rows = _stream(sql, out, chosen)
    print(f"{rows:,} {'row' if rows == 1 else 'rows'} written to {name}")


def _stream(sql: str, out: output.Output, chosen: str) -> int:
    """Write the rows; gives how many there are."""
    warehouse = resources.warehouse()
    if chosen != "table":
        progress.CURRENT.expect(None, "rows")
        with warehouse.answer(sql) as answer:
            counted = replace(answer, rows=_counted(answer.rows))
            return lines.write_csv(counted, out) if chosen == "csv" else lines.write_json(counted, out)
    columns, rows = warehouse.query(sql, limit=ROWS + 1)
    shown = rows[:ROWS]
    text = table(columns, shown)
    out.write(f"{text}\n".encode(out.encoding, errors="backslashreplace"))
    if len(rows) > ROWS:
        print(f"only the first {ROWS:,} rows are shown; --format csv, json or parquet has all", file=sys.stderr)
    return len(shown)


def _counted(rows: Iterator[Row]) -> Iterator[Row]:
    for row in rows:
        progress.CURRENT.add(1)
        yield row


def _table(name: str) -> str:
    if name in DAYS:
        return name
    fix = f'for another table use query "SELECT * FROM {tables.SCHEMA}.{name}" --output {name}.csv'
    raise argparse.ArgumentTypeError(f"{name!r} is not a table of posts or comments: {fix}")


def _day(text: str) -> date:
    try:
        day = date.fromisoformat(text)
        day + timedelta(days=1)
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(f"{text!r} is not a day such as 2026-11-23") from None
    return day


def _format(given: argparse.Namespace, formats: Sequence[str]) -> str:
    """That of a file. Raises ConfigurationError."""
    ending = Path(given.output).suffix.removeprefix(".").lower()
    if not given.format and ending not in FORMATS[1:]:
        fix = f"use {', '.join(formats)}, or a file that ends with .csv, .json or .parquet"
        raise ConfigurationError(f"--format is not set, and {given.output} does not show it: {fix}")
    return given.format or ending


def _sql(given: argparse.Namespace) -> str:
    """The text of the query. Raises ConfigurationError."""
    if (given.sql is None) == (given.file is None):
        raise ConfigurationError("query: use either the SQL as an argument, or --file FILE; - is standard input")
    if given.sql not in (None, "-"):
        return str(given.sql)
    try:
        content = sys.stdin.buffer.read() if "-" in (given.sql, given.file) else Path(given.file).read_bytes()
        return content.decode()
    except OSError as error:
        raise ConfigurationError(f"--file: {given.file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{given.file or 'standard input'} is not text in UTF-8: {error.reason}") from error
