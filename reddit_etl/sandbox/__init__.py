"""A Reddit of our own on loopback, with invented posts, for a first run without credentials and for tests.

A real HTTP server that PRAW really talks to: the token endpoint, listings with paging and Reddit's cap, `/api/info`,
rate limit headers. What it holds depends on the subreddit's name and the hour alone.
"""

from reddit_etl.clock import Clock
from reddit_etl.sandbox.content import InventedReddit
from reddit_etl.sandbox.server import RedditServer


def start(*, clock: Clock, port: int = 0) -> str:
    """Start a server in a thread of this process, which ends with it; give its URL."""
    return RedditServer(InventedReddit(clock), port=port).start()
