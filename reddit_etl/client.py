"""Reddit's API: listings as generators of payloads, over PRAW's authentication and rate limiting.

PRAW's own objects are left out: they cost three times the CPU of the raw payloads, and a field that a listing did not
carry costs a request per post.
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

import praw
import requests
from praw.exceptions import RedditAPIException
from prawcore.exceptions import BadJSON, OAuthException, Redirect, RequestException, ResponseException
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, stop_after_delay

from reddit_etl.clock import Clock, utc_now
from reddit_etl.errors import ConfigurationError, RedditError
from reddit_etl.requestor import LONGEST_WAIT, TIMEOUT, CountingRequestor, seconds

log = logging.getLogger(__name__)

PAGE = 100  # Reddit's most items a request.
EMPTY_PAGES = 3  # In a row: then a listing is taken to have ended.

ATTEMPTS = 6  # Of one page, each of which prawcore may repeat twice for a 5xx.
TRANSIENT = frozenset({408, 429, 500, 502, 503, 504, 520, 522})
REACH = "check the network, the proxy and https://www.redditstatus.com"
TOKEN_PATH = "/api/v1/access_token"  # noqa: S105
CREDENTIALS = "REDDIT_CLIENT_ID, REDDIT_CLIENT_SECRET"


@dataclass(frozen=True)
class Observation:
    """A child of a listing as Reddit sent it, and when the page with it was fetched."""

    child: object
    observed_at: datetime


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


class RedditClient:
    """One OAuth client, read-only. Not thread-safe: one a thread.

    `url` is another host for both the token and the API, for tests and the sandbox.
    """

    def __init__(
        self,
        *,
        client_id: str,
        client_secret: str,
        user_agent: str,
        url: str | None = None,
        clock: Clock = utc_now,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        session = requests.Session()
        # No proxy stands between us and our own machine.
        session.trust_env = url is None
        # Else a .netrc that knows the host would put its password in the place of our token.
        session.auth = _as_it_is
        self._reddit = praw.Reddit(
            site_name="DEFAULT",
            client_id=client_id,
            client_secret=client_secret,
            user_agent=user_agent,
            oauth_url=url or "https://oauth.reddit.com",
            reddit_url=url or "https://www.reddit.com",
            # What a stray praw.ini could say otherwise, in words even where a number is meant.
            timeout=int(TIMEOUT),
            ratelimit_seconds=5,
            window_size=int(LONGEST_WAIT),
            check_for_updates=False,
            check_for_async=False,
            requestor_class=CountingRequestor,
            requestor_kwargs={"session": session},
        )
        # As nobody, though a stray praw.ini or praw_* variable may name a user.
        self._reddit.read_only = True
        self._requestor: CountingRequestor = self._reddit._core.requestor  # type: ignore[attr-defined]
        self._clock = clock
        self._sleep = sleep

    @property
    def requests(self) -> int:
        """Requests sent so far: pages, tokens and repetitions."""
        return self._requestor.sent

    def close(self) -> None:
        self._requestor.close()

    def listing(self, subreddit: str, listing: str, *, limit: int) -> Iterator[Observation]:
        """The first `limit` posts of a subreddit's listing, in Reddit's order.

        A page comes with the stickies that Reddit adds to it. A post may come twice if new ones push it onto the next
        page meanwhile. Raises `Unavailable`, `RedditError` or `ConfigurationError`.
        """
        after: str | None = None
        seen = empty = 0
        while seen < limit:
            params: dict[str, str | int] = {"limit": min(PAGE, limit - seen)}
            if after:
                params["after"] = after
            children, after, observed_at = self._page(f"r/{subreddit}/{listing}", params)
            for child in children:
                yield Observation(child, observed_at)
            seen += len(children)
            # A page may be empty of what we may see and yet have others behind it.
            empty = 0 if children else empty + 1
            if not after or after == params.get("after") or empty == EMPTY_PAGES:
                return

    def _page(self, path: str, params: dict[str, str | int]) -> tuple[list[object], str | None, datetime]:
        retrying = Retrying(
            retry=retry_if_exception_type(Transient),
            wait=_wait,
            stop=stop_after_attempt(ATTEMPTS) | stop_after_delay(LONGEST_WAIT),
            sleep=self._sleep,
            before_sleep=_log_retry,
            reraise=True,
        )
        return retrying(self._fetch, path, params)

    def _fetch(self, path: str, params: dict[str, str | int]) -> tuple[list[object], str | None, datetime]:
        try:
            answer = self._reddit.request(method="GET", path=path, params=params)
        except OAuthException as error:
            raise ConfigurationError(f"{CREDENTIALS}: Reddit refused them: {_word(error.error)}") from None
        except ResponseException as error:
            raise _verdict(error) from None
        except RequestException as error:
            raise Transient(f"{path}: no answer ({type(error.original_exception).__name__}): {REACH}") from None
        except RedditAPIException:
            raise RedditError(f"{path}: Reddit refused the request as malformed") from None
        except (ValueError, LookupError, TypeError, AttributeError, AssertionError, RecursionError):
            # PRAW and prawcore take a token, a redirect or a malformed request's answer to be what they expect.
            raise Transient(f"{path}: the answer was not understood") from None
        observed_at = self._clock()
        data = answer.get("data") if isinstance(answer, dict) else None
        children = data.get("children") if isinstance(data, dict) else None
        if not isinstance(data, dict) or not isinstance(children, list):
            raise Transient(f"{path}: the answer is not a listing")
        after = data.get("after")
        return children, after if isinstance(after, str) else None, observed_at


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _verdict(error: ResponseException) -> RedditError | ConfigurationError:
    """What an HTTP status means to us."""
    response = error.response
    status = response.status_code
    path = urlsplit(response.url).path
    if isinstance(error, BadJSON):
        return Transient(f"{path}: the answer is not JSON")
    if status in TRANSIENT:
        return Transient(f"{path}: HTTP {status}", _told_wait(response))
    if status == 403 and _reason(response) is None:
        return ConfigurationError(f"REDDIT_USER_AGENT: Reddit blocks this client ({path}: HTTP 403)")
    if status == 401 or path == TOKEN_PATH:
        return ConfigurationError(
            f"{CREDENTIALS}: Reddit refused them (HTTP {status}): check both, and that they are not swapped"
        )
    if status == 404:
        return Unavailable("banned" if _reason(response) == "banned" else "not_found")
    if status == 403:
        return Unavailable(_reason(response) or "forbidden")
    if status == 451:
        return Unavailable("legal")
    if isinstance(error, Redirect) and error.path.startswith("/subreddits/search"):
        return Unavailable("unknown")
    return RedditError(f"{path}: {error}")


def _reason(response: requests.Response) -> str | None:
    """Why Reddit's API refuses, None where it is not the API that answers."""
    with suppress(ValueError):
        body = response.json()
        if isinstance(body, dict) and ("reason" in body or "message" in body):
            return _word(body.get("reason") or "forbidden")
    return None


def _word(value: object) -> str:
    """Reddit's word for a thing, fit for a receipt and for a line of a log."""
    return "".join(letter if letter.isalnum() else "_" for letter in str(value).lower())[:32]


def _told_wait(response: requests.Response) -> float | None:
    told = seconds(response.headers.get("retry-after"))
    if told is None and response.status_code == 429:
        told = seconds(response.headers.get("x-ratelimit-reset"))
    return told


def _wait(state: RetryCallState) -> float:
    """Seconds before the next try: what Reddit said, else 2, 4, 8, …"""
    error = state.outcome.exception() if state.outcome else None
    told = error.wait if isinstance(error, Transient) else None
    return min(LONGEST_WAIT, 2.0**state.attempt_number if told is None else told)


def _log_retry(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    log.warning("reddit asked again", extra={"reason": str(error), "wait_seconds": state.upcoming_sleep})
