"""PRAW's HTTP: counts requests, limits time and size, removes headers that prawcore cannot parse, and decodes JSON."""

import json
import time
from collections.abc import Iterator
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import msgspec
import requests
import urllib3
from prawcore import Requestor
from prawcore.exceptions import RequestException

TOKEN_PATH = "/api/v1/access_token"  # noqa: S105
TIMEOUT = 16.0  # Seconds without data on a connection.
DEADLINE = 60.0  # Seconds for a whole response.
LARGEST = 64 << 20  # Bytes of a response; a page of 100 posts has half a million, ten million at the very most.
CHUNK = 1 << 16
LONGEST_WAIT = 600.0  # Seconds; Reddit's rate limit window.
# Reddit's rate limit headers, in requests and seconds, with the maximum that is accepted of each.
LIMITS = {"x-ratelimit-remaining": 1e9, "x-ratelimit-used": 1e9, "x-ratelimit-reset": LONGEST_WAIT}


class CountingRequestor(Requestor):
    """`sent` counts the requests: pages, logins and retries. `logged_in` is true once there was a token."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.sent = 0
        self.logged_in = False

    def request(self, *args: Any, timeout: float | None = None, **settings: Any) -> requests.Response:  # noqa: ARG002
        """Send one request and read the whole response. Raises prawcore's RequestException."""
        self.sent += 1
        deadline = time.monotonic() + DEADLINE
        # No redirects: credentials must not be sent to another host.
        settings |= {"timeout": TIMEOUT, "stream": True, "allow_redirects": False}
        response = super().request(*args, **settings)
        # All other requests carry a token.
        self.logged_in |= urlsplit(response.url).path != TOKEN_PATH
        try:
            # The body as requests would read it, but with limits: a timeout does not catch a server that sends slowly.
            response._content = b"".join(_bounded(response, deadline))
            response._content_consumed = True
        except requests.RequestException as error:
            response.close()
            raise RequestException(error, args, settings) from None
        _make_readable(response)
        if str(response.encoding).lower() == "utf-8":
            response.json = partial(decoded, response.content)  # type: ignore[method-assign]
        return response


def _bounded(response: requests.Response, deadline: float) -> Iterator[bytes]:
    """The body in chunks. Raises what requests raises for one that stalls or is truncated."""
    size = 0
    try:
        while chunk := response.raw.read1(CHUNK, decode_content=True):
            size += len(chunk)
            if time.monotonic() > deadline:
                raise requests.exceptions.ReadTimeout("the response took too long")
            if size > LARGEST:
                raise requests.exceptions.ContentDecodingError("the response is too large")
            yield chunk
    except requests.RequestException:
        raise
    except (urllib3.exceptions.ReadTimeoutError, urllib3.exceptions.TimeoutError) as error:
        raise requests.exceptions.ReadTimeout(error) from error
    except urllib3.exceptions.DecodeError as error:
        raise requests.exceptions.ContentDecodingError(error) from error
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise requests.exceptions.ChunkedEncodingError(error) from error


def decoded(body: bytes) -> Any:
    """The value of JSON in UTF-8, as `requests` gives it, in half the time.

    What the fast decoder refuses is left to Python's `json`, which takes NaN, lone surrogates and invalid UTF-8.
    """
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return json.loads(body.decode(errors="replace"))


def _make_readable(response: requests.Response) -> None:
    """Keep only headers that prawcore can parse: it does not check them, and a malformed one would end the run."""
    headers = response.headers
    for name, most in LIMITS.items():
        number = seconds(headers.get(name))
        if number is None:
            # Without this one, prawcore ignores all of them.
            headers.pop("x-ratelimit-remaining", None)
        else:
            headers[name] = str(int(min(number, most)))
    if seconds(headers.get("retry-after")) is None:
        headers.pop("retry-after", None)
    # prawcore raises KeyError for an unknown reason; for a 401 the known one is set.
    headers.pop("www-authenticate", None)
    if response.status_code == 401:
        headers["www-authenticate"] = 'error="invalid_token"'


def seconds(value: str | None) -> float | None:
    """Parse a header with a number of seconds or requests; None if it is invalid."""
    try:
        number = float(value or "")
    except ValueError:
        return None
    return number if 0 <= number < float("inf") else None
