"""What an error response of Reddit means: an unavailable subreddit, a transient error, or a wrong setting.

Only a well-formed response, complete JSON or HTML, is evidence about a subreddit or a setting. Everything else is
transient: a later run may succeed.
"""

from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import requests
from prawcore.exceptions import BadJSON, Redirect, ResponseException

from reddit_etl.errors import ConfigurationError, RedditError
from reddit_etl.sources.requestor import TOKEN_PATH, seconds

TRANSIENT = frozenset({401, 408, 429, 500, 502, 503, 504, 520, 522})
CREDENTIALS = "REDDIT_CLIENT_ID, REDDIT_CLIENT_SECRET"
# The `error` of a rejected login: Reddit's own, and OAuth's (RFC 6749).
REJECTED = (401, "invalid_client", "unauthorized_client")


class Unavailable(RedditError):
    """Reddit denies access to this subreddit; `verdict` is the reason, in one word."""

    def __init__(self, verdict: str) -> None:
        super().__init__(verdict)
        self.verdict = verdict


class Transient(RedditError):
    """An error worth retrying, after `wait` seconds if Reddit requests that; `is_limit` if for too many requests."""

    def __init__(self, message: str, wait: float | None = None, *, is_limit: bool = False) -> None:
        super().__init__(message)
        self.wait = wait
        self.is_limit = is_limit


def verdict_on(error: ResponseException, *, logged_in: bool, served: bool) -> RedditError | ConfigurationError:
    """The error that an HTTP status and its body mean.

    A setting is named as the cause only while it has never worked: the credentials until there was a token, the user
    agent until there was a page.
    """
    response = error.response
    status = response.status_code
    path = urlsplit(response.url).path
    body = _json(response)
    login = path == TOKEN_PATH
    if login and status in (400, 401) and body.get("error") in REJECTED and not logged_in:
        return ConfigurationError(
            f"{CREDENTIALS}: Reddit rejected them (HTTP {status}): check both, and that they are not swapped"
        )
    if status == 403 and _is_page(response) and not served:
        return ConfigurationError(f"REDDIT_USER_AGENT: Reddit blocks this client ({path}: HTTP 403)")
    if login and status not in TRANSIENT - {401}:
        return no_token(f"HTTP {status}")
    if isinstance(error, BadJSON):
        return Transient(f"{path}: the response is not JSON")
    if status in TRANSIENT:
        return Transient(f"{path}: HTTP {status}", _requested_wait(response), is_limit=status == 429)
    reason = body.get("reason")
    if status == 404 and (body or _is_page(response)):
        return Unavailable("banned" if reason == "banned" else "not_found")
    if status == 403 and body:
        return Unavailable(word(reason or "forbidden"))
    if status in (403, 404):
        return Transient(f"{path}: HTTP {status} with a malformed response")
    if status == 451:
        return Unavailable("legal")
    if isinstance(error, Redirect) and error.path.startswith("/subreddits/search"):
        return Unavailable("unknown")
    return RedditError(f"{path}: {error}")


def no_token(why: str) -> Transient:
    """The error of a login without a token."""
    return Transient(f"{TOKEN_PATH}: no token from Reddit ({why}): if this persists, check {CREDENTIALS}")


def word(value: object) -> str:
    """A word of Reddit's, made safe for receipts and log lines."""
    return "".join(letter if letter.isalnum() else "_" for letter in str(value).lower())[:32]


def _json(response: requests.Response) -> dict[str, Any]:
    """The JSON object of the API's response, empty if there is none."""
    with suppress(ValueError, RecursionError):
        body = response.json()
        if isinstance(body, dict):
            return body
    return {}


def _is_page(response: requests.Response) -> bool:
    """Whether the response is a complete HTML page, as sent to a blocked client."""
    text = response.content.strip().lower()
    return text.startswith(b"<") and text.endswith(b"</html>")


def _requested_wait(response: requests.Response) -> float | None:
    """Seconds, None if the response requests no wait."""
    wait = seconds(response.headers.get("retry-after"))
    if wait is None and response.status_code == 429:
        wait = seconds(response.headers.get("x-ratelimit-reset"))
    return wait
