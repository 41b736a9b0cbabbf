"""What AWS refuses while something is deployed, as one line that says what to do."""

from collections.abc import Iterator
from contextlib import contextmanager

from reddit_etl.aws import code_of, failures
from reddit_etl.errors import ConfigurationError, EtlError

DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "NotAuthorized"}
# How people log in, and no job does.
LOGIN = "log in first, by `aws sso login` or however you do it"
LOGINS = dict.fromkeys(("SSOTokenLoadError", "UnauthorizedSSOTokenError", "TokenRetrievalError"), LOGIN)


class DeployError(EtlError):
    """AWS, docker or a run failed; the message says what to look at."""


@contextmanager
def asking(service: str) -> Iterator[None]:
    """Turn what boto3 raises into a DeployError, or into a ConfigurationError where a login or a right is missing."""
    try:
        with failures(service, DeployError, LOGINS):
            yield
    except DeployError as error:
        if isinstance(error.__cause__, Exception) and code_of(error.__cause__) in DENIED:
            # AWS's own words name the action that this identity lacks.
            raise ConfigurationError(f"{error}: log in as someone who may do it, or have it allowed") from error
        raise
