"""Every setting, declared once: one dataclass for each thing that is chosen.

The names that are accepted in the environment and in luigi.cfg, the checks and the table of docs/settings.md are made
from these.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import Field, dataclass, field, fields
from typing import Any

from reddit_etl.errors import ConfigurationError

AGE = re.compile(r"([1-9]\d{0,3})([hd])", re.ASCII)
HOURS = {"h": 1, "d": 24}
MOST_AGE = 365 * 24
"""Hours."""


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
    """A setting: what it means, in Markdown, and what it is if nobody sets it (`shown` says that in the table).

    `parse` reads its text, given its name in capitals; `in_file` says whether luigi.cfg may have it.
    """
    metadata = {"meaning": meaning, "default": default, "shown": shown or default, "parse": parse}
    return field(repr=not secret, metadata=metadata | {"needed": needed, "in_file": in_file})


def _ages(name: str, text: str) -> tuple[int, ...]:
    """Hours, in order."""
    try:
        given = json.loads(text)
    except (ValueError, RecursionError):
        given = None
    found = (
        [AGE.fullmatch(age) if isinstance(age, str) else None for age in given] if isinstance(given, list) else [None]
    )
    ages = sorted({int(age[1]) * HOURS[age[2]] for age in found if age})
    if None in found or max(ages, default=0) > MOST_AGE:
        raise ConfigurationError(
            f'{name}: {text!r} cannot be read: write a JSON list of hours or days, a year at most, like ["24h", "7d"]'
        )
    return tuple(ages)


def _count(name: str, text: str) -> int:
    if not re.fullmatch(r"[1-9]\d{0,6}", text, re.ASCII):
        raise ConfigurationError(f"{name}: {text!r} cannot be read: write a number from 1 to 9999999")
    return int(text)


@dataclass(frozen=True)
class RedditSettings:
    reddit_client_id: str | None = setting(
        "with the next two, the login of your Reddit app", shown="none: the sandbox", in_file=False, secret=True
    )
    reddit_client_secret: str | None = setting("its secret", shown="none", in_file=False, secret=True)
    reddit_user_agent: str | None = setting(
        "how it names itself, `platform:app-id:version (by /u/name)`", shown="none", in_file=False
    )
    reddit_url: str | None = setting(
        "another host for login and API, on this machine only, for tests", shown="Reddit", in_file=False
    )


@dataclass(frozen=True)
class CommentSettings:
    comment_tree_ages: tuple[int, ...] = setting(
        'at which ages all comments below a post are read, like `["24h", "7d"]`', default="[]", parse=_ages
    )
    comment_tree_requests: int = setting(
        "requests for these in one run, at most; the rest is left for the next", default="600", parse=_count
    )


@dataclass(frozen=True)
class LakeSettings:
    lake_url: str = setting("a folder, or `s3://bucket/prefix`", shown="`data/lake`", needed=True)


@dataclass(frozen=True)
class TransformSettings:
    transform_engine: str = setting("`duckdb`, in the process, or `glue`", shown="`duckdb`", needed=True)
    glue_job_name: str | None = setting("the Glue job of the engine `glue`", shown="none")


@dataclass(frozen=True)
class CatalogSettings:
    glue_database: str | None = setting("the Glue database that Athena finds the lake by", shown="none: no catalog")


@dataclass(frozen=True)
class WarehouseSettings:
    warehouse_url: str = setting(
        "a DuckDB file, or `redshift+psycopg2://user:password@host:5439/database`; the port may be left out, an `@` in "
        "a password is written `%40`",
        shown="`duckdb:///data/warehouse.duckdb`",
        needed=True,
        secret=True,
    )
    redshift_copy_role: str | None = setting("ARN of the role by which Redshift reads the lake", shown="none")
    redshift_workgroup: str | None = setting(
        "with this or the next, log in as the job's AWS identity", shown="none: user and password in the URL"
    )
    redshift_cluster: str | None = setting("the same for a cluster", shown="none")


GROUPS = (RedditSettings, CommentSettings, LakeSettings, TransformSettings, CatalogSettings, WarehouseSettings)


def declared() -> Iterator[Field[Any]]:
    """All settings, in the order of the table."""
    for group in GROUPS:
        yield from fields(group)


IN_FILE = tuple(one.name for one in declared() if one.metadata["in_file"])
"""What luigi.cfg may have."""
NAMES = tuple(one.name.upper() for one in declared())
"""In the environment."""


def table() -> str:
    """The table of docs/settings.md."""
    rows = (f"| `{one.name.upper()}` | {one.metadata['shown']} | {one.metadata['meaning']} |" for one in declared())
    return "\n".join(("| name | default | meaning |", "|---|---|---|", *rows))
