"""AWS clients, and what its refusals mean. boto3's own variables say which account, region and endpoint."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.parsers import ResponseParserError

from reddit_etl.errors import ConfigurationError, EtlError

# Refusals that only a person can mend, whatever the service.
FIXES = {
    "ExpiredToken": "the AWS credentials have expired, log in again",
    "ExpiredTokenException": "the AWS credentials have expired, log in again",
    "InvalidAccessKeyId": "AWS does not know these credentials, log in again",
    "InvalidClientTokenId": "AWS does not know these credentials, log in again",
    "UnrecognizedClientException": "AWS does not know these credentials, log in again",
    "SignatureDoesNotMatch": "AWS refuses these credentials, log in again",
    "InvalidSignatureException": "AWS refuses these credentials, log in again",
    "NoCredentialsError": "log in to AWS (`aws sso login`, AWS_PROFILE, or keys), or give this job a role",
    "PartialCredentialsError": "set both AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "ProfileNotFound": "set AWS_PROFILE to a profile that there is",
    "NoRegionError": "set AWS_DEFAULT_REGION",
    "InvalidRegionError": "set AWS_DEFAULT_REGION to a region's name, like us-east-1",
}
LONGEST_MESSAGE = 500


def client(service: str, *, place: str) -> Any:
    """A client that retries what is worth it. `place` names the setting that asks for it.

    Nothing is asked yet, so all that can fail is a matter of AWS's own settings.
    """
    with failures(place, ConfigurationError):
        try:
            return boto3.client(service, config=Config(retries={"mode": "standard", "total_max_attempts": 5}))
        except BotoCoreError:
            # Some of them are ValueErrors too.
            raise
        except ValueError as error:
            raise ConfigurationError(f"AWS_ENDPOINT_URL: {error}: give it like https://host:port") from error


def code_of(error: Exception) -> str:
    """AWS's word for what went wrong."""
    if isinstance(error, ClientError):
        return str(error.response["Error"]["Code"])
    return type(error).__name__


@contextmanager
def failures(place: str, kind: type[EtlError], fixes: Mapping[str, str] | None = None) -> Iterator[None]:
    """Turn what boto3 raises into one line that begins with `place`, the setting that it is about.

    A ConfigurationError with its fix where the code is among `fixes` or is a matter of the login; else `kind`.
    """
    try:
        yield
    except (ClientError, BotoCoreError, ResponseParserError) as error:
        code = code_of(error)
        fix = (FIXES | dict(fixes or {})).get(code)
        if fix:
            raise ConfigurationError(f"{place}: {code}: {fix}") from error
        if type(error) is HTTPClientError:
            # Its text may quote the request's headers, and a session token among them.
            raise kind(f"{place}: the request could not be sent ({type(error.kwargs['error']).__name__})") from None
        raise kind(f"{place}: {' '.join(str(error).split())[:LONGEST_MESSAGE]}") from error
