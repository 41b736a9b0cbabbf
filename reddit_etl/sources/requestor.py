"""The HTTP below PRAW: counted, within bounds of time and size, and with only such headers as prawcore can read."""

import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3
from prawcore import Requestor
from prawcore.exceptions import RequestException

TOKEN_PATH = "/api/v1/access_token"  # noqa: S105
TIMEOUT = 16.0  # Seconds of silence on a connection.
DEADLINE = 60.0  # Seconds for a whole answer.
LARGEST = 64 << 20  # Bytes of an answer; a page of 100 posts has half a million, ten at the very most.
CHUNK = 1 << 16
LONGEST_WAIT = 600.0  # Seconds; Reddit's rate limit window.
# Reddit's rate limit in requests and seconds, and the most that is believed of each.
LIMITS = {"x-ratelimit-remaining": 1e9, "x-ratelimit-used": 1e9, "x-ratelimit-reset": LONGEST_WAIT}


class CountingRequestor(Requestor):
    """`sent` counts the requests: pages, tokens and repetitions. `logged_in` is true once there was a token."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.sent = 0
        self.logged_in = False

    def request(self, *args: Any, timeout: float | None = None, **settings: Any) -> requests.Response:  # noqa: ARG002
        self.sent += 1
        deadline = time.monotonic() + DEADLINE
        # A login is not taken elsewhere, where it would be answered by another.
        settings |= {"timeout": TIMEOUT, "stream": True, "allow_redirects": False}
        response = super().request(*args, **settings)
        # Whatever else is asked for is asked for with a token.
        self.logged_in |= urlsplit(response.url).path != TOKEN_PATH
        try:
            # The whole answer, as requests would read it, but within bounds: a server that drips never goes silent.
            response._content = b"".join(_bounded(response, deadline))
            response._content_consumed = True
        except requests.RequestException as error:
            response.close()
            raise RequestException(error, args, settings) from None
        _make_readable(response)
        return response


def _bounded(response: requests.Response, deadline: float) -> Iterator[bytes]:
    """The answer's body as it arrives. Raises what requests raises for one that stalls or breaks off."""
    size = 0
    try:
        while chunk := response.raw.read1(CHUNK, decode_content=True):
            size += len(chunk)
            if time.monotonic() > deadline:
                raise requests.exceptions.ReadTimeout("the answer took too long")
            if size > LARGEST:
                raise requests.exceptions.ContentDecodingError("the answer is too large")
            yield chunk
    except requests.RequestException:
        raise
    except (urllib3.exceptions.ReadTimeoutError, urllib3.exceptions.TimeoutError) as error:
        raise requests.exceptions.ReadTimeout(error) from error
    except urllib3.exceptions.DecodeError as error:
        raise requests.exceptions.ContentDecodingError(error) from error
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise requests.exceptions.ChunkedEncodingError(error) from error


def _make_readable(response: requests.Response) -> None:
    """Leave only headers that prawcore can read: it trusts them, and a malformed one would end the run."""
    headers = response.headers
    for name, most in LIMITS.items():
        number = seconds(headers.get(name))
        if number is None:
            # Without this one, prawcore looks at none of them.
            headers.pop("x-ratelimit-remaining", None)
        else:
            headers[name] = str(int(min(number, most)))
    if seconds(headers.get("retry-after")) is None:
        headers.pop("retry-after", None)
    # A reason other than those of its table is a KeyError to prawcore; a 401 goes without saying.
    headers.pop("www-authenticate", None)
    if response.status_code == 401:
        headers["www-authenticate"] = 'error="invalid_token"'


def seconds(value: str | None) -> float | None:
    """A header that counts seconds or requests, None if it cannot be read."""
    try:
        number = float(value or "")
    except ValueError:
        return None
    return number if 0 <= number < float("inf") else None
