"""What is Redshift's own about loads: COPY, conflicts, lost connections, rights."""

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, nullcontext, suppress
from dataclasses import replace
from itertools import product
from threading import Barrier, Thread

import boto3
import duckdb
import psycopg2
import pytest
from hypothesis import HealthCheck, given, settings

from reddit_etl.entities import ENTITIES, POSTS
from reddit_etl.entities.schema import TIMESTAMP
from reddit_etl.errors import ConfigurationError, DamagedObjectError, WarehouseError
from reddit_etl.warehouse.base import LoadCounts
from reddit_etl.warehouse.redshift import connections
from reddit_etl.warehouse.redshift.connections import TRIES
from reddit_etl.warehouse.redshift.login import read_login
from reddit_etl.warehouse.redshift.warehouse import RedshiftWarehouse
from tests.standins.loads import LOADED_AT, NEWER, OLDER, Loads
from tests.standins.payloads import MINUTE, NOON, THINGS, parquet, post
from tests.standins.redshift import CONFLICT, GUEST, OWNER, ROLE, TIMEOUT, Drop, Login
from tests.test_convergence import COLUMNS, expected, runs, state

ONE = LoadCounts(staged=1, inserted=1, updated=0, stale=0)
PROBE = "doctor/probe.json"


@pytest.fixture
def loads(redshift_loads):
    return redshift_loads


@pytest.fixture
def server(redshift_server):
    return redshift_server


def warehouse(server, url=None, copy_role=ROLE):
    pauses = []
    login = read_login(url or server.url, workgroup=None, cluster=None)
    made = RedshiftWarehouse(login, copy_role=copy_role, clock=lambda: LOADED_AT, pause=pauses.append)
    made.pauses = pauses
    return made


WHOLE = """\
BEGIN
SET statement_timeout TO 60000
SELECT pg_class.relname, pg_attribute.attname
FROM pg_namespace
JOIN pg_class ON pg_class.relnamespace = pg_namespace.oid
JOIN pg_attribute ON pg_attribute.attrelid = pg_class.oid
WHERE pg_namespace.nspname = 'reddit' AND pg_attribute.attnum > 0 AND NOT pg_attribute.attisdropped
SELECT 1 FROM pg_namespace WHERE nspname = 'reddit'
COMMIT
BEGIN
SELECT object FROM reddit.forget_audit
COMMIT
BEGIN
LOCK TABLE reddit.load_lock
SET statement_timeout TO DEFAULT
SELECT pg_class.relname, pg_attribute.attname
FROM pg_namespace
JOIN pg_class ON pg_class.relnamespace = pg_namespace.oid
JOIN pg_attribute ON pg_attribute.attrelid = pg_class.oid
WHERE pg_namespace.nspname = 'reddit' AND pg_attribute.attnum > 0 AND NOT pg_attribute.attisdropped
SELECT rows_staged, rows_inserted, rows_updated, rows_stale, COALESCE(rows_forgotten, 0) \
FROM reddit.load_audit WHERE load_id = 'none'
CREATE TEMPORARY TABLE staged (
  thing_id VARCHAR(8),
  colour VARCHAR(6),
  is_warm BOOLEAN,
  score INTEGER,
  text_truncated BOOLEAN,
  observed_at TIMESTAMP
)
DISTSTYLE KEY DISTKEY (thing_id)
COPY staged FROM 's3://lake/reddit/curated/1/_copy.json'
        WITH CREDENTIALS AS 'aws_iam_role=arn:aws:iam::123456789012:role/copy'
        FORMAT AS PARQUET
        MANIFEST
SELECT
  COALESCE(SUM(copies), 0),
  COUNT(*),
  COUNT(CASE WHEN thing_id IS NULL OR observed_at IS NULL THEN 1 END),
  COUNT(CASE WHEN observed_at < '2005-01-01' OR observed_at >= '2028-01-01' THEN 1 END)
FROM (SELECT thing_id, observed_at, COUNT(*) AS copies FROM staged GROUP BY thing_id, observed_at) AS moments
SELECT MIN(observed_at), MAX(observed_at), MIN(thing_id), MAX(thing_id) FROM staged
SELECT COUNT(*) FROM (
SELECT entity, id, kind, moment FROM reddit.tombstones
WHERE entity = 'things' AND id >= 'a' AND id <= 'a' AND id IN (SELECT thing_id FROM staged)
) AS naming
INSERT INTO reddit.thing_metrics (thing_id, score, observed_at)
SELECT seen.thing_id, seen.score, seen.observed_at
FROM staged AS seen
LEFT JOIN reddit.thing_metrics AS known ON known.thing_id = seen.thing_id AND known.observed_at = seen.observed_at
  AND known.observed_at >= '2026-11-23T12:00:00'::timestamp AND known.observed_at <= '2026-11-23T12:00:00'::timestamp
WHERE known.thing_id IS NULL
CREATE TEMPORARY TABLE arrived AS
SELECT seen.thing_id, seen.newest, seen.earliest,
  stored.observed_at AS stored_newest, stored.first_observed_at AS stored_earliest
FROM (
  SELECT thing_id, MAX(observed_at) AS newest, MIN(observed_at) AS earliest
  FROM staged
  GROUP BY thing_id
) AS seen
LEFT JOIN reddit.things AS stored ON stored.thing_id = seen.thing_id
  AND stored.thing_id >= 'a' AND stored.thing_id <= 'a'
SELECT
  COUNT(CASE WHEN arrived.stored_newest IS NULL THEN 1 END),
  COUNT(CASE WHEN arrived.stored_newest < arrived.newest THEN 1 END),
  MIN(CASE WHEN arrived.stored_newest < arrived.newest THEN stored_newest END),
  MAX(CASE WHEN arrived.stored_newest < arrived.newest THEN stored_newest END),
  MIN(CASE WHEN arrived.stored_newest >= arrived.newest \
AND arrived.earliest < arrived.stored_earliest THEN stored_newest END),
  MAX(CASE WHEN arrived.stored_newest >= arrived.newest \
AND arrived.earliest < arrived.stored_earliest THEN stored_newest END)
FROM arrived
DELETE FROM reddit.things
USING arrived
WHERE reddit.things.thing_id = arrived.thing_id AND reddit.things.thing_id >= 'a' AND reddit.things.thing_id <= 'a'
  AND reddit.things.observed_at >= NULL AND reddit.things.observed_at <= NULL
  AND arrived.stored_newest < arrived.newest
INSERT INTO reddit.things (thing_id, colour, is_warm, score, text_truncated, observed_at, first_observed_at)
SELECT seen.thing_id, seen.colour, seen.is_warm, seen.score, seen.text_truncated, seen.observed_at,
  CASE WHEN arrived.stored_earliest < arrived.earliest THEN arrived.stored_earliest ELSE arrived.earliest END
FROM staged AS seen
JOIN arrived ON arrived.thing_id = seen.thing_id AND arrived.newest = seen.observed_at
WHERE arrived.stored_newest IS NULL OR arrived.stored_newest < arrived.newest
UPDATE reddit.things SET first_observed_at = arrived.earliest
FROM arrived
WHERE reddit.things.thing_id = arrived.thing_id AND reddit.things.thing_id >= 'a' AND reddit.things.thing_id <= 'a'
  AND reddit.things.observed_at >= NULL AND reddit.things.observed_at <= NULL
  AND arrived.stored_newest >= arrived.newest AND arrived.earliest < arrived.stored_earliest
DROP TABLE arrived
INSERT INTO reddit.load_audit \
(load_id, entity, hour, rows_staged, rows_inserted, rows_updated, rows_stale, rows_forgotten, loaded_at) \
VALUES ('none', 'things', '2026-11-23T12', 1, 1, 0, 0, 0, '2026-11-23T13:00:00'::timestamp)
COMMIT"""


def test_the_whole_load_as_redshift_gets_it(loads, server):
    thing = {
        "thing_id": "a",
        "colour": "red",
        "is_warm": True,
        "score": 1,
        "text_truncated": False,
        "observed_at": NOON,
    }
    file = loads.file(thing, entity=THINGS)
    loads.load_files(entity=THINGS, load_id="the tables are made")
    made = [text for text in server.statements if text.startswith(("CREATE SCHEMA", "CREATE TABLE"))]
    assert made[0] == "CREATE SCHEMA reddit"
    assert [text.partition(" (")[0] for text in made[1:]] == [
        "CREATE TABLE reddit.things",
        "CREATE TABLE reddit.thing_metrics",
        "CREATE TABLE reddit.load_audit",
        "CREATE TABLE reddit.tombstones",
        "CREATE TABLE reddit.forget_audit",
        "CREATE TABLE reddit.load_lock",
    ]
    server.statements.clear()
    assert loads.load_files(file, entity=THINGS, load_id="none") == ONE
    sent = "\n".join(text.strip() for text in server.statements if "pg_catalog" not in text and text != "ROLLBACK")
    assert sent.replace(loads.lake.url, "s3://lake/reddit") == WHOLE


def test_the_manifest_lists_each_object_as_mandatory_with_its_size(loads):
    files = [loads.file(post("a")), loads.file(post("b"))]
    loads.load_files(*files)
    manifest = json.loads(loads.lake.read("curated/1/_copy.json"))
    assert manifest["entries"] == [
        {"url": f"{loads.lake.url}/{file.key}", "mandatory": True, "meta": {"content_length": file.bytes}}
        for file, _ in files
    ]


@pytest.mark.parametrize("fault", [CONFLICT, Drop.BEFORE, Drop.AFTER], ids=["1023", "lost before", "lost after"])
@pytest.mark.parametrize(
    "statement",
    ["LOCK TABLE", "COPY staged", "INSERT INTO reddit.post_m", "DELETE FROM reddit.posts", "load_audit \\(", "^COMMIT"],
)
def test_a_load_that_is_disturbed_once_is_tried_again_whole(loads, server, fault, statement):
    loads.load(post("a"), post("b"))
    file = loads.file(post("a", seen=NOON + MINUTE, score=8), post("c"))
    # The first commit is that of the definitions.
    server.fail(statement, fault)
    assert loads.load_files(file, load_id="disturbed") == LoadCounts(staged=2, inserted=1, updated=1, stale=0)
    assert server.unspent == []
    assert loads.rows("SELECT post_id, score FROM reddit.posts ORDER BY 1") == [("a", 8), ("b", 7), ("c", 7)]
    assert loads.rows("SELECT COUNT(*) FROM reddit.post_metrics") == [(4,)]
    assert loads.rows("SELECT COUNT(*) FROM reddit.load_audit WHERE load_id = 'disturbed'") == [(1,)]


def test_a_connection_lost_after_the_commit_makes_no_second_load(loads, server):
    loads.load(post("a"))
    server.fail("rows_forgotten, loaded_at", lambda: server.fail("^COMMIT", Drop.AFTER))
    server.statements.clear()
    assert loads.load(post("b"), load_id="lost") == ONE
    assert server.unspent == []
    assert sum(text.startswith("DELETE FROM reddit.posts") for text in server.statements) == 1
    assert loads.rows("SELECT COUNT(*) FROM reddit.load_audit WHERE load_id = 'lost'") == [(1,)]
    assert loads.rows("SELECT COUNT(*), COUNT(DISTINCT post_id) FROM reddit.posts") == [(2, 2)]


def test_tries_are_bounded_and_wait_at_random_within_growing_bounds(loads, server):
    loads.load(post("a"))
    before = loads.everything()
    tried = warehouse(server)
    file, _ = loads.file(post("b"))
    server.fail("DELETE FROM reddit.posts", CONFLICT, times=TRIES)
    with pytest.raises(WarehouseError, match=r"^WAREHOUSE_URL: redshift\+psycopg2://127.0.0.1:\d+/dev: 1023") as caught:
        tried.load(loads.of(file, "b"))
    assert "\n" not in str(caught.value)
    assert server.unspent == []
    assert len(tried.pauses) == TRIES - 1
    assert all(0 <= pause <= 2**n for n, pause in enumerate(tried.pauses))
    assert loads.everything() == before


def test_an_error_that_stays_is_not_tried_again(loads, server):
    loads.load(post("a"))
    before = loads.everything()
    server.fail("DELETE FROM reddit.posts", TIMEOUT)
    tried = warehouse(server)
    file, _ = loads.file(post("b"))
    with pytest.raises(WarehouseError, match="cancelled on user's request"):
        tried.load(loads.of(file, "b"))
    assert tried.pauses == []
    assert loads.everything() == before


def test_a_warehouse_that_is_down_is_an_error_after_a_few_tries(loads, server):
    tried = warehouse(server)
    file, _ = loads.file(post("b"))
    with server.down(), pytest.raises(WarehouseError, match=r"^WAREHOUSE_URL: .* refused"):
        tried.load(loads.of(file, "b"))
    assert len(tried.pauses) == TRIES - 1
    assert tried.load(loads.of(file, "b")) == ONE


def test_a_warehouse_that_is_down_is_waited_for_once(loads, server):
    """Not for each of many hours; a load that finds it up again lets the next one wait."""
    tried = warehouse(server)
    file, _ = loads.file(post("b"))
    waited = []
    for load_id, is_up in [("a", False), ("b", False), ("c", True), ("d", False), ("e", False)]:
        tried.pauses.clear()
        with nullcontext() if is_up else server.down(), suppress(WarehouseError):
            tried.load(loads.of(file, load_id))
        waited.append(len(tried.pauses))
    assert waited == [TRIES - 1, 0, 0, TRIES - 1, 0]
    # A conflict is a sign of life.
    server.fail("DELETE FROM reddit.posts", CONFLICT)
    assert tried.load(loads.of(file, "f")).stale == 1


def test_a_conflict_in_one_load_leaves_the_next_one_its_tries(loads, server):
    loads.load(post("a"))
    tried = warehouse(server)
    file, _ = loads.file(post("b"))
    for load_id in ("b", "c"):
        tried.pauses.clear()
        server.fail("DELETE FROM reddit.posts", CONFLICT, times=TRIES)
        with pytest.raises(WarehouseError):
            tried.load(loads.of(file, load_id))
        assert len(tried.pauses) == TRIES - 1


@pytest.fixture
def reader(server, monkeypatch):
    """A client that leaves a transaction open, as one without autocommit does."""
    monkeypatch.setattr(connections, "LOCK_WAIT", 0.3)
    with closing(psycopg2.connect(server.url.replace("redshift+psycopg2", "postgresql"))) as connection:
        yield connection


def test_who_reads_the_tables_and_stays_does_not_hold_a_load_up(loads, server, reader):
    loads.load(post("a"))
    for table in ("posts", "post_metrics", "load_audit"):
        reader.cursor().execute(f"SELECT COUNT(*) FROM reddit.{table}")
    tried = warehouse(server)
    file, _ = loads.file(post("b"))
    assert tried.load(loads.of(file, "b")) == ONE
    assert tried.pauses == []


@pytest.mark.parametrize("held", ["SELECT COUNT(*) FROM reddit.posts", "LOCK TABLE reddit.load_lock"])
def test_a_load_waits_for_another_session_within_bounds_and_says_so(loads, server, reader, caplog, held):
    """For one that reads what is to be altered, and for another load."""
    loads.load(post("a"))
    before = loads.everything()
    reader.cursor().execute(held)
    tried = warehouse(server)
    entity = NEWER if "posts" in held else POSTS
    file, _ = loads.file(post("b"), entity=entity)
    asked = replace(loads.of(file, "b"), entity=entity)
    with pytest.raises(WarehouseError, match=r"^WAREHOUSE_URL: .*: waiting for another load, or for a session"):
        tried.load(asked)
    assert len(tried.pauses) == TRIES - 1
    assert "waiting for another load" in caplog.records[0].error
    assert loads.everything() == before
    tried._connections._tries.sleep = lambda _: reader.rollback()
    assert tried.load(asked) == ONE


def test_a_file_of_the_manifest_that_is_gone_is_an_error_and_the_load_rolled_back(loads):
    loads.load(post("a"))
    before = loads.everything()
    gone = loads.file(post("c"))
    bucket, _, prefix = loads.lake.url.removeprefix("s3://").partition("/")
    boto3.client("s3").delete_object(Bucket=bucket, Key=f"{prefix}/{gone[0].key}")
    with pytest.raises(DamagedObjectError, match=r"which a receipt lists, is missing$") as caught:
        loads.load_files(loads.file(post("b")), gone)
    assert "\n" not in str(caught.value)
    assert loads.everything() == before


def test_times_without_the_converted_type_that_copy_goes_by_are_refused(loads):
    """COPY reads them without an error, as of a year far in the future."""
    loads.load(post("a"))
    before = loads.everything()
    path = parquet(loads.folder / "plain.parquet", [post("b")])
    with duckdb.connect() as connection:
        times = ", ".join(f"{c.name}::TIMESTAMP_NS AS {c.name}" for c in POSTS.curated if c.type is TIMESTAMP)
        connection.read_parquet(str(path)).create_view("rows")
        odd = loads.folder / "odd.parquet"
        connection.execute(f"COPY (SELECT * REPLACE ({times}) FROM rows) TO ? (FORMAT parquet)", [str(odd)])
    with pytest.raises(WarehouseError, match="posts with an observed_at outside the years 2005 to 2027"):
        loads.load_files((loads.lake.add_file(odd, "curated/odd/part-00000.parquet", 1), POSTS))
    assert loads.everything() == before


def test_a_manifest_of_other_objects_is_not_overwritten(loads):
    file = loads.file(post("a"))
    loads.lake.create("curated/1/_copy.json", b"{}")
    with pytest.raises(WarehouseError, match="lists other objects than the receipt: remove it"):
        loads.load_files(file)


@pytest.mark.parametrize("made", ["CREATE SCHEMA", "CREATE TABLE reddit.posts", "CREATE TABLE reddit.load_lock"])
def test_the_first_loads_of_two_processes_at_once_make_the_tables_once(loads, server, made):
    """Each finds nothing; both go on from there at the same moment."""
    if made != "CREATE SCHEMA":
        server.rows(f"CREATE SCHEMA reddit AUTHORIZATION {OWNER}")
    if made.endswith("load_lock"):
        loads.load()
        server.rows("DROP TABLE reddit.load_lock")
    files = [loads.file(*[post(f"p{n}", seen=NOON + m * MINUTE) for n in range(20)]) for m in range(2)]
    together = Barrier(2, timeout=60)
    server.fail(made, together.wait, times=2)

    def load(number, file):
        return warehouse(server).load(loads.of(file, str(number)))

    with ThreadPoolExecutor(2) as pool:
        counts = list(pool.map(load, range(2), [file for file, _ in files]))
    assert server.unspent == []
    assert sum(count.inserted for count in counts) == 20
    assert loads.rows("SELECT COUNT(*), COUNT(DISTINCT post_id) FROM reddit.posts") == [(20, 20)]
    assert loads.rows("SELECT COUNT(*) FROM reddit.post_metrics") == [(40,)]


def test_loads_wait_for_each_other_before_they_look(loads, server):
    """While one is between its look at the tables and its commit, the other has not got its lock."""
    loads.load(post("a"))
    first, second = loads.file(post("b")), loads.file(post("b"))
    order, inside, beside = [], Barrier(2, timeout=60), warehouse(server)

    def other():
        inside.wait()
        order.append("second asks")
        file, _ = second
        beside.load(loads.of(file, "second"))
        order.append("second done")

    thread = Thread(target=other)
    thread.start()
    server.fail("DELETE FROM reddit.posts", inside.wait)
    server.fail("^COMMIT", lambda: order.append("definitions"))
    server.fail("load_audit \\(", lambda: order.append("first writes"))
    loads.load_files(first, load_id="first")
    thread.join()
    assert order[-1] == "second done"
    assert loads.rows("SELECT COUNT(*), COUNT(DISTINCT post_id) FROM reddit.posts") == [(2, 2)]
    assert loads.rows("SELECT SUM(rows_inserted) FROM reddit.load_audit") == [(2,)]


def test_files_of_an_older_and_of_a_newer_definition_are_copied_by_position(loads, server):
    older = loads.file(post("a", seen=NOON + MINUTE, score=2), entity=OLDER)
    newer = loads.file(post("b", award_count=5), entity=NEWER)
    loads.load_files(older)
    loads.load_files(newer)
    assert "ALTER TABLE staged ADD COLUMN link_flair_text VARCHAR(1024)" in server.statements
    assert loads.rows("SELECT post_id, score, link_flair_text FROM reddit.posts ORDER BY 1") == [
        ("a", 2, None),
        ("b", 7, None),
    ]


def test_a_receipt_of_the_first_version_has_no_columns_and_loads_by_the_definition(loads):
    file, _ = loads.file(post("a"))
    assert loads.warehouse.load(loads.of(file, "a")) == ONE


def test_a_table_gains_a_column_alone_with_its_comment(loads, server):
    loads.load(post("a"))
    server.statements.clear()
    loads.load(post("b", award_count=5), entity=NEWER)
    assert [text for text in server.statements if text.startswith(("ALTER", "COMMENT", "CREATE TABLE"))] == [
        "ALTER TABLE reddit.posts ADD COLUMN award_count INTEGER",
        "COMMENT ON COLUMN reddit.posts.award_count IS 'How many awards it has.'",
        "ALTER TABLE reddit.post_metrics ADD COLUMN award_count INTEGER",
        "COMMENT ON COLUMN reddit.post_metrics.award_count IS 'How many awards it has.'",
    ]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"password": "wrong-0815"}, "login refused: correct user and password in the URL"),
        ({"database": "prod"}, "no such database: name one that exists"),
        ({"host": "nowhere.invalid"}, "no such host"),
    ],
    ids=["password", "database", "host"],
)
def test_a_wrong_login_is_a_matter_of_configuration(server, change, says):
    login = read_login(server.url, workgroup=None, cluster=None)
    wrong = RedshiftWarehouse(replace(login, url=login.url.set(**change)), copy_role=ROLE, pause=lambda _: None)
    with pytest.raises(ConfigurationError, match=says) as caught:
        wrong.query("SELECT 1", limit=1)
    assert str(caught.value).startswith("WAREHOUSE_URL: redshift+psycopg2://")
    assert "0815" not in str(caught.value)
    assert server.users["loader"].password not in str(caught.value)


def test_a_user_who_may_not_create_the_schema_is_told_what_to_grant(loads, server):
    server.users["guest"] = Login("s3cret", GUEST)
    file, _ = loads.file(post("a"))
    guest = warehouse(server, url=server.url_of("guest"))
    with pytest.raises(ConfigurationError, match="grant this user CREATE on the database, or make schema reddit"):
        guest.load(loads.of(file, "a"))
    server.rows(f"CREATE SCHEMA reddit; GRANT CREATE, USAGE ON SCHEMA reddit TO {GUEST}")
    assert guest.load(loads.of(file, "a")) == ONE


def test_a_copy_role_that_redshift_may_not_assume_is_a_matter_of_configuration(loads, server):
    other = warehouse(server, copy_role="arn:aws:iam::123456789012:role/other")
    file, _ = loads.file(post("a"))
    with pytest.raises(ConfigurationError, match=r"^REDSHIFT_COPY_ROLE: arn:aws:iam::123456789012:role/other: "):
        other.load(loads.of(file, "a"))


def test_no_session_is_idle_while_the_lake_is_asked(loads, server, monkeypatch):
    """Redshift ends one after its session timeout, and others wait for its lock until then."""
    create = loads.lake.create
    monkeypatch.setattr(loads.lake, "create", lambda *asked: server.statements.append("LAKE") or create(*asked))
    file = loads.file(post("a"))
    for work, asked in [
        (lambda: loads.load_files(file), 1),
        (lambda: loads.warehouse.check(entity=POSTS, lake=loads.lake, folder="doctor"), 2),
    ]:
        server.statements.clear()
        work()
        assert server.statements[:asked] == ["LAKE"] * asked
        assert "LAKE" not in server.statements[asked:]


def test_a_check_tries_everything_and_keeps_nothing(loads, server):
    assert "copies from the lake" in loads.warehouse.check(entity=POSTS, lake=loads.lake, folder="doctor")
    assert any(text.startswith("CREATE TABLE reddit.posts") for text in server.statements)
    assert any(text.startswith("DELETE FROM reddit.posts") for text in server.statements)
    assert any(text.startswith("INSERT INTO reddit.load_audit") for text in server.statements)
    assert any(text.startswith("COPY probe") and "FORMAT AS PARQUET" in text for text in server.statements)
    assert server.rows("SELECT 1 FROM pg_namespace WHERE nspname = 'reddit'") == []
    loads.load(post("a"))
    before = loads.everything()
    loads.warehouse.check(entity=NEWER, lake=loads.lake, folder="doctor")
    assert loads.everything() == before


@pytest.mark.parametrize(
    "columns",
    [
        {"post_id": "VARCHAR(16)); DROP TABLE reddit.posts; --"},
        {"post_id) AS x; DROP TABLE reddit.posts; --": "INTEGER"},
        {"post_id": "VARCHAR(16)", "title": 7},
        {"post_id": "VARCHAR(16)\n"},
        {"": "INTEGER"},
    ],
)
def test_a_receipt_s_columns_are_nothing_but_columns(loads, server, columns):
    file, _ = loads.file(post("a"))
    with pytest.raises(WarehouseError, match="lists a column that cannot be"):
        loads.warehouse.load(replace(loads.of(file, "a"), columns=columns))
    assert not any("TEMPORARY" in text or "DROP" in text for text in server.statements)


def test_the_columns_of_every_entity_are_columns(loads, server):
    for entity in ENTITIES.values():
        loads.load_files(entity=entity)
        texts = "\n".join(f"  {column.name} {column.type.sql}" for column in entity.curated)
        assert any(texts in text.replace(",\n", "\n") for text in server.statements)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1; COMMIT; DROP TABLE reddit.posts",
        "SELECT 1 -- '\n; COMMIT; DROP TABLE reddit.posts -- '",
        "SELECT 1 /* ' */; COMMIT; DROP TABLE reddit.posts /* ' */",
        r"SELECT 'a\'; COMMIT; DROP TABLE reddit.posts --'",
        "SELECT $$'$$; COMMIT; DROP TABLE reddit.posts; SELECT $$'$$",
    ],
)
def test_nothing_comes_behind_a_query(loads, server, sql):
    """Redshift takes several statements at a time, and a COMMIT ends what only reads."""
    with pytest.raises(WarehouseError, match=r"^query: use one statement"):
        loads.rows(sql)
    assert not any("DROP" in text for text in server.statements)


@pytest.mark.parametrize("sql", ["SELECT 'a;b' AS x;", "SELECT 'it''s; ' AS x ;\n", 'SELECT 1 AS "x" -- so'])
def test_a_semicolon_in_a_text_is_only_that(loads, sql):
    assert len(loads.rows(sql)) == 1


def test_a_query_fetches_rows_in_portions(loads):
    """A cluster of one node gives no more than a thousand at once."""
    loads.load(*[post(f"p{n}", score=n) for n in range(11)])
    tables = " CROSS JOIN ".join(f"reddit.posts AS {name}" for name in "abc")
    for limit in (999, 1000, 1001, 1330, 1331, 1332, 5000):
        sql = f"SELECT a.score, b.score, c.score FROM {tables} ORDER BY 1, 2, 3"
        assert loads.warehouse.query(sql, limit=limit)[1] == list(product(range(11), repeat=3))[:limit]


def test_a_query_reads_no_more_rows_than_asked_for(loads, server):
    loads.load(*[post(f"p{n}", score=n) for n in range(9)])
    server.statements.clear()
    assert loads.warehouse.query("SELECT score FROM reddit.posts ORDER BY 1;", limit=2) == (["score"], [(0,), (1,)])
    assert server.statements[-3:-1] == [
        "DECLARE answer CURSOR FOR SELECT score FROM reddit.posts ORDER BY 1",
        "FETCH FORWARD 2 FROM answer",
    ]


def test_a_percent_sign_is_only_that(loads):
    loads.load(post("a", title="100 % sure, or %s"))
    assert loads.rows("SELECT title FROM reddit.posts WHERE title LIKE '100 %'") == [("100 % sure, or %s",)]


@pytest.mark.slow
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(run=runs())
def test_any_history_in_any_order_ends_in_the_tables_that_follow_from_it(redshift_loads: Loads, redshift_server, run):
    history, order = run
    redshift_server.reset()
    written = [[redshift_loads.file(*[state(*seen) for seen in file]) for file in load] for load in history]
    for number, attempt in order:
        redshift_loads.load_files(*written[number], load_id=f"{number}/{attempt}")
    posts, metrics = expected(history)
    assert redshift_loads.rows(f"SELECT {', '.join(COLUMNS)} FROM reddit.posts ORDER BY post_id") == posts
    assert redshift_loads.rows("SELECT * FROM reddit.post_metrics ORDER BY post_id, observed_at") == metrics
