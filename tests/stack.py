"""A deployed stack, and stand-ins that answer under its names, as fixtures."""

import json
import secrets
from collections.abc import Callable, Iterator

import pytest

from tests.standins.cloudformation import Deployment, cloudformation
from tests.standins.postgres import postgres
from tests.standins.redshift import DATABASE, Redshift, redshift
from tests.standins.s3 import ENVIRONMENT, AnsweringS3, answering


class Other(Deployment):
    """A stack in subnets that are there already."""

    def deploy(self, **parameters: str) -> None:
        subnets = self.client("ec2").describe_subnets()["Subnets"]
        vpc = next(subnet["VpcId"] for subnet in subnets if subnet["DefaultForAz"])
        own = ",".join(subnet["SubnetId"] for subnet in subnets if subnet["VpcId"] == vpc)
        super().deploy(**{"VpcId": vpc, "SubnetIds": own, "GlueDatabase": self.name.replace("-", "_")} | parameters)


def other(account: str, **parameters: str) -> Other:
    made = Other(account, f"other-{secrets.token_hex(4)}")
    made.deploy(**parameters)
    return made


@pytest.fixture(scope="module")
def account() -> Iterator[str]:
    """The URL of an account of AWS, for the tests of one file."""
    with cloudformation() as url:
        yield url


@pytest.fixture(scope="module")
def deployed(account: str) -> Deployment:
    """With all its resources."""
    made = Deployment(account, "reddit-etl")
    made.deploy(TransformEngine="glue", AlarmEmail="someone@example.com")
    return made


@pytest.fixture(scope="module")
def stack_warehouse(account: str) -> Iterator[Redshift]:
    with postgres() as folder, redshift(folder, s3_url=account) as server:
        yield server


@pytest.fixture
def logins(stack_warehouse: Redshift) -> Iterator[AnsweringS3]:
    """Gives temporary credentials of the warehouse, by either of Redshift's APIs."""
    user, password = "loader", stack_warehouse.users["loader"].password

    def login(_method: str, _path: str, body: bytes) -> tuple[int, str]:
        if body.startswith(b"{"):
            return 200, json.dumps({"dbUser": user, "dbPassword": password})
        said = f"<DbUser>{user}</DbUser><DbPassword>{password}</DbPassword>"
        return 200, f"<R><GetClusterCredentialsWithIAMResult>{said}</GetClusterCredentialsWithIAMResult></R>"

    with answering(login, bodies=True) as server:
        yield server


@pytest.fixture
def on_stand_ins(stack_warehouse: Redshift, logins: AnsweringS3) -> Callable[[Deployment], dict[str, str]]:
    """Gives the environment of a stack's job, with where AWS and the warehouse, an empty one, are found here."""

    def settle(deployed: Deployment) -> dict[str, str]:
        environment = deployed.environment()
        # It refuses whoever speaks to the bucket without TLS, as everybody does here.
        deployed.client("s3").delete_bucket_policy(Bucket=deployed.outputs["Bucket"])
        stack_warehouse.reset()
        stack_warehouse.roles = (environment["REDSHIFT_COPY_ROLE"],)
        place = f"redshift+psycopg2://127.0.0.1:{stack_warehouse.port}/{DATABASE}?sslmode=disable"
        endpoints = {"AWS_ENDPOINT_URL": deployed.url, "WAREHOUSE_URL": place}
        for service in ("REDSHIFT", "REDSHIFT_SERVERLESS"):
            endpoints[f"AWS_ENDPOINT_URL_{service}"] = logins.url
        return environment | ENVIRONMENT | endpoints

    return settle
