"""Read and check the settings: from the environment, else from `[reddit_etl]` in luigi.cfg, which has no secrets.

A relative path is relative to the working directory in the environment, to the file's folder in luigi.cfg.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import Field, dataclass
from difflib import get_close_matches
from functools import partial
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from jobs.config import SECTION, check_file, stored, whole
from jobs.declarations import (
    IN_FILE,
    NAMES,
    CatalogSettings,
    CommentSettings,
    ForgetSettings,
    LakeSettings,
    RedditSettings,
    RefreshSettings,
    ReportSettings,
    TransformSettings,
    WarehouseSettings,
    declared,
)
from reddit_etl.errors import ConfigurationError
from reddit_etl.lake import kind_of_lake
from reddit_etl.loopback import is_loopback
from reddit_etl.sources.selection import check_clean, check_user_agent
from reddit_etl.transform import kind_of_transform
from reddit_etl.warehouse import kind_of_warehouse

CREDENTIALS = ("REDDIT_CLIENT_ID", "REDDIT_CLIENT_SECRET", "REDDIT_USER_AGENT")
AWS_CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


@dataclass(frozen=True)
class Settings(
    WarehouseSettings,
    CatalogSettings,
    TransformSettings,
    ReportSettings,
    LakeSettings,
    ForgetSettings,
    RefreshSettings,
    CommentSettings,
    RedditSettings,
):
    """All settings of a run, checked."""

    @classmethod
    def read(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Raises ConfigurationError, whose `faults` name every wrong setting and its fix.

        How settings fit together is checked once each is right in itself.
        """
        ours = (name for name in environment if name in NAMES or name.startswith("AWS_"))
        _check_encoding({name: environment[name] for name in ours})
        check_file(environment.get("LUIGI_CONFIG_PATH", ""), IN_FILE)
        faults: list[str] = []
        values = {one.name: _gathered(faults, partial(_value, one, environment)) for one in declared()}
        _gathered(faults, partial(_check_credentials, environment))
        aws = {name: environment.get(name, "") for name in AWS_CREDENTIALS}
        _gathered(faults, partial(check_clean, aws))
        if not faults:
            settings = cls(**values)
            faults += [*settings._faulty_engines(), *settings._faulty_mixture(environment)]
        if faults:
            raise ConfigurationError(*dict.fromkeys(faults))
        return settings

    @property
    def has_login(self) -> bool:
        """Whether there are credentials for Reddit or a stand-in; otherwise the sandbox is used."""
        return self.reddit_client_id is not None

    @property
    def source(self) -> str:
        """The value of the column `source`."""
        return "reddit" if self.has_login and not self.reddit_url else "sandbox"

    def _faulty_engines(self) -> Iterator[str]:
        """What AWS engines lack of other settings."""
        glue = kind_of_transform(self.transform_engine) == "glue"
        redshift = kind_of_warehouse(self.warehouse_url) == "redshift"
        for chosen, reason, name in (
            (glue, "TRANSFORM_ENGINE is glue", "glue_job_name"),
            (redshift, "WAREHOUSE_URL is Redshift's", "redshift_copy_role"),
        ):
            if chosen and not getattr(self, name):
                yield f"{reason}, and {name.upper()} is not set: set it"
        for chosen, reason in (
            (glue, "TRANSFORM_ENGINE is glue"),
            (redshift, "WAREHOUSE_URL is Redshift's"),
            (self.glue_database is not None, "GLUE_DATABASE is set"),
        ):
            if chosen and kind_of_lake(self.lake_url) != "s3":
                yield f"{reason}, and LAKE_URL is not s3://bucket/prefix: set it to one"

    def _faulty_mixture(self, environment: Mapping[str, str]) -> Iterator[str]:
        """Where sandbox data would get to AWS, or real data to a stand-in."""
        glue = kind_of_transform(self.transform_engine) == "glue"
        for name, own, endpoint in (
            ("LAKE_URL", kind_of_lake(self.lake_url) == "folder", _endpoint(environment, "S3")),
            ("Glue", not glue and self.glue_database is None, _endpoint(environment, "GLUE")),
            ("WAREHOUSE_URL", _is_own(self.warehouse_url), self.warehouse_url),
        ):
            # Tests may combine stand-ins for Reddit and AWS; neither is ever combined with the real other.
            rehearsal = self.has_login and self.reddit_url is not None and _is_loopback(endpoint)
            if self.source == "sandbox" and not own and not rehearsal:
                yield (
                    f"{name} is not local, so only real Reddit data may be loaded: "
                    f"set {', '.join(CREDENTIALS)}, and unset REDDIT_URL"
                )


def _gathered(faults: list[str], read: Callable[[], Any]) -> Any:
    """What `read` returns; None if it raises ConfigurationError, whose message is added to `faults`."""
    try:
        return read()
    except ConfigurationError as error:
        faults.append(str(error))
        return None


def misspelt(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Variables in the environment that resemble an unset setting, each with that setting."""
    # REDIS_URL belongs to another program.
    unset = [name for name in NAMES if name not in environment and name != "REDDIT_URL"]
    others = [name for name in environment if name not in NAMES]
    meant = {name: get_close_matches(name.upper(), unset, n=1, cutoff=0.81) for name in others}
    return {name: setting for name, found in meant.items() for setting in found}


def _check_encoding(values: Mapping[str, str]) -> None:
    for name, value in values.items():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            # Python keeps such bytes as surrogates, which no library can send.
            raise ConfigurationError(f"{name} is not valid UTF-8: set it in UTF-8") from error


def _value(one: Field[Any], environment: Mapping[str, str]) -> Any:
    name, upper, declaration = one.name, one.name.upper(), one.metadata
    kept = stored(name) if declaration["in_file"] else None
    value = environment.get(upper) or (kept and whole(name, kept)) or declaration["default"]
    if not value:
        if declaration["needed"]:
            raise ConfigurationError(f"{upper} is not set: set it, or {name} in luigi.cfg's [{SECTION}]")
        return None
    # The folder of luigi.cfg may have such a byte.
    _check_encoding({upper: value})
    if upper in CREDENTIALS:
        return value if value.strip() else None
    if upper == "REDDIT_URL":
        return _loopback(value)
    if value != value.strip():
        raise ConfigurationError(f"{upper} has surrounding white space: remove it")
    return declaration["parse"](upper, value) if declaration["parse"] else value


def _check_credentials(environment: Mapping[str, str]) -> None:
    values = {name: environment.get(name, "") for name in CREDENTIALS}
    missing = [name for name, value in values.items() if not value.strip()]
    if len(missing) == len(CREDENTIALS):
        return
    if missing:
        raise ConfigurationError(
            f"{' and '.join(missing)} missing: set all of {', '.join(CREDENTIALS)}, or none for the sandbox"
        )
    check_clean(values)
    check_user_agent(values["REDDIT_USER_AGENT"])


def _endpoint(environment: Mapping[str, str], service: str) -> str:
    """The endpoint that boto3 uses for the service; empty for AWS itself."""
    if environment.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() == "true":
        return ""
    return environment.get(f"AWS_ENDPOINT_URL_{service}") or environment.get("AWS_ENDPOINT_URL", "")


def _is_own(warehouse_url: str) -> bool:
    """Whether the warehouse is this machine's own, and none of AWS."""
    kind = kind_of_warehouse(warehouse_url)
    return kind == "duckdb" or (kind == "other" and _names_only_loopback(warehouse_url))


def _names_only_loopback(url: str) -> bool:
    """Whether drivers, which differ in how they read a URL, find no other host in it either."""
    parts = urlsplit(url)
    # PostgreSQL's driver tries each of several hosts, and takes a fragment for a part of the host.
    if not _is_loopback(url) or "," in parts.netloc or "#" in url:
        return False
    # A host in the query replaces the other, and a service names a file with one. A path is that of a socket.
    query = [(name.lower(), value) for name, value in parse_qsl(parts.query)]
    hosts = [value for name, value in query if "host" in name]
    return all(one.startswith("/") or is_loopback(one) for one in hosts) and "service" not in dict(query)


def _is_loopback(url: str) -> bool:
    """Whether the URL has a loopback address."""
    try:
        return is_loopback(urlsplit(url).hostname)
    except ValueError:
        return False


def _loopback(url: str) -> str:
    fix = "REDDIT_URL: use a loopback address, such as http://127.0.0.1:8080"
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
