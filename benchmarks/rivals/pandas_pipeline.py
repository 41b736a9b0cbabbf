"""A pipeline with pandas, as it is written in an afternoon: `python -m benchmarks.rivals.pandas_pipeline SUBREDDIT …`.

Raw payloads by PRAW, the wanted fields of each listing as an object of JSON lines, one DataFrame of all, one Parquet
object, COPY into a staging table and an upsert.
"""

import gzip
import io
import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import praw

from benchmarks.rivals.posts import COLUMNS, FIELDS, LISTING, PAGE, USER_AGENT, cut, load, settings

TYPES = {"INTEGER": "Int32", "DOUBLE PRECISION": "float64", "BOOLEAN": "boolean"}


def listing(reddit: praw.Reddit, subreddit: str) -> Iterator[dict[str, Any]]:
    after, seen = None, 0
    while seen < LISTING:
        params = {"limit": PAGE, "after": after}
        page: Any = reddit.request(method="GET", path=f"r/{subreddit}/new", params=params)
        now = datetime.now(UTC).timestamp()
        for child in page["data"]["children"]:
            yield {field: child["data"].get(field) for field in FIELDS} | {"observed_at": now}
        seen += len(page["data"]["children"])
        after = page["data"]["after"]
        if not after:
            return


def shaped(rows: list[dict[str, Any]]) -> pd.DataFrame:
    frame = pd.DataFrame.from_records(rows, columns=list(FIELDS))
    frame = frame.sort_values("observed_at").drop_duplicates("id", keep="last")
    frame["edited"] = frame["edited"].where(frame["edited"] != False)  # noqa: E712
    frame["selftext"] = frame["selftext"].map(cut, na_action="ignore")
    for _, field, kind in COLUMNS:
        if kind == "TIMESTAMP":
            frame[field] = pd.to_datetime(pd.to_numeric(frame[field]), unit="s", utc=True).dt.as_unit("us")
        else:
            frame[field] = frame[field].astype(TYPES.get(kind, "string"))
    return frame.rename(columns={field: column for column, field, _ in COLUMNS})


def main(subreddits: list[str]) -> int:
    url, store, warehouse = settings()
    reddit = praw.Reddit(
        client_id="any",
        client_secret="any",
        user_agent=USER_AGENT,
        oauth_url=url,
        reddit_url=url,
        check_for_updates=False,
    )
    rows: list[dict[str, Any]] = []
    for subreddit in subreddits:
        posts = list(listing(reddit, subreddit))
        lines = "\n".join(json.dumps(post) for post in posts)
        store.put(f"raw/{subreddit}.jsonl.gz", gzip.compress(lines.encode(), compresslevel=6))
        rows += posts
    frame, parquet = shaped(rows), io.BytesIO()
    frame.to_parquet(parquet, index=False, compression="zstd")
    load(store, warehouse, parquet.getvalue())
    return len(frame)


if __name__ == "__main__":
    print(main(sys.argv[1:]))
