"""All settings, each declared once, in one dataclass per subject.

The names that are accepted in the environment and in luigi.cfg, the checks and the table of docs/settings.md are made
from these.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import Field, dataclass, field, fields
from typing import Any

from reddit_etl.errors import ConfigurationError
from reddit_etl.lake import kind_of_lake
from reddit_etl.transform import kind_of_transform
from reddit_etl.warehouse import kind_of_warehouse

AGE = re.compile(r"([1-9]\d{0,3})([hd])", re.ASCII)
HOURS = {"h": 1, "d": 24}
MOST_AGE = 365 * 24
"""Hours."""
LEAST_DAYS = 7
"""Records must be there as long as they may still be transformed."""
MOST_AGES = 24
"""They are all in one name of a file, which 255 bytes limit."""


def setting(
    meaning: str,
    *,
    default: str = "",
    shown: str = "",
    parse: Callable[[str, str], Any] | None = None,
    needed: bool = False,
    in_file: bool = True,
    secret: bool = False,
) -> Any:
    """A setting: its meaning in Markdown and its default; `shown` is the default as the table shows it.

    `parse` reads its text, given its name in upper case; `in_file` says whether luigi.cfg may have it.
    """
    metadata = {"meaning": meaning, "default": default, "shown": shown or default, "parse": parse}
    return field(repr=not secret, metadata=metadata | {"needed": needed, "in_file": in_file})


def _ages(name: str, text: str) -> tuple[int, ...]:
    """Parse a list of ages; returns hours, ascending."""
    try:
        given = json.loads(text)
    except (ValueError, RecursionError):
        given = None
    found = (
        [AGE.fullmatch(age) if isinstance(age, str) else None for age in given] if isinstance(given, list) else [None]
    )
    ages = sorted({int(age[1]) * HOURS[age[2]] for age in found if age})
    if None in found or max(ages, default=0) > MOST_AGE or len(ages) > MOST_AGES:
        form = f'at most {MOST_AGES} ages from 1h to 365d, such as ["24h", "7d"]'
        raise ConfigurationError(f"{name}: {text!r} is not valid: use a JSON list of {form}")
    return tuple(ages)


def _count(name: str, text: str) -> int:
    if not re.fullmatch(r"[1-9]\d{0,6}", text, re.ASCII):
        raise ConfigurationError(f"{name}: {text!r} is not valid: use a number from 1 to 9999999")
    return int(text)


def _hours(name: str, text: str) -> int:
    if not re.fullmatch(r"0|[1-9]\d{0,3}", text, re.ASCII) or int(text) > MOST_AGE:
        raise ConfigurationError(f"{name}: {text!r} is not valid: use a number of hours from 0 to {MOST_AGE}")
    return int(text)


def _percent(name: str, text: str) -> int:
    if not re.fullmatch(r"0|[1-9]\d{0,2}", text, re.ASCII) or int(text) > 100:
        raise ConfigurationError(f"{name}: {text!r} is not valid: use a number of percent from 0 to 100")
    return int(text)


def _is_yes(name: str, text: str) -> bool:
    if text not in ("yes", "no"):
        raise ConfigurationError(f"{name}: {text!r} is not valid: use yes or no")
    return text == "yes"


def _days(name: str, text: str) -> int:
    if not re.fullmatch(r"0|[1-9]\d{0,4}", text, re.ASCII) or 0 < int(text) < LEAST_DAYS:
        raise ConfigurationError(f"{name}: {text!r} is not valid: use a number of days from {LEAST_DAYS}, or 0")
    return int(text)


def _checked(kind_of: Callable[[str], object]) -> Callable[[str, str], str]:
    """A URL or name, of which `kind_of` raises ConfigurationError if it is not supported."""

    def parse(_: str, text: str) -> str:
        kind_of(text)
        return text

    return parse


@dataclass(frozen=True)
class RedditSettings:
    """How to reach Reddit. None of these may be in luigi.cfg, which is committed with the project."""

    reddit_client_id: str | None = setting(
        "client ID of your Reddit app; set all three credentials, or none for the sandbox",
        shown="none: the sandbox",
        in_file=False,
        secret=True,
    )
    reddit_client_secret: str | None = setting("client secret of the app", shown="none", in_file=False, secret=True)
    reddit_user_agent: str | None = setting(
        "user agent, in the form `platform:app-id:version (by /u/name)`", shown="none", in_file=False
    )
    reddit_url: str | None = setting(
        "base URL for login and API, for tests; loopback addresses only", shown="Reddit", in_file=False
    )


@dataclass(frozen=True)
class CommentSettings:
    """Which comment trees are read, and how many requests they may take."""

    comment_tree_ages: tuple[int, ...] = setting(
        'JSON list of the ages at which a post\'s whole comment tree is read, such as `["24h", "7d"]`',
        default="[]",
        shown="`[]`: no trees",
        parse=_ages,
    )
    comment_tree_requests: int = setting(
        "maximum requests for comment trees per run; the rest is deferred to the next run",
        default="600",
        shown="`600`",
        parse=_count,
    )


@dataclass(frozen=True)
class RefreshSettings:
    """When known posts and comments are looked at again, and how many requests that may take."""

    refresh_ages: tuple[int, ...] = setting(
        "JSON list of the ages at which each known post and comment is looked at again; `[]` for none",
        default='["1h", "6h", "24h", "72h", "168h"]',
        shown='`["1h", "6h", "24h", "72h", "168h"]`',
        parse=_ages,
    )
    sweep_hours: int = setting(
        "hours within which each stored post and comment is looked at again, spread evenly; `0` for no sweep",
        default="20",
        shown="`20`",
        parse=_hours,
    )
    refresh_requests: int = setting(
        "maximum requests for looks per run, each of 100 posts and comments; the rest is deferred to the next run",
        default="600",
        shown="`600`",
        parse=_count,
    )
    notice_share: int = setting(
        "percent of the looks of a run: if more are newly absent, the run concludes no deletion",
        default="5",
        shown="`5`",
        parse=_percent,
    )


@dataclass(frozen=True)
class ForgetSettings:
    """What is removed from all stores once it has been taken back on Reddit."""

    forget_removed: bool = setting(
        "`yes` or `no`: whether what moderators or Reddit removed is forgotten like what its author deleted",
        default="yes",
        shown="`yes`",
        parse=_is_yes,
    )


@dataclass(frozen=True)
class LakeSettings:
    """Where objects and receipts are stored."""

    lake_url: str = setting(
        "local folder or `s3://bucket/prefix`", shown="`data/lake`", needed=True, parse=_checked(kind_of_lake)
    )
    raw_days: int = setting(
        "days that raw records and rejects are kept, at least 7; `0` to keep them for ever",
        default="90",
        shown="`90`",
        parse=_days,
    )


@dataclass(frozen=True)
class ReportSettings:
    """The report as a file of the lake."""

    daily_report: bool = setting(
        "`yes` or `no`: whether each maintenance puts the [report](report.md) into the lake; needs the extra `report`",
        default="no",
        shown="`no`",
        parse=_is_yes,
    )


@dataclass(frozen=True)
class TransformSettings:
    """What converts records to Parquet."""

    transform_engine: str = setting(
        "`duckdb` (in process) or `glue`", shown="`duckdb`", needed=True, parse=_checked(kind_of_transform)
    )
    glue_job_name: str | None = setting("name of the Glue job; required by `glue`", shown="none")


@dataclass(frozen=True)
class CatalogSettings:
    """Where the lake's tables are registered; optional."""

    glue_database: str | None = setting(
        "database of the Glue Data Catalog, in which Athena finds the lake", shown="none: no catalog"
    )


@dataclass(frozen=True)
class WarehouseSettings:
    """Where rows are loaded. The role, workgroup and cluster are used by Redshift only."""

    warehouse_url: str = setting(
        "DuckDB file, or `redshift+psycopg2://user:password@host:5439/database`; the port is optional; write `@` in a "
        "password as `%40`; or the URL of [another warehouse](another-warehouse.md)",
        shown="`duckdb:///data/warehouse.duckdb`",
        needed=True,
        secret=True,
        parse=_checked(kind_of_warehouse),
    )
    redshift_copy_role: str | None = setting(
        "ARN of the IAM role that Redshift assumes to read the lake; required by Redshift", shown="none"
    )
    redshift_workgroup: str | None = setting(
        "Redshift Serverless workgroup, to log in with temporary IAM credentials",
        shown="none: user and password in the URL",
    )
    redshift_cluster: str | None = setting("the same for a provisioned cluster", shown="none")


GROUPS = (
    RedditSettings,
    CommentSettings,
    RefreshSettings,
    ForgetSettings,
    LakeSettings,
    ReportSettings,
    TransformSettings,
    CatalogSettings,
    WarehouseSettings,
)


def declared() -> Iterator[Field[Any]]:
    """All settings, in the order of the table."""
    for group in GROUPS:
        yield from fields(group)


IN_FILE = tuple(one.name for one in declared() if one.metadata["in_file"])
"""The keys that luigi.cfg may have."""
NAMES = tuple(one.name.upper() for one in declared())
"""The names in the environment."""


def table() -> str:
    """The table of docs/settings.md."""
    rows = (f"| `{one.name.upper()}` | {one.metadata['shown']} | {one.metadata['meaning']} |" for one in declared())
    return "\n".join(("| name | default | meaning |", "|---|---|---|", *rows))
