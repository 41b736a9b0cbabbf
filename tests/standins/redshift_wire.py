"""PostgreSQL's protocol as psycopg2 speaks it: messages, and a session with the real server behind the stand-in."""

import socket
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

SSL_REQUEST, GSS_REQUEST, CANCEL_REQUEST, VERSION_3 = 80877103, 80877104, 80877102, 196608


class Lost(Exception):
    """The other side is gone."""


class Refusal(Exception):
    """An error as the server reports it."""

    def __init__(self, message: str, *, state: str = "0A000", detail: str = "", severity: str = "ERROR") -> None:
        super().__init__(message)
        self.message, self.state, self.detail, self.severity = message, state, detail, severity

    @property
    def fields(self) -> dict[str, str]:
        fields = {"S": self.severity, "C": self.state, "M": self.message}
        return fields | {"D": self.detail} if self.detail else fields


class Peer:
    """One end of a connection."""

    def __init__(self, connection: socket.socket) -> None:
        if connection.family == socket.AF_INET:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = connection
        self._input: BinaryIO = connection.makefile("rb")

    def read(self, size: int) -> bytes:
        try:
            data = self._input.read(size)
        except (OSError, ValueError) as error:
            raise Lost from error
        if len(data) < size:
            raise Lost
        return data

    def send(self, kind: bytes, body: bytes = b"") -> None:
        self.send_raw(kind + struct.pack("!i", len(body) + 4) + body)

    def send_raw(self, data: bytes) -> None:
        try:
            self._socket.sendall(data)
        except OSError as error:
            raise Lost from error

    def receive(self) -> tuple[bytes, bytes]:
        kind, size = struct.unpack("!ci", self.read(5))
        return kind, self.read(size - 4)

    def receive_startup(self) -> tuple[int, bytes]:
        size, code = struct.unpack("!ii", self.read(8))
        return code, self.read(size - 8)

    def refuse(self, refusal: Refusal) -> None:
        self.send(b"E", packed(refusal.fields))

    def close(self) -> None:
        for end in (lambda: self._socket.shutdown(socket.SHUT_RDWR), self._input.close, self._socket.close):
            try:
                end()
            except OSError:
                continue


def packed(fields: dict[str, str]) -> bytes:
    return b"".join(key.encode() + value.encode() + b"\0" for key, value in fields.items()) + b"\0"


def unpacked(body: bytes) -> dict[str, str]:
    return {part[:1].decode(): part[1:].decode() for part in body.split(b"\0") if part}


def pairs(body: bytes) -> dict[str, str]:
    """What a startup message says."""
    words = [word.decode() for word in body.split(b"\0")]
    return {name: value for name, value in zip(words[::2], words[1::2], strict=False) if name}


Forward = Callable[[bytes, bytes], None]


@dataclass
class Session:
    """A session with PostgreSQL. What it answers goes to `forward`, but for ReadyForQuery: `status` keeps it."""

    folder: Path
    user: str
    database: str
    options: dict[str, str] = field(default_factory=dict)
    greeting: list[tuple[bytes, bytes]] = field(default_factory=list, init=False)
    """What it said of itself at login: parameters, and the key to cancel with."""
    status: bytes = field(default=b"I", init=False)

    def __post_init__(self) -> None:
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(str(self.folder / ".s.PGSQL.5432"))
        self.peer = Peer(connection)
        settings = {"user": self.user, "database": self.database} | self.options
        body = b"".join(name.encode() + b"\0" + value.encode() + b"\0" for name, value in settings.items()) + b"\0"
        self.peer.send_raw(struct.pack("!ii", len(body) + 8, VERSION_3) + body)
        self._answers(lambda kind, body: self.greeting.append((kind, body)) if kind in b"SK" else None)

    def execute(self, sql: str, forward: Forward) -> bool:
        """Run a statement; says whether it went well."""
        self.peer.send(b"Q", sql.encode() + b"\0")
        return self._answers(forward)

    def fail(self, refusal: Refusal, forward: Forward) -> None:
        """Let PostgreSQL itself raise the error, which aborts the transaction where there is one."""
        values = {"ERRCODE": refusal.state, "MESSAGE": refusal.message, "DETAIL": refusal.detail}
        texts = ", ".join(f"{name} = {_dollars(value)}" for name, value in values.items() if value)
        block = f"BEGIN RAISE EXCEPTION USING {texts}; END"
        self.execute(f"DO $standin${block}$standin$", forward)

    def rows(self, sql: str) -> list[tuple[str | None, ...]]:
        """What a query of the stand-in's own gives, all as text; its error is raised."""
        rows: list[tuple[str | None, ...]] = []
        errors: list[bytes] = []

        def keep(kind: bytes, body: bytes) -> None:
            if kind == b"D":
                rows.append(_row(body))
            elif kind == b"E":
                errors.append(body)

        self.execute(sql, keep)
        if errors:
            raise BackendError(errors[0])
        return rows

    def copy_in(self, sql: str, data: Iterable[bytes], forward: Forward) -> bool:
        """COPY … FROM STDIN."""
        self.peer.send(b"Q", sql.encode() + b"\0")
        kind, body = self.peer.receive()
        while kind not in b"GE":
            kind, body = self.peer.receive()
        if kind == b"E":
            forward(kind, body)
            return self._answers(forward, well=False)
        try:
            for part in data:
                self.peer.send(b"d", part)
        except Refusal as refusal:
            self.peer.send(b"f", b"\0")
            self._answers(lambda *_: None)
            raise BackendError(packed(refusal.fields)) from refusal
        self.peer.send(b"c")
        return self._answers(forward)

    def _answers(self, forward: Forward, *, well: bool = True) -> bool:
        while True:
            kind, body = self.peer.receive()
            if kind == b"Z":
                self.status = body
                return well
            well = well and kind != b"E"
            forward(kind, body)


class BackendError(Exception):
    """PostgreSQL's own error, whole; the transaction is already aborted."""

    @property
    def body(self) -> bytes:
        return self.args[0]


def _dollars(text: str) -> str:
    assert "$text$" not in text
    return f"$text${text}$text$"


def _row(body: bytes) -> tuple[str | None, ...]:
    (count,) = struct.unpack_from("!h", body)
    at, values = 2, []
    for _ in range(count):
        (size,) = struct.unpack_from("!i", body, at)
        at += 4
        values.append(None if size < 0 else body[at : at + size].decode())
        at += max(size, 0)
    return tuple(values)
