"""PRAW as its manual shows it: a listing's submissions into records, `python -m benchmarks.rivals.praw_objects …`.

One object of JSON lines for each listing. There is no transformation and no warehouse.
"""

import gzip
import json
import sys
from datetime import UTC, datetime
from typing import Any

import praw

from benchmarks.rivals.posts import FIELDS, LISTING, USER_AGENT, settings


def record(post: Any) -> dict[str, Any]:
    # Not `getattr`: what a listing left out, PRAW would fetch by a request of its own.
    found = vars(post)
    values = {field: found.get(field) for field in FIELDS}
    author = {"author": post.author.name if post.author else None, "subreddit": post.subreddit.display_name}
    return values | author | {"observed_at": datetime.now(UTC).timestamp()}


def main(subreddits: list[str]) -> int:
    url, store, _ = settings()
    reddit = praw.Reddit(
        client_id="any",
        client_secret="any",
        user_agent=USER_AGENT,
        oauth_url=url,
        reddit_url=url,
        check_for_updates=False,
    )
    rows = 0
    for subreddit in subreddits:
        lines = [json.dumps(record(post)) for post in reddit.subreddit(subreddit).new(limit=LISTING)]
        store.put(f"raw/{subreddit}.jsonl.gz", gzip.compress("\n".join(lines).encode(), compresslevel=6))
        rows += len(lines)
    return rows


if __name__ == "__main__":
    print(main(sys.argv[1:]))
