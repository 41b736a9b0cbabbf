"""All benchmarks: `python -m benchmarks [--size small] [TABLE …]`, which `make bench` runs.

Writes each table into its place in README.md as soon as it is measured. The size `small` shows in minutes that all of
them work; its figures mean nothing and are only printed.
"""

import argparse
import re
import sys
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from benchmarks import aws, comparison, container, memory, s3_requests, transformation

README = Path(__file__).with_name("README.md")
Table = Callable[[], Iterable[str]]


def log(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


FULL: dict[str, Table] = {
    "comparison": partial(comparison.table, 100_000, 3, log),
    "memory": partial(memory.table, 10_000, 100_000),
    "aws": partial(aws.table, 100_000),
    "s3_requests": s3_requests.table,
    "container": container.table,
    "transformation": transformation.table,
}
SMALL: dict[str, Table] = {
    "comparison": partial(comparison.table, 1000, 1, log),
    "memory": partial(memory.table, 1000, 2000),
    "aws": partial(aws.table, 1000),
    "s3_requests": partial(s3_requests.table, (2,)),
    "container": partial(container.table, (1,)),
    "transformation": partial(transformation.table, (1000,)),
}


def written(page: str, name: str, lines: Iterable[str]) -> str:
    """The page with the lines between the markers of that name. Raises ValueError if it has no such markers."""
    begin, end = f"<!-- {name}: written by make bench -->", f"<!-- end of {name} -->"
    found = re.compile(f"({re.escape(begin)}\n).*?({re.escape(end)}\n)", re.DOTALL)
    block = "\n" + "\n".join(lines) + "\n\n"
    page, count = found.subn(lambda match: f"{match[1]}{block}{match[2]}", page)
    if count != 1:
        raise ValueError(f"{README.name} has no markers of {name}")
    return page


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--size", choices=("full", "small"), default="full")
    parser.add_argument("tables", nargs="*", metavar="TABLE", help=", ".join(FULL))
    arguments = parser.parse_args()
    chosen = arguments.tables or list(FULL)
    if unknown := set(chosen) - set(FULL):
        parser.error(f"no such table: {', '.join(sorted(unknown))}")
    for name in chosen:
        log(f"{name} …")
        lines = list((SMALL if arguments.size == "small" else FULL)[name]())
        page = written(README.read_text(), name, lines)
        print(f"## {name}", *lines, "", sep="\n", flush=True)
        if arguments.size == "full":
            README.write_text(page)


if __name__ == "__main__":
    main()
