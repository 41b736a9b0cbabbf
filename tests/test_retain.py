"""Retention: raw records expire, and the small objects of a day become one, of which every reader finds its rows."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Barrier, Thread
from typing import Any

import boto3
import duckdb
import pytest
from botocore.client import BaseClient
from luigi.retcodes import run_with_retcodes

from jobs import resources
from reddit_etl.entities import ENTITIES, POSTS
from reddit_etl.errors import DamagedObjectError
from reddit_etl.lake import open_lake, successors, tombstones
from reddit_etl.lake.base import Lake, Stored
from reddit_etl.lake.folder import FolderLake
from reddit_etl.lake.inventory import Place
from reddit_etl.lake.layout import curated_prefix, expiry_key, raw_key, rejected_key
from reddit_etl.lake.receipts import Compacted, DataObject, Transformed
from reddit_etl.steps.compact import Compacting
from reddit_etl.steps.expire import Removed, expire
from reddit_etl.steps.units import MOST_BYTES, Source, packed
from reddit_etl.transform.base import Parts, TransformEngine
from reddit_etl.transform.duckdb import DuckDBTransform
from reddit_etl.transform.glue import GlueTransform
from tests.aws import AwsPipeline
from tests.conftest import MINUTE, Pipeline, forget_run
from tests.standins.glue import GlueServer, glue
from tests.standins.payloads import NOON, TIME_TYPE, parquet, post, time_types
from tests.standins.s3 import ENVIRONMENT
from tests.standins.spark import JOB
from tests.test_forget import BOTH, HOURS, Killed, Mortal, assert_forgotten, copy_of, expected, put, reddit, take

RETAIN = datetime(2026, 11, 26)  # noqa: DTZ001
"""The first hour in which the day of the hours is older than the catch-up."""
LATER = RETAIN + timedelta(hours=24)
TASK_FAILED = 30
SELECTION = "0123456789ab"


# Expiry


@pytest.fixture(params=["folder", "s3"])
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> Lake:
    """In S3, in a bucket that keeps versions."""
    if request.param == "folder":
        return FolderLake(tmp_path / "lake")
    url = request.getfixturevalue("s3_lake")
    status = {"Status": "Enabled"}
    boto3.client("s3").put_bucket_versioning(Bucket=url.split("/")[2], VersioningConfiguration=status)
    return open_lake(url)


def write(lake: Lake, key: str, content: bytes = b"12345") -> str:
    with lake.open_new(key) as stream:
        stream.write(content)
    return key


def day(number: int, hour: int = 23) -> datetime:
    return datetime(2026, 11, number, hour)  # noqa: DTZ001


def attempt(began: datetime) -> str:
    return f"{began:%Y%m%dT%H%M%S}-1a2b3c4d"


def test_records_and_rejects_of_old_days_are_removed_with_all_versions(lake: Lake) -> None:
    old, kept = day(19), day(20, 0)
    gone = [
        write(lake, make(entity, old, attempt(old), "python-new-100"))
        for make in (raw_key, rejected_key)
        for entity in ENTITIES
    ]
    write(lake, gone[0], b"another version")
    stay = [
        write(lake, raw_key("posts", kept, attempt(kept), "python-new-100")),
        # An old hour that was run late may not have been transformed yet.
        write(lake, raw_key("posts", old, attempt(day(25)), "python-new-100")),
        write(lake, f"{curated_prefix('posts', old, SELECTION, attempt(old))}part-00000.parquet"),
    ]
    removed = expire(lake, day(26, 0), days=7, clock=lambda: day(26, 0))
    sizes = 20 if isinstance(lake, FolderLake) else 20 + len(b"12345")
    assert removed == Removed(4, 4, sizes + len(b"another version") - 5)
    assert sorted(key for key in lake.keys("") if not key.startswith("receipts/")) == sorted(stay)
    assert sorted(lake.keys("receipts/")) == sorted(map(expiry_key, gone))
    assert lake.remove(gone) == 0
    assert expire(lake, day(26, 0), days=7, clock=lambda: day(26, 0)) == Removed()
    late = expire(lake, day(29, 0), days=7, clock=lambda: day(29, 0))
    assert (late.objects, lake.read(stay[0]), lake.read(stay[1]), lake.read(stay[2])) == (2, None, None, b"12345")


def test_what_a_killed_expiry_left_is_removed_by_the_next(tmp_path: Path) -> None:
    keys = [raw_key("posts", day(1, hour), attempt(day(1)), "python-new-100") for hour in range(3)]
    lake = FolderLake(tmp_path / "lake")
    for key in keys:
        write(lake, key)
    whole = Mortal(copy_of(lake.folder, tmp_path / "whole"), float("inf"))
    expire(whole, RETAIN, days=7, clock=lambda: RETAIN)
    assert whole.changes > 4
    for last in range(whole.changes):
        killed = Mortal(copy_of(lake.folder, tmp_path / str(last)), last)
        with pytest.raises(Killed):
            expire(killed, RETAIN, days=7, clock=lambda: RETAIN)
        # A reader of what is missing finds the reason.
        assert all(killed.read(key) for key in keys) or killed.read(expiry_key(keys[0]))
        killed.last = float("inf")
        expire(killed, RETAIN, days=7, clock=lambda: RETAIN)
        assert list(killed.keys("")) == [expiry_key(keys[0])]
        # Days without objects are not searched for ever.
        assert killed.folders("raw/") == []


def test_a_folder_without_objects_may_disappear_while_an_object_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake, key = FolderLake(tmp_path), raw_key("posts", day(1), "a1", "python-new-100")
    real, removed = Path.open, []

    def removing(self: Path, *given: Any, **more: Any) -> Any:
        if self.name.endswith(".partial") and len(removed) < 2:
            removed.append(shutil.rmtree(tmp_path / "raw"))
        return real(self, *given, **more)

    monkeypatch.setattr(Path, "open", removing)
    write(lake, key)
    assert (lake.read(key), len(removed)) == (b"12345", 2)


# Compaction, from end to end


@pytest.fixture
def make_hours(make_pipeline: Callable[..., Pipeline]) -> Callable[[int], Pipeline]:
    """Makes so many hours of a marked Reddit."""

    def make(hours: int) -> Pipeline:
        made = make_pipeline(content=reddit())
        for hour in HOURS[:hours]:
            assert made.run(hour, listings=BOTH, limit=100) == 0
        return made

    return make


@pytest.fixture
def pipeline(make_hours: Callable[[int], Pipeline]) -> Pipeline:
    return make_hours(len(HOURS))


def run_retain(pipeline: Pipeline, hour: datetime = RETAIN) -> int:
    """The task, as a scheduler starts it."""
    for name, value in pipeline.environment().items():
        pipeline.monkeypatch.setenv(name, value)
    forget_run()
    try:
        run_with_retcodes(["--module", "jobs", "Retain", "--hour", f"{hour:%Y-%m-%dT%H}"])
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def compact(lake: Lake, hour: datetime = RETAIN, engine: TransformEngine | None = None) -> Any:
    """The step alone."""
    return Compacting(lake, hour, lambda: hour + MINUTE, engine or DuckDBTransform(), None).compact()


def standing(lake: Lake) -> dict[str, tuple[DataObject, ...]]:
    """What stands for each transformation, by its receipt."""
    return {
        key: successors.transformed(lake, Transformed.from_json(lake.read(key) or b"", key=key)).objects
        for key in lake.keys("receipts/")
        if "/transform-" in key
    }


def rows(lake: FolderLake) -> dict[str, list[tuple[Any, ...]]]:
    """By entity all curated rows that receipts list, by way of the successors; each object once."""
    found: dict[str, list[tuple[Any, ...]]] = {}
    for name, entity in ENTITIES.items():
        objects = {entry for key, entries in standing(lake).items() if f"-{name}-" in key for entry in entries}
        names = ", ".join(column.name for column in entity.curated)
        with duckdb.connect() as connection:
            for entry in objects:
                path = str(lake.verified_file(entry, Path()))
                read = connection.read_parquet(path, hive_partitioning=False).project(names).fetchall()
                assert len(read) == entry.rows
                found.setdefault(name, []).extend(read)
    return {name: sorted(ones, key=repr) for name, ones in found.items()}


def files(lake: FolderLake) -> list[str]:
    return [key for key in lake.keys("curated/") if key.endswith(".parquet")]


def assert_compact(lake: FolderLake, before: dict[str, list[tuple[Any, ...]]]) -> None:
    """Of each entity there is one object, it stands for every hour, and has the rows of all."""
    assert len(files(lake)) == 2
    assert {entry.key for entries in standing(lake).values() for entry in entries} == set(files(lake))
    assert rows(lake) == before


def contents(pipeline: Pipeline) -> dict[str, list[tuple[object, ...]]]:
    """The warehouse's tables, but for the counts of the loads."""
    return {name: found for name, found in pipeline.tables().items() if name != "load_audit"}


def test_a_day_becomes_one_object_of_each_selection(pipeline: Pipeline) -> None:
    lake = FolderLake(pipeline.lake)
    before = rows(lake)
    assert run_retain(pipeline, RETAIN - timedelta(hours=1)) == 0
    assert len(files(lake)) == 6
    assert run_retain(pipeline) == 0
    assert_compact(lake, before)
    assert len(before["posts"]) == 12
    [_, receipt] = pipeline.receipts("retain-*.json")
    assert receipt["compacted"] == {"days": 2, "merged": 6, "objects": 2, "rows": 21}
    assert receipt["expired"] == {"days": 0, "objects": 0, "bytes": 0}
    # Again, and in later runs, nothing is left to do.
    after = pipeline.files()
    assert run_retain(pipeline) == 0
    assert pipeline.files() == after
    assert run_retain(pipeline, LATER) == 0
    assert {name: content for name, content in pipeline.files().items() if "retain-" not in name} == {
        name: content for name, content in after.items() if "retain-" not in name
    }


def test_raw_expires_in_the_same_run_and_a_rebuild_says_so(
    pipeline: Pipeline, caplog: pytest.LogCaptureFixture
) -> None:
    pipeline.monkeypatch.setenv("RAW_DAYS", "7")
    assert run_retain(pipeline, RETAIN + timedelta(days=3)) == 0
    assert list(pipeline.lake.glob("raw/**/*.gz"))
    assert run_retain(pipeline, RETAIN + timedelta(days=4)) == 0
    assert not list(pipeline.lake.glob("raw/**/*.gz"))
    assert not list(pipeline.lake.glob("rejected/**/*.gz"))
    [*_, receipt] = pipeline.receipts("retain-*.json")
    assert receipt["expired"]["objects"] == 9  # type: ignore[index]
    for path in pipeline.lake.glob("curated/posts/**/*.parquet"):
        path.unlink()
    pipeline.warehouse.unlink()
    assert pipeline.run(HOURS[-1], listings=BOTH, limit=100) == TASK_FAILED
    errors = [str(vars(record).get("error")) for record in caplog.records]
    assert [one for one in errors if "older than RAW_DAYS and were removed: give up its rows and remove " in one]


def test_a_new_warehouse_loads_the_rows_of_a_day_once(pipeline: Pipeline) -> None:
    before = contents(pipeline)
    assert run_retain(pipeline) == 0
    pipeline.warehouse.unlink()
    assert pipeline.run(HOURS[-1], listings=BOTH, limit=100) == 0
    assert contents(pipeline) == before
    audit = "SELECT entity, hour[12:], rows_staged FROM reddit.load_audit ORDER BY ALL"
    assert pipeline.rows(audit) == [
        *[("comments", "04", 9), ("comments", "05", 0), ("comments", "06", 0)],
        *[("posts", "04", 12), ("posts", "05", 0), ("posts", "06", 0)],
    ]


def test_a_warehouse_of_the_middle_of_the_day_becomes_whole(make_hours: Callable[[int], Pipeline]) -> None:
    """Its loads of the first hours are known under other attempts."""
    pipeline = make_hours(1)
    copy = shutil.copy(pipeline.warehouse, pipeline.folder / "copy.duckdb")
    for hour in HOURS[1:]:
        assert pipeline.run(hour, listings=BOTH, limit=100) == 0
    before = contents(pipeline)
    assert run_retain(pipeline) == 0
    shutil.copy(copy, pipeline.warehouse)
    assert pipeline.run(HOURS[-1], listings=BOTH, limit=100) == 0
    assert contents(pipeline) == before


def test_a_merged_object_that_is_lost_is_made_again_from_all_of_its_hours(pipeline: Pipeline) -> None:
    lake = FolderLake(pipeline.lake)
    before, stored = rows(lake), contents(pipeline)
    assert run_retain(pipeline) == 0
    lake.remove([key for key in files(lake) if "posts" in key])
    pipeline.warehouse.unlink()
    assert pipeline.run(HOURS[-1], listings=BOTH, limit=100) == 0
    assert rows(lake) == before
    assert contents(pipeline) == stored
    # What was made on the way is removed.
    assert run_retain(pipeline, LATER) == 0
    assert_compact(lake, before)


def test_an_hour_that_comes_late_is_merged_too(make_hours: Callable[[int], Pipeline]) -> None:
    pipeline = make_hours(2)
    lake = FolderLake(pipeline.lake)
    compact(lake)
    assert pipeline.run(HOURS[2], listings=BOTH, limit=100) == 0
    before, stored = rows(lake), contents(pipeline)
    assert len(files(lake)) == 4
    compact(lake, LATER)
    assert_compact(lake, before)
    lake.remove(files(lake))
    pipeline.warehouse.unlink()
    assert pipeline.run(HOURS[2], listings=BOTH, limit=100) == 0
    assert (rows(lake), contents(pipeline)) == (before, stored)


def test_objects_with_other_columns_and_large_ones_stay(
    pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = FolderLake(copy_of(pipeline.lake, tmp_path / "columns"))
    [path] = lake.folder.glob("receipts/**/hr=05/transform-posts-*.json")
    path.write_text(path.read_text().replace("VARCHAR(4096)", "VARCHAR(9999)"))
    before = rows(lake)
    assert compact(lake).merged == 5
    assert len(files(lake)) == 3
    assert rows(lake) == before
    lake = FolderLake(pipeline.lake)
    sizes = {
        entity: [path.stat().st_size for path in lake.folder.glob(f"curated/{entity}/**/*.parquet")]
        for entity in ENTITIES
    }
    with monkeypatch.context() as patch:
        patch.setattr("reddit_etl.steps.units.MOST_BYTES", 2 * min(map(min, sizes.values())))
        assert compact(lake).merged == 0
    # As many together as fit.
    monkeypatch.setattr("reddit_etl.steps.units.MOST_BYTES", int(2.9 * max(sizes["posts"])))
    compact(lake)
    assert len([key for key in files(lake) if "posts" in key]) == 2
    assert rows(lake) == before


def test_a_run_merges_so_many_and_the_next_one_goes_on(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = FolderLake(pipeline.lake)
    before = rows(lake)
    monkeypatch.setattr("reddit_etl.steps.compact.MOST_UNITS", 1)
    assert [compact(lake).merged for _ in range(3)] == [3, 3, 0]
    assert_compact(lake, before)


def test_a_large_object_is_not_merged_with_small_ones() -> None:
    sources = []
    for number, size in enumerate([2, MOST_BYTES // 2, 1, MOST_BYTES // 2 - 1, MOST_BYTES // 2 - 1]):
        key = f"{curated_prefix('posts', day(1, number), SELECTION, f'a{number}')}part-00000.parquet"
        header = {"entity": "posts", "hour": "2026-11-01T00", "attempt": f"a{number}", "committed_at": ""}
        listed = Transformed(**header, extracts=["x"], records=1, objects=(DataObject(key, size, "ab", 1),))
        place = Place.parse(key)
        assert place
        sources.append(Source(place, listed))
    [unit] = packed(POSTS, sources)
    assert [source.standing.attempt for source in unit.sources] == ["a0", "a2", "a3"]


class Counting(FolderLake):
    """Counts what would be requests to S3, and the keys of raw records."""

    requests = 0

    def read(self, key: str) -> bytes | None:
        self.requests += 1
        return super().read(key)

    def stored(self, prefix: str) -> Iterator[Stored]:
        self.requests += 1
        for one in super().stored(prefix):
            self.requests += prefix.startswith("raw/")
            yield one


def test_a_run_costs_the_same_after_any_number_of_days(tmp_path: Path) -> None:
    def requests(days: int) -> int:
        lake = Counting(tmp_path / str(days))
        for number in range(1, days + 1):
            prefix = curated_prefix("posts", day(number, 0), f"{SELECTION}00000000", attempt(day(number)))
            write(lake, f"{prefix}part-00000.parquet")
            write(lake, raw_key("posts", day(number, 0), attempt(day(number)), "python-new-100"))
        compact(lake, LATER)
        expire(lake, LATER, days=90, clock=lambda: LATER)
        return lake.requests

    assert requests(20) == requests(2) == 6 + 2


def test_a_damaged_object_is_not_merged(pipeline: Pipeline, caplog: pytest.LogCaptureFixture) -> None:
    lake = FolderLake(pipeline.lake)
    [path] = pipeline.lake.glob("curated/posts/**/hr=05/**/*.parquet")
    content = path.read_bytes()
    path.write_bytes(content[:100] + b"?" + content[101:])
    compact(lake)
    assert "objects not merged" in caplog.text
    assert len(files(lake)) == 4
    path.write_bytes(content)
    before = rows(lake)
    compact(lake)
    assert_compact(lake, before)


# Compaction and forgetting


def test_what_is_taken_back_leaves_the_merged_objects(pipeline: Pipeline) -> None:
    lake = FolderLake(pipeline.lake)
    before = rows(lake)
    compact(lake)
    put(pipeline, RETAIN)
    take(lake, RETAIN)
    assert_forgotten(lake.folder)
    assert_compact(lake, expected(before))
    pipeline.server.content.posts.pop("a")  # type: ignore[attr-defined]
    pipeline.warehouse.unlink()
    assert pipeline.run(HOURS[-1], listings=BOTH, limit=100) == 0
    assert pipeline.rows("SELECT DISTINCT post_id FROM reddit.post_metrics ORDER BY 1") == [("b",), ("d",), ("x",)]


def test_a_merged_object_stays_without_the_receipt_of_its_first_hour(pipeline: Pipeline) -> None:
    """Such as is removed to repeat a transformation."""
    lake = FolderLake(pipeline.lake)
    before = rows(lake)
    compact(lake)
    for path in pipeline.lake.glob("receipts/**/hr=04/transform-*.json"):
        path.unlink()
    put(pipeline, LATER)
    take(lake, LATER)
    assert_forgotten(lake.folder)
    assert rows(lake) == expected(before)


@pytest.mark.parametrize("first", [True, False])
def test_forgetting_while_objects_are_merged_takes_it_from_all(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, *, first: bool
) -> None:
    """Whichever of the two replaces an hour's objects first; at the latest by the next day's runs of both."""
    lake = put(pipeline, RETAIN)
    before = rows(lake)
    real = DuckDBTransform.merge if first else DuckDBTransform.rewrite
    meanwhile = (lambda: take(lake, RETAIN)) if first else (lambda: compact(lake))

    def interrupted(self: DuckDBTransform, **given: Any) -> Iterator[Any]:
        for number, done in enumerate(real(self, **given)):
            if not number:
                with monkeypatch.context() as patch:
                    patch.setattr(DuckDBTransform, real.__name__, real)
                    meanwhile()
            yield done

    with monkeypatch.context() as patch:
        patch.setattr(DuckDBTransform, real.__name__, interrupted)
        _ = compact(lake) if first else take(lake, RETAIN)
    if not first:
        assert_forgotten(lake.folder)
    put(pipeline, LATER, [])
    take(lake, LATER)
    assert_forgotten(lake.folder)
    compact(lake, LATER)
    assert_compact(lake, expected(before))


# Faults


@pytest.mark.slow
def test_a_kill_at_any_step_is_made_good_by_the_next_run(make_hours: Callable[[int], Pipeline], tmp_path: Path) -> None:
    pipeline = make_hours(2)
    before = rows(FolderLake(pipeline.lake))
    whole = Mortal(copy_of(pipeline.lake, tmp_path / "whole"), float("inf"))
    compact(whole)
    assert whole.changes > 20
    for last in range(whole.changes):
        lake = Mortal(copy_of(pipeline.lake, tmp_path / str(last)), last)
        with pytest.raises(Killed):
            compact(lake)
        # Whoever reads in between finds everything, and some of it twice.
        assert {name: set(found) for name, found in rows(lake).items()} == {
            name: set(found) for name, found in before.items()
        }
        lake.last = float("inf")
        # What the killed attempt wrote without a receipt is removed once it is old.
        compact(lake, LATER)
        compact(lake, LATER + timedelta(hours=24))
        assert_compact(lake, before)
        shutil.rmtree(lake.folder)


def at_once(*works: Callable[[], object]) -> None:
    """Do all at the same time."""
    together, errors = Barrier(len(works)), []

    def run(work: Callable[[], object]) -> None:
        together.wait()
        try:
            work()
        except Exception as error:  # noqa: BLE001
            errors.append(error)

    threads = [Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


@pytest.mark.slow
def test_two_runs_at_once_end_as_one(make_hours: Callable[[int], Pipeline], tmp_path: Path) -> None:
    pipeline = make_hours(2)
    before = rows(FolderLake(pipeline.lake))
    for number in range(6):
        lake = FolderLake(copy_of(pipeline.lake, tmp_path / str(number)))
        at_once(partial(compact, lake), partial(compact, lake))
        assert_compact(lake, before)


@pytest.mark.slow
def test_forgetting_and_merging_at_once_end_as_both(make_hours: Callable[[int], Pipeline], tmp_path: Path) -> None:
    """At the latest with the runs of the next day."""
    pipeline = make_hours(2)
    before = rows(put(pipeline, RETAIN))
    tombstones.put(FolderLake(pipeline.lake), LATER, "noticed", [])
    for number in range(6):
        lake = FolderLake(copy_of(pipeline.lake, tmp_path / str(number)))
        at_once(partial(compact, lake), partial(take, lake, RETAIN))
        take(lake, LATER)
        assert_forgotten(lake.folder)
        compact(lake, LATER)
        assert_compact(lake, expected(before))


@pytest.mark.parametrize("is_same", [True, False])
def test_of_two_receipts_the_first_counts(pipeline: Pipeline, *, is_same: bool) -> None:
    """It may list the same objects, which a single run of Glue has written for both."""

    class Beaten(FolderLake):
        def create(self, key: str, content: bytes) -> bool:
            if "/compact-" in key:
                first = Compacted.from_json(content, key=key)
                if not is_same:
                    name = first.objects[0].key.replace(first.attempt, "20261126T000000-00000000")
                    self.add_file(self.folder / first.objects[0].key, name, first.objects[0].rows)
                    first = replace(first, objects=(replace(first.objects[0], key=name),))
                super().create(key, replace(first, committed_at="2026-11-26T00:00:00.000000Z").to_json())
            return super().create(key, content)

    lake = Beaten(pipeline.lake)
    before = rows(lake)
    compact(lake)
    assert_compact(lake, before)


def test_the_sources_stay_if_what_was_merged_is_lost(pipeline: Pipeline) -> None:
    class Lossy(Mortal):
        def create(self, key: str, content: bytes) -> bool:
            if "/compact-posts-" in key:
                self.remove([one.key for one in Compacted.from_json(content, key=key).objects])
            return super().create(key, content)

    lake = Lossy(pipeline.lake, float("inf"))
    before = rows(lake)
    with pytest.raises(DamagedObjectError, match="which a receipt lists, is missing"):
        compact(lake)
    assert rows(lake) == before


# The engines


@pytest.fixture(params=["duckdb", pytest.param("spark", marks=pytest.mark.slow)])
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[TransformEngine]:
    if request.param == "duckdb":
        yield DuckDBTransform()
        return
    with glue(work=request.getfixturevalue("warm_spark")) as server:
        for name, value in (ENVIRONMENT | {"AWS_ENDPOINT_URL_GLUE": server.url}).items():
            monkeypatch.setenv(name, value)
        yield GlueTransform(job=JOB, pause=lambda _: server.runs[-1].done.wait(500) or None)


def test_merged_rows_are_there_once_and_written_like_the_transformation_s(
    engine: TransformEngine, tmp_path: Path
) -> None:
    lake = FolderLake(tmp_path / "lake")
    every = [
        [[post("a"), post("b", title="é 🎉\n", upvote_ratio=0.1)], [post("b", seen=NOON + MINUTE), post("c")]],
        [[post("a"), post("b")], [post("a", seen=NOON + MINUTE), post("b")]],
    ]
    all_parts = []
    for number, found in enumerate(every):
        objects = [
            lake.add_file(
                parquet(tmp_path / "file.parquet", ones),
                f"{curated_prefix('posts', NOON, SELECTION, f'a{number}{place}')}part-00000.parquet",
                len(ones),
            )
            for place, ones in enumerate(found)
        ]
        all_parts.append(Parts(POSTS, tuple(objects), curated_prefix("posts", NOON, f"{SELECTION}00", f"m{number}")))
    done = list(engine.merge(lake=lake, all_parts=all_parts, prefix="curated/_merge/2026-11-23T12/"))
    assert [one.parts.to for one in done] == [one.to for one in all_parts]
    for merged, found in zip(done, every, strict=True):
        [entry] = merged.objects
        path = lake.verified_file(entry, Path())
        distinct = {repr(one): one for ones in found for one in ones}
        parquet(tmp_path / "expected.parquet", distinct.values())
        read = []
        with duckdb.connect() as connection:
            for file in (path, tmp_path / "expected.parquet"):
                relation = connection.read_parquet(str(file), hive_partitioning=False)
                read.append((relation.columns, sorted(relation.fetchall(), key=repr)))
            schema = connection.execute("SELECT repetition_type FROM parquet_schema(?)", [str(path)]).fetchall()
        assert read[0] == read[1]
        assert entry.rows == len(distinct)
        assert time_types(path) == {TIME_TYPE}
        assert {kind for (kind,) in schema[1:]} == {"OPTIONAL"}


# On AWS's stand-ins


def partitions(pipeline: AwsPipeline, server: GlueServer) -> dict[tuple[str, ...], str]:
    """Of posts, each with where it lies below the lake."""
    client: Any = boto3.client("glue", endpoint_url=server.url)
    answer = client.get_partitions(DatabaseName=pipeline.settings["GLUE_DATABASE"], TableName="posts")
    start = f"{pipeline.settings['LAKE_URL']}/"
    return {
        tuple(one["Values"]): one["StorageDescriptor"]["Location"].removeprefix(start) for one in answer["Partitions"]
    }


def visible(found: dict[tuple[str, ...], str]) -> int:
    """The rows that Athena would read."""
    lake = resources.lake()
    keys = [key for place in found.values() for key in lake.keys(place) if key.endswith(".parquet")]
    count = 0
    with TemporaryDirectory() as scratch, duckdb.connect() as connection:
        for key in keys:
            path = str(lake.local_file(key, Path(scratch)))
            count += len(connection.read_parquet(path, hive_partitioning=False))
    return count


@pytest.mark.parametrize("engine_name", ["duckdb", "glue"])
def test_on_aws_one_partition_has_the_rows_of_all(
    on_aws: Callable[..., AwsPipeline], glue_server: GlueServer, monkeypatch: pytest.MonkeyPatch, engine_name: str
) -> None:
    pipeline = on_aws(content=reddit())
    pipeline.settings["TRANSFORM_ENGINE"] = engine_name
    for hour in HOURS[:2]:
        assert pipeline.run(hour, listings=BOTH, limit=100) == 0
    before, total = partitions(pipeline, glue_server), 8
    assert len(before) == 2
    assert visible(before) == total
    runs, seen = len(glue_server.runs), []
    real = BaseClient._make_api_call  # type: ignore[attr-defined]

    def watched(client: Any, name: str, parameters: Any) -> Any:
        answer = real(client, name, parameters)
        if "Partition" in name and not name.startswith("Get") and parameters["TableName"] == "posts":
            with monkeypatch.context() as patch:
                patch.setattr(BaseClient, "_make_api_call", real)
                seen.append((name, visible(partitions(pipeline, glue_server))))
        return answer

    with monkeypatch.context() as patch:
        patch.setattr(BaseClient, "_make_api_call", watched)
        assert run_retain(pipeline) == 0
    # Between any two requests Athena finds each row once.
    assert seen == [("CreatePartition", total), ("BatchUpdatePartition", total), ("BatchDeletePartition", total)]
    # One run of Glue's for all.
    assert len(glue_server.runs) == runs + (engine_name == "glue")
    [(values, place)] = partitions(pipeline, glue_server).items()
    assert values[:2] == ("2026-11-23", "04")
    assert values[2].startswith(sorted(before)[0][2])
    assert place.startswith("curated/posts/dt=2026-11-23/hr=04/")
    # Nor is anything left of what lay beside the objects.
    assert [key for key in pipeline.keys("curated/posts/") if key.split("/")[:6] != place.split("/")[:6]] == []
    stored = contents(pipeline)
    # Publishing an hour again changes nothing.
    for path in pipeline.keys("receipts/"):
        if "/publish-posts-" in path:
            resources.lake().remove([path])
    assert pipeline.run(HOURS[1], listings=BOTH, limit=100) == 0
    assert partitions(pipeline, glue_server) == {values: place}
    # A new warehouse has all rows.
    assert contents(pipeline) == stored
    on_aws("other", content=reddit())
    assert pipeline.run(HOURS[1], listings=BOTH, limit=100) == 0
    assert contents(pipeline) == stored


def test_partitions_that_a_killed_run_left_are_ended_before_their_objects_are_removed(
    on_aws: Callable[..., AwsPipeline], glue_server: GlueServer
) -> None:
    pipeline = on_aws(content=reddit())
    for hour in HOURS[:2]:
        assert pipeline.run(hour, listings=BOTH, limit=100) == 0
    with pipeline.monkeypatch.context() as patch:
        patch.setattr("reddit_etl.steps.compact.publish", _killed)
        assert run_retain(pipeline) == TASK_FAILED
    assert visible(partitions(pipeline, glue_server)) == 8
    assert run_retain(pipeline) == 0
    found = partitions(pipeline, glue_server)
    assert (len(found), visible(found)) == (1, 8)


def _killed(*_: object, **__: object) -> None:
    raise Killed


def test_an_hour_that_was_deleted_by_hand_after_its_day_was_merged_is_loaded_again(pipeline: Pipeline) -> None:
    """The warehouse knows the merged object by then, as it was loaded again before."""
    assert run_retain(pipeline) == 0
    pipeline.warehouse.unlink()
    assert pipeline.run(HOURS[-1], listings=BOTH, limit=100) == 0
    before = contents(pipeline)
    for hour in (HOURS[-1], *HOURS[1:]):
        with duckdb.connect(str(pipeline.warehouse)) as connection:
            connection.execute("DELETE FROM reddit.load_audit WHERE hour = ?", [hour])
            for table in ("posts", "post_metrics", "comments", "comment_metrics"):
                lost = f"DELETE FROM reddit.{table} WHERE date_trunc('hour', observed_at) = ?"
                connection.execute(lost, [f"{hour}:00"])
        assert contents(pipeline) != before
        assert pipeline.run(HOURS[-1], listings=BOTH, limit=100) == 0
        assert contents(pipeline) == before
