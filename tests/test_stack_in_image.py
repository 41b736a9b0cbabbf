"""What the schedule submits, run for real: command, environment and secrets of the registered definition."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import repeat
from typing import Any

import pytest

from tests.aws import LOGIN
from tests.conftest import Pipeline
from tests.stack import Deployment, Stack
from tests.standins.container import MEMORY, Image
from tests.standins.reddit import Posts, ScriptedReddit, answer
from tests.standins.resources import clients
from tests.test_stack import is_tried_again

pytestmark = pytest.mark.slow

MOMENT = "2026-11-23T04:05:00Z"
HOUR = "2026-11-23T04"
# Python runs a module of this name first, so this is the doctor's in place of the pipeline's entry point.
DOCTOR = """\
import os, runpy, sys
sys.argv = ["jobs", "doctor"]
try:
    runpy.run_module("jobs", run_name="__main__")
except SystemExit as end:
    os._exit(end.code)
"""


@dataclass
class Scheduled:
    """A deployed stack, and what Batch makes of its schedule's request."""

    stack: Stack
    client: Callable[[str], Any]
    image: Image
    stand_ins: dict[str, str]
    reddit_url: str

    def command(self, moment: str) -> list[str]:
        """As Batch does it: the request's parameters come before the definition's."""
        target = self.stack.resources["HourlyRun"]["Target"]
        asked = json.loads(target["Input"].replace("<aws.scheduler.scheduled-time>", moment))
        definition = self.stack.resources["JobDefinition"]
        assert asked["JobDefinition"] == definition["JobDefinitionName"]
        parameters = definition["Parameters"] | asked["Parameters"]
        words = definition["ContainerProperties"]["Command"]
        return [parameters[word.removeprefix("Ref::")] if word.startswith("Ref::") else word for word in words]

    def secrets(self) -> dict[str, str]:
        """As ECS does it: seven parts are the secret's ARN, the eighth is a key of the JSON in it."""
        manager, found = self.client("secretsmanager"), {}
        for name, reference in self.stack.secrets().items():
            *arn, key, stage, version = reference.split(":")
            assert (stage, version) == ("", "")
            content = manager.get_secret_value(SecretId=":".join(arn))["SecretString"]
            found[name] = json.loads(content)[key]
        return found

    def environment(self) -> dict[str, str]:
        return self.stand_ins | self.secrets() | {"REDDIT_URL": self.reddit_url}

    def run(self, moment: str = MOMENT) -> tuple[int, str, str]:
        return self.image.run(*self.command(moment), environment=self.environment())

    def is_tried_again(self, code: int) -> bool:
        return is_tried_again(self.stack, exitCode=str(code), statusReason="Essential container in task exited")


@pytest.fixture
def login(s3_url: str) -> Iterator[str]:
    """The ARN of the secret with Reddit's credentials."""
    manager = clients(s3_url)("secretsmanager")
    made = manager.create_secret(Name="reddit-etl/reddit", SecretString=json.dumps(LOGIN))
    yield made["ARN"]
    manager.delete_secret(SecretId=made["ARN"], ForceDeleteWithoutRecovery=True)


@pytest.fixture
def scheduled(
    deploy: Callable[..., Deployment],
    login: str,
    local: Image,
    on_stand_ins: Callable[[Stack], dict[str, str]],
    pipeline: Pipeline,
) -> Scheduled:
    """With all that a deployment has if nothing is chosen: DuckDB in the container, a warehouse of its own."""
    made = deploy(RedditSecretArn=login)
    return Scheduled(made.stack, made.client, local, on_stand_ins(made.stack), pipeline.server.url)


def test_what_the_schedule_submits_ends_in_the_warehouse(scheduled, redshift_server):
    assert {"Type": "MEMORY", "Value": str(MEMORY)} in scheduled.stack.container["ResourceRequirements"]
    code, out, err = scheduled.run()
    assert (code, f"Hour {HOUR} UTC" in out) == (0, True), err
    loaded = "SELECT hour, SUM(rows_inserted) FROM reddit.load_audit WHERE entity = 'posts' GROUP BY hour"
    assert redshift_server.rows(loaded) == [(HOUR, 3000)]
    assert redshift_server.rows("SELECT count(DISTINCT post_id), count(*) FROM reddit.posts") == [(3000, 3000)]
    subreddits = json.loads(scheduled.stack.resources["JobDefinition"]["Parameters"]["subreddits"])
    asked = redshift_server.rows("SELECT DISTINCT subreddit FROM reddit.posts")
    assert sorted(name for (name,) in asked) == sorted(subreddits)
    database = scheduled.stack.outputs["GlueDatabase"]
    glue = scheduled.client("glue")
    [partition] = glue.get_partitions(DatabaseName=database, TableName="posts")["Partitions"]
    assert partition["Values"][:2] == HOUR.split("T")
    assert partition["StorageDescriptor"]["Location"].startswith(scheduled.stack.outputs["LakeUrl"])
    # A schedule may fire twice.
    code, out, err = scheduled.run()
    assert (code, "already complete" in out) == (0, True), err
    assert redshift_server.rows(loaded) == [(HOUR, 3000)]
    # What the metric filters count.
    events = [json.loads(line)["event"] for line in err.splitlines() if line.startswith("{")]
    assert events == ["run complete"]


def test_a_broken_secret_ends_the_job_and_a_fault_of_reddit_s_has_it_tried_again(scheduled, login):
    with ScriptedReddit(Posts(300)) as reddit:
        reddit.script(pages=repeat(answer(400), 9))
        code, _, err = replace(scheduled, reddit_url=reddit.url).run()
    assert (code, scheduled.is_tried_again(code)) == (30, True), err
    # What would come of a placeholder that nobody fills in.
    code, _, err = scheduled.run(moment="<aws.scheduler.scheduled-time>")
    assert (code, scheduled.is_tried_again(code)) == (78, False), err
    assert "--hour: '<aws.scheduler.scheduled-time>' is not valid" in err
    manager = scheduled.client("secretsmanager")
    manager.put_secret_value(SecretId=login, SecretString=json.dumps(LOGIN | {"REDDIT_CLIENT_SECRET": "s3cret-0815\n"}))
    code, _, err = scheduled.run()
    assert (code, scheduled.is_tried_again(code)) == (78, False), err
    assert "REDDIT_CLIENT_SECRET has surrounding white space" in err
    assert "s3cret-0815" not in err


def test_the_doctor_finds_it_well_in_the_same_image(scheduled, tmp_path):
    first = tmp_path / "first"
    first.mkdir()
    (first / "sitecustomize.py").write_text(DOCTOR)
    environment = scheduled.environment() | {"PYTHONPATH": "/first:/app"}
    code, out, err = scheduled.image.run(environment=environment, folders={first: "/first"})
    assert code == 0, out + err
    assert [line.split()[:2] for line in out.splitlines()] == [
        ["ok", part] for part in ("settings", "names", "disk", "reddit", "lake", "transform", "catalog", "warehouse")
    ]
    assert "returns r/announcements" in out
