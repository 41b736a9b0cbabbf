"""The receipts of old days in packs: every reader finds them as if nothing had happened, whoever is killed or late."""

import gzip
import os
import re
import shutil
import subprocess
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from threading import Event

import boto3
import pytest

from jobs.reconcile import reconcile
from reddit_etl.clock import iso
from reddit_etl.errors import LakeError, UnreadableObjectError
from reddit_etl.lake import open_lake, tombstones
from reddit_etl.lake.base import Lake
from reddit_etl.lake.folder import FolderLake
from reddit_etl.lake.index import ReceiptKey, Receipts
from reddit_etl.lake.layout import RECEIPTS, hour_text, receipt_key
from reddit_etl.lake.packed import PackedLake
from reddit_etl.lake.receipts import Receipt
from reddit_etl.steps.pack import FEWEST, MOST, Counts, pack
from tests import PROJECT
from tests.conftest import Pipeline, forget_run
from tests.test_forget import HOURS, TASK_FAILED, Killed, Mortal, copy_of, reddit, run_forget, stones

DAY = datetime(2026, 11, 23)  # noqa: DTZ001
NOW = DAY + timedelta(days=91)
NEXT = NOW + timedelta(days=2)
OLD = [receipt_key("extract", "posts", DAY + timedelta(hours=n % 24), f"python-new-{n}") for n in range(30)]


def content(key: str) -> bytes:
    found = ReceiptKey.parse(key)
    assert found
    return Receipt(entity="posts", hour=hour_text(found.hour), attempt=key, committed_at=iso(NOW)).to_json()


def packing(lake: Lake, now: datetime = NOW) -> Counts:
    """One run in a process of its own."""
    return pack(PackedLake(lake), lambda: now)


def read(lake: Lake) -> dict[str, bytes | None]:
    """What a new process finds."""
    found = PackedLake(lake)
    return {key: found.read(key) for key in found.keys(RECEIPTS)}


def objects(lake: Lake) -> list[str]:
    return [one.key for one in lake.stored(RECEIPTS)]


class Counting(FolderLake):
    """Counts what would be requests to S3; a pack is read slowly, until another reader asks for it too."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.listings = self.packs = 0
        self._second = Event()

    def keys_between(self, first: str, last: str) -> Iterator[str]:
        self.listings += 1
        return super().keys_between(first, last)

    def read(self, key: str) -> bytes | None:
        if "/packed-" in key:
            self.packs += 1
            if self.packs > 1:
                self._second.set()
            self._second.wait(0.1)
        return super().read(key)


@pytest.fixture(params=["folder", "s3"])
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> Lake:
    """Thirty receipts of an old day; in S3 in a bucket that keeps versions."""
    if request.param == "folder":
        made: Lake = FolderLake(tmp_path / "lake")
    else:
        url = request.getfixturevalue("s3_lake")
        status = {"Status": "Enabled"}
        boto3.client("s3").put_bucket_versioning(Bucket=url.split("/")[2], VersioningConfiguration=status)
        made = open_lake(url)
    for key in OLD:
        assert made.create(key, content(key))
    return made


def test_the_receipts_of_an_old_day_become_one_object_in_two_steps(lake: Lake) -> None:
    before = read(lake)
    assert before == {key: content(key) for key in OLD}
    assert packing(lake) == Counts(days=1, packed=30, removed=0)
    assert len(objects(lake)) == 31
    assert packing(lake, NOW + timedelta(hours=24)) == Counts(days=1, packed=0, removed=0)
    assert packing(lake, NEXT) == Counts(days=1, packed=0, removed=30)
    [only] = objects(lake)
    assert only.startswith("receipts/dt=2026-11-23/packed-20270222T000000-")
    assert read(lake) == before
    assert packing(lake, NEXT + timedelta(days=1)) == Counts()
    # With all versions.
    assert lake.remove(OLD) == 0
    with pytest.raises(StopIteration):
        next(PackedLake(lake).keys_between(receipt_key("plan", "x", DAY + timedelta(hours=24), "x"), "receipts0"))
    hour = [key for key in OLD if "/hr=03/" in key]
    assert list(PackedLake(lake).keys("receipts/dt=2026-11-23/hr=03/")) == sorted(hour)


def test_what_is_packed_is_created_once_as_before(lake: Lake) -> None:
    packing(lake)
    packing(lake, NEXT)
    fresh = PackedLake(lake)
    assert fresh.create(OLD[0], content(OLD[0]))
    assert not fresh.create(OLD[0], b"{}")
    assert objects(lake) == objects(PackedLake(lake))
    assert len(objects(lake)) == 1
    new = receipt_key("load", "posts", DAY, "another")
    assert fresh.create(new, b"{}")
    assert (fresh.read(new), read(lake)[new]) == (b"{}", b"{}")


def test_days_that_are_young_or_have_few_receipts_are_left_alone(lake: Lake) -> None:
    young = [key.replace("2026-11-23", "2026-11-24") for key in OLD]
    few = [key.replace("2026-11-23", "2026-11-22") for key in OLD[:23]]
    for key in (*young, *few):
        lake.create(key, content(key))
    before = objects(lake)
    assert packing(lake, DAY + timedelta(days=90, hours=23)) == Counts()
    assert objects(lake) == before
    assert packing(lake) == Counts(days=1, packed=30, removed=0)


def test_receipts_that_come_later_get_a_pack_of_their_own(lake: Lake) -> None:
    packing(lake)
    packing(lake, NEXT)
    late = [key.replace("extract-", "load-") for key in OLD]
    for key in late:
        PackedLake(lake).create(key, content(key))
    assert packing(lake, NEXT) == Counts(days=1, packed=30, removed=0)
    assert packing(lake, NEXT + timedelta(days=2)) == Counts(days=1, packed=0, removed=30)
    assert len(objects(lake)) == 2
    assert read(lake) == {key: content(key) for key in (*OLD, *late)}


def test_a_run_that_had_listed_the_day_before_finds_all_until_it_ends(lake: Lake) -> None:
    running = PackedLake(lake)
    assert len(list(running.keys(RECEIPTS))) == 30
    packing(lake)
    packing(lake, NOW + timedelta(hours=12))
    assert {key: running.read(key) for key in running.keys(RECEIPTS)} == {key: content(key) for key in OLD}
    assert not running.create(OLD[0], b"{}")


def test_a_process_that_packs_finds_what_it_has_removed(lake: Lake) -> None:
    ranging = PackedLake(lake)
    assert len(list(ranging.keys(RECEIPTS))) == 30
    for now in (NOW, NEXT):
        pack(ranging, lambda now=now: now)  # type: ignore[misc]
    assert ranging.read(OLD[0]) == content(OLD[0])
    assert not ranging.create(OLD[0], b"{}")
    assert len(objects(lake)) == 1


def test_days_that_cannot_be_packed_do_not_hold_up_later_ones(tmp_path: Path) -> None:
    lake = FolderLake(tmp_path)
    for days in range(1, 40):
        for key in OLD[:FEWEST]:
            lake.create(key.replace("2026-11-23", f"{DAY - timedelta(days=days):%Y-%m-%d}"), b"")
    for key in OLD:
        lake.create(key, content(key))
    assert packing(lake).packed == 30


def test_a_run_packs_so_many_receipts_and_ends_with_a_day(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    assert MOST > FEWEST
    monkeypatch.setattr("reddit_etl.steps.pack.MOST", 40)
    for days in (1, 2, 3):
        for key in OLD:
            older = key.replace("2026-11-23", f"{DAY - timedelta(days=days):%Y-%m-%d}")
            lake.create(older, content(older))
    # What was packed before is removed beside it.
    runs = [packing(lake, NOW + timedelta(days=2 * number)) for number in range(3)]
    assert [(one.packed, one.removed) for one in runs] == [(60, 0), (60, 60), (0, 60)]


def test_a_pack_of_long_plans_is_in_memory_once(tmp_path: Path) -> None:
    lake, size = FolderLake(tmp_path), 1_000_000
    for key in OLD:
        lake.create(key, content(key) + b" " * size)
    packing(lake)
    fresh = PackedLake(lake)
    tracemalloc.start()
    try:
        assert fresh.create(OLD[0], content(OLD[0]) + b" " * size)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(OLD) * size < peak < 1.3 * len(OLD) * size


def test_the_first_receipt_of_a_day_takes_no_listing_of_its_own(tmp_path: Path) -> None:
    lake = Counting(tmp_path)
    for key in OLD:
        lake.create(key, content(key))
    hour = DAY + timedelta(days=1)
    packed = PackedLake(lake)
    assert len(Receipts(packed, hour - timedelta(hours=48), hour).all) == 30
    assert packed.create(receipt_key("extract", "posts", hour, "python-new-100"), b"{}")
    assert lake.listings == 1


def test_many_readers_at_once_read_a_pack_once(tmp_path: Path) -> None:
    lake = Counting(tmp_path)
    for key in OLD:
        lake.create(key, content(key))
    packing(lake)
    packing(lake, NEXT)
    lake.packs = 0
    packed = PackedLake(lake)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(packed.read, OLD)) == list(map(content, OLD))
    assert lake.packs == 1


def test_two_runs_at_once_pack_the_same(lake: Lake) -> None:
    for now in (NOW, NOW, NEXT, NEXT):
        packing(lake, now)
    both = [PackedLake(lake), PackedLake(lake)]
    listed = [list(one.days(RECEIPTS, "receipts0")) for one in both]
    for one, [day] in zip(both, listed, strict=True):
        one.add_pack(day.day, "20270225T000000-1a2b3c4d", OLD)
    assert read(lake) == {key: content(key) for key in OLD}


def test_a_kill_at_any_step_loses_nothing(tmp_path: Path) -> None:
    first = FolderLake(tmp_path / "first")
    for key in OLD:
        first.create(key, content(key))
    whole = Mortal(copy_of(first.folder, tmp_path / "whole"), float("inf"))
    packing(whole)
    packing(whole, NEXT)
    assert whole.changes > 30
    for last in range(whole.changes):
        lake = Mortal(copy_of(first.folder, tmp_path / str(last)), last)
        with pytest.raises(Killed):
            for now in (NOW, NEXT):
                packing(lake, now)
        assert read(lake) == {key: content(key) for key in OLD}, last
        lake.last = float("inf")
        for days in range(3):
            packing(lake, NEXT + timedelta(days=days))
        assert read(lake) == {key: content(key) for key in OLD}, last
        # What a kill left beside its pack may be too little for another run.
        assert len(objects(lake)) <= 24, last
        shutil.rmtree(lake.folder)


def test_a_receipt_that_is_damaged_stays_where_it_can_be_removed(tmp_path: Path) -> None:
    lake = FolderLake(tmp_path)
    # The last is of another hour.
    what = [b"", b'{"a":', b'"\xff"', b"{}", b"[" * 100_000, content(OLD[4])]
    damaged = dict(zip(OLD, what, strict=False))
    for key in OLD:
        lake.create(key, damaged.get(key, content(key)))
    packing(lake)
    packing(lake, NEXT)
    assert sorted(objects(lake))[:-1] == sorted(damaged)
    assert read(lake) == {key: damaged.get(key, content(key)) for key in OLD}


@pytest.mark.parametrize("damage", [b"", b"no gzip", gzip.compress(b"{}\n"), gzip.compress(b"[1]\n"), None])
def test_a_damaged_pack_is_named(lake: Lake, damage: bytes | None) -> None:
    packing(lake)
    packing(lake, NEXT)
    [only] = objects(lake)
    whole = lake.read(only)
    assert whole
    lake.remove([only])
    lake.create(only, whole[:-9] if damage is None else damage)
    with pytest.raises(LakeError, match=r"packed-.*\.jsonl\.gz: not a pack of receipts \(\w+\): restore it"):
        read(lake)


@pytest.fixture
def hours(make_pipeline: Callable[..., Pipeline]) -> Pipeline:
    made = make_pipeline(content=reddit())
    for hour in HOURS:
        assert made.run(hour, listings=["new", "comments"], limit=100) == 0
    return made


def test_the_pipeline_finds_its_work_done_and_loads_a_new_warehouse_from_packs(
    hours: Pipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    def metrics() -> list[tuple[object, ...]]:
        return hours.rows(f"SELECT * FROM reddit.comment_metrics WHERE observed_at < '{NOW}' ORDER BY ALL")

    before = metrics()
    for now in (NOW, NEXT, NEXT + timedelta(days=2)):
        assert hours.maintain(f"{now:%Y-%m-%dT%H}") == 0
    assert len(list(hours.lake.glob("receipts/dt=2026-11-23/**/*.*"))) == 1
    assert [receipt["packed"]["removed"] > 24 for receipt in hours.receipts("retain-*.json")] == [False, True, False]  # type: ignore[index]
    capsys.readouterr()
    assert hours.run(HOURS[1], listings=["new", "comments"], limit=100) == 0
    assert "already complete" in capsys.readouterr().out
    for number in (1, 2):
        hours.warehouse.unlink()
        later = f"{NEXT + timedelta(days=2, hours=number):%Y-%m-%dT%H}"
        assert hours.run(later, listings=["new", "comments"], limit=100) == 0
    assert "rows that were missing" in capsys.readouterr().out
    assert metrics() == before != []


def test_an_error_says_in_which_pack_the_receipts_are_that_it_asks_to_remove(
    hours: Pipeline, caplog: pytest.LogCaptureFixture
) -> None:
    for now in (NOW, NEXT):
        assert hours.maintain(f"{now:%Y-%m-%dT%H}") == 0
    for path in hours.lake.glob("curated/posts/dt=2026-11-23/**/*.parquet"):
        path.unlink()
    hours.warehouse.unlink()
    assert hours.run(HOURS[1], listings=["new", "comments"], limit=100) == TASK_FAILED
    page = (PROJECT / "docs" / "lake.md").read_text()
    [removal] = re.findall(r"^gzip .+\| grep .+$", page, re.MULTILINE)
    errors = {str(vars(record).get("error")) for record in caplog.records}
    found = {named for error in errors for named in re.findall(r"(receipts/\S+\.json) in (packed-[^\s,]+)", error)}
    assert len(found) > 1
    for receipt, packed in sorted(found):
        variables = {"pack": f"{hours.lake}/receipts/dt=2026-11-23/{packed}", "receipt": receipt}
        subprocess.run(["sh", "-c", removal], cwd=hours.folder, env=os.environ | variables, check=True)
    assert hours.run(HOURS[0], listings=["new", "comments"], limit=100) == 0
    again = {path.relative_to(hours.lake).as_posix() for path in hours.lake.glob("receipts/dt=2026-11-23/hr=04/*.json")}
    assert again == {receipt for receipt, _ in found if "successor-" not in receipt}


def test_a_damaged_pack_holds_up_neither_other_days_nor_what_is_forgotten(
    hours: Pipeline, caplog: pytest.LogCaptureFixture
) -> None:
    both = {"listings": ["new", "comments"], "limit": 100}
    assert hours.run("2026-11-24T05", **both) == 0
    assert hours.run(f"{NEXT:%Y-%m-%dT%H}", **both) == 0
    for now in (NOW, NEXT):
        assert hours.maintain(f"{now:%Y-%m-%dT%H}") == 0
    [damaged] = hours.lake.glob("receipts/dt=2026-11-23/packed-*")
    whole = damaged.read_bytes()
    damaged.write_bytes(b"")
    loads = "SELECT DISTINCT hour FROM reddit.load_audit ORDER BY 1"
    last = NEXT + timedelta(hours=1)
    hours.warehouse.unlink()
    # Two days later the first run notes it again for the next.
    for later in (last, last + timedelta(hours=47)):
        caplog.clear()
        assert hours.run(f"{later:%Y-%m-%dT%H}", **both) == TASK_FAILED
        assert damaged.name in str([vars(record).get("error") for record in caplog.records])
        assert {("2026-11-24T05",), (f"{NEXT:%Y-%m-%dT%H}",)} <= set(hours.rows(loads))
    forgotten = last + timedelta(hours=47)
    tombstones.put(FolderLake(hours.lake), forgotten, "noticed", stones(forgotten))
    rows = "SELECT count(*) FROM reddit.post_metrics WHERE post_id = 'a' AND observed_at < '2026-11-25'"
    objects = list(hours.lake.glob("curated/posts/dt=2026-11-24/**/*.parquet"))
    assert (hours.rows(rows), len(objects)) == ([(1,)], 1)
    assert run_forget(hours, forgotten) == TASK_FAILED
    assert hours.rows(rows) == [(0,)]
    assert not objects[0].exists()
    damaged.write_bytes(whole)
    assert hours.run(f"{last + timedelta(hours=48):%Y-%m-%dT%H}", **both) == 0
    assert {(hour,) for hour in HOURS} <= set(hours.rows(loads))


def test_a_damaged_pack_is_one_difference_and_holds_up_the_packing_of_no_other_day(
    hours: Pipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    assert hours.run("2026-11-24T05", listings=["new", "comments"], limit=100) == 0
    lake = FolderLake(hours.lake)
    for key in (one.replace("extract-posts", "lost-all") for one in OLD):
        for day in ("2026-11-23", "2026-11-24"):
            lake.create(key.replace("2026-11-23", day), content(key.replace("2026-11-23", day)))
    packing(lake)
    [damaged] = hours.lake.glob("receipts/dt=2026-11-23/packed-*")
    damaged.write_bytes(b"")
    with pytest.raises(UnreadableObjectError, match=damaged.name):
        packing(lake, NEXT + timedelta(days=1))
    assert list(hours.lake.glob("receipts/dt=2026-11-24/packed-*")) != []
    for name, value in hours.environment().items():
        hours.monkeypatch.setenv(name, value)
    forget_run()
    assert reconcile(datetime.fromisoformat(HOURS[0]), datetime(2026, 11, 24, 6)) == 1  # noqa: DTZ001
    assert damaged.name in capsys.readouterr().out
