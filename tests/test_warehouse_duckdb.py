"""What is DuckDB's own about loads: a file, its locks, its memory."""

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from reddit_etl import duck
from reddit_etl.entities import POSTS
from reddit_etl.entities.schema import DOUBLE, TIMESTAMP
from reddit_etl.errors import ConfigurationError, LakeError, WarehouseError
from reddit_etl.warehouse import duckdb as warehouse_duckdb
from reddit_etl.warehouse import duckdb_file, open_warehouse
from reddit_etl.warehouse.base import LoadCounts
from reddit_etl.warehouse.duckdb import DuckDBWarehouse
from reddit_etl.warehouse.tables import tables
from tests import PROJECT
from tests.standins.loads import HOUR, DuckDBLoads
from tests.standins.payloads import listed, parquet, post


@pytest.fixture
def loads(tmp_path):
    return DuckDBLoads(tmp_path)


def test_a_file_of_more_rows_than_a_portion_is_loaded_whole(loads, tmp_path, monkeypatch):
    monkeypatch.setattr(warehouse_duckdb, "PORTION", 3000)
    with duckdb.connect() as connection:
        connection.execute(
            "COPY (SELECT 'p' || (n % 6000) AS post_id, n AS score, TIMESTAMP '2026-01-01' + to_seconds(n) observed_at"
            " FROM range(7000) AS numbers(n)) TO ? (FORMAT parquet, ROW_GROUP_SIZE 2048)",
            [str(tmp_path / "many.parquet")],
        )
    # A double in a later portion finds the post there already.
    assert loads.load_files(
        (loads.lake.add_file(tmp_path / "many.parquet", "many.parquet", 7000), POSTS)
    ) == LoadCounts(staged=7000, inserted=6000, updated=1000, stale=0)
    assert loads.rows("SELECT count(*), count(DISTINCT post_id), sum(score) FROM reddit.posts") == [
        (6000, 6000, sum(range(1000, 7000)))
    ]
    assert loads.rows("SELECT count(*) FROM reddit.post_metrics") == [(7000,)]


def test_a_load_that_lacks_memory_is_tried_again_with_more(loads, monkeypatch, caplog):
    monkeypatch.setattr(duck, "LOAD_MEMORY_LIMIT", "1MB")
    assert loads.load(*[post(f"p{n}", selftext=f"{n} " * 1000) for n in range(500)]).inserted == 500
    assert "Out of Memory" in caplog.records[0].error
    assert loads.rows("SELECT count(*) FROM reddit.load_audit") == [(1,)]


@pytest.mark.parametrize("name", ["reddit", "main", "warehouse", "memory", "it's"])
def test_the_file_may_have_any_name(tmp_path, name):
    """DuckDB names an open file by its name, and with reddit.duckdb `reddit.posts` could mean two things."""
    loads = DuckDBLoads(tmp_path, f"{name}.duckdb")
    loads.load(post(), load_id="first")
    assert loads.rows("SELECT post_id FROM reddit.posts") == [("abc",)]
    assert loads.warehouse.loaded(first_hour=HOUR, last_hour=HOUR) == {"first"}


def test_a_first_load_that_fails_leaves_no_table(loads):
    with pytest.raises(WarehouseError):
        file, entity = loads.file(post("b"))
        loads.load_files((replace(file, rows=5), entity))
    assert loads.rows("SELECT table_name FROM information_schema.tables") == []


def test_reading_takes_what_fails_beside_it_for_no_error_of_the_warehouse(loads):
    loads.load(post())
    broken = "SELECT no_such_column FROM reddit.posts"
    with pytest.raises(BrokenPipeError), loads.warehouse.reading():
        # An error of the warehouse's is one at once, and the connection is good for the next query.
        with pytest.raises(WarehouseError, match="no_such_column"):
            loads.warehouse.find("posts", broken, [])
        assert loads.warehouse.find("posts", "SELECT count(*) FROM reddit.posts", []) == [(1,)]
        raise BrokenPipeError
    # The file is free again.
    assert loads.load(post("another")).inserted == 1


def test_reading_sees_one_state_of_a_file_that_is_removed_meanwhile(loads):
    loads.load(post())
    with loads.warehouse.reading():
        loads.warehouse.path.unlink()
        assert loads.warehouse.find("posts", "SELECT count(*) FROM reddit.posts", []) == [(1,)]
    assert loads.warehouse.find("posts", "SELECT count(*) FROM reddit.posts", []) == []


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
        loads = DuckDBLoads(tmp_path / folder)
        file = loads.file(post(folder.replace("'", ""), score=7))
    assert loads.load_files(file) == LoadCounts(staged=1, inserted=1, updated=0, stale=0)
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


def test_a_file_that_stays_locked_is_an_error_that_names_the_holder_and_is_waited_for_once(loads, monkeypatch):
    holder = Holder(loads.path)
    waits = []
    stop = duckdb_file.stop_after_delay
    monkeypatch.setattr(duckdb_file, "stop_after_delay", lambda seconds: waits.append(seconds) or stop(0))
    for _ in range(3):
        with pytest.raises(WarehouseError) as caught:
            loads.load(post())
    assert waits == [60, 0, 0]
    said = str(caught.value)
    assert said.startswith(f"WAREHOUSE_URL: duckdb:///{loads.path}: ")
    assert re.search(
        rf": the file is locked by .+ \(PID {holder.process.pid}\): wait until that process has ended", said
    )
    assert "read-only" not in said, "DuckDB's own advice, which does not help a load"
    assert "\n" not in said
    holder.let_go()
    assert loads.load(post()).staged == 1
    holder = Holder(loads.path)
    with pytest.raises(WarehouseError):
        loads.load(post())
    holder.let_go()
    assert waits[3:] == [0, 60], "another holder is waited for again"


def test_a_log_that_a_removed_file_left_is_named_with_its_fix(loads):
    left = loads.path.with_name("warehouse.duckdb.wal")
    left.write_bytes(b"changes of a file that was removed")
    with pytest.raises(ConfigurationError, match=rf"^WAREHOUSE_URL: {left} is left of a file .* remove it too$"):
        loads.load(post())
    with pytest.raises(ConfigurationError, match=r"remove it too$"):
        loads.warehouse.check(entity=POSTS, lake=loads.lake, folder="doctor")
    assert left.exists()
    left.unlink()
    assert loads.load(post()).staged == 1


LEAVE_A_LOG = """
import duckdb, os, sys
connection = duckdb.connect(sys.argv[1])
connection.execute("PRAGMA disable_checkpoint_on_shutdown")
connection.execute("CREATE TABLE more AS SELECT 1 AS number")
os._exit(9)
"""


def test_a_log_beside_an_older_copy_of_the_file_is_named_with_its_fix(loads):
    loads.load(post("a"))
    older = loads.path.read_bytes()
    loads.load(post("b"))
    subprocess.run([sys.executable, "-c", LEAVE_A_LOG, str(loads.path)], check=False)
    left = loads.path.with_name("warehouse.duckdb.wal")
    assert left.exists()
    loads.path.write_bytes(older)
    with pytest.raises(ConfigurationError, match=rf"^WAREHOUSE_URL: .*: {left} is of another copy .*: remove it"):
        loads.load(post("c"))
    left.unlink()
    assert loads.load(post("c")).staged == 1


@pytest.mark.parametrize("bytes_left", [1, 100, 4096, 12288])
def test_a_file_that_is_cut_off_is_a_matter_for_a_person(loads, bytes_left):
    loads.load(post("a"))
    loads.path.write_bytes(loads.path.read_bytes()[:bytes_left])
    with pytest.raises(ConfigurationError, match=r"^WAREHOUSE_URL: .*: .*: name another file, restore this one") as e:
        loads.load(post("b"))
    assert "\n" not in str(e.value)


def test_a_file_that_is_cut_where_only_rows_are_is_found_by_the_check(loads):
    """DuckDB opens it, and fails once it reads there."""
    for number in range(3):
        loads.load(*[post(f"p{number}-{n}", selftext=f"{n}" * 900) for n in range(1000)], load_id=str(number))
    whole = loads.path.read_bytes()
    loads.path.write_bytes(whole[:-300_000])
    with duckdb.connect(str(loads.path), read_only=True):
        pass
    with pytest.raises(
        ConfigurationError, match=r"truncated, it has [\d,]+ of [\d,]+ bytes: name another file, restore"
    ):
        loads.warehouse.check(entity=POSTS, lake=loads.lake, folder="doctor")
    loads.path.write_bytes(whole)
    assert loads.warehouse.check(entity=POSTS, lake=loads.lake, folder="doctor").endswith("can be written")


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
        lambda: warehouse.load(listed("a", [], 0)),
        lambda: warehouse.query("SELECT 1", limit=1),
    ):
        attempts.clear()
        with pytest.raises(ConfigurationError) as caught:
            use()
        assert str(caught.value).startswith(f"WAREHOUSE_URL: duckdb:///{tmp_path / name}: ")
        assert "not a valid DuckDB database" in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_folder_that_cannot_be_made_is_an_error_that_names_the_setting(tmp_path):
    (tmp_path / "file").write_text("")
    warehouse = DuckDBWarehouse(tmp_path / "file" / "warehouse.duckdb")
    with pytest.raises(ConfigurationError, match=r"^WAREHOUSE_URL: .*: name a file in a folder that can be made$"):
        warehouse.load(listed("a", [], 0))


def test_a_file_of_rows_that_is_gone_is_an_error_and_the_load_rolled_back(loads):
    loads.load(post("a"))
    before = loads.everything()
    gone = loads.file(post("c"))
    (loads.folder / "lake" / gone[0].key).unlink()
    with pytest.raises(LakeError, match=r"which a receipt lists, is missing$") as caught:
        loads.load_files(loads.file(post("b")), gone)
    assert "\n" not in str(caught.value)
    assert loads.everything() == before


ON_A_FULL_DISK = """
import resource, sys
from pathlib import Path
from reddit_etl.entities import POSTS
from reddit_etl.errors import WarehouseError
from reddit_etl.warehouse.duckdb import DuckDBWarehouse
from tests.standins.payloads import listed

path, file, rows = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
limit = path.stat().st_size + 65536
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    DuckDBWarehouse(path).load(listed("big", [file], rows))
except WarehouseError as error:
    print(error)
"""


def test_a_full_disk_is_an_error_on_one_line_and_the_load_is_not_there(loads):
    loads.load(post("a"))
    before = loads.everything()
    rows = [post(f"p{n}", selftext=f"{n} " * 1000) for n in range(500)]
    arguments = [str(loads.path), str(parquet(loads.folder / "big.parquet", rows)), str(len(rows))]
    done = subprocess.run(
        [sys.executable, "-c", ON_A_FULL_DISK, *arguments], capture_output=True, text=True, check=True, cwd=PROJECT
    )
    assert done.stdout.startswith("WAREHOUSE_URL: duckdb:///")
    assert done.stdout.count("\n") == 1
    assert loads.everything() == before
    assert loads.load(*rows, load_id="big").inserted == 500


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
    [
        "",
        "duckdb:///",
        "duckdb:///:memory:",
        "duckdb://data/x",
        "warehouse.duckdb",
        "postgresql://someone:secret@host/db",
        "redshift://",
    ],
)
def test_another_kind_of_warehouse_is_refused_without_its_secret(url):
    with pytest.raises(ConfigurationError, match=r"^WAREHOUSE_URL .* duckdb:///") as caught:
        open_warehouse(url)
    assert "secret" not in str(caught.value)


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


def test_the_audit_tells_which_loads_the_file_knows(loads):
    def known(first, last):
        return loads.warehouse.loaded(first_hour=first, last_hour=last)

    assert known("2026-11-22T12", HOUR) == set()
    assert not loads.path.exists()
    duckdb.connect(str(loads.path)).close()
    assert known("2026-11-22T12", HOUR) == set()
    loads.load(post(), load_id="posts/x/y/z")
    assert known("2026-11-22T12", HOUR) == known(HOUR, "2026-11-24T00") == {"posts/x/y/z"}
    assert known("2026-11-22T12", "2026-11-23T11") == known("2026-11-23T13", "2026-11-24T00") == set()
