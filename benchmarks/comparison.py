"""This pipeline and others on the same posts, as whole processes, in turns: `python -m benchmarks.comparison`.

The others, in `rivals/`, run in the environment `.venv-bench`; without it they are left out. Prints a Markdown table.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import duckdb

from benchmarks.memory import HOURS, LISTING, Usage, expect, measure, subreddits, where
from benchmarks.servers import LOGIN, Account, Servers, account, servers

RIVALS = Path(f"{sys.prefix}-bench", "bin", "python")
LIBRARIES = ("prawcore", "msgspec", "isal", "pyarrow", "praw", "pandas", "dlt")
FOLDER_DUCKDB, S3_DUCKDB, S3_REDSHIFT = "folder + DuckDB", "S3 + DuckDB", "S3 + Redshift"
STORES = (FOLDER_DUCKDB, S3_DUCKDB, S3_REDSHIFT)
S3_POSTGRES = "S3 + PostgreSQL"  # Of dlt.
OURS, BARE, PANDAS, DLT = "reddit-etl", "the bare loop", "pandas", "dlt"
# Which contender, in times of which other, by what.
TARGETS = (
    ((OURS, S3_REDSHIFT), (BARE, S3_REDSHIFT), "cpu", "at most 1.6"),
    ((OURS, S3_REDSHIFT), (PANDAS, S3_REDSHIFT), "cpu", "less than 1"),
    ((OURS, S3_REDSHIFT), (PANDAS, S3_REDSHIFT), "wall", "less than 1"),
    ((OURS, FOLDER_DUCKDB), (BARE, FOLDER_DUCKDB), "cpu", "at most 1.5"),
    ((DLT, S3_POSTGRES), (OURS, S3_REDSHIFT), "cpu", "at least 3.5"),
)


@dataclass(frozen=True)
class Contender:
    name: str
    stores: str
    module: str = ""
    """Of a rival; without, it is this pipeline."""
    table: str = "reddit.posts"
    """Where its posts are in the end; empty if it has no warehouse."""

    @property
    def bare(self) -> str:
        """The stores of the bare loop that it is compared with: the one with the same I/O."""
        return self.stores if self.stores in STORES else S3_REDSHIFT


CONTENDERS = [
    *(Contender(OURS, stores) for stores in reversed(STORES)),
    *(Contender(BARE, stores, "bare") for stores in reversed(STORES)),
    Contender(PANDAS, S3_REDSHIFT, "pandas_pipeline"),
    Contender(DLT, S3_POSTGRES, "dlt_pipeline"),
    Contender(DLT, "PostgreSQL", "dlt_pipeline"),
    Contender("PRAW's objects", "S3", "praw_objects", table=""),
]


@dataclass(frozen=True)
class Measured:
    usage: Usage
    requests: int
    """To S3."""


def run(contender: Contender, posts: int, world: Servers) -> Measured:
    """One run from nothing. Raises RuntimeError if not all posts arrived."""
    world.redshift.reset()
    bucket = account(world.s3)
    with tempfile.TemporaryDirectory(prefix="benchmark-") as name:
        folder = Path(name)
        settings = LOGIN | bucket.environment | stores(contender, folder, bucket, world)
        names = subreddits(posts)
        if contender.module:
            command = [f"benchmarks.rivals.{contender.module}", *names]
            usage, output = measure(command, folder, world.reddit.url, settings, python=RIVALS)
        else:
            chosen = ["--hour", HOURS[0], "--subreddits", json.dumps(names), "--listings", '["new"]']
            command = ["luigi", "--module", "jobs", "RedditPipeline", *chosen]
            usage, output = measure(command, folder, world.reddit.url, settings)
        expect(posts, stored(contender, folder, world) if contender.table else int(output))
    return Measured(usage, bucket.requests)


def stores(contender: Contender, folder: Path, bucket: Account, world: Servers) -> dict[str, str]:
    """The settings of where it stores."""
    lake = bucket.lake if contender.stores.startswith("S3") else str(folder / "lake")
    settings = {"LAKE_URL": lake, "WAREHOUSE_URL": f"duckdb:///{folder}/warehouse.duckdb"}
    if contender.stores.endswith("PostgreSQL"):
        # dlt keeps its state and its working files below the home directory.
        quiet = {"RUNTIME__DLTHUB_TELEMETRY": "false", "HOME": str(folder), "DLT_DATA_DIR": str(folder)}
        return settings | world.postgres_settings | quiet
    return settings | (world.redshift_settings if contender.stores == S3_REDSHIFT else {})


def stored(contender: Contender, folder: Path, world: Servers) -> int:
    count = f"SELECT count(*) FROM {contender.table}"
    if not contender.stores.endswith("DuckDB"):
        [(rows,)] = world.redshift.rows(count)
        return int(rows)
    with duckdb.connect(folder / "warehouse.duckdb", read_only=True) as connection:
        [(rows,)] = connection.execute(count).fetchall()
    return int(rows)


def present() -> list[Contender]:
    return [contender for contender in CONTENDERS if not contender.module or RIVALS.exists()]


def table(posts: int, rounds: int, log: Callable[[str], object] = print) -> Iterator[str]:
    """The lines of the table: medians over `rounds`, in each of which all contenders run once, in turns."""
    results: dict[Contender, list[Measured]] = {contender: [] for contender in present()}
    with servers() as world:
        for number in range(1, rounds + 1):
            for contender, found in results.items():
                found.append(run(contender, posts, world))
                usage = found[-1].usage
                log(
                    f"round {number}: {contender.name}, {contender.stores}: "
                    f"{usage.wall:.1f} s, CPU {usage.cpu:.1f} s, {usage.peak:.0f} MB"
                )
    medians = {contender: median(found) for contender, found in results.items()}
    bare = {contender.stores: measured for contender, measured in medians.items() if contender.name == BARE}
    yield f"{where()}; {posts:,} posts in {posts // LISTING} listings, medians of {rounds}"
    yield ""
    yield "| | stores | wall s | of bare | CPU s | of bare | peak MB | requests to S3 |"
    yield "|---|---|---:|---:|---:|---:|---:|---:|"
    for contender, measured in medians.items():
        yield row(contender, measured, bare.get(contender.bare))
    yield ""
    if RIVALS.exists():
        yield from targets({(contender.name, contender.stores): found.usage for contender, found in medians.items()})
        yield ""
    yield versions()


def targets(found: Mapping[tuple[str, str], Usage]) -> Iterator[str]:
    """What is aimed at beside what was reached."""
    for one, other, what, target in TARGETS:
        ratio = getattr(found[one], what) / getattr(found[other], what)
        yield f"- {', '.join(one)}: {ratio:.2f} times the {what} of {', '.join(other)}; the target is {target}."


def row(contender: Contender, found: Measured, bare: Measured | None) -> str:
    wall = f"{found.usage.wall / bare.usage.wall:.2f}" if bare else "-"
    cpu = f"{found.usage.cpu / bare.usage.cpu:.2f}" if bare else "-"
    return (
        f"| {contender.name} | {contender.stores} | {found.usage.wall:.1f} | {wall} "
        f"| {found.usage.cpu:.1f} | {cpu} | {found.usage.peak:.0f} | {found.requests:,} |"
    )


def median(found: list[Measured]) -> Measured:
    """Of each figure by itself."""
    peak, cpu, wall = (
        statistics.median(getattr(measured.usage, name) for measured in found) for name in ("peak", "cpu", "wall")
    )
    return Measured(Usage(peak, cpu, wall), round(statistics.median(measured.requests for measured in found)))


def versions() -> str:
    """Of the rivals' libraries."""
    if not RIVALS.exists():
        return "The other pipelines' libraries are not installed: `make bench` installs them."
    code = f"from importlib.metadata import version\nprint(*(f'{{n}} {{version(n)}}' for n in {LIBRARIES}), sep=', ')"
    return subprocess.run([RIVALS, "-c", code], check=True, capture_output=True, text=True).stdout.strip() + "."


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.comparison", description=__doc__)
    parser.add_argument("--posts", type=int, default=100_000, help=f"in steps of {LISTING:,}")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    for line in table(arguments.posts, arguments.rounds, lambda line: print(line, file=sys.stderr, flush=True)):
        print(line, flush=True)


if __name__ == "__main__":
    main()
