"""One client's connection to the stand-in: login, statements, COPY, and what goes wrong on demand."""

import re
import socket
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Protocol

from tests.standins import redshift_copy, redshift_s3
from tests.standins.redshift_statements import VERSION, Statement, check_settings, translated
from tests.standins.redshift_tables import bytes_of
from tests.standins.redshift_text import words_of
from tests.standins.redshift_wire import (
    CANCEL_REQUEST,
    GSS_REQUEST,
    SSL_REQUEST,
    BackendError,
    Lost,
    Peer,
    Refusal,
    Session,
    packed,
    pairs,
    unpacked,
)

DATABASE = "dev"

# The roles in PostgreSQL that a user can have.
OWNER, GUEST = "warehouse_owner", "warehouse_guest"

CONFLICT = Refusal(
    "1023",
    state="XX000",
    detail="Serializable isolation violation on table - 108263, transactions forming the cycle are: 647046, 647047",
)
# The same for two that define something.
DEFINITION_CONFLICT = Refusal("could not complete because of conflict with concurrent transaction", state="XX000")
TIMEOUT = Refusal("Query (1234) cancelled on user's request", state="57014")


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


class Warehouse(Protocol):
    folder: Path
    s3_url: str | None
    roles: tuple[str, ...]
    forbidden: set[str]
    users: dict[str, Login]
    statements: list[str]

    def fault_of(self, text: str) -> Fault | None: ...


# What a server of version 8.0 tells at login.
_PARAMETERS = words_of("""
    client_encoding DateStyle integer_datetimes is_superuser server_encoding server_version
    session_authorization TimeZone
""")


class Conversation:
    def __init__(self, warehouse: Warehouse, client: Peer) -> None:
        self._warehouse, self._client = warehouse, client
        self._session: Session

    def run(self) -> None:
        try:
            self._session = self._log_in()
        except Refusal as refusal:
            self._client.refuse(refusal)
            return
        try:
            self._serve()
        finally:
            self._session.peer.close()

    def _log_in(self) -> Session:
        code, body = self._client.receive_startup()
        while code in (SSL_REQUEST, GSS_REQUEST):
            self._client.send_raw(b"N")
            code, body = self._client.receive_startup()
        if code == CANCEL_REQUEST:
            self._cancel(body)
        said = pairs(body)
        user = said.get("user", "")
        self._client.send(b"R", (3).to_bytes(4, "big"))
        _, password = self._client.receive()
        self._misbehave(self._warehouse.fault_of(f"LOGIN {user}"))
        login = self._warehouse.users.get(user)
        if login is None or password[:-1].decode() != login.password:
            # 28P01 is of a later PostgreSQL.
            raise _fatal("28000", f'password authentication failed for user "{user}"')
        if said.get("database") != DATABASE:
            raise _fatal("3D000", f'database "{said.get("database")}" does not exist')
        check_settings(said.get("options", ""))
        options = {name: said[name] for name in ("client_encoding", "application_name", "options") if name in said}
        options["default_transaction_isolation"] = "serializable"
        session = Session(self._warehouse.folder, login.role, DATABASE, options)
        self._client.send(b"R", bytes(4))
        for kind, told in session.greeting:
            self._forward(kind, told)
        self._client.send(b"Z", session.status)
        return session

    def _cancel(self, body: bytes) -> None:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(self._warehouse.folder / ".s.PGSQL.5432"))
            connection.sendall((len(body) + 8).to_bytes(4, "big") + CANCEL_REQUEST.to_bytes(4, "big") + body)
            # It closes when it has done it.
            connection.recv(1)
        raise Lost

    def _serve(self) -> None:
        skipping = False
        while True:
            kind, body = self._client.receive()
            match kind:
                case b"X":
                    return
                case b"Q":
                    self._query(body[:-1].decode())
                case b"S":
                    skipping = False
                    self._client.send(b"Z", self._session.status)
                case _ if not skipping:
                    skipping = True
                    self._client.refuse(Refusal("the stand-in speaks the simple query protocol only"))

    def _query(self, sql: str) -> None:
        self._warehouse.statements.append(sql)
        fault = self._warehouse.fault_of(sql)
        forward = _discard if fault is Drop.AFTER else self._forward
        try:
            self._misbehave(fault)
            self._run(sql, forward)
        except Refusal as refusal:
            if _ends_transaction(sql):
                self._session.execute("ROLLBACK", _discard)
            self._session.fail(refusal, forward)
        except BackendError as error:
            forward(b"E", error.body)
        if fault is Drop.AFTER:
            raise Lost
        self._client.send(b"Z", self._session.status)

    def _misbehave(self, fault: Fault | None) -> None:
        if isinstance(fault, Refusal):
            raise fault
        if fault is Drop.BEFORE:
            raise Lost
        if fault and not isinstance(fault, Drop):
            fault()

    def _run(self, sql: str, forward: Callable[[bytes, bytes], None]) -> None:
        if redshift_copy.is_copy(sql):
            self._copy(redshift_copy.parsed(sql), forward)
            return
        statement = translated(sql)
        self._check_source(statement)
        if self._session.execute(statement.sql, forward) and statement.truncates and self._session.status == b"T":
            # TRUNCATE commits what it stands in.
            self._session.execute("COMMIT", _discard)

    def _check_source(self, statement: Statement) -> None:
        source = statement.must_be_table
        if source is None:
            return
        name = ".".join(f'"{part}"' for part in (source.schemaname, source.relname) if part)
        kinds = self._session.rows(f"SELECT relkind FROM pg_class WHERE oid = to_regclass($name${name}$name$)")
        if kinds == [("v",)]:
            raise Refusal("MERGE: the source cannot be a view")

    def _copy(self, copy: redshift_copy.Copy, forward: Callable[[bytes, bytes], None]) -> None:
        if copy.role not in self._warehouse.roles:
            user = "arn:aws:redshift:us-east-1:123456789012:dbuser:warehouse/loader"
            raise Refusal(f"User {user} is not authorized to assume IAM Role {copy.role}", state="XX000")
        known = {
            str(name): redshift_s3.Column(str(name), str(kind), None if length is None else int(length))
            for name, kind, length in self._session.rows(
                "SELECT attname, format_type(atttypid, NULL), CASE WHEN atttypmod > 4 THEN atttypmod - 4 END "
                f"FROM pg_attribute WHERE attrelid = $name${copy.table}$name$::regclass "
                "AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
            )
        }
        for name in copy.columns:
            if name not in known:
                raise Refusal(f'column "{name}" of relation "{copy.table}" does not exist', state="42703")
        columns = [known[name] for name in copy.columns or known]
        assert self._warehouse.s3_url, "the stand-in was given no S3"
        rows = redshift_s3.Source(self._warehouse.s3_url, self._warehouse.forbidden).rows(copy, columns)
        names = ", ".join(f'"{column.name}"' for column in columns)
        self._session.copy_in(f"COPY {copy.table} ({names}) FROM STDIN", rows, forward)

    def _forward(self, kind: bytes, body: bytes) -> None:
        """An answer of PostgreSQL's in Redshift's words."""
        match kind:
            case b"E":
                body = packed(_reported(unpacked(body)))
            case b"S":
                name, value = body[:-1].decode().split("\0")
                if name not in _PARAMETERS:
                    return
                value = VERSION if name == "server_version" else value
                body = f"{name}\0{value}\0".encode()
            case b"C" if body.startswith(b"COPY "):
                count = body[5:-1].decode()
                told = f"Load into table completed, {count} record(s) loaded successfully."
                self._client.send(b"N", packed({"S": "INFO", "C": "00000", "M": told}))
                body = b"COPY\0"
        self._client.send(kind, body)


def _reported(fields: dict[str, str]) -> dict[str, str]:
    if fields["C"] in ("40001", "40P01"):
        return CONFLICT.fields
    if fields["C"] == TIMEOUT.state:
        return TIMEOUT.fields
    length = bytes_of(fields.get("n", ""))
    if length is not None:
        return Refusal(f"value too long for type character varying({length})", state="22001").fields
    return {key: value for key, value in fields.items() if key in "SCMDH"}


def _fatal(state: str, message: str) -> Refusal:
    return Refusal(message, state=state, severity="FATAL")


def _ends_transaction(sql: str) -> bool:
    return re.match(r"\s*(commit|end)\b", sql, re.IGNORECASE) is not None


def _discard(kind: bytes, body: bytes) -> None:
    """Nobody hears it."""
