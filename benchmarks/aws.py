"""Peak memory, CPU and time of the Luigi process over the whole graph on AWS's engines: `python -m benchmarks.aws`.

Reddit's sandbox, S3, Glue and Redshift are stand-ins in other processes, as the real ones are elsewhere; what is
measured is what the container would hold. Needs what the tests need. Prints a Markdown table.
"""

import argparse
import json
import secrets
import tempfile
from collections.abc import Sequence
from pathlib import Path

import boto3

from benchmarks.memory import HOURS, LISTING, Usage, expect, heading, measure, row, sandbox, subreddits
from tests.standins.glue import by_duckdb, glue
from tests.standins.postgres import postgres
from tests.standins.redshift import ROLE, redshift
from tests.standins.s3 import ENVIRONMENT, KEYS, moto_server
from tests.standins.spark import JOB

LUIGI_PROCESS = 120.0  # MB that the process stays under.
LOGIN = {
    "REDDIT_CLIENT_ID": "benchmark",
    "REDDIT_CLIENT_SECRET": "benchmark",
    "REDDIT_USER_AGENT": "linux:benchmark:1.0 (by /u/benchmark)",
}


def whole_graph(posts: int, hours: Sequence[str] = HOURS) -> list[Usage]:
    """The main job's first hour, and the next, which updates every row."""
    usages = []
    with (
        sandbox() as reddit,
        moto_server() as s3,
        glue(work=by_duckdb, s3=s3, moto=s3) as jobs,
        postgres() as socket,
        redshift(socket, s3_url=s3) as warehouse,
        tempfile.TemporaryDirectory(prefix="benchmark-") as folder,
    ):
        aws = ENVIRONMENT | {"AWS_ENDPOINT_URL": s3, "AWS_ENDPOINT_URL_GLUE": jobs.url}
        bucket = f"lake-{secrets.token_hex(4)}"
        boto3.client("s3", endpoint_url=s3, **KEYS).create_bucket(Bucket=bucket)
        settings = LOGIN | {
            "LAKE_URL": f"s3://{bucket}/reddit",
            "TRANSFORM_ENGINE": "glue",
            "GLUE_JOB_NAME": JOB,
            "GLUE_DATABASE": "reddit",
            "WAREHOUSE_URL": warehouse.url,
            "REDSHIFT_COPY_ROLE": ROLE,
        }
        for hour in hours:
            chosen = ["--hour", hour, "--subreddits", json.dumps(subreddits(posts))]
            command = ["luigi", "--module", "jobs", "RedditPipeline", *chosen]
            usages.append(measure(command, Path(folder), reddit, aws | settings)[0])
        loads = warehouse.rows("SELECT rows_inserted, rows_updated FROM reddit.load_audit WHERE entity = 'posts'")
    for inserted, updated in loads:
        expect(posts, inserted + updated)
    return usages


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.aws", description=__doc__)
    parser.add_argument("--posts", type=int, default=100_000, help=f"in steps of {LISTING:,}")
    posts = parser.parse_args().posts
    for line in heading():
        print(line)
    usages = whole_graph(posts)
    for name, usage in zip(("first hour", "next hour: every row updated"), usages, strict=True):
        print(row(f"Luigi process, {name}", posts, usage), flush=True)
    highest = max(usage.peak for usage in usages)
    print(f"\n- Luigi process: {highest:.1f} MB at its highest; the bound is {LUIGI_PROCESS:.0f} MB.")


if __name__ == "__main__":
    main()
