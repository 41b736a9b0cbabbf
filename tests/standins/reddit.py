"""A Reddit on loopback that answers well, except where a test scripts something else.

A script is an iterable of acts, one for each request: `[answer(503)] * 3`, `repeat(stall)`, a generator. None, and the
end of the script, stand for the ordinary answer. Logins and pages have a script each.
"""

import json
import socket
import struct
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from reddit_etl.sandbox.server import Content, Listing, RedditServer, _Handler
from tests.standins.payloads import payload

CAP = 1000
# 2026-11-23T04:00:00Z, the first minute of the posts here.
BEGIN = 1795406400

Act = Callable[["ScriptedHandler"], None]


def post(number: int, **changes: object) -> dict[str, Any]:
    """One is made every minute."""
    made = {"title": f"Post {number}", "created_utc": float(BEGIN + 60 * number), "score": number}
    return payload(f"p{number}", **made | changes)


def child(number: int, **changes: object) -> dict[str, Any]:
    return {"kind": "t3", "data": post(number, **changes)}


def page(children: object, after: str | None = None) -> dict[str, Any]:
    return {"kind": "Listing", "data": {"after": after, "before": None, "children": children}}


class Posts:
    """Every listing of every subreddit holds the same posts, numbered from 1, the newest first."""

    def __init__(self, count: int = 0) -> None:
        self.posts: list[dict[str, Any]] = []
        self.arrive(count)

    def arrive(self, count: int) -> None:
        known = len(self.posts)
        self.posts[:0] = [post(number) for number in range(known + count, known, -1)]

    def listing(self, subreddit: str, listing: str) -> Listing:  # noqa: ARG002
        shown = self.posts[:CAP]
        return Listing([entry["id"] for entry in shown], shown.__getitem__)

    def info(self, fullnames: list[str]) -> Iterable[dict[str, Any]]:
        return [entry for entry in self.posts if entry["name"] in fullnames]


@dataclass(frozen=True)
class Asked:
    """A request that came."""

    method: str
    path: str
    query: dict[str, str]
    agent: str


class ScriptedReddit(RedditServer):
    """Serves while in its `with` block."""

    poll = 0.005

    def __init__(self, content: Content | None = None) -> None:
        super().__init__(content or Posts())
        self.RequestHandlerClass = ScriptedHandler
        self.asked: list[Asked] = []
        self.errors: list[BaseException | None] = []
        self.scripts: dict[str, Iterator[Act | None]] = {}

    def script(self, *, pages: Iterable[Act | None] = (), logins: Iterable[Act | None] = ()) -> None:
        self.scripts = {"GET": iter(pages), "POST": iter(logins)}

    @property
    def pages(self) -> list[Asked]:
        return [request for request in self.asked if request.method == "GET"]

    @property
    def logins(self) -> list[Asked]:
        return [request for request in self.asked if request.method == "POST"]

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002
        # That a client turns away from a stall is what tests are about; all else is a fault of the stand-in.
        if not isinstance(sys.exception(), ConnectionError):
            self.errors.append(sys.exception())

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown()
        self.server_close()
        assert self.errors == []


class ScriptedHandler(_Handler):
    server: ScriptedReddit
    rewritten: dict[str, str | None]

    def do_GET(self) -> None:
        self._play(self.ordinary)

    def do_POST(self) -> None:
        self._play(super().do_POST)

    def ordinary(self) -> None:
        """The page that was asked for."""
        super().do_GET()

    def _play(self, ordinary: Callable[[], None]) -> None:
        parts = urlsplit(self.path)
        query = {name: value for name, [value] in parse_qs(parts.query).items()}
        self.server.asked.append(Asked(self.command, parts.path, query, self.headers.get("user-agent", "")))
        self.rewritten = {}
        act = next(self.server.scripts.get(self.command, iter(())), None)
        if act is None:
            ordinary()
            return
        # A connection that is closed with the form unread would be reset, and the answer lost.
        self.rfile.read(int(self.headers.get("content-length", 0)))
        act(self)

    def send_header(self, keyword: str, value: str) -> None:
        value_or_none = self.rewritten.get(keyword, value)
        if value_or_none is not None:
            super().send_header(keyword, value_or_none)

    def send(self, status: int, body: bytes, headers: dict[str, str], missing: int = 0) -> None:
        """`missing` bytes are announced and never come."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body) + missing))
        self.send_header("connection", "close")
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()


def answer(status: int = 200, body: object = "", headers: dict[str, str] | None = None, *, missing: int = 0) -> Act:
    """An answer to the letter: bytes and text as they are, anything else as JSON."""
    encoded = body if isinstance(body, bytes) else (body if isinstance(body, str) else json.dumps(body)).encode()
    return lambda handler: handler.send(status, encoded, headers or {}, missing)


def with_headers(headers: dict[str, str | None]) -> Act:
    """The ordinary page, with other headers in place of its own; None leaves one out."""

    def act(handler: ScriptedHandler) -> None:
        handler.rewritten = headers
        handler.ordinary()

    return act


def after(event: Callable[[], object]) -> Act:
    """The ordinary page, after something happened to Reddit."""

    def act(handler: ScriptedHandler) -> None:
        event()
        handler.ordinary()

    return act


def stall(handler: ScriptedHandler) -> None:
    """Nothing more is said until the client turns away."""
    handler.close_connection = True
    handler.connection.recv(1)


def stall_midway(handler: ScriptedHandler) -> None:
    handler.send(200, b'{"kind": "Listing", "da', {}, missing=100)
    stall(handler)


def reset(handler: ScriptedHandler) -> None:
    """The connection breaks, as if the machine behind it were gone."""
    handler.close_connection = True
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    # The files that the handler holds on the socket keep it open until they are closed, which it does next.
    handler.connection.close()


def reset_midway(handler: ScriptedHandler) -> None:
    handler.send(200, b'{"kind": "Listing", "da', {}, missing=100)
    reset(handler)
