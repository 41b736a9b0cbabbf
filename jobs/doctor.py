"""`python -m jobs doctor`: check each setting and permission that a run needs, before anything is spent.

Each check does what a run will do, and leaves only the probe objects under `doctor/` in the lake, and the catalog's
empty tables. A check without a response fails after its deadline.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

from jobs import resources
from jobs.config import check_section
from jobs.maintenance import Maintenance
from jobs.pipeline import RedditPipeline
from jobs.settings import misspelt
from reddit_etl.clock import hour_of, utc_now
from reddit_etl.entities import ENTITIES
from reddit_etl.errors import ConfigurationError, EtlError, LakeError
from reddit_etl.lake import kind_of_lake
from reddit_etl.sources.selection import checked_subreddits
from reddit_etl.warehouse import DUCKDB, kind_of_warehouse

FOLDER = "doctor"
PROBE = f"{FOLDER}/probe.json"
CONTENT = b'{"probe": "ok"}\n'
LARGE = 6_000_000  # Bytes.
DEADLINE = 10.0  # Seconds per check.
LEAST_FREE = 500_000_000
"""Bytes. A run of 100,000 posts writes less, but a disk with less free space is nearly full."""


@dataclass(frozen=True)
class Finding:
    """The result of one check; as text it is one line of the doctor's output, or one for each fault."""

    name: str
    mark: str
    """ok, WRONG, or - for a skipped check."""
    text: str
    """A line for each fault."""

    @property
    def good(self) -> bool:
        """False for a check that failed or was skipped."""
        return self.mark == "ok"

    def __str__(self) -> str:
        return "\n".join(f"{self.mark:<7}{self.name:<11}{line}" for line in self.text.split("\n"))


@dataclass(frozen=True)
class Check:
    """The check of a setting or permission. `run` raises EtlError or OSError if it fails."""

    name: str
    needs: tuple[str, ...]
    """Checks that must pass first."""
    run: Callable[[], str]
    """Returns what it found."""
    timeout_fix: str = "check the disk"
    """What to do if there is no response."""


def examine(deadline: float = DEADLINE) -> Iterator[Finding]:
    """One finding per check, in the order of a run. Checks that depend on a failed one are skipped."""
    causes: dict[str, set[str]] = {}
    for check in CHECKS:
        failed = set().union(*(causes[need] for need in check.needs))
        if failed:
            finding = Finding(check.name, "-", f"skipped: fix {' and '.join(sorted(failed))} first")
        else:
            finding = _found(check, deadline)
        causes[check.name] = failed or (set() if finding.good else {check.name})
        yield finding


def _found(check: Check, deadline: float) -> Finding:
    """Run the check in a thread, since a wait within a C library cannot be ended; the process ends the thread."""
    result: Future[str] = Future()

    def run() -> None:
        try:
            result.set_result(check.run())
        except BaseException as error:  # noqa: BLE001
            result.set_exception(error)

    Thread(target=run, daemon=True).start()
    if wait([result], timeout=deadline).not_done:
        return Finding(check.name, "WRONG", f"no response within {deadline:.0f} s: {check.timeout_fix}")
    try:
        return Finding(check.name, "ok", result.result())
    except (EtlError, OSError) as error:
        faults = error.faults if isinstance(error, ConfigurationError) else (str(error),)
        return Finding(check.name, "WRONG", "\n".join(" ".join(fault.split()) for fault in faults))
    except SystemExit as end:
        # From a parameter in luigi.cfg.
        return Finding(check.name, "WRONG", str(end.__cause__))


def _settings() -> str:
    chosen = resources.settings()
    return f"transformation by {chosen.transform_engine}, rows from {chosen.source}"


def _names() -> str:
    found = [f"{name} is not a setting: rename it to {meant}, or unset it" for name, meant in misspelt().items()]
    if found:
        raise ConfigurationError(*found)
    for task in (RedditPipeline, Maintenance):
        check_section(task.__name__, [name for name, _ in task.get_params()])  # type: ignore[no-untyped-call]
    return "no misspelled settings found"


def _disk() -> str:
    chosen = resources.settings()
    folders = {"TMPDIR": Path(tempfile.gettempdir())}
    if kind_of_lake(chosen.lake_url) == "folder":
        folders["LAKE_URL"] = Path(chosen.lake_url)
    if kind_of_warehouse(chosen.warehouse_url) == "duckdb":
        folders["WAREHOUSE_URL"] = Path(chosen.warehouse_url.removeprefix(DUCKDB)).parent
    free = {}
    for setting, folder in folders.items():
        whole = folder.expanduser().absolute()
        there = next(path for path in (whole, *whole.parents) if path.exists())
        free[f"{setting}: {there}"] = shutil.disk_usage(there).free
    full = [f"{path} has {count / 1e6:,.0f} MB free" for path, count in free.items() if count < LEAST_FREE]
    if full:
        fix = f"free up {LEAST_FREE / 1e6:.0f} MB, or use another disk"
        raise ConfigurationError(f"{'; '.join(full)}: {fix}")
    return f"{min(free.values()) / 1e9:,.1f} GB free on the local disks that a run writes to"


def _reddit() -> str:
    chosen = resources.settings()
    defaults = dict(RedditPipeline.get_param_values(RedditPipeline.get_params(), [], {}))  # type: ignore[no-untyped-call]
    # In production they are options of the command. This subreddit always exists.
    [subreddit, *_] = checked_subreddits(defaults["subreddits"] or ("announcements",))
    reddit = resources.reddit(hour_of(utc_now()))
    for _ in reddit.client.listing(subreddit, "new", limit=1):
        break
    who = "the sandbox" if not chosen.has_login else f"{chosen.reddit_url or 'Reddit'} accepts the credentials and"
    return f"{who} returns r/{subreddit}"


class _Abort(Exception):
    """Aborts the upload."""


def _lake() -> str:
    lake = resources.lake()
    lake.create(PROBE, CONTENT)
    if lake.read(PROBE) != CONTENT:
        raise LakeError(f"LAKE_URL: {lake.url}/{PROBE} differs from what was written: remove it")
    if lake.create(PROBE, b"another"):
        raise LakeError(
            f"LAKE_URL: {lake.url} overwrites existing objects: receipts need a store that supports If-None-Match"
        )
    with suppress(_Abort), lake.open_new(f"{FOLDER}/given-up") as stream:
        # A smaller object is written in one request, without an upload that could be aborted.
        stream.write(bytes(LARGE))
        raise _Abort
    if PROBE not in lake.keys(f"{FOLDER}/"):
        raise LakeError(f"LAKE_URL: {lake.url} does not list its objects")
    return f"{lake.url} can be read, written and listed, and supports conditional create"


def _transform() -> str:
    return resources.transform().check()


def _catalog() -> str:
    catalog = resources.catalog()
    if not catalog:
        return "not configured (GLUE_DATABASE is not set)"
    for entity in ENTITIES.values():
        catalog.prepare(entity=entity, lake=resources.lake())
    return f"{resources.settings().glue_database} has the tables and the views"


def _warehouse() -> str:
    [*_, found] = (
        resources.warehouse().check(entity=entity, lake=resources.lake(), folder=FOLDER) for entity in ENTITIES.values()
    )
    return found


CHECKS = (
    Check("settings", (), _settings),
    Check("names", (), _names),
    Check("disk", ("settings",), _disk),
    Check("reddit", ("settings",), _reddit, "check the network and its proxy, and REDDIT_URL if it is set"),
    Check("lake", ("settings",), _lake, "check LAKE_URL, and the network to it"),
    Check("transform", ("settings",), _transform, "check TRANSFORM_ENGINE and GLUE_JOB_NAME, and the network to AWS"),
    Check("catalog", ("settings", "lake"), _catalog, "check GLUE_DATABASE, and the network to AWS"),
    Check(
        "warehouse",
        ("settings", "lake"),
        _warehouse,
        "check WAREHOUSE_URL and the network to it; Redshift Serverless may need longer to start: repeat the command",
    ),
)
