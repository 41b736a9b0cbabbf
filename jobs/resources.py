"""What the tasks of one process share, made from the settings when it is first needed."""

import hashlib
import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING

from jobs.settings import Settings, misspelt
from reddit_etl.clock import Clock, clock_in, utc_now
from reddit_etl.lake import open_lake
from reddit_etl.lake.base import Lake
from reddit_etl.lake.index import Receipts
from reddit_etl.sources.client import RedditClient
from reddit_etl.transform import open_transform
from reddit_etl.transform.base import TransformEngine
from reddit_etl.warehouse import open_warehouse
from reddit_etl.warehouse.base import Warehouse

if TYPE_CHECKING:
    from reddit_etl.catalog.glue import Catalog

log = logging.getLogger(__name__)

REACH = timedelta(hours=48)
"""How far back a run looks: for what other runs left undone, and for what a listing held when it was last read."""

# The sandbox asks for a login like Reddit, and takes any.
VISITOR = ("sandbox", "sandbox", "linux:reddit-etl:sandbox (by /u/sandbox)")


SUBREDDITS: set[str] = set()
"""What this process was asked for: by them the sandbox finds a post of which it has served no listing."""


@cache
def settings() -> Settings:
    """All settings, after a warning for each variable that looks misspelt. Raises ConfigurationError."""
    for name, meant in misspelt().items():
        log.warning("an environment variable resembles a setting", extra={"variable": name, "maybe": meant})
    return Settings.read()


@cache
def lake() -> Lake:
    """The lake at LAKE_URL. Raises ConfigurationError for an invalid URL."""
    return open_lake(settings().lake_url)


@cache
def transform() -> TransformEngine:
    """The engine that TRANSFORM_ENGINE names. Raises ConfigurationError for an unknown one."""
    return open_transform(settings().transform_engine, glue_job=settings().glue_job_name)


@cache
def catalog() -> "Catalog | None":
    """The catalog in GLUE_DATABASE; None if that is not set."""
    database = settings().glue_database
    if not database:
        return None
    # boto3 is 25 MB of memory that a run without a catalog does not need.
    from reddit_etl.catalog.glue import Catalog  # noqa: PLC0415

    return Catalog(database)


@cache
def warehouse() -> Warehouse:
    """The warehouse at WAREHOUSE_URL. Raises ConfigurationError for an invalid URL or role."""
    chosen = settings()
    return open_warehouse(
        chosen.warehouse_url,
        copy_role=chosen.redshift_copy_role,
        workgroup=chosen.redshift_workgroup,
        cluster=chosen.redshift_cluster,
    )


@cache
def receipts(hour: datetime) -> Receipts:
    """Those of an hour and of the 48 before it, as they stood when the run began."""
    return _listed(hour - REACH, hour)


@cache
def past_receipts(hour: datetime) -> Receipts:
    """Those of the 48 hours before an hour, listed when they are first needed: the run may have done such hours too."""
    return Receipts(lake(), hour - REACH, hour - timedelta(hours=1))


def had_receipt(hour: datetime, key: str) -> bool:
    """Whether the receipt stood when the lake was last listed, so that not each is asked for by itself."""
    # Several in a range of hours: what a later one shows is there, though an earlier one lacks it.
    covering = [index for index in _listings() if index.covers(hour)] or [_listed(hour, hour)]
    return any(index.has(key) for index in covering)


def _listed(first: datetime, last: datetime) -> Receipts:
    found = Receipts(lake(), first, last)
    _listings().append(found)
    return found


@cache
def _listings() -> list[Receipts]:
    """What this process has listed."""
    return []


def warehouse_name() -> str:
    """A short name for the warehouse, the same for the same one."""
    return _short(warehouse().url)


def catalog_name() -> str:
    """A short name for the catalog; the empty one's is never a receipt's."""
    return _short(settings().glue_database or "")


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:6]


def clock(hour: datetime) -> Clock:
    """Real time for Reddit; for a sandbox, the run's own hour."""
    return clock_in(hour) if settings().source == "sandbox" else utc_now


@dataclass(frozen=True)
class Reddit:
    """The client with the clock that belongs to it; `source` is `reddit` or `sandbox`."""

    client: RedditClient
    clock: Clock
    source: str


def requests_sent(hour: datetime) -> int:
    """What this process asked of Reddit; nothing if no extract was left to do."""
    return reddit(hour).client.requests if reddit.cache_info().currsize else 0


@cache
def reddit(hour: datetime) -> Reddit:
    """Real Reddit, a stand-in at REDDIT_URL, or the sandbox, started in this process."""
    chosen = settings()
    url, now = chosen.reddit_url, clock(hour)
    if not chosen.has_login and not url:
        from reddit_etl.sandbox import start  # noqa: PLC0415

        url = start(clock=now, subreddits=SUBREDDITS)
        log.info("no Reddit credentials are set: the built-in sandbox answers, with invented data")
    login = (chosen.reddit_client_id, chosen.reddit_client_secret, chosen.reddit_user_agent)
    client_id, client_secret, user_agent = (given or visitor for given, visitor in zip(login, VISITOR, strict=True))
    client = RedditClient(client_id=client_id, client_secret=client_secret, user_agent=user_agent, url=url, clock=now)
    return Reddit(client=client, clock=now, source=chosen.source)
