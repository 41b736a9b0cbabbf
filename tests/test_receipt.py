import json
from datetime import datetime
from itertools import permutations, product

import pytest

from reddit_etl.errors import LakeError
from reddit_etl.lake import layout
from reddit_etl.lake.layout import RECEIPT
from reddit_etl.lake.receipts import DataObject, Extracted, Loaded, Transformed
from reddit_etl.sources.listing import Listing

HOUR = datetime(2026, 11, 23, 4)  # noqa: DTZ001
COMMON = {"entity": "posts", "hour": "2026-11-23T04", "attempt": "a1", "committed_at": "2026-11-23T04:05:06.000000Z"}
KEY = "receipts/dt=2026-11-23/hr=04/extract-posts-python-new-1000.json"
OBJECT = DataObject("raw/posts/x.jsonl.gz", 12, "ab" * 32, 3)

EXTRACTED = Extracted(
    **COMMON,
    subreddit="python",
    listing="new",
    limit=1000,
    source="reddit",
    verdict="ok",
    requests=2,
    records=3,
    rejects=1,
    objects=(OBJECT,),
    rejected=(DataObject("rejected/posts/x.jsonl.gz", 5, "cd" * 32, 1),),
    reasons={"id is missing": 1},
    cleaned={"title": 1},
    truncated=1,
    oldest="2026-11-23T01:00:00.000000Z",
    newest="2026-11-23T04:00:00.000000Z",
    gap=("2026-11-23T00:00:00.000000Z", "2026-11-23T01:00:00.000000Z"),
)
EMPTY = Extracted(
    **COMMON,
    subreddit="gone",
    listing="new",
    limit=1000,
    source="reddit",
    verdict="banned",
    requests=2,
    records=0,
    rejects=0,
    objects=(),
    rejected=(),
)
TRANSFORMED = Transformed(
    **COMMON,
    extracts=["aws-new-1000", "python-new-1000"],
    records=9,
    objects=(OBJECT, DataObject("b", 1, "ef" * 32, 4)),
)
LOADED = Loaded(**COMMON, rows=7, inserted=3, updated=2, stale=2)


def test_everything_in_the_lake_has_one_name_made_from_the_task_s_parameters():
    name = "python-new-1000"
    assert name == "python-new-1000"
    assert layout.hour_text(HOUR) == "2026-11-23T04"
    assert layout.receipts_of(HOUR) == "receipts/dt=2026-11-23/hr=04/"
    assert layout.receipt_key("extract", "posts", HOUR, name) == (
        "receipts/dt=2026-11-23/hr=04/extract-posts-python-new-1000.json"
    )
    assert layout.raw_key("posts", HOUR, "a1", name) == ("raw/posts/dt=2026-11-23/hr=04/a1/python-new-1000.jsonl.gz")
    assert layout.rejected_key("posts", HOUR, "a1", name) == (
        "rejected/posts/dt=2026-11-23/hr=04/a1/python-new-1000.jsonl.gz"
    )
    assert layout.curated_prefix("posts", HOUR, "3fa9c1", "a1") == ("curated/posts/dt=2026-11-23/hr=04/sel=3fa9c1/a1/")


def test_a_receipt_s_key_says_what_it_is_of():
    key = layout.receipt_key("extract", "posts", HOUR, "u_some-one-new-1000")
    match = RECEIPT.fullmatch(key)
    assert match
    assert match.groups() == ("2026-11-23", "04", "extract", "posts", "u_some-one-new-1000")
    assert not RECEIPT.fullmatch(key + ".partial")
    assert not RECEIPT.fullmatch("raw/" + key)


def test_no_receipt_s_key_is_the_beginning_of_another_s():
    every = [Listing(*parts).name for parts in product(("a", "ab", "u_a-new-1"), ("new", "hot"), (1, 10, 100))]
    keys = [layout.receipt_key(task, "posts", HOUR, name) for task in ("extract", "transform") for name in every]
    assert len(set(keys)) == len(keys)
    assert not [(one, other) for one in keys for other in keys if one != other and other.startswith(one)]


def test_a_selection_is_the_same_in_any_order_and_with_repeats_and_another_one_for_another_set():
    extracts = ("python-new-1000", "aws-new-1000", "cpp-hot-50")
    found = {layout.selection_of(order) for order in permutations(extracts)}
    assert found == {layout.selection_of([*extracts, *extracts])} == {layout.selection_of(iter(extracts))}
    others = [extracts[:2], extracts[1:], (), ("python-new-100", *extracts[1:]), ("python-new-1000aws-new-1000",)]
    assert len({layout.selection_of(other) for other in others} | found) == len(others) + 1


@pytest.mark.parametrize("written", [EXTRACTED, EMPTY, TRANSFORMED, LOADED], ids=lambda one: type(one).__name__)
def test_a_receipt_is_read_as_it_was_written(written):
    assert type(written).from_json(written.to_json(), key=KEY) == written


@pytest.mark.parametrize("written", [EXTRACTED, TRANSFORMED, LOADED], ids=lambda one: type(one).__name__)
def test_what_a_later_version_says_beside_is_overlooked(written):
    content = json.loads(written.to_json()) | {"new": {"a": 1}}
    for entry in content.get("objects", []) + content.get("rejected", []):
        entry["new"] = 1
    assert type(written).from_json(json.dumps(content).encode(), key=KEY) == written


def test_what_an_earlier_version_did_not_say_has_its_default():
    content = json.loads(EMPTY.to_json())
    for name in ("reasons", "cleaned", "truncated", "oldest", "newest", "gap"):
        del content[name]
    assert Extracted.from_json(json.dumps(content).encode(), key=KEY) == EMPTY


@pytest.mark.parametrize("columns", [None, 7, "score INTEGER", ["score", "INTEGER"]])
def test_columns_have_names_and_types(columns):
    content = json.loads(TRANSFORMED.to_json()) | {"columns": columns}
    with pytest.raises(LakeError, match="not a receipt of this kind"):
        Transformed.from_json(json.dumps(content).encode(), key=KEY)


@pytest.mark.parametrize("key", [KEY.replace("hr=04", "hr=05"), KEY.replace("-23", "-24"), "doctor/probe.json"])
def test_a_receipt_belongs_to_the_hour_of_its_key(key):
    with pytest.raises(LakeError, match="a receipt of another hour: '2026-11-23T04'"):
        EXTRACTED.from_json(EXTRACTED.to_json(), key=key)


def test_a_transformation_has_the_rows_of_its_objects():
    assert TRANSFORMED.rows == 7
