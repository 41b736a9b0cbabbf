"""Pipelines with dlt: `python -m benchmarks.rivals.dlt_pipeline SUBREDDIT …`.

With LAKE_URL on S3: from Reddit into JSON lines there, by dlt's `filesystem` destination, and from them into PostgreSQL
by a second pipeline. Without, straight into PostgreSQL. Both merge by `upsert` and load CSV, the fastest format of the
`postgres` destination without another driver. That destination has no staging on S3. The `redshift` destination has,
but its COPY lists no manifest, and the stand-in for Redshift supports no other.
"""

import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import dlt
import praw
from dlt.sources.filesystem import filesystem, read_jsonl

from benchmarks.rivals.posts import COLUMNS, FIELDS, LISTING, PAGE, USER_AGENT, cut

TYPES = {"TIMESTAMP": "timestamp", "INTEGER": "bigint", "DOUBLE PRECISION": "double", "BOOLEAN": "bool"}
SCHEMA: dict[str, Any] = {column: {"data_type": TYPES.get(kind, "text")} for column, _, kind in COLUMNS}
MERGE: dict[str, Any] = {"write_disposition": {"disposition": "merge", "strategy": "upsert"}, "primary_key": "post_id"}


@dlt.resource(name="posts", columns=SCHEMA, max_table_nesting=0)
def posts(subreddits: list[str]) -> Iterator[list[dict[str, Any]]]:
    """A page of a listing at a time."""
    url = os.environ["REDDIT_URL"]
    reddit = praw.Reddit(
        client_id="any",
        client_secret="any",
        user_agent=USER_AGENT,
        oauth_url=url,
        reddit_url=url,
        check_for_updates=False,
    )
    for subreddit in subreddits:
        after, seen = None, 0
        while seen < LISTING:
            params = {"limit": PAGE, "after": after}
            page: Any = reddit.request(method="GET", path=f"r/{subreddit}/new", params=params)
            now = datetime.now(UTC).timestamp()
            yield [record(child["data"], now) for child in page["data"]["children"]]
            seen += len(page["data"]["children"])
            after = page["data"]["after"]
            if not after:
                break


def record(payload: dict[str, Any], now: float) -> dict[str, Any]:
    values = [payload.get(field) for field in FIELDS[:-1]]
    row = dict(zip(SCHEMA, [*values, now], strict=True))
    row["edited_at"] = row["edited_at"] or None
    row["selftext"] = cut(row["selftext"])
    return row


def to_postgres(rows: Any) -> None:
    pipeline = dlt.pipeline("posts_to_postgres", destination="postgres", dataset_name="reddit")
    pipeline.run(rows, table_name="posts", loader_file_format="csv", columns=SCHEMA, **MERGE)


def main(subreddits: list[str]) -> None:
    if not os.environ["LAKE_URL"].startswith("s3://"):
        to_postgres(posts(subreddits))
        return
    lake = dlt.destinations.filesystem(os.environ["LAKE_URL"])
    dlt.pipeline("posts_to_lake", destination=lake, dataset_name="raw").run(
        posts(subreddits), loader_file_format="jsonl", write_disposition="append"
    )
    files = filesystem(bucket_url=f"{os.environ['LAKE_URL']}/raw/posts", file_glob="*.jsonl*")
    to_postgres((files | read_jsonl()).with_name("posts"))


if __name__ == "__main__":
    main(sys.argv[1:])
