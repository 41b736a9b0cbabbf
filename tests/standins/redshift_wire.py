"""PostgreSQL's protocol as psycopg2 speaks it: messages, and a session with the real server behind the stand-in."""

import socket
import struct
from collections.abc import Callable
from pathlib import Path

Forward = Callable[[bytes, bytes], None]

NEGOTIATIONS = (80877103, 80877104)  # For TLS and for GSS, which both are declined.
CANCEL, VERSION_3 = 80877102, 196608


class Lost(Exception):
    """The connection is closed."""


class Refusal(Exception):
    """An error as the server reports it."""

    def __init__(self, message: str, *, state: str = "0A000", detail: str = "", severity: str = "ERROR") -> None:
        super().__init__(message)
        self.fields = {"S": severity, "C": state, "M": message} | ({"D": detail} if detail else {})


class Peer:
    """One end of a connection."""

    def __init__(self, connection: socket.socket) -> None:
        if connection.family == socket.AF_INET:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.connection = connection
        self._input = connection.makefile("rb")

    def _read(self, size: int) -> bytes:
        try:
            data = self._input.read(size)
        except (OSError, ValueError) as error:
            raise Lost from error
        if len(data) < size:
            raise Lost
        return data

    def receive(self) -> tuple[bytes, bytes]:
        kind, size = struct.unpack("!ci", self._read(5))
        return kind, self._read(size - 4)

    def receive_startup(self) -> tuple[int, bytes]:
        size, code = struct.unpack("!ii", self._read(8))
        return code, self._read(size - 8)

    def send(self, kind: bytes, body: bytes = b"") -> None:
        """A message; startup messages have no kind."""
        self.send_raw(kind + struct.pack("!i", len(body) + 4) + body)

    def send_raw(self, data: bytes) -> None:
        try:
            self.connection.sendall(data)
        except OSError as error:
            raise Lost from error

    def close(self) -> None:
        for end in (lambda: self.connection.shutdown(socket.SHUT_RDWR), self._input.close, self.connection.close):
            try:
                end()
            except OSError:
                continue


def packed(fields: dict[str, str]) -> bytes:
    return b"".join(key.encode() + value.encode() + b"\0" for key, value in fields.items()) + b"\0"


def unpacked(body: bytes) -> dict[str, str]:
    return {part[:1].decode(): part[1:].decode() for part in body.split(b"\0") if part}


def pairs(body: bytes) -> dict[str, str]:
    """The settings of a startup message."""
    words = [word.decode() for word in body.split(b"\0")]
    return {name: value for name, value in zip(words[::2], words[1::2], strict=False) if name}


class Session(Peer):
    """A session with PostgreSQL. Its answers go to `forward`; that of ReadyForQuery is kept in `status`."""

    def __init__(self, folder: Path, user: str, database: str, forward: Forward) -> None:
        super().__init__(postgres_socket(folder))
        self.status = b"I"
        names = {"user": user, "database": database}
        body = b"".join(f"{name}\0{value}\0".encode() for name, value in names.items())
        self.send(b"", struct.pack("!i", VERSION_3) + body + b"\0")
        self._answers(forward)

    def execute(self, sql: str, forward: Forward = lambda *_: None) -> bool:
        """Run a statement; whether it succeeded."""
        self.send(b"Q", sql.encode() + b"\0")
        return self._answers(forward)

    def rows(self, sql: str) -> list[tuple[str | None, ...]]:
        """Run a query of the stand-in's own; gives its rows as text."""
        rows: list[tuple[str | None, ...]] = []
        self.execute(sql, lambda kind, body: rows.append(_row(body)) if kind == b"D" else None)
        return rows

    def _answers(self, forward: Forward) -> bool:
        succeeded = True
        while True:
            kind, body = self.receive()
            if kind == b"Z":
                self.status = body
                return succeeded
            succeeded = succeeded and kind != b"E"
            forward(kind, body)


def postgres_socket(folder: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(str(folder / ".s.PGSQL.5432"))
    return connection


def _row(body: bytes) -> tuple[str | None, ...]:
    (count,) = struct.unpack_from("!h", body)
    at, values = 2, []
    for _ in range(count):
        (size,) = struct.unpack_from("!i", body, at)
        at += 4
        values.append(None if size < 0 else body[at : at + size].decode())
        at += max(size, 0)
    return tuple(values)
