"""S3 on loopback, over HTTP: moto's server in a process of its own, and a server with scripted answers.

`python -m tests.standins.s3` serves until its standard input ends. `GET /_requests` gives the numbers of requests, by
the access key that signed them.
"""

import json
import re
import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any

from tests import PROJECT

# What boto3 is told, so that it finds nothing of the machine's own.
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    "AWS_EC2_METADATA_DISABLED": "true",
}
# The same for a client of a stand-in's own, which goes by no variable.
KEYS = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing", "region_name": "us-east-1"}


REQUESTS = "/_requests"  # No bucket has such a name.
SIGNED_BY = re.compile(r"Credential=([^/]+)/")


def requests_of(url: str, access_key: str) -> int:
    """How many requests the S3 has received from a client."""
    with urllib.request.urlopen(f"{url}{REQUESTS}") as answer:
        return int(json.load(answer).get(access_key, 0))


@contextmanager
def moto_server() -> Iterator[str]:
    """The URL of an empty S3."""
    command = [sys.executable, "-m", "tests.standins.s3"]
    with subprocess.Popen(command, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout and process.stdin
        url = process.stdout.readline().strip()
        assert url, "moto's server did not start"
        yield url
        process.stdin.close()


def hasten() -> None:
    """Have moto look at the keys of a prefix alone when it lists that, and forget what it has removed.

    It looks at all keys of the bucket, copies all versions with their content, and keeps each copy for good.
    """
    from moto.core.common_models import BaseModel  # noqa: PLC0415
    from moto.s3.models import S3Backend  # noqa: PLC0415
    from moto.s3.utils import _VersionedKeyStore  # noqa: PLC0415

    within = ""

    def narrow(listing: Callable[..., Any]) -> Callable[..., Any]:
        def narrowed(*arguments: Any, prefix: str | None = None, **others: Any) -> Any:
            nonlocal within
            within = prefix or ""
            try:
                return listing(*arguments, prefix=prefix, **others)
            finally:
                within = ""

        return narrowed

    def keys(store: dict[str, Any]) -> dict[str, Any]:
        return {key: store.__sgetitem__(key) for key in dict.keys(store) if key.startswith(within)}  # type: ignore[attr-defined]

    for name in ("list_objects_v2", "list_object_versions"):
        setattr(S3Backend, name, narrow(getattr(S3Backend, name)))
    _VersionedKeyStore._self_iterable = keys
    BaseModel.__new__ = lambda kind, *_, **__: object.__new__(kind)


def serve() -> None:
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app  # noqa: PLC0415
    from werkzeug.serving import WSGIRequestHandler, make_server  # noqa: PLC0415

    class Silent(WSGIRequestHandler):
        def log(self, *_: Any) -> None:
            """Requests are not logged."""

    hasten()
    moto = DomainDispatcherApplication(create_backend_app)
    lock = Lock()
    requests: Counter[str] = Counter()

    def one_at_a_time(environ: Any, start_response: Any) -> Any:
        if environ["PATH_INFO"] == REQUESTS:
            start_response("200 OK", [("content-type", "application/json")])
            return [json.dumps(requests).encode()]
        # S3 promises that of two conditional puts one wins; moto looks first and puts then.
        with lock:
            if signed := SIGNED_BY.search(environ.get("HTTP_AUTHORIZATION", "")):
                requests[signed[1]] += 1
            return moto(environ, start_response)

    server = make_server("127.0.0.1", 0, one_at_a_time, threaded=True, request_handler=Silent)
    Thread(target=server.serve_forever, daemon=True).start()
    sys.stdout.write(f"http://127.0.0.1:{server.server_port}\n")
    sys.stdout.flush()
    sys.stdin.read()


Answer = Callable[..., tuple[int, str]]


class AnsweringS3(ThreadingHTTPServer):
    """Answers each request by a function of its method and path, with `bodies` of its body too; records requests."""

    daemon_threads = True

    def __init__(self, answer: Answer, *, bodies: bool = False) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer = answer if bodies else lambda method, path, _body: answer(method, path)
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@contextmanager
def answering(answer: Answer, *, bodies: bool = False) -> Iterator[AnsweringS3]:
    with AnsweringS3(answer, bodies=bodies) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield server
        server.shutdown()


def refusal(code: str) -> str:
    """The body of an S3 error."""
    return f"<Error><Code>{code}</Code><Message>no</Message></Error>"


class _Handler(BaseHTTPRequestHandler):
    server: AnsweringS3
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        asked = self.rfile.read(int(self.headers.get("content-length", 0)))
        self.server.asked.append(f"{self.command} {self.path}")
        status, body = self.server.answer(self.command, self.path, asked)
        content = b"" if self.command == "HEAD" or status == 204 else body.encode()
        self.send_response(status)
        self.send_header("content-length", str(len(content)))
        self.send_header("content-type", "application/xml")
        # S3 sends it with every error, and boto3 reads it when the bucket is in another region.
        self.send_header("x-amz-bucket-region", "eu-central-1")
        self.send_header("etag", '"of-something"')
        self.send_header("connection", "close")
        self.end_headers()
        self.wfile.write(content)

    do_PUT = do_POST = do_HEAD = do_DELETE = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        """Not logged: requests are recorded in `asked`."""


if __name__ == "__main__":
    serve()
