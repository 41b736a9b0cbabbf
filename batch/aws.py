"""AWS clients of the deployment, whose errors are one line that says what to do."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from reddit_etl.aws import client, code_of, failures
from reddit_etl.errors import ConfigurationError, EtlError

DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "NotAuthorized"}
# How people log in, and no job does.
LOGIN = "log in first, for example with `aws sso login`"
LOGINS = dict.fromkeys(("SSOTokenLoadError", "UnauthorizedSSOTokenError", "TokenRetrievalError"), LOGIN)
# By this tag a stack, a repository and a secret are known as this project's.
TAG = {"Key": "project", "Value": "reddit-etl"}
INTERVAL = 2.0  # Seconds.


class DeployError(EtlError):
    """AWS, docker or a run failed; the message says what to look at."""


@cache
def _client(service: str) -> Any:
    # One per process, which keeps its connection while something is polled.
    return client(service, setting="AWS")


@contextmanager
def using(service: str) -> Iterator[Any]:
    """A client of the service. Its errors become a DeployError; without a login or a right, a ConfigurationError."""
    aws = _client(service)
    try:
        with failures(aws.meta.service_model.service_id, DeployError, LOGINS):
            yield aws
    except DeployError as error:
        if isinstance(error.__cause__, Exception) and code_of(error.__cause__) in DENIED:
            # AWS's own words name the action that this identity lacks.
            raise ConfigurationError(f"{error}: log in with a role that may do this, or add the right") from error
        raise


def check_owner(what: str, tags: list[dict[str, str]]) -> None:
    """Raises ConfigurationError for something of this name that the project did not create."""
    if TAG not in tags:
        raise ConfigurationError(f"{what} was not created by reddit-etl: pass another name with --stack")


def pause() -> None:
    """Wait until the next look at something that takes AWS a while."""
    time.sleep(INTERVAL)
