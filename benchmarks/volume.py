"""An hour of many posts through transformation and load in one process: `python -m benchmarks.volume`.

For each number of posts, an hour in which all are new, and the next, which updates all of them. The records are written
beforehand; 5,000,000 posts take 15 GB of temporary space. Prints a Markdown table.
"""

import argparse
import gzip
import json
import tempfile
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path

import duckdb

from benchmarks.memory import Usage, heading, measure, row
from benchmarks.posts import NEW, connect, posts_sql
from reddit_etl.entities import POSTS
from reddit_etl.lake.jsonl import COMPRESSION_LEVEL
from reddit_etl.lake.receipts import DataObject

OBJECT = 10_000  # Records of an object; those of a listing are 1,000 at most, here there are fewer files.
WHOLE_JOB = 256.0  # MB that transformation and load stay under.
GROWTH = 1.1  # The most that the peak at the largest number may be of that at the number before.
CPU_GROWTH = 1.15  # The most that the CPU per post may be of that at the smallest number.


def write_records(connection: duckdb.DuckDBPyConnection, posts: int, hour: int, folder: Path) -> None:
    """The records of an hour that observes the posts 0 to `posts`, and the list of their objects."""
    times = ("created_at", "observed_at")
    columns = ", ".join(
        f"strftime({column.name}, '%Y-%m-%dT%H:%M:%S.%fZ') AS {column.name}" if column.name in times else column.name
        for column in POSTS.record
    )
    raw = folder / "lake" / "raw"
    raw.mkdir(parents=True, exist_ok=True)
    entries = []
    for begin in range(0, posts, OBJECT):
        path = raw / f"{begin:08}.jsonl.gz"
        # Enough subreddits that all were created in hour 0.
        numbers = f"range({begin}, {min(begin + OBJECT, posts)}) AS numbers(n)"
        select = posts_sql(numbers, posts // NEW + 1, seen=f"{hour}")
        connection.execute(f"COPY (SELECT {columns} FROM ({select})) TO '{path}' (FORMAT json, COMPRESSION none)")
        content = gzip.compress(path.read_bytes(), COMPRESSION_LEVEL)
        path.write_bytes(content)
        rows = min(OBJECT, posts - begin)
        entries.append(DataObject(f"raw/{path.name}", len(content), sha256(content).hexdigest(), rows))
    (folder / "inputs.json").write_text(json.dumps([asdict(entry) for entry in entries]))


def hours(connection: duckdb.DuckDBPyConnection, posts: int) -> tuple[Usage, Usage]:
    """The hour in which all posts are new, and the next, which updates them."""
    usages = []
    with tempfile.TemporaryDirectory(prefix="benchmark-") as name:
        folder = Path(name)
        for hour, expected in enumerate(([posts, 0], [0, posts])):
            write_records(connection, posts, hour, folder)
            usage, output = measure(["benchmarks.hour"], folder, "")
            if json.loads(output) != expected:
                raise RuntimeError(f"{output.strip()} rows were new and updated: nothing was measured")
            usages.append(usage)
    return usages[0], usages[1]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.volume", description=__doc__)
    parser.add_argument("posts", type=int, nargs="*", default=[100_000, 1_000_000, 5_000_000])
    sizes = sorted(parser.parse_args().posts)
    for line in heading():
        print(line)
    found = []
    with connect() as connection:
        for posts in sizes:
            found.append(hours(connection, posts))
            for name, usage in zip(("all are new", "all are updated"), found[-1], strict=True):
                print(row(f"transformation and load, {name}", posts, usage), flush=True)
    print()
    for number, name in enumerate(("all are new", "all are updated")):
        peaks = [usages[number].peak for usages in found]
        per_post = [usages[number].cpu / posts for usages, posts in zip(found, sizes, strict=True)]
        print(
            f"- {name.capitalize()}: {max(peaks):.1f} MB at its highest, the bound is {WHOLE_JOB:.0f} MB; "
            f"{peaks[-1] / peaks[-2 if len(peaks) > 1 else -1]:.2f} times the peak of the number before, the bound is "
            f"{GROWTH}; {per_post[-1] / per_post[0]:.2f} times the CPU per post of the smallest number, the bound is "
            f"{CPU_GROWTH}."
        )


if __name__ == "__main__":
    main()
