"""Reddit's API: raw payloads, with PRAW's authentication and rate limiting.

PRAW's own objects are not used: they take three times the CPU of raw payloads, and reading a field that a listing does
not have costs one request per post.
"""

import logging
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import praw
import requests
from praw.exceptions import RedditAPIException
from prawcore.exceptions import OAuthException, RequestException, ResponseException
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, stop_after_delay

from reddit_etl.clock import Clock, utc_now
from reddit_etl.errors import RedditError
from reddit_etl.sources.requestor import LONGEST_WAIT, TIMEOUT, CountingRequestor
from reddit_etl.sources.verdict import Transient, no_token, verdict_on, word

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")

PAGE = 100  # Reddit's maximum of items per request.
EMPTY_PAGES = 3  # Consecutive ones end a listing.

ATTEMPTS = 6  # Per page; prawcore retries each of them up to twice after a 5xx.
RATE_LIMIT = "Reddit's rate limit"
KIND = re.compile(r"t\d")  # The kind of a thing; that of a listing is Listing.
REACH = "check the network, the proxy and https://www.redditstatus.com"


@dataclass(frozen=True)
class Observation:
    """A child of a listing as Reddit sent it, and when its page was fetched."""

    child: object
    observed_at: datetime
    listing: str | None = None
    """What it was read for, if not for the extract as a whole; without the prefix of the source."""
    reason: str | None = None
    """Why it is rejected, if that is known without converting it."""


@dataclass(frozen=True)
class Page:
    """The children of a listing in one response, and the cursor of the next page."""

    children: list[object]
    after: str | None


class NotUnderstoodError(Exception):
    """The response is JSON but not of the expected form, which the message names."""


class RedditClient:
    """One OAuth client, read-only. Not thread-safe: use one per thread.

    `url` replaces Reddit's base URLs for both login and API, for tests and the sandbox. `waits` is called before each
    wait, with its seconds and what it is for.
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
        waits: Callable[[float, str], object] = lambda *_: None,
    ) -> None:
        session = requests.Session()
        # No proxy for loopback addresses.
        session.trust_env = url is None
        # Otherwise requests would replace the token by a password from .netrc.
        session.auth = _as_it_is
        self._reddit = praw.Reddit(
            site_name="DEFAULT",
            client_id=client_id,
            client_secret=client_secret,
            user_agent=user_agent,
            oauth_url=url or "https://oauth.reddit.com",
            reddit_url=url or "https://www.reddit.com",
            # Set here because a stray praw.ini could set them, even to text where a number is expected.
            timeout=int(TIMEOUT),
            ratelimit_seconds=5,
            window_size=int(LONGEST_WAIT),
            check_for_updates=False,
            check_for_async=False,
            requestor_class=CountingRequestor,
            requestor_kwargs={"session": session},
        )
        # Application-only login, even if a stray praw.ini or a praw_* variable names a user.
        self._reddit.read_only = True
        self._requestor: CountingRequestor = self._reddit._core.requestor  # type: ignore[attr-defined]
        self._served = False  # Whether a page was read.
        self._clock = clock
        self._waits = waits
        self._retrying = Retrying(
            retry=retry_if_exception_type(Transient),
            wait=_wait,
            stop=stop_after_attempt(ATTEMPTS) | stop_after_delay(LONGEST_WAIT),
            sleep=sleep,
            before_sleep=self._retry,
            reraise=True,
        )

    @property
    def requests(self) -> int:
        """Requests sent so far: pages, logins and retries."""
        return self._requestor.sent

    def close(self) -> None:
        """Close the connections."""
        self._requestor.close()

    def listing(self, subreddit: str, listing: str, *, limit: int) -> Iterator[Observation]:
        """The first `limit` items of a subreddit's listing, in Reddit's order.

        Includes the stickied posts that Reddit adds to a page. An item occurs twice if new ones push it onto the next
        page in the meantime. Raises `Unavailable`, `RedditError` or `ConfigurationError`.
        """
        after: str | None = None
        seen = empty = 0
        while seen < limit:
            params: dict[str, str | int] = {"limit": min(PAGE, limit - seen)}
            if after:
                params["after"] = after
            page, observed_at = self.ask(f"r/{subreddit}/{listing}", page_of, params=params)
            for child in page.children:
                yield Observation(child, observed_at)
            seen += len(page.children)
            # A page may be empty because all of its items are hidden from this client, and still have a next page.
            empty = 0 if page.children else empty + 1
            after = page.after
            if not after or after == params.get("after") or empty == EMPTY_PAGES:
                return

    def info(self, fullnames: Sequence[str]) -> Iterator[tuple[str, Observation]]:
        """Those of at most 100 posts and comments that Reddit returns, each with its name such as `t3_abc`.

        Raises `Unavailable`, `RedditError` or `ConfigurationError`.
        """
        page, observed_at = self.ask("api/info", page_of, params={"id": ",".join(fullnames), "limit": PAGE})
        for child in page.children:
            data = child.get("data") if isinstance(child, dict) else None
            if isinstance(child, dict) and isinstance(data, dict):
                yield f"{child.get('kind')}_{data.get('id')}", Observation(child, observed_at)

    def ask(
        self,
        path: str,
        understand: Callable[[object], Answer],
        *,
        params: Mapping[str, str | int] | None = None,
        form: Mapping[str, str | int] | None = None,
    ) -> tuple[Answer, datetime]:
        """Send one request; returns the response, parsed by `understand`, and when it arrived. With a form, a POST.

        `understand` raises `NotUnderstoodError` for an unexpected response, which is retried like a transient error.
        Raises `Unavailable`, `RedditError` or `ConfigurationError`.
        """

        def once() -> tuple[Answer, datetime]:
            # As long as prawcore is going to sleep.
            allowed = self._reddit._core.rate_limiter.next_request_timestamp_ns  # type: ignore[attr-defined]
            if allowed and (seconds := allowed / 1e9 - time.monotonic()) > 0:
                self._waits(seconds, RATE_LIMIT)
            answer = self._send(path, params, form)
            observed_at = self._clock()
            try:
                understood = understand(answer)
            except NotUnderstoodError as error:
                raise Transient(f"{path}: the response is not {error}") from None
            self._served = True
            return understood, observed_at

        return self._retrying(once)

    def _retry(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        log.warning("request retried", extra={"reason": str(error), "wait_seconds": state.upcoming_sleep})
        is_limit = isinstance(error, Transient) and error.is_limit
        self._waits(state.upcoming_sleep, RATE_LIMIT if is_limit else "another attempt")

    def _send(self, path: str, params: Mapping[str, str | int] | None, form: Mapping[str, str | int] | None) -> object:
        try:
            if form:
                return self._reddit.request(method="POST", path=path, data=dict(form))
            return self._reddit.request(method="GET", path=path, params=dict(params or {}))
        except OAuthException as error:
            raise no_token(word(error.error)) from None
        except ResponseException as error:
            raise verdict_on(error, logged_in=self._requestor.logged_in, served=self._served) from None
        except RequestException as error:
            raise Transient(f"{path}: no response ({type(error.original_exception).__name__}): {REACH}") from None
        except RedditAPIException:
            raise RedditError(f"{path}: Reddit rejected the request as malformed") from None
        except (ValueError, LookupError, TypeError, AttributeError, AssertionError, RecursionError):
            # PRAW and prawcore do not check the form of a token, a redirect or an error response.
            raise Transient(f"{path}: malformed response") from None


def page_of(answer: object) -> Page:
    """Parse a page of a listing; a single thing is a listing of one. Raises NotUnderstoodError."""
    data = answer.get("data") if isinstance(answer, dict) else None
    children = data.get("children") if isinstance(data, dict) else None
    if isinstance(data, dict) and isinstance(children, list):
        after = data.get("after")
        return Page(children, after if isinstance(after, str) else None)
    if isinstance(answer, dict) and isinstance(data, dict) and KIND.fullmatch(str(answer.get("kind"))):
        return Page([answer], None)
    raise NotUnderstoodError("a listing")


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _wait(state: RetryCallState) -> float:
    """Seconds before the next attempt: what Reddit requests, else 2, 4, 8, …"""
    error = state.outcome.exception() if state.outcome else None
    requested = error.wait if isinstance(error, Transient) else None
    return min(LONGEST_WAIT, 2.0**state.attempt_number if requested is None else requested)
