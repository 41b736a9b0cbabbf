"""The sandbox's whole Reddit at the hour that its clock shows: listings, trees, and things by their names."""

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC
from functools import lru_cache
from typing import Any, NamedTuple

from reddit_etl.clock import Clock, hour_of
from reddit_etl.sandbox import trees
from reddit_etl.sandbox.answers import ABSENT, FORBIDDEN, Listing, Refusal, Thing, Tree
from reddit_etl.sandbox.comments import Thread, thread
from reddit_etl.sandbox.posts import EPOCH, SEED_BITS, Subreddit, named

CAP = 1000
COMMENTS_AT_ONCE = 500  # Comments in a tree's answer, at most,
MORE_AT_ONCE = 100  # and in one of `/api/morechildren`.
FULLNAME = re.compile(r"(t[13])_([0-9a-z]{1,13})")

REFUSED = {
    "private_example": Refusal(403, reason="private"),
    "banned_example": Refusal(404, reason="banned"),
    "unknown_example": Refusal(302, location="/subreddits/search.json?q=unknown_example"),
}

ORDERS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "hot": lambda post: post["score"] + post["created_utc"] / 3600,
    "top": lambda post: post["score"],
    "rising": lambda post: post["score"] / (1 + post["num_comments"]),
    "controversial": lambda post: -post["upvote_ratio"],
}

# By checksum, the subreddits that this process knows: the 13 digits of an id have room for a checksum of the
# subreddit's name, which may be 21 letters long, and not for the name.
_KNOWN: dict[int, Subreddit] = {}


class InventedReddit:
    """The content of the sandbox at the hour that its clock shows.

    By their ids alone, posts and comments are found in the subreddits that this process knows: by `know`, or by an
    earlier request for a listing or a tree.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def _hour(self) -> int:
        return int(hour_of(self._clock()).replace(tzinfo=UTC).timestamp())

    def listing(self, subreddit: str, listing: str) -> Listing | Refusal:
        """At most 1,000 posts or, for `comments`, comments."""
        if refusal := REFUSED.get(subreddit.lower()):
            return refusal
        found, hour = _known(subreddit), self._hour()
        return _newest_comments(found, hour) if listing == "comments" else _ordered(found, listing, hour)

    def info(self, fullnames: list[str]) -> Iterator[dict[str, Any]]:
        """What there is by this hour; other kinds, later things and vanished comments are left out."""
        hour = self._hour()
        for match in filter(None, map(FULLNAME.fullmatch, fullnames)):
            if match[1] == "t3" and (post := _post(match[2], hour)):
                yield post[0].post(post[1], hour)
            elif match[1] == "t1" and (comment := _comment(match[2], hour)):
                found = thread(comment.subreddit, comment.post, hour)
                if found.shows(comment.number):
                    yield found.payload(comment.number)

    def tree(self, post_id: str, *, limit: int, subreddit: str | None, comment: str | None) -> Tree | Refusal:
        """At most `limit` comments, and never more than 500; none if the post has no such comment."""
        if subreddit and (refusal := REFUSED.get(subreddit.lower())):
            return refusal
        if subreddit:
            _known(subreddit)
        hour = self._hour()
        if not (post := _post(post_id, hour)):
            return ABSENT
        found = thread(*post, hour)
        limit = min(limit, COMMENTS_AT_ONCE)
        if comment is None:
            return Tree(found.post, trees.tree(found, None, limit))
        numbers = list(_numbers(found, [comment]))
        return Tree(found.post, trees.tree(found, numbers[0], limit) if numbers else [])

    def more(self, link: str, children: list[str], *, only_these: bool) -> list[Thing] | Refusal:
        """At most 100 comments; ids beyond come back in stubs, ids of other posts are ignored."""
        hour = self._hour()
        match = FULLNAME.fullmatch(link)
        post = _post(match[2], hour) if match and match[1] == "t3" else None
        if not post:
            return FORBIDDEN
        found = thread(*post, hour)
        return trees.flat(found, _numbers(found, children), limit=MORE_AT_ONCE, only_these=only_these)


def know(names: Iterable[str]) -> None:
    """From now on, posts and comments of these subreddits are found by their ids, by each server of this process."""
    for name in names:
        _known(name)


def _known(name: str) -> Subreddit:
    subreddit = named(name)
    _KNOWN[subreddit.seed] = subreddit
    return subreddit


def _post(post_id: str, hour: int) -> tuple[Subreddit, int] | None:
    """The subreddit and the number of a post that there is by that hour."""
    packed = int(post_id, 36)
    subreddit, number = _KNOWN.get(packed & (1 << SEED_BITS) - 1), (packed >> SEED_BITS) - 1
    return (subreddit, number) if subreddit and 0 <= number <= subreddit.newest(hour) else None


class _Comment(NamedTuple):
    subreddit: Subreddit
    post: int
    number: int


def _comment(comment_id: str, hour: int) -> _Comment | None:
    """Where an id belongs, if its post is there by that hour."""
    packed = int(comment_id, 36)
    if not (subreddit := _KNOWN.get(packed & (1 << SEED_BITS) - 1)):
        return None
    post, number = divmod(packed >> SEED_BITS, subreddit.most_comments)
    return _Comment(subreddit, post - 1, number) if 0 < post <= subreddit.newest(hour) + 1 else None


def _numbers(found: Thread, comment_ids: Iterable[str]) -> Iterator[int]:
    """The numbers of those comments that belong to the thread, each once."""
    for comment_id in dict.fromkeys(comment_ids):
        match = FULLNAME.fullmatch(f"t1_{comment_id}")
        comment = _comment(match[2], found.hour) if match else None
        if comment and comment[:2] == (found.subreddit, found.number) and comment.number < found.count:
            yield comment.number


@lru_cache(maxsize=4)
def _ordered(subreddit: Subreddit, listing: str, hour: int) -> Listing:
    newest = subreddit.newest(hour)
    numbers = range(newest, max(-1, newest - CAP), -1)
    if listing == "new":
        return Listing([subreddit.post_id(number) for number in numbers], lambda n: subreddit.post(numbers[n], hour))
    posts = sorted((subreddit.post(number, hour) for number in numbers), key=ORDERS[listing], reverse=True)
    return Listing([post["id"] for post in posts], posts.__getitem__)


@lru_cache(maxsize=4)
def _newest_comments(subreddit: Subreddit, hour: int) -> Listing:
    """The newest comments of all posts: of the last hour or, while those are too few, of twice as many hours."""
    hours = 1
    found = _arrived(subreddit, hour, hour - 3600)
    while len(found) < CAP and hour - 3600 * hours > EPOCH:
        hours *= 2
        found = _arrived(subreddit, hour, hour - 3600 * hours)
    newest = sorted(found, reverse=True)[:CAP]
    ids = [subreddit.comment_id(post, comment) for _, post, comment in newest]
    return Listing(ids, lambda n: thread(subreddit, newest[n][1], hour).listed(newest[n][2]), "t1")


def _arrived(subreddit: Subreddit, hour: int, begin: int) -> list[tuple[int, int, int]]:
    """Moment, post and number of each comment that was created from `begin` on and shows in this hour."""
    found = []
    for post in range(subreddit.newest(hour), -1, -1):
        arrivals = subreddit.arrivals(post)
        if arrivals.end < begin:
            break
        comments = range(arrivals.count(begin), arrivals.count(hour))
        found += [(arrivals.created(number), post, number) for number in comments if not arrivals.gone(number, hour)]
    return found
