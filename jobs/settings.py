"""Settings enter here: from the environment, else from `[reddit_etl]` in luigi.cfg. Secrets only from the environment.

A relative path means the working directory if the environment has it, the file's folder if luigi.cfg has it.

LAKE_URL              s3://bucket/prefix or a folder
TRANSFORM_ENGINE      duckdb or glue
GLUE_JOB_NAME         the Glue job of the engine glue
GLUE_DATABASE         where the catalog of the lake is kept for Athena; without it there is none
WAREHOUSE_URL         duckdb:///path/to/file.duckdb or redshift+psycopg2://user:password@host:5439/database
REDSHIFT_COPY_ROLE    ARN of the role by which Redshift reads the lake
REDSHIFT_WORKGROUP    with this or the next, the job's AWS identity logs in to Redshift: no user and password in the URL
REDSHIFT_CLUSTER
REDDIT_CLIENT_ID      with the next two: real Reddit; none of the three: the sandbox
REDDIT_CLIENT_SECRET
REDDIT_USER_AGENT     platform:app-id:version (by /u/name)
REDDIT_URL            another host for Reddit, on this machine only
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Self
from urllib.parse import urlsplit

from jobs.config import SECTION, check_file, stored, whole
from reddit_etl.errors import ConfigurationError
from reddit_etl.lake import kind_of_lake
from reddit_etl.loopback import is_loopback
from reddit_etl.sources.selection import check_clean, check_user_agent
from reddit_etl.transform import kind_of_transform
from reddit_etl.warehouse import kind_of_warehouse

NEEDED = ("lake_url", "transform_engine", "warehouse_url")
IN_FILE = (*NEEDED, "glue_job_name", "glue_database", "redshift_copy_role", "redshift_workgroup", "redshift_cluster")
CREDENTIALS = ("REDDIT_CLIENT_ID", "REDDIT_CLIENT_SECRET", "REDDIT_USER_AGENT")
AWS_CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
NAMES = (*(name.upper() for name in IN_FILE), *CREDENTIALS, "REDDIT_URL")
"""In the environment."""


@dataclass(frozen=True)
class RedditCredentials:
    client_id: str = field(repr=False)
    client_secret: str = field(repr=False)
    user_agent: str


@dataclass(frozen=True)
class Settings:
    lake_url: str
    transform_engine: str
    warehouse_url: str = field(repr=False)
    """May hold a password."""
    glue_job_name: str | None
    glue_database: str | None
    redshift_copy_role: str | None
    redshift_workgroup: str | None
    redshift_cluster: str | None
    credentials: RedditCredentials | None
    """None: the sandbox answers."""
    reddit_url: str | None

    @classmethod
    def read(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Raises ConfigurationError, which names the setting and the fix."""
        ours = (name for name in environment if name in NAMES or name.startswith("AWS_"))
        _check_encoding({name: environment[name] for name in ours})
        check_file(environment.get("LUIGI_CONFIG_PATH", ""), IN_FILE)
        values: dict[str, Any] = {name: _value(name, environment) for name in IN_FILE}
        credentials = _credentials(environment)
        check_clean({name: environment.get(name, "") for name in AWS_CREDENTIALS})
        reddit_url = _loopback(environment.get("REDDIT_URL"))
        lake, warehouse = kind_of_lake(values["lake_url"]), kind_of_warehouse(values["warehouse_url"])
        glue = kind_of_transform(values["transform_engine"]) == "glue"
        _check_engines(values, glue=glue, redshift=warehouse == "redshift", s3=lake == "s3")
        for name, own, endpoint in (
            ("LAKE_URL", lake == "folder", _endpoint(environment, "S3")),
            ("Glue", not glue and values["glue_database"] is None, _endpoint(environment, "GLUE")),
            ("WAREHOUSE_URL", warehouse == "duckdb", values["warehouse_url"]),
        ):
            # A test may bring stand-ins for Reddit and for AWS together; neither is ever mixed with the real other.
            rehearsal = credentials is not None and reddit_url is not None and _is_loopback(endpoint)
            if (credentials is None or reddit_url is not None) and not own and not rehearsal:
                raise ConfigurationError(
                    f"{name} is not of this machine, so only real Reddit is loaded: "
                    f"set {', '.join(CREDENTIALS)}, and unset REDDIT_URL"
                )
        return cls(**values, credentials=credentials, reddit_url=reddit_url)

    @property
    def source(self) -> str:
        """Where the rows say that they come from."""
        return "reddit" if self.credentials and not self.reddit_url else "sandbox"


def misspelt(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Names in the environment that are no setting's, each with the unset setting that it resembles."""
    # REDIS_URL is another program's.
    unset = [name for name in NAMES if name not in environment and name != "REDDIT_URL"]
    others = [name for name in environment if name not in NAMES]
    meant = {name: get_close_matches(name.upper(), unset, n=1, cutoff=0.81) for name in others}
    return {name: setting for name, found in meant.items() for setting in found}


def _check_encoding(values: Mapping[str, str]) -> None:
    for name, value in values.items():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            # How Python keeps such a byte; no library can send it on.
            raise ConfigurationError(f"{name} has a byte that is not UTF-8: set it in UTF-8") from error


def _value(name: str, environment: Mapping[str, str]) -> str | None:
    kept = stored(name)
    value = environment.get(name.upper()) or (kept and whole(name, kept))
    if not value:
        if name in NEEDED:
            raise ConfigurationError(f"{name.upper()} is not set: set it, or {name} in luigi.cfg's [{SECTION}]")
        return None
    # The folder of luigi.cfg may have one.
    _check_encoding({name.upper(): value})
    if value != value.strip():
        raise ConfigurationError(f"{name.upper()} has white space around it: set it without")
    return value


def _check_engines(values: Mapping[str, str | None], *, glue: bool, redshift: bool, s3: bool) -> None:
    """What an engine of AWS needs beside its own setting."""
    for chosen, setting, needed in (
        (glue, "TRANSFORM_ENGINE is glue", "glue_job_name"),
        (redshift, "WAREHOUSE_URL is Redshift's", "redshift_copy_role"),
    ):
        if chosen and not values[needed]:
            raise ConfigurationError(f"{setting}, and {needed.upper()} is not set: set it")
    for chosen, setting in (
        (glue, "TRANSFORM_ENGINE is glue"),
        (redshift, "WAREHOUSE_URL is Redshift's"),
        (values["glue_database"] is not None, "GLUE_DATABASE is set"),
    ):
        if chosen and not s3:
            raise ConfigurationError(f"{setting}, and LAKE_URL is not s3://bucket/prefix: set it to one")


def _credentials(environment: Mapping[str, str]) -> RedditCredentials | None:
    values = {name: environment.get(name, "") for name in CREDENTIALS}
    missing = [name for name, value in values.items() if not value.strip()]
    if len(missing) == len(CREDENTIALS):
        return None
    if missing:
        raise ConfigurationError(
            f"{' and '.join(missing)} missing: set all of {', '.join(CREDENTIALS)}, or none for the sandbox"
        )
    check_clean(values)
    check_user_agent(values["REDDIT_USER_AGENT"])
    return RedditCredentials(*values.values())


def _endpoint(environment: Mapping[str, str], service: str) -> str:
    """Where boto3 will look for the service; empty for AWS itself."""
    if environment.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() == "true":
        return ""
    return environment.get(f"AWS_ENDPOINT_URL_{service}") or environment.get("AWS_ENDPOINT_URL", "")


def _is_loopback(url: str) -> bool:
    """Whether the URL names this machine."""
    try:
        return is_loopback(urlsplit(url).hostname)
    except ValueError:
        return False


def _loopback(url: str | None) -> str | None:
    if not url:
        return None
    fix = "REDDIT_URL: only this machine is taken, like http://127.0.0.1:8080"
    if not _is_loopback(url):
        raise ConfigurationError(fix)
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        port = None
    if not port or parts.scheme not in ("http", "https") or parts.path.strip("/") or parts.username:
        raise ConfigurationError(fix)
    return url.rstrip("/")
