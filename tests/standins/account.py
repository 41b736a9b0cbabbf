"""An account of AWS for the deployment's commands: moto, and stand-ins for what it lacks."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.standins import docker
from tests.standins.batch import Batch
from tests.standins.cloudformation import CloudFormation
from tests.standins.resources import Client, clients
from tests.standins.s3 import ENVIRONMENT, answering
from tests.standins.serverless import Serverless

LOGIN = {
    "REDDIT_CLIENT_ID": "marked-id",
    "REDDIT_CLIENT_SECRET": "marked-s3cret",
    "REDDIT_USER_AGENT": "linux:marked:1.0 (by /u/someone)",
}


@dataclass(frozen=True)
class Emulated:
    client: Client
    stacks: CloudFormation
    batch: Batch
    serverless: Serverless
    record: Path
    """Docker's calls."""
    environment: dict[str, str]
    """In which the commands find all of it; the PATH apart, where docker is in the record's folder."""


@contextmanager
def emulated(
    moto: str, folder: Path, run: Callable[[list[str]], tuple[int, list[str]]] = lambda _: (0, [])
) -> Iterator[Emulated]:
    """`run` is what Batch does with a command: it gives the exit code and the log's lines."""
    docker.install(folder)
    client, serverless, record = clients(moto), Serverless(), folder / "record"
    stacks = CloudFormation(client)
    batch = Batch(stacks, client, run)
    with (
        answering(stacks.answer, bodies=True) as formation,
        answering(batch.answer, bodies=True) as jobs,
        answering(serverless.answer, bodies=True) as redshift,
    ):
        environment = ENVIRONMENT | LOGIN | {"AWS_ENDPOINT_URL": moto, "RECORD": str(record)}
        environment |= {
            "AWS_ENDPOINT_URL_CLOUDFORMATION": formation.url,
            "AWS_ENDPOINT_URL_BATCH": jobs.url,
            "AWS_ENDPOINT_URL_REDSHIFT_SERVERLESS": redshift.url,
            "AWS_ENDPOINT_URL_REDSHIFT_DATA": redshift.url,
        }
        yield Emulated(client, stacks, batch, serverless, record, environment)
        # Another test's stack of the default parameters wants the same database.
        stacks.clear()
