"""Forgetting from end to end: no byte of what was taken back is left in the lake, and all else is as it was."""

import gzip
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Barrier, Thread
from typing import Any

import boto3
import duckdb
import pytest
from luigi.retcodes import run_with_retcodes

from jobs import resources
from reddit_etl.clock import iso
from reddit_etl.entities import COMMENTS, ENTITIES, POSTS
from reddit_etl.entities.schema import Entity
from reddit_etl.errors import LakeError
from reddit_etl.lake import successors, tombstones
from reddit_etl.lake.base import Lake
from reddit_etl.lake.folder import FolderLake
from reddit_etl.lake.layout import ZONES, tombstones_key
from reddit_etl.lake.receipts import Extracted, Forgotten, Transformed
from reddit_etl.lake.tombstones import Kind, Tombstone
from reddit_etl.steps.forget import Stores, forget
from reddit_etl.steps.forget_lake import LakeForgetting
from reddit_etl.transform.duckdb import DuckDBTransform
from reddit_etl.warehouse.duckdb import DuckDBWarehouse
from tests import commands
from tests.aws import AwsPipeline
from tests.conftest import MINUTE, Pipeline, bare_environment, forget_run, pipelines
from tests.standins.glue import GlueServer
from tests.standins.marked import MarkedReddit, mark

HOURS = [f"2026-11-23T{hour:02}" for hour in range(4, 7)]
FORGET = datetime(2026, 11, 23, 8)  # noqa: DTZ001
BOTH = ["new", "comments"]
CREATED = datetime(2026, 11, 23, 3)  # noqa: DTZ001
TASK_FAILED = 30
MISCONFIGURED = 78

# The post `a` and the comment `c2` were deleted; the account of the author of post `d` and of comment `c3`, too.
GONE = [(POSTS, "a", Kind.DELETED), (COMMENTS, "c2", Kind.GONE)]
ACCOUNTS = [(POSTS, "d", Kind.ACCOUNT), (COMMENTS, "c3", Kind.ACCOUNT)]


def reddit() -> MarkedReddit:
    made = MarkedReddit()
    for id_ in "abd":
        made.add_post(id_)
    # Its URL has the title of the original.
    made.add_post(
        "x", crosspost_parent="t3_a", url=f"/r/python/comments/a/{mark(POSTS, 'a')}slug/", domain="self.python"
    )
    # Rejected, with the original nested in it.
    made.add_post("r", created_utc=None, crosspost_parent_list=[made.posts["a"]])
    made.add_post("s", created_utc=None)
    for number, post_id in enumerate("abb", start=1):
        made.add_comment(f"c{number}", post_id)
    return made


def stones(moment: datetime = FORGET) -> list[Tombstone]:
    return [Tombstone(entity.name, id_, kind, iso(moment)) for entity, id_, kind in (*GONE, *ACCOUNTS)]


@pytest.fixture
def make_hours(make_pipeline: Callable[..., Pipeline]) -> Callable[[int], Pipeline]:
    """Makes so many hours of a marked Reddit."""

    def make(hours: int) -> Pipeline:
        made = make_pipeline(content=reddit())
        for hour in HOURS[:hours]:
            assert made.run(hour, listings=BOTH, limit=100) == 0
        return made

    return make


@pytest.fixture(scope="module")
def three_hours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in whose folder `kept` is what three hours left."""
    folder = tmp_path_factory.mktemp("three-hours")
    with pytest.MonkeyPatch.context() as patch:
        bare_environment(patch)
        with pipelines(folder, patch) as make:
            made = make(content=reddit())
            for hour in HOURS:
                assert made.run(hour, listings=BOTH, limit=100) == 0
    made.folder.rename(folder / "kept")
    return folder


@pytest.fixture
def pipeline(three_hours: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pipeline]:
    """At their old place, for where a warehouse is is part of its receipts' names."""
    place = three_hours / "run"
    shutil.copytree(three_hours / "kept", place)
    with pipelines(three_hours, monkeypatch) as make:
        yield make(content=reddit())
    shutil.rmtree(place)


def run_forget(pipeline: Pipeline, hour: datetime = FORGET, *names: str) -> int:
    """The task, as a scheduler starts it."""
    for name, value in pipeline.environment().items():
        pipeline.monkeypatch.setenv(name, value)
    forget_run()
    try:
        run_with_retcodes(["--module", "jobs", "Forget", "--hour", f"{hour:%Y-%m-%dT%H}", *names])
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def take(lake: FolderLake, hour: datetime = FORGET, name: str = "noticed") -> Forgotten:
    """The step alone."""
    warehouse = DuckDBWarehouse(lake.folder.parent / "warehouse.duckdb", clock=lambda: hour + MINUTE)
    stores = Stores(lake, DuckDBTransform(), None, warehouse)
    return forget(stores, hour, name, clock=lambda: hour + MINUTE)


def put(pipeline: Pipeline, hour: datetime = FORGET, ones: list[Tombstone] | None = None) -> FolderLake:
    lake = FolderLake(pipeline.lake)
    assert tombstones.put(lake, hour, "noticed", stones(hour) if ones is None else ones)
    return lake


def texts(lake: Path) -> dict[str, bytes]:
    """Every file as it is, and with what is compressed in it."""
    found = {}
    for path in (path for path in lake.rglob("*") if path.is_file()):
        content = path.read_bytes()
        if path.suffix == ".gz":
            content += gzip.decompress(content)
        if path.suffix == ".parquet":
            with duckdb.connect() as connection:
                content += repr(connection.read_parquet(str(path), hive_partitioning=False).fetchall()).encode()
        found[str(path.relative_to(lake))] = content
    return found


def places_of(text: str, lake: Path) -> list[str]:
    return [name for name, content in texts(lake).items() if text.encode() in content]


def assert_forgotten(lake: Path) -> None:
    for entity, id_, _ in GONE:
        assert places_of(mark(entity, id_), lake) == [], (entity.name, id_)
    for entity, id_, _ in ACCOUNTS:
        assert places_of(f"{mark(entity, id_)}author", lake) == [], (entity.name, id_)
    # What was not taken back is still there, in each zone.
    for entity, id_ in ((POSTS, "b"), (POSTS, "d"), (POSTS, "x"), (COMMENTS, "c1"), (COMMENTS, "c3")):
        zones = {name.partition("/")[0] for name in places_of(mark(entity, id_), lake)}
        assert zones == {"raw", "curated"}, (entity.name, id_)
    assert {name.partition("/")[0] for name in places_of(mark(POSTS, "s"), lake)} == {"rejected"}


def rows(lake: FolderLake) -> dict[str, list[tuple[Any, ...]]]:
    """By entity all curated rows that receipts list, by way of the successors."""
    found: dict[str, list[tuple[Any, ...]]] = {}
    for key in lake.keys("receipts/"):
        for entity in ENTITIES.values():
            if f"/transform-{entity.name}-" in key:
                listed = successors.transformed(lake, Transformed.from_json(lake.read(key) or b"", key=key))
                with duckdb.connect() as connection:
                    for entry in listed.objects:
                        path = str(lake.verified_file(entry, Path()))
                        names = ", ".join(column.name for column in entity.curated)
                        read = connection.read_parquet(path, hive_partitioning=False).project(names).fetchall()
                        assert len(read) == entry.rows
                        found.setdefault(entity.name, []).extend(read)
    return {name: sorted(ones, key=repr) for name, ones in found.items()}


def listed(lake: FolderLake) -> set[str]:
    """The objects that stand for what receipts list."""
    found = set()
    for key in lake.keys("receipts/"):
        content = lake.read(key) or b""
        if "/extract-" in key:
            extract = Extracted.from_json(content, key=key)
            found |= {one.key for one in successors.standing(lake, [*extract.objects, *extract.rejected])}
        elif "/transform-" in key:
            transform = successors.transformed(lake, Transformed.from_json(content, key=key))
            found |= {one.key for one in transform.objects}
    return found


def expected(before: dict[str, list[tuple[Any, ...]]]) -> dict[str, list[tuple[Any, ...]]]:
    """The rows without what the tombstones take, by the rule as a person would apply it."""

    def left(entity: Entity, row: tuple[Any, ...]) -> tuple[Any, ...] | None:
        values = dict(zip((column.name for column in entity.curated), row, strict=True))
        if (entity, values[entity.key]) in [one[:2] for one in GONE]:
            return None
        if (entity, values[entity.key]) in [one[:2] for one in ACCOUNTS]:
            values["author"] = None
        if entity is COMMENTS and values["post_id"] == "a":
            values["permalink"] = None
        if entity is POSTS and values["crosspost_parent_id"] == "a":
            values |= {"url": None, "domain": None}
        return tuple(values.values())

    return {
        name: sorted((one for row in ones if (one := left(ENTITIES[name], row))), key=repr)
        for name, ones in before.items()
    }


def test_no_byte_is_left_and_all_else_is_as_it_was(pipeline: Pipeline) -> None:
    lake = put(pipeline)
    before = rows(lake)
    assert run_forget(pipeline) == 0
    assert_forgotten(pipeline.lake)
    assert rows(lake) == expected(before)
    # Nor in the warehouse.
    for entity, id_, _ in GONE:
        assert places_of(mark(entity, id_), pipeline.folder) == []
    assert len(before["posts"]) == 12
    assert len(before["comments"]) == 9


def test_the_receipt_has_counts_and_digests_and_nothing_of_what_it_was(pipeline: Pipeline) -> None:
    lake = put(pipeline)
    files = {name: content for name, content in pipeline.files().items() if name.endswith((".gz", ".parquet"))}
    assert run_forget(pipeline) == 0
    [receipt] = pipeline.receipts("forget-all-noticed-*.json")
    assert receipt["lists"] == [tombstones_key(FORGET, "noticed")]
    assert receipt["tombstones"] == 4
    assert receipt["noticed_at"] == iso(FORGET)
    assert receipt["gone_at"] == iso(FORGET + MINUTE)
    assert receipt["lake"] == {
        # Of posts a, d and x, of comments c1, c2 and c3, in each of three hours.
        "raw": {"replaced": 6, "rows": 18, "removed": 6, "bytes": _bytes(files, "raw/")},
        "rejected": {"replaced": 3, "rows": 3, "removed": 3, "bytes": _bytes(files, "rejected/")},
        "curated": {"replaced": 6, "rows": 18, "removed": 6, "bytes": _bytes(files, "curated/")},
    }
    digests: Any = receipt["digests"]
    old = {one for pair in digests for one in pair["old"]}
    assert len(digests) == 15
    assert old == {digest(content) for content in files.values()}
    left = {name: content for name, content in pipeline.files().items() if name.endswith((".gz", ".parquet"))}
    assert {one for pair in digests for one in pair["new"]} == {digest(content) for content in left.values()}
    assert not set(left) & set(files)
    assert lake.read(tombstones_key(FORGET, "noticed"))


def _bytes(files: dict[str, bytes], prefix: str) -> int:
    return sum(len(content) for name, content in files.items() if name.startswith(prefix))


def digest(content: bytes) -> str:
    return sha256(content).hexdigest()


def test_the_same_run_again_and_the_next_ones_change_nothing(pipeline: Pipeline) -> None:
    lake = put(pipeline)
    assert run_forget(pipeline) == 0
    before = pipeline.files()
    assert run_forget(pipeline) == 0
    assert pipeline.files() == before
    for hours in (1, 24, 30, 48):
        put(pipeline, FORGET + timedelta(hours=hours), [])
        receipt = take(lake, FORGET + timedelta(hours=hours))
        assert not any(counts for zone in receipt.lake.values() for counts in zone.values())
    assert {name: content for name, content in pipeline.files().items() if name in before} == before


def test_a_later_live_observation_is_kept(pipeline: Pipeline) -> None:
    lake = put(pipeline, ones=stones(datetime(2026, 11, 23, 5)))  # noqa: DTZ001
    take(lake)
    found = {(row[0], row[-2].hour) for row in rows(lake)["posts"]}
    assert {hour for post_id, hour in found if post_id == "a"} == {5, 6}
    assert {hour for post_id, hour in found if post_id == "b"} == {4, 5, 6}


def test_a_new_warehouse_gets_what_is_left(pipeline: Pipeline) -> None:
    put(pipeline)
    assert run_forget(pipeline) == 0
    pipeline.server.content.posts.pop("a")  # type: ignore[attr-defined]
    pipeline.warehouse.unlink()
    assert pipeline.run("2026-11-23T09", listings=["new"], limit=100) == 0
    assert pipeline.rows("SELECT post_id, count(*) FROM reddit.post_metrics GROUP BY 1 ORDER BY 1") == [
        ("b", 4),
        ("d", 4),
        ("x", 4),
    ]
    assert pipeline.rows("SELECT comment_id FROM reddit.comments ORDER BY 1") == [("c1",), ("c3",)]


def test_a_load_reads_what_stands_for_its_objects_while_the_old_ones_are_still_there(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = put(pipeline)
    with monkeypatch.context() as patch:
        patch.setattr(FolderLake, "remove", lambda *_: 0)
        take(lake)
    pipeline.warehouse.unlink()
    assert pipeline.run(HOURS[-1], listings=BOTH, limit=100) == 0
    loads = {str(load_id).rpartition("/")[2] for (load_id,) in pipeline.rows("SELECT load_id FROM reddit.load_audit")}
    assert loads == {str(one["attempt"]) for one in pipeline.receipts("successor-*.json") if one["columns"]}


def test_what_is_rebuilt_from_raw_brings_nothing_back(pipeline: Pipeline) -> None:
    lake = put(pipeline)
    before = rows(lake)
    assert run_forget(pipeline) == 0
    for path in pipeline.lake.glob("curated/posts/**/hr=05/**/*.parquet"):
        path.unlink()
    pipeline.warehouse.unlink()
    assert pipeline.run(HOURS[-1], listings=BOTH, limit=100) == 0
    assert_forgotten(pipeline.lake)
    assert rows(lake) == expected(before)


def test_an_hour_that_was_not_transformed_yet_is_without_it(pipeline: Pipeline) -> None:
    lake = put(pipeline)
    before = rows(lake)
    for path in [
        *pipeline.lake.glob("receipts/**/hr=05/[tl]*.json"),
        *pipeline.lake.glob("curated/**/hr=05/**/*.parquet"),
    ]:
        path.unlink()
    assert run_forget(pipeline) == 0
    assert pipeline.run(HOURS[1], listings=BOTH, limit=100) == 0
    assert_forgotten(pipeline.lake)
    assert rows(lake) == expected(before)


# What is to be forgotten


def test_what_the_warehouse_and_the_looks_notice_is_forgotten(pipeline: Pipeline) -> None:
    content: Any = pipeline.server.content
    content.posts["b"] |= {"selftext": "[deleted]", "author": "[deleted]", "removed_by_category": "deleted"}
    content.posts["d"] |= {"author": "[deleted]"}
    content.comments["c3"] |= {"body": "[removed]", "author": "[deleted]"}
    content.comments.pop("c2")
    later = "2026-11-23T07"
    assert pipeline.run(later, listings=BOTH, limit=100) == 0
    [path] = pipeline.lake.glob("receipts/**/hr=07/extract-comments-*.json")
    looks = json.loads(path.read_text()) | {"gone": ["t1_c2"], "objects": [], "rejected": []}
    path.with_name("extract-posts-sandbox.refresh-posts-sweep-020h.json").write_text(json.dumps(looks))
    plan = {name: looks[name] for name in ("entity", "hour", "attempt", "committed_at")}
    plan |= {"until": looks["committed_at"], "due": [f"t1_c2 sweep {iso(CREATED)}"], "missed": 0, "loads": []}
    path.with_name("plan-posts-sandbox.refresh-posts-sweep-020h.json").write_text(json.dumps(plan))
    assert run_forget(pipeline) == 0
    lake, day = FolderLake(pipeline.lake), "2026-11-23"
    seen = iso(datetime.fromisoformat(later) + MINUTE)
    assert tombstones.read(lake, tombstones_key(FORGET, "noticed")) == [
        Tombstone("comments", "c2", Kind.GONE, str(looks["committed_at"]), day),
        Tombstone("comments", "c3", Kind.REMOVED, seen, day),
        Tombstone("posts", "b", Kind.DELETED, seen, day),
        Tombstone("posts", "d", Kind.ACCOUNT, seen, day),
    ]
    for entity, id_ in ((POSTS, "b"), (COMMENTS, "c2"), (COMMENTS, "c3")):
        assert places_of(mark(entity, id_), pipeline.lake) == []
    assert places_of(f"{mark(POSTS, 'd')}author", pipeline.lake) == []
    assert pipeline.rows("SELECT post_id, author FROM reddit.posts ORDER BY 1") == [
        ("a", f"{mark(POSTS, 'a')}author"),
        ("d", None),
        ("x", f"{mark(POSTS, 'x')}author"),
    ]
    # Another attempt, and one in another warehouse, work from the same list.
    put_before = pipeline.files()[tombstones_key(FORGET, "noticed")]
    pipeline.receipts("forget-*.json")
    for receipt in pipeline.lake.glob("receipts/**/forget-*.json"):
        receipt.unlink()
    assert run_forget(pipeline) == 0
    assert pipeline.files()[tombstones_key(FORGET, "noticed")] == put_before
    # And the next run finds nothing that it has not noticed already.
    assert run_forget(pipeline, FORGET + timedelta(hours=1)) == 0
    assert tombstones.read(lake, tombstones_key(FORGET + timedelta(hours=1), "noticed")) in (
        [],
        [Tombstone("comments", "c2", Kind.GONE, str(looks["committed_at"]), day)],
    )


def test_what_ended_before_it_was_created_is_not_read(make_hours: Callable[[int], Pipeline]) -> None:
    """The hours of its objects do not say when they were observed, as an old hour may be run late."""
    pipeline = make_hours(1)
    lake = put(pipeline)
    days = ("2026-11-24", "2026-11-23")
    found = [[replace(one, created_on=day) for one in stones()] for day in days]
    [path] = pipeline.lake.glob("raw/posts/**/*.gz")
    path.write_bytes(b"nonsense")
    work = LakeForgetting(lake, FORGET, clock=lambda: FORGET, engine=DuckDBTransform(), catalog=None)
    work.take(found[0])
    assert not work.errors
    for number, taken in enumerate((found[1], [*found[0], stones()[0]]), start=1):
        work.take(taken)
        assert str(work.errors[number - 1]).count("cannot be read")
    path.parent.rename(path.parents[1] / path.parent.name.replace("20261123", "20261125"))
    work.take(found[0])
    assert len(work.errors) == 3


def test_tombstones_without_a_day_of_creation_are_read(tmp_path: Path) -> None:
    lake, key = FolderLake(tmp_path), tombstones_key(FORGET, "noticed")
    stone = stones()[0]
    old = [stone.entity, stone.id, stone.kind, stone.moment]
    lake.create(key, json.dumps({"tombstones": [old, [*old, "2026-11-23"]]}).encode())
    assert tombstones.read(lake, key) == [stone, replace(stone, created_on="2026-11-23")]
    assert tombstones.earliest(tombstones.read(lake, key)) is None
    lake.remove([key])
    lake.create(key, json.dumps({"tombstones": [[*old, "yesterday"]]}).encode())
    with pytest.raises(LakeError, match="not a list of tombstones"):
        tombstones.read(lake, key)


def jobs(pipeline: Pipeline, *words: str) -> "subprocess.CompletedProcess[str]":
    return commands.run("-m", "jobs", *words, env=os.environ | pipeline.environment())


def command(pipeline: Pipeline, *words: str) -> "subprocess.CompletedProcess[str]":
    return jobs(pipeline, "forget", *words)


def test_a_person_s_request_is_done_at_once_and_proved(pipeline: Pipeline) -> None:
    proof = command(pipeline, "--prove", "t3_a", "t1_c2", "t3_none")
    assert proof.returncode == 1
    places = [tuple(line.split(": ", 1)) for line in proof.stdout.splitlines()]
    assert len(places) == len(set(places))
    # The URL of a comment has the title of its post.
    zones = ["raw/posts", "raw/comments", "rejected/posts", "curated/posts", "curated/comments"]
    for name, there, tables in (
        ("t3_a", zones, {"posts", "post_metrics", "comments"}),
        ("t1_c2", ["raw/comments", "curated/comments"], {"comments", "comment_metrics"}),
    ):
        found = [place for one, place in places if one == name]
        assert [sum(f"{pipeline.lake}/{zone}/" in place for place in found) for zone in there] == [3] * len(there)
        assert {place.rpartition(".")[2] for place in found if place.startswith("duckdb:")} == tables
        assert len(found) == 3 * len(there) + len(tables)
    found_nothing = f"nothing found in {pipeline.lake} and duckdb:///{pipeline.warehouse}\n"
    # A name that was mistyped must not pass for a proof.
    never = found_nothing.replace("\n", "; it was never to be forgotten: check the name\n")
    assert proof.stdout.endswith(f"t3_none: {never}")
    done = command(pipeline, "t3_a", "t1_c2")
    assert (done.returncode, done.stderr.count("error")) == (0, 0)
    assert (
        "replaced objects: 6 raw, 3 rejected, 6 curated; posts and comments removed from the warehouse: 2"
        in done.stdout
    )
    proof = command(pipeline, "--prove", "t3_a", "t1_c2")
    assert (proof.returncode, proof.stdout) == (0, f"t3_a: {found_nothing}t1_c2: {found_nothing}")
    assert places_of(mark(POSTS, "a"), pipeline.folder) == []
    assert places_of(mark(COMMENTS, "c2"), pipeline.folder) == []
    [receipt] = pipeline.receipts("forget-all-request-*.json")
    assert receipt["tombstones"] == 2


def test_a_request_of_what_is_not_stored_says_so_and_is_recorded(pipeline: Pipeline) -> None:
    recorded = "the request is recorded, and applies to late loads too\n"
    assert command(pipeline, "t3_none", "t3_none").stdout.endswith(
        f"warehouse: 0\nt3_none: not found in any store; {recorded}"
    )
    [receipt] = pipeline.receipts("forget-all-request-*.json")
    rows = "SELECT entity, id, kind FROM reddit.tombstones"
    assert pipeline.rows(rows) == [("posts", "none", "request")]
    repeated = command(pipeline, "t3_none")
    assert repeated.stdout.endswith(f"warehouse: 0\nt3_none: requested before, and not found in any store; {recorded}")
    assert '"tombstones": 1, "removed": 0,' in repeated.stderr
    # The repeated request covers what was observed since the first one, in the same row.
    assert pipeline.rows(rows) == [("posts", "none", "request")]
    assert receipt["tombstones"] == 1
    # Of the post `s` only rejects are stored.
    assert command(pipeline, "t3_none", "t3_a", "t3_s").stdout.endswith(
        f"warehouse: 1\nt3_none: requested before, and not found in the warehouse; {recorded}"
        f"t3_s: not found in the warehouse; {recorded}"
    )
    assert pipeline.request("t3_a") == 0


@pytest.mark.parametrize("given", [["t3_a"], ["--prove", "t3_a"]])
def test_stores_that_are_not_there_are_no_proof(make_hours: Callable[[int], Pipeline], given: list[str]) -> None:
    pipeline = make_hours(1)
    pipeline.warehouse.rename(pipeline.folder / "elsewhere.duckdb")
    done = command(pipeline, *given)
    assert (done.returncode, done.stdout) == (TASK_FAILED, "")
    assert "is not there yet" in done.stderr
    pipeline.lake.rename(pipeline.folder / "elsewhere")
    done = command(pipeline, *given)
    assert (done.returncode, done.stdout) == (MISCONFIGURED, "")
    assert "has no receipts" in done.stderr
    assert not pipeline.lake.exists()


def test_what_was_observed_after_the_request_s_own_time_is_forgotten_too(pipeline: Pipeline) -> None:
    """As in the sandbox, which has hours of the future."""
    late = (datetime.now(UTC).replace(tzinfo=None) + timedelta(days=2)).strftime("%Y-%m-%dT%H")
    assert pipeline.run(late, listings=BOTH, limit=100) == 0
    assert command(pipeline, "t3_a").returncode == 0
    assert command(pipeline, "--prove", "t3_a").returncode == 0


def test_what_is_forgotten_is_no_difference_between_the_stores(pipeline: Pipeline) -> None:
    lake = put(pipeline)
    # A run that was killed before it had rewritten anything in the lake.
    DuckDBWarehouse(pipeline.folder / "warehouse.duckdb").forget(lake, tombstones_key(FORGET, "noticed"))
    for _ in ("before the lake", "and after it"):
        compared = jobs(pipeline, "reconcile", "--first", HOURS[0], "--last", HOURS[-1], "--deep")
        assert (compared.returncode, compared.stdout.count("\n")) == (0, 1)
        assert compared.stdout.startswith("lake and warehouse agree on ")
        take(lake)


@pytest.mark.parametrize("name", ["abc", "t5_abc", "t3_", "t3_a b", "T3_abc", "t3_abc/"])
def test_a_name_of_another_form_is_refused(make_hours: Callable[[int], Pipeline], name: str) -> None:
    pipeline = make_hours(0)
    before = pipeline.files()
    done = command(pipeline, "t3_a", name)
    assert (done.returncode, done.stdout) == (MISCONFIGURED, "")
    assert done.stderr == f"{name!r} is not a name of a post or a comment: use t3_abc or t1_abc\n"
    assert pipeline.files() == before


# Attempts that are at work, or were killed, while it is forgotten


def test_an_extract_whose_receipt_comes_later_is_without_it(pipeline: Pipeline) -> None:
    lake = put(pipeline)
    before = rows(lake)
    hidden = {path: path.read_bytes() for path in pipeline.lake.glob("receipts/**/hr=05/*.json")}
    for path in hidden:
        path.unlink()
    for path in pipeline.lake.glob("curated/**/hr=05/**/*.parquet"):
        path.unlink()
    take(lake)
    for path, content in hidden.items():
        if path.name.startswith("extract-"):
            path.write_bytes(content)
    assert pipeline.run(HOURS[1], listings=BOTH, limit=100) == 0
    assert_forgotten(pipeline.lake)
    assert rows(lake) == expected(before)


def test_a_transformation_whose_receipt_comes_later_is_done_by_the_run_of_the_next_day(pipeline: Pipeline) -> None:
    lake = put(pipeline)
    before = rows(lake)
    hidden = {path: path.read_bytes() for path in pipeline.lake.glob("receipts/**/hr=06/transform-*.json")}
    for path in hidden:
        path.unlink()
    assert run_forget(pipeline) == 0
    for path, content in hidden.items():
        path.write_bytes(content)
    tomorrow = FORGET + timedelta(hours=24)
    put(pipeline, tomorrow, [])
    receipt = take(lake, tomorrow)
    assert len(receipt.lists) == 2
    assert_forgotten(pipeline.lake)
    assert rows(lake) == expected(before)


def test_what_no_receipt_will_ever_list_is_removed_once_it_is_old(pipeline: Pipeline) -> None:
    lake = put(pipeline)
    before = rows(lake)
    killed = []
    for path in pipeline.lake.glob("curated/posts/**/hr=06/sel=*/*/*.parquet"):
        # Another attempt of a transformation that has ended, what Spark left in the folder of the one that counts, and
        # an attempt of a transformation that has not.
        killed += [
            path.parents[1] / "20261123T060500-00000000" / path.name,
            path.parent / "_temporary/0" / path.name,
            path.parents[2] / "sel=000000000000/20261123T060500-00000000" / path.name,
        ]
        for copy in killed:
            copy.parent.mkdir(parents=True)
            copy.write_bytes(path.read_bytes())
    take(lake)
    assert all(path.exists() for path in killed)
    tomorrow = FORGET + timedelta(hours=24)
    put(pipeline, tomorrow, [])
    take(lake, tomorrow)
    assert not any(path.exists() for path in killed)
    assert_forgotten(pipeline.lake)
    assert rows(lake) == expected(before)


def test_a_half_written_file_of_a_killed_process_is_removed(pipeline: Pipeline) -> None:
    lake = put(pipeline)
    left = pipeline.lake / "raw/posts/.x.jsonl.gz.1a2b3c4d.partial"
    left.write_text(mark(POSTS, "a"))
    os.utime(left, (0, 0))
    take(lake)
    assert_forgotten(pipeline.lake)


def test_a_comment_that_is_looked_at_again_loses_the_title_of_the_deleted_post(pipeline: Pipeline) -> None:
    put(pipeline)
    assert run_forget(pipeline) == 0
    tomorrow = FORGET + timedelta(days=1)
    put(pipeline, tomorrow, [])
    assert run_forget(pipeline, tomorrow) == 0
    content: Any = pipeline.server.content
    for things, ids in ((content.posts, "ar"), (content.comments, ["c2"])):
        for id_ in ids:
            things.pop(id_)
    # The authors' accounts are still gone.
    for entity, id_, _ in ACCOUNTS:
        getattr(content, entity.name)[id_]["author"] = "[deleted]"
    later = FORGET + timedelta(hours=47)
    assert pipeline.run(f"{later:%Y-%m-%dT%H}", listings=BOTH, limit=100) == 0
    assert places_of(mark(POSTS, "a"), pipeline.lake)
    day_after = FORGET + timedelta(days=2)
    lake = put(pipeline, day_after, [])
    # The tombstones of the first day are no longer worked through for what was read then.
    assert tombstones_key(FORGET, "noticed") not in take(lake, day_after).lists
    assert_forgotten(pipeline.lake)


def test_what_was_written_anew_counts_as_what_was_read_then(pipeline: Pipeline) -> None:
    lake = put(pipeline)
    take(lake)
    work = LakeForgetting(lake, FORGET, clock=lambda: FORGET, engine=DuckDBTransform(), catalog=None)
    before = pipeline.files()
    seen = datetime.fromisoformat(HOURS[1])
    work.take([Tombstone("posts", "b", Kind.DELETED, iso(FORGET))], since=seen)
    changed = {name.split("hr=")[1][:2] for name in set(before) - set(pipeline.files())}
    assert changed == {"05", "06"}
    work.take([Tombstone("posts", "d", Kind.DELETED, iso(FORGET))], since=FORGET)
    assert len(places_of(mark(POSTS, "d"), pipeline.lake)) == 6


# Faults


class Killed(BaseException):
    """The end of the process, as far as Python can show it."""


class Mortal(FolderLake):
    """Ends the process before or after one of its changes."""

    def __init__(self, folder: Path, last: float) -> None:
        super().__init__(folder)
        self.last, self.changes = last, 0

    def _count(self) -> None:
        self.changes += 1
        if self.changes > self.last:
            raise Killed

    @contextmanager
    def open_new(self, key: str) -> Iterator[Any]:
        self._count()
        with super().open_new(key) as stream:
            yield stream
        self._count()

    def create(self, key: str, content: bytes) -> bool:
        self._count()
        try:
            return super().create(key, content)
        finally:
            self._count()

    def remove(self, keys: Any) -> int:
        self._count()
        removed = 0
        for key in keys:
            removed += super().remove([key])
            self._count()
        return removed


@pytest.mark.slow
def test_a_kill_at_any_step_is_made_good_by_the_next_run(make_hours: Callable[[int], Pipeline], tmp_path: Path) -> None:
    pipeline = make_hours(1)
    before = rows(put(pipeline))
    whole = Mortal(copy_of(pipeline.lake, tmp_path / "whole"), float("inf"))
    take(whole)
    assert whole.changes > 20
    for last in range(whole.changes):
        lake = Mortal(copy_of(pipeline.lake, tmp_path / str(last)), last)
        with pytest.raises(Killed):
            take(lake)
        # Whoever reads in between finds everything.
        assert {row for row in rows(lake)["posts"] if row[0] == "b"} == {
            row for row in before["posts"] if row[0] == "b"
        }
        lake.last = float("inf")
        take(lake)
        assert_forgotten(lake.folder)
        assert rows(lake) == expected(before), last
        shutil.rmtree(lake.folder)


def copy_of(folder: Path, to: Path) -> Path:
    shutil.copytree(folder, to)
    return to


@pytest.mark.slow
def test_two_runs_at_once_end_as_one(make_hours: Callable[[int], Pipeline], tmp_path: Path) -> None:
    pipeline = make_hours(1)
    before = rows(put(pipeline))
    for attempt in range(6):
        lake = FolderLake(copy_of(pipeline.lake, tmp_path / str(attempt)))
        together, errors = Barrier(2), []

        def run(lake: FolderLake = lake, together: Barrier = together, errors: list[Exception] = errors) -> None:
            together.wait()
            try:
                take(lake)
            except Exception as error:  # noqa: BLE001
                errors.append(error)

        threads = [Thread(target=run) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == []
        assert_forgotten(lake.folder)
        assert rows(lake) == expected(before)
        # What the one wrote in vain is gone.
        assert {key for zone in ZONES for key in lake.keys(f"{zone}/")} == listed(lake)


def test_a_transformation_whose_inputs_are_replaced_while_it_reads_them_reads_what_stands_for_them(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = put(pipeline)
    before = rows(lake)
    for path in [
        *pipeline.lake.glob("receipts/**/hr=06/[tl]*.json"),
        *pipeline.lake.glob("curated/**/hr=06/**/*.parquet"),
    ]:
        path.unlink()
    real = DuckDBTransform.__call__
    taken = []

    def first_forget(self: DuckDBTransform, **given: Any) -> Any:
        if not taken:
            taken.append(take(lake))
        return real(self, **given)

    monkeypatch.setattr(DuckDBTransform, "__call__", first_forget)
    assert pipeline.run(HOURS[2], listings=BOTH, limit=100) == 0
    assert taken
    assert_forgotten(pipeline.lake)
    assert rows(lake) == expected(before)


def test_a_load_whose_objects_are_replaced_while_it_reads_them_loads_what_stands_for_them(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    lake = put(pipeline)
    pipeline.warehouse.unlink()
    real = Lake.verified_file
    taken = []

    def first_forget(self: Lake, entry: Any, scratch: Path) -> Path:
        if not taken and entry.key.startswith("curated/"):
            taken.append(True)
            take(lake)
        return real(self, entry, scratch)

    monkeypatch.setattr(Lake, "verified_file", first_forget)
    assert pipeline.run(HOURS[2], listings=BOTH, limit=100) == 0
    assert taken
    assert pipeline.rows("SELECT DISTINCT post_id FROM reddit.post_metrics ORDER BY 1") == [("b",), ("d",), ("x",)]
    assert pipeline.receipts("successor-*.json")
    assert "rebuilding" not in caplog.text


def test_tombstones_that_are_missing_or_damaged_are_an_error_that_names_them(
    pipeline: Pipeline, caplog: pytest.LogCaptureFixture
) -> None:
    pipeline.lake.joinpath(tombstones_key(FORGET, "noticed")).parent.mkdir(parents=True)
    pipeline.lake.joinpath(tombstones_key(FORGET, "noticed")).write_text("{}")
    assert run_forget(pipeline) == TASK_FAILED
    assert "not a list of tombstones" in str([vars(record).get("error") for record in caplog.records])


# On AWS's stand-ins: Glue's runs, partitions of the catalog, versions in the bucket


@pytest.mark.parametrize("work", ["duckdb", pytest.param("spark", marks=pytest.mark.xdist_group("spark"))])
def test_on_aws_the_partitions_lie_where_nothing_is_left_to_forget(
    on_aws: Callable[..., AwsPipeline], glue_server: GlueServer, work: str, request: pytest.FixtureRequest
) -> None:
    pipeline = on_aws(content=reddit())
    if work == "spark":
        glue_server.work = request.getfixturevalue("warm_spark")
    lake_url = pipeline.settings["LAKE_URL"]
    bucket = lake_url.split("/")[2]
    client: Any = boto3.client("s3")
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for hour in HOURS[:2]:
        assert pipeline.run(hour, listings=BOTH, limit=100) == 0
    lake = resources.lake()
    before = {key.partition("/")[0] for key in lake.keys("")}
    assert {"raw", "rejected", "curated"} <= before
    runs = len(glue_server.runs)
    assert tombstones.put(lake, FORGET, "noticed", stones())
    assert run_forget(pipeline) == 0
    # One run for all hours.
    assert len(glue_server.runs) == runs + 1
    catalog: Any = boto3.client("glue", endpoint_url=glue_server.url)
    for entity, per_hour in ((POSTS, 3), (COMMENTS, 2)):
        answer = catalog.get_partitions(DatabaseName=pipeline.settings["GLUE_DATABASE"], TableName=entity.name)
        places = [one["StorageDescriptor"]["Location"] for one in answer["Partitions"]]
        assert len(places) == 2
        for place in places:
            keys = [key for key in lake.keys(place.removeprefix(f"{lake_url}/")) if key.endswith(".parquet")]
            assert len(keys) == 1
            [(count,)] = _query(lake, keys[0], "count(*)")
            assert count == per_hour
            assert mark(POSTS, "a") not in str(_query(lake, keys[0], "*"))
    versions = client.list_object_versions(Bucket=bucket)
    assert not versions.get("DeleteMarkers")
    for one in versions["Versions"]:
        content = client.get_object(Bucket=bucket, Key=one["Key"], VersionId=one["VersionId"])["Body"].read()
        content += gzip.decompress(content) if one["Key"].endswith(".gz") else b""
        assert mark(POSTS, "a").encode() not in content, one["Key"]
    assert run_forget(pipeline) == 0
    assert len(glue_server.runs) == runs + 1


def _query(lake: Lake, key: str, what: str) -> list[tuple[Any, ...]]:
    with TemporaryDirectory() as scratch, duckdb.connect() as connection:
        path = lake.local_file(key, Path(scratch))
        return connection.read_parquet(str(path), hive_partitioning=False).project(what).fetchall()


def test_a_partition_that_a_killed_run_left_behind_is_set_before_its_objects_are_removed(
    on_aws: Callable[..., AwsPipeline], glue_server: GlueServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = on_aws(content=reddit())
    assert pipeline.run(HOURS[0], listings=BOTH, limit=100) == 0
    lake = resources.lake()
    assert tombstones.put(lake, FORGET, "noticed", stones())
    with monkeypatch.context() as patch:
        patch.setattr("reddit_etl.steps.forget_lake.publish", _killed)
        assert run_forget(pipeline) == TASK_FAILED
    assert run_forget(pipeline) == 0
    catalog: Any = boto3.client("glue", endpoint_url=glue_server.url)
    for entity in ENTITIES:
        answer = catalog.get_partitions(DatabaseName=pipeline.settings["GLUE_DATABASE"], TableName=entity)
        [place] = [one["StorageDescriptor"]["Location"] for one in answer["Partitions"]]
        folder = place.removeprefix(f"{pipeline.settings['LAKE_URL']}/")
        assert [key for key in resources.lake().keys(folder) if key.endswith(".parquet")]


def _killed(*_: object) -> None:
    raise Killed
