"""The transformation: its SQL text as a whole, and what it gives on DuckDB."""

import gzip
import json
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reddit_etl.entities import POSTS
from reddit_etl.entities.record import Record, to_record
from reddit_etl.errors import ConfigurationError, TransformError
from reddit_etl.lake.folder import FolderLake
from reddit_etl.lake.jsonl import JsonLines
from reddit_etl.transform import duckdb as transform_duckdb
from reddit_etl.transform import open_transform
from reddit_etl.transform.sql import copies_sql, transform_sql
from tests.standins.payloads import NOON, THINGS, TIME_TYPE, json_lines, odd_payload, record, time_types
from tests.standins.transformed import transformed

transform = open_transform("duckdb")


def rows_of(folder, *inputs):
    """The rows that come out of these records, as many as the counts say."""
    paths = [json_lines(folder / f"{number}.jsonl.gz", records) for number, records in enumerate(inputs)]
    output = folder / "out.parquet"
    read, observed, written = transformed(entity=POSTS, inputs=paths, output=output)
    with duckdb.connect() as connection:
        answer = connection.read_parquet(str(output))
        rows = [dict(zip(answer.columns, row, strict=True)) for row in answer.fetchall()]
    assert observed == written == len(rows)
    assert read == sum(map(len, inputs))
    return rows


def run(folder, *inputs):
    """The counts of records and rows, and the rows by their keys."""
    rows = rows_of(folder, *inputs)
    return (sum(map(len, inputs)), len(rows)), {row["post_id"]: row for row in rows}


def test_the_sql_finds_the_copies_by_narrow_columns_and_leaves_them_out_of_the_wide_rows():
    assert (
        copies_sql(THINGS)
        == """\
SELECT listing, place
FROM (
  SELECT
    listing,
    place,
    ROW_NUMBER() OVER (PARTITION BY thing_id, observed_at ORDER BY listing, place) AS copy_number
  FROM records
) AS ranked
WHERE copy_number > 1
"""
    )
    assert (
        transform_sql(THINGS)
        == """\
SELECT
  thing_id,
  colour,
  tint = 'red' AS is_warm,
  score,
  text_truncated,
  observed_at
FROM records
ANTI JOIN copies ON copies.listing = records.listing AND copies.place = records.place
"""
    )


def test_a_record_becomes_a_row(tmp_path):
    counts, rows = run(tmp_path, [record("abc", edited=1580518800)])
    assert counts == (1, 1)
    expected = {
        "post_id": "abc",
        "subreddit": "python",
        "author": "someone",
        "title": "A title",
        "selftext": "A text",
        "url": "https://www.reddit.com/r/python/comments/abc/a_title/",
        "domain": "self.python",
        "permalink": "/r/python/comments/abc/a_title/",
        "post_type": "self",
        "link_flair_text": None,
        "created_at": datetime(2020, 2, 1),  # noqa: DTZ001
        "edited_at": datetime(2020, 2, 1, 1),  # noqa: DTZ001
        "score": 7,
        "upvote_ratio": 0.75,
        "num_comments": 3,
        "is_self": True,
        "is_nsfw": False,
        "is_spoiler": False,
        "is_locked": False,
        "is_stickied": False,
        "crosspost_parent_id": None,
        "removed_by_category": None,
        "text_truncated": False,
        "observed_at": NOON,
        "source": "sandbox",
    }
    row = rows["abc"]
    assert list(row) == [column.name for column in POSTS.curated]
    # A column that is added need not be listed here.
    assert {name: row[name] for name in expected} == expected


def test_each_observation_of_a_post_in_several_listings_is_kept(tmp_path):
    early = {"listing": "python-new-100", "seen": NOON}
    late = {"listing": "python-hot-100", "seen": NOON + timedelta(microseconds=1)}
    new = [record("abc", score=1, place=1, **early), record("def", score=2, place=2, **early)]
    hot = [record("xyz", score=3, place=1, **late), record("abc", score=4, place=2, **late)]
    for order, inputs in enumerate([(new, hot), (hot, new)]):
        folder = tmp_path / str(order)
        folder.mkdir()
        assert {(row["post_id"], row["score"]) for row in rows_of(folder, *inputs)} == {
            ("abc", 1),
            ("abc", 4),
            ("def", 2),
            ("xyz", 3),
        }


def test_observations_of_the_same_moment_are_decided_by_listing_and_place(tmp_path):
    """So that two engines, or two runs of one, choose the same row."""
    same = [
        record("abc", listing=listing, place=place, score=score)
        for listing, place, score in [("b-new-1", 1, 1), ("a-new-1", 3, 2), ("a-new-1", 2, 3), ("a-new-1", 10, 4)]
    ]
    for order, records in enumerate([same, same[::-1], same[2:] + same[:2]]):
        folder = tmp_path / str(order)
        folder.mkdir()
        assert run(folder, records)[1]["abc"]["score"] == 3


KINDS = [
    ("self", {}),
    ("self", {"is_video": None, "post_hint": "self"}),
    ("link", {"is_self": False, "domain": "example.com"}),
    ("link", {"is_self": False, "domain": "example.com", "post_hint": "link"}),
    ("link", {"is_self": None, "domain": None, "is_video": None}),
    ("image", {"is_self": False, "post_hint": "image", "domain": "example.com"}),
    ("image", {"is_self": False, "domain": "i.redd.it"}),
    ("gallery", {"is_self": False, "is_gallery": True, "domain": "reddit.com"}),
    ("video", {"is_self": False, "is_video": True, "domain": "v.redd.it"}),
    ("video", {"is_self": False, "post_hint": "hosted:video"}),
    ("video", {"is_self": False, "post_hint": "rich:video", "domain": "youtube.com"}),
    ("poll", {"poll_data": {"options": []}}),
    ("self", {"poll_data": False}),
    ("crosspost", {"is_self": False, "crosspost_parent": "t3_xyz"}),
    ("crosspost", {"is_self": False, "crosspost_parent": "t3_xyz", "is_video": True, "post_hint": "image"}),
    ("poll", {"poll_data": {"options": []}, "is_gallery": True}),
    ("gallery", {"is_gallery": True, "post_hint": "image"}),
]


def test_each_kind_of_post_is_told_by_its_payload(tmp_path):
    records = [record(f"p{n}", place=n, **fields) for n, (_, fields) in enumerate(KINDS)]
    _, rows = run(tmp_path, records)
    assert {n: rows[f"p{n}"]["post_type"] for n in range(len(KINDS))} == {n: kind for n, (kind, _) in enumerate(KINDS)}


def test_the_parquet_file_has_the_entity_s_columns_in_order_with_their_types(tmp_path):
    run(tmp_path, [record()])
    physical = {
        "VARCHAR": ("BYTE_ARRAY", "UTF8"),
        "TIMESTAMP": ("INT64", "TIMESTAMP_MICROS"),
        "INTEGER": ("INT32", "INT_32"),
        "DOUBLE PRECISION": ("DOUBLE", None),
        "BOOLEAN": ("BOOLEAN", None),
    }
    with duckdb.connect() as connection:
        schema = connection.execute(
            "SELECT name, type, converted_type FROM parquet_schema(?)", [str(tmp_path / "out.parquet")]
        ).fetchall()
    # The first is the root of the columns.
    assert schema[1:] == [(c.name, *physical[c.type.sql.partition("(")[0]]) for c in POSTS.curated]


def test_times_have_the_converted_type_that_redshift_goes_by(tmp_path):
    run(tmp_path, [record()])
    assert time_types(tmp_path / "out.parquet") == {TIME_TYPE}


TEXTS = [
    "line\nline\r\n\rline",
    "\u2028\u2029\u0085\u000b\u000c",
    "emoji 🎉 👩🏽\u200d💻 \U0010ffff",
    "עברית مرحبا 日本語 naïve",
    "\"quoted\" 'quoted' \\ \\n \\u0041 \\",
    "tab\tand \x01\x02\x1f\x7f",
    "&amp; <b>",
    "",
    " ",
    "NULL",
    "null",
    "nan",
    "{}",
    "\ufeffmark \u200b\ufffe\uffff",
]


def test_texts_arrive_as_they_were_read(tmp_path):
    records = [record(f"p{n}", place=n, title=text, selftext=text * 3) for n, text in enumerate(TEXTS)]
    counts, rows = run(tmp_path, records)
    assert counts == (len(TEXTS), len(TEXTS))
    assert [rows[f"p{n}"]["title"] for n in range(len(TEXTS))] == TEXTS
    assert [rows[f"p{n}"]["selftext"] for n in range(len(TEXTS))] == [text * 3 for text in TEXTS]


@pytest.mark.parametrize("unit", ["a", "\x01", "😀", '"', "\\"], ids=ascii)
def test_the_longest_record_there_can_be_is_a_line_that_can_be_read(tmp_path, unit):
    texts = {str(column.origin): unit * 65536 for column in POSTS.payload if column.type.max_bytes}
    texts |= {"id": "z" * 13, "crosspost_parent": "z" * 13}
    counts, rows = run(tmp_path, [record(**{"post_id": "z" * 13} | {k: v for k, v in texts.items() if k != "id"})])
    assert counts == (1, 1)
    assert len(rows["z" * 13]["selftext"].encode()) in range(65532, 65536)


def test_a_record_of_an_earlier_definition_has_null_where_it_has_no_column(tmp_path):
    earlier = {name: value for name, value in record().items() if name != "num_comments"} | {"since_dropped": 1}
    _, rows = run(tmp_path, [earlier])
    assert rows["abc"]["num_comments"] is None
    assert rows["abc"]["score"] == 7


def test_no_record_at_all_is_no_file(tmp_path):
    empty = tmp_path / "empty.jsonl.gz"
    empty.write_bytes(gzip.compress(b""))
    output = tmp_path / "out.parquet"
    some = json_lines(tmp_path / "some.jsonl.gz", [record()])
    assert transformed(entity=POSTS, inputs=[empty], output=output) == (0, 0, 0)
    assert not output.exists()
    assert transformed(entity=POSTS, inputs=[empty, some], output=output) == (1, 1, 1)
    assert transform(entity=POSTS, lake=FolderLake(tmp_path), inputs=[], prefix="curated/once/").objects == ()


@pytest.mark.parametrize(
    "content",
    [
        gzip.compress(b'{"post_id": "abc"}\n{"post_id": "ab'),
        gzip.compress(b"<html>\n"),
        gzip.compress(json.dumps({"score": "many"}).encode()),
        gzip.compress(b"{}" * 100_000)[:-20],
        b"not gzip at all",
    ],
    ids=["cut line", "html", "wrong type", "cut gzip", "no gzip"],
)
def test_a_file_that_is_not_records_is_an_error_on_one_line(tmp_path, content):
    bad = tmp_path / "bad.jsonl.gz"
    bad.write_bytes(content)
    with pytest.raises(TransformError) as caught:
        transformed(entity=POSTS, inputs=[bad], output=tmp_path / "out.parquet")
    assert str(caught.value).startswith("TRANSFORM_ENGINE duckdb: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["score=9", "it's", "a*", "a?", "[ab]", "with space", "ünï"])
def test_a_folder_s_name_means_nothing_to_the_transformation(tmp_path, name):
    """DuckDB takes `score=9` for a column, and `*` for any folder."""
    for folder in (name, "ab", "a"):
        (tmp_path / folder).mkdir()
        other = [record("other", score=1)]
        json_lines(tmp_path / folder / "0.jsonl.gz", other)
    counts, rows = run(tmp_path / name, [record("abc", score=7)])
    assert counts == (1, 1)
    assert rows["abc"]["score"] == 7


@settings(max_examples=15, deadline=None)
@given(st.lists(odd_payload, min_size=1, max_size=20))
def test_whatever_becomes_a_record_arrives_in_parquet_with_the_same_values(payloads):
    observation = {"observed_at": "2026-11-23T12:00:00.000000Z", "source": "sandbox", "listing": "a-new-1"}
    records = []
    for place, data in enumerate(payloads):
        outcome = to_record(POSTS, {"kind": "t3", "data": data | {"id": f"p{place}"}}, observation | {"place": place})
        if isinstance(outcome, Record):
            records.append(outcome.values)
    with TemporaryDirectory() as folder:
        counts, rows = run(Path(folder), records) if records else ((0, 0), {})
    assert counts == (len(records), len(records))
    both = [column for column in POSTS.curated if column in POSTS.record]
    for values in records:
        row = rows[values["post_id"]]
        for column in both:
            expected = values[column.name]
            if column.type.sql == "TIMESTAMP" and expected:
                expected = datetime.fromisoformat(expected).replace(tzinfo=None)
            assert row[column.name] == expected


def test_an_engine_that_there_is_not_is_refused_with_what_to_give():
    with pytest.raises(ConfigurationError, match="TRANSFORM_ENGINE is 'spark': use duckdb"):
        open_transform("spark")


def test_the_copies_of_many_are_found_over_more_rows_than_a_row_group(tmp_path):
    hours = [[record(f"p{n}", listing=f"l-{hour}", place=n, score=hour) for n in range(3000)] for hour in range(3)]
    rows = rows_of(tmp_path, hours[1], hours[2], hours[0])
    assert len(rows) == len({row["post_id"] for row in rows}) == 3000
    assert {row["score"] for row in rows} == {0}


@pytest.mark.parametrize("batch_bytes", [1, 1500], ids=["each file a batch", "two files a batch"])
def test_batches_and_parts_come_to_the_same_rows_as_all_at_once(tmp_path, monkeypatch, batch_bytes):
    """Copies of an observation are in several batches, and its key in any part."""
    lake, inputs = FolderLake(tmp_path), []
    for listing in range(5):
        with JsonLines(lake, f"raw/{listing}.jsonl.gz") as lines:
            for n in range(100):
                seen = NOON + timedelta(seconds=(n + listing) % 3)
                lines.write(record(f"p{(n * listing) % 70}", seen=seen, listing=f"l-{listing}", place=n, score=n))
        inputs += lines.entries()

    def done(prefix):
        found = transform(entity=POSTS, lake=lake, inputs=inputs, prefix=prefix)
        with duckdb.connect() as connection:
            paths = [str(tmp_path / entry.key) for entry in found.objects]
            rows = connection.read_parquet(paths).order("post_id, observed_at").fetchall()
        return found, rows

    whole, rows = done("curated/whole/")
    assert (whole.records, whole.observations, len(whole.objects)) == (500, len(rows), 1)
    assert 70 < len(rows) < 300
    monkeypatch.setattr(transform_duckdb, "BATCH_BYTES", batch_bytes)
    monkeypatch.setattr(transform_duckdb, "PART_ROWS", 40)
    parts, same = done("curated/parts/")
    assert same == rows
    assert (parts.records, parts.observations) == (500, len(rows))
    assert [entry.key for entry in parts.objects] == [
        f"curated/parts/part-{number:05}.parquet" for number in range(len(parts.objects))
    ]
    assert len(parts.objects) > 1
    assert sum(entry.rows for entry in parts.objects) == len(rows)


def test_a_batch_of_copies_alone_is_no_object(tmp_path, monkeypatch):
    monkeypatch.setattr(transform_duckdb, "BATCH_BYTES", 1)
    lake, inputs = FolderLake(tmp_path), []
    for listing in "ab":
        with JsonLines(lake, f"raw/{listing}.jsonl.gz") as lines:
            lines.write(record("abc", listing=listing))
        inputs += lines.entries()
    found = transform(entity=POSTS, lake=lake, inputs=inputs, prefix="curated/once/")
    assert (found.records, found.observations, [entry.rows for entry in found.objects]) == (2, 1, [1])


@pytest.mark.parametrize(("others", "times"), [([record("b", place=2)], 1), ([record("a", place=2)], 2)])
def test_json_is_read_once_unless_there_are_copies_and_no_scratch_file_is_left(tmp_path, monkeypatch, others, times):
    """Parsing took most of the time when each use of the records parsed them anew."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    read, read_lines = [], transform_duckdb.Records._read_lines
    monkeypatch.setattr(
        transform_duckdb.Records, "_read_lines", lambda self, files: read.append(files) or read_lines(self, files)
    )
    rows = rows_of(tmp_path, [record("a"), *others])
    assert len(read) == times == 3 - len(rows)
    assert list(scratch.iterdir()) == []
