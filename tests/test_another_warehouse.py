"""docs/another-warehouse.md: its package, installed as the page says, and whole runs into PostgreSQL through it."""

import os
import re
import shutil
import subprocess
import sys
import traceback
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import polars
import psycopg2
import pytest

from jobs import resources
from jobs.settings import Settings
from reddit_etl.errors import ConfigurationError
from reddit_etl.warehouse import kind_of_warehouse, open_warehouse
from tests import PROJECT
from tests.conftest import Pipeline
from tests.postgresql import EXAMPLE, Database

PAGE = (PROJECT / "docs" / "another-warehouse.md").read_text()
HOURS = ("2026-11-23T04", "2026-11-23T05")
LISTINGS = ["new", "comments"]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the package is installed into; its libraries are this environment's."""
    folder = tmp_path_factory.mktemp("installed")
    shutil.copytree(EXAMPLE, folder / "source", ignore=shutil.ignore_patterns("__pycache__"))
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "install", "--no-index", "--no-deps"]
    subprocess.run([*pip, "--no-build-isolation", "--target", folder / "site", folder / "source"], check=True)
    return folder / "site"


class PostgreSQLPipeline(Pipeline):
    url: str

    def environment(self) -> dict[str, str]:
        return super().environment() | {"WAREHOUSE_URL": self.url}

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        return resources.warehouse().query(sql.replace("ORDER BY ALL", "ORDER BY 1, 2, 3, 4, 5"), limit=1_000_000)[1]


@pytest.fixture
def pipeline_of(
    make_pipeline: Callable[..., Pipeline], database: Database, installed: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], PostgreSQLPipeline]:
    monkeypatch.syspath_prepend(installed)

    def make() -> PostgreSQLPipeline:
        pipeline: PostgreSQLPipeline = make_pipeline("postgresql", kind=PostgreSQLPipeline)
        pipeline.url = database.url
        return pipeline

    return make


def test_runs_into_it_end_row_for_row_as_runs_into_duckdb(
    make_pipeline: Callable[..., Pipeline], pipeline_of: Callable[[], PostgreSQLPipeline]
) -> None:
    embedded, other = make_pipeline("duckdb"), pipeline_of()
    for pipeline in (embedded, other):
        for hour in HOURS:
            assert pipeline.run(hour, listings=LISTINGS) == 0
    loaded = other.tables()
    assert loaded == embedded.tables()
    assert len(loaded["posts"]) > 1000 < len(loaded["comments"])
    # Rows of the second hour replaced some of the first.
    assert len(loaded["post_metrics"]) > len(loaded["posts"])

    # Without its receipts every load is repeated, of which the audit of the warehouse knows.
    receipts = [*other.lake.glob("receipts/**/load-*.json")]
    assert len(receipts) == 2 * len(HOURS)
    for receipt in receipts:
        receipt.unlink()
    for hour in HOURS:
        assert other.run(hour, listings=LISTINGS) == 0
    assert len([*other.lake.glob("receipts/**/load-*.json")]) == len(receipts)
    assert other.tables() == loaded

    # The first of each has rows in both tables, the post also comments.
    names = [f"t3_{loaded['comments'][0][1]}", f"t1_{loaded['comments'][-1][0]}"]
    for pipeline in (embedded, other):
        assert pipeline.request(*names) == 0
    left = other.tables()
    assert left == embedded.tables()
    assert len(left["comments"]) < len(loaded["comments"])
    [(due,)] = other.rows("SELECT COUNT(*) FROM reddit.forget_audit WHERE erased_at IS NULL")
    assert due == 0


def test_the_commands_work_on_it(
    pipeline_of: Callable[[], PostgreSQLPipeline], database: Database, installed: Path, tmp_path: Path
) -> None:
    pipeline = pipeline_of()
    pipeline.url = f"duckdb:///{pipeline.warehouse}"
    assert pipeline.run(HOURS[0], listings=LISTINGS) == 0
    pipeline.url = database.url
    assert pipeline.run(HOURS[1], listings=LISTINGS) == 0
    # What was loaded into the warehouse of before is loaded into the new one too.
    assert sorted(pipeline.rows("SELECT DISTINCT hour FROM reddit.load_audit")) == [(hour,) for hour in HOURS]
    environment = os.environ | pipeline.environment() | {"PYTHONPATH": f"{installed}{os.pathsep}{PROJECT}"}

    def ran(*words: str, code: int = 0) -> str:
        command = [sys.executable, "-m", "jobs", *words]
        done = subprocess.run(command, env=environment, cwd=PROJECT, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    assert re.search(r"^ok +warehouse +postgresql://\S+/reddit takes a load", ran("doctor"), re.MULTILINE)
    reconcile = ("reconcile", "--first", HOURS[0], "--last", HOURS[1])
    assert ran(*reconcile).startswith("lake and warehouse agree on the 2 hours ")
    database.rows("UPDATE reddit.posts SET score = score + 1")
    assert ran(*reconcile, code=30).count(": other values in posts: ") == len(HOURS)
    path = tmp_path / "posts.parquet"
    ran("export", "posts", "--output", str(path))
    rows = pipeline.rows("SELECT * FROM reddit.posts")
    assert sorted(map(repr, polars.read_parquet(path).rows())) == sorted(map(repr, rows))
    for block in re.findall(r"^\$ .*python -m jobs (query \".+\")$", PAGE, re.MULTILINE):
        assert "python" in ran(*block.replace('"', "").split(" ", 1))


def test_a_run_that_waits_for_another_s_load_ends_at_once_by_a_signal(
    pipeline_of: Callable[[], PostgreSQLPipeline], database: Database, installed: Path
) -> None:
    pipeline = pipeline_of()
    environment = os.environ | pipeline.environment() | {"PYTHONPATH": f"{installed}{os.pathsep}{PROJECT}"}
    command = [sys.executable, "-m", "luigi", "--module", "jobs", "RedditPipeline", "--hour", HOURS[0]]
    with closing(psycopg2.connect(database.url)) as other, other.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('reddit_etl'))")
        with subprocess.Popen([*command, "--limit", "10"], env=environment, cwd=PROJECT) as run:
            while not database.rows("SELECT 1 FROM pg_locks WHERE NOT granted") and run.poll() is None:
                pass
            run.terminate()
            try:
                # It ends itself after 8 seconds even if the exception of the signal is lost.
                assert run.wait(timeout=6) == 143
            finally:
                run.kill()
    assert database.rows("SELECT table_name FROM information_schema.tables WHERE table_schema = 'reddit'") == []


def test_what_the_page_shows_of_the_package_is_in_it() -> None:
    [shown] = re.findall(r"^```toml\n(.+?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert shown in (EXAMPLE / "pyproject.toml").read_text()


@pytest.mark.parametrize(
    ("url", "is_allowed"),
    [
        ("postgresql://me:hush@localhost/reddit", True),
        ("postgresql://me:hush@127.0.0.1/reddit?host=/run/postgresql&sslmode=disable", True),
        ("postgresql://me:hush@db/reddit", False),
        # In each of these PostgreSQL's driver finds another host.
        ("postgresql://me:hush@localhost/reddit?host=db", False),
        ("postgresql://me:hush@localhost/reddit?hostaddr=192.0.2.1", False),
        ("postgresql://me:hush@localhost/reddit?service=db", False),
        ("postgresql://me:hush@localhost:5432,db:5432/reddit", False),
        ("postgresql://localhost#:hush@db/reddit", False),
    ],
)
def test_invented_data_goes_only_into_one_of_this_machine(
    url: str, is_allowed: bool, installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(installed)
    if is_allowed:
        assert Settings.read({"WAREHOUSE_URL": url}).source == "sandbox"
        return
    with pytest.raises(ConfigurationError, match=r"^WAREHOUSE_URL is not local") as caught:
        Settings.read({"WAREHOUSE_URL": url})
    assert "hush" not in str(caught.value)


def package(folder: Path, name: str, opens: str) -> None:
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[reddit_etl.warehouses]\nbroken = {opens}\n")


def test_a_package_that_cannot_be_imported_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package(tmp_path, "broken", "nowhere_to_be_found:Warehouse")
    monkeypatch.syspath_prepend(tmp_path)
    assert kind_of_warehouse("broken://me:hush@host/database") == "other"
    with pytest.raises(ConfigurationError) as caught:
        open_warehouse("broken://me:hush@host/database")
    assert str(caught.value) == (
        "WAREHOUSE_URL: nowhere_to_be_found:Warehouse cannot be imported: No module named 'nowhere_to_be_found': "
        "install what it needs"
    )


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("Warehouse = (", r"raised_on_use:Warehouse cannot be imported: '\(' was never closed .*: install what"),
        ("def Warehouse(url): raise OSError(url)", r"raised_on_use:Warehouse cannot open it \(OSError\): check the"),
    ],
)
def test_a_package_that_fails_is_named_and_the_password_is_not(
    code: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package(tmp_path, "broken", "raised_on_use:Warehouse")
    (tmp_path / "raised_on_use.py").write_text(f"{code}\n")
    monkeypatch.syspath_prepend(tmp_path)
    url = "broken://me:hush@host/database"
    with pytest.raises(ConfigurationError, match=f"^WAREHOUSE_URL: {reason}") as caught:
        open_warehouse(url)
    assert "hush" not in "".join(traceback.format_exception(caught.value))


def test_two_packages_for_the_same_urls_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("one", "two"):
        package(tmp_path, name, f"{name}:Warehouse")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigurationError, match=r"^WAREHOUSE_URL: one:Warehouse and two:Warehouse both open broken:"):
        kind_of_warehouse("broken://me:hush@host/database")
