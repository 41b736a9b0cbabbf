"""Reddit's HTTP: tokens, listings a page at a time, comment trees, `/api/info`, rate limit headers.

The content that it serves is an argument.
"""

import json
import re
import secrets
import sys
import time
from base64 import b64decode
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

from reddit_etl.sandbox.answers import Content, Listing, Refusal, page, thing

PAGE = 100
TREE = 200  # Comments of a tree, if the request gives no limit.
WINDOW = 600  # Seconds of Reddit's rate limit window.
ALLOWED = 100_000  # Requests a window: Reddit's own 1,000 would slow a first look down.
INFO = re.compile(r"/api/info/?(?:\.json)?")
LISTING = re.compile(r"/r/([A-Za-z0-9_-]+)/(new|hot|top|rising|controversial|comments)/?(?:\.json)?")
MORE = re.compile(r"/api/morechildren/?(?:\.json)?")
TREES = re.compile(r"(?:/r/([A-Za-z0-9_-]+))?/comments/([0-9a-z]{1,13})(?:/[^/]*(?:/([0-9a-z]{1,13}))?)?/?(?:\.json)?")
TRUE = ("true", "True", "1")
TOKEN = "/api/v1/access_token"  # noqa: S105


class RedditServer(ThreadingHTTPServer):
    """On 127.0.0.1, by default on a free port.

    `requests` counts the authorized requests by path, such as `/r/python/new`, `/api/info` and `/api/morechildren`; all
    trees are `/comments`. `refused` counts those to `/api/morechildren` that came while another was being answered.
    """

    daemon_threads = True
    poll = 0.05  # Seconds between looks whether to shut down.

    def __init__(self, content: Content, *, port: int = 0) -> None:
        """Listen at once; requests are answered from `start` on. Port 0 is any free one."""
        super().__init__(("127.0.0.1", port), _Handler)
        self.content = content
        self.tokens: set[str] = set()
        self.used = 0
        self.opened = time.monotonic()
        self.requests: Counter[str] = Counter()
        self.refused = 0
        self.expanding = Lock()
        self._counting = Lock()

    @property
    def url(self) -> str:
        """`http://127.0.0.1:PORT`."""
        return f"http://127.0.0.1:{self.server_port}"

    def count(self) -> float:
        """Count an answer; give the seconds since the rate limit window opened."""
        elapsed = time.monotonic() - self.opened
        if elapsed >= WINDOW:
            self.opened, self.used, elapsed = self.opened + elapsed, 0, 0.0
        self.used += 1
        return elapsed

    def received(self, path: str, *, refused: bool = False) -> None:
        """Count an authorized request."""
        with self._counting:
            self.requests[path] += 1
            self.refused += refused

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Report no error where the client closed the connection."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def start(self) -> str:
        """Serve in a thread that ends with the process; give the URL."""
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
        form = _last(self.rfile.read(int(self.headers.get("content-length", 0))).decode())
        parts = urlsplit(self.path)
        if parts.path == TOKEN:
            self._token(form)
        elif MORE.fullmatch(parts.path):
            self._authorized(parts.path, _last(parts.query) | form)
        else:
            self._refuse(Refusal(404))

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        self._authorized(parts.path, _last(parts.query))

    def _token(self, form: dict[str, str]) -> None:
        if not self._login():
            self._refuse(Refusal(401))
        elif form.get("grant_type") != "client_credentials":
            self._answer(200, {"error": "unsupported_grant_type"})
        else:
            token = secrets.token_urlsafe(16)
            self.server.tokens.add(token)
            self._answer(200, {"access_token": token, "token_type": "bearer", "expires_in": 86400, "scope": "*"})

    def _authorized(self, path: str, query: dict[str, str]) -> None:
        if self.headers.get("authorization", "").removeprefix("bearer ") not in self.server.tokens:
            self._refuse(Refusal(401))
        elif INFO.fullmatch(path):
            self._info(query)
        elif MORE.fullmatch(path):
            self._more(query)
        elif match := LISTING.fullmatch(path):
            self.server.received(f"/r/{match[1]}/{match[2]}")
            self._listing(self.server.content.listing(match[1], match[2]), query)
        elif match := TREES.fullmatch(path):
            self._tree(match, query)
        else:
            self._refuse(Refusal(404))

    def _info(self, query: dict[str, str]) -> None:
        self.server.received("/api/info")
        payloads = self.server.content.info(query.get("id", "").split(",")[:PAGE])
        self._answer(200, page([thing(payload["name"][:2], payload) for payload in payloads]))

    def _listing(self, listing: Listing | Refusal, query: dict[str, str]) -> None:
        if isinstance(listing, Refusal):
            self._refuse(listing)
            return
        limit = min(PAGE, int(query.get("limit", 25)))
        after = query.get("after", "").removeprefix(f"{listing.kind}_")
        begin = listing.ids.index(after) + 1 if after in listing.ids else 0
        end = min(begin + limit, len(listing.ids))
        things = [thing(listing.kind, listing.post(index)) for index in range(begin, end)]
        more = begin < end < len(listing.ids)
        self._answer(200, page(things, f"{listing.kind}_{listing.ids[end - 1]}" if more else None))

    def _tree(self, match: re.Match[str], query: dict[str, str]) -> None:
        self.server.received("/comments")
        comment, limit = match[3] or query.get("comment"), int(query.get("limit", TREE))
        found = self.server.content.tree(match[2], limit=limit, subreddit=match[1], comment=comment)
        if isinstance(found, Refusal):
            self._refuse(found)
            return
        self._answer(200, [page([thing("t3", found.post)]), page(found.comments, counted=False)])

    def _more(self, query: dict[str, str]) -> None:
        """One request at a time, as at Reddit: the lock is held until the answer is made, not until it is sent."""
        alone = self.server.expanding.acquire(blocking=False)
        self.server.received("/api/morechildren", refused=not alone)
        if not alone:
            self._refuse(Refusal(429))
            return
        try:
            children, only_these = query.get("children", "").split(","), query.get("limit_children") in TRUE
            found = self.server.content.more(query.get("link_id", ""), children, only_these=only_these)
        finally:
            self.server.expanding.release()
        if isinstance(found, Refusal):
            self._refuse(found)
        elif query.get("api_type") != "json":
            self._answer(200, {"jquery": [], "success": True})  # Reddit's form for its own pages, empty.
        else:
            self._answer(200, {"json": {"errors": [], "data": {"things": found}}})

    def _login(self) -> bool:
        """Whether there are an id and a secret; any will do."""
        scheme, _, encoded = self.headers.get("authorization", "").partition(" ")
        return scheme.lower() == "basic" and len(b64decode(encoded)) > 2

    def _refuse(self, refusal: Refusal) -> None:
        headers = {"location": f"{self.server.url}{refusal.location}"} if refusal.location else {}
        message, _ = self.responses.get(refusal.status, ("Refused", ""))
        reason = {"reason": refusal.reason} if refusal.reason else {}
        self._answer(refusal.status, reason | {"message": message, "error": refusal.status}, headers)

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
        """Log nothing: the client logs its own requests."""


def _last(encoded: str) -> dict[str, str]:
    """The fields of a query or form; of a field that is repeated, the last value."""
    return {name: values[-1] for name, values in parse_qs(encoded).items()}
