"""What an answer of Reddit means that is no page: a subreddit that is not given, another try, or a wrong setting.

Only an answer that is understood, JSON or HTML and whole, says anything of a subreddit or of a setting. All else may
pass: running again helps.
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
# The `error` of a refused login: Reddit's own, and OAuth's (RFC 6749).
REFUSED = (401, "invalid_client", "unauthorized_client")


class Unavailable(RedditError):
    """Reddit does not give this subreddit to anybody like us; `verdict` says why, in one word."""

    def __init__(self, verdict: str) -> None:
        super().__init__(verdict)
        self.verdict = verdict


class Transient(RedditError):
    """Worth another try, after `wait` seconds if Reddit said how long."""

    def __init__(self, message: str, wait: float | None = None) -> None:
        super().__init__(message)
        self.wait = wait


def verdict_on(error: ResponseException, *, logged_in: bool, served: bool) -> RedditError | ConfigurationError:
    """What an HTTP status and its body mean.

    A setting is to blame only as long as nothing shows that it is right: the login until there was a token, the user
    agent until there was a page.
    """
    response = error.response
    status = response.status_code
    path = urlsplit(response.url).path
    body = _json(response)
    login = path == TOKEN_PATH
    if login and status in (400, 401) and body.get("error") in REFUSED and not logged_in:
        return ConfigurationError(
            f"{CREDENTIALS}: Reddit refused them (HTTP {status}): check both, and that they are not swapped"
        )
    if status == 403 and _is_page(response) and not served:
        return ConfigurationError(f"REDDIT_USER_AGENT: Reddit blocks this client ({path}: HTTP 403)")
    if login and status not in TRANSIENT - {401}:
        return no_token(f"HTTP {status}")
    if isinstance(error, BadJSON):
        return Transient(f"{path}: the answer is not JSON")
    if status in TRANSIENT:
        return Transient(f"{path}: HTTP {status}", _told_wait(response))
    reason = body.get("reason")
    if status == 404 and (body or _is_page(response)):
        return Unavailable("banned" if reason == "banned" else "not_found")
    if status == 403 and body:
        return Unavailable(word(reason or "forbidden"))
    if status in (403, 404):
        return Transient(f"{path}: HTTP {status}, and the answer was not understood")
    if status == 451:
        return Unavailable("legal")
    if isinstance(error, Redirect) and error.path.startswith("/subreddits/search"):
        return Unavailable("unknown")
    return RedditError(f"{path}: {error}")


def no_token(why: str) -> Transient:
    return Transient(f"{TOKEN_PATH}: Reddit gave no token ({why}): if that lasts, check {CREDENTIALS}")


def word(value: object) -> str:
    """Reddit's word for a thing, fit for a receipt and for a line of a log."""
    return "".join(letter if letter.isalnum() else "_" for letter in str(value).lower())[:32]


def _json(response: requests.Response) -> dict[str, Any]:
    """The answer of Reddit's API, empty where it is not the API that answers."""
    with suppress(ValueError, RecursionError):
        body = response.json()
        if isinstance(body, dict):
            return body
    return {}


def _is_page(response: requests.Response) -> bool:
    """A whole page for people, as what blocks a client answers with."""
    text = response.content.strip().lower()
    return text.startswith(b"<") and text.endswith(b"</html>")


def _told_wait(response: requests.Response) -> float | None:
    told = seconds(response.headers.get("retry-after"))
    if told is None and response.status_code == 429:
        told = seconds(response.headers.get("x-ratelimit-reset"))
    return told
