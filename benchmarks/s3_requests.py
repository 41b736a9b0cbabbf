"""Requests to S3 of a run, as the server counts them: `python -m benchmarks.s3_requests`. Prints a Markdown table.

A page of each listing is read: more posts are more bytes, and no more requests until an object exceeds 5 MiB.
"""

import argparse
import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.memory import measure, subreddits, where
from benchmarks.servers import LOGIN, Reddit, account, reddit
from tests.standins.s3 import moto_server

LISTINGS = (6, 100)  # Of posts and of comments; six by default.
# Each with its hour, in the past so that the command accepts it.
RUNS = {
    "first hour": "2026-10-20T04",
    "next hour": "2026-10-20T05",
    "after a pause of a month": "2026-11-20T05",
    "complete hour": "2026-11-20T05",
}
BASE, EACH, COMPLETE = 20, 4, 10
"""The bounds: 20 and 4 for each listing; 10 for an hour that is complete."""


def bound(run: str, listings: int) -> int:
    return COMPLETE if run == "complete hour" else BASE + EACH * listings


def requests(listings: int, sandbox: Reddit, s3: str) -> dict[str, int]:
    """Of each of RUNS, one after the other on the same lake, loaded into DuckDB."""
    found, bucket = {}, account(s3)
    with tempfile.TemporaryDirectory(prefix="benchmark-") as name:
        settings = LOGIN | bucket.environment | {"LAKE_URL": bucket.lake}
        settings["WAREHOUSE_URL"] = f"duckdb:///{name}/warehouse.duckdb"
        for run, hour in RUNS.items():
            sandbox.set(f"{hour}:30")
            before = bucket.requests
            names = json.dumps(subreddits(1000 * listings // 2))
            chosen = ["--hour", hour, "--subreddits", names, "--listings", '["new", "comments"]', "--limit", "100"]
            measure(["luigi", "--module", "jobs", "RedditPipeline", *chosen], Path(name), sandbox.url, settings)
            found[run] = bucket.requests - before
    return found


def table(listings: Sequence[int] = LISTINGS) -> Iterator[str]:
    with reddit() as sandbox, moto_server() as s3:
        results = {number: requests(number, sandbox, s3) for number in listings}
    yield where()
    yield ""
    yield "| | listings | requests | bound |"
    yield "|---|---:|---:|---:|"
    for number, found in results.items():
        for run, sent in found.items():
            yield f"| {run} | {number} | {sent:,} | {bound(run, number):,} |"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.s3_requests", description=__doc__)
    parser.add_argument("listings", type=int, nargs="*", default=LISTINGS)
    for line in table(parser.parse_args().listings):
        print(line, flush=True)


if __name__ == "__main__":
    main()
