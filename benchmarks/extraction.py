"""The extraction alone, one listing after the other in one process: `python -m benchmarks.extraction URL NAME …`.

Writes to the folder `lake` in the working directory, and prints the number of records.
"""

import sys
from datetime import datetime
from pathlib import Path

from reddit_etl.clock import utc_now
from reddit_etl.entities import POSTS
from reddit_etl.lake.folder import FolderLake
from reddit_etl.sources.client import RedditClient
from reddit_etl.sources.selection import LISTING_CAP
from reddit_etl.steps.extract import extract


def main(url: str, subreddits: list[str]) -> int:
    client = RedditClient(client_id="any", client_secret="any", user_agent="linux:benchmark:1 (by /u/nobody)", url=url)
    records = 0
    for subreddit in subreddits:
        extracted = extract(
            entity=POSTS,
            client=client,
            lake=FolderLake(Path("lake")),
            clock=utc_now,
            source="sandbox",
            hour=datetime(2026, 11, 23, 4),  # noqa: DTZ001
            attempt="benchmark",
            subreddit=subreddit,
            listing="new",
            limit=LISTING_CAP,
        )
        records += extracted.records
    client.close()
    return records


if __name__ == "__main__":
    print(main(sys.argv[1], sys.argv[2:]))
