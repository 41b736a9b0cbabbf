import json
import math
import re
from datetime import datetime

import pytest
from hypothesis import given, settings

from reddit_etl.entities import POSTS
from reddit_etl.entities.record import Record, Reject, to_record
from reddit_etl.entities.values import INT32, INT64
from tests.standins.payloads import any_json, child, odd_payload, payload

UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
OBSERVATION = {"observed_at": "2026-11-23T12:00:00.000000Z", "source": "sandbox", "listing": "python-new-100"}


def read(**fields):
    outcome = to_record(POSTS, child(**fields), OBSERVATION | {"place": 1})
    assert isinstance(outcome, Record)
    return outcome


def test_a_payload_becomes_a_record_with_a_value_for_each_column():
    expected = {
        "post_id": "abc",
        "subreddit": "python",
        "author": "someone",
        "title": "A title",
        "selftext": "A text",
        "url": "https://www.reddit.com/r/python/comments/abc/a_title/",
        "domain": "self.python",
        "permalink": "/r/python/comments/abc/a_title/",
        "link_flair_text": None,
        "created_at": "2020-02-01T00:00:00.000000Z",
        "edited_at": "2020-02-01T01:00:00.000000Z",
        "score": 7,
        "upvote_ratio": 0.75,
        "num_comments": 3,
        "is_self": True,
        "is_nsfw": False,
        "is_spoiler": False,
        "is_locked": False,
        "is_stickied": False,
        "crosspost_parent_id": "xyz",
        "removed_by_category": None,
        "is_gallery": None,
        "is_video": False,
        "has_poll": True,
        "post_hint": None,
        "text_truncated": False,
        "observed_at": "2026-11-23T12:00:00.000000Z",
        "source": "sandbox",
        "listing": "python-new-100",
        "place": 1,
    }
    found = read(edited=1580518800, crosspost_parent="t3_xyz", poll_data={"options": []}).values
    # A column that is added need not be listed here.
    assert {name: found[name] for name in expected} == expected


def test_a_record_has_the_columns_that_its_entity_declares():
    assert list(read().values.keys() - {column.name for column in POSTS.record}) == []
    assert {column.name for column in POSTS.record} == read().values.keys()


def test_fields_that_are_missing_give_null_and_fields_that_are_new_are_left_out():
    outcome = to_record(POSTS, {"kind": "t3", "data": {"id": "abc", "created_utc": 1580515200, "new": 1}}, OBSERVATION)
    assert isinstance(outcome, Record)
    assert {name for name, value in outcome.values.items() if value is not None} == {
        "post_id",
        "created_at",
        "text_truncated",
        *OBSERVATION,
    }
    assert outcome.cleaned == ()


@pytest.mark.parametrize("author", [None, "[deleted]"])
def test_an_author_who_is_gone_gives_null_and_counts_as_nothing_cleaned(author):
    outcome = read(author=author)
    assert outcome.values["author"] is None
    assert outcome.cleaned == ()


def test_an_author_who_is_gone_leaves_the_text_and_a_removed_text_leaves_the_author():
    assert read(author="[deleted]").values["selftext"] == "A text"
    assert read(selftext="[removed]").values["author"] == "someone"


@pytest.mark.parametrize("edited", [False, True, "False"])
def test_a_post_edited_never_or_at_an_unknown_time_has_no_time_of_it(edited):
    outcome = read(edited=edited)
    assert outcome.values["edited_at"] is None
    assert outcome.cleaned == ()


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("a\0b", "ab"),
        ("half \ud83d", "half \ufffd"),
        ("\ude00 half", "\ufffd half"),
        ("\0", ""),
        ("\ud83d\0\ude00", "\ufffd" * 2),
    ],
    ids=ascii,
)
def test_characters_that_no_store_takes_are_replaced_and_counted(text, stored):
    outcome = read(title=text)
    assert outcome.values["title"] == stored
    assert outcome.cleaned == ("title",)


def test_a_text_with_everything_else_stays_as_it_is():
    title = "line\nline\r\n\u2028\u2029\t\x01\x7f\ufeff\u200b\U0010ffff \"q\" 'q' \\ &amp; 👩🏽\u200d💻 עברית"
    outcome = read(title=title)
    assert outcome.values["title"] == title
    assert outcome.cleaned == ()


@pytest.mark.parametrize(
    ("field", "column", "value"),
    [
        ("score", "score", math.nan),
        ("score", "score", "many"),
        ("upvote_ratio", "upvote_ratio", math.inf),
        ("over_18", "is_nsfw", 1),
        ("title", "title", 7),
        ("selftext", "selftext", {"a": "b"}),
        ("edited", "edited_at", "yesterday"),
        ("crosspost_parent", "crosspost_parent_id", "../x"),
        ("author", "author", ["someone"]),
    ],
)
def test_a_value_that_cannot_be_read_becomes_null_and_is_counted(field, column, value):
    outcome = read(**{field: value})
    assert outcome.values[column] is None
    assert outcome.cleaned == (column,)


def test_a_number_as_text_is_a_number():
    outcome = read(score="7", upvote_ratio="1", created_utc="1580515200")
    assert (outcome.values["score"], outcome.values["upvote_ratio"]) == (7, 1.0)
    assert outcome.values["created_at"] == "2020-02-01T00:00:00.000000Z"


@pytest.mark.parametrize("unit", ["a", "é", "€", "😀"])
def test_a_text_longer_than_its_column_is_cut_on_a_character_and_flagged(unit):
    size = len(unit.encode())
    fits = read(selftext=unit * (65535 // size))
    assert fits.values["text_truncated"] is False
    cut = read(selftext=unit * (65535 // size + 1))
    assert cut.values["text_truncated"] is True
    assert cut.values["selftext"] == unit * (65535 // size)
    assert cut.cleaned == ()


def test_each_text_has_its_own_limit_and_any_of_them_flags_the_record():
    for column in POSTS.payload:
        if column.type.max_bytes and column.name not in ("post_id", "crosspost_parent_id"):
            outcome = read(**{str(column.origin): "é" * column.type.max_bytes})
            assert len(str(outcome.values[column.name]).encode()) in (column.type.max_bytes - 1, column.type.max_bytes)
            assert outcome.values["text_truncated"] is True


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (None, "not a t3"),
        ("text", "not a t3"),
        ([], "not a t3"),
        ({}, "not a t3"),
        ({"kind": "t1", "data": payload()}, "not a t3"),
        ({"kind": "t5", "data": {"id": "abc"}}, "not a t3"),
        ({"kind": "t3"}, "not a t3"),
        ({"kind": "t3", "data": None}, "not a t3"),
        ({"kind": ["t3"], "data": payload()}, "not a t3"),
        (child(id=None), "id is missing"),
        (child(id=""), "id is not a base-36 id"),
        (child(id=7), "id is not text"),
        (child(id="../../x"), "id is not a base-36 id"),
        ({"kind": "t3", "data": {"created_utc": 1580515200}}, "id is missing"),
        (child(created_utc=None), "created_utc is missing"),
        (child(created_utc="then"), "created_utc is not a number"),
        (child(created_utc=0), "created_utc is not a time in Reddit's years"),
        ({"kind": "t3", "data": {"id": "abc"}}, "created_utc is missing"),
    ],
)
def test_what_is_no_post_is_rejected_with_its_payload_and_the_reason(bad, reason):
    assert to_record(POSTS, bad, OBSERVATION) == Reject(bad, reason)


def test_a_payload_is_not_changed_by_reading_it():
    given_child = child(title="a\0b", selftext="x" * 70000, author="[deleted]")
    before = json.dumps(given_child)
    to_record(POSTS, given_child, OBSERVATION)
    assert json.dumps(given_child) == before


def fits(column, value):
    """Whether a record's value is one that the column can hold."""
    if value is None:
        return not column.required
    sql = column.type.sql
    if sql in ("INTEGER", "BIGINT"):
        return type(value) is int and value in (INT32 if sql == "INTEGER" else INT64)
    if sql == "DOUBLE PRECISION":
        return type(value) is float and math.isfinite(value)
    if sql == "BOOLEAN":
        return type(value) is bool
    if sql == "TIMESTAMP":
        return datetime.fromisoformat(value).isoformat(timespec="microseconds") == value.replace("Z", "+00:00")
    return isinstance(value, str) and len(value.encode()) <= column.type.max_bytes and not UNSTORABLE.search(value)


@settings(max_examples=300, deadline=None)
@given(odd_payload)
def test_any_json_in_any_field_gives_a_reject_or_a_record_that_fits_its_columns(data):
    post = {"kind": "t3", "data": data}
    outcome = to_record(POSTS, post, OBSERVATION | {"place": 1})
    if isinstance(outcome, Reject):
        assert outcome.payload is post
        assert outcome.reason.startswith(("id ", "created_utc "))
        return
    assert {column.name for column in POSTS.record if not fits(column, outcome.values[column.name])} == set()
    text = json.dumps(outcome.values, ensure_ascii=False, allow_nan=False).encode()
    assert json.loads(text) == outcome.values


@settings(max_examples=100, deadline=None)
@given(any_json)
def test_anything_at_all_as_a_child_is_a_record_or_a_reject(anything):
    assert isinstance(to_record(POSTS, anything, OBSERVATION), Reject)
    assert isinstance(to_record(POSTS, {"kind": "t3", "data": anything}, OBSERVATION), Reject)
