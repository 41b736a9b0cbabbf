"""Forgetting in each warehouse: nothing that is named is left in tables or bytes, and nothing of it comes back."""

import errno
import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from reddit_etl import duck
from reddit_etl.clock import iso
from reddit_etl.entities import COMMENTS, ENTITIES, POSTS
from reddit_etl.entities.schema import Entity
from reddit_etl.errors import LakeError, WarehouseError
from reddit_etl.lake import tombstones
from reddit_etl.lake.tombstones import Kind, Tombstone
from reddit_etl.warehouse import forget as warehouse_forget
from reddit_etl.warehouse.base import Forgotten, LoadCounts
from reddit_etl.warehouse.noticed import noticed
from tests import PROJECT
from tests.standins.loads import LOADED_AT, DuckDBLoads, Loads
from tests.standins.payloads import MINUTE, NOON, post
from tests.standins.redshift import CONFLICT, Drop

Rows = dict[str, list[tuple[Any, ...]]]


@pytest.fixture(params=["duckdb", "redshift", "postgresql"])
def loads(request: pytest.FixtureRequest, tmp_path: Path) -> Loads:
    if request.param == "duckdb":
        return DuckDBLoads(tmp_path)
    return request.getfixturevalue(f"{request.param}_loads")  # type: ignore[no-any-return]


def comment(comment_id: str, post_id: str = "a", **fields: object) -> dict[str, object]:
    """A curated row, without the columns of posts alone."""
    row = post(post_id) | {"comment_id": comment_id, "body": "A text"} | fields
    return {name: row[name] for name in row if name in {column.name for column in COMMENTS.curated}}


def marked(row: dict[str, object], entity: Entity = POSTS) -> dict[str, object]:
    """With a text of its own in every column of texts that is not an id."""
    own = row[entity.key]
    texts = [c for c in entity.curated if c.type.max_bytes and c.name not in ("source", "removed_by_category")]
    marks = {c.name: f"{own}-{c.name[:8]}-{id(row):x}"[: c.type.max_bytes] for c in texts if not c.name.endswith("_id")}
    return row | marks


def marks(*rows: dict[str, object]) -> set[str]:
    """The texts that `marked` gave, as far as they are whole."""
    texts = [value for row in rows for name, value in row.items() if name != "post_type" and isinstance(value, str)]
    return {value for value in texts if "-" in value}


def put(loads: Loads, *ones: Tombstone, name: str = "noticed") -> str:
    """An object of tombstones in the lake; gives its key."""
    assert tombstones.put(loads.lake, NOON, name, ones)
    return tombstones.tombstones_key(NOON, name)


def tombstone(id_: str = "a", kind: Kind = Kind.DELETED, *, of: Entity = POSTS, minutes: int = 0) -> Tombstone:
    return Tombstone(of.name, id_, kind, iso(NOON + minutes * MINUTE))


def forget(loads: Loads, *ones: Tombstone, name: str = "noticed") -> Forgotten:
    done = loads.warehouse.forget(loads.lake, put(loads, *ones, name=name))
    assert done
    return done


def everything(loads: Loads) -> Rows:
    """All rows of posts and comments."""
    found = {}
    for entity in ENTITIES.values():
        for table, order in ((entity.name, entity.key), (entity.metrics_table, f"{entity.key}, observed_at")):
            found[table] = loads.rows(f"SELECT * FROM reddit.{table} ORDER BY {order}")
    return found


def files(loads: Loads) -> Iterator[Path]:
    """All that the warehouse has on the disk."""
    if isinstance(loads, DuckDBLoads):
        yield from (path for path in loads.folder.rglob("*") if "lake" not in path.parts and path.suffix != ".parquet")
    else:
        loads.change("CHECKPOINT")
        yield from (loads.change.__self__.folder / "data" / "base").rglob("*")  # type: ignore[attr-defined]


def readable(loads: Loads, texts: Iterable[str]) -> set[str]:
    """Which of the texts are in the bytes of the warehouse."""
    contents = [path.read_bytes() for path in files(loads) if path.is_file()]
    return {text for text in texts if any(text.encode() in content for content in contents)}


def test_nothing_of_what_is_named_is_left_and_the_rest_is_unchanged(loads):
    gone = [marked(post("a")), marked(post("a", seen=NOON + MINUTE))]
    kept = [marked(post("b")), marked(post("c", seen=NOON + MINUTE))]
    gone_comments = [marked(comment("a", "b"), COMMENTS)]
    kept_comments = [marked(comment("b", "b"), COMMENTS)]
    loads.load(*gone, *kept)
    loads.load(*gone_comments, *kept_comments, entity=COMMENTS)
    before = everything(loads)
    assert readable(loads, marks(gone[1], *gone_comments)) == marks(gone[1], *gone_comments)
    done = forget(loads, tombstone(minutes=1), tombstone(of=COMMENTS, kind=Kind.GONE))
    assert done == Forgotten(removed=2, cleared=0, taken_at=LOADED_AT, erased_at=LOADED_AT)
    assert everything(loads) == {table: [row for row in rows if row[0] != "a"] for table, rows in before.items()}
    assert readable(loads, marks(*gone, *gone_comments)) == set()
    assert readable(loads, marks(*kept, *kept_comments)) == marks(*kept, *kept_comments)


def test_a_new_warehouse_takes_in_the_tombstones_of_years_a_part_at_a_time(loads, monkeypatch):
    monkeypatch.setattr("reddit_etl.warehouse.forget.AT_ONCE", 3)
    for number in range(4):
        put(loads, *(tombstone(f"{number}{which}") for which in "ab"), name=f"of-{number}")
    parts, take_in = [], warehouse_forget.take_in

    def recorded(objects, *given, **named):
        parts.append([len(ones) for ones in objects.values()])
        return take_in(objects, *given, **named)

    monkeypatch.setattr("reddit_etl.warehouse.forget.take_in", recorded)
    counts = loads.load(*(post(f"{number}{which}") for number in range(4) for which in "abc"))
    assert [part for part in parts if part] == [[2, 2], [2, 2]]
    assert counts.forgotten == 8
    assert loads.rows("SELECT post_id FROM reddit.posts ORDER BY 1") == [(f"{number}c",) for number in range(4)]
    assert loads.rows("SELECT COUNT(*) FROM reddit.forget_audit") == [(4,)]


def test_of_an_account_the_name_goes_and_of_a_profile_the_row(loads):
    of_account = marked(post("a")) | {"subreddit": "python"}
    profile, other = marked(post("p")) | {"subreddit": "u_p-name"}, marked(post("b")) | {"subreddit": "u_b-name"}
    crosspost = post("x", crosspost_parent_id="p", url="/r/u_p-name/comments/p/", domain="self.u_p-name")
    loads.load(of_account, profile, other, crosspost)
    below = [comment(id_, post_id, subreddit=f"u_{post_id}-name") for id_, post_id in (("c", "p"), ("d", "b"))]
    loads.load(*below, comment("e", "a", author="e-author"), entity=COMMENTS)
    before = everything(loads)
    done = forget(
        loads, tombstone("a", Kind.ACCOUNT), tombstone("p", Kind.ACCOUNT), tombstone("e", Kind.ACCOUNT, of=COMMENTS)
    )
    assert (done.removed, done.cleared) == (2, 3)
    cleared = {"a": ["author"], "x": ["url", "domain"], "e": ["author"]}
    for entity in ENTITIES.values():
        names = [column.name for column in entity.table]
        expected = [
            tuple(None if name in cleared.get(row[0], ()) else value for name, value in zip(names, row, strict=True))
            for row in before[entity.name]
            if row[0] not in ("p", "c")
        ]
        assert everything(loads)[entity.name] == expected
    names = {str(of_account["author"]), "u_p-name", "e-author", str(profile["title"])}
    assert readable(loads, names) == set()
    assert readable(loads, {"u_b-name", str(of_account["title"])}) == {"u_b-name", str(of_account["title"])}


def test_comments_in_the_profile_of_a_forgotten_post_go_whenever_they_were_observed(loads):
    seen = [comment("c", "p", subreddit="u_p-name", observed_at=NOON + minutes * MINUTE) for minutes in range(3)]
    loads.load(post("b"))
    for one in seen:
        loads.load(one, entity=COMMENTS)
    forget(loads, tombstone("p", minutes=1))
    assert loads.load(seen[2], entity=COMMENTS) == LoadCounts(staged=1, inserted=0, updated=0, stale=0, forgotten=1)
    assert {table: rows for table, rows in everything(loads).items() if table.startswith("comment") and rows} == {}
    assert readable(loads, {"u_p-name"}) == set()


def test_the_title_of_a_forgotten_post_leaves_the_urls_of_its_comments_for_good(loads):
    loads.load(comment("c", permalink="/r/python/comments/a/the-title/c/"), entity=COMMENTS)
    assert forget(loads, tombstone()) == Forgotten(removed=0, cleared=1, taken_at=LOADED_AT, erased_at=LOADED_AT)
    late = comment("c", permalink="/r/python/comments/a/the-title/c/", observed_at=NOON + MINUTE, score=8)
    other = comment("d", "b", permalink="/r/python/comments/b/a-title/d/")
    assert loads.load(late, other, entity=COMMENTS) == LoadCounts(staged=2, inserted=1, updated=1, stale=0)
    assert loads.rows("SELECT comment_id, permalink, score FROM reddit.comments ORDER BY 1") == [
        ("c", None, 8),
        ("d", "/r/python/comments/b/a-title/d/", 7),
    ]
    assert readable(loads, ["the-title"]) == set()


def test_no_load_brings_back_what_is_forgotten_but_a_newer_state_that_is_there(loads):
    gone = marked(post("a"))
    file = loads.file(gone, post("b"))
    loads.load_files(file, load_id="first")
    forget(loads, tombstone())
    assert loads.load_files(file, load_id="second") == LoadCounts(staged=2, inserted=0, updated=0, stale=1, forgotten=1)
    late = marked(post("a", seen=NOON - MINUTE))
    shows_it = marked(post("a", seen=NOON + MINUTE)) | {"removed_by_category": "deleted"}
    twice = loads.load(late, late, shows_it, post("c"), load_id="late")
    assert twice == LoadCounts(staged=4, inserted=1, updated=0, stale=0, forgotten=3)
    assert loads.rows("SELECT rows_stale, rows_forgotten FROM reddit.load_audit WHERE load_id = 'late'") == [(0, 3)]
    assert loads.load_files(load_id="late") == twice
    assert loads.rows("SELECT post_id FROM reddit.posts ORDER BY 1") == [("b",), ("c",)]
    assert loads.rows("SELECT post_id FROM reddit.post_metrics ORDER BY 1") == [("b",), ("c",)]
    assert readable(loads, marks(gone, late, shows_it)) == set()
    assert loads.load(post("a", seen=NOON + 2 * MINUTE), late).inserted == 1
    assert loads.rows("SELECT observed_at, first_observed_at FROM reddit.posts WHERE post_id = 'a'") == [
        (NOON + 2 * MINUTE, NOON + 2 * MINUTE)
    ]


def restore(loads: Loads, kept: Path | None) -> Path | None:
    """Keep what a backup has, or restore it."""
    if isinstance(loads, DuckDBLoads):
        copy = loads.folder / "backup"
        shutil.copy(*((copy, loads.path) if kept else (loads.path, copy)))
        return copy
    names = ("posts", "post_metrics", "load_audit", "tombstones", "forget_audit")
    for name in names:
        target, source = (f"reddit.{name}", f"public.{name}") if kept else (f"public.{name}", f"reddit.{name}")
        loads.change(
            f"DELETE FROM {target}; INSERT INTO {target} SELECT * FROM {source}; DROP TABLE {source}"
            if kept
            else f"CREATE TABLE {target} AS SELECT * FROM {source}"
        )
    return loads.folder


def test_a_warehouse_that_was_restored_forgets_again_with_its_next_load(loads):
    gone = marked(post("a"))
    loads.load(gone, post("b"))
    backup = restore(loads, None)
    forget(loads, tombstone())
    restore(loads, backup)
    if backup and backup.is_file():
        backup.unlink()
    assert loads.rows("SELECT post_id FROM reddit.posts ORDER BY 1") == [("a",), ("b",)]
    assert readable(loads, marks(gone))
    assert loads.load(post("c")) == LoadCounts(staged=1, inserted=1, updated=0, stale=0)
    assert loads.rows("SELECT post_id FROM reddit.posts ORDER BY 1") == [("b",), ("c",)]
    assert loads.rows("SELECT post_id FROM reddit.post_metrics ORDER BY 1") == [("b",), ("c",)]
    assert readable(loads, marks(gone)) == set()
    assert loads.rows("SELECT rows_removed, erased_at FROM reddit.forget_audit") == [(1, LOADED_AT)]


def test_a_new_warehouse_takes_in_all_tombstones_before_its_first_load(loads):
    file = loads.file(post("a"), post("b"))
    for number in range(3):
        put(loads, *[tombstone(f"z{number}{n}") for n in range(number * 700)], tombstone(), name=f"{number}")
    assert loads.load_files(file) == LoadCounts(staged=2, inserted=1, updated=0, stale=0, forgotten=1)
    assert loads.rows("SELECT count(*), count(DISTINCT object) FROM reddit.tombstones") == [(2101, 2)]
    assert loads.rows("SELECT object, tombstones FROM reddit.forget_audit ORDER BY 1") == [
        (tombstones.tombstones_key(NOON, f"{number}"), number * 700 + 1) for number in range(3)
    ]


def test_what_is_named_again_has_one_row_with_the_last_moment(loads):
    loads.load(post("b"))
    both = [tombstone(kind=kind, minutes=minutes) for kind, minutes in ((Kind.REQUEST, 1), (Kind.GONE, 3))]
    forget(loads, *both, name="first")
    first = tombstones.tombstones_key(NOON, "first")
    rows = "SELECT id, kind, moment, object FROM reddit.tombstones ORDER BY kind"
    for name, minutes in (("later", 2), ("earlier", 0)):
        forget(loads, tombstone(kind=Kind.REQUEST, minutes=minutes), name=name)
        later = tombstones.tombstones_key(NOON, "later")
        assert loads.rows(rows) == [
            ("a", "gone", NOON + 3 * MINUTE, first),
            ("a", "request", NOON + 2 * MINUTE, later),
        ]
    assert loads.load(post("a", seen=NOON + 2 * MINUTE)).forgotten == 1
    assert loads.rows("SELECT COUNT(*) FROM reddit.forget_audit") == [(3,)]


def test_nothing_is_made_where_there_is_no_warehouse(loads):
    assert loads.warehouse.forget(loads.lake, put(loads, tombstone())) is None
    if isinstance(loads, DuckDBLoads):
        assert not loads.path.exists()
    assert noticed_in(loads, POSTS) == []


def test_a_damaged_object_of_tombstones_stops_loads_and_forgetting(loads):
    loads.load(post("a"))
    before = loads.everything()
    loads.lake.create(tombstones.tombstones_key(NOON, "damaged"), b'{"tombstones": [["posts", "a", "gone", "noon"]]}')
    key = put(loads, tombstone())
    for use in (lambda: loads.load(post("b")), lambda: loads.warehouse.forget(loads.lake, key)):
        with pytest.raises(LakeError, match=r"damaged\.json: not a list of tombstones"):
            use()
    assert loads.everything() == before


def test_loads_and_forgetting_in_any_order_end_equal(tmp_path):
    ended = set()
    rows = {
        "early": [post("a", seen=NOON - MINUTE), post("a", score=1), post("b", seen=NOON + MINUTE, author="x")],
        "late": [
            *(post("a", seen=NOON + minutes * MINUTE) for minutes in (2, 1)),
            *(post(id_, author="x") for id_ in "bc"),
            post("d", crosspost_parent_id="a", url="/r/python/comments/a/t/"),
        ],
    }
    for number, order in enumerate(permutations([*rows, "forget"])):
        folder = tmp_path / str(number)
        folder.mkdir()
        loads = DuckDBLoads(folder)
        for step in order:
            if step == "forget":
                key = put(loads, *[tombstone(id_, Kind.ACCOUNT) for id_ in "bc"], tombstone())
                loads.warehouse.forget(loads.lake, key)
            else:
                loads.load(*rows[step])
        ended.add(str(loads.everything()[:2]))
    assert len(ended) == 1


def test_loads_and_forgetting_at_once_end_as_one_after_the_other(loads):
    gone = marked(post("a"))
    loads.load(gone, post("b"))
    key = put(loads, tombstone())
    files_of = [loads.file(gone, post(f"n{number}")) for number in range(3)]
    with ThreadPoolExecutor(5) as pool:
        done = [pool.submit(loads.warehouse.forget, loads.lake, key) for _ in range(2)]
        done += [pool.submit(loads.load_files, file) for file in files_of]
        for one in done:
            one.result()
    assert loads.rows("SELECT post_id FROM reddit.posts ORDER BY 1") == [("b",), ("n0",), ("n1",), ("n2",)]
    assert loads.rows("SELECT COUNT(*) FROM reddit.tombstones") == [(1,)]
    assert readable(loads, marks(gone)) == set()


def noticed_in(loads: Loads, entity: Entity, since: int = 0, until: int = 99) -> list[tuple[str, str, str]]:
    first, last = NOON + since * MINUTE, NOON + until * MINUTE
    found = list(noticed(loads.warehouse, entity, since=first, until=last, with_removed=True))
    assert {one.entity for one in found} <= {entity.name}
    return [(one.id, one.kind.value, one.moment) for one in found]


def test_newest_states_that_are_gone_or_lost_their_account_are_noticed_once(loads):
    first = [post(id_, author="x") for id_ in "abcdefg"]
    loads.load(*first, post("h", author=None), post("i", author=None, subreddit="U_x"))
    later = {
        "a": {"author": "x"},
        "b": {"selftext": "[deleted]", "author": None},
        "c": {"removed_by_category": "moderator", "selftext": "[removed]"},
        "d": {"removed_by_category": "deleted", "selftext": "[removed]"},
        "e": {"author": None, "selftext": "still there"},
        "h": {"author": None},
    }
    loads.load(*[post(id_, seen=NOON + MINUTE, **fields) for id_, fields in later.items()])
    loads.load(comment("k", author="x"), comment("l", author="x"), comment("m", author="x"), entity=COMMENTS)
    newer = {"k": {"body": "[deleted]"}, "l": {"body": "[removed]"}, "m": {"author": None}}
    loads.load(*[comment(id_, observed_at=NOON + MINUTE, **fields) for id_, fields in newer.items()], entity=COMMENTS)
    moment = iso(NOON + MINUTE)
    expected = [("b", "deleted", moment), ("c", "removed", moment), ("d", "deleted", moment), ("e", "account", moment)]
    # Whether h ever had an author is not known any more. Of i, which was seen once, the subreddit has the name.
    assert noticed_in(loads, POSTS, since=1) == [*expected, ("h", "account", moment)]
    assert noticed_in(loads, POSTS) == [*expected, ("h", "account", moment), ("i", "account", iso(NOON))]
    assert noticed_in(loads, POSTS, until=1) == [("i", "account", iso(NOON))]
    of_comments = [("k", "deleted", moment), ("l", "removed", moment), ("m", "account", moment)]
    assert noticed_in(loads, COMMENTS) == of_comments
    ones = [Tombstone("posts", id_, Kind(kind), at) for id_, kind, at in noticed_in(loads, POSTS)]
    ones += [Tombstone("comments", id_, Kind(kind), at) for id_, kind, at in of_comments]
    forget(loads, *ones)
    assert noticed_in(loads, POSTS) == noticed_in(loads, COMMENTS) == []
    assert loads.rows("SELECT post_id, author FROM reddit.posts ORDER BY 1") == [
        ("a", "x"),
        ("e", None),
        ("f", "x"),
        ("g", "x"),
        ("h", None),
    ]


def test_what_came_back_and_is_gone_again_is_noticed_again(loads):
    loads.load(post("a"))
    forget(loads, tombstone(kind=Kind.REMOVED))
    loads.load(post("a", seen=NOON + MINUTE))
    again = post("a", seen=NOON + 2 * MINUTE, removed_by_category="moderator")
    assert loads.load(again) == LoadCounts(staged=1, inserted=0, updated=1, stale=0)
    moment = iso(NOON + 2 * MINUTE)
    assert noticed_in(loads, POSTS) == [("a", "removed", moment)]
    assert forget(loads, Tombstone("posts", "a", Kind.REMOVED, moment), name="again").removed == 1
    assert loads.load(again, post("a", seen=NOON + MINUTE)).forgotten == 2
    assert loads.rows("SELECT * FROM reddit.posts") == loads.rows("SELECT * FROM reddit.post_metrics") == []


@pytest.mark.parametrize("fault", [CONFLICT, Drop.BEFORE, Drop.AFTER], ids=["1023", "lost before", "lost after"])
@pytest.mark.parametrize(
    "statement",
    ["INSERT INTO reddit.tombstones", "DELETE FROM reddit.posts", "forget_audit \\(", "VACUUM", "SET erased_at"],
)
def test_forgetting_that_is_disturbed_in_redshift_is_tried_again(redshift_loads, redshift_server, fault, statement):
    loads = redshift_loads
    gone = marked(post("a"))
    loads.load(gone, post("b"))
    redshift_server.fail(statement, fault)
    assert forget(loads, tombstone()) == Forgotten(1, 0, LOADED_AT, LOADED_AT)
    assert redshift_server.unspent == []
    assert loads.rows("SELECT post_id FROM reddit.posts") == [("b",)]
    assert readable(loads, marks(gone)) == set()


@pytest.mark.parametrize("use", ["load", "forget"])
def test_a_commit_of_which_redshift_s_answer_is_lost_is_followed_by_its_vacuum(redshift_loads, redshift_server, use):
    loads = redshift_loads
    gone = marked(post("a"))
    loads.load(gone)
    key = put(loads, tombstone())
    redshift_server.fail("forget_audit \\(", lambda: redshift_server.fail("^COMMIT", Drop.AFTER))
    if use == "load":
        assert loads.load(post("b")).inserted == 1
    else:
        assert loads.warehouse.forget(loads.lake, key) == Forgotten(1, 0, LOADED_AT, LOADED_AT)
    assert redshift_server.unspent == []
    assert readable(loads, marks(gone)) == set()


FORGET = """
import os, signal, sys
from datetime import datetime
from pathlib import Path
from reddit_etl.lake.folder import FolderLake
from reddit_etl.warehouse import duckdb, forget, rewrite

path, lake, key, step = sys.argv[1:]

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

take_in = forget.take_in
match step:
    case "in the transaction":
        forget.take_in = lambda *given, **named: (take_in(*given, **named), die())
    case "after the commit":
        duckdb.rewrite = die
    case "when the new file is written":
        Path.replace = die
    case "when it has replaced the old one":
        rewrite._to_disk = die
warehouse = duckdb.DuckDBWarehouse(Path(path), clock=lambda: datetime(2026, 11, 23, 13))
print(warehouse.forget(FolderLake(Path(lake)), key).removed)
"""


def forget_in_a_process(loads: DuckDBLoads, key: str, step: str) -> int:
    command = [sys.executable, "-c", FORGET, str(loads.path), loads.lake.url, key, step]
    return subprocess.run(command, check=False, capture_output=True, cwd=PROJECT).returncode


@pytest.mark.parametrize(
    "step",
    [
        "in the transaction",
        "after the commit",
        "when the new file is written",
        "when it has replaced the old one",
    ],
)
def test_forgetting_that_is_killed_in_duckdb_is_made_good_by_the_next_one(tmp_path, step):
    loads = DuckDBLoads(tmp_path)
    gone = marked(post("a"))
    loads.load(gone, post("b"))
    scratch = tmp_path / "warehouse.duckdb.tmp"
    scratch.mkdir()
    (scratch / "duckdb_temp_storage-0.tmp").write_text(str(gone))
    key = put(loads, tombstone())
    assert forget_in_a_process(loads, key, step) == -signal.SIGKILL
    assert loads.warehouse.forget(loads.lake, key) == Forgotten(1, 0, LOADED_AT, LOADED_AT)
    assert loads.rows("SELECT post_id FROM reddit.posts") == [("b",)]
    assert readable(loads, marks(gone)) == set()
    assert {path for path in files(loads) if path.is_file()} == {loads.path}


def test_processes_that_forget_at_once_end_as_one(tmp_path):
    loads = DuckDBLoads(tmp_path)
    loads.load(post("a"), post("b"))
    key = put(loads, tombstone())
    with ThreadPoolExecutor() as pool:
        forgetting = [pool.submit(forget_in_a_process, loads, key, "") for _ in range(3)]
        loading = pool.submit(loads.load, post("a"), post("c"))
        assert [done.result() for done in forgetting] == [0, 0, 0]
        assert loading.result().inserted == 1
    assert loads.rows("SELECT post_id FROM reddit.posts ORDER BY 1") == [("b",), ("c",)]
    assert loads.rows("SELECT object, rows_removed FROM reddit.forget_audit") == [(key, 1)]


def test_a_load_that_opened_the_file_before_it_was_replaced_opens_the_new_one(tmp_path, monkeypatch):
    loads = DuckDBLoads(tmp_path)
    loads.load(post("a"), post("b"))
    key = put(loads, tombstone())
    connect, replaced = duck.connect, []

    def late(*given: Any, **named: Any) -> Any:
        """Between opening and locking: so short that the file is locked here on another's behalf."""
        if not replaced:
            replaced.append(loads.path.stat().st_ino)
            old = tmp_path / "old"
            os.link(loads.path, old)
            assert forget_in_a_process(loads, key, "") == 0
            return connect(old, *given[1:], **named)
        return connect(*given, **named)

    monkeypatch.setattr(duck, "connect", late)
    assert loads.load(post("c")).inserted == 1
    assert loads.path.stat().st_ino != replaced[0]
    assert loads.rows("SELECT post_id FROM reddit.posts ORDER BY 1") == [("b",), ("c",)]


OTHERS = """\
CREATE SCHEMA mine;
CREATE TYPE mine.mood AS ENUM ('good', 'bad');
CREATE SEQUENCE mine.numbers START 5;
CREATE TABLE mine.notes (n INTEGER PRIMARY KEY DEFAULT nextval('mine.numbers'), mood mine.mood, CHECK (n > 0));
INSERT INTO mine.notes (mood) VALUES ('good');
CREATE TABLE mine.about (n INTEGER REFERENCES mine.notes (n), text VARCHAR);
INSERT INTO mine.about VALUES (5, 'a note');
CREATE INDEX moods ON mine.notes (mood);
CREATE MACRO mine.twice(x) AS 2 * x;
CREATE VIEW mine.best AS SELECT post_id, note FROM reddit.posts WHERE score > 1;
COMMENT ON VIEW mine.best IS 'the best';
COMMENT ON COLUMN mine.notes.mood IS 'how it is';
CREATE VIEW reddit.all_of_them AS SELECT * FROM mine.best"""


def definitions(loads: Loads) -> list[list[tuple[Any, ...]]]:
    """What a DuckDB file holds beside rows."""
    asked = {
        "tables": "table_name, comment, sql",
        "columns": "table_name, column_name, comment, data_type, column_default",
        "views": "view_name, comment, sql",
        "indexes": "index_name, sql",
        "sequences": "sequence_name, last_value",
        "types": "type_name, labels",
        "functions": "function_name, macro_definition",
        "constraints": "table_name, constraint_text",
    }
    return [
        loads.rows(
            f"SELECT schema_name, {names} FROM duckdb_{kind}() WHERE database_name = current_database()"
            f"{'' if kind in ('tables', 'indexes', 'sequences', 'constraints') else ' AND NOT internal'} ORDER BY ALL"
        )
        for kind, names in asked.items()
    ]


def test_what_others_keep_in_the_file_survives(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    loads = DuckDBLoads(tmp_path)
    loads.load(post("a"), post("b"), post("c"))
    loads.path.rename(tmp_path / "elsewhere" / "file")
    loads.path.symlink_to(Path("elsewhere") / "file")
    loads.change("ALTER TABLE reddit.posts ADD COLUMN note VARCHAR DEFAULT 'none'")
    for statement in OTHERS.split(";"):
        loads.change(statement)
    loads.change("UPDATE reddit.posts SET note = 'mine' WHERE post_id = 'b'")
    loads.path.chmod(0o640)
    before, notes = definitions(loads), loads.rows("SELECT * FROM reddit.all_of_them ORDER BY 1")
    assert notes == [("a", "none"), ("b", "mine"), ("c", "none")]
    assert forget(loads, tombstone()).removed == 1
    assert definitions(loads) == before
    assert loads.rows("SELECT * FROM reddit.all_of_them ORDER BY 1") == notes[1:]
    assert loads.rows("SELECT * FROM mine.notes JOIN mine.about USING (n)") == [(5, "good", "a note")]
    loads.change("INSERT INTO mine.notes (mood) VALUES ('bad')")
    assert loads.rows("SELECT n, mine.twice(n) FROM mine.notes ORDER BY 1") == [(5, 10), (6, 12)]
    assert loads.path.is_symlink()
    assert stat.S_IMODE(loads.path.stat().st_mode) == 0o640
    assert loads.load(post("b", seen=NOON + MINUTE), post("d")).updated == 1
    assert loads.rows("SELECT * FROM reddit.all_of_them ORDER BY 1") == [("b", "mine"), ("c", "none"), ("d", "none")]


def test_a_load_is_kept_if_the_file_cannot_be_rewritten_and_the_next_forgetting_does_it(tmp_path, monkeypatch, caplog):
    loads = DuckDBLoads(tmp_path)
    gone = marked(post("a"))
    loads.load(gone)
    key = put(loads, tombstone())
    file = loads.file(post("b"))

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", full)
        assert loads.load_files(file).inserted == 1
        assert [record.getMessage() for record in caplog.records] == ["the file still has bytes of what was forgotten"]
        with pytest.raises(WarehouseError, match="No space left"):
            loads.warehouse.forget(loads.lake, key)
    assert loads.rows("SELECT post_id FROM reddit.posts") == [("b",)]
    assert loads.rows("SELECT rows_removed, erased_at FROM reddit.forget_audit") == [(1, None)]
    assert readable(loads, marks(gone))
    assert loads.warehouse.forget(loads.lake, key) == Forgotten(1, 0, LOADED_AT, LOADED_AT)
    assert readable(loads, marks(gone)) == set()
