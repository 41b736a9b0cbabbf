"""The extraction of one tree of comments: `python -m benchmarks.tree URL [SUBREDDIT]`.

Reads the tree of the subreddit's newest post from a Reddit at the URL into the folder `lake` in the working directory.
The default, `huge_example` of the sandbox, has 50,000 comments. Without an URL nothing is read: what importing takes.
Prints the number of records.
"""

import sys
from datetime import datetime
from pathlib import Path

from reddit_etl.clock import utc_now
from reddit_etl.entities import COMMENTS
from reddit_etl.lake.folder import FolderLake
from reddit_etl.lake.index import Receipts
from reddit_etl.sources.client import RedditClient
from reddit_etl.sources.tree import Due, Trees
from reddit_etl.steps.attempt import Attempt
from reddit_etl.steps.extract import extract


def main(url: str, subreddit: str = "huge_example") -> int:
    client = RedditClient(client_id="any", client_secret="any", user_agent="linux:benchmark:1 (by /u/nobody)", url=url)
    [newest] = client.listing(subreddit, "new", limit=1)
    due = Due(newest.child["data"]["id"], 24, "2026-11-22T04:00:00.000000Z")  # type: ignore[index]
    attempt = Attempt(FolderLake(Path("lake")), COMMENTS, datetime(2026, 11, 23, 4), "benchmark", utc_now)  # noqa: DTZ001
    extracted = extract(
        attempt,
        Trees((24,)).planned([due], missed=0, waiting=0, most_requests=10_000),
        source="sandbox",
        client=client,
        past=Receipts(attempt.lake, attempt.hour, attempt.hour),
    )
    client.close()
    return extracted.records


if __name__ == "__main__":
    print(main(*sys.argv[1:]) if sys.argv[1:] else 0)
