"""Reddit's API: answers as payloads, listings as generators of them, over PRAW's authentication and rate limiting.

PRAW's own objects are left out: they cost three times the CPU of the raw payloads, and a field that a listing did not
carry costs a request per post.
"""

import logging
import re
import time
from collections.abc import Callable, Iterator, Mapping
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

PAGE = 100  # Reddit's most items a request.
EMPTY_PAGES = 3  # In a row: then a listing is taken to have ended.

ATTEMPTS = 6  # Of one page, each of which prawcore may repeat twice for a 5xx.
KIND = re.compile(r"t\d")  # Of a thing; a listing's is Listing.
REACH = "check the network, the proxy and https://www.redditstatus.com"


@dataclass(frozen=True)
class Observation:
    """A child of a listing as Reddit sent it, and when the page with it was fetched."""

    child: object
    observed_at: datetime


@dataclass(frozen=True)
class Page:
    """The children of a listing that one answer holds, and after which of them the next page begins."""

    children: list[object]
    after: str | None


class NotUnderstoodError(Exception):
    """The answer is JSON, and not what was asked for; says what that was."""


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
        self._served = False  # A page was read.
        self._clock = clock
        self._sleep = sleep

    @property
    def requests(self) -> int:
        """Requests sent so far: pages, tokens and repetitions."""
        return self._requestor.sent

    def close(self) -> None:
        self._requestor.close()

    def listing(self, subreddit: str, listing: str, *, limit: int) -> Iterator[Observation]:
        """The first `limit` things of a subreddit's listing, in Reddit's order.

        A page comes with the stickies that Reddit adds to it. A thing may come twice if new ones push it onto the next
        page meanwhile. Raises `Unavailable`, `RedditError` or `ConfigurationError`.
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
            # A page may be empty of what we may see and yet have others behind it.
            empty = 0 if page.children else empty + 1
            after = page.after
            if not after or after == params.get("after") or empty == EMPTY_PAGES:
                return

    def ask(
        self,
        path: str,
        understand: Callable[[object], Answer],
        *,
        params: Mapping[str, str | int] | None = None,
        form: Mapping[str, str | int] | None = None,
    ) -> tuple[Answer, datetime]:
        """The answer to one request, as `understand` reads its JSON, and when it came. With a form, a POST.

        `understand` raises `NotUnderstoodError` for what is no such answer. Then, and after an error that may pass, it
        is asked again. Raises `Unavailable`, `RedditError` or `ConfigurationError`.
        """

        def once() -> tuple[Answer, datetime]:
            answer = self._send(path, params, form)
            observed_at = self._clock()
            try:
                understood = understand(answer)
            except NotUnderstoodError as error:
                raise Transient(f"{path}: the answer is not {error}") from None
            self._served = True
            return understood, observed_at

        retrying = Retrying(
            retry=retry_if_exception_type(Transient),
            wait=_wait,
            stop=stop_after_attempt(ATTEMPTS) | stop_after_delay(LONGEST_WAIT),
            sleep=self._sleep,
            before_sleep=_log_retry,
            reraise=True,
        )
        return retrying(once)

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
            raise Transient(f"{path}: no answer ({type(error.original_exception).__name__}): {REACH}") from None
        except RedditAPIException:
            raise RedditError(f"{path}: Reddit refused the request as malformed") from None
        except (ValueError, LookupError, TypeError, AttributeError, AssertionError, RecursionError):
            # PRAW and prawcore take a token, a redirect or a malformed request's answer to be what they expect.
            raise Transient(f"{path}: the answer was not understood") from None


def page_of(answer: object) -> Page:
    """A page of a listing; a single thing is a listing of one. Raises NotUnderstoodError."""
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
    """Seconds before the next try: what Reddit said, else 2, 4, 8, …"""
    error = state.outcome.exception() if state.outcome else None
    told = error.wait if isinstance(error, Transient) else None
    return min(LONGEST_WAIT, 2.0**state.attempt_number if told is None else told)


def _log_retry(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    log.warning("reddit asked again", extra={"reason": str(error), "wait_seconds": state.upcoming_sleep})
