"""Redshift on loopback: PostgreSQL behind a server that speaks its protocol and enforces Redshift's rules.

    with postgres() as folder, redshift(folder, s3_url=…) as warehouse:
        create_engine(warehouse.url)

Authenticates users by password, copies from S3 with the roles that it is given, and fails on demand. PostgreSQL's
encoding is SQL_ASCII, so that the length of a VARCHAR counts bytes as in Redshift; LENGTH() counts bytes too, unlike
there.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer
from threading import Lock, Thread
from typing import Any
from urllib.parse import quote

import psycopg2

from tests.standins import redshift_copy
from tests.standins.redshift_sql import understood
from tests.standins.redshift_wire import (
    CANCEL,
    NEGOTIATIONS,
    Forward,
    Lost,
    Peer,
    Refusal,
    Session,
    packed,
    pairs,
    postgres_socket,
    unpacked,
)

DATABASE = "dev"
ROLE = "arn:aws:iam::123456789012:role/copy"
# The roles in PostgreSQL that a user can have.
OWNER, GUEST = "warehouse_owner", "warehouse_guest"

CONFLICT = Refusal(
    "1023",
    state="XX000",
    detail="Serializable isolation violation on table - 108263, transactions forming the cycle are: 647046, 647047",
)
TIMEOUT = Refusal("Query (1234) cancelled on user's request", state="57014")
# PostgreSQL's codes of errors that Redshift reports differently.
_TRANSLATED = {"40001": CONFLICT, "40P01": CONFLICT, "57014": TIMEOUT}

VACUUM = re.compile(r"VACUUM (FULL|DELETE ONLY) (?P<table>\w+\.\w+)( TO \d+ PERCENT)?", re.IGNORECASE)

_VERSION = "8.0.2"
_BANNER = f"PostgreSQL {_VERSION} on i686-pc-linux-gnu, compiled by GCC gcc (GCC) 3.4.2, Redshift 1.0.117891"
# What a server of that version reports at login.
_PARAMETERS = ("client_encoding", "DateStyle", "integer_datetimes", "session_authorization", "TimeZone")
_SETUP = "".join(
    f"CREATE ROLE {role} LOGIN IN ROLE pg_read_server_files; "
    f"ALTER ROLE {role} SET default_transaction_isolation TO serializable; "
    f"ALTER ROLE {role} SET client_encoding TO 'UTF8'; "
    for role in (OWNER, GUEST)
)
_SETUP += f"GRANT CREATE ON DATABASE {DATABASE} TO {OWNER}"


class Drop(Enum):
    """The connection breaks at a statement."""

    BEFORE = "before it is run"
    AFTER = "after it is run, before it is answered"


Fault = Refusal | Drop | Callable[[], object]
"""A function is called before the statement is run, by the thread that serves the connection."""


@dataclass(frozen=True)
class Login:
    password: str
    role: str = OWNER


@dataclass
class _Planned:
    pattern: re.Pattern[str]
    fault: Fault
    times: int


@dataclass
class Redshift:
    folder: Path
    s3_url: str
    roles: tuple[str, ...] = (ROLE,)
    users: dict[str, Login] = field(default_factory=lambda: {"loader": Login("s3cret")})
    statements: list[str] = field(default_factory=list)
    """All that clients sent, the driver's BEGIN and COMMIT included."""

    def __post_init__(self) -> None:
        self._planned: list[_Planned] = []
        self._lock = Lock()
        self._clients: list[Peer] = []
        self.port = 0
        self._listen()

    @property
    def url(self) -> str:
        return self.url_of("loader")

    def url_of(self, user: str, password: str | None = None) -> str:
        secret = self.users[user].password if password is None else password
        login = f"{quote(user, safe='')}:{quote(secret, safe='')}"
        return f"redshift+psycopg2://{login}@127.0.0.1:{self.port}/{DATABASE}?sslmode=disable"

    def fail(self, pattern: str, fault: Fault, times: int = 1) -> None:
        """Fail the next statements that the pattern is found in. A login is the statement `LOGIN user`."""
        with self._lock:
            self._planned.append(_Planned(re.compile(pattern, re.IGNORECASE), fault, times))

    @property
    def unspent(self) -> list[str]:
        """The patterns of the faults that have not happened yet."""
        return [planned.pattern.pattern for planned in self._planned]

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Run SQL as PostgreSQL's superuser; gives the rows."""
        return _ask(self.folder, DATABASE, sql)

    @contextmanager
    def session(self) -> Iterator[Any]:
        """A connection of PostgreSQL's superuser, to PostgreSQL itself; nothing is committed."""
        with closing(_connect(self.folder, DATABASE)) as connection:
            yield connection

    def reset(self) -> None:
        """Drop all schemas, planned faults and recorded statements; users stay."""
        self.disconnect()
        with self._lock:
            self._planned.clear()
        self.statements.clear()
        schemas = "SELECT nspname FROM pg_namespace WHERE nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema'"
        drops = [f'DROP SCHEMA "{schema}" CASCADE' for (schema,) in self.rows(schemas)]
        self.rows("; ".join([*drops, "CREATE SCHEMA public"]))

    def disconnect(self) -> None:
        """Close every connection, and wait until PostgreSQL has rolled back."""
        for client in list(self._clients):
            client.close()
        self.rows(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            f"WHERE datname = '{DATABASE}' AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )

    @contextmanager
    def down(self) -> Iterator[None]:
        """Unavailable: existing connections are closed, new ones refused."""
        self._stop()
        self.disconnect()
        try:
            yield
        finally:
            self._listen()

    def close(self) -> None:
        self._stop()
        for client in list(self._clients):
            client.close()

    def _listen(self) -> None:
        class Handler(BaseRequestHandler):
            def handle(handler) -> None:
                self._talk(Peer(handler.request))

        class Server(ThreadingTCPServer):
            allow_reuse_address = daemon_threads = True

        self._server = Server(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_address[1]
        Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def _stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _talk(self, client: Peer) -> None:
        self._clients.append(client)
        try:
            _Conversation(self, client).run()
        except Lost:
            return
        finally:
            client.close()
            self._clients.remove(client)

    def fault_of(self, text: str) -> Fault | None:
        with self._lock:
            for planned in self._planned:
                if planned.pattern.search(text):
                    planned.times -= 1
                    if not planned.times:
                        self._planned.remove(planned)
                    return planned.fault
        return None


class _Conversation:
    """One client's connection: login, statements, COPY, and planned faults."""

    def __init__(self, warehouse: Redshift, client: Peer) -> None:
        self._warehouse, self._client = warehouse, client

    def run(self) -> None:
        try:
            self._log_in()
        except Refusal as refusal:
            self._client.send(b"E", packed(refusal.fields))
            return
        try:
            self._serve()
        finally:
            self._session.close()

    def _log_in(self) -> None:
        code, body = self._client.receive_startup()
        while code in NEGOTIATIONS:
            self._client.send_raw(b"N")
            code, body = self._client.receive_startup()
        if code == CANCEL:
            with postgres_socket(self._warehouse.folder) as connection:
                connection.sendall((len(body) + 8).to_bytes(4, "big") + CANCEL.to_bytes(4, "big") + body)
                # It closes when it has done it.
                connection.recv(1)
            raise Lost
        startup = pairs(body)
        user = startup.get("user", "")
        self._client.send(b"R", (3).to_bytes(4, "big"))
        _, password = self._client.receive()
        _apply(self._warehouse.fault_of(f"LOGIN {user}"))
        login = self._warehouse.users.get(user)
        if login is None or password[:-1].decode() != login.password:
            # 28P01 is of a later PostgreSQL.
            raise _fatal("28000", f'password authentication failed for user "{user}"')
        if startup.get("database") != DATABASE:
            raise _fatal("3D000", f'database "{startup.get("database")}" does not exist')
        if "options" in startup:
            raise _fatal("42704", f'unrecognized configuration parameter "{startup["options"]}"')
        self._client.send(b"R", bytes(4))
        self._session = Session(self._warehouse.folder, login.role, DATABASE, self._greet)
        self._client.send(b"Z", self._session.status)

    def _greet(self, kind: bytes, body: bytes) -> None:
        name = body.split(b"\0")[0].decode(errors="replace")
        if kind == b"S" and name == "server_version":
            body = f"{name}\0{_VERSION}\0".encode()
        elif kind != b"K" and not (kind == b"S" and name in _PARAMETERS):
            return
        self._client.send(kind, body)

    def _serve(self) -> None:
        while True:
            kind, body = self._client.receive()
            if kind == b"X":
                return
            assert kind == b"Q", "the stand-in speaks the simple query protocol only"
            self._query(body[:-1].decode())

    def _query(self, sql: str) -> None:
        self._warehouse.statements.append(sql)
        fault = self._warehouse.fault_of(sql)
        forward: Forward = (lambda *_: None) if fault is Drop.AFTER else self._forward
        try:
            _apply(fault)
            self._run(sql, forward)
        except Refusal as refusal:
            # Either aborts the transaction, as an error of PostgreSQL's does.
            self._session.execute("ROLLBACK" if sql.lstrip()[:6].upper() == "COMMIT" else "SELECT 1/0")
            forward(b"E", packed(refusal.fields))
        if fault is Drop.AFTER:
            raise Lost
        self._client.send(b"Z", self._session.status)

    def _run(self, sql: str, forward: Forward) -> None:
        if redshift_copy.is_copy(sql):
            self._copy(redshift_copy.parsed(sql), forward)
            return
        if vacuum := VACUUM.fullmatch(sql.strip()):
            if self._session.status != b"I":
                raise Refusal("VACUUM cannot run inside a transaction block", state="25001")
            # Redshift writes new blocks without the deleted rows. A plain VACUUM may leave their bytes in the pages.
            self._session.execute(f"VACUUM FULL {vacuum['table']}", forward)
            return
        text, _ = understood(sql)
        if "version()" in text:
            text = f"SELECT '{_BANNER}' AS version"
        self._session.execute(text, forward)

    def _copy(self, copy: redshift_copy.Copy, forward: Forward) -> None:
        if copy.role not in self._warehouse.roles:
            user = "arn:aws:redshift:us-east-1:123456789012:dbuser:warehouse/loader"
            raise Refusal(f"User {user} is not authorized to assume IAM Role {copy.role}", state="XX000")
        found = self._session.rows(
            "SELECT attname, format_type(atttypid, NULL), GREATEST(atttypmod - 4, 0) FROM pg_attribute "
            f"WHERE attrelid = to_regclass('{copy.table}') AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
        )
        columns = [redshift_copy.Column(str(name), str(kind), int(length or 0)) for name, kind, length in found]
        file = redshift_copy.to_csv(copy, columns, self._warehouse.folder, self._warehouse.s3_url) if columns else None
        # PostgreSQL reports a table that does not exist.
        self._session.execute(f"COPY {copy.table} FROM '{file}' (FORMAT csv)", forward)
        if file:
            file.unlink()

    def _forward(self, kind: bytes, body: bytes) -> None:
        """Pass PostgreSQL's answer on, with errors as Redshift reports them."""
        if kind == b"E":
            fields = unpacked(body)
            translated = _TRANSLATED.get(fields["C"])
            body = packed(
                translated.fields if translated else {key: value for key, value in fields.items() if key in "SCMDH"}
            )
        self._client.send(kind, body)


def _apply(fault: Fault | None) -> None:
    """The part of a fault that happens before the statement is run."""
    if isinstance(fault, Refusal):
        raise fault
    if fault is Drop.BEFORE:
        raise Lost
    if fault and not isinstance(fault, Drop):
        fault()


def _fatal(state: str, message: str) -> Refusal:
    return Refusal(message, state=state, severity="FATAL")


def _connect(folder: Path, database: str) -> Any:
    return psycopg2.connect(host=str(folder), user="postgres", dbname=database, client_encoding="UTF8")


def _ask(folder: Path, database: str, sql: str) -> list[tuple[Any, ...]]:
    with closing(_connect(folder, database)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute(sql)
        return cursor.fetchall() if cursor.description else []


@contextmanager
def redshift(folder: Path, s3_url: str) -> Iterator[Redshift]:
    """A Redshift before the new PostgreSQL whose socket is in the folder."""
    _ask(folder, "postgres", f"CREATE DATABASE {DATABASE}")
    _ask(folder, DATABASE, _SETUP)
    warehouse = Redshift(folder, s3_url)
    try:
        yield warehouse
    finally:
        warehouse.close()
