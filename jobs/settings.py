"""Settings enter here: from the environment, else from `[reddit_etl]` in luigi.cfg. Secrets only from the environment.

LAKE_URL              s3://bucket/prefix or a folder
TRANSFORM_ENGINE      duckdb
WAREHOUSE_URL         duckdb:///path/to/file.duckdb
REDDIT_CLIENT_ID      with the next two: real Reddit; none of the three: the sandbox
REDDIT_CLIENT_SECRET
REDDIT_USER_AGENT     platform:app-id:version (by /u/name)
REDDIT_URL            another host for Reddit, on this machine only
"""

import ipaddress
import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from luigi.configuration import get_config

from reddit_etl.errors import ConfigurationError

SECTION = "reddit_etl"
IN_FILE = ("lake_url", "transform_engine", "warehouse_url")
CREDENTIALS = ("REDDIT_CLIENT_ID", "REDDIT_CLIENT_SECRET", "REDDIT_USER_AGENT")
USER_AGENT = re.compile(r"[^:\s]+:[^:\s]+:[^:\s]+ \(by /?u/[\w-]{3,20}\)", re.ASCII)


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
    credentials: RedditCredentials | None
    """None: the sandbox answers."""
    reddit_url: str | None

    @classmethod
    def read(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Raises ConfigurationError, which names the setting and the fix."""
        values = {name: environment.get(name.upper()) or _from_file(name) for name in IN_FILE}
        credentials = _credentials(environment)
        if credentials is None and values["lake_url"].startswith("s3:"):
            raise _no_sandbox(f"LAKE_URL {values['lake_url']}")
        if credentials is None and not values["warehouse_url"].startswith("duckdb:"):
            raise _no_sandbox("this WAREHOUSE_URL")
        return cls(**values, credentials=credentials, reddit_url=_loopback(environment.get("REDDIT_URL")))

    @property
    def source(self) -> str:
        """Where the rows say that they come from."""
        return "reddit" if self.credentials and not self.reddit_url else "sandbox"


def _from_file(name: str) -> str:
    path = os.environ.get("LUIGI_CONFIG_PATH")
    if path and not Path(path).is_file():
        raise ConfigurationError(f"LUIGI_CONFIG_PATH is {path!r}, where no file is: set it to a luigi.cfg")
    if not get_config().has_section(SECTION):
        raise ConfigurationError(
            "luigi.cfg with [reddit_etl] is not found: run in the project's folder, or set LUIGI_CONFIG_PATH to it"
        )
    check_config(SECTION, IN_FILE)
    value = get_config().get(SECTION, name, None)
    if not value:
        raise ConfigurationError(f"{name.upper()} is not set: set it, or {name} in luigi.cfg's [{SECTION}]")
    return str(value)


def _credentials(environment: Mapping[str, str]) -> RedditCredentials | None:
    values = {name: environment.get(name, "") for name in CREDENTIALS}
    missing = [name for name, value in values.items() if not value.strip()]
    if len(missing) == len(CREDENTIALS):
        return None
    if missing:
        raise ConfigurationError(
            f"{' and '.join(missing)} missing: set all of {', '.join(CREDENTIALS)}, or none for the sandbox"
        )
    for name, value in values.items():
        if value != value.strip() or not value.isprintable():
            raise ConfigurationError(f"{name} has white space around it, a line break perhaps: store it without")
    if not USER_AGENT.fullmatch(values["REDDIT_USER_AGENT"]):
        raise ConfigurationError("REDDIT_USER_AGENT must look like: linux:my-app:1.0 (by /u/my-reddit-name)")
    return RedditCredentials(*values.values())


def _loopback(url: str | None) -> str | None:
    if not url:
        return None
    parts = urlsplit(url)
    host = parts.hostname or ""
    try:
        local = host == "localhost" or ipaddress.ip_address(host).is_loopback
        port = parts.port
    except ValueError:
        local, port = False, None
    if not local or port is None or parts.scheme not in ("http", "https") or parts.path.strip("/") or parts.username:
        raise ConfigurationError(f"REDDIT_URL names {host!r}: only this machine is taken, like http://127.0.0.1:8080")
    return url.rstrip("/")


def _no_sandbox(reason: str) -> ConfigurationError:
    return ConfigurationError(
        f"{', '.join(CREDENTIALS)} missing: with {reason} only real Reddit is loaded, never the sandbox"
    )


def check_config(section: str, known: Collection[str]) -> None:
    """Luigi overlooks a key it does not know, and ends with 0 when a task failed unless told otherwise."""
    config = get_config()
    for key, _ in config.items(section) if config.has_section(section) else ():
        if key not in known:
            raise ConfigurationError(f"luigi.cfg: [{section}] has no setting {key!r}: it has {', '.join(known)}")
    if not config.getint("retcode", "task_failed", 0):
        raise ConfigurationError("luigi.cfg: [retcode] task_failed is not set: a failed run would look like a good one")
