"""Loads into DuckDB, in any order, broken off, repeated and beside each other."""

import os
import subprocess
import sys
from dataclasses import replace
from datetime import datetime
from itertools import permutations
from pathlib import Path
from threading import Thread

import duckdb
import pytest

from reddit_etl import duck, warehouse_duckdb
from reddit_etl.engines import open_warehouse
from reddit_etl.entities import POSTS
from reddit_etl.errors import ConfigurationError, LakeError, WarehouseError
from reddit_etl.schema import DOUBLE, INTEGER, TIMESTAMP, Column, Origin
from reddit_etl.upsert import tables
from reddit_etl.warehouse import LoadCounts
from reddit_etl.warehouse_duckdb import DuckDBWarehouse
from tests.conftest import PROJECT
from tests.standins.posts import MINUTE, NOON, listed, parquet, post

LOADED_AT = datetime(2026, 11, 23, 13)  # noqa: DTZ001

# The definition as it was before somebody added a line, and as it will be after.
GAINED = Column("num_crossposts", INTEGER, "num_crossposts", "How often it was repeated.", metric=True)
OLDER = replace(POSTS, columns=tuple(column for column in POSTS.columns if column.name != "link_flair_text"))
NEWER = replace(POSTS, columns=(*POSTS.columns[:5], GAINED, *POSTS.columns[5:]))


class Loads:
    """A warehouse, and how a test loads rows into it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "warehouse.duckdb"
        self.warehouse = DuckDBWarehouse(self.path, clock=lambda: LOADED_AT)
        self._number = 0

    def file(self, *rows, entity=POSTS):
        self._number += 1
        return parquet(self.folder / f"{self._number}.parquet", rows, entity)

    def load(self, *rows, entity=POSTS, load_id=None):
        return self.load_files([self.file(*rows, entity=entity)], len(rows), entity=entity, load_id=load_id)

    def load_files(self, files, rows, *, entity=POSTS, load_id=None):
        self._number += 1
        load_id = load_id or f"load-{self._number}"
        return self.warehouse.load(entity=entity, load_id=load_id, hour="2026-11-23T12", **listed(files, rows))

    def rows(self, sql):
        return self.warehouse.query(sql, limit=100_000)[1]

    def everything(self):
        return [self.rows(f"SELECT * FROM {table.path} ORDER BY ALL") for table in tables(POSTS)]


@pytest.fixture
def loads(tmp_path):
    return Loads(tmp_path)


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
    assert set(row) == {column.name for column in POSTS.curated}
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
        ("first", "posts", "2026-11-23T12", 3, 3, 0, 0, LOADED_AT),
        ("second", "posts", "2026-11-23T12", 4, 1, 1, 2, LOADED_AT),
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
    assert loads.load_files(files, 3) == LoadCounts(staged=3, inserted=2, updated=0, stale=1)
    assert loads.rows("SELECT post_id, score, first_observed_at FROM reddit.posts ORDER BY 1") == [
        ("a", 2, NOON),
        ("b", 4, NOON),
    ]


def test_a_file_of_many_row_groups_is_loaded_whole(loads, tmp_path):
    with duckdb.connect() as connection:
        connection.execute(
            "COPY (SELECT 'p' || (n % 6000) AS post_id, n AS score, TIMESTAMP '2026-01-01' + to_seconds(n) observed_at"
            " FROM range(7000) AS numbers(n)) TO ? (FORMAT parquet, ROW_GROUP_SIZE 2048)",
            [str(tmp_path / "many.parquet")],
        )
        [(groups,)] = connection.execute(
            "SELECT count(DISTINCT row_group_id) FROM parquet_metadata(?)", [str(tmp_path / "many.parquet")]
        ).fetchall()
    assert groups > 1
    # A double in a later group finds the post there already.
    assert loads.load_files([tmp_path / "many.parquet"], 7000) == LoadCounts(
        staged=7000, inserted=6000, updated=1000, stale=0
    )
    assert loads.rows("SELECT count(*), count(DISTINCT post_id), sum(score) FROM reddit.posts") == [
        (6000, 6000, sum(range(1000, 7000)))
    ]
    assert loads.rows("SELECT count(*) FROM reddit.post_metrics") == [(7000,)]


@pytest.mark.parametrize("bad", [{"post_id": None}, {"seen": None}], ids=["no id", "no time"])
def test_a_row_without_key_or_time_is_refused_and_the_load_rolled_back(loads, bad):
    loads.load(post("a"))
    before = loads.everything()
    files = [loads.file(post("b")), loads.file(post("a", seen=NOON + MINUTE), post(**{"post_id": "c"} | bad))]
    with pytest.raises(WarehouseError, match="posts without a key or a time"):
        loads.load_files(files, 3)
    assert loads.everything() == before


@pytest.mark.parametrize("listed", [1, 3])
def test_other_rows_than_the_receipt_lists_are_refused_and_the_load_rolled_back(loads, listed):
    loads.load(post("a"))
    before = loads.everything()
    with pytest.raises(WarehouseError, match=f"2 rows arrived where the receipt lists {listed}"):
        loads.load_files([loads.file(post("b"), post("c"))], listed)
    assert loads.everything() == before


def test_a_first_load_that_fails_leaves_no_table(loads):
    with pytest.raises(WarehouseError):
        loads.load_files([loads.file(post("b"))], 5)
    assert loads.rows("SELECT table_name FROM information_schema.tables") == []


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
    assert loads.load_files([], 0, load_id="no file") == nothing
    assert loads.load(load_id="no row") == nothing
    assert loads.rows("SELECT load_id FROM reddit.load_audit ORDER BY 1") == [("no file",), ("no row",)]


def test_a_table_gains_the_column_that_the_definition_gained(loads):
    loads.load(post("a", score=1), entity=POSTS)
    loads.load(post("a", seen=NOON + MINUTE, num_crossposts=5), post("b", num_crossposts=6), entity=NEWER)
    assert loads.rows("SELECT post_id, score, num_crossposts FROM reddit.posts ORDER BY 1") == [
        ("a", 7, 5),
        ("b", 7, 6),
    ]
    assert loads.rows("SELECT observed_at, num_crossposts FROM reddit.post_metrics WHERE post_id = 'a' ORDER BY 1") == [
        (NOON, None),
        (NOON + MINUTE, 5),
    ]
    assert loads.rows(
        "SELECT data_type, comment FROM duckdb_columns() WHERE table_name = 'posts' AND column_name = 'num_crossposts'"
    ) == [("INTEGER", "How often it was repeated.")]


def test_rows_that_waited_while_the_definition_gained_a_column_still_load(loads):
    waiting = loads.file(post("a", seen=NOON + MINUTE, score=2), entity=OLDER)
    loads.load(post("a", link_flair_text="Help"), post("b", link_flair_text="Help"))
    assert loads.load_files([waiting], 1) == LoadCounts(staged=1, inserted=0, updated=1, stale=0)
    assert loads.rows("SELECT post_id, score, link_flair_text FROM reddit.posts ORDER BY 1") == [
        ("a", 2, None),
        ("b", 7, "Help"),
    ]


def test_rows_of_a_newer_definition_load_into_an_older_one_s_table(loads):
    """As when a deploy is taken back."""
    loads.load(post("a"))
    newer = loads.file(post("a", seen=NOON + MINUTE, num_crossposts=5, score=2), entity=NEWER)
    assert loads.load_files([newer], 1) == LoadCounts(staged=1, inserted=0, updated=1, stale=0)
    assert loads.rows("SELECT post_id, score FROM reddit.posts") == [("a", 2)]


def test_a_table_keeps_the_column_that_the_definition_lost(loads):
    loads.load(post("a", link_flair_text="Help"))
    loads.load(post("b"), entity=OLDER)
    assert loads.rows("SELECT post_id, link_flair_text FROM reddit.posts ORDER BY 1") == [("a", "Help"), ("b", None)]


def test_the_tables_have_the_declared_types_and_a_comment_on_every_column(loads):
    loads.load(post())
    found = loads.rows(
        "SELECT table_name, column_name, data_type, comment FROM duckdb_columns() WHERE schema_name = 'reddit'"
    )
    duckdb_names = {DOUBLE.sql: "DOUBLE", TIMESTAMP.sql: "TIMESTAMP"}
    expected = {
        (table.name, column.name, duckdb_names.get(column.type.sql, column.type.sql.partition("(")[0]), column.doc)
        for table in tables(POSTS)
        for column in table.columns
    }
    assert set(found) == expected
    assert len(found) == len(expected)


@pytest.mark.parametrize("name", ["score=9", "it's", "a*", "[ab]"])
def test_a_folder_s_name_means_nothing_to_the_load(tmp_path, name):
    """DuckDB takes `score=9` for a column, and `*` for any folder."""
    for folder in ("ab", "a", name):
        (tmp_path / folder).mkdir()
        file = parquet(tmp_path / folder / "part-00000.parquet", [post(folder.replace("'", ""), score=7)])
    loads = Loads(tmp_path / name)
    assert loads.load_files([file], 1) == LoadCounts(staged=1, inserted=1, updated=0, stale=0)
    assert loads.rows("SELECT post_id, score FROM reddit.posts") == [(name.replace("'", ""), 7)]


HOLD = """
import sys, duckdb
with duckdb.connect(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.readline()
"""


class Holder:
    """Another process that has the warehouse open until it is told to let go."""

    def __init__(self, path: Path) -> None:
        command = [sys.executable, "-c", HOLD, str(path)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "held\n"

    def let_go(self) -> None:
        self.process.communicate("\n")


def test_a_load_waits_for_the_process_that_has_the_file(loads, monkeypatch):
    holder = Holder(loads.path)
    refusals = []
    connect = duck.connect

    def observed(*args, **settings):
        try:
            return connect(*args, **settings)
        except duckdb.IOException as refusal:
            refusals.append(refusal)
            holder.let_go()
            raise

    monkeypatch.setattr(duck, "connect", observed)
    assert loads.load(post()) == LoadCounts(staged=1, inserted=1, updated=0, stale=0)
    assert len(refusals) == 1


def test_a_file_that_stays_locked_is_an_error_on_one_line(loads, monkeypatch):
    holder = Holder(loads.path)
    monkeypatch.setattr(warehouse_duckdb, "LOCK_WAIT", 0.0)
    with pytest.raises(WarehouseError) as caught:
        loads.load(post())
    holder.let_go()
    assert str(caught.value).startswith(f"WAREHOUSE_URL: duckdb:///{loads.path}: ")
    assert "\n" not in str(caught.value)


def test_two_threads_of_a_process_load_one_after_the_other(loads):
    files = [loads.file(*[post(f"p{n}", seen=NOON + m * MINUTE) for n in range(50)]) for m in (0, 0, 1, 1)]
    counts = []

    def load(number, file):
        warehouse = DuckDBWarehouse(loads.path)
        counts.append(warehouse.load(entity=POSTS, load_id=str(number), hour="2026-11-23T12", **listed([file], 50)))

    threads = [Thread(target=load, args=case) for case in enumerate(files)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(counts) == 4
    assert sum(count.inserted for count in counts) == 50
    assert loads.rows("SELECT count(*), count(DISTINCT post_id) FROM reddit.posts") == [(50, 50)]
    assert loads.rows("SELECT count(*) FROM reddit.post_metrics") == [(100,)]


@pytest.mark.parametrize("name", ["notes.txt", "clockwork.txt"])
def test_a_file_that_is_no_warehouse_is_an_error_that_names_the_setting_at_once(tmp_path, monkeypatch, name):
    (tmp_path / name).write_text("not a database" * 1000)
    warehouse = DuckDBWarehouse(tmp_path / name)
    attempts = []
    connect = duck.connect

    def observed(*args, **settings):
        attempts.append(args)
        assert len(attempts) == 1, "it waits for a lock"
        return connect(*args, **settings)

    monkeypatch.setattr(duck, "connect", observed)
    for use in (
        lambda: warehouse.load(entity=POSTS, load_id="a", hour="2026-11-23T12", **listed([], 0)),
        lambda: warehouse.query("SELECT 1", limit=1),
    ):
        attempts.clear()
        with pytest.raises(WarehouseError) as caught:
            use()
        assert str(caught.value).startswith(f"WAREHOUSE_URL: duckdb:///{tmp_path / name}: ")
        assert "not a valid DuckDB database" in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_folder_that_cannot_be_made_is_an_error_that_names_the_setting(tmp_path):
    (tmp_path / "file").write_text("")
    warehouse = DuckDBWarehouse(tmp_path / "file" / "warehouse.duckdb")
    with pytest.raises(WarehouseError, match=r"^WAREHOUSE_URL: "):
        warehouse.load(entity=POSTS, load_id="a", hour="2026-11-23T12", **listed([], 0))


def test_a_file_of_rows_that_is_gone_is_an_error_and_the_load_rolled_back(loads):
    loads.load(post("a"))
    before = loads.everything()
    gone = loads.file(post("c"))
    objects = listed([loads.file(post("b")), gone], 2)
    gone.unlink()
    with pytest.raises(LakeError, match="No such file") as caught:
        loads.warehouse.load(entity=POSTS, load_id="gone", hour="2026-11-23T12", **objects)
    assert "\n" not in str(caught.value)
    assert loads.everything() == before


ON_A_FULL_DISK = """
import resource, sys
from pathlib import Path
from reddit_etl.entities import POSTS
from reddit_etl.errors import WarehouseError
from reddit_etl.warehouse_duckdb import DuckDBWarehouse
from tests.standins.posts import listed

path, file, rows = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
limit = path.stat().st_size + 65536
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    DuckDBWarehouse(path).load(entity=POSTS, load_id="big", hour="2026-11-23T12", **listed([file], rows))
except WarehouseError as error:
    print(error)
"""


def test_a_full_disk_is_an_error_on_one_line_and_the_load_is_not_there(loads):
    loads.load(post("a"))
    before = loads.everything()
    rows = [post(f"p{n}", selftext=f"{n} " * 1000) for n in range(500)]
    arguments = [str(loads.path), str(loads.file(*rows)), str(len(rows))]
    done = subprocess.run(
        [sys.executable, "-c", ON_A_FULL_DISK, *arguments], capture_output=True, text=True, check=True, cwd=PROJECT
    )
    assert done.stdout.startswith("WAREHOUSE_URL: duckdb:///")
    assert done.stdout.count("\n") == 1
    assert loads.everything() == before
    assert loads.load(*rows, load_id="big").inserted == 500


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


@pytest.mark.parametrize("sql", ["", "  ", "-- nothing", ";"])
def test_a_query_of_nothing_gives_nothing(loads, sql):
    loads.load(post())
    assert loads.warehouse.query(sql, limit=1) == ([], [])


def test_a_query_before_the_first_run_says_what_to_do(tmp_path):
    with pytest.raises(WarehouseError, match="run the pipeline first"):
        DuckDBWarehouse(tmp_path / "warehouse.duckdb").query("SELECT 1", limit=1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("duckdb:///data/warehouse.duckdb", Path.cwd() / "data/warehouse.duckdb"),
        ("duckdb:////srv/warehouse.duckdb", Path("/srv/warehouse.duckdb")),
        ("duckdb:///~/warehouse.duckdb", Path.home() / "warehouse.duckdb"),
    ],
)
def test_a_warehouse_is_a_file_of_duckdb(url, path):
    warehouse = open_warehouse(url)
    assert isinstance(warehouse, DuckDBWarehouse)
    assert warehouse.path == path
    assert warehouse.url == f"duckdb:///{path}"


@pytest.mark.parametrize(
    "url",
    ["", "duckdb:///", "duckdb://data/x", "warehouse.duckdb", "postgresql://someone:secret@host/db", "redshift://"],
)
def test_another_kind_of_warehouse_is_refused_without_its_secret(url):
    with pytest.raises(ConfigurationError, match=r"^WAREHOUSE_URL .* duckdb:///") as caught:
        open_warehouse(url)
    assert "secret" not in str(caught.value)


def test_only_what_the_pipeline_keeps_over_observations_comes_from_the_warehouse():
    """So that every other column of a newer state can simply replace the older one."""
    assert [column.name for column in POSTS.columns if column.origin is Origin.WAREHOUSE] == ["first_observed_at"]


def test_a_warehouse_file_appears_whole(loads, monkeypatch):
    """Else the other of two first runs at once finds half a header, and takes it for no database."""
    whole, link = [], os.link

    def checked(new, path):
        duckdb.connect(str(new), read_only=True).close()
        assert not loads.path.exists()
        whole.append(path)
        link(new, path)

    monkeypatch.setattr(os, "link", checked)
    loads.load(post())
    loads.load(post("b"))
    assert whole == [loads.path]
    assert not list(loads.folder.glob(".*"))
