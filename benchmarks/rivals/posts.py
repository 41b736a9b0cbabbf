"""What the pipelines of this folder share, so that all store the same: columns, texts, and the load of a warehouse."""

import json
import os
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

PAGE, LISTING = 100, 1000
USER_AGENT = "linux:benchmark:1.0 (by /u/benchmark)"
ROLE = "arn:aws:iam::123456789012:role/copy"
LONGEST_TEXT = 65535  # Bytes of Redshift's longest VARCHAR.

# Column, field of the payload, type in the warehouse. Those of reddit_etl/entities/posts.py that come from a payload.
COLUMNS = (
    ("post_id", "id", "VARCHAR(16)"),
    ("subreddit", "subreddit", "VARCHAR(64)"),
    ("author", "author", "VARCHAR(64)"),
    ("title", "title", "VARCHAR(4096)"),
    ("selftext", "selftext", "VARCHAR(65535)"),
    ("url", "url", "VARCHAR(8192)"),
    ("domain", "domain", "VARCHAR(256)"),
    ("permalink", "permalink", "VARCHAR(2048)"),
    ("link_flair_text", "link_flair_text", "VARCHAR(1024)"),
    ("created_at", "created_utc", "TIMESTAMP"),
    ("edited_at", "edited", "TIMESTAMP"),
    ("score", "score", "INTEGER"),
    ("upvote_ratio", "upvote_ratio", "DOUBLE PRECISION"),
    ("num_comments", "num_comments", "INTEGER"),
    ("is_self", "is_self", "BOOLEAN"),
    ("is_nsfw", "over_18", "BOOLEAN"),
    ("is_spoiler", "spoiler", "BOOLEAN"),
    ("is_locked", "locked", "BOOLEAN"),
    ("is_stickied", "stickied", "BOOLEAN"),
    ("crosspost_parent_id", "crosspost_parent", "VARCHAR(16)"),
    ("removed_by_category", "removed_by_category", "VARCHAR(64)"),
    ("post_hint", "post_hint", "VARCHAR(64)"),
    ("observed_at", "observed_at", "TIMESTAMP"),
)
FIELDS = tuple(field for _, field, _ in COLUMNS)
METRICS = "post_id, observed_at, score, upvote_ratio, num_comments"
_TYPES = {column: kind for column, _, kind in COLUMNS}
TABLES = {
    "posts": ", ".join(f"{column} {kind}" for column, kind in _TYPES.items()),
    "post_metrics": ", ".join(f"{column} {_TYPES[column]}" for column in METRICS.split(", ")),
}
# Newest wins, and a repetition changes nothing.
UPSERT = (
    "DELETE FROM reddit.posts USING staging WHERE reddit.posts.post_id = staging.post_id",
    "INSERT INTO reddit.posts SELECT * FROM staging",
    "DELETE FROM reddit.post_metrics USING staging "
    "WHERE reddit.post_metrics.post_id = staging.post_id AND reddit.post_metrics.observed_at = staging.observed_at",
    f"INSERT INTO reddit.post_metrics SELECT {METRICS} FROM staging",
)
# Each pipeline runs once in an empty warehouse.
CREATE = (
    "CREATE SCHEMA reddit",
    *(f"CREATE TABLE reddit.{name} ({columns})" for name, columns in TABLES.items()),
)


def cut(text: str | None) -> str | None:
    """No longer than the warehouse's column."""
    if text is None or len(text) * 4 <= LONGEST_TEXT:
        return text
    return text.encode()[:LONGEST_TEXT].decode(errors="ignore")


class Store:
    """Where objects go: below `s3://bucket/prefix`, or in a folder."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._s3: Any = None
        if url.startswith("s3://"):
            import boto3  # noqa: PLC0415

            self._s3 = boto3.client("s3")

    def put(self, key: str, content: bytes) -> str:
        """Gives the object's URL."""
        url = f"{self.url}/{key}"
        if self._s3:
            bucket, _, path = url.removeprefix("s3://").partition("/")
            self._s3.put_object(Bucket=bucket, Key=path, Body=content)
        else:
            Path(url).parent.mkdir(parents=True, exist_ok=True)
            Path(url).write_bytes(content)
        return url


def load(store: Store, warehouse: str, parquet: bytes) -> None:
    """Put the curated rows, in the order of the columns, and upsert them."""
    url = store.put("curated/posts.parquet", parquet)
    if warehouse.startswith("duckdb:///"):
        _load_duckdb(warehouse.removeprefix("duckdb:///"), parquet)
    else:
        entry = {"url": url, "mandatory": True, "meta": {"content_length": len(parquet)}}
        manifest = store.put("manifest.json", json.dumps({"entries": [entry]}).encode())
        _load_redshift(urlsplit(warehouse)._replace(scheme="postgresql").geturl(), manifest)


def _load_redshift(url: str, manifest: str) -> None:
    import psycopg2  # noqa: PLC0415

    copy = f"COPY staging FROM '{manifest}' WITH CREDENTIALS AS 'aws_iam_role={ROLE}' FORMAT AS PARQUET MANIFEST"
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        for statement in (*CREATE, f"CREATE TEMP TABLE staging ({TABLES['posts']})", copy, *UPSERT):
            cursor.execute(statement)
    connection.close()


def _load_duckdb(path: str, parquet: bytes) -> None:
    import duckdb  # noqa: PLC0415

    with tempfile.NamedTemporaryFile(suffix=".parquet") as file, duckdb.connect(path) as connection:
        file.write(parquet)
        file.flush()
        connection.execute("SET TimeZone = 'UTC'; SET threads = 1")
        for statement in (*CREATE, f"CREATE TEMP TABLE staging AS FROM read_parquet('{file.name}')", *UPSERT):
            connection.execute(statement)


def settings() -> tuple[str, Store, str]:
    """From the environment: Reddit's URL, the store, the URL of the warehouse."""
    return os.environ["REDDIT_URL"], Store(os.environ["LAKE_URL"]), os.environ.get("WAREHOUSE_URL", "")
