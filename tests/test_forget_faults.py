"""Forgetting beside other runs, after kills that nobody repeats, with objects that are damaged or were restored."""

import os
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from jobs import resources
from jobs.reconcile import reconcile
from reddit_etl.catalog.glue import Catalog
from reddit_etl.clock import iso
from reddit_etl.entities import POSTS
from reddit_etl.errors import CatalogError, EtlError, LakeError
from reddit_etl.lake import tombstones
from reddit_etl.lake.folder import FolderLake
from reddit_etl.lake.layout import receipt_key, tombstones_key
from reddit_etl.lake.receipts import Forgotten
from reddit_etl.lake.tombstones import Kind, Tombstone
from reddit_etl.steps.forget import Stores, forget, plan
from reddit_etl.steps.forget_lake import LakeForgetting
from reddit_etl.transform.duckdb import DuckDBTransform, Records
from reddit_etl.warehouse.duckdb import DuckDBWarehouse
from tests.aws import AwsPipeline
from tests.conftest import Pipeline, forget_run
from tests.standins.marked import mark
from tests.test_forget import (
    BOTH,
    FORGET,
    GONE,
    HOURS,
    TASK_FAILED,
    Killed,
    Mortal,
    assert_forgotten,
    copy_of,
    expected,
    make_hours,  # noqa: F401
    pipeline,  # noqa: F401
    places_of,
    put,
    reddit,
    rows,
    stones,
    take,
    three_hours,  # noqa: F401
)

DAY = timedelta(days=1)


# Beside other runs


@pytest.mark.parametrize("reads", [(Records, "shape"), (DuckDBWarehouse, "_load")])
def test_what_is_replaced_between_its_check_and_its_reading_is_read_where_it_stands_now(
    pipeline: Pipeline,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    reads: tuple[type, str],
) -> None:
    lake = put(pipeline)
    before = rows(lake)
    for path in [
        *pipeline.lake.glob("receipts/**/hr=06/[tl]*.json"),
        *pipeline.lake.glob("curated/**/hr=06/**/*.parquet"),
    ]:
        path.unlink()
    pipeline.warehouse.unlink()
    real, taken = getattr(*reads), []

    def first_forget(*given: Any) -> Any:
        if not taken:
            taken.append(take(lake))
        return real(*given)

    monkeypatch.setattr(*reads, first_forget)
    assert pipeline.run(HOURS[2], listings=BOTH, limit=100) == 0
    assert taken
    take(lake)
    assert_forgotten(pipeline.lake)
    assert rows(lake) == expected(before)


def test_a_comparison_beside_it_finds_no_difference(
    pipeline: Pipeline,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    lake = put(pipeline)
    real, taken = DuckDBWarehouse.compare, []

    def first_forget(*given: Any) -> Any:
        if not taken:
            taken.append(take(lake))
        return real(*given)

    monkeypatch.setattr(DuckDBWarehouse, "compare", first_forget)
    for name, value in pipeline.environment().items():
        monkeypatch.setenv(name, value)
    forget_run()
    assert reconcile(FORGET - DAY, FORGET) == 0
    assert capsys.readouterr().out.startswith("lake and warehouse agree on ")
    assert taken


def test_what_another_run_with_other_tombstones_has_put_there_is_searched_too(
    pipeline: Pipeline,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Before this run reads an object, or after that."""
    lake = FolderLake(pipeline.lake)
    mine, theirs = (
        LakeForgetting(lake, FORGET, clock=lambda: FORGET, engine=DuckDBTransform(), catalog=None) for _ in "12"
    )
    deleted = [[Tombstone("posts", id_, Kind.DELETED, iso(FORGET))] for id_ in "ab"]
    real, taken = FolderLake.existing_file, []

    def first_the_other(self: FolderLake, key: str, scratch: Path) -> Path:
        if not taken:
            taken.append(key)
            theirs.take(deleted[0])
        return real(self, key, scratch)

    monkeypatch.setattr(FolderLake, "existing_file", first_the_other)
    mine.take(deleted[1])
    assert places_of(f"{mark(POSTS, 'b')}selftext", pipeline.lake) == []


@pytest.mark.parametrize("compared", ["publish", "location"])
def test_a_partition_that_another_run_sets_meanwhile_is_where_the_objects_are(
    on_aws: Callable[..., AwsPipeline],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    compared: str,
) -> None:
    made, taken = on_aws(content=reddit()), []

    def first_forget(real: Callable[..., Any], *given: Any, **named: Any) -> Any:
        if not taken:
            taken.append(tombstones.put(resources.lake(), FORGET, "noticed", stones()))
            all_stores = Stores(resources.lake(), DuckDBTransform(), resources.catalog(), resources.warehouse())
            forget(all_stores, FORGET, "noticed", clock=lambda: FORGET)
        return real(*given, **named)

    real = getattr(Catalog, compared)
    with monkeypatch.context() as patch:
        # A load would set it too.
        patch.setattr(Catalog, "prepare", lambda *_, **__: (_ for _ in ()).throw(CatalogError("unavailable")))
        assert made.run(HOURS[0], listings=BOTH, limit=100) == TASK_FAILED
    monkeypatch.setattr(Catalog, compared, lambda *given, **named: first_forget(real, *given, **named))
    assert made.run(HOURS[0], listings=BOTH, limit=100) == 0
    forget_run()
    hour = datetime.fromisoformat(HOURS[0])
    capsys.readouterr()
    assert reconcile(hour, hour) == 0
    assert capsys.readouterr().out.startswith("lake, catalog and warehouse agree on ")
    assert taken


# Kills that nobody repeats


def done(lake: FolderLake, hour: datetime, name: str = "noticed", ones: Sequence[Tombstone] = ()) -> Forgotten:
    """A whole run, with its receipt."""
    tombstones.put(lake, hour, name, ones)
    receipt = take(lake, hour, name)
    assert lake.create(receipt_key("forget", "all", hour, f"{name}-abc"), receipt.to_json())
    return receipt


@pytest.mark.slow
def test_a_request_that_was_killed_anywhere_is_finished_by_the_next_maintenance(
    make_hours: Callable[[int], Pipeline],  # noqa: F811
    tmp_path: Path,
) -> None:
    lake = FolderLake(make_hours(1).lake)
    before = rows(lake)
    done(lake, FORGET)
    asked = FORGET + timedelta(hours=2)
    tombstones.put(lake, asked, "request-1", stones(asked))
    whole = Mortal(copy_of(lake.folder, tmp_path / "whole"), float("inf"))
    take(whole, asked, "request-1")
    for last in range(0, whole.changes, 3):
        mortal = Mortal(copy_of(lake.folder, tmp_path / str(last)), last)
        with pytest.raises(Killed):
            take(mortal, asked, "request-1")
        mortal.last = float("inf")
        done(mortal, FORGET + DAY)
        assert_forgotten(mortal.folder)
        assert rows(mortal) == expected(before)


def test_a_run_for_an_earlier_hour_that_was_killed_is_finished_too(
    pipeline: Pipeline,  # noqa: F811
) -> None:
    """As one by hand, or of a machine whose clock is wrong."""
    lake = FolderLake(pipeline.lake)
    for days in (0, 1, 2):
        done(lake, FORGET + days * DAY)
    tombstones.put(lake, FORGET + timedelta(hours=1), "request-1", stones())
    assert places_of(mark(POSTS, "a"), pipeline.lake)
    receipt = done(lake, FORGET + 3 * DAY)
    assert_forgotten(pipeline.lake)
    assert tombstones_key(FORGET, "noticed") not in receipt.lists


def test_a_request_in_between_hides_nothing_that_shows_since_the_last_maintenance(
    make_hours: Callable[[int], Pipeline],  # noqa: F811
) -> None:
    """Which then failed for days."""
    made = make_hours(1)
    lake, content = FolderLake(made.lake), made.server.content
    done(lake, FORGET)
    content.posts["b"] |= {"selftext": "[deleted]", "author": "[deleted]", "removed_by_category": "deleted"}  # type: ignore[attr-defined]
    assert made.run("2026-11-23T09", listings=BOTH, limit=100) == 0
    done(lake, FORGET + 5 * DAY, "request-1")
    later = FORGET + 6 * DAY
    stores = Stores(lake, DuckDBTransform(), None, DuckDBWarehouse(made.warehouse))
    plan(stores, later, "noticed", clock=lambda: later, with_removed=True)
    assert [one.id for one in tombstones.read(lake, tombstones_key(later, "noticed"))] == ["b"]


# Objects that were restored, damaged, or are no objects of ours


def test_what_is_restored_from_a_backup_is_removed_again_however_old_it_is(
    pipeline: Pipeline,  # noqa: F811
) -> None:
    lake = FolderLake(pipeline.lake)
    before = rows(lake)
    files = {name: content for name, content in pipeline.files().items() if not name.startswith("receipts/")}
    done(lake, FORGET, ones=stones())
    for days in (1, 2):
        done(lake, FORGET + days * DAY)
    for name, content in files.items():
        path = pipeline.lake / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        # As tools for backups do.
        os.utime(path, (0, 0))
    done(lake, FORGET + 3 * DAY)
    assert_forgotten(pipeline.lake)
    assert rows(lake) == expected(before)


@pytest.mark.parametrize("damaged", ["raw/posts", "raw/comments", "rejected", "curated/posts"])
def test_an_object_that_cannot_be_read_holds_up_no_other(
    pipeline: Pipeline,  # noqa: F811
    damaged: str,
) -> None:
    lake = put(pipeline)
    path = next(path for path in sorted(pipeline.lake.glob(f"{damaged}/**/hr=05/**/*.*")) if path.is_file())
    path.write_bytes(b"nonsense")
    with pytest.raises(EtlError, match=path.name) as error:
        take(lake)
    assert str(path.relative_to(pipeline.lake)) in str(error.value)
    path.unlink()
    for entity, id_, _ in GONE:
        assert places_of(mark(entity, id_), pipeline.folder) == [], (entity.name, id_)


def test_a_damaged_object_that_can_be_read_is_not_taken_for_whole(
    pipeline: Pipeline,  # noqa: F811
) -> None:
    lake = put(pipeline)
    before = rows(lake)
    [path] = pipeline.lake.glob("curated/posts/**/hr=05/**/*.parquet")
    with duckdb.connect() as connection:
        some = connection.read_parquet(str(path), hive_partitioning=False).limit(2)
        some.write_parquet(str(pipeline.folder / "some.parquet"))
    (pipeline.folder / "some.parquet").rename(path)
    with pytest.raises(EtlError, match=f"{path.name}: it does not match its receipt"):
        take(lake)
    path.unlink()
    for name, value in pipeline.environment().items():
        pipeline.monkeypatch.setenv(name, value)
    forget_run()
    assert reconcile(FORGET - DAY, FORGET, repair=True) == 0
    take(lake)
    assert_forgotten(pipeline.lake)
    assert rows(lake) == expected(before)


def test_a_receipt_of_looks_that_is_damaged_is_named(pipeline: Pipeline) -> None:  # noqa: F811
    [path] = pipeline.lake.glob("receipts/**/hr=05/extract-comments-*.json")
    other = path.with_name("extract-posts-sandbox.refresh-posts-sweep-020h.json")
    other.write_text("{")
    stores = Stores(FolderLake(pipeline.lake), DuckDBTransform(), None, DuckDBWarehouse(pipeline.warehouse))
    with pytest.raises(LakeError, match=other.name):
        plan(stores, FORGET, "noticed", clock=lambda: FORGET, with_removed=True)
