"""Checks of what may be requested from Reddit: subreddits, listings, limit and user agent."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from reddit_etl.errors import ConfigurationError

LISTING_CAP = 1000  # Reddit's maximum of items per listing, https://www.reddit.com/dev/api#listings
# The listings of a subreddit, as in its URL, each with the entity of its items.
LISTINGS = {
    "new": "posts",
    "hot": "posts",
    "top": "posts",
    "rising": "posts",
    "controversial": "posts",
    "comments": "comments",
}
NEWEST_FIRST = ("new", "comments")
"""Those sorted by creation, newest first, in which gaps can be found."""
# Some old subreddits have two letters; `u_` and a user's name is that user's profile.
SUBREDDIT = re.compile(r"[a-z0-9][a-z0-9_]{1,20}|u_[a-z0-9_-]{3,20}")
NAMES = "2 to 21 letters, digits, _, without r/"
"""What `SUBREDDIT` allows, for messages."""
USER_AGENT = re.compile(r"[^:\s]+:[^:\s]+:[^:\s]+ \(by /?u/[\w-]{3,20}\)", re.ASCII)


def check_clean(values: Mapping[str, str]) -> None:
    """Raises ConfigurationError for credentials, by name of setting, that were copied with extra characters."""
    for name, value in values.items():
        if value != value.strip() or not value.isprintable() or not value.isascii():
            fault = "has surrounding white space or a character that is not allowed in credentials"
            raise ConfigurationError(f"{name} {fault}: remove it")


def check_user_agent(text: str) -> None:
    """Raises ConfigurationError unless it is as https://github.com/reddit-archive/reddit/wiki/API requires."""
    # Reddit throttles others.
    if not USER_AGENT.fullmatch(text):
        raise ConfigurationError("REDDIT_USER_AGENT must look like: linux:my-app:1.0 (by /u/my-reddit-name)")


def checked_subreddits(names: Any) -> tuple[str, ...]:
    """The subreddits in lower case, since Reddit ignores case. Raises ConfigurationError."""
    return _checked(names, "--subreddits", lambda name: bool(SUBREDDIT.fullmatch(name)), NAMES, '["python", "aws"]')


def checked_listings(names: Any) -> tuple[str, ...]:
    """The listings in lower case. Raises ConfigurationError."""
    return _checked(names, "--listings", LISTINGS.__contains__, f"one of {', '.join(LISTINGS)}", '["new", "comments"]')


def _checked(names: Any, setting: str, valid: Callable[[str], bool], rule: str, example: str) -> tuple[str, ...]:
    if not isinstance(names, list | tuple) or not names or not all(isinstance(name, str) for name in names):
        raise ConfigurationError(f"{setting}: use a JSON list of at least one name, such as {example}")
    lowered = tuple(name.lower() for name in names)
    for name in lowered:
        if not valid(name):
            raise ConfigurationError(f"{setting}: {name!r} is not valid: use {rule}")
        if lowered.count(name) > 1:
            raise ConfigurationError(f"{setting}: {name!r} is listed twice: remove one")
    return lowered


def checked_limit(limit: int) -> int:
    """Raises ConfigurationError for a limit that Reddit does not support."""
    if not 1 <= limit <= LISTING_CAP:
        raise ConfigurationError(f"--limit is {limit}: use 1 to {LISTING_CAP}, Reddit's maximum per listing")
    return limit
