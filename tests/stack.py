"""The stack of batch/stack.yaml, resolved, and what a run of its job finds in an account, as fixtures."""

import json
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.standins.redshift import DATABASE, Redshift
from tests.standins.resources import clients, make, unmake
from tests.standins.s3 import ENVIRONMENT, AnsweringS3, answering
from tests.standins.template import TEMPLATE, Resolved, refusal

# What the deployment itself passes.
GIVEN = {
    "ImageUri": "123456789012.dkr.ecr.us-east-1.amazonaws.com/reddit-etl:0.1.0-0123456789ab",
    "CodeVersion": "0123456789abcdef",
    "RedditSecretArn": "arn:aws:secretsmanager:us-east-1:123456789012:secret:reddit-etl/reddit-AbCdEf",
    # With one of them twice, as where a region has two that qualify.
    "Zones": "us-east-1d,us-east-1b,us-east-1b",
    "FinalSnapshot": "reddit-etl-20261123t040500",
}


class Stack(Resolved):
    """With what the tests ask of it."""

    @property
    def container(self) -> dict[str, Any]:
        """The job definition's."""
        return dict(self.resources["JobDefinition"]["ContainerProperties"])

    def environment(self, definition: str = "JobDefinition") -> dict[str, str]:
        """Of the container of one of the jobs."""
        container = self.resources[definition]["ContainerProperties"]
        return {entry["Name"]: entry["Value"] for entry in container["Environment"]}

    def secrets(self) -> dict[str, str]:
        """Of the job's container, by reference."""
        return {entry["Name"]: entry["ValueFrom"] for entry in self.container["Secrets"]}

    def statements(self, role: str) -> list[dict[str, Any]]:
        """What a role, by its name or its ARN, may do."""
        properties = self.of_kind("AWS::IAM::Role")[role.rpartition("/")[2]]
        assert set(properties) == {"AssumeRolePolicyDocument", "Policies"}
        return [one for policy in properties["Policies"] for one in policy["PolicyDocument"]["Statement"]]


def resolved(name: str = "reddit-etl", **parameters: str) -> Stack:
    """A stack with these parameters, as it would be deployed."""
    stack = Stack(TEMPLATE.read_text(), name, GIVEN | parameters)
    assert refusal(stack) is None
    return stack


@pytest.fixture(scope="session")
def stack() -> Stack:
    """With all its resources."""
    return resolved(TransformEngine="glue", AlarmEmail="someone@example.com")


@dataclass(frozen=True)
class Deployment:
    """A stack in an account."""

    stack: Stack
    client: Callable[[str], Any]


@pytest.fixture
def deploy(s3_url: str) -> Iterator[Callable[..., Deployment]]:
    """A maker of stacks in an account, each with a name of its own."""
    client, made = clients(s3_url), []

    def deploy(**parameters: str) -> Deployment:
        name = f"stack-{secrets.token_hex(4)}"
        stack = resolved(name, **{"GlueDatabase": name.replace("-", "_")} | parameters)
        make(stack, client)
        made.append(stack)
        return Deployment(stack, client)

    yield deploy
    for stack in made:
        unmake(stack, client)


@pytest.fixture
def logins(redshift_server: Redshift) -> Iterator[AnsweringS3]:
    """Gives temporary credentials of the warehouse, by either of Redshift's APIs."""
    user, password = "loader", redshift_server.users["loader"].password

    def login(_method: str, _path: str, body: bytes) -> tuple[int, str]:
        if body.startswith(b"{"):
            return 200, json.dumps({"dbUser": user, "dbPassword": password})
        answer = f"<DbUser>{user}</DbUser><DbPassword>{password}</DbPassword>"
        return 200, f"<R><GetClusterCredentialsWithIAMResult>{answer}</GetClusterCredentialsWithIAMResult></R>"

    with answering(login, bodies=True) as server:
        yield server


@pytest.fixture
def on_stand_ins(
    redshift_server: Redshift, logins: AnsweringS3, s3_url: str, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Stack], dict[str, str]]:
    """Gives the environment of a stack's job, with where AWS and the warehouse, an empty one, are found here."""

    def settle(stack: Stack) -> dict[str, str]:
        environment = stack.environment()
        redshift_server.reset()
        monkeypatch.setattr(redshift_server, "roles", (environment["REDSHIFT_COPY_ROLE"],))
        warehouse = f"redshift+psycopg2://127.0.0.1:{redshift_server.port}/{DATABASE}?sslmode=disable"
        endpoints = {"AWS_ENDPOINT_URL": s3_url, "WAREHOUSE_URL": warehouse}
        for service in ("REDSHIFT", "REDSHIFT_SERVERLESS"):
            endpoints[f"AWS_ENDPOINT_URL_{service}"] = logins.url
        return environment | ENVIRONMENT | endpoints

    return settle
