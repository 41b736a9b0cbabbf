"""All benchmarks: `python -m benchmarks [--size small] [TABLE …]`, which `make bench` runs.

Each table is what a program of this folder prints. It is written into its place in README.md as soon as it is measured.
The size `small` shows in minutes that all of them work; its figures mean nothing and are only printed.
"""

import argparse
import subprocess
import sys
from pathlib import Path

README = Path(__file__).with_name("README.md")
# The arguments of each program for the size `small`; the full size is its default.
SMALL = {
    "comparison": ["--posts", "1000", "--rounds", "1"],
    "memory": ["--small", "1000", "--large", "2000"],
    "aws": ["--posts", "1000"],
    "volume": ["10000", "20000"],
    "age": ["--posts", "20000", "--subreddits", "3", "--hours", "3"],
    "s3_requests": ["6"],
    "start": ["--rounds", "1"],
    "container": ["1"],
    "transformation": ["1000"],
    "year": ["--days", "1", "--each", "1"],
}


def measured(name: str, *, small: bool) -> str:
    """Run one program; gives the Markdown that it prints."""
    command = [sys.executable, "-m", f"benchmarks.{name}", *(SMALL[name] if small else [])]
    return subprocess.run(command, cwd=README.parents[1], check=True, stdout=subprocess.PIPE, text=True).stdout


def written(page: str, name: str, table: str) -> str:
    """The page with the table between the markers of that name. Raises ValueError if it has no such markers."""
    begin, end = f"<!-- {name}: written by make bench -->\n", f"<!-- end of {name} -->\n"
    before, found, rest = page.partition(begin)
    _, ended, after = rest.partition(end)
    if not (found and ended):
        raise ValueError(f"{README.name} has no markers of {name}")
    return f"{before}{begin}\n{table.strip()}\n\n{end}{after}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--size", choices=("full", "small"), default="full")
    parser.add_argument("tables", nargs="*", metavar="TABLE", help=f"of {', '.join(SMALL)}; all by default")
    arguments = parser.parse_args()
    if unknown := set(arguments.tables) - set(SMALL):
        parser.error(f"no such table: {', '.join(sorted(unknown))}")
    small = arguments.size == "small"
    for name in arguments.tables or SMALL:
        table = measured(name, small=small)
        page = written(README.read_text(), name, table)
        print(f"## {name}\n\n{table}", flush=True)
        if not small:
            README.write_text(page)


if __name__ == "__main__":
    main()
