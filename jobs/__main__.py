"""Tools beside the pipeline: check the set-up, query, export, report, compare the stores, forget, print docs."""

import argparse
import logging
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from jobs import declarations, process, progress, report, resources
from jobs.doctor import examine
from jobs.forget import by_request, never_named, still_there
from jobs.parameters import HourParameter
from jobs.query import add_export, add_query, export, query
from jobs.reconcile import hours, reconcile
from jobs.reference import reference
from reddit_etl.errors import ConfigurationError, EtlError
from reddit_etl.warehouse.dictionary import dictionary

DONE = "0 done, 1 failed, 78 wrong setting"
EXIT_CODES = {
    "dictionary": "0 printed",
    "settings": "0 printed",
    "reference": "0 printed",
    "doctor": "0 all checks pass, 78 otherwise",
    "reconcile": "0 no difference, 30 differences or failed, 78 wrong setting or nothing to compare",
    "forget": "0 removed, or --prove found nothing; 1 --prove found something; 30 failed; 78 wrong name or setting",
}
"""For the help text of a command; `DONE` for all others."""

log = logging.getLogger(__name__)

DIFFERENT = 30  # As luigi.cfg's task_failed.
PAGES = {"dictionary": dictionary, "settings": declarations.table, "reference": reference}


def main() -> int:
    """Run the command of `sys.argv` and return its exit code, as its `--help` says."""
    # The console script and the module are the same.
    called = Path(sys.argv[0]).name
    program = called if called == "reddit-etl" else "python -m jobs"
    parser = argparse.ArgumentParser(prog=program, description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    add_query(commands.add_parser("query", help="query the warehouse, read-only, to the terminal or to a file"))
    add_export(commands.add_parser("export", help="write a day or all of a table of the warehouse to a file"))
    commands.add_parser("dictionary", help="print the data dictionary")
    commands.add_parser("settings", help="print the table of settings")
    commands.add_parser("reference", help="print the reference of the library")
    commands.add_parser("doctor", help="check every setting and permission that a run needs")
    compare = commands.add_parser("reconcile", help="compare the lake, the catalog and the warehouse")
    hour = HourParameter
    compare.add_argument("--first", type=hour(flag="--first").parse, metavar="HOUR", help="default: 48 hours in all")
    compare.add_argument("--last", type=hour(flag="--last").parse, metavar="HOUR", help="default: the newest run")
    compare.add_argument("--deep", action="store_true", help="compare the checksum of every object of the lake, too")
    compare.add_argument("--repair", action="store_true", help="load, publish and make again what is missing")
    forget = commands.add_parser("forget", help="remove posts and comments from every store")
    forget.add_argument("names", nargs="+", metavar="NAME", help="such as t3_abc for a post, t1_abc for a comment")
    forget.add_argument("--prove", action="store_true", help="remove nothing; list what still holds them")
    page = commands.add_parser("report", help="write an HTML page on the pipeline's state and what it collected")
    page.add_argument("--output", required=True, metavar="FILE", help="ends with .html; it replaces that file")
    page.add_argument("--first", type=hour(flag="--first").parse, metavar="HOUR", help="default: seven days in all")
    page.add_argument("--last", type=hour(flag="--last").parse, metavar="HOUR", help="default: that of the newest run")
    for name, command in commands.choices.items():
        command.epilog = f"exit codes: {EXIT_CODES.get(name, DONE)}"
    arguments = parser.parse_args()
    removes = arguments.command == "forget" and not arguments.prove
    with process.stopping("stopped: run it again to remove the rest" if removes else "stopped"):
        return _done(arguments)


def _done(arguments: argparse.Namespace) -> int:
    """The exit code of the command."""
    if arguments.command == "reconcile":
        return _reconcile(arguments)
    if arguments.command == "doctor":
        _doctor()
    if arguments.command in PAGES:
        print(PAGES[arguments.command]())
        return 0
    try:
        if arguments.command in ("query", "export"):
            return query(arguments) if arguments.command == "query" else export(arguments)
        if arguments.command == "report":
            print(report.write(arguments.output, arguments.first, arguments.last))
            return 0
        return _forget(arguments.names, prove=arguments.prove)
    except ConfigurationError as error:
        print(*error.faults, sep="\n", file=sys.stderr)
        return process.MISCONFIGURED
    except EtlError as error:
        print(error, file=sys.stderr)
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
        with progress.CURRENT.showing("reconcile"):
            return DIFFERENT if reconcile(first, last, deep=given.deep, repair=given.repair) else 0
    except ConfigurationError as error:
        for fault in error.faults:
            log.error("not reconciled", extra={"error": fault})
        return process.MISCONFIGURED
    except EtlError as error:
        log.error("not reconciled", extra={"error": str(error)})
        return DIFFERENT


def _forget(names: list[str], *, prove: bool) -> int:
    """1 if it is to be proved, and something is still there."""
    if prove:
        with progress.CURRENT.showing("forget --prove"):
            places = still_there(names)
        nothing = f"nothing found in {resources.lake().url} and {resources.warehouse().url}"
        typing_error = f"{nothing}; it was never to be forgotten: check the name"
        unknown = never_named(name for name, found in places.items() if not found)
        for name, found in places.items():
            print(*(f"{name}: {place}" for place in found or [typing_error if name in unknown else nothing]), sep="\n")
        return int(any(places.values()))
    with progress.CURRENT.showing("forget"):
        request = by_request(names)
    receipt = request.receipt
    replaced = ", ".join(f"{counts['replaced']} {zone}" for zone, counts in receipt.lake.items())
    removed = receipt.warehouse.get("removed", 0)
    print(f"replaced objects: {replaced}; posts and comments removed from the warehouse: {removed}")
    for remark in request.remarks():
        print(remark)
    return 0


if __name__ == "__main__":
    sys.exit(main())
