"""Peak memory, CPU and time of the Luigi process over the whole graph on AWS's engines: `python -m benchmarks.aws`.

Reddit's sandbox, S3, Glue and Redshift are stand-ins in other processes, as the real ones are elsewhere; what is
measured is what the container would hold. Needs what the tests need. Prints a Markdown table.
"""

import argparse
import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.memory import HOURS, LISTING, Usage, expect, heading, measure, row, sandbox, subreddits
from benchmarks.servers import LOGIN, account
from tests.standins.glue import by_duckdb, glue
from tests.standins.postgres import postgres
from tests.standins.redshift import ROLE, redshift
from tests.standins.s3 import moto_server
from tests.standins.spark import JOB

LUIGI_PROCESS = 120.0  # MB that the process stays under.


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
        bucket = account(s3)
        aws = bucket.environment | {"AWS_ENDPOINT_URL_GLUE": jobs.url}
        settings = LOGIN | {
            "LAKE_URL": bucket.lake,
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
        # Without the looks at known posts, which are loaded apart.
        loads = warehouse.rows(
            "SELECT MAX(rows_inserted + rows_updated) FROM reddit.load_audit WHERE entity = 'posts' GROUP BY hour"
        )
    for (rows,) in loads:
        expect(posts, rows)
    return usages


def table(posts: int) -> Iterator[str]:
    """The measurements as lines of Markdown."""
    usages = whole_graph(posts)
    yield from heading()
    for name, usage in zip(("first hour", "next hour: every row updated"), usages, strict=True):
        yield row(f"Luigi process, {name}", posts, usage)
    highest = max(usage.peak for usage in usages)
    yield ""
    yield f"- Luigi process: {highest:.1f} MB at its highest; the bound is {LUIGI_PROCESS:.0f} MB."


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.aws", description=__doc__)
    parser.add_argument("--posts", type=int, default=100_000, help=f"in steps of {LISTING:,}")
    for line in table(parser.parse_args().posts):
        print(line)


if __name__ == "__main__":
    main()
