"""The extraction alone, one listing after the other in one process: `python -m benchmarks.extraction URL NAME …`.

Writes to the folder `lake` in the working directory, and prints the number of records.
"""

import sys
from datetime import datetime
from pathlib import Path

from reddit_etl.clock import utc_now
from reddit_etl.entities import POSTS
from reddit_etl.lake.folder import FolderLake
from reddit_etl.lake.index import Receipts
from reddit_etl.sources.client import RedditClient
from reddit_etl.sources.listing import Listing
from reddit_etl.sources.selection import LISTING_CAP
from reddit_etl.steps.attempt import Attempt
from reddit_etl.steps.extract import extract


def main(url: str, subreddits: list[str]) -> int:
    client = RedditClient(client_id="any", client_secret="any", user_agent="linux:benchmark:1 (by /u/nobody)", url=url)
    attempt = Attempt(FolderLake(Path("lake")), POSTS, datetime(2026, 11, 23, 4), "benchmark", utc_now)  # noqa: DTZ001
    records = 0
    for subreddit in subreddits:
        extracted = extract(
            attempt,
            Listing(subreddit, "new", LISTING_CAP),
            source="sandbox",
            client=client,
            past=Receipts(attempt.lake, attempt.hour, attempt.hour),
        )
        records += extracted.records
    client.close()
    return records


if __name__ == "__main__":
    print(main(sys.argv[1], sys.argv[2:]))
