"""A proxy before the tests' S3 that damages answers: each request is forwarded, its answer is returned as scripted.

A fault gets the original answer and the client's socket; None returns the answer unchanged.
"""

import re
import socket
import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def head(self, **changes: str) -> bytes:
        headers = {name.lower(): value for name, value in self.headers.items()}
        headers |= {"content-length": str(len(self.body)), "connection": "close"}
        headers |= {name.replace("_", "-"): value for name, value in changes.items()}
        lines = [f"HTTP/1.1 {self.status} so", *(f"{name}: {value}" for name, value in headers.items() if value)]
        return "\r\n".join([*lines, "", ""]).encode()


Fault = Callable[[Answer, socket.socket], object]


def as_it_is(answer: Answer, to: socket.socket) -> None:
    to.sendall(answer.head() + answer.body)


@dataclass(frozen=True)
class Instead:
    """An answer without forwarding the request; with `sent`, only its first bytes are sent."""

    status: int
    body: bytes
    sent: int | None = None
    chunked: bool = False

    def __call__(self, to: socket.socket) -> None:
        answer = Answer(self.status, {"content-type": "application/xml"}, self.body)
        if self.chunked:
            to.sendall(answer.head(content_length="", transfer_encoding="chunked"))
            to.sendall(b"%x\r\n" % len(self.body) + self.body[: self.sent])
        else:
            to.sendall(answer.head() + self.body[: self.sent])


def cut(answer: Answer, to: socket.socket) -> None:
    """Only half of the body is sent."""
    to.sendall(answer.head() + answer.body[: len(answer.body) // 2])


def cut_at_once(answer: Answer, to: socket.socket) -> None:
    """The body is announced but not sent."""
    to.sendall(answer.head(content_length=str(len(answer.body) + 9)))


def cut_chunks(answer: Answer, to: socket.socket) -> None:
    to.sendall(answer.head(content_length="", transfer_encoding="chunked"))
    to.sendall(b"%x\r\n" % (len(answer.body) + 9) + answer.body)


def bad_chunks(answer: Answer, to: socket.socket) -> None:
    to.sendall(answer.head(content_length="", transfer_encoding="chunked") + b"what?\r\n" + answer.body)


def short_length(answer: Answer, to: socket.socket) -> None:
    """The body is longer than announced."""
    to.sendall(answer.head(content_length=str(len(answer.body) // 2)) + answer.body)


def odd_length(answer: Answer, to: socket.socket) -> None:
    to.sendall(answer.head(content_length="many") + answer.body)


def reset(answer: Answer, to: socket.socket) -> None:  # noqa: ARG001
    to.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def reset_in_header(answer: Answer, to: socket.socket) -> None:
    to.sendall(answer.head()[:30])
    reset(answer, to)


def reset_in_body(answer: Answer, to: socket.socket) -> None:
    cut(answer, to)
    reset(answer, to)


def no_http(answer: Answer, to: socket.socket) -> None:  # noqa: ARG001
    to.sendall(b"220 mail.example.com ESMTP\r\n")


class FlakyS3(ThreadingHTTPServer):
    """`script` sets the faults of one operation's answers; `asked` are the operations that were requested."""

    daemon_threads = True

    def __init__(self, target: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.target = urlsplit(target).netloc
        self.asked: list[str] = []
        self.scripts: dict[str, Iterator[Fault | Instead | None]] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def script(self, operation: str, faults: Iterable[Fault | Instead | None]) -> None:
        self.asked.clear()
        self.scripts = {operation: iter(faults)}

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that disconnect are expected."""


@contextmanager
def flaky(target: str) -> Iterator[FlakyS3]:
    with FlakyS3(target) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield server
        server.shutdown()


def operation(method: str, path: str) -> str:
    parts = urlsplit(path)
    for pattern, name in {
        "GET .*list-type=2": "list",
        "POST .*uploads": "begin",
        "PUT .*partNumber": "part",
        "POST .*uploadId": "complete",
        "DELETE .*uploadId": "abort",
    }.items():
        if re.match(pattern, f"{method} {parts.query}"):
            return name
    return method.lower()


class _Handler(BaseHTTPRequestHandler):
    server: FlakyS3
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        content = self.rfile.read(int(self.headers.get("content-length", 0)))
        asked = operation(self.command, self.path)
        self.server.asked.append(asked)
        fault = next(self.server.scripts.get(asked, iter(())), None) or as_it_is
        self.close_connection = True
        if isinstance(fault, Instead):
            fault(self.connection)
            return
        connection = HTTPConnection(self.server.target)
        connection.request(self.command, self.path, content, dict(self.headers))
        response = connection.getresponse()
        answer = Answer(response.status, dict(response.headers), response.read())
        connection.close()
        fault(answer, self.connection)

    do_PUT = do_POST = do_DELETE = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        """Not logged: requests are recorded in `asked`."""
