"""Posts on their way: as Reddit's payload, as a record, as a line in the lake, as a row of Parquet."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import duckdb

from reddit_etl.clock import iso
from reddit_etl.entities import POSTS
from reddit_etl.entities.record import Record, to_record
from reddit_etl.entities.schema import TIMESTAMP, Entity
from reddit_etl.lake.folder import FolderLake
from reddit_etl.lake.jsonl import JsonLines
from reddit_etl.lake.receipts import DataObject

NOON = datetime(2026, 11, 23, 12)  # noqa: DTZ001
MINUTE = timedelta(minutes=1)
# Microseconds without a zone, said in both ways. Redshift's COPY goes by the converted type: where only the logical one
# was given, it loaded times of the year 161065 without an error (https://github.com/apache/arrow/issues/38000).
TIME_TYPE = (
    "INT64",
    "TIMESTAMP_MICROS",
    "TimestampType(isAdjustedToUTC=0, unit=TimeUnit(MILLIS=<null>, MICROS=MicroSeconds(), NANOS=<null>))",
)


def payload(post_id: str = "abc", **fields: Any) -> dict[str, Any]:
    return {
        "id": post_id,
        "name": f"t3_{post_id}",
        "subreddit": "python",
        "author": "someone",
        "title": "A title",
        "selftext": "A text",
        "url": f"https://www.reddit.com/r/python/comments/{post_id}/a_title/",
        "domain": "self.python",
        "permalink": f"/r/python/comments/{post_id}/a_title/",
        "link_flair_text": None,
        "created_utc": 1580515200.0,
        "edited": False,
        "score": 7,
        "upvote_ratio": 0.75,
        "num_comments": 3,
        "is_self": True,
        "over_18": False,
        "spoiler": False,
        "locked": False,
        "stickied": False,
        "removed_by_category": None,
        "is_video": False,
    } | fields


def child(post_id: str = "abc", **fields: Any) -> dict[str, Any]:
    """As it stands in a listing."""
    return {"kind": "t3", "data": payload(post_id, **fields)}


def record(
    post_id: str = "abc", *, seen: datetime = NOON, listing: str = "python-new-100", place: int = 1, **fields: Any
) -> dict[str, object]:
    outcome = to_record(
        POSTS,
        child(post_id, **fields),
        {"observed_at": iso(seen), "source": "sandbox", "listing": listing, "place": place},
    )
    assert isinstance(outcome, Record)
    return outcome.values


def json_lines(path: Path, records: Iterable[dict[str, object]]) -> Path:
    """A file of records as the lake keeps it."""
    with JsonLines(FolderLake(path.parent), path.name) as lines:
        for row in records:
            lines.write(row)
    return path


def parquet(path: Path, rows: Iterable[dict[str, object]], entity: Entity = POSTS) -> Path:
    """A file of curated rows, as the transformation gives it; a column that a row does not name is NULL in it."""
    columns = entity.curated
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE t ({', '.join(f'{c.name} {c.type.sql}' for c in columns)})")
        values = [[row.get(column.name) for column in columns] for row in rows]
        if values:
            connection.executemany(f"INSERT INTO t VALUES ({', '.join('?' * len(columns))})", values)
        connection.execute("COPY t TO ? (FORMAT parquet)", [str(path)])
    return path


def time_types(path: Path) -> set[tuple[str, ...]]:
    """How the footer of a Parquet file declares its columns of times: physical, converted and logical type."""
    times = [column.name for column in POSTS.curated if column.type is TIMESTAMP]
    with duckdb.connect() as connection:
        declared = connection.execute(
            "SELECT name, type, converted_type, logical_type FROM parquet_schema(?)", [str(path)]
        ).fetchall()
    found = {name: types for name, *types in declared}
    return {tuple(found[name]) for name in times}


def listed(files: list[Path], rows: int) -> dict[str, Any]:
    """The files as objects of a lake, of which a receipt says that they hold so many rows in all."""
    rows_of = [rows] + [0] * len(files)
    entries = [
        DataObject(str(path)[1:], path.stat().st_size, sha256(path.read_bytes()).hexdigest(), rows_of[number])
        for number, path in enumerate(files)
    ]
    columns = {column.name: column.type.sql for column in POSTS.curated}
    return {"lake": FolderLake(Path("/")), "objects": entries, "columns": columns}


def post(post_id: str | None = "abc", *, seen: datetime | None = NOON, **fields: object) -> dict[str, object]:
    """A curated row."""
    return {
        "post_id": post_id,
        "subreddit": "python",
        "title": "A title",
        "created_at": datetime(2020, 2, 1),  # noqa: DTZ001
        "score": 7,
        "upvote_ratio": 0.75,
        "num_comments": 3,
        "text_truncated": False,
        "observed_at": seen,
        "source": "sandbox",
    } | fields
