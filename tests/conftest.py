"""The pipeline as a test runs it: Luigi's command line in this process, on a lake and a warehouse of the test's."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import boto3
import botocore.session
import duckdb
import pytest
from luigi.retcodes import run_with_retcodes
from luigi.task_register import Register

from jobs import failures, resources
from reddit_etl.entities import ENTITIES
from reddit_etl.sandbox.content import InventedReddit
from reddit_etl.sandbox.server import Content, RedditServer
from tests import NO_LOOKS, commands
from tests.commands import Command

pytest_plugins = ["tests.aws", "tests.images", "tests.postgresql", "tests.stack"]

MINUTE = timedelta(minutes=17)
TABLES = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'reddit'"

# boto3 reads its models of AWS's services again in each session, of which every test has its own.
botocore.session.create_loader = cache(botocore.session.create_loader)

# The luigi command at a moment of the test's choice.
LUIGI_AT = """\
import datetime, sys
from jobs import resources
resources.clock = lambda hour: lambda: datetime.datetime.fromisoformat("{moment}")
from luigi.cmdline import luigi_run
luigi_run(sys.argv[1:])
"""


@dataclass
class Pipeline:
    """Runs of the main job that share a lake, a warehouse and a Reddit."""

    folder: Path
    monkeypatch: pytest.MonkeyPatch
    now: datetime = datetime(2026, 11, 23)  # noqa: DTZ001
    server: RedditServer = field(init=False)

    def serve(self, content: Content | None = None) -> None:
        """Start the Reddit of these runs: the sandbox's in the hour of the run, or another content."""
        self.server = RedditServer(content or InventedReddit(lambda: self.now))
        self.server.start()

    @property
    def lake(self) -> Path:
        return self.folder / "lake"

    @property
    def warehouse(self) -> Path:
        return self.folder / "warehouse.duckdb"

    def environment(self) -> dict[str, str]:
        return {
            "LAKE_URL": str(self.lake),
            "WAREHOUSE_URL": f"duckdb:///{self.warehouse}",
            "REDDIT_URL": self.server.url,
        }

    def run(self, hour: str, **parameters: object) -> int:
        """One run, as a scheduler would start it; gives the exit code. Text goes to the command line as it is."""
        with suppress(ValueError):
            self.now = datetime.fromisoformat(hour) + MINUTE
        words = ["--hour", hour]
        for name, value in ({"subreddits": ["python"], "listings": ["new"]} | parameters).items():
            words += [f"--{name}", value if isinstance(value, str) else json.dumps(value)]
        return self._start("RedditPipeline", *words)

    def maintain(self, hour: str) -> int:
        """The daily job, likewise."""
        return self._start("Maintenance", "--hour", hour)

    def request(self, *names: str) -> int:
        """The removal of these posts and comments, likewise."""
        return self._start("ForgetRequest", "--names", json.dumps(names))

    def _start(self, task: str, *words: str) -> int:
        for name, value in self.environment().items():
            self.monkeypatch.setenv(name, value)
        forget_run()
        try:
            run_with_retcodes(["--module", "jobs", task, *words])
        except SystemExit as end:
            return int(end.code or 0)
        finally:
            # This process goes on.
            failures.CURRENT.clear()
        return 0

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        with duckdb.connect(str(self.warehouse), read_only=True) as connection:
            return connection.sql(sql).fetchall()

    def tables(self) -> dict[str, list[tuple[object, ...]]]:
        """All that the warehouse holds, whatever the attempts were called."""
        found = {table for (table,) in self.rows(TABLES)}
        entities = [entity for entity in ENTITIES.values() if entity.name in found]
        return (
            {entity.name: self.rows(f"SELECT * FROM reddit.{entity.name} ORDER BY {entity.key}") for entity in entities}
            | {
                entity.metrics_table: self.rows(
                    f"SELECT * FROM reddit.{entity.metrics_table} ORDER BY {entity.key}, observed_at"
                )
                for entity in entities
            }
            | {
                "load_audit": self.rows(
                    "SELECT hour, rows_staged, rows_inserted, rows_updated, rows_stale "
                    "FROM reddit.load_audit ORDER BY ALL"
                ),
            }
        )

    def files(self) -> dict[str, bytes]:
        return {str(p.relative_to(self.lake)): p.read_bytes() for p in sorted(self.lake.rglob("*")) if p.is_file()}

    def receipts(self, pattern: str) -> list[dict[str, object]]:
        return [json.loads(path.read_text()) for path in sorted(self.lake.glob(f"receipts/**/{pattern}"))]


def forget_run() -> None:
    """Clear what is cached between the tasks of a process."""
    Register.clear_instance_cache()
    failures.CURRENT.clear()
    for kept in vars(resources).values():
        if hasattr(kept, "cache_clear"):
            kept.cache_clear()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run slow tests first, so that both workers end together, and keep tests that share a fixture in one worker."""
    for item in items:
        fixtures = vars(item)["_fixtureinfo"].name2fixturedefs
        if "warm_spark" in fixtures or "on_aws" in fixtures:
            item.add_marker(pytest.mark.slow)
        if "warm_spark" in fixtures:
            item.add_marker(pytest.mark.xdist_group("spark"))
        elif any(defined[-1].scope == "module" for defined in fixtures.values()):
            item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unset every setting of this machine; known posts and comments are looked at only in the tests of that."""
    for name in list(os.environ):
        if name.startswith(
            (
                "REDDIT_",
                "REFRESH_",
                "SWEEP_",
                "NOTICE_",
                "FORGET_",
                "LAKE_",
                "RAW_",
                "WAREHOUSE_",
                "TRANSFORM_",
                "GLUE_",
                "REDSHIFT_",
                "LUIGI_",
                "AWS_",
                "praw_",
            )
        ):
            monkeypatch.delenv(name)
    for name, value in NO_LOOKS.items():
        monkeypatch.setenv(name, value)
    # boto3 keeps the session of a process's first client, and with it its credentials.
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    bare_environment(monkeypatch)


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retry requests to AWS without waiting."""
    for module in ("botocore.endpoint", "tenacity.nap"):
        monkeypatch.setattr(f"{module}.time", SimpleNamespace(sleep=lambda _: None))


@contextmanager
def pipelines(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Pipeline]]:
    """A maker of pipelines, each in a folder of its own and with a Reddit of its own."""
    made: list[Pipeline] = []

    def make(name: str = "run", content: Content | None = None, kind: type[Pipeline] = Pipeline) -> Pipeline:
        pipeline = kind(folder / name, monkeypatch)
        pipeline.folder.mkdir(exist_ok=True)
        pipeline.serve(content)
        made.append(pipeline)
        # Each hour's run sees the same moment, whenever the test runs.
        monkeypatch.setattr(resources, "clock", lambda hour: lambda: hour + MINUTE)
        return pipeline

    yield make
    for pipeline in made:
        pipeline.server.shutdown()
        pipeline.server.server_close()


@pytest.fixture
def make_pipeline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Pipeline]]:
    with pipelines(tmp_path, monkeypatch) as make:
        yield make


@pytest.fixture
def pipeline(make_pipeline: Callable[..., Pipeline]) -> Pipeline:
    return make_pipeline()


@pytest.fixture
def run_luigi() -> Iterator[Callable[..., Command]]:
    """A starter of runs in processes of their own, at the moment that in-process runs see; killed with the test."""
    started: list[Command] = []

    def start(pipeline: Pipeline, hour: str, **parameters: object) -> Command:
        pipeline.now = datetime.fromisoformat(hour) + MINUTE
        given = {"listings": ["new"]} | parameters
        arguments = [f"--{name}={json.dumps(value)}" for name, value in given.items()]
        script = LUIGI_AT.format(moment=pipeline.now)
        words = ("-c", script, "--module", "jobs", "RedditPipeline", "--hour", hour, *arguments)
        environment = os.environ | pipeline.environment()
        started.append(commands.start(*words, env=environment, stderr=subprocess.STDOUT))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.close()


@pytest.fixture
def real() -> Path:
    folder = os.environ.get("REAL_REDDIT_DATA")
    if not folder:
        pytest.skip("REAL_REDDIT_DATA is not set to a folder of recorded Reddit data")
    return Path(folder)
