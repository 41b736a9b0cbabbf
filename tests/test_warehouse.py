"""Loads into each warehouse: in any order, repeated, beside each other, and as the definition changes."""

from dataclasses import replace
from itertools import permutations
from threading import Thread

import pytest

from reddit_etl.entities import POSTS
from reddit_etl.entities.schema import Origin
from reddit_etl.errors import WarehouseError
from reddit_etl.warehouse.base import LoadCounts
from tests.standins.loads import LOADED_AT, NEWER, OLDER, DuckDBLoads
from tests.standins.payloads import MINUTE, NOON, post


@pytest.fixture(params=["duckdb", "redshift", "postgresql"])
def loads(request, tmp_path):
    if request.param == "duckdb":
        return DuckDBLoads(tmp_path)
    return request.getfixturevalue(f"{request.param}_loads")


def test_new_rows_are_inserted_with_every_column_and_counted(loads):
    row = {
        "post_id": "abc",
        "subreddit": "python",
        "author": None,
        "title": "line\nline \u2028 🎉 'quoted'",
        "selftext": "",
        "url": "https://example.com/ä",
        "domain": "example.com",
        "permalink": "/r/python/comments/abc/",
        "post_type": "link",
        "link_flair_text": None,
        "created_at": NOON - 60 * MINUTE,
        "edited_at": None,
        "score": -3,
        "upvote_ratio": 0.5,
        "num_comments": 0,
        "is_self": False,
        "is_nsfw": True,
        "is_spoiler": None,
        "is_locked": False,
        "is_stickied": False,
        "crosspost_parent_id": None,
        "removed_by_category": None,
        "text_truncated": False,
        "observed_at": NOON,
        "source": "sandbox",
    }
    row = {column.name: row.get(column.name) for column in POSTS.curated}
    assert loads.load(row) == LoadCounts(staged=1, inserted=1, updated=0, stale=0)
    columns, found = loads.warehouse.query("SELECT * FROM reddit.posts", limit=9)
    assert columns == [column.name for column in POSTS.table]
    assert [dict(zip(columns, values, strict=True)) for values in found] == [row | {"first_observed_at": NOON}]
    assert loads.rows("SELECT post_id, observed_at, score, upvote_ratio, num_comments FROM reddit.post_metrics") == [
        ("abc", NOON, -3, 0.5, 0)
    ]


def test_each_row_is_new_or_newer_or_stale_and_the_audit_says_how_many(loads):
    loads.load(post("a"), post("b"), post("c", seen=NOON + 2 * MINUTE), load_id="first")
    counts = loads.load(
        post("a", seen=NOON + MINUTE, score=8),
        post("b"),
        post("c", seen=NOON + MINUTE, score=9),
        post("d"),
        load_id="second",
    )
    assert counts == LoadCounts(staged=4, inserted=1, updated=1, stale=2)
    assert loads.rows("SELECT post_id, score FROM reddit.posts ORDER BY 1") == [("a", 8), ("b", 7), ("c", 7), ("d", 7)]
    assert loads.rows("SELECT * FROM reddit.load_audit ORDER BY load_id") == [
        ("first", "posts", "2026-11-23T12", 3, 3, 0, 0, 0, LOADED_AT),
        ("second", "posts", "2026-11-23T12", 4, 1, 1, 2, 0, LOADED_AT),
    ]


def test_an_old_state_after_a_new_one_changes_only_the_history(loads):
    loads.load(post(seen=NOON + MINUTE, score=8, title="new"))
    assert loads.load(post(seen=NOON, score=1, title="old")) == LoadCounts(staged=1, inserted=0, updated=0, stale=1)
    assert loads.rows("SELECT score, title, observed_at FROM reddit.posts") == [(8, "new", NOON + MINUTE)]
    assert loads.rows("SELECT observed_at, score FROM reddit.post_metrics ORDER BY 1") == [
        (NOON, 1),
        (NOON + MINUTE, 8),
    ]


def test_a_newer_state_replaces_every_column_also_by_null(loads):
    loads.load(post(author="someone", link_flair_text="Help", edited_at=NOON))
    loads.load(post(seen=NOON + MINUTE, author=None, link_flair_text=None, removed_by_category="deleted"))
    assert loads.rows("SELECT author, link_flair_text, edited_at, removed_by_category FROM reddit.posts") == [
        (None, None, None, "deleted")
    ]


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
def test_first_observed_is_the_earliest_in_whatever_order_the_loads_come(loads, order):
    for n in order:
        loads.load(post(seen=NOON + n * MINUTE, score=n))
    assert loads.rows("SELECT first_observed_at, observed_at, score FROM reddit.posts") == [
        (NOON, NOON + 2 * MINUTE, 2)
    ]
    assert loads.rows("SELECT count(*), count(DISTINCT observed_at) FROM reddit.post_metrics") == [(3, 3)]


def test_doubles_in_staging_become_one_row_and_the_newest_wins(loads):
    counts = loads.load(
        post("a", score=1),
        post("a", seen=NOON + MINUTE, score=2),
        post("a", seen=NOON - MINUTE, score=3),
        post("b", score=4),
        post("b", score=4),
    )
    assert counts == LoadCounts(staged=5, inserted=2, updated=0, stale=3)
    assert loads.rows("SELECT post_id, score FROM reddit.posts ORDER BY 1") == [("a", 2), ("b", 4)]
    assert loads.rows("SELECT post_id, score FROM reddit.post_metrics ORDER BY 1, observed_at") == [
        ("a", 3),
        ("a", 1),
        ("a", 2),
        ("b", 4),
    ]
    assert loads.rows("SELECT first_observed_at FROM reddit.posts ORDER BY post_id") == [(NOON - MINUTE,), (NOON,)]


def test_doubles_in_two_files_become_one_row_and_the_newest_wins(loads):
    files = [loads.file(post("a", seen=NOON + MINUTE, score=2)), loads.file(post("a", score=1), post("b", score=4))]
    assert loads.load_files(*files) == LoadCounts(staged=3, inserted=2, updated=0, stale=1)
    assert loads.rows("SELECT post_id, score, first_observed_at FROM reddit.posts ORDER BY 1") == [
        ("a", 2, NOON),
        ("b", 4, NOON),
    ]


@pytest.mark.parametrize("bad", [{"post_id": None}, {"seen": None}], ids=["no id", "no time"])
def test_a_row_without_key_or_time_is_refused_and_the_load_rolled_back(loads, bad):
    loads.load(post("a"))
    before = loads.everything()
    files = [loads.file(post("b")), loads.file(post("a", seen=NOON + MINUTE), post(**{"post_id": "c"} | bad))]
    with pytest.raises(WarehouseError, match="posts without a key or a time"):
        loads.load_files(*files)
    assert loads.everything() == before


@pytest.mark.parametrize("seen", ["161065-10-07 20:24:18.134352", "2028-01-01", "2004-12-31 23:59:59.999999"])
def test_a_time_outside_reddit_s_years_is_refused_and_the_load_rolled_back(loads, seen):
    """A row that seems to be from the future would be the newest state for ever."""
    loads.load(post("a"))
    before = loads.everything()
    files = [loads.file(post("b")), loads.file(post("c"), post("a", observed_at=seen))]
    with pytest.raises(WarehouseError, match="posts with an observed_at outside the years 2005 to 2027") as caught:
        loads.load_files(*files)
    assert "\n" not in str(caught.value)
    assert loads.everything() == before


@pytest.mark.parametrize(
    ("hour", "seen"),
    [
        ("2005-01-01T00", "2005-01-01"),
        ("2005-01-01T00", "2027-12-31 23:59:59.999999"),
        ("2100-01-01T00", "2100-01-01 00:39:47.232252"),
        ("2100-01-01T00", "2026-11-23"),
        ("9999-12-31T23", "2026-11-23"),
    ],
)
def test_a_run_of_any_hour_that_there_can_be_loads_its_rows(loads, hour, seen):
    """The sandbox has every hour since 2005; real Reddit is read now, whatever the hour of the run."""
    assert loads.load(post("a", observed_at=seen), hour=hour).inserted == 1


@pytest.mark.parametrize("listed", [1, 3])
def test_other_rows_than_the_receipt_lists_are_refused_and_the_load_rolled_back(loads, listed):
    loads.load(post("a"))
    before = loads.everything()
    with pytest.raises(WarehouseError, match=f"2 rows arrived where the receipt lists {listed}"):
        file, entity = loads.file(post("b"), post("c"))
        loads.load_files((replace(file, rows=listed), entity))
    assert loads.everything() == before


def test_a_load_that_was_committed_is_not_repeated(loads):
    """The connection may be lost after the commit and before the receipt."""
    counts = loads.load(post("a"), post("b"), load_id="one")
    before = loads.everything()
    assert loads.load(post("a"), post("b"), load_id="one") == counts
    assert loads.everything() == before
    loads.load(post("a", seen=NOON + MINUTE), post("b"), load_id="another")
    assert loads.load(post("a"), post("b"), load_id="one") == counts


def test_the_same_rows_under_another_attempt_change_nothing_but_the_audit(loads):
    loads.load(post("a"), post("b"), load_id="one")
    posts, metrics, _ = loads.everything()
    assert loads.load(post("a"), post("b"), load_id="two") == LoadCounts(staged=2, inserted=0, updated=0, stale=2)
    assert loads.everything()[:2] == [posts, metrics]


def test_a_load_of_nothing_is_a_load(loads):
    nothing = LoadCounts(staged=0, inserted=0, updated=0, stale=0)
    assert loads.load_files(load_id="no file") == nothing
    assert loads.load(load_id="no row") == nothing
    assert loads.rows("SELECT load_id FROM reddit.load_audit ORDER BY 1") == [("no file",), ("no row",)]


def test_a_table_gains_the_column_that_the_definition_gained(loads):
    loads.load(post("a", score=1), entity=POSTS)
    loads.load(post("a", seen=NOON + MINUTE, award_count=5), post("b", award_count=6), entity=NEWER)
    assert loads.rows("SELECT post_id, score, award_count FROM reddit.posts ORDER BY 1") == [
        ("a", 7, 5),
        ("b", 7, 6),
    ]
    assert loads.rows("SELECT observed_at, award_count FROM reddit.post_metrics WHERE post_id = 'a' ORDER BY 1") == [
        (NOON, None),
        (NOON + MINUTE, 5),
    ]


def test_rows_that_waited_while_the_definition_gained_a_column_still_load(loads):
    waiting = loads.file(post("a", seen=NOON + MINUTE, score=2), entity=OLDER)
    loads.load(post("a", link_flair_text="Help"), post("b", link_flair_text="Help"))
    assert loads.load_files(waiting) == LoadCounts(staged=1, inserted=0, updated=1, stale=0)
    assert loads.rows("SELECT post_id, score, link_flair_text FROM reddit.posts ORDER BY 1") == [
        ("a", 2, None),
        ("b", 7, "Help"),
    ]


def test_rows_of_a_newer_definition_load_into_an_older_one_s_table(loads):
    """As when a deploy is taken back."""
    loads.load(post("a"))
    newer = loads.file(post("a", seen=NOON + MINUTE, award_count=5, score=2), entity=NEWER)
    assert loads.load_files(newer) == LoadCounts(staged=1, inserted=0, updated=1, stale=0)
    assert loads.rows("SELECT post_id, score FROM reddit.posts") == [("a", 2)]


def test_a_table_keeps_the_column_that_the_definition_lost(loads):
    loads.load(post("a", link_flair_text="Help"))
    loads.load(post("b"), entity=OLDER)
    loads.load(post("a", seen=NOON + MINUTE, score=8), entity=OLDER)
    assert loads.rows("SELECT post_id, score, link_flair_text FROM reddit.posts ORDER BY 1") == [
        ("a", 8, "Help"),
        ("b", 7, None),
    ]


def test_a_newer_state_keeps_what_others_wrote_into_columns_of_their_own(loads):
    loads.load(post("a"), post("b"))
    # The last two are also names in the load's own tables.
    for name in ("note", "100 % ?", "newest", "stored_newest"):
        loads.change(f'ALTER TABLE reddit.posts ADD COLUMN "{name}" VARCHAR(16)')
        loads.change(f"UPDATE reddit.posts SET \"{name}\" = 'mine' WHERE post_id = 'a'")
    loads.change("ALTER TABLE reddit.posts ADD COLUMN label VARCHAR(16) DEFAULT 'none'")
    loads.load(post("a", seen=NOON + MINUTE, score=8), post("c"))
    assert loads.rows(
        'SELECT post_id, score, label, note, "100 % ?", newest, stored_newest FROM reddit.posts ORDER BY 1'
    ) == [
        ("a", 8, "none", "mine", "mine", "mine", "mine"),
        ("b", 7, "none", None, None, None, None),
        ("c", 7, "none", None, None, None, None),
    ]


def test_loads_at_once_end_as_loads_one_after_the_other(loads):
    files = [loads.file(*[post(f"p{n}", seen=NOON + m * MINUTE) for n in range(50)]) for m in (0, 0, 1, 1)]
    counts = []

    def load(number, file):
        counts.append(loads.load_files(file, load_id=str(number)))

    threads = [Thread(target=load, args=case) for case in enumerate(files)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(counts) == 4
    assert sum(count.inserted for count in counts) == 50
    assert loads.rows("SELECT count(*), count(DISTINCT post_id) FROM reddit.posts") == [(50, 50)]
    assert loads.rows("SELECT count(*) FROM reddit.post_metrics") == [(100,)]


def test_a_query_gives_names_and_the_first_rows(loads):
    loads.load(*[post(f"p{n}", score=n) for n in range(9)])
    assert loads.warehouse.query("SELECT post_id AS id, score FROM reddit.posts ORDER BY score", limit=2) == (
        ["id", "score"],
        [("p0", 0), ("p1", 1)],
    )


@pytest.mark.parametrize("sql", ["DELETE FROM reddit.posts", "DROP TABLE reddit.posts", "CREATE TABLE t (n INTEGER)"])
def test_a_query_changes_nothing(loads, sql):
    loads.load(post())
    before = loads.everything()
    with pytest.raises(WarehouseError):
        loads.rows(sql)
    assert loads.everything() == before


@pytest.mark.parametrize("sql", ["SELECT nothing FROM reddit.posts", "SELEC 1", "SELECT * FROM nowhere"])
def test_a_query_that_cannot_be_understood_is_an_error_on_one_line(loads, sql):
    loads.load(post())
    with pytest.raises(WarehouseError) as caught:
        loads.rows(sql)
    assert str(caught.value).startswith("query: ")
    assert "\n" not in str(caught.value)


def test_only_what_the_pipeline_keeps_over_observations_comes_from_the_warehouse():
    """So that every other column of a newer state can simply replace the older one."""
    assert [column.name for column in POSTS.columns if column.origin is Origin.WAREHOUSE] == ["first_observed_at"]
