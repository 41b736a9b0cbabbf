"""AWS clients, retries and error messages. Account, region and endpoint come from boto3's own variables."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from http.client import HTTPException
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError, HTTPClientError
from botocore.parsers import ResponseParserError
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential_jitter
from urllib3.exceptions import HTTPError

from reddit_etl.errors import ConfigurationError, EtlError

# Errors of any service that a person must fix.
FIXES = {
    "ExpiredToken": "the AWS credentials have expired, log in again",
    "ExpiredTokenException": "the AWS credentials have expired, log in again",
    "InvalidAccessKeyId": "AWS does not recognize these credentials, log in again",
    "InvalidClientTokenId": "AWS does not recognize these credentials, log in again",
    "UnrecognizedClientException": "AWS does not recognize these credentials, log in again",
    "SignatureDoesNotMatch": "AWS rejects these credentials, log in again",
    "InvalidSignatureException": "AWS rejects these credentials, log in again",
    "NoCredentialsError": "log in to AWS (`aws sso login`, AWS_PROFILE, or keys), or give this job a role",
    "PartialCredentialsError": "set both AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "ProfileNotFound": "set AWS_PROFILE to an existing profile",
    "NoRegionError": "set AWS_DEFAULT_REGION",
    "InvalidRegionError": "set AWS_DEFAULT_REGION to a region's name, like us-east-1",
}
LONGEST_MESSAGE = 500
# Raised for truncated or malformed responses, some of which boto3 reads outside of its retries.
BROKEN = (HTTPError, HTTPException, OSError, ResponseParserError, ValueError, LookupError, TypeError, AttributeError)
READS = ("Get", "List", "Describe")
ATTEMPTS = 4  # For requests that boto3 has retried already, and for the body of an object.


class BrokenAnswer(BotoCoreError):  # type: ignore[misc]
    """The response was truncated, or did not come from AWS."""

    fmt = "the response to {operation} was truncated or malformed ({reason})"


def client(service: str, *, setting: str, repeatable: Mapping[str, Sequence[str]] | None = None) -> Any:
    """A client with retries. `setting` begins its error messages: the setting that needs the client.

    `repeatable` are the idempotent operations beside those that only read, each with the fields that every response
    has. No request is sent yet, so only AWS's own settings can be wrong. Raises ConfigurationError.
    """
    with failures(setting, ConfigurationError):
        try:
            made = boto3.client(service, config=Config(retries={"mode": "standard", "total_max_attempts": 5}))
        except BotoCoreError:
            # Some of these are ValueErrors, too.
            raise
        except ValueError as error:
            raise ConfigurationError(f"AWS_ENDPOINT_URL: {error}: use the form https://host:port") from error
    made.meta.events.register("before-parse", _check_length)
    # All methods of the client call this one, and so do smart_open and paginators.
    made._make_api_call = partial(_ask, made._make_api_call, repeatable or {})
    return made


def retrying(*kinds: type[Exception]) -> Retrying:
    """A few attempts within half a minute, after exceptions of these kinds."""
    return Retrying(
        retry=retry_if_exception_type(kinds),
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_exponential_jitter(initial=1, max=8),
        reraise=True,
    )


def _ask(ask: Any, repeatable: Mapping[str, Sequence[str]], operation: str, parameters: dict[str, Any]) -> Any:
    """Send one request; retry it after a broken response if the operation may be repeated."""
    body: Any = parameters.get("Body")
    begin = body.tell() if hasattr(body, "seek") else 0

    def once() -> Any:
        if hasattr(body, "seek"):
            body.seek(begin)
        try:
            # A copy: boto3 replaces the body by a stream, which can be read only once.
            answer = ask(operation, dict(parameters))
        except ClientError as error:
            # AWS sends an error code. A status without one comes from a proxy, or the rest of the response was lost.
            code, status = code_of(error), error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
            if status < 500 and (not code or code.isdigit()) and not operation.startswith("Head"):
                raise BrokenAnswer(operation=operation, reason=f"HTTP {status}") from error
            raise
        except BotoCoreError:
            # Some of these are ValueErrors, too.
            raise
        except BROKEN as error:
            raise BrokenAnswer(operation=operation, reason=type(error).__name__) from error
        if missing := [name for name in repeatable.get(operation, ()) if name not in answer]:
            raise BrokenAnswer(operation=operation, reason=f"no {' and no '.join(missing)}")
        return answer

    if operation == "GetObject":
        # The reader of the object's body retries both.
        return once()
    if operation in repeatable:
        return retrying(BrokenAnswer, EndpointConnectionError)(once)
    return retrying(BrokenAnswer)(once) if operation.startswith(READS) else once()


def _check_length(operation_model: Any, response_dict: dict[str, Any], **_: object) -> None:
    """Raises BrokenAnswer for a body shorter than its content-length, which boto3 accepts."""
    body, length = response_dict["body"], int(response_dict["headers"].get("content-length", 0))
    if isinstance(body, bytes) and len(body) < length and operation_model.http["method"] != "HEAD":
        raise BrokenAnswer(operation=operation_model.name, reason=f"{len(body)} of {length} bytes")


def chunks(body: Any, size: int) -> Iterator[bytes]:
    """The body of an object, in chunks of `size` bytes. Raises BrokenAnswer if it is truncated."""
    try:
        yield from body.iter_chunks(size)
    except (BotoCoreError, *BROKEN) as error:
        raise BrokenAnswer(operation="GetObject", reason=type(error).__name__) from error


def code_of(error: Exception) -> str:
    """AWS's error code, or the name of the exception."""
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", ""))
    return type(error).__name__


@contextmanager
def failures(setting: str, kind: type[EtlError], fixes: Mapping[str, str] | None = None) -> Iterator[None]:
    """Turn exceptions of boto3 into one line that begins with `setting`, the setting that it is about.

    Raises ConfigurationError with the fix if the error code is in `fixes` or is about the login, else `kind`.
    """
    try:
        yield
    except (ClientError, BotoCoreError, ResponseParserError, HTTPError, HTTPException, OSError) as error:
        code = code_of(error)
        fix = (FIXES | dict(fixes or {})).get(code)
        if fix:
            raise ConfigurationError(f"{setting}: {code}: {fix}") from error
        if type(error) is HTTPClientError:
            # Its text may quote the request's headers, including a session token.
            raise kind(
                f"{setting}: the request could not be sent ({type(vars(error)['kwargs']['error']).__name__})"
            ) from None
        raise kind(f"{setting}: {' '.join(str(error).split())[:LONGEST_MESSAGE] or code}") from error
