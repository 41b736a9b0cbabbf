"""CPU of a run until its first request to Reddit, and of one whose hour is complete: `python -m benchmarks.start`.

Prints a Markdown table, with the medians of several runs.
"""

import argparse
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from benchmarks.comparison import OURS, STORES, Contender, stores
from benchmarks.memory import HOURS, PROJECT, environment, measure, where
from benchmarks.servers import LOGIN, Servers, account, servers

COMMAND = ["luigi", "--module", "jobs", "RedditPipeline", "--hour", HOURS[0], "--subreddits", '["python"]']
BOUND = 0.7  # Seconds of CPU for either.


def to_first_request(folder: Path, settings: Mapping[str, str]) -> float:
    """CPU seconds of a process that is killed when it connects to Reddit."""
    shutil.copy(PROJECT / "luigi.cfg", folder)
    with socket.create_server(("127.0.0.1", 0)) as server:
        variables = environment() | dict(settings) | {"REDDIT_URL": f"http://127.0.0.1:{server.getsockname()[1]}"}
        quiet = subprocess.DEVNULL
        process = subprocess.Popen(
            [sys.executable, "-m", *COMMAND], cwd=folder, env=variables, stdout=quiet, stderr=quiet
        )
        server.settimeout(60)
        connection, _ = server.accept()
        process.kill()
        connection.close()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_utime + usage.ru_stime


def of_complete_hour(folder: Path, url: str, settings: Mapping[str, str]) -> float:
    """CPU seconds of a run that finds all of its work done."""
    measure(COMMAND, folder, url, settings)
    usage, report = measure(COMMAND, folder, url, settings)
    if "already complete" not in report:
        raise RuntimeError(f"the hour was not complete:\n{report}")
    return usage.cpu


def once(chosen: str, world: Servers) -> tuple[float, float]:
    """Both figures, with these stores."""
    world.redshift.reset()
    bucket = account(world.s3)
    with tempfile.TemporaryDirectory(prefix="benchmark-") as name:
        folder = Path(name)
        settings = LOGIN | bucket.environment | stores(Contender(OURS, chosen), folder, bucket, world)
        return to_first_request(folder, settings), of_complete_hour(folder, world.reddit.url, settings)


def table(rounds: int) -> Iterator[str]:
    yield where()
    yield ""
    yield "| stores | to the first request: CPU s | a complete hour: CPU s | bound |"
    yield "|---|---:|---:|---:|"
    with servers() as world:
        for chosen in STORES:
            first, complete = zip(*(once(chosen, world) for _ in range(rounds)), strict=True)
            yield f"| {chosen} | {statistics.median(first):.2f} | {statistics.median(complete):.2f} | {BOUND:.1f} |"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.start", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    for line in table(parser.parse_args().rounds):
        print(line, flush=True)


if __name__ == "__main__":
    main()
