"""Reddit's HTTP: tokens, listings a page at a time, `/api/info`, rate limit headers. What it serves is given to it."""

import json
import re
import secrets
import sys
import time
from base64 import b64decode
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Protocol
from urllib.parse import parse_qs, urlsplit

PAGE = 100
WINDOW = 600  # Seconds of Reddit's rate limit window.
ALLOWED = 100_000  # Requests a window: Reddit's own 1,000 would slow a first look down.
INFO = re.compile(r"/api/info/?(?:\.json)?")
LISTING = re.compile(r"/r/([A-Za-z0-9_-]+)/(new|hot|top|rising|controversial)/?(?:\.json)?")


@dataclass(frozen=True)
class Refusal:
    """Why a subreddit is not given."""

    status: int
    reason: str | None = None
    location: str | None = None


@dataclass(frozen=True)
class Listing:
    """The ids of a whole listing in order, and how to get the post at a place of it."""

    ids: list[str]
    post: Callable[[int], dict[str, Any]]


class Content(Protocol):
    def listing(self, subreddit: str, listing: str) -> Listing | Refusal: ...

    def info(self, fullnames: list[str]) -> Iterable[dict[str, Any]]: ...


class RedditServer(ThreadingHTTPServer):
    """On a free port of 127.0.0.1, unless told which."""

    daemon_threads = True
    poll = 0.05  # Seconds between looks whether to shut down.

    def __init__(self, content: Content, *, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.content = content
        self.tokens: set[str] = set()
        self.used = 0
        self.opened = time.monotonic()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def count(self) -> float:
        """Count a request; give the seconds since the rate limit window opened."""
        elapsed = time.monotonic() - self.opened
        if elapsed >= WINDOW:
            self.opened, self.used, elapsed = self.opened + elapsed, 0, 0.0
        self.used += 1
        return elapsed

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no news."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def start(self) -> str:
        Thread(target=self.serve_forever, args=(self.poll,), name="reddit-sandbox", daemon=True).start()
        return self.url


class _Handler(BaseHTTPRequestHandler):
    server: RedditServer
    protocol_version = "HTTP/1.1"
    server_version = "reddit-etl-sandbox"
    # An answer leaves in few packets and at once: the last one would else wait 40 ms for an acknowledgement.
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers.get("content-length", 0))).decode())
        if urlsplit(self.path).path != "/api/v1/access_token":
            self._answer(404, {"message": "Not Found", "error": 404})
        elif not self._login():
            self._answer(401, {"message": "Unauthorized", "error": 401})
        elif form.get("grant_type") != ["client_credentials"]:
            self._answer(200, {"error": "unsupported_grant_type"})
        else:
            token = secrets.token_urlsafe(16)
            self.server.tokens.add(token)
            self._answer(200, {"access_token": token, "token_type": "bearer", "expires_in": 86400, "scope": "*"})

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        if self.headers.get("authorization", "").removeprefix("bearer ") not in self.server.tokens:
            self._answer(401, {"message": "Unauthorized", "error": 401})
        elif INFO.fullmatch(parts.path):
            self._answer(200, _page(list(self.server.content.info(query.get("id", "").split(",")[:PAGE])), None))
        elif match := LISTING.fullmatch(parts.path):
            self._listing(self.server.content.listing(match[1], match[2]), query)
        else:
            self._answer(404, {"message": "Not Found", "error": 404})

    def _listing(self, listing: Listing | Refusal, query: dict[str, str]) -> None:
        if isinstance(listing, Refusal):
            headers = {"location": f"{self.server.url}{listing.location}"} if listing.location else {}
            message, _ = self.responses.get(listing.status, ("Refused", ""))
            body = {"reason": listing.reason, "message": message, "error": listing.status}
            self._answer(listing.status, body, headers)
            return
        limit = min(PAGE, int(query.get("limit", 25)))
        after = query.get("after", "").removeprefix("t3_")
        begin = listing.ids.index(after) + 1 if after in listing.ids else 0
        end = min(begin + limit, len(listing.ids))
        posts = [listing.post(place) for place in range(begin, end)]
        self._answer(200, _page(posts, f"t3_{listing.ids[end - 1]}" if begin < end < len(listing.ids) else None))

    def _login(self) -> bool:
        """Any id and secret will do, but there must be some."""
        scheme, _, encoded = self.headers.get("authorization", "").partition(" ")
        return scheme.lower() == "basic" and len(b64decode(encoded)) > 2

    def _answer(self, status: int, body: object, headers: dict[str, str] | None = None) -> None:
        elapsed = self.server.count()
        encoded = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json; charset=UTF-8")
        self.send_header("content-length", str(len(encoded)))
        self.send_header("x-ratelimit-used", str(self.server.used))
        self.send_header("x-ratelimit-remaining", str(float(max(0, ALLOWED - self.server.used))))
        self.send_header("x-ratelimit-reset", str(int(WINDOW - elapsed)))
        if self.close_connection:
            self.send_header("connection", "close")
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(encoded)

    def log_message(self, format: str, *args: Any) -> None:
        """Silent: the client's side tells what was asked."""


def _page(posts: list[dict[str, Any]], after: str | None) -> dict[str, Any]:
    children = [{"kind": "t3", "data": post} for post in posts]
    data = {
        "after": after,
        "before": None,
        "dist": len(children),
        "modhash": None,
        "geo_filter": "",
        "children": children,
    }
    return {"kind": "Listing", "data": data}
