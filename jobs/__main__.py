"""Tools beside the pipeline: check the set-up, query, compare the stores, forget, report, print generated
parts of docs/.
"""

import argparse
import logging
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from jobs import declarations, process, report, resources
from jobs.doctor import examine
from jobs.forget import by_request, still_there
from jobs.parameters import HourParameter
from jobs.reconcile import hours, reconcile
from reddit_etl.errors import ConfigurationError, EtlError
from reddit_etl.warehouse.dictionary import dictionary

log = logging.getLogger(__name__)

DIFFERENT = 30  # As luigi.cfg's task_failed.
ROWS = 1000
WIDEST = 60


def table(columns: list[str], rows: list[tuple[object, ...]]) -> str:
    """Rows as aligned text, one line per row."""
    cells = [columns, *([_cell(value) for value in row] for row in rows)]
    widths = [max(len(line[n]) for line in cells) for n in range(len(columns))]
    lines = ["  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip() for line in cells]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)


def _cell(value: object) -> str:
    text = "NULL" if value is None else " ".join(str(value).split())
    return text if len(text) <= WIDEST else text[: WIDEST - 1] + "…"


def main() -> int:
    """Run the command of `sys.argv` and return its exit code: 0, 1 if it failed, 78 for a wrong setting.

    `reconcile` ends with 30 if it failed or found a difference, `forget` with 30 if it failed, `forget --prove` with
    1 if something is still there.
    """
    parser = argparse.ArgumentParser(prog="python -m jobs", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    query = commands.add_parser("query", help=f"query the warehouse, read-only; prints the first {ROWS:,} rows")
    query.add_argument("sql")
    commands.add_parser("dictionary", help="print the data dictionary")
    commands.add_parser("settings", help="print the table of settings")
    commands.add_parser(
        "doctor", help="check every setting and permission that a run needs; exits with 0 if all checks pass"
    )
    compare = commands.add_parser(
        "reconcile", help="compare the lake, the catalog and the warehouse; exits with 30 if they differ"
    )
    hour = HourParameter
    compare.add_argument("--first", type=hour(flag="--first").parse, metavar="HOUR", help="default: 48 hours in all")
    compare.add_argument("--last", type=hour(flag="--last").parse, metavar="HOUR", help="default: the last full hour")
    compare.add_argument("--deep", action="store_true", help="compare the checksum of every object of the lake, too")
    compare.add_argument("--repair", action="store_true", help="load, publish and make again what is missing")
    forget = commands.add_parser("forget", help="remove posts and comments from every store, whoever asks for it")
    forget.add_argument("names", nargs="+", metavar="NAME", help="such as t3_abc for a post, t1_abc for a comment")
    forget.add_argument("--prove", action="store_true", help="remove nothing; list what still holds them")
    page = commands.add_parser("report", help="write an HTML page on the pipeline's state and what it collected")
    page.add_argument("--output", required=True, type=Path, metavar="FILE")
    page.add_argument("--first", type=hour(flag="--first").parse, metavar="HOUR", help="default: seven days in all")
    page.add_argument("--last", type=hour(flag="--last").parse, metavar="HOUR", help="default: the newest hour read")
    arguments = parser.parse_args()
    if arguments.command == "reconcile":
        return _reconcile(arguments)
    if arguments.command == "doctor":
        _doctor()
    if arguments.command in ("dictionary", "settings"):
        print(dictionary() if arguments.command == "dictionary" else declarations.table())
        return 0
    try:
        if arguments.command == "query":
            return _query(arguments.sql)
        if arguments.command == "report":
            print(report.write(arguments.output, arguments.first, arguments.last))
            return 0
        return _forget(arguments.names, prove=arguments.prove)
    except EtlError as error:
        print(error, file=sys.stderr)
        if isinstance(error, ConfigurationError):
            return process.MISCONFIGURED
        return DIFFERENT if arguments.command == "forget" else 1


def _doctor() -> NoReturn:
    good = True
    for finding in examine():
        # The reader may have closed the pipe; the exit code is still needed.
        with suppress(BrokenPipeError):
            print(finding, flush=True)
        good = good and finding.good
    # Without waiting for a check that has no response yet.
    os._exit(0 if good else process.MISCONFIGURED)


def _reconcile(given: argparse.Namespace) -> int:
    try:
        first, last = hours(given.first, given.last)
        return DIFFERENT if reconcile(first, last, deep=given.deep, repair=given.repair) else 0
    except EtlError as error:
        log.error("not reconciled", extra={"error": str(error)})
        return process.MISCONFIGURED if isinstance(error, ConfigurationError) else DIFFERENT


def _query(sql: str) -> int:
    columns, rows = resources.warehouse().query(sql, limit=ROWS + 1)
    try:
        print(table(columns, rows[:ROWS]), flush=True)
    except BrokenPipeError:
        # The reader closed the pipe. Otherwise Python reports the same error again when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if len(rows) > ROWS:
        print(f"… and more; the first {ROWS:,} rows are shown", file=sys.stderr)
    return 0


def _forget(names: list[str], *, prove: bool) -> int:
    """1 if it is to be proved, and something is still there."""
    if prove:
        places = list(still_there(names))
        nothing = f"nothing found in {resources.lake().url} and {resources.warehouse().url}"
        print("\n".join(places) or nothing)
        return int(bool(places))
    receipt = by_request(names)
    replaced = ", ".join(f"{counts['replaced']} {zone}" for zone, counts in receipt.lake.items())
    removed = receipt.warehouse.get("removed", 0)
    print(f"replaced objects: {replaced}; posts and comments removed from the warehouse: {removed}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
