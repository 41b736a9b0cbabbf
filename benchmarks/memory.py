"""Peak memory, CPU and time of the extraction alone and of the whole job: `python -m benchmarks.memory`.

Everything runs in temporary folders, against the sandbox Reddit in a process of its own. Prints a Markdown table.
MB are 1,000,000 bytes, the stricter reading of the bounds.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

PROJECT = Path(__file__).parents[1]
LISTING = 1000  # Posts that the sandbox has of each subreddit.
HOURS = ("2026-11-23T04", "2026-11-23T05")

EXTRACTION_GROWTH = 5.0  # MB that ten times the posts may add to the extraction's peak.
WHOLE_JOB = 256.0  # MB that the whole job stays under.
TREE_GROWTH = 60.0  # MB that a tree of 50,000 comments may add to what the imports take.


@dataclass(frozen=True)
class Usage:
    """What a process took, its own children included."""

    peak: float
    """MB resident."""
    cpu: float
    """Seconds, of the program and of the system for it."""
    wall: float
    """Seconds."""


def subreddits(posts: int) -> list[str]:
    """So many that their listings come to `posts`."""
    return [f"benchmark_{number:03}" for number in range(posts // LISTING)]


@contextmanager
def sandbox() -> Iterator[str]:
    """The sandbox Reddit in a process of its own; gives its URL."""
    command = [sys.executable, "-m", "reddit_etl.sandbox", "--port", "0"]
    with subprocess.Popen(command, cwd=PROJECT, env=environment(), stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout
            yield server.stdout.readline().strip().rpartition("REDDIT_URL=")[2]
        finally:
            server.terminate()


def extraction(url: str, posts: int) -> Usage:
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        usage, output = measure(["benchmarks.extraction", url, *subreddits(posts)], Path(folder), url)
    expect(posts, int(output))
    return usage


def tree(url: str) -> tuple[Usage, Usage]:
    """The extraction's imports alone, and with one tree of 50,000 comments, of which the sandbox shows nearly all."""
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        start, _ = measure(["benchmarks.tree"], Path(folder), url)
        usage, output = measure(["benchmarks.tree", url], Path(folder), url)
    if int(output) < 49_000:
        raise RuntimeError(f"{int(output):,} comments arrived: nothing was measured")
    return start, usage


def whole_job(url: str, posts: int) -> tuple[Usage, Usage]:
    """The main job on the embedded defaults: its first hour, and the next, which updates every row."""
    usages = []
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        for hour in HOURS:
            chosen = ["--hour", hour, "--subreddits", json.dumps(subreddits(posts))]
            usages.append(measure(["luigi", "--module", "jobs", "RedditPipeline", *chosen], Path(folder), url)[0])
        receipts = [json.loads(path.read_text()) for path in Path(folder).rglob("load-posts-*.json")]
    # Without the looks at known posts, which are loaded apart.
    first, update = (max((r for r in receipts if r["hour"] == hour), key=lambda r: r["rows"]) for hour in HOURS)
    expect(posts, first["inserted"])
    # A post that arrived meanwhile pushed another one off its listing.
    expect(posts, update["inserted"] + update["updated"])
    return usages[0], usages[1]


def measure(
    module: list[str],
    folder: Path,
    url: str,
    settings: Mapping[str, str] | None = None,
    *,
    python: Path = Path(sys.executable),
    group: Path | None = None,
) -> tuple[Usage, str]:
    """Run `python -m module …` in a folder; gives what it took and what it printed. `group` is a control group."""
    shutil.copy(PROJECT / "luigi.cfg", folder)
    variables = environment() | {"REDDIT_URL": url, "TMPDIR": str(folder)} | dict(settings or {})
    return measured([str(python), "-m", *module], folder, variables, group)


def measured(
    command: list[str], folder: Path, variables: Mapping[str, str], group: Path | None = None
) -> tuple[Usage, str]:
    """Run a command in a folder; gives what it took and what it printed."""
    report = folder / "usage.json"
    ended = subprocess.run(
        [sys.executable, "-S", PROJECT / "benchmarks" / "measured.py", report, group or "", *command],
        cwd=folder,
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode:
        raise RuntimeError(f"{' '.join(command[:4])} failed:\n{ended.stderr}")
    taken = json.loads(report.read_text())
    return Usage(taken["peak_bytes"] / 1e6, taken["cpu_seconds"], taken["wall_seconds"]), ended.stdout


def environment() -> dict[str, str]:
    """This process's, without any setting of the pipeline's own but its defaults."""
    settings = ("REDDIT_", "LAKE_", "WAREHOUSE_", "TRANSFORM_", "GLUE_", "REDSHIFT_", "LUIGI_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(settings)}
    return kept | {"PYTHONPATH": str(PROJECT)}


def expect(posts: int, found: int) -> None:
    if found != posts:
        raise RuntimeError(f"{found:,} posts arrived where {posts:,} were asked for: nothing was measured")


def where() -> str:
    """The day, the versions and the machine."""
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    return f"{datetime.now(UTC):%Y-%m-%d}, Python {platform.python_version()}, DuckDB {version('duckdb')}, {machine}"


def heading() -> list[str]:
    """What was measured where, and the head of the table."""
    return [
        where(),
        "",
        "| | posts | peak MB | CPU s | wall s | CPU ms a post |",
        "|---|---:|---:|---:|---:|---:|",
    ]


def row(name: str, posts: int, usage: Usage) -> str:
    per_post = 1000 * usage.cpu / posts
    return f"| {name} | {posts:,} | {usage.peak:.1f} | {usage.cpu:.1f} | {usage.wall:.1f} | {per_post:.2f} |"


def table(small: int, large: int) -> Iterator[str]:
    """The measurements as lines of Markdown, each as soon as it is done."""
    yield from heading()
    with sandbox() as url:
        extractions = [extraction(url, posts) for posts in (small, large)]
        for posts, usage in zip((small, large), extractions, strict=True):
            yield row("extraction alone", posts, usage)
        start, comments = tree(url)
        yield row("one tree of comments", 50_000, comments)
        jobs = []
        for posts in (small, large):
            first, update = whole_job(url, posts)
            yield row("whole job, first hour", posts, first)
            yield row("whole job, next hour: every row updated", posts, update)
            jobs += [first, update]
    growth = extractions[1].peak - extractions[0].peak
    highest = max(usage.peak for usage in jobs)
    yield ""
    yield f"- Extraction: {growth:+.1f} MB from {small:,} to {large:,} posts; the bound is {EXTRACTION_GROWTH:.0f} MB."
    yield f"- Tree: {comments.peak - start.peak:+.1f} MB above the imports; the bound is {TREE_GROWTH:.0f} MB."
    yield f"- Whole job: {highest:.1f} MB at its highest; the bound is {WHOLE_JOB:.0f} MB."


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument("--small", type=int, default=10_000, help=f"posts, in steps of {LISTING:,}")
    parser.add_argument("--large", type=int, default=100_000, help=f"posts, in steps of {LISTING:,}")
    arguments = parser.parse_args()
    for line in table(arguments.small, arguments.large):
        print(line, flush=True)


if __name__ == "__main__":
    main()
