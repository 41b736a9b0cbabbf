"""A warehouse restored from a copy of any age, or emptied in part by hand, is whole after the next run."""

import shutil
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from jobs import restored
from jobs.catch_up import Past
from reddit_etl.errors import WarehouseError
from reddit_etl.lake.folder import FolderLake
from reddit_etl.warehouse.base import Load
from reddit_etl.warehouse.duckdb import DuckDBWarehouse
from tests.conftest import Pipeline, bare_environment, pipelines
from tests.standins.marked import MarkedReddit

# With pauses, with a day of many hours, and with days before the last 48 hours and in them.
HOURS = [
    *("2026-10-01T04", "2026-10-02T04", "2026-10-20T23", "2026-10-21T00", "2026-11-20T07", "2026-11-20T22"),
    *("2026-11-21T03", "2026-11-21T04", "2026-11-21T05", "2026-11-22T04", "2026-11-23T03"),
]
NOW = "2026-11-23T04"
READ = {"listings": ["new", "comments"], "limit": 20}
TASK_FAILED = 30


@pytest.fixture(scope="module")
def weeks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in whose folder `kept` is what the hours left, and the warehouse as it was after each of them."""
    folder = tmp_path_factory.mktemp("weeks")
    with pytest.MonkeyPatch.context() as patch:
        bare_environment(patch)
        with pipelines(folder, patch) as make:
            pipeline = make()
            for hour in HOURS:
                assert pipeline.run(hour, **READ) == 0
                shutil.copy(pipeline.warehouse, pipeline.folder / f"{hour}.duckdb")
    pipeline.folder.rename(folder / "kept")
    return folder


@pytest.fixture
def calm(weeks: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pipeline]:
    """At the old place, for where a warehouse is is part of its receipts' names."""
    place = weeks / "run"
    shutil.copytree(weeks / "kept", place)
    with pipelines(weeks, monkeypatch) as make:
        yield make()
    shutil.rmtree(place)


def restore(pipeline: Pipeline, hour: str) -> None:
    shutil.copy(pipeline.folder / f"{hour}.duckdb", pipeline.warehouse)


def facts(pipeline: Pipeline) -> list[list[tuple[object, ...]]]:
    """All rows; of the audit only which loads there are, since its counts depend on the order of the loads."""
    tables = pipeline.tables()
    loads = pipeline.rows("SELECT entity, hour FROM reddit.load_audit ORDER BY ALL")
    return [rows for name, rows in tables.items() if name != "load_audit"] + [loads]


@pytest.fixture
def whole(calm: Pipeline) -> list[list[tuple[object, ...]]]:
    """What the next run leads to, without a fault."""
    kept = calm.folder.with_name("before")
    shutil.copytree(calm.folder, kept)
    assert calm.run(NOW, **READ) == 0
    expected = facts(calm)
    shutil.rmtree(calm.folder)
    kept.rename(calm.folder)
    return expected


@pytest.mark.parametrize("hour", HOURS)
def test_a_copy_of_any_age_is_whole_after_the_next_run(
    calm: Pipeline, whole: list[Any], hour: str, capsys: pytest.CaptureFixture[str]
) -> None:
    restore(calm, hour)
    # A day without a load into this warehouse.
    other = calm.lake / "receipts/dt=2026-10-10/hr=04/extract-posts-sandbox.python-new-20.json"
    other.parent.mkdir(parents=True)
    other.touch()
    # As a person may leave behind.
    shutil.copytree(other.parents[1], calm.lake / "receipts/dt=2026-11-20 copy")
    assert calm.run(NOW, **READ) == 0
    assert facts(calm) == whole
    assert ("rows that were missing" in capsys.readouterr().out) is (hour != HOURS[-1])


@pytest.mark.parametrize("is_killed", [False, True])
@pytest.mark.parametrize("hour", [None, HOURS[0], HOURS[-1]])
def test_what_was_lost_during_a_pause_is_loaded_by_the_first_run_after_it(
    calm: Pipeline, monkeypatch: pytest.MonkeyPatch, hour: str | None, *, is_killed: bool
) -> None:
    """Or by the next, if that one was killed when it had loaded its own hour."""
    before = calm.rows("SELECT * FROM reddit.post_metrics ORDER BY ALL")
    if hour:
        restore(calm, hour)
    else:
        calm.warehouse.unlink()
    if is_killed:
        with monkeypatch.context() as patch:
            patch.setattr(restored, "reload_before", lambda *_, **__: restored.Rows())
            assert calm.run("2026-12-04T03", **READ) == 0
    assert calm.run("2026-12-04T04", **READ) == 0
    assert calm.rows("SELECT * FROM reddit.post_metrics WHERE observed_at < '2026-12-04' ORDER BY ALL") == before


@pytest.mark.parametrize(
    ("killed", "then"),
    [
        # Tried again, as AWS Batch does.
        ("2026-12-04T03", "2026-12-04T03"),
        ("2026-12-04T03", "2026-12-10T04"),
        # By then the killed run's hour is whole, and all that it found lost in the last 48 hours is older.
        ("2026-11-24T04", "2026-11-26T04"),
    ],
)
def test_what_a_run_left_that_was_killed_while_reloading_is_loaded_by_the_next_whenever_that_is(
    calm: Pipeline, monkeypatch: pytest.MonkeyPatch, killed: str, then: str
) -> None:
    before = calm.rows("SELECT * FROM reddit.post_metrics ORDER BY ALL")
    calm.warehouse.unlink()
    reloaded: set[str] = set()
    load = DuckDBWarehouse.load

    def load_two_hours(self: DuckDBWarehouse, given: Load) -> object:
        reloaded.update({given.hour} - {killed})
        if len(reloaded) > 2:
            raise KeyboardInterrupt
        return load(self, given)

    with monkeypatch.context() as patch:
        patch.setattr(DuckDBWarehouse, "load", load_two_hours)
        with pytest.raises(KeyboardInterrupt):
            calm.run(killed, **READ)
    assert calm.run(then, **READ) == 0
    assert calm.rows("SELECT * FROM reddit.post_metrics WHERE observed_at < '2026-11-24' ORDER BY ALL") == before


@pytest.mark.parametrize("is_killed", [False, True])
def test_what_was_read_while_the_warehouse_was_unavailable_for_days_is_loaded_by_the_first_run_after_that(
    calm: Pipeline, monkeypatch: pytest.MonkeyPatch, *, is_killed: bool
) -> None:
    """Or by the next, if that one was killed; also what was merged since. A new warehouse gets 48 hours."""
    hours = ["2026-11-24T04", "2026-11-25T04", "2026-11-25T16", "2026-11-26T04", "2026-11-27T16"]
    load = DuckDBWarehouse.load

    def unavailable(*_: object) -> object:
        raise WarehouseError("the warehouse is unavailable")

    def load_one_old_hour(self: DuckDBWarehouse, given: Load) -> object:
        if given.hour == hours[1]:
            raise KeyboardInterrupt
        return load(self, given)

    with monkeypatch.context() as patch:
        patch.setattr(DuckDBWarehouse, "load", unavailable)
        assert [calm.run(hour, **READ) for hour in hours] == [TASK_FAILED] * len(hours)
    if is_killed:
        assert calm.maintain("2026-11-28T03") == 0
        with monkeypatch.context() as patch:
            patch.setattr(DuckDBWarehouse, "load", load_one_old_hour)
            with pytest.raises(KeyboardInterrupt):
                calm.run("2026-11-28T04", **READ)
    assert calm.run("2026-11-28T05", **READ) == 0
    loads = "SELECT hour, count(*) FROM reddit.load_audit GROUP BY 1"
    loaded = dict(calm.rows(loads))
    assert [loaded.get(hour) for hour in (*HOURS, *hours)] == [2] * len([*HOURS, *hours])
    observed = {f"{hour:%Y-%m-%dT%H}" for (hour,) in calm.rows("SELECT observed_at FROM reddit.post_metrics")}
    assert {*HOURS, *hours} <= observed
    assert calm.run("2026-11-28T06", **READ) == 0
    assert dict(calm.rows(loads)) == loaded | {"2026-11-28T06": 2}
    with monkeypatch.context() as patch:
        patch.setattr(Pipeline, "warehouse", calm.folder / "new.duckdb")
        assert calm.run("2026-11-28T07", **READ) == 0
        assert min(dict(calm.rows(loads))) == hours[-1]


def test_a_warehouse_that_was_removed_is_made_whole_from_the_beginning(calm: Pipeline, whole: list[Any]) -> None:
    calm.warehouse.unlink()
    assert calm.run(NOW, **READ) == 0
    assert facts(calm) == whole


def test_what_was_deleted_by_hand_is_loaded_again(calm: Pipeline, whole: list[Any]) -> None:
    with duckdb.connect(str(calm.warehouse)) as connection:
        for hour in HOURS[-3:-1]:
            connection.execute("DELETE FROM reddit.load_audit WHERE hour = ?", [hour])
            for table in ("posts", "post_metrics", "comments", "comment_metrics"):
                connection.execute(
                    f"DELETE FROM reddit.{table} WHERE date_trunc('hour', observed_at) = ?", [f"{hour}:00"]
                )
    assert facts(calm) != whole
    assert calm.run(NOW, **READ) == 0
    assert facts(calm) == whole


@pytest.mark.parametrize("failing", [0, 1, 7, 15])
def test_a_run_that_fails_in_between_leaves_the_rest_to_the_next(
    calm: Pipeline, whole: list[Any], failing: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One load alone fails, of whatever hour; the others are tried all the same."""
    restore(calm, HOURS[0])
    loads, load = 0, DuckDBWarehouse.load

    def failing_once(self: DuckDBWarehouse, given: Load) -> object:
        nonlocal loads
        # The loads of the run's own hour come first.
        loads += given.hour != NOW
        if loads == failing + 1 and given.hour != NOW:
            raise WarehouseError("the connection was lost")
        return load(self, given)

    with monkeypatch.context() as patch:
        patch.setattr(DuckDBWarehouse, "load", failing_once)
        assert calm.run(NOW, **READ) == TASK_FAILED
    assert facts(calm) != whole
    assert calm.run(NOW, **READ) == 0
    assert facts(calm) == whole


def test_what_can_never_be_loaded_again_holds_up_nothing_else_and_is_named_by_every_run(
    calm: Pipeline, caplog: pytest.LogCaptureFixture
) -> None:
    """Until it is given up. One is of weeks ago, one of the last 48 hours, which it leaves meanwhile."""
    objects = {path: path.read_bytes() for hour in (HOURS[2], HOURS[7]) for path in objects_of(calm, hour)}
    for path in objects:
        path.unlink()
    restore(calm, HOURS[0])
    for now, failed in ((NOW, HOURS[7]), ("2026-11-23T05", HOURS[2]), ("2026-11-25T04", HOURS[7])):
        caplog.clear()
        assert calm.run(now, **READ) == TASK_FAILED
        errors = str([vars(record).get("error") for record in caplog.records])
        assert all(f"dt={hour[:10]}/hr={hour[11:]}/" in errors for hour in (HOURS[2], failed))
        # All others are there.
        loads = {hour for (hour,) in calm.rows("SELECT DISTINCT hour FROM reddit.load_audit")}
        assert {*HOURS} - loads == {HOURS[2], HOURS[7]}
    for path, content in objects.items():
        path.write_bytes(content)
    assert calm.run("2026-11-25T05", **READ) == 0
    assert {*HOURS} <= {hour for (hour,) in calm.rows("SELECT DISTINCT hour FROM reddit.load_audit")}


def objects_of(pipeline: Pipeline, hour: str) -> list[Path]:
    place = f"dt={hour[:10]}/hr={hour[11:]}"
    return [path for zone in ("raw", "curated") for path in pipeline.lake.glob(f"{zone}/*/{place}/**/*.*")]


def test_it_looks_no_further_back_than_needed_and_not_at_all_in_a_whole_warehouse(
    calm: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    between = FolderLake.keys_between

    def recorded(self: FolderLake, first: str, last: str) -> Iterator[str]:
        asked.append(first)
        return between(self, first, last)

    monkeypatch.setattr(FolderLake, "keys_between", recorded)
    assert calm.run(NOW, **READ) == 0
    looked = len(asked)
    assert min(asked).startswith("receipts/dt=2026-11-21/hr=04")
    asked.clear()
    restore(calm, HOURS[4])
    assert calm.run(NOW, **READ) == 0
    assert min(asked).startswith("receipts/dt=2026-10-21")
    asked.clear()
    assert calm.run(NOW, **READ) == 0
    assert len(asked) <= looked


def test_loads_of_another_source_are_left_alone(calm: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after the sandbox was tried out, and the warehouse removed before the first run with credentials."""
    assert calm.run(NOW, **READ) == 0
    calm.warehouse.unlink()
    monkeypatch.setattr(restored, "ours", lambda _: False)
    now = datetime.fromisoformat(f"{NOW}:00")
    assert restored.reload_before(Past(now), now, over_pause=False) == {}
    assert not calm.warehouse.exists()


def test_rows_of_a_merged_day_that_were_deleted_by_hand_are_dated_by_the_observations_that_were_not(
    make_pipeline: Callable[..., Pipeline],
) -> None:
    made = make_pipeline(content=MarkedReddit())
    made.server.content.add_post("a")  # type: ignore[attr-defined]
    for hour in ("2026-11-19T04", "2026-11-20T04", "2026-11-20T05"):
        assert made.run(hour, listings=["new"], limit=100) == 0
    assert made.run("2026-11-22T04", listings=["comments"], limit=100) == 0
    assert made.maintain("2026-11-23T04") == 0
    with duckdb.connect(str(made.warehouse)) as connection:
        connection.execute("DELETE FROM reddit.posts")
        connection.execute("DELETE FROM reddit.load_audit WHERE hour > '2026-11-20T04'")
    assert made.run("2026-11-23T05", listings=["comments"], limit=100) == 0
    [(first, observed)] = made.rows("SELECT first_observed_at, observed_at FROM reddit.posts")
    assert (f"{first:%dT%H}", f"{observed:%dT%H}") == ("19T04", "20T05")
