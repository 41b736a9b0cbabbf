"""Forgetting in the lake: removal with all versions, successors, and objects written anew without what is taken."""

import gzip
import json
import os
import random
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import duckdb
import pytest

from reddit_etl.clock import iso, utc_now
from reddit_etl.entities import COMMENTS, POSTS
from reddit_etl.entities.schema import Entity
from reddit_etl.errors import ConfigurationError, DamagedObjectError, LakeError
from reddit_etl.lake import open_lake, successors
from reddit_etl.lake.base import Lake
from reddit_etl.lake.folder import FolderLake
from reddit_etl.lake.jsonl import JsonLines
from reddit_etl.lake.layout import curated_prefix, raw_key, successor_key
from reddit_etl.lake.receipts import DataObject, Successor, Transformed
from reddit_etl.lake.rewrite import rewrite
from reddit_etl.lake.s3 import S3Lake
from reddit_etl.lake.tombstones import Kind, Tombstone
from reddit_etl.steps.attempt import began, new_name, origin
from reddit_etl.steps.lines import of_records, of_rejects
from reddit_etl.transform.base import Folder, TransformEngine
from reddit_etl.transform.duckdb import DuckDBTransform
from reddit_etl.transform.glue import GlueTransform
from tests.standins.glue import glue
from tests.standins.loads import NEWER, OLDER
from tests.standins.payloads import MINUTE, NOON, TIME_TYPE, parquet, post, record, time_types
from tests.standins.s3 import ENVIRONMENT, answering
from tests.standins.spark import JOB

KEY = raw_key("posts", NOON, "a1", "python-new-100")
MARK = "f0rget-me"


@pytest.fixture
def versioned(s3_url: str, monkeypatch: pytest.MonkeyPatch) -> S3Lake:
    """A lake in a bucket that keeps versions."""
    for name, value in (ENVIRONMENT | {"AWS_ENDPOINT_URL": s3_url}).items():
        monkeypatch.setenv(name, value)
    bucket = f"lake-{uuid4().hex}"
    client = boto3.client("s3")
    client.create_bucket(Bucket=bucket)
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    lake = open_lake(f"s3://{bucket}/some/prefix")
    assert isinstance(lake, S3Lake)
    return lake


@pytest.fixture(params=["folder", "s3"])
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> Lake:
    if request.param == "folder":
        return FolderLake(tmp_path / "lake")
    found: S3Lake = request.getfixturevalue("versioned")
    return found


def everything(lake: Lake) -> dict[str, bytes]:
    """All that is stored, whatever it is called: each file, or each version of each object, and delete markers."""
    if isinstance(lake, FolderLake):
        paths = [path for path in lake.folder.rglob("*") if path.is_file()]
        return {str(path.relative_to(lake.folder)): path.read_bytes() for path in paths}
    assert isinstance(lake, S3Lake)
    client = boto3.client("s3")
    found = {}
    for page in client.get_paginator("list_object_versions").paginate(Bucket=lake.bucket):
        for one in page.get("Versions", ()):
            named = {"Key": one["Key"], "VersionId": one["VersionId"]}
            content = client.get_object(Bucket=lake.bucket, **named)["Body"].read()
            found[f"{one['Key'].removeprefix(lake.prefix)}@{one['VersionId']}"] = content
        for one in page.get("DeleteMarkers", ()):
            found[f"{one['Key']} marked @{one['VersionId']}"] = b""
    return found


def write(lake: Lake, key: str, content: bytes) -> None:
    with lake.open_new(key) as stream:
        stream.write(content)


# Removal


def test_what_is_removed_leaves_no_byte_and_all_else_stays(lake: Lake) -> None:
    others = ["raw/a/one.gz.more", "raw/a/two.gz", "raw/ab/one.gz"]
    for key in ("raw/a/one.gz", "raw/b/one.gz", *others):
        write(lake, key, b"12345")
    removed = lake.remove(["raw/a/one.gz", "raw/b/one.gz", "raw/a/missing.gz", "raw/a/one.gz"])
    assert removed == 10
    assert sorted(key.partition("@")[0] for key in everything(lake)) == others
    assert lake.remove(["raw/a/one.gz"]) == 0


def test_older_versions_and_delete_markers_are_removed_too(versioned: S3Lake) -> None:
    for content in (b"first", b"second"):
        write(versioned, KEY, content)
    boto3.client("s3").delete_object(Bucket=versioned.bucket, Key=versioned.prefix + KEY)
    assert len(everything(versioned)) == 3
    assert versioned.remove([KEY]) == len(b"firstsecond")
    assert everything(versioned) == {}


def test_more_versions_than_fit_into_a_request_are_removed(versioned: S3Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reddit_etl.lake.s3.DELETED_AT_ONCE", 2)
    keys = [f"raw/a/{number}" for number in range(5)]
    for key in keys:
        write(versioned, key, b"x")
    assert versioned.remove(keys) == 5
    assert everything(versioned) == {}


@pytest.mark.parametrize(
    ("code", "kind", "says"),
    [("AccessDenied", ConfigurationError, "s3:DeleteObjectVersion"), ("InternalError", LakeError, "no")],
)
def test_a_version_that_s3_does_not_remove_is_an_error(
    monkeypatch: pytest.MonkeyPatch, code: str, kind: type[Exception], says: str
) -> None:
    """The answer to the whole request is 200."""
    version = f"<Version><Key>x/{KEY}</Key><VersionId>v1</VersionId><Size>1</Size></Version>"
    listing = f"<ListVersionsResult><IsTruncated>false</IsTruncated>{version}</ListVersionsResult>"
    error = f"<Error><Key>x/{KEY}</Key><Code>{code}</Code><Message>no</Message></Error>"
    answers = {"GET": (200, listing), "POST": (200, f"<DeleteResult>{error}</DeleteResult>")}
    with answering(lambda method, _path: answers[method]) as server:
        for name, value in (ENVIRONMENT | {"AWS_ENDPOINT_URL": server.url}).items():
            monkeypatch.setenv(name, value)
        with pytest.raises(kind, match=says) as caught:
            open_lake("s3://bucket/x").remove([KEY])
    assert KEY in str(caught.value)


def test_what_a_killed_writer_left_is_removed_once_it_is_old(lake: Lake) -> None:
    if isinstance(lake, FolderLake):
        for name in ("raw/posts/.a.jsonl.gz.1a2b3c4d.partial", "somebody's/.a.partial"):
            left = lake.folder / name
            left.parent.mkdir(parents=True)
            left.write_text(MARK)
    else:
        assert isinstance(lake, S3Lake)
        for name in ("raw/a", "somebody's/a"):
            boto3.client("s3").create_multipart_upload(Bucket=lake.bucket, Key=f"{lake.prefix}{name}")
    write(lake, KEY, b"kept")
    # moto calls every upload one of 2010.
    if isinstance(lake, FolderLake):
        assert lake.remove_unfinished(utc_now() - timedelta(hours=1)) == 0
    assert lake.remove_unfinished(datetime(2010, 1, 1)) == 0  # noqa: DTZ001
    assert lake.remove_unfinished(utc_now() + timedelta(hours=1)) == 1
    assert lake.remove_unfinished(utc_now() + timedelta(hours=1)) == 0
    assert lake.read(KEY) == b"kept"


# Successors


def entry(attempt: str, zone: str = "raw") -> DataObject:
    key = raw_key("posts", NOON, attempt, "python-new-100").replace("raw/", f"{zone}/", 1)
    return DataObject(key, 1, "ab", 1)


def successor(replaces: str, attempt: str, *objects: DataObject, **fields: Any) -> Successor:
    header = {"entity": "posts", "hour": "2026-11-23T12", "committed_at": iso(NOON), "attempt": attempt}
    return Successor(**header, replaces=replaces, objects=objects, reason="forgotten", **fields)


def test_a_receipt_s_objects_are_followed_to_what_stands_for_them(lake: Lake) -> None:
    first, second, third, other = entry("a1"), entry("a2"), entry("a3"), entry("b1")
    assert successors.standing(lake, [first, other]) == [first, other]
    successors.put(lake, first.key, successor("a1", "a2", second))
    successors.put(lake, second.key, successor("a2", "a3", third))
    assert successors.standing(lake, [first, other]) == [third, other]
    successors.put(lake, other.key, successor("b1", "b2"))
    assert successors.standing(lake, [first, other]) == [third]


def test_raw_and_rejected_objects_of_an_attempt_have_successors_of_their_own(lake: Lake) -> None:
    successors.put(lake, entry("a1").key, successor("a1", "a2", entry("a2")))
    rejected = entry("a1", "rejected")
    assert successors.standing(lake, [rejected]) == [rejected]


def test_of_two_successors_the_first_counts_for_both(lake: Lake) -> None:
    ours, theirs = successor("a1", "a2", entry("a2")), successor("a1", "a3", entry("a3"))
    assert successors.put(lake, KEY, ours) == ours
    assert successors.put(lake, KEY, theirs) == ours
    assert successors.standing(lake, [entry("a1")]) == [entry("a2")]


def test_a_transformation_has_the_attempt_and_the_columns_of_what_stands_for_it(lake: Lake) -> None:
    def part(attempt: str, number: int) -> DataObject:
        key = f"{curated_prefix('posts', NOON, '0123456789ab', attempt)}part-{number:05}.parquet"
        return DataObject(key, 1, "ab", 1)

    objects = part("a1", 0), part("a1", 1)
    made = Transformed(
        entity="posts",
        hour="2026-11-23T12",
        attempt="a1",
        committed_at=iso(NOON),
        extracts=["x"],
        records=2,
        objects=objects,
        columns={"post_id": "VARCHAR(16)"},
    )
    assert successors.transformed(lake, made) == made
    # Glue writes below a folder of its own in that of the attempt.
    glues = DataObject(part("a2", 0).key.replace("a2/", "a2/1a2b/"), 1, "ab", 1)
    successors.put(lake, objects[1].key, successor("a1", "a2", glues, columns={"title": "VARCHAR(9)"}))
    assert successors.transformed(lake, made) == replace(
        made, attempt="a2", objects=(glues,), columns={"title": "VARCHAR(9)"}
    )
    successors.put(lake, glues.key, successor("a2", "a3"))
    assert (successors.transformed(lake, made).attempt, successors.transformed(lake, made).objects) == ("a3", ())


def test_a_successor_of_an_older_version_is_read(lake: Lake) -> None:
    """It was a whole receipt of a transformation."""
    part = DataObject(f"{curated_prefix('posts', NOON, '0123456789ab', 'a1')}part-00000.parquet", 1, "ab", 1)
    older = asdict(successor("a1", "a2", part, columns={"title": "VARCHAR(9)"}))
    older |= {"extracts": ["python-new-100"], "records": 1, "summaries": {}}
    key = "receipts/dt=2026-11-23/hr=12/successor-posts-0123456789ab-a1.json"
    lake.create(key, json.dumps(older).encode())
    assert successors.read(lake, part.key) == successor("a1", "a2", part, columns={"title": "VARCHAR(9)"})


def test_a_successor_that_cannot_be_read_is_an_error_that_names_it(lake: Lake) -> None:
    lake.create(successor_key(KEY), b"{}")
    with pytest.raises(LakeError, match=r"successor-posts-raw-a1\.json: .*: restore it"):
        successors.standing(lake, [entry("a1")])
    with pytest.raises(LakeError, match="not the key of a data object"):
        successor_key("receipts/dt=2026-11-23/hr=12/extract-posts-x.json")


def test_the_name_of_an_attempt_says_when_it_began_and_when_it_was_read_what_it_holds() -> None:
    first = new_name(lambda: NOON)
    again = new_name(lambda: NOON + timedelta(days=1), replaces=first)
    once_more = new_name(lambda: NOON + timedelta(days=2), replaces=again)
    assert [began(name) for name in (first, again, once_more)] == [NOON + timedelta(days=day) for day in range(3)]
    assert {origin(name) for name in (first, again, once_more)} == {NOON}
    assert began("a1") == origin("a1") == datetime(1970, 1, 1)  # noqa: DTZ001
    assert origin(new_name(lambda: NOON, replaces="a1")) == datetime(1970, 1, 1)  # noqa: DTZ001


# Records and rejects


def put_lines(lake: Lake, key: str, *lines: bytes) -> None:
    write(lake, key, gzip.compress(b"".join(line + b"\n" for line in lines)))


def lines_of(lake: Lake, key: str) -> list[bytes]:
    return gzip.decompress(lake.read(key) or b"").splitlines()


def without(mark: bytes) -> Callable[[bytes], bytes | None]:
    return lambda line: None if mark in line else line.replace(b"name", b"") if b"name" in line else line


TO = raw_key("posts", NOON, "a2", "python-new-100")


def test_lines_that_stay_are_the_same_bytes(lake: Lake, tmp_path: Path) -> None:
    odd = b'{"a": 1.50, "b" :"half \\ud83d", "c":18446744073709551617}'
    put_lines(lake, KEY, odd, b'{"x":"mark"}', b'{"author":"name"}', odd)
    found = rewrite(lake, KEY, TO, without(b"mark"))
    assert found
    [made] = found.objects
    assert lines_of(lake, TO) == [odd, b'{"author":""}', odd]
    assert (found.lines, found.old.rows, made.rows) == (2, 4, 3)
    assert [lake.verified_file(one, tmp_path).stat().st_size for one in (found.old, made)] == [
        found.old.bytes,
        made.bytes,
    ]


def test_an_object_from_which_nothing_is_taken_stays(lake: Lake) -> None:
    put_lines(lake, KEY, b'{"x":1}')
    before = everything(lake)
    assert rewrite(lake, KEY, TO, without(b"mark")) is None
    assert everything(lake) == before


def test_of_an_object_without_a_line_left_there_is_none(lake: Lake) -> None:
    put_lines(lake, KEY, b'{"x":"mark"}')
    found = rewrite(lake, KEY, TO, without(b"mark"))
    assert found
    assert found.objects == ()
    assert lake.read(TO) is None


# Valid but for its compressed data.
BROKEN = gzip.compress(b"")[:10] + b"\xff" * 30


@pytest.mark.parametrize(
    "content",
    [b"nonsense", gzip.compress(b"{}\n" * 1000)[:-9], gzip.compress(b"{]\n"), BROKEN],
    ids=["nonsense", "truncated", "not JSON", "corrupted"],
)
def test_an_object_that_cannot_be_read_is_an_error_that_names_it(lake: Lake, content: bytes) -> None:
    write(lake, KEY, content)
    with pytest.raises(LakeError, match=f"{KEY}: it cannot be read .*: restore it, or remove it"):
        rewrite(lake, KEY, TO, of_records(POSTS, [tombstone("a")]))
    assert lake.read(TO) is None


def test_an_object_that_is_missing_is_called_so(lake: Lake) -> None:
    with pytest.raises(DamagedObjectError):
        rewrite(lake, KEY, TO, without(b"mark"))


def test_an_object_of_any_size_takes_the_same_memory(tmp_path: Path) -> None:
    def peak(lines: int) -> int:
        lake = FolderLake(tmp_path / str(lines))
        with JsonLines(lake, KEY) as file:
            for number in range(lines):
                file.write({"number": number, "noise": os.urandom(1000).hex()})
        tracemalloc.start()
        try:
            assert rewrite(lake, KEY, TO, without(b'"number":7,'))
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(8000) < 1.2 * peak(1000)


def tombstone(id_: str, kind: Kind = Kind.DELETED, *, entity: Entity = POSTS, moment: datetime = NOON) -> Tombstone:
    return Tombstone(entity.name, id_, kind, iso(moment))


def test_a_record_loses_what_the_tombstones_take() -> None:
    change = of_records(POSTS, [tombstone("a"), tombstone("b", Kind.ACCOUNT)])
    lines = {post_id: json.dumps(record(post_id)).encode() for post_id in "abc"}
    assert change(lines["a"]) is None
    assert json.loads(change(lines["b"]) or b"") == record("b") | {"author": None}
    assert change(lines["c"]) is lines["c"]


@pytest.mark.parametrize(
    "payload",
    [
        {"kind": "t3", "data": {"id": "abc"}},
        {"kind": "t3", "data": {"name": "t3_abc", "id": 7}},
        {"kind": "t1", "data": {"id": "xyz", "link_id": "t3_abc"}},
        {"kind": "t3", "data": {"crosspost_parent_list": [{"media": None}, {"id": "abc"}]}},
        {"kind": "t3", "data": {"permalink": "/r/python/comments/abc/a_title/"}},
        {"kind": "t3", "data": {"selftext": "see https://reddit.com/r/python/comments/ABC ok".lower()}},
        {"kind": "t1", "data": {"permalink": "/r/python/comments/zzz/a_title/c0m/"}},
        {"t1_c0m": 1},
        ["t1_c0m"],
    ],
)
def test_a_reject_that_names_it_anywhere_is_dropped(payload: object) -> None:
    change = of_rejects([tombstone("abc"), tombstone("c0m", entity=COMMENTS)])
    assert change(json.dumps({"reason": "id is missing", "payload": payload}).encode()) is None


@pytest.mark.parametrize(
    "payload",
    [
        {"id": "abcd", "name": "t1_abc", "title": "half \ud83d", "ups": 2**64 + 1, "ratio": float("nan")},
        {"permalink": "/r/python/comments/c0m/abc/abc"},
        None,
        7,
    ],
)
def test_a_reject_that_names_another_is_kept(payload: object) -> None:
    change = of_rejects([tombstone("abc"), tombstone("c0m", entity=COMMENTS)])
    line = json.dumps({"reason": "id is missing", "payload": payload}).encode()
    assert change(line) == line


# Curated objects


@pytest.fixture(params=["duckdb", pytest.param("spark", marks=[pytest.mark.slow, pytest.mark.xdist_group("spark")])])
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[TransformEngine]:
    if request.param == "duckdb":
        yield DuckDBTransform()
        return
    with glue(work=request.getfixturevalue("warm_spark")) as server:
        for name, value in (ENVIRONMENT | {"AWS_ENDPOINT_URL_GLUE": server.url}).items():
            monkeypatch.setenv(name, value)
        yield GlueTransform(job=JOB, pause=lambda _: server.runs[-1].done.wait(500) or None)


SELECTION = "0123456789ab"
CURATED = "curated/_rewrite/2026-11-23T12/"


class Curated:
    """Folders of Parquet objects in a lake."""

    def __init__(self, folder: Path) -> None:
        self.lake = FolderLake(folder / "lake")
        self._folder = folder
        self._number = 0

    def add(self, *files: list[dict[str, object]], entity: Entity = POSTS, by: Entity | None = None) -> Folder:
        self._number += 1
        prefix = curated_prefix(entity.name, NOON, SELECTION, f"a{self._number}")
        for number, rows in enumerate(files):
            path = parquet(self._folder / "file.parquet", rows, by or entity)
            self.lake.add_file(path, f"{prefix}part-{number:05}.parquet", len(rows))
        keys = tuple(self.lake.keys(prefix))
        return Folder(entity, keys, curated_prefix(entity.name, NOON, SELECTION, f"b{self._number}"))

    def rows(self, *keys: str) -> tuple[list[str], list[tuple[Any, ...]]]:
        with duckdb.connect() as connection:
            found = connection.read_parquet([str(self.lake.folder / key) for key in keys])
            return found.columns, sorted(found.fetchall(), key=repr)


@pytest.fixture
def curated(tmp_path: Path) -> Curated:
    return Curated(tmp_path)


def comment(comment_id: str, post_id: str, **fields: object) -> dict[str, object]:
    return {
        "comment_id": comment_id,
        "post_id": post_id,
        "subreddit": "python",
        "author": "x",
        "permalink": f"/r/python/comments/{post_id}/a_title/{comment_id}/",
        "created_at": NOON,
        "text_truncated": False,
        "observed_at": NOON,
    } | fields


def test_folders_lose_what_is_taken_and_the_others_stay(engine: TransformEngine, curated: Curated) -> None:
    live = post("c", seen=NOON, title="é 🎉\n", upvote_ratio=0.1)
    later = post("a", seen=NOON + MINUTE)
    folders = [
        curated.add([post("a"), live], [later, live]),
        curated.add([live], [live | {"author": "someone"}]),
        curated.add([comment("c", "a"), comment("a", "z")], entity=COMMENTS),
        curated.add([post("a")]),
        curated.add([post("b", author="someone")]),
        # Named, and yet nothing is taken.
        curated.add([later, post("b")]),
    ]
    before = everything(curated.lake)
    stones = [tombstone("a"), tombstone("b", Kind.ACCOUNT)]
    found = list(engine.rewrite(lake=curated.lake, folders=folders, tombstones=stones, prefix=f"{CURATED}x/"))
    assert [(folders.index(one.folder), one.rows) for one in found] == [(0, 1), (2, 1), (3, 1), (4, 1)]
    objects = {folders.index(one.folder): one.objects for one in found}
    assert {key: content for key, content in everything(curated.lake).items() if key in before} == before
    expected = curated.add([later, live, live])
    assert curated.rows(*(one.key for one in objects[0])) == curated.rows(*expected.keys)
    expected = curated.add([comment("c", "a", permalink=None), comment("a", "z")], entity=COMMENTS)
    assert curated.rows(*(one.key for one in objects[2])) == curated.rows(*expected.keys)
    assert objects[3] == ()
    assert curated.rows(*(one.key for one in objects[4])) == curated.rows(*curated.add([post("b")]).keys)
    for one in found:
        assert len({entry.key.rpartition("/")[0] for entry in one.objects}) <= 1
        for written in one.objects:
            assert written.key.startswith(one.folder.to)
            assert curated.lake.verified_file(written, Path()).exists()


@pytest.mark.parametrize("made_by", [OLDER, NEWER, replace(POSTS, columns=POSTS.columns[:1] + POSTS.columns[12:])])
def test_files_of_another_version_keep_their_columns(
    engine: TransformEngine, curated: Curated, made_by: Entity
) -> None:
    rows = [post(post_id, award_count=9, link_flair_text="flair") for post_id in "ac"]
    folder = curated.add(rows, by=made_by)
    [found] = engine.rewrite(lake=curated.lake, folders=[folder], tombstones=[tombstone("a")], prefix=f"{CURATED}x/")
    [made] = found.objects
    names, left = curated.rows(made.key)
    assert (names, left) == curated.rows(*curated.add(rows[1:], by=made_by).keys)
    assert names == [column.name for column in made_by.curated]


def test_what_is_written_anew_is_written_like_the_transformation_s(engine: TransformEngine, curated: Curated) -> None:
    """Without a column that can have no NULL, and with times that Redshift reads."""
    folder = curated.add([post("a"), post("c")])
    [found] = engine.rewrite(lake=curated.lake, folders=[folder], tombstones=[tombstone("a")], prefix=f"{CURATED}x/")
    path = curated.lake.folder / found.objects[0].key
    assert time_types(path) == {TIME_TYPE}
    with duckdb.connect() as connection:
        schema = connection.execute("SELECT repetition_type FROM parquet_schema(?)", [str(path)]).fetchall()
    assert {kind for (kind,) in schema[1:]} == {"OPTIONAL"}


def test_raw_written_anew_and_transformed_is_curated_written_anew(engine: TransformEngine, curated: Curated) -> None:
    """Python's rule over records, and SQL's over rows."""
    dice = random.Random(7)
    records = [odd_record(dice, place) for place in range(300)]
    stones = [
        tombstone(dice.choice("abcdefghij"), dice.choice(list(Kind)), moment=NOON + dice.randrange(-2, 3) * MINUTE)
        for _ in range(6)
    ]
    lake = curated.lake
    with JsonLines(lake, KEY) as lines:
        for one in records:
            lines.write(one)
    by_rows = _transform(lake, lines.entries(), "x1")
    folder = Folder(POSTS, tuple(one.key for one in by_rows), curated_prefix("posts", NOON, SELECTION, "x2"))
    [of_rows] = engine.rewrite(lake=lake, folders=[folder], tombstones=stones, prefix=f"{CURATED}x/")
    of_lines = rewrite(lake, KEY, TO, of_records(POSTS, stones))
    assert of_lines
    by_lines = _transform(lake, of_lines.objects, "x3")
    left = curated.rows(*(one.key for one in of_rows.objects))
    assert left == curated.rows(*(one.key for one in by_lines))
    assert 50 < len(left[1]) < 250


def odd_record(dice: random.Random, place: int) -> dict[str, object]:
    return record(
        dice.choice("abcdefghijklmnop"),
        seen=NOON + dice.randrange(-5, 6) * MINUTE + timedelta(microseconds=place),
        place=place,
        subreddit=dice.choice(["python", "u_someone", "U_x"]),
        author=dice.choice(["someone", "[deleted]"]),
        selftext=dice.choice(["a text", "[deleted]", "[removed]", ""]),
        removed_by_category=dice.choice([None, None, None, "deleted", "moderator"]),
        crosspost_parent=dice.choice([None, "t3_a", "t3_b", "t3_z"]),
    )


def _transform(lake: FolderLake, inputs: Sequence[DataObject], attempt: str) -> tuple[DataObject, ...]:
    prefix = curated_prefix("posts", NOON, SELECTION, attempt)
    return DuckDBTransform()(entity=POSTS, lake=lake, inputs=inputs, prefix=prefix).objects


def test_a_folder_of_which_an_object_has_disappeared_is_given_without_rows(curated: Curated) -> None:
    folders = [curated.add([post("a")], [post("a")]), curated.add([post("a")])]
    curated.lake.remove([folders[0].keys[1]])
    found = DuckDBTransform().rewrite(
        lake=curated.lake, folders=folders, tombstones=[tombstone("a")], prefix=f"{CURATED}x/"
    )
    assert [(one.folder, one.rows, len(one.objects)) for one in found] == [(folders[0], 0, 0), (folders[1], 1, 0)]


def test_without_a_tombstone_nothing_is_written(engine: TransformEngine, curated: Curated) -> None:
    folder = curated.add([post("a")])
    assert list(engine.rewrite(lake=curated.lake, folders=[folder], tombstones=[], prefix=f"{CURATED}x/")) == []
