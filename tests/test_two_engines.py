"""The same SQL text on DuckDB and on Spark: the same rows, types and columns, whatever the records hold."""

import json
import random
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import duckdb
import pytest

from reddit_etl.clock import iso
from reddit_etl.entities import POSTS
from reddit_etl.entities.record import Record, to_record
from reddit_etl.lake.folder import FolderLake
from reddit_etl.lake.jsonl import JsonLines
from reddit_etl.lake.receipts import DataObject
from reddit_etl.transform.duckdb import DuckDBTransform
from reddit_etl.transform.glue import GlueTransform
from tests.standins.glue import glue
from tests.standins.payloads import NOON, TIME_TYPE, record, time_types
from tests.standins.s3 import ENVIRONMENT
from tests.standins.spark import JOB, Spark
from tests.test_real_input import _dumps, _listings, _odd

Records = Iterable[dict[str, object]]
pytestmark = pytest.mark.slow


# What Parquet means by a 32-bit integer when nothing is said, and what DuckDB says all the same.
UNSAID = {("INT32", "INT_32"): None, ("INT64", "INT_64"): None}


def _schema(connection: duckdb.DuckDBPyConnection, file: Path) -> list[tuple[Any, ...]]:
    """The columns of a Parquet file as they are written in it."""
    rows = connection.execute(
        "SELECT name, type, type_length, repetition_type, num_children, converted_type, scale, precision, "
        "logical_type FROM parquet_schema(?)",
        [str(file)],
    ).fetchall()
    columns = []
    for *told, converted, scale, precision, logical in rows[1:]:
        # UTF8 of old is StringType of today, and DuckDB writes only the first.
        said = None if (converted, logical) == ("UTF8", "StringType()") else logical
        columns.append((*told, UNSAID.get((told[1], converted), converted), scale, precision, said))
    return columns


def compare(spark: Spark, folder: Path, files: list[Records]) -> tuple[int, int]:
    """Both engines over files of records; gives the numbers of records and rows."""
    lake = FolderLake(folder / "lake")
    inputs: list[DataObject] = []
    for number, records in enumerate(files):
        with JsonLines(lake, f"raw/{number}.jsonl.gz") as lines:
            for row in records:
                lines.write(row)
        inputs += lines.entries()
    ours = DuckDBTransform()(entity=POSTS, lake=lake, inputs=inputs, prefix="curated/duckdb/")
    [entry] = ours.objects
    counts, by_duckdb = (ours.records, ours.observations, entry.rows), lake.folder / entry.key
    with pytest.MonkeyPatch.context() as patch, glue(work=spark) as server:
        for name, value in (ENVIRONMENT | {"AWS_ENDPOINT_URL_GLUE": server.url}).items():
            patch.setenv(name, value)
        engine = GlueTransform(job=JOB, pause=lambda _: server.runs[-1].done.wait(500) or None)
        done = engine(entity=POSTS, lake=lake, inputs=inputs, prefix="curated/once/")
    [entry] = done.objects
    by_spark = lake.folder / entry.key
    assert (done.records, done.observations, entry.rows) == counts
    assert entry.sha256 == sha256(by_spark.read_bytes()).hexdigest()
    assert time_types(by_duckdb) == time_types(by_spark) == {TIME_TYPE}
    with duckdb.connect() as connection:
        assert _schema(connection, by_spark) == _schema(connection, by_duckdb)
        connection.read_parquet(str(by_duckdb)).create_view("d")
        connection.read_parquet(str(by_spark)).create_view("s")
        assert connection.sql("FROM d").columns == connection.sql("FROM s").columns
        assert connection.sql("FROM d").types == connection.sql("FROM s").types
        only = "SELECT * FROM (FROM {} EXCEPT ALL FROM {}) LIMIT 3"
        assert connection.sql(only.format("s", "d")).fetchall() == []
        assert connection.sql(only.format("d", "s")).fetchall() == []
        # As values of Python's too: for SQL 0.0 and -0.0 are one.
        whole = "SELECT * FROM {} ORDER BY post_id, observed_at"
        of_spark, of_duckdb = (connection.cursor().execute(whole.format(view)) for view in "sd")
        for theirs, ours in zip(_batches(of_spark), _batches(of_duckdb), strict=True):
            assert repr(theirs) == repr(ours)
    return counts[0], counts[2]


def _batches(answer: duckdb.DuckDBPyConnection) -> Iterator[list[Any]]:
    while batch := answer.fetchmany(1000):
        yield batch


TEXTS = [
    "emoji 🎉 👩🏽\u200d💻 \U0010ffff",
    "half \ud800 of \udfff a pair",
    "nul \0 in it",
    "",
    " ",
    "  around  ",
    "\"quoted\" 'quoted' `quoted` \\ \\n \\u0041 \\",
    "line\nline\r\n\rline\n",
    "\u2028\u2029\u0085\u000b\u000c",
    "tab\tand \x01\x02\x1f\x7f",
    "NULL",
    "null",
    "NaN",
    "true",
    "7",
    "1e-320",
    "2026-11-23T04:05:06.123456Z",
    "{}",
    "[1]",
    "</html> &amp;",
    "\ufeffmark \u200b\ufffe\uffff",
    "e\u0301 \u00e9 İ ß ﬁ",
    "עברית مرحبا 日本語",
    "a" * 65535,
    "😀" * 16384,
    "é" * 40000,
    "\x01" * 65535,
    "\\" * 65535,
]
FLOATS = [
    0.0,
    -0.0,
    1e-320,
    5e-324,
    0.1,
    0.1 + 0.2,
    1 / 3,
    1.7976931348623157e308,
    2.2250738585072014e-308,
    -1e22,
    1e23,
]
FLOATS += [9007199254740993.0, 1, 123456789.123456789, 4.35, 2.5e-3, 1e16, 1e-7]
INTEGERS = [0, -1, 2**31 - 1, -(2**31), 7, "8", 9.0]
# The first and last that there can be, and the moments around the turn of the day, the month and of daylight saving.
TIMES = [
    1104537600,
    4102444799.999999,
    1580515200.123456,
    1580515199.999999,
    1580515200.000001,
    1172718000,
    1729990800.5,
]
KINDS = [
    {"is_video": True},
    {"post_hint": "image"},
    {"is_self": False},
    {"is_gallery": True},
    {"poll_data": {"options": []}},
    {"crosspost_parent": "t3_xyz"},
    {"is_self": None, "domain": None, "is_video": None},
]
FIELDS = ("title", "selftext", "url", "domain", "permalink", "link_flair_text", "author", "subreddit", "post_hint")


def _nasty() -> Iterator[dict[str, object]]:
    variants: list[dict[str, object]] = [dict.fromkeys(FIELDS, text) for text in TEXTS]
    variants += [{"upvote_ratio": value} for value in FLOATS]
    variants += [{"score": value, "num_comments": value} for value in INTEGERS]
    variants += [{"created_utc": value, "edited": value} for value in TIMES]
    variants += KINDS
    variants += [{name: None} for name in (*FIELDS, "score", "upvote_ratio", "is_self", "over_18", "edited")]
    for number, fields in enumerate(variants):
        yield record(f"n{number}", place=number, listing="a-new-1", **fields)


def _moments() -> Iterator[dict[str, object]]:
    """Times of observation that the record does not bound, with and without a fraction."""
    days = [
        "0001-01-01",
        "1582-10-04",
        "1582-10-15",
        "1900-01-01",
        "1969-12-31",
        "2016-12-31",
        "2024-02-29",
        "9999-12-31",
    ]
    moments = [datetime.fromisoformat(f"{day}T{time}") for day in days for time in ("00:00:00", "02:30:00", "23:59:59")]
    for number, moment in enumerate(moments):
        for step, part in enumerate((0, 1, 999_999, 100_000, 500_000)):
            seen = moment.replace(microsecond=part)
            yield record(f"m{number}x{step}", seen=seen, listing="b-new-1", place=10 * number + step)


def test_nasty_records_are_the_same_rows(warm_spark, tmp_path):
    assert compare(warm_spark, tmp_path, [_nasty(), _moments()])[0] > 100


def test_of_equal_observations_both_choose_the_same(warm_spark, tmp_path):
    listings = [
        "a-new-1",
        "A-new-1",
        "a-new-10",
        "a-new-2",
        "a_new-1",
        "é-new-1",
        "z-new-1",
        "😀-new-1",
        "\uffff-new-1",
    ]
    chance = random.Random(7)
    rows = [
        record(f"p{chance.randrange(30)}", seen=NOON + timedelta(microseconds=chance.randrange(3)), score=n)
        | {"listing": listing, "place": n}
        for n in range(60)
        for listing in listings
    ]
    chance.shuffle(rows)
    records, kept = compare(warm_spark, tmp_path, [rows[:200], rows[200:]])
    assert (records, kept) == (540, len({(row["post_id"], row["observed_at"]) for row in rows}))


def test_a_record_of_an_earlier_definition_has_null_where_it_has_no_column(warm_spark, tmp_path):
    short = {name: value for name, value in record().items() if name != "num_comments"} | {"since_dropped": [1, {}]}
    assert compare(warm_spark, tmp_path, [[short]]) == (1, 1)


def _many(count: int) -> Iterator[dict[str, object]]:
    chance = random.Random(count)
    for number in range(count):
        fields: dict[str, object] = {
            "title": "".join(chance.choices("abc äöü 😀\"'\\\n", k=chance.randrange(80))),
            "selftext": chance.choice(TEXTS[:-5]) * chance.randrange(30) or None,
            "score": chance.randrange(-(2**31), 2**31),
            "upvote_ratio": chance.choice(
                [None, chance.random(), chance.random() * 10.0 ** chance.randrange(-300, 300)]
            ),
            "created_utc": chance.uniform(1104537600, 4102444799),
            "edited": chance.choice([False, True, chance.uniform(1104537600, 4102444799)]),
            "num_comments": chance.choice([None, chance.randrange(10**6)]),
        } | chance.choice(KINDS)
        seen = NOON + timedelta(microseconds=chance.randrange(4))
        yield record(f"p{chance.randrange(count // 2)}", seen=seen, listing="many-new-1", place=number, **fields)


def test_twenty_thousand_generated_records_are_the_same_rows(warm_spark, tmp_path):
    records, kept = compare(warm_spark, tmp_path, [_many(20_000)])
    assert records == 20_000
    assert 10_000 < kept < 20_000


def _snapshots(folder: Path) -> Iterator[object]:
    for path in sorted(folder.glob("snapshots/*/*.json")):
        yield from json.loads(path.read_text())["data"]["children"]


@pytest.mark.parametrize(
    ("source", "least"),
    [(_odd, 127), (_listings, 5000), (_dumps, 6500), (_snapshots, 424)],
    ids=["odd", "listings", "dumps", "snapshots"],
)
def test_every_real_submission_is_the_same_row(warm_spark, tmp_path, real, source, least):
    def records() -> Iterator[dict[str, object]]:
        for place, child in enumerate(source(real)):
            seen = NOON + timedelta(microseconds=place)
            observation = {"observed_at": iso(seen), "source": "reddit", "listing": "any-hot-1", "place": place}
            outcome = to_record(POSTS, child, observation)
            if isinstance(outcome, Record):
                yield outcome.values

    read, rows = compare(warm_spark, tmp_path, [records()])
    assert read == rows >= least
