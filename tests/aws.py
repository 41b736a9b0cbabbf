"""AWS's stand-ins as fixtures, and the pipeline on all of them."""

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import repeat
from pathlib import Path

import boto3
import pytest

from jobs import resources
from reddit_etl.lake import open_lake
from reddit_etl.sandbox.server import Content
from reddit_etl.transform import glue as transform_glue
from reddit_etl.warehouse.redshift import connections
from reddit_etl.warehouse.redshift.login import read_login
from reddit_etl.warehouse.redshift.warehouse import RedshiftWarehouse
from tests.conftest import Pipeline
from tests.standins.glue import GlueServer, by_duckdb, glue
from tests.standins.loads import LOADED_AT, DuckDBLoads, Loads
from tests.standins.postgres import postgres
from tests.standins.redshift import ROLE, Redshift, redshift
from tests.standins.s3 import ENVIRONMENT, moto_server
from tests.standins.spark import JOB, Spark, spark

LOGIN = {
    "REDDIT_CLIENT_ID": "someone",
    "REDDIT_CLIENT_SECRET": "s3cret-of-reddit",
    "REDDIT_USER_AGENT": "linux:pipeline-test:1.0 (by /u/someone)",
}


@pytest.fixture(scope="session")
def s3_url() -> Iterator[str]:
    """moto's server: S3 and the other services that it emulates."""
    with moto_server() as url:
        yield url


@pytest.fixture(scope="session")
def redshift_server(s3_url: str) -> Iterator[Redshift]:
    with postgres() as folder, redshift(folder, s3_url=s3_url) as server:
        yield server


@pytest.fixture
def s3_lake(s3_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of an empty lake in a bucket of its own."""
    for name, value in (ENVIRONMENT | {"AWS_ENDPOINT_URL": s3_url}).items():
        monkeypatch.setenv(name, value)
    bucket = f"lake-{secrets.token_hex(6)}"
    boto3.client("s3").create_bucket(Bucket=bucket)
    return f"s3://{bucket}/reddit"


@pytest.fixture
def redshift_loads(s3_lake: str, redshift_server: Redshift, tmp_path: Path) -> Loads:
    redshift_server.reset()
    warehouse = RedshiftWarehouse(
        read_login(redshift_server.url, workgroup=None, cluster=None),
        copy_role=ROLE,
        clock=lambda: LOADED_AT,
        pause=lambda _: None,
    )
    return Loads(tmp_path, warehouse, open_lake(s3_lake), redshift_server.rows)


@pytest.fixture(params=["duckdb", "redshift"])
def loads(request: pytest.FixtureRequest, tmp_path: Path) -> Loads:
    """Each warehouse in turn."""
    if request.param == "duckdb":
        return DuckDBLoads(tmp_path)
    found: Loads = request.getfixturevalue("redshift_loads")
    return found


class AwsPipeline(Pipeline):
    """Runs of the main job on stand-ins for AWS."""

    settings: dict[str, str]

    def environment(self) -> dict[str, str]:
        return self.settings | LOGIN | {"REDDIT_URL": self.server.url}

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        return resources.warehouse().query(sql.replace("ORDER BY ALL", "ORDER BY 1, 2, 3, 4, 5"), limit=1_000_000)[1]

    def keys(self, prefix: str) -> list[str]:
        return sorted(resources.lake().keys(prefix))


@pytest.fixture(scope="session")
def warm_spark() -> Iterator[Spark]:
    """One Spark for all tests: starting one takes ten seconds."""
    pytest.importorskip("pyspark")
    with spark() as session:
        yield session


@pytest.fixture
def glue_server(s3_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[GlueServer]:
    """Glue's runs are done by DuckDB, unless a test sets Spark; test_two_engines.py shows that both give the same."""
    monkeypatch.setattr(transform_glue, "_intervals", lambda: repeat(0.05))
    with glue(work=by_duckdb, s3=s3_url, moto=s3_url) as server:
        yield server


@pytest.fixture
def on_aws(
    make_pipeline: Callable[..., Pipeline],
    s3_lake: str,
    glue_server: GlueServer,
    redshift_server: Redshift,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., "AwsPipeline"]:
    """Makes pipelines; each empties the warehouse."""
    monkeypatch.setattr(connections, "LONGEST_WAIT", 0.05)

    iam = boto3.client("iam")
    with suppress(iam.exceptions.EntityAlreadyExistsException):
        iam.create_role(RoleName="transform", AssumeRolePolicyDocument="{}")

    def make(name: str = "aws", content: Content | None = None) -> AwsPipeline:
        redshift_server.reset()
        pipeline = make_pipeline(name, content, AwsPipeline)
        assert isinstance(pipeline, AwsPipeline)
        pipeline.settings = {name: value for name, value in os.environ.items() if name.startswith("AWS_")} | {
            "AWS_ENDPOINT_URL_GLUE": glue_server.url,
            "AWS_SECRET_ACCESS_KEY": "s3cret-of-aws",
            "LAKE_URL": f"{s3_lake}/{name}",
            "TRANSFORM_ENGINE": "glue",
            "GLUE_JOB_NAME": JOB,
            # moto outlives a test, and a database is of one lake.
            "GLUE_DATABASE": f"{s3_lake.split('/')[2].replace('-', '_')}_{name}",
            "WAREHOUSE_URL": redshift_server.url,
            "REDSHIFT_COPY_ROLE": ROLE,
        }
        return pipeline

    return make
