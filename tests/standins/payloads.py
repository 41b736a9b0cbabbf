"""Builders of test data: payloads of Reddit, records, lines in the lake, rows of Parquet files."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import duckdb
from hypothesis import strategies as st

from reddit_etl.clock import iso
from reddit_etl.entities import POSTS
from reddit_etl.entities.record import Record, to_record
from reddit_etl.entities.schema import BOOLEAN, INTEGER, TIMESTAMP, Column, Entity, Origin, Sql, varchar
from reddit_etl.lake.folder import FolderLake
from reddit_etl.lake.jsonl import JsonLines
from reddit_etl.lake.receipts import DataObject
from reddit_etl.warehouse.base import Load

NOON = datetime(2026, 11, 23, 12)  # noqa: DTZ001
MINUTE = timedelta(minutes=1)
# Microseconds without a zone, said in both ways. Redshift's COPY goes by the converted type: where only the logical one
# was given, it loaded times of the year 161065 without an error (https://github.com/apache/arrow/issues/38000).
TIME_TYPE = (
    "INT64",
    "TIMESTAMP_MICROS",
    "TimestampType(isAdjustedToUTC=0, unit=TimeUnit(MILLIS=<null>, MICROS=MicroSeconds(), NANOS=<null>))",
)

# A small entity, whose SQL fits on a screen.
THINGS = Entity(
    name="things",
    kind="t9",
    key="thing_id",
    sort="observed_at",
    columns=(
        Column("thing_id", varchar(8), "id", "Its id.", required=True),
        Column("colour", varchar(6), "color", "Its colour; NULL if it hasn't any."),
        Column("is_warm", BOOLEAN, Sql("tint = 'red'"), "Whether it is warm."),
        Column("score", INTEGER, "score", "Its score.", metric=True),
        Column("tint", varchar(8), "tint", "What it looks like.", curated=False),
        Column("text_truncated", BOOLEAN, Origin.OBSERVATION, "Whether a text was cut."),
        Column("first_observed_at", TIMESTAMP, Origin.WAREHOUSE, "When it was first seen."),
        Column("observed_at", TIMESTAMP, Origin.OBSERVATION, "When it was like this.", required=True),
        Column("listing", varchar(64), Origin.OBSERVATION, "Where it was read.", curated=False),
        Column("place", INTEGER, Origin.OBSERVATION, "Its place there.", curated=False),
    ),
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


@cache
def _database() -> duckdb.DuckDBPyConnection:
    return duckdb.connect()


def parquet(path: Path, rows: Iterable[dict[str, object]], entity: Entity = POSTS) -> Path:
    """A file of curated rows, as the transformation gives it; a column that a row does not name is NULL in it."""
    columns = entity.curated
    with _database().cursor() as connection:
        connection.execute(f"CREATE TEMP TABLE t ({', '.join(f'{c.name} {c.type.sql}' for c in columns)})")
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


def listed(load_id: str, files: list[Path], rows: int) -> Load:
    """A load of the files as objects of a lake, of which a receipt says that they hold so many rows in all."""
    rows_of = [rows] + [0] * len(files)
    entries = [
        DataObject(str(path)[1:], path.stat().st_size, sha256(path.read_bytes()).hexdigest(), rows_of[number])
        for number, path in enumerate(files)
    ]
    columns = {column.name: column.type.sql for column in POSTS.curated}
    return Load(POSTS, load_id, "2026-11-23T12", FolderLake(Path("/")), entries, columns)


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


# Payloads that Reddit was never seen to send, as hypothesis strategies.
any_text = st.text(st.characters(exclude_categories=()))
any_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | any_text
    | st.sampled_from(["[deleted]", "False", "t3_abc", "1580515200", "nan", "1e999", "9" * 5000, 10**400, 2**63])
    | st.sampled_from(["😀" * 20000, "\ud800" * 30000, "\0" * 70000, "a" + "é" * 40000]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(any_text, inner, max_size=3),
    max_leaves=5,
)
_fields = st.sampled_from([str(column.origin) for column in POSTS.payload])
odd_payload = st.dictionaries(_fields, any_json).map(lambda fields: payload(**fields))
