"""The stand-in of Redshift keeps Redshift's rules, whatever PostgreSQL would do."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import datetime
from pathlib import Path
from threading import Thread
from typing import Any

import boto3
import duckdb
import psycopg2
import pytest
import sqlalchemy as sa
from psycopg2.extensions import connection as Connection
from sqlalchemy_redshift.commands import CopyCommand, Format

from reddit_etl.entities import POSTS
from reddit_etl.warehouse import tables, upsert
from tests.standins import posts
from tests.standins.postgres import postgres
from tests.standins.redshift import CONFLICT, GUEST, ROLE, Drop, Login, Redshift, redshift
from tests.standins.s3 import moto_server

BUCKET = "lake"
COPY_PARQUET = f"COPY t FROM 's3://{BUCKET}/manifest' IAM_ROLE '{ROLE}' FORMAT AS PARQUET MANIFEST"


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with postgres() as folder:
        yield folder


@pytest.fixture(scope="module")
def s3_url() -> Iterator[str]:
    with moto_server() as url:
        yield url


@pytest.fixture(scope="module")
def shared(folder: Path, s3_url: str) -> Iterator[Redshift]:
    with redshift(folder, s3_url) as warehouse:
        yield warehouse


@pytest.fixture
def warehouse(shared: Redshift) -> Redshift:
    shared.reset()
    return shared


@pytest.fixture
def bucket(s3_url: str) -> Any:
    keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing", "region_name": "us-east-1"}
    bucket = boto3.resource("s3", endpoint_url=s3_url, **keys).Bucket(BUCKET)
    bucket.create()
    bucket.objects.delete()
    return bucket


@pytest.fixture
def connect(warehouse: Redshift) -> Iterator[Callable[[], Connection]]:
    """A maker of connections, which are closed with the test."""
    made: list[Connection] = []

    def connect(user: str = "loader") -> Connection:
        made.append(
            psycopg2.connect(
                host="127.0.0.1",
                port=warehouse.port,
                user=user,
                password=warehouse.users[user].password,
                dbname="dev",
                sslmode="disable",
            )
        )
        return made[-1]

    yield connect
    for connection in made:
        connection.close()


@pytest.fixture
def connection(connect: Callable[[], Connection]) -> Connection:
    """With a schema `x`, in it a table `t`, and a temporary table `s`."""
    connection = connect()
    run(connection, "CREATE SCHEMA x")
    run(connection, "CREATE TABLE x.t (id INTEGER, name VARCHAR(8))")
    run(connection, "CREATE TEMP TABLE s (id INTEGER, name VARCHAR(8))")
    connection.commit()
    return connection


def run(connection: Connection, sql: str, values: tuple[object, ...] | None = None) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.fetchall() if cursor.description else []


def refused(connection: Connection, sql: str) -> psycopg2.Error:
    with pytest.raises(psycopg2.Error) as caught:
        run(connection, sql)
    connection.rollback()
    return caught.value


MERGE = "MERGE INTO x.t USING s ON x.t.id = s.id "
UPDATE = "WHEN MATCHED THEN UPDATE SET name = s.name "
INSERT = "WHEN NOT MATCHED THEN INSERT (id, name) VALUES (s.id, s.name)"


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO x.t (id) VALUES (1) ON CONFLICT DO NOTHING",
        "INSERT INTO x.t (id) VALUES (1) RETURNING id",
        "UPDATE x.t SET id = 1 RETURNING id",
        "DELETE FROM x.t RETURNING id",
        "DELETE FROM x.t AS a WHERE a.id = 1",
        "INSERT INTO x.t AS a (id) VALUES (1)",
        "WITH gone AS (DELETE FROM x.t RETURNING id) SELECT * FROM gone",
        "CREATE INDEX i ON x.t (id)",
        "CREATE TABLE x.n (id SERIAL)",
        "CREATE TABLE x.n (id INTEGER GENERATED ALWAYS AS IDENTITY)",
        "CREATE TABLE x.n (id INTEGER, twice INTEGER GENERATED ALWAYS AS (id * 2) STORED)",
        "CREATE TABLE x.n (ids INTEGER[])",
        "CREATE TABLE x.n (doc JSONB)",
        "CREATE TABLE x.n (id INTEGER CHECK (id > 0))",
        "CREATE TABLE x.n (name VARCHAR(65536))",
        "CREATE TABLE x.n (tag VARCHAR(8))",
        "CREATE UNLOGGED TABLE x.n (id INTEGER)",
        "CREATE TEMP TABLE n (id INTEGER) ON COMMIT DROP",
        "CREATE TABLE IF NOT EXISTS x.n AS SELECT 1 AS a",
        "CREATE MATERIALIZED VIEW x.n AS SELECT 1 AS a",
        "ALTER TABLE x.t ADD COLUMN IF NOT EXISTS a INTEGER",
        "ALTER TABLE x.t ADD COLUMN a INTEGER, ADD COLUMN b INTEGER",
        "ALTER TABLE x.t ADD COLUMN a INTEGER NOT NULL",
        "ALTER TABLE x.t ADD CONSTRAINT only_one UNIQUE (id)",
        "SELECT DISTINCT ON (id) id, name FROM x.t",
        "SELECT COUNT(*) FILTER (WHERE id > 1) FROM x.t",
        "SELECT ARRAY[1, 2]",
        "SELECT id FROM x.t WHERE id = ANY ('{1}'::int[])",
        "SELECT '{}'::json",
        "SELECT string_agg(name, ',') FROM x.t",
        "SELECT id FROM x.t FOR UPDATE",
        "SELECT * FROM (VALUES (1)) AS v",
        "SELECT * FROM x.t, LATERAL (SELECT x.t.id) AS l",
        "SELECT SUM(id) OVER w FROM x.t WINDOW w AS (ORDER BY id)",
        "SELECT id AS tag FROM x.t",
        "SELECT E'a'",
        "SELECT $$a$$",
        "SAVEPOINT a",
        "LOCK TABLE x.t IN EXCLUSIVE MODE",
        "SET lock_timeout = 1",
        "SELECT 1; SELECT 2",
        "MERGE INTO x.t AS a USING s ON a.id = s.id " + UPDATE + INSERT,
        "MERGE INTO x.t USING (SELECT * FROM s) AS s ON x.t.id = s.id " + UPDATE + INSERT,
        "MERGE INTO x.t USING x.v AS s ON x.t.id = s.id " + UPDATE + INSERT,
        "WITH s AS (SELECT 1 AS id, 'a' AS name) " + MERGE + UPDATE + INSERT,
        "MERGE INTO x.t USING s ON x.t.id > s.id " + UPDATE + INSERT,
        "MERGE INTO x.t USING s ON x.t.id = s.id OR x.t.name = s.name " + UPDATE + INSERT,
        MERGE + "WHEN MATCHED AND s.id > 1 THEN UPDATE SET name = s.name " + INSERT,
        MERGE + UPDATE + INSERT.replace("MATCHED", "MATCHED AND s.id > 1"),
        MERGE + "WHEN MATCHED THEN DO NOTHING " + INSERT,
        MERGE + UPDATE,
        MERGE + INSERT,
        MERGE + INSERT + " " + UPDATE,
        MERGE + UPDATE + INSERT + " RETURNING x.t.id",
        "CREATE TABLE x.n (LIKE x.t INCLUDING INDEXES)",
        "DECLARE a SCROLL CURSOR FOR SELECT 1",
    ],
)
def test_what_only_postgresql_has_is_refused(warehouse: Redshift, connection: Connection, sql: str) -> None:
    warehouse.rows("CREATE VIEW x.v AS SELECT 1 AS id, 'a' AS name")
    assert refused(connection, sql).pgcode in ("42601", "0A000", "42704", "42883", "22023")
    # It is no typing error of this test.
    with closing(psycopg2.connect(host=str(warehouse.folder), user="postgres", dbname="dev")) as direct:
        run(direct, "CREATE TEMP TABLE s (id INTEGER, name VARCHAR(8))")
        run(direct, sql)


@pytest.mark.parametrize(
    "sql",
    [
        MERGE + UPDATE + INSERT,
        MERGE + "WHEN MATCHED THEN DELETE " + INSERT,
        "MERGE INTO x.t USING s AS a ON x.t.id = a.id AND x.t.name = a.name "
        "WHEN MATCHED THEN UPDATE SET name = a.name WHEN NOT MATCHED THEN INSERT VALUES (a.id, a.name)",
        "CREATE TABLE x.n (id BIGINT ENCODE az64 DISTKEY PRIMARY KEY, b TEXT) SORTKEY (id, b)",
        "CREATE TABLE x.n (id BIGINT, UNIQUE (id)) DISTSTYLE KEY DISTKEY (id) COMPOUND SORTKEY (id) ENCODE AUTO",
        "CREATE TEMP TABLE n DISTKEY (id) SORTKEY AUTO AS SELECT id, MAX(name) FROM x.t GROUP BY id",
        "CREATE TABLE IF NOT EXISTS x.n (encode_it VARCHAR(MAX) NOT NULL DEFAULT 'DISTKEY (b)') BACKUP NO",
        "CREATE TEMP TABLE n (LIKE x.t)",
        "ALTER TABLE x.t ADD COLUMN a DOUBLE PRECISION DEFAULT 1 NOT NULL",
        "COMMENT ON COLUMN x.t.id IS 'ON CONFLICT; -- it''s only text \"'",
        'SELECT id AS "tag", t.tag FROM (SELECT id, name AS "tag" FROM x.t) AS t',
        "SELECT 'RETURNING' /* ON CONFLICT */ FROM x.t -- FOR UPDATE",
        "UPDATE x.t AS a SET name = s.name FROM s WHERE a.id = s.id",
        "DELETE FROM x.t USING s WHERE x.t.id = s.id",
        "INSERT INTO x.t (id, name) VALUES (1, 'a'), (2, DEFAULT)",
        "WITH a AS (SELECT id FROM x.t) SELECT COUNT(*) FROM a JOIN s USING (id) HAVING COUNT(*) > 1 LIMIT 1",
        "LOCK TABLE x.t",
        "LOCK x.t",
        "SET query_group TO 'loads'",
        "SET statement_timeout TO 1000",
        "SET statement_timeout TO DEFAULT",
        "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED",
        "GRANT SELECT ON x.t TO warehouse_guest",
        "SELECT getdate()",
        "DROP TABLE IF EXISTS x.t, s",
        "DECLARE a CURSOR FOR SELECT 1",
        "ANALYZE x.t",
        "SELECT 1;",
    ],
)
def test_what_redshift_has_is_taken(connection: Connection, sql: str) -> None:
    run(connection, sql)


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE x.n (id INTEGER) DISTKEY (other)",
        "CREATE TABLE x.n (id INTEGER) SORTKEY (id, other)",
        "CREATE TABLE x.n (id INTEGER) DISTSTYLE KEY",
        "CREATE TABLE x.n (id INTEGER DISTKEY) DISTSTYLE ALL",
        "CREATE TABLE x.n (id INTEGER DISTKEY, b INTEGER DISTKEY)",
        "CREATE TABLE x.n (id INTEGER) DISTSTYLE ROUND",
        "SELECT FROM WHERE",
        "SELECT 'a",
    ],
)
def test_nonsense_is_refused(connection: Connection, sql: str) -> None:
    assert refused(connection, sql).pgcode in ("42601", "42703")


def test_sqlalchemy_takes_it_for_redshift(warehouse: Redshift) -> None:
    engine = sa.create_engine(warehouse.url)
    with engine.connect() as connection:
        assert connection.dialect.server_version_info == (8, 0, 2)
        assert "Redshift" in connection.exec_driver_sql("SELECT pg_catalog.version()").scalar_one()
        assert connection.exec_driver_sql("SHOW server_version").scalar_one() == "8.0.2"
        assert connection.get_isolation_level() == "SERIALIZABLE"
    engine.dispose()


def test_an_isolation_level_is_serializable_whatever_its_name(connect: Callable[[], Connection]) -> None:
    connection = connect()
    connection.set_session(isolation_level="READ COMMITTED")
    assert run(connection, "SHOW transaction_isolation") == [("serializable",)]


def test_statements_are_recorded_as_they_came(warehouse: Redshift, connection: Connection) -> None:
    warehouse.statements.clear()
    run(connection, "SELECT 'é' /* so */", None)
    connection.commit()
    assert warehouse.statements == ["BEGIN", "SELECT 'é' /* so */", "COMMIT"]


@pytest.mark.parametrize("text", ["back\\slash", "it's", "line\nbreak", "😀", '"', "%s", "\\'"])
def test_texts_come_back_exactly(connection: Connection, text: str) -> None:
    assert run(connection, "SELECT %s", (text,)) == [(text,)]


def test_a_backslash_escapes_in_a_string(connection: Connection) -> None:
    assert run(connection, r"SELECT 'a\tb\'c'") == [("a\tb'c",)]


def test_quoted_names_fold(connection: Connection) -> None:
    with connection.cursor() as cursor:
        cursor.execute('SELECT ID AS "Mixed" FROM x."T"')
        assert [column.name for column in cursor.description or ()] == ["mixed"]


def test_keys_are_not_enforced_but_not_null(warehouse: Redshift, connection: Connection) -> None:
    run(connection, "CREATE TABLE x.k (id INTEGER PRIMARY KEY, b INTEGER UNIQUE)")
    run(connection, "INSERT INTO x.k VALUES (1, 1), (1, 1)")
    connection.commit()
    assert warehouse.rows("SELECT * FROM x.k") == [(1, 1), (1, 1)]
    assert refused(connection, "INSERT INTO x.k VALUES (NULL, 2)").pgcode == "23502"


@pytest.mark.parametrize(
    "prepare",
    [
        "CREATE TABLE x.n (a VARCHAR(4))",
        "CREATE TEMP TABLE n (a VARCHAR(4))",
        "ALTER TABLE x.t ADD COLUMN a CHARACTER VARYING(4)",
        "CREATE TEMP TABLE n (LIKE x.four)",
    ],
)
def test_lengths_count_bytes(connection: Connection, prepare: str) -> None:
    run(connection, "CREATE TABLE x.four (a VARCHAR(4))")
    run(connection, prepare)
    connection.commit()
    table = next(word for word in prepare.split() if word in ("n", "x.n", "x.t"))
    run(connection, f"INSERT INTO {table} (a) VALUES ('éé'), ('abcd'), ('😀')")
    connection.commit()
    for text in ("ééa", "abcde", "😀a"):
        error = refused(connection, f"INSERT INTO {table} (a) VALUES ('{text}')")
        assert (error.pgcode, error.diag.message_primary) == ("22001", "value too long for type character varying(4)")


def test_text_is_varchar_256(connection: Connection) -> None:
    run(connection, "CREATE TABLE x.n (a TEXT, b VARCHAR)")
    run(connection, f"INSERT INTO x.n VALUES ('{'a' * 256}', '{'a' * 256}')")
    connection.commit()
    for column in "ab":
        assert refused(connection, f"INSERT INTO x.n ({column}) VALUES ('{'a' * 257}')").pgcode == "22001"


def test_information_schema_tells_of_columns(connection: Connection) -> None:
    columns = "SELECT column_name, data_type, character_maximum_length FROM information_schema.columns "
    assert run(connection, columns + "WHERE table_name = 't' ORDER BY ordinal_position") == [
        ("id", "integer", None),
        ("name", "character varying", 8),
    ]


def test_a_refusal_aborts_the_transaction(connection: Connection) -> None:
    run(connection, "INSERT INTO x.t VALUES (1, 'a')")
    with pytest.raises(psycopg2.Error):
        run(connection, "CREATE INDEX i ON x.t (id)")
    with pytest.raises(psycopg2.errors.InFailedSqlTransaction):
        run(connection, "SELECT 1")
    connection.rollback()
    assert run(connection, "SELECT * FROM x.t") == []


def test_truncate_commits(connection: Connection) -> None:
    run(connection, "INSERT INTO x.t VALUES (1, 'a')")
    connection.commit()
    run(connection, "INSERT INTO s VALUES (1, 'a')")
    run(connection, "TRUNCATE x.t")
    connection.rollback()
    assert run(connection, "SELECT COUNT(*) FROM x.t") == [(0,)]
    assert run(connection, "SELECT COUNT(*) FROM s") == [(1,)]


def test_a_transaction_that_reads_only_writes_nothing(connection: Connection) -> None:
    connection.set_session(readonly=True)
    assert run(connection, "SELECT COUNT(*) FROM x.t") == [(0,)]
    assert refused(connection, "INSERT INTO x.t VALUES (1, 'a')").pgcode == "25006"


def test_a_cursor_gives_rows_in_portions(connection: Connection) -> None:
    run(connection, "INSERT INTO x.t VALUES (1, 'a'), (2, 'b'), (3, 'c')")
    run(connection, "DECLARE answer CURSOR FOR SELECT id FROM x.t ORDER BY id")
    assert run(connection, "FETCH FORWARD 2 FROM answer") == [(1,), (2,)]
    assert refused(connection, "FETCH BACKWARD 1 FROM answer").pgcode == "0A000"


@pytest.mark.parametrize("rows", ["FORWARD 1001", "ALL"])
def test_a_cursor_of_a_cluster_of_one_node_gives_so_many_rows(connection: Connection, rows: str) -> None:
    run(connection, "DECLARE answer CURSOR FOR SELECT id FROM x.t")
    assert run(connection, "FETCH FORWARD 1000 FROM answer") == []
    assert "exceeds the limit of 1000 for a single node" in str(refused(connection, f"FETCH {rows} FROM answer"))


def test_a_statement_ends_with_its_time(connect: Callable[[], Connection], connection: Connection) -> None:
    other = connect()
    run(other, "SELECT * FROM x.t")
    run(connection, "SET statement_timeout TO 20")
    error = refused(connection, "LOCK TABLE x.t")
    assert (error.pgcode, error.diag.message_primary) == ("57014", "Query (1234) cancelled on user's request")


def test_two_transactions_in_conflict_give_1023(connect: Callable[[], Connection], connection: Connection) -> None:
    other = connect()
    for one in (connection, other):
        run(one, "SELECT COUNT(*) FROM x.t")
    for one in (connection, other):
        run(one, "INSERT INTO x.t VALUES (1, 'a')")
    connection.commit()
    with pytest.raises(psycopg2.errors.InternalError_) as caught:
        other.commit()
    assert (caught.value.pgcode, caught.value.diag.message_primary) == ("XX000", "1023")
    assert str(caught.value.diag.message_detail).startswith("Serializable isolation violation on table")
    other.rollback()
    assert run(other, "SELECT COUNT(*) FROM x.t") == [(1,)]


def test_a_deadlock_gives_1023(connect: Callable[[], Connection], connection: Connection) -> None:
    other = connect()
    run(connection, "CREATE TABLE x.u (id INTEGER)")
    connection.commit()
    run(connection, "LOCK x.t")
    run(other, "LOCK x.u")
    caught: list[psycopg2.Error] = []

    def lock(one: Connection, table: str) -> None:
        try:
            run(one, f"LOCK {table}")
        except psycopg2.Error as error:
            caught.append(error)
            one.rollback()

    second = Thread(target=lock, args=(other, "x.t"))
    second.start()
    lock(connection, "x.u")
    second.join()
    assert [(error.pgcode, error.diag.message_primary) for error in caught] == [("XX000", "1023")]


def test_a_scripted_conflict_rolls_back(warehouse: Redshift, connection: Connection) -> None:
    warehouse.fail("^COMMIT", CONFLICT)
    run(connection, "INSERT INTO x.t VALUES (1, 'a')")
    with pytest.raises(psycopg2.errors.InternalError_, match="1023"):
        connection.commit()
    connection.rollback()
    run(connection, "INSERT INTO x.t VALUES (2, 'b')")
    connection.commit()
    assert warehouse.rows("SELECT id FROM x.t") == [(2,)]
    assert warehouse.unspent == []


@pytest.mark.parametrize(("fault", "kept"), [(Drop.BEFORE, []), (Drop.AFTER, [(1,)])])
def test_the_connection_breaks_at_a_commit(
    warehouse: Redshift, connection: Connection, fault: Drop, kept: list[tuple[int]]
) -> None:
    warehouse.fail("^COMMIT", fault)
    run(connection, "INSERT INTO x.t VALUES (1, 'a')")
    with pytest.raises(psycopg2.OperationalError, match="closed the connection"):
        connection.commit()
    warehouse.disconnect()
    assert warehouse.rows("SELECT id FROM x.t") == kept


def test_a_fault_strikes_so_many_times(warehouse: Redshift, connection: Connection) -> None:
    warehouse.fail("from x.t", CONFLICT, times=2)
    for _ in range(2):
        assert refused(connection, "SELECT * FROM x.t").diag.message_primary == "1023"
    assert run(connection, "SELECT * FROM x.t") == []


def test_something_happens_just_before_a_statement(warehouse: Redshift, connection: Connection) -> None:
    warehouse.fail("SELECT", lambda: warehouse.rows("INSERT INTO x.t VALUES (7, 'x')"))
    assert run(connection, "SELECT id FROM x.t") == [(7,)]


def test_nobody_listens(warehouse: Redshift, connect: Callable[[], Connection], connection: Connection) -> None:
    with warehouse.down():
        with pytest.raises(psycopg2.OperationalError, match="Connection refused"):
            connect()
        with pytest.raises(psycopg2.OperationalError):
            run(connection, "SELECT 1")
    assert run(connect(), "SELECT 1") == [(1,)]


def test_logins(warehouse: Redshift, connect: Callable[..., Connection], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(warehouse.users, "IAMR:etl", Login("t=m+p/o r@ry:"))
    assert run(connect("IAMR:etl"), "SELECT 1") == [(1,)]
    with sa.create_engine(warehouse.url_of("IAMR:etl")).connect() as connection:
        assert connection.exec_driver_sql("SELECT 1").scalar_one() == 1
    for user, password in (("loader", "wrong"), ("nobody", "s3cret")):
        with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
            sa.create_engine(warehouse.url_of(user, password)).raw_connection().close()
    warehouse.fail("^LOGIN loader$", Drop.BEFORE)
    with pytest.raises(psycopg2.OperationalError, match="closed the connection"):
        connect()
    assert run(connect(), "SELECT 1") == [(1,)]


def test_a_guest_may_create_nothing(
    warehouse: Redshift, connect: Callable[..., Connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(warehouse.users, "guest", Login("g", role=GUEST))
    guest = connect("guest")
    assert refused(guest, "CREATE SCHEMA y").pgcode == "42501"
    run(guest, "CREATE TEMP TABLE s (id INTEGER)")
    run(connect(), "CREATE SCHEMA y")


def put_manifest(bucket: Any, *files: Path, **entry: Any) -> None:
    """A manifest of the files, which become objects."""
    entries = []
    for file in files:
        bucket.upload_file(str(file), file.name)
        meta = {"content_length": file.stat().st_size}
        entries.append({"url": f"s3://{BUCKET}/{file.name}", "mandatory": True, "meta": meta} | entry)
    bucket.put_object(Key="manifest", Body=json.dumps({"entries": entries}))


def parquet(folder: Path, query: str, name: str = "a.parquet") -> Path:
    with duckdb.connect() as connection:
        connection.execute(f"COPY ({query}) TO '{folder / name}' (FORMAT parquet)")
    return folder / name


def test_copy_brings_every_value_exactly(
    warehouse: Redshift, connection: Connection, bucket: Any, tmp_path: Path
) -> None:
    texts = ["", None, "NULL", "\\N", "a\tb", "line\nbreak\r\n", 'it\'s "quoted", \\back', "😀é", "\\", " "]
    rows = [posts.post(str(number), title="t", selftext=text) for number, text in enumerate(texts)]
    rows.append(posts.post("last", title="t", score=-(2**31), upvote_ratio=0.1 + 0.2, text_truncated=True))
    rows[-1] |= {"created_at": datetime(2020, 2, 29, 1, 2, 3, 456789)}  # noqa: DTZ001
    columns = ", ".join(f"{column.name} {column.type.sql}" for column in POSTS.curated)
    run(connection, f"CREATE TABLE x.p ({columns})")
    half = len(rows) // 2
    files = posts.parquet(tmp_path / "1.parquet", rows[:half]), posts.parquet(tmp_path / "2.parquet", rows[half:])
    put_manifest(bucket, *files)
    run(connection, COPY_PARQUET.replace("COPY t", "COPY x.p"))
    connection.commit()
    names = ", ".join(column.name for column in POSTS.curated)
    with duckdb.connect() as duck:
        given = duck.execute(f"SELECT {names} FROM read_parquet(?)", [[str(f) for f in files]]).fetchall()
    assert sorted(warehouse.rows(f"SELECT {names} FROM x.p"), key=str) == sorted(given, key=str)
    assert {row[4] for row in given} >= set(texts)


def test_the_load_runs_as_it_is_written(
    warehouse: Redshift, connection: Connection, bucket: Any, tmp_path: Path
) -> None:
    run(connection, "CREATE SCHEMA reddit")
    for table in tables.tables(POSTS):
        for statement in tables.create(table, storage=True):
            run(connection, statement)
    for statement in tables.CREATE_LOCK:
        run(connection, statement)
    put_manifest(bucket, posts.parquet(tmp_path / "a.parquet", [posts.post("a"), posts.post("b")]))
    columns = ", ".join(f"{column.name} {column.type.sql}" for column in POSTS.curated)
    run(connection, f"CREATE TEMPORARY TABLE staged ({columns}) {tables.together(POSTS)}")
    run(connection, COPY_PARQUET.replace("COPY t", "COPY staged"))
    for statement in [tables.LOCK, upsert.observe(POSTS), upsert.earliest(POSTS), *upsert.deduplicate(POSTS)]:
        run(connection, statement)
    for statement in [upsert.drop_stale(POSTS), upsert.merge(POSTS), *upsert.backdate(POSTS)]:
        run(connection, statement)
    connection.commit()
    assert warehouse.rows("SELECT post_id, first_observed_at FROM reddit.posts ORDER BY 1") == [
        ("a", posts.NOON),
        ("b", posts.NOON),
    ]


@pytest.fixture
def table(connection: Connection) -> Connection:
    """With a table `t` as the Parquet files of the tests of COPY have it."""
    run(connection, "CREATE TEMP TABLE t (id INTEGER, name VARCHAR(4))")
    connection.commit()
    return connection


GOOD = "SELECT 1::INTEGER AS id, 'éé' AS other"


@pytest.mark.parametrize(
    "sql",
    [
        COPY_PARQUET,
        f"copy t (id, name) from 's3://{BUCKET}/manifest' manifest format parquet iam_role '{ROLE}'",
        f"COPY t FROM 's3://{BUCKET}/manifest' WITH CREDENTIALS AS 'aws_iam_role={ROLE}' FORMAT AS PARQUET MANIFEST",
        f"COPY t FROM 's3://{BUCKET}/a.par' IAM_ROLE '{ROLE}' FORMAT PARQUET STATUPDATE OFF",
    ],
)
def test_copy_is_said_in_several_ways(table: Connection, bucket: Any, tmp_path: Path, sql: str) -> None:
    put_manifest(bucket, parquet(tmp_path, GOOD))
    run(table, sql)
    assert run(table, "SELECT * FROM t") == [(1, "éé")]
    table.rollback()
    assert run(table, "SELECT * FROM t") == []


def test_copy_of_sqlalchemy(warehouse: Redshift, bucket: Any, tmp_path: Path) -> None:
    put_manifest(bucket, parquet(tmp_path, GOOD))
    options = {"iam_role_arns": ROLE, "format": Format.parquet, "manifest": True}
    with sa.create_engine(warehouse.url).connect() as connection:
        connection.exec_driver_sql("CREATE TEMP TABLE t (id INTEGER, name VARCHAR(4))")
        connection.execute(CopyCommand(sa.table("t"), data_location=f"s3://{BUCKET}/manifest", **options))
        assert connection.exec_driver_sql("SELECT id FROM t").fetchall() == [(1,)]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("SELECT 1::INTEGER AS id", "Table columns: 2, Data columns: 1"),
        ("SELECT 1::INTEGER AS id, 'a' AS name, 2 AS more", "Table columns: 2, Data columns: 3"),
        ("SELECT 1::BIGINT AS id, 'a' AS name", "incompatible Parquet schema for column 'id'"),
        ("SELECT 1::UINTEGER AS id, 'a' AS name", "incompatible Parquet schema for column 'id'"),
        ("SELECT 'a' AS name, 1::INTEGER AS id", "incompatible Parquet schema for column 'id'"),
        ("SELECT 1::INTEGER AS id, 'a'::BLOB AS name", "incompatible Parquet schema for column 'name'"),
        ("SELECT 1::INTEGER AS id, ['a'] AS name", "nested"),
        ("SELECT 1::INTEGER AS id, 'ééa' AS name", "Table: 4, Data: 5"),
    ],
)
def test_parquet_must_fit_the_table(table: Connection, bucket: Any, tmp_path: Path, query: str, said: str) -> None:
    put_manifest(bucket, parquet(tmp_path, GOOD), parquet(tmp_path, query, "b.parquet"))
    error = refused(table, COPY_PARQUET)
    assert (error.pgcode, error.diag.message_primary) == ("XX000", "Spectrum Scan Error")
    assert said in str(error.diag.message_detail)
    assert run(table, "SELECT * FROM t") == []


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("REGION 'eu-central-1'", "REGION argument is not supported"),
        ("COMPUPDATE OFF", "COMPUPDATE argument is not supported"),
        ("MAXERROR AS 10", "MAXERROR argument is not supported"),
        ("UNKNOWN", "syntax error"),
    ],
)
def test_parquet_takes_few_options(table: Connection, bucket: Any, tmp_path: Path, option: str, said: str) -> None:
    put_manifest(bucket, parquet(tmp_path, GOOD))
    assert said in str(refused(table, f"{COPY_PARQUET} {option}"))


def test_a_role_must_be_allowed(warehouse: Redshift, table: Connection, bucket: Any, tmp_path: Path) -> None:
    put_manifest(bucket, parquet(tmp_path, GOOD))
    other = "arn:aws:iam::123456789012:role/other"
    assert f"not authorized to assume IAM Role {other}" in str(refused(table, COPY_PARQUET.replace(ROLE, other)))
    warehouse.forbidden.add(BUCKET)
    try:
        assert "S3ServiceException:Access Denied,Status 403" in str(refused(table, COPY_PARQUET))
    finally:
        warehouse.forbidden.clear()


def test_a_missing_object_is_missed_only_if_mandatory(table: Connection, bucket: Any, tmp_path: Path) -> None:
    there, gone = parquet(tmp_path, GOOD), parquet(tmp_path, GOOD, "gone.parquet")
    for entry in ({"mandatory": True}, {"mandatory": False}):
        put_manifest(bucket, there, gone, **entry)
        bucket.Object("gone.parquet").delete()
        if entry["mandatory"]:
            assert "NoSuchKey" in str(refused(table, COPY_PARQUET))
        else:
            run(table, COPY_PARQUET)
    assert run(table, "SELECT COUNT(*) FROM t") == [(1,)]


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"meta": {}}, "File entry does not have 'meta' key"),
        ({"meta": {"content_length": 1}}, "content_length says 1"),
    ],
)
def test_a_manifest_tells_the_length(
    table: Connection, bucket: Any, tmp_path: Path, entry: dict[str, Any], said: str
) -> None:
    put_manifest(bucket, parquet(tmp_path, GOOD), **entry)
    assert said in str(refused(table, COPY_PARQUET))


@pytest.mark.parametrize("manifest", ["not JSON", "[]", '{"entries": [{}]}'])
def test_a_bad_manifest_is_refused(table: Connection, bucket: Any, manifest: str) -> None:
    bucket.put_object(Key="manifest", Body=manifest)
    assert "Manifest file is not in correct json format" in str(refused(table, COPY_PARQUET))


def test_what_is_not_there_is_not_copied(table: Connection, bucket: Any) -> None:  # noqa: ARG001
    assert "NoSuchKey" in str(refused(table, COPY_PARQUET))
    assert "does not exist" in str(refused(table, COPY_PARQUET.replace("MANIFEST", "")))
    assert refused(table, COPY_PARQUET.replace("COPY t", "COPY nowhere")).pgcode == "42P01"
    assert "NoSuchBucket" in str(refused(table, COPY_PARQUET.replace(BUCKET, "elsewhere").replace("MANIFEST", "")))


def test_copy_of_json_goes_by_name(table: Connection, bucket: Any) -> None:
    bucket.put_object(Key="probe", Body='{"name": "a\\"\\u00e9", "more": [1]}\n{"id": 2, "name": null}\n')
    copy = f"COPY t FROM 's3://{BUCKET}/probe' IAM_ROLE '{ROLE}' FORMAT AS JSON 'auto' REGION 'us-east-1'"
    run(table, copy)
    assert run(table, "SELECT id, name FROM t ORDER BY id") == [(2, None), (None, 'a"é')]
    bucket.put_object(Key="probe", Body='{"name": "12345"}')
    assert "String length exceeds DDL length" in str(refused(table, copy).diag.message_detail)


def test_reset_empties_it(warehouse: Redshift, connection: Connection) -> None:
    run(connection, "INSERT INTO x.t VALUES (1, 'a')")
    warehouse.fail("SELECT", CONFLICT)
    warehouse.reset()
    assert (warehouse.statements, warehouse.unspent) == ([], [])
    assert warehouse.rows("SELECT nspname FROM pg_namespace WHERE nspname = 'x'") == []
    with suppress(psycopg2.Error):
        connection.close()
