"""The load of an hour into a young warehouse and into an old one: `python -m benchmarks.age`.

In every hour each subreddit has 333 new posts, and those of the two hours before are observed again, so each post has
three observations. Both warehouses get the same hours; the first two, in which the young one lacks the posts of before,
are left out. The old file is then compared with one of the same rows written afresh. Prints a Markdown table.
"""

import argparse
import json
import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.memory import heading, measure
from benchmarks.posts import NEW, connect, give_texts, posts_sql
from reddit_etl import duck
from reddit_etl.entities import POSTS
from reddit_etl.warehouse import tables

BOUNDS = {3: 1.3, 100: 2.0}  # By subreddits, the most that a load may take in times of the young warehouse's.
FILE = 1.5  # The most that the old file may be in times of a fresh one.
SEEN = 3  # How often a post is observed, hour after hour.
STEP = 200_000  # Posts that the old warehouse is filled with at once.
CURATED = ", ".join(column.name for column in POSTS.curated)


@dataclass(frozen=True)
class Ages:
    """The hours' loads into both warehouses, and what the old one's file has become."""

    young: list[float]
    """CPU in seconds."""
    old: list[float]
    """CPU in seconds."""
    peak: float
    """MB resident, of the loads into the old one."""
    file: float
    """MB of the old file."""
    fresh: float
    """MB of a file of the same rows."""


def fill(path: Path, subreddits: int, hours: int) -> None:
    """Write a warehouse of so many hours, its rows in the order of time."""
    new = NEW * subreddits
    step = max(1, STEP // new)
    metrics = ", ".join(column.name for column in POSTS.metrics)
    with duck.connect(path, scratch=path.with_suffix(".tmp")) as connection:
        connection.execute(f"CREATE SCHEMA {tables.SCHEMA}")
        for statement in tables.definitions(POSTS, [], storage=False):
            connection.execute(statement)
        give_texts(connection)
        for begin in range(0, hours, step):
            end = min(begin + step, hours)
            numbers = f"range({begin * new}, {end * new}) AS numbers(n)"
            select = posts_sql(numbers, subreddits, seen=f"least(n // {new} + {SEEN - 1}, {hours - 1})")
            first = f"observed_at - to_hours(least({SEEN - 1}, {hours - 1} - n // {new}))"
            connection.execute(
                f"INSERT INTO reddit.posts ({CURATED}, first_observed_at) SELECT {CURATED}, {first} FROM ({select})"
            )
            for hour in range(begin, end):
                numbers = f"range({max(0, hour - SEEN + 1) * new}, {(hour + 1) * new}) AS numbers(n)"
                select = posts_sql(numbers, subreddits, seen=f"{hour}")
                connection.execute(f"INSERT INTO reddit.post_metrics ({metrics}) SELECT {metrics} FROM ({select})")


def write_hours(folder: Path, subreddits: int, hours: range) -> list[Path]:
    """The hours' Parquet files, as the transformation writes them."""
    new = NEW * subreddits
    paths = [folder / f"hour-{hour:05}.parquet" for hour in hours]
    with connect() as connection:
        for hour, path in zip(hours, paths, strict=True):
            select = posts_sql(
                f"range({(hour - SEEN + 1) * new}, {(hour + 1) * new}) AS numbers(n)", subreddits, seen=f"{hour}"
            )
            connection.execute(
                f"COPY (SELECT {CURATED} FROM ({select})) TO '{path}' "
                "(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE_BYTES 8_000_000)"
            )
    return paths


def ages(posts: int, subreddits: int, hours: int) -> Ages:
    """Load `hours` hours into a warehouse of `posts` posts and into a new one."""
    new = NEW * subreddits
    past = posts // new
    with tempfile.TemporaryDirectory(prefix="benchmark-") as name:
        folder = Path(name)
        fill(folder / "old.duckdb", subreddits, past)
        files = list(map(str, write_hours(folder, subreddits, range(past, past + SEEN - 1 + hours))))
        cpu, peaks = {}, {}
        for warehouse in ("young", "old"):
            usage, output = measure(["benchmarks.load", f"{warehouse}.duckdb", *files], folder, "")
            loads = json.loads(output)[SEEN - 1 :]
            if any(counts != [new, (SEEN - 1) * new] for _, *counts in loads):
                raise RuntimeError(f"{loads} rows were new and updated: nothing was measured")
            cpu[warehouse], peaks[warehouse] = [seconds for seconds, *_ in loads], usage.peak
        with duck.connect(folder / "fresh.duckdb", scratch=folder / "fresh.tmp") as connection:
            connection.execute(f"ATTACH '{folder / 'old.duckdb'}' AS old (READ_ONLY)")
            connection.execute("COPY FROM DATABASE old TO warehouse")
        file, fresh = ((folder / name).stat().st_size / 1e6 for name in ("old.duckdb", "fresh.duckdb"))
        return Ages(cpu["young"], cpu["old"], peaks["old"], file, fresh)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.age", description=__doc__)
    parser.add_argument("--posts", type=int, default=5_000_000, help="in the old warehouse")
    parser.add_argument("--subreddits", type=int, nargs="+", default=[3, 100])
    parser.add_argument("--hours", type=int, default=12, help="that are loaded and measured")
    arguments = parser.parse_args()
    print(heading()[0])
    print("\n| subreddits | rows of an hour | young: CPU s | old: CPU s | times | slowest | peak MB | file |")
    print("|---:|---:|---:|---:|---:|---:|---:|---:|")
    for subreddits in arguments.subreddits:
        found = ages(arguments.posts, subreddits, arguments.hours)
        young, old = statistics.median(found.young), statistics.median(found.old)
        print(
            f"| {subreddits} | {SEEN * NEW * subreddits:,} | {young:.2f} | {old:.2f} | {old / young:.2f} | "
            f"{max(found.young):.2f}, {max(found.old):.2f} | {found.peak:.1f} | {found.file / found.fresh:.2f} |",
            flush=True,
        )
    bounds = ", ".join(f"{times} for {subreddits} subreddits" for subreddits, times in BOUNDS.items())
    print(f"\nThe bounds of the median are {bounds} times the young warehouse's; of the file {FILE} times a fresh one.")


if __name__ == "__main__":
    main()
