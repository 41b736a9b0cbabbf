"""The servers that the measured processes use.

Reddit's sandbox, S3 and PostgreSQL run in processes of their own, the stand-in for Redshift in this one.
"""

import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import boto3

from benchmarks.memory import PROJECT, environment
from tests.standins.postgres import postgres
from tests.standins.redshift import DATABASE, ROLE, Redshift, redshift
from tests.standins.s3 import ENVIRONMENT, KEYS, moto_server, requests_of

LOGIN = {
    "REDDIT_CLIENT_ID": "benchmark",
    "REDDIT_CLIENT_SECRET": "benchmark",
    "REDDIT_USER_AGENT": "linux:benchmark:1.0 (by /u/benchmark)",
}


@dataclass
class Reddit:
    """The sandbox, whose clock stands still."""

    process: subprocess.Popen[str]
    url: str

    def set(self, moment: str) -> None:
        """Set its clock, to a time such as `2026-11-23T04:30`."""
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(f"{moment}\n")
        self.process.stdin.flush()
        self.process.stdout.readline()


@contextmanager
def reddit() -> Iterator[Reddit]:
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.reddit"],
        cwd=PROJECT,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin and process.stdout
        yield Reddit(process, process.stdout.readline().strip())
        process.stdin.close()


@dataclass(frozen=True)
class Account:
    """An empty bucket, with an access key of its own."""

    s3: str
    key: str

    @property
    def lake(self) -> str:
        return f"s3://{self.key}/reddit"

    @property
    def environment(self) -> dict[str, str]:
        return ENVIRONMENT | {"AWS_ENDPOINT_URL": self.s3, "AWS_ACCESS_KEY_ID": self.key}

    @property
    def requests(self) -> int:
        """To S3, so far."""
        return requests_of(self.s3, self.key)


def account(s3: str) -> Account:
    key = f"lake-{secrets.token_hex(4)}"
    boto3.client("s3", endpoint_url=s3, **KEYS).create_bucket(Bucket=key)
    return Account(s3, key)


@dataclass
class Servers:
    reddit: Reddit
    s3: str
    socket: Path
    """The folder of PostgreSQL's socket."""
    redshift: Redshift

    @property
    def redshift_settings(self) -> dict[str, str]:
        return {"WAREHOUSE_URL": self.redshift.url, "REDSHIFT_COPY_ROLE": ROLE}

    @property
    def postgres_settings(self) -> dict[str, str]:
        """PostgreSQL itself, as dlt's settings."""
        url = f"postgresql://postgres:any@localhost/{DATABASE}?host={self.socket}"
        return {"DESTINATION__POSTGRES__CREDENTIALS": url}


@contextmanager
def servers() -> Iterator[Servers]:
    with reddit() as sandbox, moto_server() as s3, postgres() as socket, redshift(socket, s3_url=s3) as warehouse:
        yield Servers(sandbox, s3, socket, warehouse)
