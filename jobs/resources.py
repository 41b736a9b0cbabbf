"""What the tasks of a process share, created from the settings on first use."""

import hashlib
import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING

from jobs import progress
from jobs.settings import Settings, misspelt
from reddit_etl.clock import Clock, clock_in, utc_now
from reddit_etl.entities import ENTITIES
from reddit_etl.errors import ConfigurationError
from reddit_etl.lake import open_lake, tombstones
from reddit_etl.lake.index import ReceiptKey, Receipts
from reddit_etl.lake.layout import RECEIPTS
from reddit_etl.lake.packed import PackedLake
from reddit_etl.transform import open_transform
from reddit_etl.transform.base import TransformEngine
from reddit_etl.warehouse import due, open_warehouse
from reddit_etl.warehouse.base import Warehouse

if TYPE_CHECKING:
    from reddit_etl.catalog.glue import Catalog
    from reddit_etl.sources.client import RedditClient

log = logging.getLogger(__name__)

REACH = timedelta(hours=48)
"""How far back a run looks: for what other runs left undone, and for what a listing held when it was last read."""

COPIES = 64 << 20
"""Bytes of the objects of a run that the next tasks take from a local file: of 300 listings with 1,000 posts each."""

# The sandbox requires credentials like Reddit, and accepts any.
VISITOR = ("sandbox", "sandbox", "linux:reddit-etl:sandbox (by /u/sandbox)")


@cache
def settings() -> Settings:
    """All settings, after a warning for each variable that looks misspelt. Raises ConfigurationError."""
    for name, meant in misspelt().items():
        log.warning("an environment variable resembles a setting", extra={"variable": name, "maybe": meant})
    return Settings.read()


@cache
def lake() -> PackedLake:
    """The lake at LAKE_URL. Raises ConfigurationError for an invalid URL."""
    # Glue and Redshift read S3 themselves.
    return PackedLake(open_lake(settings().lake_url, copies=COPIES if settings().transform_engine == "duckdb" else 0))


def used_lake() -> PackedLake:
    """The lake, which must have receipts: a wrong URL must not pass for a lake without the content.

    Raises ConfigurationError.
    """
    if not lake().folders(RECEIPTS):
        raise ConfigurationError(f"LAKE_URL: {lake().url} has no receipts: use the lake of the pipeline's runs")
    return lake()


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
    # boto3 takes 25 MB of memory, which a run without a catalog does not need.
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
    """Those of an hour and of the 48 hours before it, as of the beginning of the run."""
    return _listed(hour - REACH, hour)


@cache
def past_receipts(hour: datetime) -> Receipts:
    """Those of the 48 hours before an hour, listed on first use, since the run may have added some."""
    return Receipts(lake(), hour - REACH, hour - timedelta(hours=1))


def had_receipt(hour: datetime, key: str) -> bool:
    """Whether the receipt existed when the lake was last listed, which saves a request per receipt."""
    # A range of hours has several listings; a receipt that is only in a later one exists, too.
    covering = [index for index in _listings() if index.covers(hour)] or [_listed(hour, hour)]
    return any(index.has(key) for index in covering)


def may_be(key: str) -> bool:
    """The same for a receipt of any hour."""
    found = ReceiptKey.parse(key)
    return found is None or had_receipt(found.hour, key)


@cache
def listed_tombstones() -> list[str]:
    """The keys of all tombstones, as of the first use."""
    return list(tombstones.keys(lake()))


@cache
def loaded_again() -> set[str]:
    """The loads that this process has repeated."""
    return set()


def _listed(first: datetime, last: datetime) -> Receipts:
    found = Receipts(lake(), first, last)
    _listings().append(found)
    return found


@cache
def _listings() -> list[Receipts]:
    """The listings of this process."""
    return []


def warehouse_name() -> str:
    """A short hash of the warehouse's URL."""
    return _short(warehouse().url)


def catalog_name() -> str:
    """A short hash of the catalog's name; without a catalog no receipt has it."""
    return _short(settings().glue_database or "")


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:6]


def clock(hour: datetime) -> Clock:
    """Real time for Reddit; for the sandbox, a time in the hour of the run."""
    return clock_in(hour) if settings().source == "sandbox" else utc_now


@dataclass(frozen=True)
class Reddit:
    """The client with the clock that belongs to it; `source` is `reddit` or `sandbox`."""

    client: "RedditClient"
    clock: Clock
    source: str


def requests_sent(hour: datetime) -> int:
    """Requests that this process sent to Reddit; 0 if no extract was left to do."""
    return reddit(hour).client.requests if reddit.cache_info().currsize else 0


def know_stored() -> None:
    """Let the sandbox of this process find by their ids what is stored, of the subreddits of all earlier runs too.

    The ids do not say of which subreddit they are. Raises WarehouseError.
    """
    if not _is_sandbox():
        return
    from reddit_etl.sandbox import know  # noqa: PLC0415

    with warehouse().reading():
        for entity in ENTITIES.values():
            found = warehouse().find(entity.name, due.subreddits(entity), [settings().source])
            know(str(name) for (name,) in found)


def _is_sandbox() -> bool:
    """Whether the sandbox of this process stands for Reddit."""
    return not settings().has_login and not settings().reddit_url


@cache
def reddit(hour: datetime) -> Reddit:
    """Real Reddit, a stand-in at REDDIT_URL, or the sandbox, started in this process."""
    # PRAW takes a tenth of the CPU of a run that has nothing to read.
    from reddit_etl.sources.client import RedditClient  # noqa: PLC0415

    chosen = settings()
    url, now = chosen.reddit_url, clock(hour)
    if _is_sandbox():
        from reddit_etl.sandbox import start  # noqa: PLC0415

        url = start(clock=now)
        log.info("no Reddit credentials set: using the built-in sandbox with invented data")
    login = (chosen.reddit_client_id, chosen.reddit_client_secret, chosen.reddit_user_agent)
    client_id, client_secret, user_agent = (given or visitor for given, visitor in zip(login, VISITOR, strict=True))
    client = RedditClient(
        client_id=client_id,
        client_secret=client_secret,
        user_agent=user_agent,
        url=url,
        clock=now,
        waits=progress.CURRENT.wait,
    )
    return Reddit(client=client, clock=now, source=chosen.source)
