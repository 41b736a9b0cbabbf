"""Both lakes by the same tests: a folder, and a bucket of an S3 that is spoken to over HTTP."""

import gc
import gzip
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Barrier
from typing import Any
from uuid import uuid4

import boto3
import duckdb
import pytest

from reddit_etl.aws import client, failures
from reddit_etl.errors import ConfigurationError, LakeError
from reddit_etl.lake import open_lake
from reddit_etl.lake.base import Lake, Measured
from reddit_etl.lake.folder import FolderLake
from reddit_etl.lake.jsonl import CHUNK, JsonLines
from reddit_etl.lake.receipts import DataObject
from reddit_etl.lake.s3 import PART_BYTES, SMALL, S3Lake
from tests import PROJECT
from tests.standins.s3 import ENVIRONMENT, answering, refusal

KEY = "raw/posts/dt=2026-11-23/hr=04/a1/python-new-1000.jsonl.gz"
MEGABYTE = bytes(range(256)) * 4096


@dataclass
class Store:
    """A lake, and all that is left where it is, beside what the lake itself tells."""

    lake: Lake
    leftovers: Callable[[], list[str]]


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Points boto3 at an endpoint, by its own variables."""

    def point_at(endpoint: str) -> None:
        for name, value in (ENVIRONMENT | {"AWS_ENDPOINT_URL": endpoint}).items():
            monkeypatch.setenv(name, value)

    return point_at


@pytest.fixture
def bucket(s3_url: str, aws: Callable[[str], None]) -> str:
    aws(s3_url)
    name = f"lake-{uuid4().hex}"
    boto3.client("s3").create_bucket(Bucket=name)
    return name


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "folder":
        folder = tmp_path / "lake"
        return Store(FolderLake(folder), lambda: [str(path) for path in folder.rglob("*") if path.is_file()])
    bucket = request.getfixturevalue("bucket")
    return Store(S3Lake(bucket=bucket, prefix="some/prefix"), lambda: everything_in(bucket))


@pytest.fixture
def lake(store: Store) -> Lake:
    return store.lake


def everything_in(bucket: str) -> list[str]:
    client = boto3.client("s3")
    objects = [entry["Key"] for entry in client.list_objects_v2(Bucket=bucket).get("Contents", [])]
    return objects + [entry["UploadId"] for entry in client.list_multipart_uploads(Bucket=bucket).get("Uploads", [])]


def content_of(lake: Lake, key: str) -> bytes:
    with tempfile.TemporaryDirectory() as scratch:
        return lake.local_file(key, Path(scratch)).read_bytes()


@pytest.mark.parametrize("most", [10, 19, 20])
def test_what_was_put_is_read_once_from_a_local_copy_while_there_is_room(bucket: str, most: int) -> None:
    lake = open_lake(f"s3://{bucket}", copies=most)
    for name in ("first", "second"):
        with lake.open_new(f"raw/{name}") as stream:
            stream.write(b"x" * 10)
        # Another client's, so that it shows which of the two is read.
        boto3.client("s3").put_object(Bucket=bucket, Key=f"raw/{name}", Body=b"stored")
    kept = {"raw/first", "raw/second"} if most == 20 else {"raw/second"}
    for key in ("raw/first", "raw/second"):
        assert content_of(lake, key) == (b"x" * 10 if key in kept else b"stored")
        assert content_of(lake, key) == b"stored"


def test_no_copy_outlives_its_object(bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    lake = open_lake(f"s3://{bucket}", copies=100)
    for content in (b"older", b"newer"):
        with lake.open_new("raw/a") as stream:
            stream.write(content)
    copies = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert copies == [b"newer"]
    lake.remove(["raw/a"])
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    with pytest.raises(LakeError):
        content_of(lake, "raw/a")


def test_a_streamed_object_appears_when_the_block_ends_and_not_before(lake):
    with lake.open_new(KEY) as stream:
        for _ in range(6):
            stream.write(MEGABYTE)
        assert list(lake.keys("raw/")) == []
        assert lake.read(KEY) is None
    assert list(lake.keys("raw/")) == [KEY]
    assert content_of(lake, KEY) == MEGABYTE * 6 == lake.read(KEY)


def test_an_empty_stream_is_an_empty_object(lake):
    with lake.open_new(KEY):
        pass
    assert lake.read(KEY) == b""


@pytest.mark.parametrize(
    ("error", "comes_out"),
    [(RuntimeError, RuntimeError), (ValueError, ValueError), (OSError, LakeError), (KeyboardInterrupt,) * 2],
)
@pytest.mark.parametrize("megabytes", [0, 6])
def test_an_exception_in_the_block_leaves_neither_object_nor_part(store, error, comes_out, megabytes):
    with pytest.raises(comes_out, match="in mid stream"), store.lake.open_new(KEY) as stream:
        for _ in range(megabytes):
            stream.write(MEGABYTE)
        raise error("in mid stream")
    assert store.leftovers() == []


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_lines_that_are_not_all_written_leave_nothing(store, error):
    noise = os.urandom(2_000_000).hex()
    with pytest.raises(error), JsonLines(store.lake, KEY) as lines:
        for _ in range(3):  # More than a part of S3.
            lines.write({"noise": noise})
        raise error
    assert store.leftovers() == []


def test_lines_are_json_in_gzip_and_their_entry_says_what_there_is(lake):
    rows = [{"id": "abc", "title": "line\nline \u2028 🎉"}, {"id": "def", "title": None}]
    with JsonLines(lake, KEY) as lines:
        for row in rows:
            lines.write(row)
    content = content_of(lake, KEY)
    text = gzip.decompress(content).decode()
    assert text == '{"id":"abc","title":"line\\nline \u2028 🎉"}\n{"id":"def","title":null}\n'
    assert lines.entries() == (DataObject(KEY, len(content), hashlib.sha256(content).hexdigest(), 2),)


def test_many_lines_are_one_gzip_member(lake, tmp_path):
    rows = [{"number": number, "noise": os.urandom(50).hex()} for number in range(3 * CHUNK // 100)]
    with JsonLines(lake, KEY) as lines:
        for row in rows:
            lines.write(row)
    # Not every reader goes on after the first member.
    member = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    text = member.decompress(content_of(lake, KEY))
    assert (member.eof, member.unused_data) == (True, b"")
    assert [json.loads(line) for line in text.splitlines()] == rows
    read = duckdb.read_json(str(lake.local_file(KEY, tmp_path)), hive_partitioning=False)
    assert read.fetchall() == [tuple(row.values()) for row in rows]


def test_last_lines_that_cannot_be_stored_leave_nothing(store, monkeypatch):
    with pytest.raises(RuntimeError, match="no space"), JsonLines(store.lake, KEY) as lines:
        lines.write({"id": "abc"})
        monkeypatch.setattr(Measured, "write", raises)
    assert store.leftovers() == []


def raises(*_: object) -> int:
    raise RuntimeError("no space")


def test_the_same_lines_are_the_same_bytes_at_any_time(lake):
    with JsonLines(lake, KEY) as lines:
        lines.write({"id": "abc"})
    assert content_of(lake, KEY)[4:8] == bytes(4), "gzip's header holds a time"


def test_no_line_is_no_object(store):
    with JsonLines(store.lake, KEY) as lines:
        pass
    assert lines.entries() == ()
    assert lines.rows == 0
    assert store.leftovers() == []


def test_a_reject_is_kept_to_the_letter(lake):
    payload = {"title": "half \ud83d\0", "ups": 2**64 + 1, "nested": [{"a": None}]}
    with JsonLines(lake, KEY, ascii_only=True) as lines:
        lines.write(payload)
    assert json.loads(gzip.decompress(content_of(lake, KEY))) == payload


def test_a_receipt_is_created_once_and_the_first_one_stays(store):
    assert store.lake.create("receipts/a.json", b"first") is True
    assert store.lake.create("receipts/a.json", b"second") is False
    assert store.lake.read("receipts/a.json") == b"first"
    assert len(store.leftovers()) == 1


@pytest.mark.parametrize("attempt", range(5))
def test_of_writers_at_the_same_time_one_wins(lake, attempt):
    together = Barrier(4)

    def create(content: bytes) -> bool:
        together.wait()
        return lake.create(f"receipts/{attempt}.json", content)

    contents = [b"a", b"b", b"c", b"d"]
    with ThreadPoolExecutor(len(contents)) as pool:
        won = list(pool.map(create, contents))
    assert won.count(True) == 1
    assert lake.read(f"receipts/{attempt}.json") == contents[won.index(True)]


def test_what_is_not_there_is_none_to_read_and_an_error_to_open(lake, tmp_path):
    assert lake.read("receipts/a.json") is None
    assert list(lake.keys("receipts/")) == []
    with pytest.raises(LakeError, match="raw/a"):
        lake.local_file("raw/a", tmp_path)
    with pytest.raises(LakeError, match="raw/a"):
        lake.verified_file(DataObject("raw/a", 1, "ab", 1), tmp_path)


def test_keys_are_those_that_begin_with_the_prefix(lake):
    keys = ["receipts/dt=2026-11-22/hr=23/a.json", "receipts/dt=2026-11-23/hr=00/a.json", "receipts/x.json", "raw/a"]
    for key in reversed(keys):
        lake.create(key, b"{}")
    assert list(lake.keys("receipts/")) == keys[:3]
    assert list(lake.keys("receipts/dt=2026-11-23/")) == [keys[1]]
    assert list(lake.keys("receipts/dt=2026-11-24/")) == []


def test_sizes_are_those_of_the_objects(lake):
    for size, key in enumerate(["raw/a", "raw/b/c", "raw/b/d"]):
        lake.create(key, bytes(size))
    assert dict(lake.sizes("raw/")) == {"raw/a": 0, "raw/b/c": 1, "raw/b/d": 2}


def test_a_file_added_is_the_file_that_its_entry_gives_back(lake, tmp_path):
    source = tmp_path / "source.parquet"
    source.write_bytes(MEGABYTE * 2 + b"rest")
    entry = lake.add_file(source, "curated/part-00000.parquet", rows=12)
    sha256 = hashlib.sha256(source.read_bytes()).hexdigest()
    assert entry == DataObject("curated/part-00000.parquet", source.stat().st_size, sha256, 12)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    assert lake.verified_file(entry, scratch).read_bytes() == source.read_bytes()


def test_a_changed_object_is_refused(lake, tmp_path):
    lake.create("raw/a", b"what the receipt lists")
    good = DataObject("raw/a", 22, hashlib.sha256(b"what the receipt lists").hexdigest(), 1)
    assert lake.verified_file(good, tmp_path).read_bytes() == b"what the receipt lists"
    with pytest.raises(LakeError, match="does not match its receipt"):
        lake.verified_file(replace(good, sha256="0" * 64), tmp_path)


def test_a_big_object_goes_to_s3_in_parts_of_which_one_is_in_memory(bucket):
    lake = S3Lake(bucket=bucket, prefix="")
    tracemalloc.start()
    try:
        with lake.open_new(KEY) as stream:
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            for _ in range(24):
                stream.write(MEGABYTE)
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    head = boto3.client("s3").head_object(Bucket=bucket, Key=KEY)
    assert head["ContentLength"] == 24 * len(MEGABYTE)
    assert head["ETag"].strip('"').endswith("-5")
    assert peak < 2.5 * PART_BYTES


def test_two_lakes_in_a_bucket_do_not_see_each_other(bucket):
    one, other = S3Lake(bucket=bucket, prefix="one"), S3Lake(bucket=bucket, prefix="one-more")
    one.create("receipts/a.json", b"one")
    assert other.read("receipts/a.json") is None
    assert list(other.keys("receipts/")) == []
    assert everything_in(bucket) == ["one/receipts/a.json"]


def write(lake: Lake, size: int) -> None:
    with lake.open_new("raw/a") as stream:
        stream.write(bytes(size))


@pytest.mark.parametrize("kind", ["AES256", "aws:kms"])
def test_objects_are_encrypted_as_the_bucket_says(bucket, kind):
    s3 = boto3.client("s3")
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": kind}}
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})
    lake = S3Lake(bucket=bucket, prefix="")
    lake.create("receipts/a.json", b"{}")
    write(lake, 1)
    with lake.open_new("raw/parts") as stream:
        stream.write(bytes(PART_BYTES + 1))
    found = {key: s3.head_object(Bucket=bucket, Key=key).get("ServerSideEncryption") for key in everything_in(bucket)}
    assert found == dict.fromkeys(["raw/a", "raw/parts", "receipts/a.json"], kind)


# Every way in which the pipeline uses a lake.
WAYS: dict[str, Callable[[Lake], Any]] = {
    "read": lambda lake: lake.read("receipts/a.json"),
    "create": lambda lake: lake.create("receipts/a.json", b"{}"),
    "keys": lambda lake: list(lake.keys("receipts/")),
    "open_new": lambda lake: write(lake, 1),
    "open_new in parts": lambda lake: write(lake, PART_BYTES + 1),
    "open": lambda lake: content_of(lake, "raw/a"),
    "verified_file": lambda lake: lake.verified_file(DataObject("raw/a", 1, "ab", 1), Path(tempfile.gettempdir())),
}


def one_line(error: BaseException) -> str:
    message = str(error)
    assert "\n" not in message
    return message


def messages(lake: Lake) -> Iterator[str]:
    """What each way of using a misconfigured lake says, on a line."""
    for way, use in WAYS.items():
        with pytest.raises(ConfigurationError) as caught:
            use(lake)
            pytest.fail(f"{way} went well")
        yield one_line(caught.value)


@pytest.mark.parametrize(
    ("status", "code", "fix"),
    [
        (403, "AccessDenied", "s3:GetObject, s3:PutObject, s3:AbortMultipartUpload and s3:ListBucket on it"),
        (404, "NoSuchBucket", "create the bucket"),
        (301, "PermanentRedirect", "AWS_DEFAULT_REGION"),
        (400, "AuthorizationHeaderMalformed", "AWS_DEFAULT_REGION"),
        (400, "ExpiredToken", "log in again"),
        (403, "InvalidAccessKeyId", "log in again"),
        (403, "SignatureDoesNotMatch", "log in again"),
    ],
)
def test_what_s3_refuses_is_an_error_that_names_the_setting_and_the_fix(aws, status, code, fix):
    with answering(lambda _method, _path: (status, refusal(code))) as server:
        aws(server.url)
        for message in messages(S3Lake(bucket="some-bucket", prefix="pre")):
            assert message.startswith("LAKE_URL: s3://some-bucket/pre/")
            assert f"{code}: " in message
            assert fix in message
            assert "testing" not in message


def test_a_bucket_that_is_missing_is_an_error_that_names_the_setting_and_the_fix(s3_url, aws):
    aws(s3_url)
    for message in messages(S3Lake(bucket="no-such-bucket", prefix="")):
        assert message.startswith("LAKE_URL: s3://no-such-bucket/")
        assert "create the bucket" in message


def test_a_bucket_that_cannot_be_is_an_error_that_names_the_setting(s3_url, aws):
    aws(s3_url)
    for message in messages(open_lake("s3://No Bucket!/prefix")):
        assert message.startswith("LAKE_URL: s3://No Bucket!/prefix/")


def test_what_boto3_says_of_a_request_it_cannot_send_is_not_repeated(s3_url, aws, monkeypatch):
    """It quotes the header that it cannot send."""
    aws(s3_url)
    monkeypatch.setenv("AWS_SESSION_TOKEN", "s3cret\n")
    with pytest.raises(LakeError) as caught:
        S3Lake(bucket="some-bucket", prefix="").read("receipts/a.json")
    assert one_line(caught.value).endswith("receipts/a.json: the request could not be sent (ValueError)")


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("AWS_DEFAULT_REGION", "us east 1", "set AWS_DEFAULT_REGION to a region's name"),
        ("AWS_DEFAULTS_MODE", "foo", "foo"),
        ("AWS_CONFIG_FILE", str(PROJECT / "README.md"), "README.md"),
        ("AWS_ENDPOINT_URL", "nowhere", "AWS_ENDPOINT_URL: "),
    ],
)
def test_broken_settings_of_aws_are_a_matter_of_configuration(aws, monkeypatch, name, value, says):
    aws("http://127.0.0.1:1")
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as caught:
        S3Lake(bucket="some-bucket", prefix="")
    assert says in one_line(caught.value)


def test_a_page_of_html_is_a_failure_like_another(aws):
    with answering(lambda _method, _path: (502, "<html><body>Bad gateway<br></body></html>")) as server:
        aws(server.url)
        with pytest.raises(LakeError), failures("LAKE_URL", LakeError):
            client("iam", setting="LAKE_URL").get_role(RoleName="any")


def test_no_credentials_is_an_error_that_says_so(s3_url, aws, monkeypatch):
    aws(s3_url)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(ConfigurationError, match="log in to AWS"):
        S3Lake(bucket="some-bucket", prefix="").read("receipts/a.json")


def test_half_of_the_credentials_is_an_error_that_says_so(s3_url, aws, monkeypatch):
    aws(s3_url)
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(ConfigurationError, match="AWS_SECRET_ACCESS_KEY"):
        S3Lake(bucket="some-bucket", prefix="").read("receipts/a.json")


def test_an_unknown_profile_is_an_error_that_says_so(s3_url, aws, monkeypatch):
    aws(s3_url)
    monkeypatch.setenv("AWS_PROFILE", "no-such-profile")
    with pytest.raises(ConfigurationError, match="AWS_PROFILE"):
        S3Lake(bucket="some-bucket", prefix="")


def test_an_endpoint_that_is_no_url_is_an_error_that_names_it(aws):
    aws("nonsense")
    with pytest.raises(ConfigurationError, match="AWS_ENDPOINT_URL"):
        S3Lake(bucket="some-bucket", prefix="")


def test_what_s3_has_no_name_for_is_an_error_of_the_lake_on_one_line(aws):
    with answering(lambda _method, _path: (400, refusal("EntityTooStrange"))) as server:
        aws(server.url)
        with pytest.raises(LakeError) as caught:
            S3Lake(bucket="some-bucket", prefix="").read("receipts/a.json")
    assert "EntityTooStrange" in one_line(caught.value)


def test_a_part_that_s3_refuses_aborts_the_upload(aws):
    started = "<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>"

    def answer(method: str, path: str) -> tuple[int, str]:
        if method == "POST" and path.endswith("?uploads"):
            return 200, started
        return (204, "") if method == "DELETE" else (400, refusal("InvalidRequest"))

    with answering(answer) as server:
        aws(server.url)
        lake = S3Lake(bucket="some-bucket", prefix="")
        with pytest.raises(LakeError, match="InvalidRequest"), lake.open_new("raw/a") as stream:
            stream.write(bytes(PART_BYTES + 1))
    assert server.asked == [
        "POST /some-bucket/raw/a?uploads",
        "PUT /some-bucket/raw/a?uploadId=u1&partNumber=1",
        "DELETE /some-bucket/raw/a?uploadId=u1",
    ]


def test_an_upload_that_may_not_be_aborted_names_the_right(aws):
    started = "<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>"

    def answer(method: str, path: str) -> tuple[int, str]:
        if method == "DELETE":
            return 403, refusal("AccessDenied")
        return (200, started) if method == "POST" and path.endswith("?uploads") else (200, "")

    with answering(answer) as server:
        aws(server.url)
        lake = S3Lake(bucket="some-bucket", prefix="")
        refused = pytest.raises(ConfigurationError, match=r"AccessDenied: .*s3:AbortMultipartUpload")
        with refused, lake.open_new("raw/a") as stream:
            stream.write(bytes(SMALL))
            raise KeyboardInterrupt
        del refused, stream
        gc.collect()
    # It is not completed later, when Python deletes what is left of it.
    assert server.asked[-1] == "DELETE /some-bucket/raw/a?uploadId=u1"


def test_a_receipt_whose_answer_was_lost_is_found_to_be_ours(aws):
    answers = iter([(500, refusal("InternalError")), (412, refusal("PreconditionFailed")), (200, "ours")])
    with answering(lambda _method, _path: next(answers)) as server:
        aws(server.url)
        assert S3Lake(bucket="some-bucket", prefix="").create("a.json", b"ours") is True
    assert [request.split()[0] for request in server.asked] == ["PUT", "PUT", "GET"]


@pytest.mark.parametrize(("status", "code"), [(412, "PreconditionFailed"), (409, "ConditionalRequestConflict")])
def test_a_receipt_that_another_writer_put_is_found_to_be_theirs(aws, status, code):
    with answering(lambda method, _: (status, refusal(code)) if method == "PUT" else (200, "theirs")) as server:
        aws(server.url)
        assert S3Lake(bucket="some-bucket", prefix="").create("a.json", b"ours") is False


def test_a_conflict_after_which_no_receipt_is_there_is_an_error(aws):
    def answer(method: str, _path: str) -> tuple[int, str]:
        return (409, refusal("ConditionalRequestConflict")) if method == "PUT" else (404, refusal("NoSuchKey"))

    with answering(answer) as server:
        aws(server.url)
        with pytest.raises(LakeError, match="ConditionalRequestConflict"):
            S3Lake(bucket="some-bucket", prefix="").create("a.json", b"ours")


def test_a_file_where_the_folder_should_be_is_an_error_that_names_the_setting(tmp_path):
    (tmp_path / "lake").write_text("not a folder")
    for message in messages(FolderLake(tmp_path / "lake")):
        assert message.startswith(f"LAKE_URL: {tmp_path / 'lake'}")
        assert message.endswith("it is a file, use a folder")


# Stands for a full disk: neither needs a file system of its own, and both fail a write that was going well.
ON_A_FULL_DISK = """
import resource, sys
from pathlib import Path
from reddit_etl.errors import LakeError
from reddit_etl.lake.folder import FolderLake

resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
lake = FolderLake(Path(sys.argv[1]))
try:
    if sys.argv[2] == "create":
        lake.create("receipts/a.json", bytes(200_000))
    else:
        with lake.open_new("raw/a") as stream:
            for _ in range(200):
                stream.write(bytes(1000))
except LakeError as error:
    print(error)
"""


@pytest.mark.parametrize("way", ["create", "open_new"])
def test_a_full_disk_is_an_error_of_one_line_and_nothing_is_committed(tmp_path, way):
    done = subprocess.run(
        [sys.executable, "-c", ON_A_FULL_DISK, str(tmp_path / "lake"), way], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    assert done.stdout.count("\n") == 1
    assert done.stdout.startswith(f"LAKE_URL: {tmp_path / 'lake'}/")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_half_written_files_of_a_killed_process_are_no_objects(tmp_path):
    lake = FolderLake(tmp_path)
    lake.create("raw/a", b"whole")
    (tmp_path / "raw" / ".b.1234.partial").write_bytes(b"half")
    assert list(lake.keys("raw/")) == ["raw/a"]


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("s3://bucket", "s3://bucket"),
        ("s3://bucket/", "s3://bucket"),
        ("s3://bucket/some/prefix/", "s3://bucket/some/prefix"),
        ("s3://my.bucket/.some/x..y/...", "s3://my.bucket/.some/x..y/..."),
        ("s3://bucket/a@b#c?d", "s3://bucket/a@b#c?d"),
        ("/data/lake", "/data/lake"),
        ("/data/a lake#1?x:y@z [2]", "/data/a lake#1?x:y@z [2]"),
        ("lake", f"{Path.cwd()}/lake"),
        ("./a:b", f"{Path.cwd()}/a:b"),
        ("~/lake", f"{Path.home()}/lake"),
    ],
)
def test_a_lake_is_a_bucket_with_a_prefix_or_a_folder(aws, url, shown):
    aws("http://127.0.0.1:1")
    assert open_lake(url).url == shown


@pytest.mark.parametrize(
    "url",
    [
        "",
        "gs://bucket/x",
        "http://bucket/x",
        "https://host/x",
        "file:///x",
        "s3:bucket",
        "s3://",
        "s3:///x",
        "abfs://[x",
    ],
)
def test_another_kind_of_lake_is_refused_with_what_to_give(url):
    with pytest.raises(ConfigurationError) as caught:
        open_lake(url)
    assert one_line(caught.value) == "LAKE_URL is not valid: use s3://bucket/prefix or a folder"


@pytest.mark.parametrize("prefix", ["/x", "x//y", ".", "./x", "x/.", "..", "../x", "x/../y", "x/..//"])
def test_a_prefix_that_glue_would_not_find_is_refused(prefix):
    with pytest.raises(ConfigurationError) as caught:
        open_lake(f"s3://bucket/{prefix}")
    assert one_line(caught.value) == ("LAKE_URL has //, /. or /.. in its prefix, which Glue cannot read: remove them")


@pytest.mark.parametrize("scheme", ["s3", "gs", "http"])
def test_credentials_in_the_url_are_refused_and_not_repeated(scheme):
    with pytest.raises(ConfigurationError) as caught:
        open_lake(f"{scheme}://AKIAEXAMPLE:wJalrXUtn@bucket/prefix")
    assert one_line(caught.value).startswith("LAKE_URL contains credentials")
    assert "AKIA" not in str(caught.value)
    assert "wJal" not in str(caught.value)
