"""The client for notebooks and other programs: Reddit's posts and comments as typed records, streamed.

What this module and its class document is stable: a change that breaks it changes the first number of the version.
"""

import logging
import sys
from collections.abc import Iterable, Iterator
from datetime import datetime
from types import TracebackType
from typing import Any, Self

from reddit_etl.clock import iso
from reddit_etl.entities import COMMENTS, POSTS
from reddit_etl.entities.record import Reject, to_record
from reddit_etl.entities.schema import TIMESTAMP, Entity
from reddit_etl.errors import ConfigurationError
from reddit_etl.sources import client
from reddit_etl.sources.selection import LISTING_CAP, LISTINGS, NAMES, SUBREDDIT, USER_AGENT
from reddit_etl.sources.thread import Thread, is_id

log = logging.getLogger(__name__)

Record = dict[str, Any]
# Columns of the lake that say which extract read a record, and where it stood in it.
EXTRACT = ("source", "listing", "place")


class RedditClient:
    """A read-only client of Reddit's API, for one thread.

    The three arguments are those of an app at https://www.reddit.com/prefs/apps; the user agent looks like
    `linux:my-app:1.0 (by /u/my-name)`. `url` replaces Reddit's URLs, for a server of your own.

    A record is a `dict` with the columns of the data dictionary, except those that the transformation derives: a post
    has `is_gallery`, `is_video`, `has_poll` and `post_hint` instead of `post_type`, a comment has `shown_score` and
    `score_hidden` instead of `score`. Times are `datetime` in UTC. A payload without an id or a time is left out, with
    a warning in the log.

    All methods respect Reddit's rate limit and retry what fails for a moment. They raise `RedditError` if Reddit gives
    no usable response, its subclass `Unavailable` for a subreddit or post that cannot be read, and `ConfigurationError`
    for a wrong argument or refused credentials.
    """

    def __init__(self, *, client_id: str, client_secret: str, user_agent: str, url: str | None = None) -> None:
        if not USER_AGENT.fullmatch(user_agent):
            raise ConfigurationError("user_agent must look like: linux:my-app:1.0 (by /u/my-reddit-name)")
        self._client = client.RedditClient(
            client_id=client_id, client_secret=client_secret, user_agent=user_agent, url=url
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; done at the end of a `with` block."""
        self._client.close()

    @property
    def requests(self) -> int:
        """Requests sent so far, logins and retries included; Reddit allows 100 per minute."""
        return self._client.requests

    def posts(self, subreddit: str, *, listing: str = "new", limit: int = LISTING_CAP) -> Iterator[Record]:
        """The first `limit` posts of a listing: `new`, `hot`, `top`, `rising` or `controversial`, each post once.

        A request has 100 posts, and is sent when its first post is asked for. Reddit's listings end at about 1,000.
        """
        if LISTINGS.get(listing) != "posts":
            raise ConfigurationError(f"listing is {listing!r}: use {', '.join(n for n in LISTINGS if n != 'comments')}")
        return self._listing(POSTS, subreddit, listing, limit)

    def comments(self, subreddit: str, *, limit: int = LISTING_CAP) -> Iterator[Record]:
        """The newest `limit` comments in a subreddit, newest first, each once; requests are as for `posts`."""
        return self._listing(COMMENTS, subreddit, "comments", limit)

    def comments_on(self, post_id: str) -> Iterator[Record]:
        """All comments on a post, in Reddit's order, then those that it leaves out of its first response.

        The first response has about 500; each 100 that it leaves out take a request, sent when they are asked for.
        """
        post_id = post_id.removeprefix("t3_")
        if not is_id(post_id):
            raise ConfigurationError(f"post_id is {post_id!r}: use the id in the URL of the post, such as 1abcde")
        return _records(COMMENTS, Thread(post_id).observations(self._client, end=sys.maxsize))

    def _listing(self, entity: Entity, subreddit: str, listing: str, limit: int) -> Iterator[Record]:
        if not SUBREDDIT.fullmatch(subreddit.lower()):
            raise ConfigurationError(f"subreddit is {subreddit!r}: use {NAMES}")
        if not 1 <= limit <= LISTING_CAP:
            raise ConfigurationError(f"limit is {limit}: use 1 to {LISTING_CAP}, Reddit's maximum per listing")
        return _records(entity, self._client.listing(subreddit, listing, limit=limit))


def _records(entity: Entity, observations: Iterable[client.Observation]) -> Iterator[Record]:
    names = [column.name for column in entity.record if column.name not in EXTRACT]
    times = [column.name for column in entity.record if column.type is TIMESTAMP]
    seen = set()
    for one in observations:
        found = to_record(entity, one.child, {"observed_at": iso(one.observed_at)})
        if isinstance(found, Reject):
            log.warning("a payload is left out: %s", found.reason)
            continue
        values = found.values
        # New posts push one that was read onto the next page.
        if values[entity.key] in seen:
            continue
        seen.add(values[entity.key])
        values |= {name: datetime.fromisoformat(str(values[name])) for name in times if values[name]}
        yield {name: values[name] for name in names}
