"""A Reddit of our own on loopback, with invented posts and comments, for a first run without credentials and for tests.

A real HTTP server that PRAW really talks to: the token endpoint, listings with paging and Reddit's cap, comment trees,
`/api/morechildren`, `/api/info`, rate limit headers. What it holds depends on the subreddit's name and the hour alone.
"""

from typing import TypedDict

from reddit_etl.clock import Clock, utc_now
from reddit_etl.sandbox.content import InventedReddit, know
from reddit_etl.sandbox.server import RedditServer

__all__ = ["Login", "know", "login", "start"]


def start(*, clock: Clock, port: int = 0) -> str:
    """Start a server in a thread of this process, which ends with it; give its URL.

    Posts and comments are found by their ids alone in the subreddits of `know`, and in those that a request has named.
    """
    return RedditServer(InventedReddit(clock), port=port).start()


class Login(TypedDict):
    """The arguments of `reddit_etl.RedditClient`."""

    client_id: str
    client_secret: str
    user_agent: str
    url: str


def login() -> Login:
    """Start a server as `start` does; give the arguments of a client of it, which accepts any credentials."""
    return {
        "client_id": "sandbox",
        "client_secret": "sandbox",
        "user_agent": "linux:reddit-etl:sandbox (by /u/sandbox)",
        "url": start(clock=utc_now),
    }
