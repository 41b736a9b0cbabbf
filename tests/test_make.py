"""`make deploy`, `make status`, `make destroy` as a person types them: the real stack in an emulated account."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.standins import docker
from tests.standins.batch import Batch
from tests.standins.cloudformation import KEYS, cloudformation
from tests.standins.cloudformation_types import REGION
from tests.standins.s3 import ENVIRONMENT, PROJECT, answering

LOGIN = {
    "REDDIT_CLIENT_ID": "marked-id",
    "REDDIT_CLIENT_SECRET": "marked-s3cret",
    "REDDIT_USER_AGENT": "linux:marked:1.0 (by /u/someone)",
}


@dataclass
class Checkout:
    """Somebody at the top of a checkout, logged in to AWS."""

    url: str
    environment: dict[str, str]
    record: Path
    objects: set[str] = field(default_factory=set)

    def client(self, service: str) -> Any:
        return boto3.client(service, endpoint_url=self.url, region_name=REGION, **KEYS)

    def make(self, *words: str, answer: str = "") -> tuple[int, str]:
        """The exit code, and what was said. With an answer somebody is at the terminal."""
        # What is installed here is installed enough.
        here = ("--old-file", f"{sys.prefix}/run", f"VENV={sys.prefix}")
        keyboard, terminal = os.openpty()
        os.write(keyboard, f"{answer}\n".encode())
        done = subprocess.run(
            ["make", *here, *words],
            cwd=PROJECT,
            env=self.environment,
            stdin=terminal if answer else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        os.close(keyboard)
        os.close(terminal)
        return done.returncode, done.stdout

    def s3(self, method: str, path: str) -> tuple[int, str]:
        """moto refuses what the bucket's policy may refuse, and does not ask whether it does: so it is not asked."""
        if method == "PUT":
            self.objects.add(path)
        return (200 if path in self.objects else 404), ""


def redshift(_method: str, _path: str, body: bytes) -> tuple[int, str]:
    """moto knows no Redshift Serverless."""
    asked = json.loads(body)
    if "namespaceName" in asked:
        return 200, json.dumps({"namespace": {"adminPasswordSecretArn": "arn:secret"}})
    if "usageType" in asked and "amount" not in asked:
        return 200, json.dumps({"usageLimits": []})
    return 200, json.dumps({"Id": "1", "Status": "FINISHED"})


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Checkout]:
    docker.install(tmp_path)
    record = tmp_path / "record"
    with cloudformation() as url:
        # What a make tells the makes below it is not for this one.
        here = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
        given = ENVIRONMENT | LOGIN | {"AWS_ENDPOINT_URL": url, "RECORD": str(record)}
        environment = here | given | {"PATH": f"{tmp_path}:{here['PATH']}", "EMAIL": "git@example.com"}
        found = Checkout(url, environment, record)
        jobs = Batch(definitions=found.client("batch"), logs=found.client("logs"), folder=tmp_path)
        with (
            answering(found.s3) as s3,
            answering(jobs.answer, bodies=True) as batch,
            answering(redshift, bodies=True) as warehouse,
        ):
            environment["AWS_ENDPOINT_URL_S3"] = s3.url
            environment["AWS_ENDPOINT_URL_BATCH"] = batch.url
            environment["AWS_ENDPOINT_URL_REDSHIFT_SERVERLESS"] = warehouse.url
            environment["AWS_ENDPOINT_URL_REDSHIFT_DATA"] = warehouse.url
            yield found


def shown() -> list[str]:
    """What the README shows of a deployment, as patterns: a line each, of which it may leave something out."""
    text = (PROJECT / "README.md").read_text()
    block = re.search(r"^\$ make deploy .*?^```text\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert block
    lines = [line for line in block[1].splitlines() if line.strip() != "…"]
    return [re.escape(line).replace("…", ".*") for line in lines]


@pytest.mark.slow
def test_made_updated_and_removed(checkout: Checkout) -> None:
    # moto cannot remove a network, so the account has one.
    subnets = checkout.client("ec2").describe_subnets()["Subnets"]
    names = ",".join(subnet["SubnetId"] for subnet in subnets[:3])
    network = f"ARGS=--set VpcId={subnets[0]['VpcId']} --set SubnetIds={names}"

    code, said = checkout.make("deploy", network)
    assert code == 2, "make's own"
    assert said.index("of which a run") < said.index("nobody is there to answer: give --yes")

    code, said = checkout.make("deploy", network, answer="n")
    assert code == 2
    assert "Deploy? [y/N]" in said
    assert "nothing is deployed" in said
    assert not checkout.record.exists() or "push" not in checkout.record.read_text()

    asked = ("deploy", network, 'SUBREDDITS=["python", "rust"]', "EMAIL=me@example.com")
    code, said = checkout.make(*asked, answer="y")
    assert code == 0, said
    assert said.splitlines()[-1].startswith("run         SUCCEEDED; the data is in s3://reddit-etl-bucket-")
    for step in ("22.00", "building", "pushing", "CREATE_COMPLETE", "lets the job in", "to me@example.com"):
        assert step in said, step
    assert sorted(re.findall(r"^  \| \S+ extracted .*of=sandbox\.(\w+)-", said, re.MULTILINE)) == ["python", "rust"]
    # The README's answer is on the terminal, and no part of what is said.
    rest = iter(said.replace("Deploy? [y/N] ", "Deploy? [y/N] y\n").splitlines())
    for pattern in shown():
        assert any(re.fullmatch(pattern, line) for line in rest), pattern
    assert said.index("is submitted") < said.index("  | ") < said.index("run complete") < said.rindex("SUCCEEDED")
    [stack] = checkout.client("cloudformation").describe_stacks(StackName="reddit-etl")["Stacks"]
    bucket = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}["Bucket"]
    assert {path.rpartition("/")[2] for path in checkout.objects} == {"glue_transform.py", "library.zip"}
    assert all(path.startswith(f"/{bucket}/code/") for path in checkout.objects)

    code, said = checkout.make("deploy", "YES=1", "SCHEDULE=rate(2 hours)", "LIMIT=500")
    assert code == 0, said
    assert "UPDATE_COMPLETE" in said
    assert "building" not in said
    [stack] = checkout.client("cloudformation").describe_stacks(StackName="reddit-etl")["Stacks"]
    values = {entry["ParameterKey"]: entry["ParameterValue"] for entry in stack["Parameters"]}
    wanted = {
        "Subreddits": '["python", "rust"]',
        "Schedule": "rate(2 hours)",
        "HoursWithoutSuccess": "4",
        "Limit": "500",
    }
    assert wanted.items() <= values.items()
    assert values["AlarmEmail"] == "me@example.com", "and not the EMAIL of somebody's environment"

    code, said = checkout.make("status")
    assert code == 0, said
    assert len(re.findall(r"^run .* SUCCEEDED", said, re.MULTILINE)) == 2
    assert "alarms      4, none rings" in said
    assert "told        me@example.com" in said
    assert "ask it      Query Editor v2: workgroup reddit-etl, database reddit" in said

    code, said = checkout.make("destroy", "YES=1")
    assert code == 0, said
    assert said.splitlines()[-1].startswith(f"data        s3://{bucket} is kept")
    assert bucket in {entry["Name"] for entry in checkout.client("s3").list_buckets()["Buckets"]}
    code, said = checkout.make("status")
    assert code == 2
    assert "there is no stack reddit-etl" in said

    words = [json.loads(line)["words"][0] for line in checkout.record.read_text().splitlines()]
    assert words.count("push") == 1
    for hidden in LOGIN.values():
        assert hidden not in checkout.record.read_text()
