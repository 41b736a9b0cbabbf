"""The stand-in for Redshift keeps Redshift's rules, whatever PostgreSQL would do."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import uuid4

import boto3
import duckdb
import psycopg2
import pytest
import sqlalchemy as sa
from pglast import parse_sql
from psycopg2.extensions import connection as Connection

from tests.standins.redshift import CONFLICT, GUEST, ROLE, Drop, Login, Redshift
from tests.standins.redshift_sql import understood
from tests.standins.redshift_wire import Refusal
from tests.standins.s3 import KEYS


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
        "CREATE TABLE x.n (ids INTEGER[])",
        "CREATE TABLE x.n (doc JSONB)",
        "CREATE TABLE x.n (id INTEGER CHECK (id > 0))",
        # Redshift takes keys and does not enforce them, which the planner does not know.
        "CREATE TABLE x.n (id INTEGER PRIMARY KEY)",
        "CREATE TABLE x.n (name VARCHAR(65536))",
        # There VARCHAR(256).
        "CREATE TABLE x.n (name TEXT)",
        "CREATE TABLE x.n (name VARCHAR)",
        "CREATE TABLE x.n (tag VARCHAR(8))",
        "CREATE TABLE x.n (partition VARCHAR(8))",
        "CREATE UNLOGGED TABLE x.n (id INTEGER)",
        "CREATE TEMP TABLE n (id INTEGER) ON COMMIT DROP",
        "CREATE TABLE IF NOT EXISTS x.n AS SELECT 1 AS a",
        "CREATE MATERIALIZED VIEW x.n AS SELECT 1 AS a",
        "ALTER TABLE x.t ADD COLUMN IF NOT EXISTS a INTEGER",
        "ALTER TABLE x.t ADD COLUMN a INTEGER, ADD COLUMN b INTEGER",
        "ALTER TABLE x.t ADD COLUMN a INTEGER NOT NULL",
        "ALTER TABLE x.t ADD CONSTRAINT only_one UNIQUE (id)",
        # It commits what was done before it.
        "TRUNCATE x.t",
        "SELECT DISTINCT ON (id) id, name FROM x.t",
        "SELECT COUNT(*) FILTER (WHERE id > 1) FROM x.t",
        "SELECT ARRAY[1, 2]",
        "SELECT id FROM x.t WHERE id = ANY ('{1}'::int[])",
        "SELECT '{}'::json",
        "SELECT string_agg(name, ',') FROM x.t",
        "SELECT id FROM x.t WHERE id IS DISTINCT FROM 1",
        "SELECT id FROM x.t FOR UPDATE",
        "SELECT id FROM x.t ORDER BY id FETCH FIRST 1 ROW WITH TIES",
        "SELECT 1 AS a INTO x.n",
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
        # It has MERGE too, with its own grammar, which the pipeline does not use.
        "MERGE INTO x.t USING s ON x.t.id = s.id WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (s.id)",
        "DECLARE a SCROLL CURSOR FOR SELECT 1",
        "FETCH BACKWARD 1 FROM answer",
        "FETCH FORWARD 1001 FROM answer",
        "FETCH ALL FROM answer",
    ],
)
def test_what_only_postgresql_has_is_refused(sql: str) -> None:
    with pytest.raises(Refusal):
        understood(sql)
    # It is no typing error of this test.
    assert parse_sql(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE x.n (id BIGINT) DISTSTYLE KEY DISTKEY (other)",
        "CREATE TABLE x.n (id BIGINT) DISTSTYLE ALL SORTKEY (id, other)",
        "CREATE TABLE x.n (id BIGINT) DISTSTYLE KEY",
        "CREATE TABLE x.n (id BIGINT) DISTSTYLE ALL DISTKEY (id)",
        "CREATE TABLE x.n (id BIGINT) DISTSTYLE ROUND",
        "CREATE TABLE x.n (id BIGINT) SORTKEY (id) DISTKEY",
        "SELECT FROM WHERE",
        "SELECT 'a",
        'SELECT "a',
    ],
)
def test_nonsense_is_refused(sql: str) -> None:
    with pytest.raises(Refusal) as caught:
        understood(sql)
    assert caught.value.fields["C"] in ("42601", "42703")


@pytest.mark.parametrize(
    ("sql", "passed_on"),
    [
        (
            "CREATE TABLE x.n (\n id BIGINT,\n b VARCHAR(65535)\n)\nDISTSTYLE KEY DISTKEY (id) SORTKEY (id, b)",
            "CREATE TABLE x.n (\n id BIGINT,\n b VARCHAR(65535)\n)",
        ),
        ("CREATE TEMP TABLE n (id INTEGER) DISTSTYLE ALL", "CREATE TEMP TABLE n (id INTEGER)"),
        ("COMMENT ON COLUMN x.t.id IS 'ON CONFLICT; -- it''s only text \"'", None),
        ('SELECT id AS "Tag", t.tag FROM x.t AS t', 'SELECT id AS "tag", t.tag FROM x.t AS t'),
        ("SELECT 'RETURNING' /* ON 'CONFLICT */ FROM x.t -- FOR UPDATE", "SELECT 'RETURNING'   FROM x.t  "),
        (r"SELECT 'a\'b; é', 1", r"SELECT  E'a\'b; é', 1"),
        ("DELETE FROM x.t USING s WHERE x.t.id = s.id AND x.t.name >= 'a'", None),
        ("UPDATE x.t AS a SET name = s.name FROM s WHERE a.id = s.id", None),
        ("WITH a AS (SELECT id FROM x.t) SELECT COUNT(*) FROM a JOIN s USING (id) HAVING COUNT(*) > 1 LIMIT 1", None),
        ("SELECT id FROM x.t WHERE id IN (SELECT id FROM s) UNION ALL SELECT 1 ORDER BY id NULLS LAST", None),
        ("SELECT 1;", None),
    ],
)
def test_what_redshift_has_is_passed_on(sql: str, passed_on: str | None) -> None:
    assert understood(sql)[0] == (passed_on or sql)


# ---- The server


@pytest.fixture
def warehouse(redshift_server: Redshift) -> Redshift:
    redshift_server.reset()
    return redshift_server


@pytest.fixture
def connect(warehouse: Redshift) -> Iterator[Callable[..., Connection]]:
    """A maker of connections, which are closed with the test."""
    made: list[Connection] = []

    def connect(user: str = "loader") -> Connection:
        made.append(psycopg2.connect(warehouse.url_of(user).replace("redshift+psycopg2", "postgresql")))
        return made[-1]

    yield connect
    for connection in made:
        connection.close()


@pytest.fixture
def connection(connect: Callable[[], Connection]) -> Connection:
    """With a schema `x`, in it a table `t`, and a temporary table `s`."""
    connection = connect()
    run(connection, "CREATE SCHEMA x")
    run(connection, "CREATE TABLE x.t (id INTEGER, name VARCHAR(4))")
    run(connection, "CREATE TEMP TABLE s (id INTEGER, name VARCHAR(4))")
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


def test_a_refusal_is_an_error_of_the_server_and_aborts_the_transaction(
    connection: Connection,
) -> None:
    run(connection, "INSERT INTO x.t VALUES (1, 'a')")
    with pytest.raises(psycopg2.errors.FeatureNotSupported, match="TruncateStmt is not supported"):
        run(connection, "TRUNCATE x.t")
    with pytest.raises(psycopg2.errors.InFailedSqlTransaction):
        run(connection, "SELECT 1")
    connection.rollback()
    assert run(connection, "SELECT * FROM x.t") == []


def test_sqlalchemy_takes_it_for_redshift(warehouse: Redshift) -> None:
    engine = sa.create_engine(warehouse.url)
    with engine.connect() as connection:
        assert connection.dialect.server_version_info == (8, 0, 2)
        assert "Redshift" in connection.exec_driver_sql("SELECT pg_catalog.version()").scalar_one()
        assert connection.get_isolation_level() == "SERIALIZABLE"
    engine.dispose()


def test_statements_are_recorded_as_they_came(warehouse: Redshift, connection: Connection) -> None:
    warehouse.statements.clear()
    run(connection, "SELECT 'é' /* so */", None)
    connection.commit()
    assert warehouse.statements == ["BEGIN", "SELECT 'é' /* so */", "COMMIT"]


@pytest.mark.parametrize("text", ["back\\slash", "it's", "line\nbreak", "😀", '"', "%s", "\\'"])
def test_texts_come_back_exactly(connection: Connection, text: str) -> None:
    assert run(connection, "SELECT %s", (text,)) == [(text,)]


def test_lengths_count_bytes(connection: Connection) -> None:
    run(connection, "ALTER TABLE x.t ADD COLUMN more VARCHAR(4)")
    run(connection, "INSERT INTO x.t (name, more) VALUES ('éé', 'abcd'), ('😀', NULL)")
    connection.commit()
    for column, text in (("name", "ééa"), ("name", "abcde"), ("more", "😀a")):
        error = refused(connection, f"INSERT INTO x.t ({column}) VALUES ('{text}')")
        assert (error.pgcode, error.diag.message_primary) == ("22001", "value too long for type character varying(4)")


def test_a_transaction_that_reads_only_writes_nothing(connection: Connection) -> None:
    connection.set_session(readonly=True)
    assert run(connection, "SELECT COUNT(*) FROM x.t") == [(0,)]
    assert refused(connection, "INSERT INTO x.t VALUES (1, 'a')").pgcode == "25006"


def test_a_statement_ends_with_its_time(connect: Callable[[], Connection], connection: Connection) -> None:
    other = connect()
    run(other, "SELECT * FROM x.t")
    run(connection, "SET statement_timeout TO 20")
    error = refused(connection, "LOCK TABLE x.t")
    assert (error.pgcode, error.diag.message_primary) == ("57014", "Query (1234) cancelled on user's request")


def test_vacuum_runs_in_no_transaction_and_in_redshift_s_grammar(connection: Connection) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        with pytest.raises(psycopg2.Error, match="cannot run inside a transaction block"):
            cursor.execute("VACUUM DELETE ONLY x.t TO 100 PERCENT")
        connection.rollback()
        connection.autocommit = True
        cursor.execute("VACUUM DELETE ONLY x.t TO 100 PERCENT")
        for sql in ("VACUUM (FULL) x.t", "VACUUM ANALYZE x.t", "VACUUM DELETE ONLY x.t TO ALL PERCENT"):
            with pytest.raises(psycopg2.Error):
                cursor.execute(sql)


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


def test_it_refuses_connections_while_it_is_down(
    warehouse: Redshift, connect: Callable[[], Connection], connection: Connection
) -> None:
    with warehouse.down():
        with pytest.raises(psycopg2.OperationalError, match="Connection refused"):
            connect()
        with pytest.raises(psycopg2.OperationalError):
            run(connection, "SELECT 1")
    assert run(connect(), "SELECT 1") == [(1,)]


def test_logins(warehouse: Redshift, connect: Callable[..., Connection], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(warehouse.users, "IAMR:etl", Login("t=m+p/o r@ry:"))
    assert run(connect("IAMR:etl"), "SELECT 1") == [(1,)]
    for user, password in (("loader", "wrong"), ("nobody", "s3cret")):
        with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
            psycopg2.connect(
                host="127.0.0.1", port=warehouse.port, user=user, password=password, dbname="dev", sslmode="disable"
            )
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


def test_reset_empties_it(warehouse: Redshift, connection: Connection) -> None:
    run(connection, "INSERT INTO x.t VALUES (1, 'a')")
    warehouse.fail("SELECT", CONFLICT)
    warehouse.reset()
    assert (warehouse.statements, warehouse.unspent) == ([], [])
    assert warehouse.rows("SELECT nspname FROM pg_namespace WHERE nspname = 'x'") == []


# ---- COPY


class Bucket:
    """Files and a manifest in a bucket of its own."""

    def __init__(self, url: str) -> None:
        self.client: Any = boto3.client("s3", endpoint_url=url, **KEYS)
        self.name = f"copy-{uuid4().hex}"
        self.client.create_bucket(Bucket=self.name)
        self.copy = (
            f"COPY s FROM 's3://{self.name}/manifest' WITH CREDENTIALS AS 'aws_iam_role={ROLE}' "
            "FORMAT AS PARQUET MANIFEST"
        )

    def put(self, key: str, content: bytes) -> None:
        self.client.put_object(Bucket=self.name, Key=key, Body=content)

    def put_manifest(self, *files: Path, **entry: Any) -> None:
        entries = []
        for file in files:
            content = file.read_bytes()
            self.put(file.name, content)
            meta = {"content_length": len(content)}
            entries.append({"url": f"s3://{self.name}/{file.name}", "mandatory": True, "meta": meta} | entry)
        self.put("manifest", json.dumps({"entries": entries}).encode())


@pytest.fixture
def bucket(s3_url: str) -> Bucket:
    return Bucket(s3_url)


def parquet(folder: Path, query: str, name: str = "a.parquet") -> Path:
    with duckdb.connect() as connection:
        connection.execute(f"COPY ({query}) TO '{folder / name}' (FORMAT parquet)")
    return folder / name


GOOD = "SELECT 1::INTEGER AS id, 'éé' AS other"
TEXTS = ["", None, "NULL", "\\N", "a\tb", "line\nbreak\r\n", 'it\'s "quoted", \\back', "😀é", "\\", " ", "\\.", ","]
# By the type of a column.
VALUES = {
    "VARCHAR(64)": TEXTS,
    "INTEGER": [-(2**31), 2**31 - 1, None],
    "BIGINT": [-(2**63), 2**63 - 1],
    "DOUBLE PRECISION": [0.1 + 0.2, 5e-324, -0.0, None],
    "BOOLEAN": [True, False, None],
    "TIMESTAMP": ["2020-02-29 01:02:03.456789", "2099-12-31 23:59:59.999999", None],
}


def test_copy_brings_every_value_exactly(connection: Connection, bucket: Bucket, tmp_path: Path) -> None:
    names = [f"c{number}" for number in range(len(VALUES))]
    columns = ", ".join(f"{name} {kind}" for name, kind in zip(names, VALUES, strict=True))
    with duckdb.connect() as duck:
        duck.execute(f"CREATE TABLE t ({columns})")
        for row in range(len(TEXTS)):
            cells = [values[row % len(values)] for values in VALUES.values()]
            duck.execute(f"INSERT INTO t VALUES ({', '.join('?' * len(cells))})", cells)
        files = [tmp_path / "a.parquet", tmp_path / "b.parquet"]
        for file, condition in zip(files, ("rowid < 5", "rowid >= 5"), strict=True):
            duck.execute(f"COPY (FROM t WHERE {condition}) TO '{file}' (FORMAT parquet)")
        given = duck.execute("FROM t").fetchall()
    bucket.put_manifest(*files)
    run(connection, f"CREATE TEMP TABLE copied ({columns})")
    run(connection, bucket.copy.replace("COPY s", "COPY copied"))
    assert [repr(row) for row in run(connection, "SELECT * FROM copied")] == [repr(row) for row in given]


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
def test_parquet_must_fit_the_table(
    connection: Connection, bucket: Bucket, tmp_path: Path, query: str, said: str
) -> None:
    bucket.put_manifest(parquet(tmp_path, GOOD), parquet(tmp_path, query, "b.parquet"))
    error = refused(connection, bucket.copy)
    assert (error.pgcode, error.diag.message_primary) == ("XX000", "Spectrum Scan Error")
    assert said in str(error.diag.message_detail)
    assert run(connection, "SELECT * FROM s") == []


def test_a_time_that_only_its_logical_type_declares_is_read_wrong_without_an_error(
    connection: Connection, bucket: Bucket, tmp_path: Path
) -> None:
    bucket.put_manifest(parquet(tmp_path, "SELECT TIMESTAMP_NS '2026-11-23 12:00:00' AS seen"))
    run(connection, "CREATE TEMP TABLE seen (seen TIMESTAMP)")
    run(connection, bucket.copy.replace("COPY s", "COPY seen"))
    assert run(connection, "SELECT COUNT(*) FROM seen WHERE seen > '9999-12-31'") == [(1,)]


def test_copy_is_said_in_one_way(connection: Connection, bucket: Bucket, tmp_path: Path) -> None:
    """The others that Redshift takes are not known here; the options it refuses itself where it copies Parquet."""
    bucket.put_manifest(parquet(tmp_path, GOOD))
    for option in ("REGION 'eu-central-1'", "COMPUPDATE OFF", "MAXERROR AS 10", "UNKNOWN"):
        assert refused(connection, f"{bucket.copy} {option}").pgcode == "42601"
    assert refused(connection, "COPY s FROM STDIN").pgcode == "42601"
    run(connection, bucket.copy)
    assert run(connection, "SELECT * FROM s") == [(1, "éé")]
    connection.rollback()
    assert run(connection, "SELECT * FROM s") == []


def test_a_role_must_be_allowed(connection: Connection, bucket: Bucket) -> None:
    other = "arn:aws:iam::123456789012:role/other"
    error = refused(connection, bucket.copy.replace(ROLE, other))
    assert f"not authorized to assume IAM Role {other}" in str(error)


def test_a_missing_object_is_missed_only_if_mandatory(connection: Connection, bucket: Bucket, tmp_path: Path) -> None:
    files = parquet(tmp_path, GOOD), parquet(tmp_path, GOOD, "gone.parquet")
    bucket.put_manifest(*files)
    bucket.client.delete_object(Bucket=bucket.name, Key="gone.parquet")
    assert "NoSuchKey" in str(refused(connection, bucket.copy))
    bucket.put_manifest(*files, mandatory=False)
    bucket.client.delete_object(Bucket=bucket.name, Key="gone.parquet")
    run(connection, bucket.copy)
    assert run(connection, "SELECT COUNT(*) FROM s") == [(1,)]


def test_a_manifest_says_the_length(connection: Connection, bucket: Bucket, tmp_path: Path) -> None:
    for meta, said in (({}, "does not have 'meta' key"), ({"content_length": 1}, "content_length says 1")):
        bucket.put_manifest(parquet(tmp_path, GOOD), meta=meta)
        assert said in str(refused(connection, bucket.copy))


def test_what_is_not_there_is_not_copied(connection: Connection, bucket: Bucket, tmp_path: Path) -> None:
    assert "NoSuchKey" in str(refused(connection, bucket.copy))
    for content in (b"not JSON", b"[]", b'{"entries": [{}]}'):
        bucket.put("manifest", content)
        assert "Manifest file is not in correct json format" in str(refused(connection, bucket.copy))
    bucket.put_manifest(parquet(tmp_path, GOOD))
    assert refused(connection, bucket.copy.replace("COPY s", "COPY nowhere")).pgcode == "42P01"
    assert "NoSuchBucket" in str(refused(connection, bucket.copy.replace(bucket.name, "elsewhere")))
