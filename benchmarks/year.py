"""A year of hourly runs of a small feed, with time compressed: `python -m benchmarks.year`.

One subreddit has a new post and a new comment every hour. One in fifty is deleted by its author two days later, one in
a hundred after thirty days. All runs are in this process, one after the other, at simulated times: an hourly
RedditPipeline with looks, and a daily Maintenance that forgets, expires and compacts; the lake is a folder. Every
73 days the hour that is due is run before by a process of its own, which is measured, on copies of the lake in S3 and
of the DuckDB file. Prints a Markdown table. TMPDIR=/dev/shm spares the waits for a disk; a call with the `--folder` of
one that was stopped goes on from there.
"""

import argparse
import json
import logging
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from unittest import mock

import boto3
from luigi.retcodes import run_with_retcodes

from benchmarks.memory import PROJECT, Usage, measured, where
from benchmarks.servers import LOGIN, Account, account
from jobs import resources
from reddit_etl.sandbox import server
from tests.conftest import forget_run
from tests.standins.marked import MarkedReddit
from tests.standins.s3 import KEYS, moto_server

BEGIN = datetime(2025, 11, 1)  # noqa: DTZ001
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=17)
MAINTENANCE = 3  # The hour of the day.
PREFIX = "reddit"
"""Of the lake in the bucket."""
# A run in a process of its own, at a time of our choice.
AT = """\
import datetime, sys
from jobs import resources
resources.clock = lambda hour: lambda: datetime.datetime.fromisoformat("{moment}")
from luigi.cmdline import luigi_run
luigi_run(sys.argv[1:])
"""


@dataclass(frozen=True)
class Month:
    """What is there after so many days, and what a run takes then."""

    days: int
    objects: int
    megabytes: float
    """Of the lake."""
    file: float
    """MB of the DuckDB file."""
    usage: Usage
    """Of an hour's run in a process of its own."""
    requests: int
    """Of that run, to S3."""
    hour: float
    """CPU seconds of an hour's run in this process, the median of the month."""
    maintenance: float
    """CPU seconds of a day's maintenance in this process, the median of the month."""


class Feed:
    """The subreddit at a moment of the simulated time."""

    def __init__(self) -> None:
        self.content = MarkedReddit()
        self._number = 0

    def advance(self, now: datetime) -> None:
        """What an hour brings and takes."""
        self._number += 1
        created = (now - MINUTE).replace(tzinfo=UTC).timestamp()
        post, comment = _id(self._number), _id(self._number)
        # Newest first.
        posts, comments = self.content.posts, self.content.comments
        self.content.add_post(post, created_utc=created, score=self._number % 90)
        self.content.add_comment(comment, post, created_utc=created)
        for things, new in ((posts, post), (comments, comment)):
            newest = things.pop(new)
            kept = dict(things)
            things.clear()
            things[new] = newest
            things.update(kept)
        for every, age in ((50, 48), (100, 30 * 24)):
            if self._number > age and (self._number - age) % every == 0:
                self._delete(_id(self._number - age))

    def _delete(self, id_: str) -> None:
        if post := self.content.posts.get(id_):
            post |= {"removed_by_category": "deleted", "selftext": "[deleted]", "author": "[deleted]"}
        if comment := self.content.comments.get(id_):
            comment |= {"body": "[deleted]", "author": "[deleted]"}


def _id(number: int) -> str:
    """Rising, as Reddit's are."""
    return f"1{number:06x}"


class Year:
    """The runs, in a folder, and a bucket for copies."""

    def __init__(self, folder: Path, bucket: Account) -> None:
        self._folder = folder
        self._bucket = bucket
        self._s3 = boto3.client("s3", endpoint_url=bucket.s3, **KEYS)
        self._copied: set[str] = set()
        self._done = folder / "hours"
        self._feed = Feed()
        self._reddit = server.RedditServer(self._feed.content)
        self._reddit.start()
        self._hours: list[float] = []
        self._days: list[float] = []
        self._environment = (
            LOGIN
            | bucket.environment
            | {
                "LAKE_URL": f"{folder}/lake",
                "WAREHOUSE_URL": f"duckdb:///{folder}/warehouse.duckdb",
                "REDDIT_URL": self._reddit.url,
            }
        )

    def months(self, days: int, each: int) -> Iterator[Month]:
        """After every `each` days."""
        done = int(self._done.read_text()) if self._done.exists() else 0
        with mock.patch.dict(os.environ, self._environment):
            for number in range(days * 24 + 1):
                now = BEGIN + number * HOUR + MINUTE
                self._feed.advance(now)
                if number < done:
                    continue
                if self._hours and number % (each * 24) == 0:
                    yield self._measured(number // 24, now)
                self._hours.append(self._run(now, *_pipeline(now)))
                if now.hour == MAINTENANCE:
                    self._days.append(self._run(now, "Maintenance", "--hour", f"{now:%Y-%m-%dT%H}"))
                self._done.write_text(str(number + 1))

    def _run(self, now: datetime, *arguments: str) -> float:
        """CPU seconds of a run in this process. Raises RuntimeError if it fails."""
        forget_run()
        resources.clock = lambda _: lambda: now  # type: ignore[assignment]
        begin, code = time.process_time(), 0
        with redirect_stdout(StringIO()):
            try:
                run_with_retcodes(["--module", "jobs", *arguments])
            except SystemExit as end:
                code = int(end.code or 0)
        if code:
            raise RuntimeError(f"{' '.join(arguments)} at {now} ended with {code}")
        return time.process_time() - begin

    def _measured(self, days: int, now: datetime) -> Month:
        shutil.copy(PROJECT / "luigi.cfg", self._folder)
        lake, warehouse = self._folder / "lake", self._folder / "warehouse.duckdb"
        files = [path for path in lake.rglob("*") if path.is_file()]
        objects = {f"{PREFIX}/{path.relative_to(lake)}": path for path in files}
        self._copy(objects)
        # Receipts name the warehouse by its place, so the copy is what stays as it is.
        copy = shutil.copy(warehouse, self._folder / "copy.duckdb")
        stores = {"LAKE_URL": f"s3://{self._bucket.key}/{PREFIX}"}
        command = [sys.executable, "-c", AT.format(moment=now), "--module", "jobs", *_pipeline(now)]
        before = self._bucket.requests
        usage, _ = measured(command, self._folder, os.environ | stores | {"PYTHONPATH": str(PROJECT)})
        requests = self._bucket.requests - before
        # The run in this process puts others of the same keys.
        self._remove_others(objects)
        Path(copy).replace(warehouse)
        month = Month(
            days,
            len(files),
            sum(path.stat().st_size for path in files) / 1e6,
            warehouse.stat().st_size / 1e6,
            usage,
            requests,
            statistics.median(self._hours),
            statistics.median(self._days),
        )
        self._hours, self._days = [], []
        return month

    def _copy(self, objects: dict[str, Path]) -> None:
        """Let the bucket have these and no others."""
        for key in self._copied - objects.keys():
            self._s3.delete_object(Bucket=self._bucket.key, Key=key)
        for key in objects.keys() - self._copied:
            self._s3.put_object(Bucket=self._bucket.key, Key=key, Body=objects[key].read_bytes())
        self._copied = set(objects)

    def _remove_others(self, objects: dict[str, Path]) -> None:
        """Remove what a run has put."""
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket.key)
        for entry in (entry for page in pages for entry in page.get("Contents", ())):
            if entry["Key"] not in objects:
                self._s3.delete_object(Bucket=self._bucket.key, Key=entry["Key"])


def _pipeline(now: datetime) -> list[str]:
    chosen = {"subreddits": ["python"], "listings": ["new", "comments"]}
    given = [word for name, value in chosen.items() for word in (f"--{name}", json.dumps(value))]
    return ["RedditPipeline", "--hour", f"{now:%Y-%m-%dT%H}", "--limit", "100", *given]


def table(days: int, each: int, folder: Path, log: Callable[[str], object] = print) -> Iterator[str]:
    yield f"{where()}; a post and a comment an hour"
    yield ""
    yield (
        "| day | objects in the lake | MB | DuckDB file MB | a run: CPU s | peak MB | requests to S3 "
        "| a run without its start: CPU s | maintenance without its start: CPU s |"
    )
    yield "|---:|---:|---:|---:|---:|---:|---:|---:|---:|"
    with moto_server() as s3:
        for month in Year(folder, account(s3)).months(days, each):
            yield (
                f"| {month.days} | {month.objects:,} | {month.megabytes:.1f} | {month.file:.1f} "
                f"| {month.usage.cpu:.2f} | {month.usage.peak:.0f} | {month.requests} | {month.hour:.2f} "
                f"| {month.maintenance:.2f} |"
            )
            log(f"day {month.days}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.year", description=__doc__)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--each", type=int, default=73, help="days between two measurements")
    parser.add_argument(
        "--folder", type=Path, help="of the lake and the warehouse, which stay; a temporary one by default"
    )
    arguments = parser.parse_args()
    logging.disable(logging.INFO)
    with ExitStack() as stack:
        temporary = stack.enter_context(tempfile.TemporaryDirectory(prefix="benchmark-"))
        folder = (arguments.folder or Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        for line in table(
            arguments.days, arguments.each, folder, lambda line: print(line, file=sys.stderr, flush=True)
        ):
            print(line, flush=True)


if __name__ == "__main__":
    main()
