"""S3's answers break off, come garbled, or do not come: tried again a few times, then an error on one line."""

import http.client
import inspect
import socket
import ssl
import string
from collections.abc import Callable, Iterator
from email.errors import MessageDefect
from itertools import repeat
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4
from xml.etree.ElementTree import ParseError

import boto3
import botocore.exceptions
import botocore.parsers
import pytest
import urllib3
import urllib3.exceptions
from botocore.eventstream import NoInitialResponseError

from reddit_etl import aws
from reddit_etl.errors import ConfigurationError, EtlError, LakeError
from reddit_etl.lake import s3
from reddit_etl.lake.s3 import S3Lake
from tests.standins import flaky_s3
from tests.standins.flaky_s3 import FlakyS3, Instead, flaky
from tests.standins.s3 import ENVIRONMENT

BUCKET = "broken-answers"
CONTENT = b'{"some": "receipt"}'
DATA = bytes(range(256)) * 1000


@pytest.fixture(scope="module")
def server(s3_url: str) -> Iterator[FlakyS3]:
    with flaky(s3_url) as server, pytest.MonkeyPatch.context() as patch:
        patch.setattr(boto3, "DEFAULT_SESSION", None)
        for name, value in (ENVIRONMENT | {"AWS_ENDPOINT_URL": server.url}).items():
            patch.setenv(name, value)
        boto3.client("s3").create_bucket(Bucket=BUCKET)
        lake = S3Lake(bucket=BUCKET, prefix="pre")
        lake.create("there/receipt", CONTENT)
        write(lake, "there/data")
        yield server


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that were meant to be slept."""
    slept: list[float] = []
    for module in ("botocore.endpoint", "tenacity.nap"):
        monkeypatch.setattr(f"{module}.time", SimpleNamespace(sleep=slept.append))
    return slept


@pytest.fixture
def lake(server: FlakyS3, monkeypatch: pytest.MonkeyPatch) -> S3Lake:
    """A new client each: one that met with many failures retries no more."""
    for name, value in (ENVIRONMENT | {"AWS_ENDPOINT_URL": server.url}).items():
        monkeypatch.setenv(name, value)
    server.scripts = {}
    return S3Lake(bucket=BUCKET, prefix="pre")


def write(lake: S3Lake, key: str) -> bytes | None:
    with lake.open_new(key) as stream:
        stream.write(DATA)
    return lake.read(key)


def write_in_parts(lake: S3Lake) -> bytes | None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(s3, "SMALL", 1)
        return write(lake, new())


def new() -> str:
    return f"new/{uuid4().hex}"


def created(lake: S3Lake, key: str) -> bytes | None:
    return lake.read(key) if lake.create(key, CONTENT) else b"another one was there"


# Every way in which the pipeline uses a lake: what is asked of S3, what to do, and what must come of it.
WAYS: dict[str, tuple[str, Callable[[S3Lake, Path], Any], Any]] = {
    "read": ("get", lambda lake, _: lake.read("there/receipt"), CONTENT),
    "read what is absent": ("get", lambda lake, _: lake.read("absent"), None),
    "read back": ("get", lambda lake, scratch: lake.local_file("there/data", scratch).read_bytes(), DATA),
    "create": ("put", lambda lake, _: created(lake, new()), CONTENT),
    "create again": ("put", lambda lake, _: lake.create("there/receipt", b"{}"), False),
    "list": ("list", lambda lake, _: list(lake.keys("there/")), ["there/data", "there/receipt"]),
    "put a small object": ("put", lambda lake, _: write(lake, new()), DATA),
    "begin an upload": ("begin", lambda lake, _: write_in_parts(lake), DATA),
    "upload a part": ("part", lambda lake, _: write_in_parts(lake), DATA),
    "complete an upload": ("complete", lambda lake, _: write_in_parts(lake), DATA),
}

ERROR = b"<Error><Code>InternalError</Code><Message>We encountered an internal error.</Message></Error>"
DENIED = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
HTML = b"<!doctype html><html><body>Bad gateway<br></body></html>"

# The request was not done.
REFUSALS = {
    "an error": Instead(500, ERROR),
    "an error that breaks off": Instead(500, ERROR, sent=30),
    "an error that breaks off at once": Instead(500, ERROR, sent=0),
    "an error whose chunks break off": Instead(503, ERROR, sent=30, chunked=True),
    "a refusal that breaks off": Instead(403, DENIED, sent=30),
    "a refusal whose chunks break off": Instead(403, DENIED, sent=30, chunked=True),
    "a refusal without a body": Instead(403, b""),
    "a refusal in HTML": Instead(403, HTML),
    "an absence in HTML": Instead(404, HTML),
    "an absence in XHTML": Instead(404, b"<html><body>no</body></html>"),
    "an error in HTML": Instead(502, HTML),
}
# It was, and nobody learns of it.
LOST = {
    "the connection is reset": flaky_s3.reset,
    "the connection is reset in the header": flaky_s3.reset_in_header,
    "what answers is no HTTP server": flaky_s3.no_http,
}
# Nor can it be read.
CUT = {
    "the connection is reset in the body": flaky_s3.reset_in_body,
    "the body is cut": flaky_s3.cut,
    "the body does not come": flaky_s3.cut_at_once,
    "the chunks are cut": flaky_s3.cut_chunks,
    "the chunks are none": flaky_s3.bad_chunks,
    "the length is too small": flaky_s3.short_length,
    "the length is no number": flaky_s3.odd_length,
}
# A success that says nothing.
GARBLED = {
    "XML of another kind": Instead(200, b"<html><body>Welcome</body></html>"),
    "no XML": Instead(200, HTML),
    "nothing": Instead(200, b""),
}
FAULTS = REFUSALS | LOST | CUT | GARBLED
# S3's answer has no body there.
HARMLESS = {(way, fault) for way in ("create", "create again", "put a small object", "upload a part") for fault in CUT}
# The checksum shows it.
HARMLESS |= {("read back", "the length is too small")}
CASES = [(way, fault) for way in WAYS for fault in FAULTS if (way, fault) not in HARMLESS]


@pytest.mark.parametrize(("way", "fault"), CASES)
def test_an_answer_that_breaks_is_asked_for_again(
    server: FlakyS3, lake: S3Lake, tmp_path: Path, way: str, fault: str
) -> None:
    operation, use, result = WAYS[way]
    server.script(operation, [FAULTS[fault]])
    assert use(lake, tmp_path) == result
    assert server.asked.count(operation) > 1


# One of each sort.
LASTING = ("an error that breaks off", "a refusal whose chunks break off", "a refusal without a body")
LASTING += ("the connection is reset in the header", "the chunks are cut", "XML of another kind")


@pytest.mark.parametrize("case", [case for case in CASES if case[1] in LASTING], ids="-".join)
def test_an_answer_that_stays_broken_is_an_error_on_one_line_after_a_few_tries(
    server: FlakyS3, lake: S3Lake, pauses: list[float], tmp_path: Path, case: tuple[str, str]
) -> None:
    way, fault = case
    operation, use, _ = WAYS[way]
    server.script(operation, repeat(FAULTS[fault]))
    with pytest.raises(LakeError) as caught:
        use(lake, tmp_path)
    message = str(caught.value)
    assert message.startswith(f"LAKE_URL: s3://{lake.bucket}/pre")
    assert "\n" not in message
    assert 2 <= server.asked.count(operation) <= 20
    assert sum(pauses) < 90
    # An upload that was begun is given up.
    assert ("abort" in server.asked) == (operation in ("part", "complete"))


def test_a_refusal_that_is_understood_is_not_asked_again(server: FlakyS3, lake: S3Lake, tmp_path: Path) -> None:
    for operation, use, _ in WAYS.values():
        server.script(operation, repeat(Instead(403, DENIED)))
        with pytest.raises(ConfigurationError, match="AccessDenied: grant this role"):
            use(lake, tmp_path)
        assert server.asked.count(operation) == 1


def test_an_s3_that_cannot_be_reached_is_an_error_on_one_line(
    lake: S3Lake, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, pauses: list[float]
) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{bound.getsockname()[1]}")
        unreachable = S3Lake(bucket=lake.bucket, prefix="pre")
        for _, use, _ in WAYS.values():
            pauses.clear()
            with pytest.raises(LakeError, match="Could not connect to the endpoint URL") as caught:
                use(unreachable, tmp_path)
            assert "\n" not in str(caught.value)
            assert 0 < sum(pauses) < 80


def test_what_the_disk_refuses_is_not_taken_for_a_broken_answer(server: FlakyS3, lake: S3Lake, tmp_path: Path) -> None:
    (tmp_path / "there_data").mkdir()
    server.script("get", [])
    with pytest.raises(LakeError, match="directory"):
        lake.local_file("there/data", tmp_path)
    assert server.asked == []


def test_an_upload_that_s3_forgot_after_it_was_completed_fails_at_once(
    server: FlakyS3, lake: S3Lake, pauses: list[float]
) -> None:
    """The task is done again, under another name."""
    gone = Instead(404, b"<Error><Code>NoSuchUpload</Code><Message>The upload does not exist</Message></Error>")
    server.script("complete", [flaky_s3.reset, *repeat(gone, 9)])
    with pytest.raises(LakeError, match="NoSuchUpload"):
        write_in_parts(lake)
    assert server.asked.count("complete") == 2
    assert sum(pauses) < 5


# Every exception there is


def exceptions_of(*modules: Any) -> Iterator[type[Exception]]:
    for module in modules:
        for kind in vars(module).values():
            if isinstance(kind, type) and issubclass(kind, Exception) and not issubclass(kind, Warning):
                yield kind


def instance(kind: type[Exception]) -> Exception:
    """With something of two lines for all that it needs."""
    odd: Any = "first line\nsecond line"
    if issubclass(kind, botocore.exceptions.WaiterError):
        return kind("a waiter", odd, {})
    if issubclass(kind, botocore.exceptions.BotoCoreError):
        names = [name for _, name, _, _ in string.Formatter().parse(kind.fmt) if name]
        return kind(**dict.fromkeys([*names, "error"], odd))
    if issubclass(kind, botocore.exceptions.ClientError):
        return kind({"Error": {"Code": "Odd", "Message": odd}}, "GetObject")
    if kind is urllib3.exceptions.InvalidChunkLength:
        return kind(urllib3.HTTPResponse(b""), b"zz")
    if kind is urllib3.exceptions.IncompleteRead:
        return kind(1, 2)
    try:
        needed = [p for p in inspect.signature(kind).parameters.values() if p.default is p.empty]
    except ValueError:  # Made by C, without a signature.
        needed = []
    return kind(*[odd for p in needed if p.kind is p.POSITIONAL_OR_KEYWORD] or [odd])


# What boto3 says of its own installation, a base of it, and what it hands on within another.
NEVER = {"UndefinedModelAttributeError", "MissingServiceIdError", "ProxySchemeUnsupported"}
RAISING = (botocore.exceptions, botocore.parsers, urllib3.exceptions, http.client, ssl, socket)
KINDS = sorted(
    {kind for kind in exceptions_of(*RAISING) if kind.__name__.isalnum() and kind.__name__ not in NEVER}
    - {MessageDefect, NoInitialResponseError, ParseError},
    key=lambda kind: f"{kind.__module__}.{kind.__qualname__}",
)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"{kind.__module__}.{kind.__qualname__}")
def test_whatever_boto3_raises_is_an_error_on_one_line(kind: type[Exception]) -> None:
    with pytest.raises(EtlError) as caught, aws.failures("LAKE_URL: s3://some-bucket", LakeError):
        raise instance(kind)
    message = str(caught.value)
    assert message.startswith("LAKE_URL: s3://some-bucket: ")
    assert "\n" not in message
    assert isinstance(caught.value, LakeError) or kind.__name__ in aws.FIXES


def test_the_kinds_are_found() -> None:
    assert {kind.__name__ for kind in KINDS} >= {
        "IncompleteRead",
        "IncompleteReadError",
        "ProtocolError",
        "ResponseParserError",
        "SSLCertVerificationError",
        "gaierror",
    }
    assert len(KINDS) > 150
