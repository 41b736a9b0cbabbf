"""`python -m jobs doctor`: try each setting and right that a run needs, before anything is spent.

Each check does what the run itself will do, and leaves nothing behind but the probe objects under `doctor/` in the
lake, and the catalog's empty table.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from jobs import resources
from jobs.pipeline import RedditPipeline
from reddit_etl.clock import hour_of, utc_now
from reddit_etl.entities import POSTS
from reddit_etl.errors import EtlError, LakeError
from reddit_etl.selection import checked_subreddits

PROBE = "doctor/probe.json"
CONTENT = b'{"probe": "ok"}\n'


@dataclass(frozen=True)
class Finding:
    name: str
    mark: str
    """ok, WRONG, or - for what was not tried."""
    text: str

    @property
    def good(self) -> bool:
        return self.mark == "ok"

    def __str__(self) -> str:
        return f"{self.mark:<7}{self.name:<11}{self.text}"


def examine() -> Iterator[Finding]:
    """One finding a line, in the order of a run. What hangs on something wrong is not tried."""
    blame: dict[str, set[str]] = {}
    for name, needs, check in CHECKS:
        wrong = set().union(*(blame[need] for need in needs))
        if wrong:
            finding = Finding(name, "-", f"not tried: mend {' and '.join(sorted(wrong))} first")
        else:
            try:
                finding = Finding(name, "ok", check())
            except (EtlError, OSError) as error:
                finding = Finding(name, "WRONG", " ".join(str(error).split()))
        blame[name] = wrong or (set() if finding.good else {name})
        yield finding


def _settings() -> str:
    chosen = resources.settings()
    return f"transformation by {chosen.transform_engine}, rows from {chosen.source}"


def _reddit() -> str:
    chosen = resources.settings()
    defaults = dict(RedditPipeline.get_param_values(RedditPipeline.get_params(), [], {}))  # type: ignore[no-untyped-call]
    # In production a run is told them by its command. This one is always there.
    [subreddit, *_] = checked_subreddits(defaults["subreddits"] or ("announcements",))
    reddit = resources.reddit(hour_of(utc_now()))
    for _ in reddit.client.listing(subreddit, "new", limit=1):
        break
    who = "the sandbox" if not chosen.credentials else f"{chosen.reddit_url or 'Reddit'} logs this client in and"
    return f"{who} answers for r/{subreddit}"


class _Enough(Exception):
    """The upload is to be given up."""


def _lake() -> str:
    lake = resources.lake()
    lake.create(PROBE, CONTENT)
    if lake.read(PROBE) != CONTENT:
        raise LakeError(f"LAKE_URL: {lake.url}/{PROBE} is not what was put there: remove it")
    if lake.create(PROBE, b"another"):
        raise LakeError(f"LAKE_URL: {lake.url} lets an object be replaced: receipts need a store with If-None-Match")
    with suppress(_Enough), lake.open_new("doctor/given-up") as stream:
        stream.write(CONTENT)
        raise _Enough
    if PROBE not in lake.keys("doctor/"):
        raise LakeError(f"LAKE_URL: {lake.url} does not list what is in it")
    return f"{lake.url} is read, written, listed, and keeps what is created once"


def _transform() -> str:
    return resources.transform().check()


def _catalog() -> str:
    catalog = resources.catalog()
    if not catalog:
        return "none is kept (GLUE_DATABASE is not set)"
    catalog.prepare(entity=POSTS, lake=resources.lake())
    return f"{resources.settings().glue_database} has the table and the views"


def _warehouse() -> str:
    return resources.warehouse().check(entity=POSTS, lake=resources.lake(), probe=PROBE)


# A name, what must be well before it makes sense to try, and the check, which says what it found.
CHECKS: tuple[tuple[str, tuple[str, ...], Callable[[], str]], ...] = (
    ("settings", (), _settings),
    ("reddit", ("settings",), _reddit),
    ("lake", ("settings",), _lake),
    ("transform", ("settings",), _transform),
    ("catalog", ("settings", "lake"), _catalog),
    ("warehouse", ("settings", "lake"), _warehouse),
)
