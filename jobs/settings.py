"""Settings enter here: from the environment, else from `[reddit_etl]` in luigi.cfg. Secrets only from the environment.

A relative path means the working directory if the environment has it, the file's folder if luigi.cfg has it.
"""

import os
from collections.abc import Mapping
from dataclasses import Field, dataclass
from difflib import get_close_matches
from typing import Any, Self
from urllib.parse import urlsplit

from jobs.config import SECTION, check_file, stored, whole
from jobs.declarations import (
    IN_FILE,
    NAMES,
    CatalogSettings,
    CommentSettings,
    LakeSettings,
    RedditSettings,
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
class Settings(WarehouseSettings, CatalogSettings, TransformSettings, LakeSettings, CommentSettings, RedditSettings):
    """All that a run is told, read and checked."""

    @classmethod
    def read(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Raises ConfigurationError, which names the setting and the fix."""
        ours = (name for name in environment if name in NAMES or name.startswith("AWS_"))
        _check_encoding({name: environment[name] for name in ours})
        check_file(environment.get("LUIGI_CONFIG_PATH", ""), IN_FILE)
        settings = cls(**{one.name: _value(one, environment) for one in declared()})
        _check_credentials(environment)
        check_clean({name: environment.get(name, "") for name in AWS_CREDENTIALS})
        settings._check_engines()
        settings._check_mixture(environment)
        return settings

    @property
    def has_login(self) -> bool:
        """Whether Reddit, or a stand-in for it, is logged in to; else the sandbox answers."""
        return self.reddit_client_id is not None

    @property
    def source(self) -> str:
        """Where the rows say that they come from."""
        return "reddit" if self.has_login and not self.reddit_url else "sandbox"

    def _check_engines(self) -> None:
        """What an engine of AWS needs beside its own setting."""
        glue = kind_of_transform(self.transform_engine) == "glue"
        redshift = kind_of_warehouse(self.warehouse_url) == "redshift"
        for chosen, reason, name in (
            (glue, "TRANSFORM_ENGINE is glue", "glue_job_name"),
            (redshift, "WAREHOUSE_URL is Redshift's", "redshift_copy_role"),
        ):
            if chosen and not getattr(self, name):
                raise ConfigurationError(f"{reason}, and {name.upper()} is not set: set it")
        for chosen, reason in (
            (glue, "TRANSFORM_ENGINE is glue"),
            (redshift, "WAREHOUSE_URL is Redshift's"),
            (self.glue_database is not None, "GLUE_DATABASE is set"),
        ):
            if chosen and kind_of_lake(self.lake_url) != "s3":
                raise ConfigurationError(f"{reason}, and LAKE_URL is not s3://bucket/prefix: set it to one")

    def _check_mixture(self, environment: Mapping[str, str]) -> None:
        """Invented posts never get to AWS, nor real ones to a stand-in."""
        glue = kind_of_transform(self.transform_engine) == "glue"
        for name, own, endpoint in (
            ("LAKE_URL", kind_of_lake(self.lake_url) == "folder", _endpoint(environment, "S3")),
            ("Glue", not glue and self.glue_database is None, _endpoint(environment, "GLUE")),
            ("WAREHOUSE_URL", kind_of_warehouse(self.warehouse_url) == "duckdb", self.warehouse_url),
        ):
            # A test may bring stand-ins for Reddit and for AWS together; neither is ever mixed with the real other.
            rehearsal = self.has_login and self.reddit_url is not None and _is_loopback(endpoint)
            if self.source == "sandbox" and not own and not rehearsal:
                raise ConfigurationError(
                    f"{name} is not of this machine, so only real Reddit is loaded: "
                    f"set {', '.join(CREDENTIALS)}, and unset REDDIT_URL"
                )


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


def _value(one: Field[Any], environment: Mapping[str, str]) -> Any:
    name, upper, declaration = one.name, one.name.upper(), one.metadata
    kept = stored(name) if declaration["in_file"] else None
    value = environment.get(upper) or (kept and whole(name, kept)) or declaration["default"]
    if not value:
        if declaration["needed"]:
            raise ConfigurationError(f"{upper} is not set: set it, or {name} in luigi.cfg's [{SECTION}]")
        return None
    # The folder of luigi.cfg may have one.
    _check_encoding({upper: value})
    if upper in CREDENTIALS:
        return value if value.strip() else None
    if upper == "REDDIT_URL":
        return _loopback(value)
    if value != value.strip():
        raise ConfigurationError(f"{upper} has white space around it: set it without")
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


def _loopback(url: str) -> str:
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
