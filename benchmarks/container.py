"""An hour in a container of 0.25 vCPU, in seconds and dollars: `python -m benchmarks.container`. Prints Markdown.

The process runs under a CPU quota, in a control group of its own. Where none can be made, its seconds are computed from
the CPU time of a run without one, which the table says.
"""

import argparse
import json
import secrets
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from batch import prices
from benchmarks.memory import HOURS, LISTING, Usage, measure, subreddits, where
from benchmarks.servers import LOGIN, Servers, account, servers

VCPU, MEMORY_GB, RPUS = 0.25, 0.5, 4  # The defaults of batch/stack.yaml.
PERIOD = 100_000  # Microseconds, the kernel's default.
SUBREDDITS = (3, 100)
LIMIT = 100  # Reddit's, requests a minute.


@contextmanager
def quota() -> Iterator[Path | None]:
    """A control group that gets VCPU; None where none can be made, or its processes get more."""
    root = Path("/sys/fs/cgroup")
    first_version = (root / "cpu").is_dir()
    group = (root / "cpu" if first_version else root) / f"benchmark-{secrets.token_hex(4)}"
    allowed = int(VCPU * PERIOD)
    try:
        group.mkdir()
        if first_version:
            (group / "cpu.cfs_quota_us").write_text(str(allowed))
        else:
            (group / "cpu.max").write_text(f"{allowed} {PERIOD}")
    except OSError:
        if group.exists():
            group.rmdir()
        yield None
        return
    try:
        yield group
    finally:
        group.rmdir()


def hour(number: int, world: Servers, group: Path | None) -> tuple[Usage, int]:
    """The next hour of so many subreddits, which updates their rows; with its requests to S3."""
    world.redshift.reset()
    bucket = account(world.s3)
    settings = LOGIN | bucket.environment | world.redshift_settings | {"LAKE_URL": bucket.lake}
    names = json.dumps(subreddits(LISTING * number))
    before = 0
    with tempfile.TemporaryDirectory(prefix="benchmark-") as name:
        for when, limit in ((HOURS[0], None), (HOURS[1], group)):
            before = bucket.requests
            world.reddit.set(f"{when}:30")
            chosen = ["--hour", when, "--subreddits", names, "--listings", '["new"]']
            command = ["luigi", "--module", "jobs", "RedditPipeline", *chosen]
            usage, _ = measure(command, Path(name), world.reddit.url, settings, group=limit)
    return usage, bucket.requests - before


def extraction(number: int, world: Servers, group: Path | None) -> Usage:
    """So many listings read into a folder, and nothing else."""
    with tempfile.TemporaryDirectory(prefix="benchmark-") as name:
        module = ["benchmarks.extraction", world.reddit.url, *subreddits(LISTING * number)]
        return measure(module, Path(name), world.reddit.url, group=group)[0]


def seconds(usage: Usage, group: Path | None) -> float:
    """Of the wall clock with VCPU."""
    return usage.wall if group else usage.cpu / VCPU


def dollars(wall: float, requests: int) -> tuple[float, float, float]:
    """Of the container, of S3 with every request at the price of a write, and of Redshift's shortest session."""
    fargate = VCPU * prices.FARGATE_CPU + MEMORY_GB * prices.FARGATE_MEMORY + prices.IPV4
    redshift = prices.REDSHIFT_MINUTES / 60 * RPUS * prices.REDSHIFT
    return wall / 3600 * fargate, requests / 1000 * prices.PUTS, redshift


def table(numbers: Sequence[int] = SUBREDDITS) -> Iterator[str]:
    with servers() as world, quota() as group:
        hours = {number: hour(number, world, group) for number in numbers}
        alone = seconds(extraction(max(numbers), world, group), group)
    how = (
        f"under a quota of {VCPU} CPU"
        if group
        else f"computed: CPU seconds / {VCPU}, no control group can be made here"
    )
    yield f"{where()}; seconds {how}"
    yield ""
    yield "| subreddits | posts | s | CPU s | peak MB | requests to S3 | container $ | S3 $ | Redshift $ |"
    yield "|---:|---:|---:|---:|---:|---:|---:|---:|---:|"
    for number, (usage, requests) in hours.items():
        wall = seconds(usage, group)
        container, s3, redshift = dollars(wall, requests)
        yield (
            f"| {number} | {LISTING * number:,} | {wall:.1f} | {usage.cpu:.1f} | {usage.peak:.0f} | {requests:,} "
            f"| {container:.5f} | {s3:.5f} | {redshift:.5f} |"
        )
    pages = max(numbers) * LISTING // 100
    yield ""
    yield (
        f"- Extraction alone: {pages:,} requests in {alone:.1f} s, for which Reddit's limit of {LIMIT} a minute allows "
        f"{pages / LIMIT * 60:.0f} s: {alone / (pages / LIMIT * 60):.1%} of the container's time at that limit."
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.container", description=__doc__)
    parser.add_argument("subreddits", type=int, nargs="*", default=SUBREDDITS)
    for line in table(parser.parse_args().subreddits):
        print(line, flush=True)


if __name__ == "__main__":
    main()
