"""What may be asked of Reddit, and as whom: which subreddits, which of their listings, how many items of each."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from reddit_etl.errors import ConfigurationError

LISTING_CAP = 1000  # Reddit's most items a listing, https://www.reddit.com/dev/api#listings
# The listings of a subreddit, each with the entity that it lists.
LISTINGS = {
    "new": "posts",
    "hot": "posts",
    "top": "posts",
    "rising": "posts",
    "controversial": "posts",
    "comments": "comments",
}
NEWEST_FIRST = ("new", "comments")
"""Those that end at something older than what was read last, unless something was missed between."""
# Two letters only among the oldest subreddits; `u_` and a user's name is that user's profile.
SUBREDDIT = re.compile(r"[a-z0-9][a-z0-9_]{1,20}|u_[a-z0-9_-]{3,20}")
USER_AGENT = re.compile(r"[^:\s]+:[^:\s]+:[^:\s]+ \(by /?u/[\w-]{3,20}\)", re.ASCII)


def check_clean(values: Mapping[str, str]) -> None:
    """Raises ConfigurationError for a login, by its setting's name, that something was copied along with."""
    for name, value in values.items():
        if value != value.strip() or not value.isprintable() or not value.isascii():
            fix = "store it without"
            raise ConfigurationError(f"{name} has white space around it, or a character that no login has: {fix}")


def check_user_agent(text: str) -> None:
    """As https://github.com/reddit-archive/reddit/wiki/API wants it; others are slowed down."""
    if not USER_AGENT.fullmatch(text):
        raise ConfigurationError("REDDIT_USER_AGENT must look like: linux:my-app:1.0 (by /u/my-reddit-name)")


def checked_subreddits(names: Any) -> tuple[str, ...]:
    """The subreddits in lower case, as Reddit makes no difference of it."""
    return _checked(names, "--subreddits", lambda name: bool(SUBREDDIT.fullmatch(name)), "2 to 21 letters, digits, _")


def checked_listings(names: Any) -> tuple[str, ...]:
    return _checked(names, "--listings", LISTINGS.__contains__, f"one of {', '.join(LISTINGS)}")


def _checked(names: Any, setting: str, valid: Callable[[str], bool], rule: str) -> tuple[str, ...]:
    if not isinstance(names, list | tuple) or not names or not all(isinstance(name, str) for name in names):
        raise ConfigurationError(f'{setting}: give a JSON list of at least one name, like ["new"]')
    lowered = tuple(name.lower() for name in names)
    for name in lowered:
        if not valid(name):
            raise ConfigurationError(f"{setting}: {name!r} is no such name: give {rule}")
        if lowered.count(name) > 1:
            raise ConfigurationError(f"{setting}: {name!r} is listed twice: list it once")
    return lowered


def checked_limit(limit: int) -> int:
    if not 1 <= limit <= LISTING_CAP:
        raise ConfigurationError(f"--limit is {limit}: Reddit gives 1 to {LISTING_CAP} items of a listing")
    return limit
