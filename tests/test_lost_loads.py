"""What the warehouse has lost is loaded again, and what the lake has lost is made again."""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from reddit_etl.lake.receipts import Loaded
from reddit_etl.report import text
from reddit_etl.report.facts import Facts
from tests.conftest import Pipeline, bare_environment, pipelines
from tests.test_warehouse_duckdb import Holder

HOURS = [f"2026-11-23T{hour:02}" for hour in range(4, 8)]
LATER = "2026-11-23T08"
TASK_FAILED = 30
MISCONFIGURED = 78


@pytest.fixture(scope="module")
def four_hours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in whose folder `kept` is what four hours left, and the warehouse as it was after two of them."""
    folder = tmp_path_factory.mktemp("four-hours")
    with pytest.MonkeyPatch.context() as patch:
        bare_environment(patch)
        with pipelines(folder, patch) as make:
            pipeline = make()
            for hour in HOURS:
                assert pipeline.run(hour, limit=100) == 0
                if hour == HOURS[1]:
                    shutil.copy(pipeline.warehouse, pipeline.folder / "older.duckdb")
    pipeline.folder.rename(folder / "kept")
    return folder


@pytest.fixture
def calm(four_hours: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pipeline]:
    """Four hours without a fault: at their old place, for where a warehouse is is part of its receipts' names."""
    place = four_hours / "run"
    shutil.copytree(four_hours / "kept", place)
    with pipelines(four_hours, monkeypatch) as make:
        yield make()
    shutil.rmtree(place)


def facts(pipeline: Pipeline) -> list[list[tuple[object, ...]]]:
    """All rows; what the audit says of each load depends on its order, so only which loads there are."""
    tables = pipeline.tables()
    return [tables["posts"], tables["post_metrics"], pipeline.rows("SELECT hour FROM reddit.load_audit ORDER BY hour")]


def restore_an_older_copy(pipeline: Pipeline) -> None:
    shutil.copy(pipeline.folder / "older.duckdb", pipeline.warehouse)


def remove(pipeline: Pipeline) -> None:
    pipeline.warehouse.unlink()


def die_in_the_first_load(pipeline: Pipeline) -> None:
    """The file is there, and nothing was committed to it."""
    pipeline.warehouse.unlink()
    duckdb.connect(str(pipeline.warehouse)).close()


def load_an_older_hour(pipeline: Pipeline) -> None:
    pipeline.warehouse.unlink()
    assert pipeline.run(HOURS[0], limit=100) == 0


def load_another_selection(pipeline: Pipeline) -> None:
    """Its loads alone are committed, by a run that ends after them."""
    pipeline.warehouse.unlink()
    assert pipeline.run("2026-11-20T00", subreddits=["aws"], limit=100) == 0


def fail_to_load(pipeline: Pipeline) -> None:
    pipeline.warehouse.unlink()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "reddit_etl.warehouse.duckdb._staged", lambda *_: (_ for _ in ()).throw(OSError("no space left on device"))
        )
        assert pipeline.run(LATER, limit=100) == TASK_FAILED


@pytest.mark.parametrize(
    "fault",
    [
        restore_an_older_copy,
        remove,
        die_in_the_first_load,
        load_an_older_hour,
        load_another_selection,
        fail_to_load,
    ],
)
def test_what_the_warehouse_has_lost_is_loaded_by_the_next_run(
    calm: Pipeline, fault: Callable[[Pipeline], None], capsys: pytest.CaptureFixture[str]
) -> None:
    whole = facts(calm)
    fault(calm)
    capsys.readouterr()
    assert calm.run(HOURS[-1], limit=100) == 0
    assert [rows for rows in facts(calm)[0] if rows in whole[0]] == whole[0]
    if fault not in (load_another_selection, fail_to_load):
        assert facts(calm) == whole
    assert set(whole[1]) <= set(facts(calm)[1])
    assert "rows that were missing in the warehouse" in capsys.readouterr().out
    # And no more than that: once it is whole, nothing is loaded.
    before = facts(calm)
    assert calm.run(HOURS[-1], limit=100) == 0
    assert facts(calm) == before
    assert "nothing requested, nothing changed" in capsys.readouterr().out


def test_the_report_counts_all_rows_that_are_loaded_again(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An hour has two loads of an entity if known posts are looked at again."""
    monkeypatch.setenv("REFRESH_AGES", '["1h"]')
    for hour in HOURS[:2]:
        assert pipeline.run(hour, limit=100) == 0
    loaded = pipeline.rows("SELECT entity, hour, rows_staged FROM reddit.load_audit WHERE rows_staged > 0")
    assert sorted((entity, hour) for entity, hour, _ in loaded) == [
        ("posts", hour) for hour in (HOURS[0], HOURS[1], HOURS[1])
    ]
    pipeline.warehouse.unlink()
    capsys.readouterr()
    assert pipeline.run(HOURS[1], limit=100) == 0
    told = re.findall(r"([\d,]+) rows that were missing", capsys.readouterr().out)
    assert sum(int(rows.replace(",", "")) for rows in told) == sum(int(str(rows)) for *_, rows in loaded)


def test_the_report_has_a_line_for_each_entity_that_was_late_or_lost() -> None:
    late = [
        Loaded(entity=entity, hour=hour, attempt="a", committed_at="", rows=3, inserted=2, updated=1, stale=0)
        for hour in HOURS[:3]
        for entity in ("comments", "posts")
    ]
    hours = [datetime.fromisoformat(f"{hour}:00") for hour in HOURS]
    reloaded = {("posts", hour): 1000 for hour in hours} | {("posts", hours[0] - timedelta(hours=5)): 1}
    reloaded |= {("comments", hours[0] + timedelta(hours=2 * number)): 7 for number in range(24)}
    facts = Facts(
        hour=hours[-1],
        source="sandbox",
        was_complete=True,
        entities=[],
        requests=0,
        seconds=0.0,
        caught_up=late,
        reloaded=reloaded,
    )
    lines = [line.split(maxsplit=1) for line in text.lines(facts) if line.startswith(("  caught", "  reloaded"))]
    assert [line for _, line in lines] == [
        "up     comments 2026-11-23T04 to 2026-11-23T06: 6 new, 3 updated",
        "up     posts 2026-11-23T04 to 2026-11-23T06: 6 new, 3 updated",
        "posts 2026-11-22T23, 2026-11-23T04 to 2026-11-23T07: 4,001 rows that were missing in the warehouse",
        "comments 24 hours from 2026-11-23T04 to 2026-11-25T02: 168 rows that were missing in the warehouse",
    ]


def test_the_run_of_another_hour_fills_a_restored_warehouse_too(
    calm: Pipeline,
) -> None:
    assert calm.run(LATER, limit=100) == 0
    whole = facts(calm)
    restore_an_older_copy(calm)
    # As if that hour had not been run yet.
    shutil.rmtree(calm.lake / "receipts/dt=2026-11-23/hr=08")
    assert calm.run(LATER, limit=100) == 0
    assert facts(calm) == whole


def test_a_lost_load_whose_transformation_was_removed_is_transformed_again(calm: Pipeline) -> None:
    whole = facts(calm)
    calm.warehouse.unlink()
    [receipt] = calm.lake.glob("receipts/**/hr=05/transform-*.json")
    receipt.unlink()
    assert calm.run(HOURS[-1], limit=100) == 0
    assert facts(calm) == whole
    assert receipt.exists()


def test_a_complete_hour_with_a_warehouse_that_cannot_be_asked_is_no_success(
    calm: Pipeline, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("reddit_etl.warehouse.duckdb_file.LOCK_WAIT", 0.0)
    holder = Holder(calm.warehouse)
    assert calm.run(HOURS[-1], limit=100) == TASK_FAILED
    holder.let_go()
    assert "WAREHOUSE_URL" in str([vars(record).get("error") for record in caplog.records])
    assert calm.run(HOURS[-1], limit=100) == 0


# Curated objects


def drop(path: Path) -> None:
    path.unlink()


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [drop, cut, flip])
def test_a_curated_object_that_is_lost_is_made_again_from_raw(
    calm: Pipeline, damage: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    whole = facts(calm)
    calm.warehouse.unlink()
    [parquet] = calm.lake.glob("curated/**/hr=05/**/*.parquet")
    damage(parquet)
    assert calm.run(HOURS[-1], limit=100) == 0
    assert facts(calm) == whole
    [successor] = calm.receipts("successor-*.json")
    assert parquet.relative_to(calm.lake).as_posix() in str(successor["reason"])
    # Once more, it is found and not made.
    calm.warehouse.unlink()
    caplog.clear()
    assert calm.run(HOURS[-1], limit=100) == 0
    assert facts(calm) == whole
    assert len(calm.receipts("successor-*.json")) == 1
    assert "made again" not in caplog.text


def test_a_raw_object_that_is_lost_too_is_an_error_that_says_what_to_remove(
    calm: Pipeline, caplog: pytest.LogCaptureFixture
) -> None:
    whole = facts(calm)
    calm.warehouse.unlink()
    for lost in [*calm.lake.glob("curated/**/hr=05/**/*.parquet"), *calm.lake.glob("raw/**/hr=05/**/*.gz")]:
        lost.unlink()
    assert calm.run(HOURS[-1], limit=100) == TASK_FAILED
    [line] = [str(vars(record)["error"]) for record in caplog.records if record.getMessage() == "task failed"]
    receipts = [calm.lake / part.rstrip(",") for part in line.split() if part.startswith("receipts/")]
    assert {receipt.name.partition("-")[0] for receipt in receipts} == {"extract", "transform", "load"}
    for receipt in receipts:
        receipt.unlink()
    # The others were loaded meanwhile, and the hour is given up.
    assert calm.run(HOURS[-1], limit=100) == 0
    assert facts(calm)[2] == [row for row in whole[2] if row != (HOURS[1],)]


# Receipts


def test_a_receipt_of_another_hour_is_refused(calm: Pipeline, caplog: pytest.LogCaptureFixture) -> None:
    for receipt in calm.lake.glob("receipts/**/hr=07/load-*.json"):
        receipt.unlink()
    [transformed] = calm.lake.glob("receipts/**/hr=07/transform-*.json")
    content = json.loads(transformed.read_text()) | {"hour": HOURS[0]}
    transformed.write_text(json.dumps(content))
    assert calm.run(HOURS[-1], limit=100) == TASK_FAILED
    assert "a receipt of another hour" in str([vars(record).get("error") for record in caplog.records])
