"""AWS clients, and what its refusals mean. boto3's own variables say which account, region and endpoint."""

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
# What is raised by an answer that breaks off or is garbled, as boto3 reads some answers outside of its retries.
BROKEN = (HTTPError, HTTPException, OSError, ResponseParserError, ValueError, LookupError, TypeError, AttributeError)
READS = ("Get", "List", "Describe")
ATTEMPTS = 4  # Of a request that boto3 has repeated already, and of an object's body.


class BrokenAnswer(BotoCoreError):  # type: ignore[misc]
    """AWS's answer broke off, or it was not AWS that answered."""

    fmt = "the answer to {operation} broke off or was not understood ({reason})"


def client(service: str, *, place: str, repeatable: Mapping[str, Sequence[str]] | None = None) -> Any:
    """A client that retries what is worth it. `place` names the setting that asks for it.

    `repeatable` are operations that may be repeated, beside those that only read, each with what is in every answer
    to it. Nothing is asked yet, so all that can fail is a matter of AWS's own settings.
    """
    with failures(place, ConfigurationError):
        try:
            made = boto3.client(service, config=Config(retries={"mode": "standard", "total_max_attempts": 5}))
        except BotoCoreError:
            # Some of them are ValueErrors too.
            raise
        except ValueError as error:
            raise ConfigurationError(f"AWS_ENDPOINT_URL: {error}: give it like https://host:port") from error
    made.meta.events.register("before-parse", _check_length)
    # All of a client's methods end here, and smart_open's and the paginators' calls with them.
    made._make_api_call = partial(_ask, made._make_api_call, repeatable or {})
    return made


def again(*kinds: type[Exception]) -> Retrying:
    """A few tries within half a minute."""
    return Retrying(
        retry=retry_if_exception_type(kinds),
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_exponential_jitter(initial=1, max=8),
        reraise=True,
    )


def _ask(ask: Any, repeatable: Mapping[str, Sequence[str]], operation: str, parameters: dict[str, Any]) -> Any:
    """One request of a client, repeated where its answer breaks and it may be repeated."""
    body: Any = parameters.get("Body")
    begin = body.tell() if hasattr(body, "seek") else 0

    def once() -> Any:
        if hasattr(body, "seek"):
            body.seek(begin)
        try:
            # A copy: boto3 puts a stream in the place of the body, and that is read only once.
            answer = ask(operation, dict(parameters))
        except ClientError as error:
            # AWS says a word. A status without one is from somewhere between, or the rest did not come.
            code, status = code_of(error), error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
            if status < 500 and (not code or code.isdigit()) and not operation.startswith("Head"):
                raise BrokenAnswer(operation=operation, reason=f"HTTP {status}") from error
            raise
        except BotoCoreError:
            # Some of them are ValueErrors too.
            raise
        except BROKEN as error:
            raise BrokenAnswer(operation=operation, reason=type(error).__name__) from error
        if missing := [name for name in repeatable.get(operation, ()) if name not in answer]:
            raise BrokenAnswer(operation=operation, reason=f"no {' and no '.join(missing)}")
        return answer

    if operation == "GetObject":
        # Who reads the object's body repeats both.
        return once()
    if operation in repeatable:
        return again(BrokenAnswer, EndpointConnectionError)(once)
    return again(BrokenAnswer)(once) if operation.startswith(READS) else once()


def _check_length(operation_model: Any, response_dict: dict[str, Any], **_: object) -> None:
    """boto3 takes an answer for whole that is shorter than it was announced."""
    body, length = response_dict["body"], int(response_dict["headers"].get("content-length", 0))
    if isinstance(body, bytes) and len(body) < length and operation_model.http["method"] != "HEAD":
        raise BrokenAnswer(operation=operation_model.name, reason=f"{len(body)} of {length} bytes")


def chunks(body: Any, size: int) -> Iterator[bytes]:
    """The body of an object as it arrives. Raises BrokenAnswer for one that breaks off."""
    try:
        yield from body.iter_chunks(size)
    except (BotoCoreError, *BROKEN) as error:
        raise BrokenAnswer(operation="GetObject", reason=type(error).__name__) from error


def code_of(error: Exception) -> str:
    """AWS's word for what went wrong."""
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", ""))
    return type(error).__name__


@contextmanager
def failures(place: str, kind: type[EtlError], fixes: Mapping[str, str] | None = None) -> Iterator[None]:
    """Turn what boto3 raises into one line that begins with `place`, the setting that it is about.

    A ConfigurationError with its fix where the code is among `fixes` or is a matter of the login; else `kind`.
    """
    try:
        yield
    except (ClientError, BotoCoreError, ResponseParserError, HTTPError, HTTPException, OSError) as error:
        code = code_of(error)
        fix = (FIXES | dict(fixes or {})).get(code)
        if fix:
            raise ConfigurationError(f"{place}: {code}: {fix}") from error
        if type(error) is HTTPClientError:
            # Its text may quote the request's headers, and a session token among them.
            raise kind(
                f"{place}: the request could not be sent ({type(vars(error)['kwargs']['error']).__name__})"
            ) from None
        raise kind(f"{place}: {' '.join(str(error).split())[:LONGEST_MESSAGE] or code}") from error
