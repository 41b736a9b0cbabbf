"""Each role of the stack, as it is deployed, against the calls that are really made: all allowed, and no more allowed.

The calls are recorded from runs on stand-ins that have the names of a deployed stack.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import repeat
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from jobs.doctor import examine
from reddit_etl.transform import glue as transform_glue
from reddit_etl.warehouse.redshift import warehouse as warehouse_redshift
from tests.aws import AwsPipeline
from tests.conftest import Pipeline, forget_run
from tests.stack import other
from tests.standins import glue as glue_module
from tests.standins import redshift_s3
from tests.standins.calls import Recorder
from tests.standins.cloudformation import GIVEN, Deployment
from tests.standins.cloudformation_types import ACCOUNT, REGION
from tests.standins.container import deployed_config
from tests.standins.glue import GlueServer, Refusal, by_duckdb, glue
from tests.standins.policies import Right, given, refused, unused
from tests.standins.reddit import Posts, ScriptedReddit, answer
from tests.standins.redshift_conversation import DATABASE

HOURS = ("2026-11-23T04", "2026-11-23T05")
PLACE = f"redshift+psycopg2://theirs.example.com:5439/{DATABASE}"

Work = Callable[[Path, str], str | None]


class Rehearsal:
    """Runs of the pipeline under the names of a deployed stack, and who called what meanwhile."""

    def __init__(
        self, deployed: Deployment, pipeline: AwsPipeline, transformer: GlueServer, environment: dict[str, str]
    ) -> None:
        self.deployed, self.pipeline, self.transformer = deployed, pipeline, transformer
        self.job, self.copy, self.script = Recorder(), Recorder(), Recorder()
        if "GlueJob" in deployed.outputs:
            job = self.client("glue").get_job(JobName=deployed.outputs["GlueJob"])["Job"]
            transformer.job, transformer.role = job["Name"], job["Role"]
        pipeline.settings = environment | {
            "LUIGI_CONFIG_PATH": str(deployed_config(pipeline.folder)),
            "AWS_ENDPOINT_URL_GLUE": transformer.url,
        }

    def client(self, service: str) -> Any:
        return self.deployed.client(service)

    def examine(self) -> None:
        for name, value in self.pipeline.environment().items():
            self.pipeline.monkeypatch.setenv(name, value)
        forget_run()
        findings = list(examine())
        assert [finding.text for finding in findings if not finding.good] == []

    def run(self, hour: str) -> None:
        assert self.pipeline.run(hour, limit=100) == 0

    def lose_reddit(self, hour: str) -> None:
        """A run in whose middle Reddit refuses: its upload is aborted."""
        own = self.pipeline.server
        with ScriptedReddit(Posts(300)) as reddit:
            reddit.script(pages=[None, answer(400)])
            self.pipeline.server = reddit
            assert self.pipeline.run(hour, limit=300) == 30
        self.pipeline.server = own

    def lose_glue(self, hour: str) -> None:
        """A run that ends before its Glue run does, which the next run of the hour finds."""
        self.transformer.states, self.transformer.refusals["GetJobRun"] = (
            ["RUNNING"],
            [Refusal("AccessDeniedException")],
        )
        assert self.pipeline.run(hour, limit=100) == 78
        self.transformer.states = None
        run = self.transformer.runs[-1]
        lake, manifest = run.arguments["--lake"], run.arguments["--manifest"]
        with self.transformer.local(lake, manifest) as folder:
            by_duckdb(folder, manifest)
        run.states = ["RUNNING", "SUCCEEDED"]

    def forget(self, hour: str, *steps: str) -> None:
        """Let these steps of the hour be done once more."""
        bucket, prefix = self.deployed.outputs["Bucket"], f"lake/receipts/dt={hour[:10]}/hr={hour[11:]}/"
        found = self.client("s3").list_objects_v2(Bucket=bucket, Prefix=prefix)["Contents"]
        names = [entry["Key"] for entry in found if entry["Key"].removeprefix(prefix).startswith(steps)]
        assert len(names) == len(steps)
        for name in names:
            self.client("s3").delete_object(Bucket=bucket, Key=name)

    def age_catalog(self) -> None:
        """As if another version had written the table and the views."""
        place = {"DatabaseName": self.deployed.outputs["GlueDatabase"]}
        kept = ("Name", "TableType", "Parameters", "PartitionKeys", "StorageDescriptor")
        for stored in self.client("glue").get_tables(**place)["TableList"]:
            aged = {key: stored[key] for key in kept} | {"Description": "As it was."}
            self.client("glue").update_table(**place, TableInput=aged)


@pytest.fixture
def rehearse(
    make_pipeline: Callable[..., Pipeline],
    monkeypatch: pytest.MonkeyPatch,
    account: str,
    on_stand_ins: Callable[[Deployment], dict[str, str]],
) -> Iterator[Callable[..., Rehearsal]]:
    """A maker of rehearsals; Glue's runs are DuckDB's work, if no other is given."""
    monkeypatch.setattr(warehouse_redshift, "LONGEST_WAIT", 0.05)
    monkeypatch.setattr(transform_glue, "_intervals", lambda: repeat(0.05))
    with ExitStack() as servers:

        def make(deployed: Deployment, work: Work = by_duckdb) -> Rehearsal:
            transformer = servers.enter_context(glue(work=work, s3=account, moto=account))
            pipeline = make_pipeline(deployed.name, None, AwsPipeline)
            made = Rehearsal(deployed, pipeline, transformer, on_stand_ins(deployed))
            made.job.watch_all(monkeypatch)
            for module, recorder in ((redshift_s3, made.copy), (glue_module, made.script)):
                monkeypatch.setattr(module, "boto3", SimpleNamespace(client=recorder.client))
            return made

        yield make


def agree(deployed: Deployment, role: str, rights: set[Right]) -> None:
    """The role's rights and those that are needed are the same."""
    statements = deployed.statements(role)
    assert refused(statements, rights) == []
    assert unused(statements, rights) == []


# ---- The job


def test_the_job_may_do_what_it_does_with_glue_and_a_warehouse_of_the_stack_s(deployed, rehearse):
    rehearsal = rehearse(deployed)
    rehearsal.examine()
    rehearsal.lose_reddit(HOURS[0])
    rehearsal.run(HOURS[0])
    rehearsal.lose_glue(HOURS[1])
    started = rehearsal.transformer.asked.count("StartJobRun")
    rehearsal.run(HOURS[1])
    assert rehearsal.transformer.asked.count("StartJobRun") == started
    rehearsal.forget(HOURS[1], "transform", "publish", "load")
    rehearsal.age_catalog()
    rehearsal.run(HOURS[1])
    agree(deployed, deployed.outputs["JobRole"], rehearsal.job.rights())
    agree(deployed, deployed.outputs["CopyRole"], rehearsal.copy.rights())


@pytest.mark.parametrize(
    "theirs",
    [
        {"RedshiftCluster": "theirs"},
        {
            "RedshiftWorkgroup": "theirs",
            "RedshiftWorkgroupArn": "arn:aws:redshift-serverless:us-east-1:123456789012:workgroup/theirs",
        },
    ],
    ids=lambda theirs: next(iter(theirs)),
)
def test_the_job_may_do_what_it_does_with_duckdb_and_a_warehouse_of_theirs(account, rehearse, theirs):
    made = other(account, Warehouse="url", WarehouseUrl=PLACE, **theirs)
    rehearsal = rehearse(made)
    rehearsal.examine()
    rehearsal.run(HOURS[0])
    rehearsal.forget(HOURS[0], "transform", "publish", "load")
    rehearsal.age_catalog()
    rehearsal.run(HOURS[0])
    agree(made, made.outputs["JobRole"], rehearsal.job.rights())
    agree(made, made.outputs["CopyRole"], rehearsal.copy.rights())


# ---- Glue


@pytest.mark.slow
def test_glue_may_do_what_its_script_does(deployed, rehearse, warm_spark):
    """The script's own reads and writes; what Glue itself does for a job of these arguments is by its documentation."""
    passing: set[str] = set()

    def work(folder: Path, manifest: str) -> str | None:
        error = warm_spark(folder, manifest)
        passing.update(path.relative_to(folder).as_posix() for path in folder.rglob("_temporary"))
        return error

    rehearsal = rehearse(deployed, work)
    rehearsal.run("2026-11-24T10")
    rights = rehearsal.script.rights()
    # Through these folders Spark's files pass: written, copied to their place, and removed, or given up.
    assert passing
    lake = f"arn:aws:s3:::{deployed.outputs['Bucket']}/lake"
    verbs = ("GetObject", "PutObject", "DeleteObject", "AbortMultipartUpload", "ListMultipartUploadParts")
    rights |= {(f"s3:{verb}", f"{lake}/{name}/part") for name in passing for verb in verbs}
    # S3A, by which Glue 5.1 reaches S3, looks for uploads that a failed task left open.
    rights.add(("s3:ListBucketMultipartUploads", lake.removesuffix("/lake")))
    job = deployed.client("glue").get_job(JobName=deployed.outputs["GlueJob"])["Job"]
    for code in (job["Command"]["ScriptLocation"], job["DefaultArguments"]["--extra-py-files"]):
        rights.add(("s3:GetObject", code.replace("s3://", "arn:aws:s3:::")))
    for name in ("error", "output"):
        stream = log_stream(deployed, f"{job['DefaultArguments']['--custom-logGroup-prefix']}/{name}")
        rights |= {(f"logs:{verb}", stream) for verb in ("CreateLogGroup", "CreateLogStream", "PutLogEvents")}
    agree(deployed, job["Role"], rights)


def log_stream(deployed: Deployment, group: str) -> str:
    """One that somebody might write to, in a group that the stack made."""
    [found] = deployed.client("logs").describe_log_groups(logGroupNamePrefix=group)["logGroups"]
    assert found["logGroupName"] == group
    return f"{found['arn'].removesuffix(':*')}:log-stream:one"


# ---- Who starts the container, and who submits it


SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret:theirs-AbCdEf"


@pytest.mark.parametrize(
    "image",
    [GIVEN["ImageUri"], "123456789012.dkr.ecr.us-east-1.amazonaws.com/reddit-etl@sha256:" + "0" * 64],
    ids=["tag", "digest"],
)
def test_the_container_is_started_with_what_the_definition_names(account, image):
    made = other(account, Warehouse="url", WarehouseSecretArn=SECRET, ImageUri=image)
    container = made.definition()["containerProperties"]
    repository = "arn:aws:ecr:us-east-1:123456789012:repository/reddit-etl"
    pulled = ("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")
    rights = {("ecr:GetAuthorizationToken", "*")} | {(action, repository) for action in pulled}
    # A secret's ARN has seven parts; the key in it, and two that are empty, come after.
    secrets = {":".join(secret["valueFrom"].split(":")[:7]) for secret in container["secrets"]}
    assert secrets == {GIVEN["RedditSecretArn"], SECRET}
    rights |= {("secretsmanager:GetSecretValue", secret) for secret in secrets}
    options = container["logConfiguration"]["options"]
    stream = log_stream(made, options["awslogs-group"])
    assert "awslogs-create-group" not in options
    rights |= {("logs:CreateLogStream", stream), ("logs:PutLogEvents", stream)}
    agree(made, container["executionRoleArn"], rights)


def test_the_schedule_may_submit_this_job_to_this_queue_and_keep_what_it_could_not(deployed):
    target = deployed.client("scheduler").get_schedule(Name=deployed.name)["Target"]
    asked = json.loads(target["Input"])
    service, action = target["Arn"].split(":")[-2:]
    verb = f"{service}:{action[0].upper()}{action[1:]}"
    # By the definition's name; Batch may ask for the right on the revision that it finds, or on the name itself.
    named = f"arn:aws:batch:{REGION}:{ACCOUNT}:job-definition/{asked['JobDefinition']}"
    rights = {(verb, asked["JobQueue"]), (verb, named), (verb, f"{named}:17")}
    agree(deployed, target["RoleArn"], rights | {("sqs:SendMessage", target["DeadLetterConfig"]["Arn"])})


# ---- All of them


def roles(deployed: Deployment) -> dict[str, str]:
    """What the template calls them, and what they are called."""
    resources = deployed.client("cloudformation").describe_stack_resources(StackName=deployed.name)["StackResources"]
    of_iam = [resource for resource in resources if resource["ResourceType"] == "AWS::IAM::Role"]
    return {resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in of_iam}


def test_each_role_is_of_one_service(deployed):
    iam = deployed.client("iam")
    trusted = {}
    for role, name in roles(deployed).items():
        [statement] = iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]["Statement"]
        assert (statement["Effect"], statement["Action"]) == ("Allow", "sts:AssumeRole")
        # Each of these services says for whose resource it takes the role: those of this account alone.
        assert statement["Condition"] == {"StringEquals": {"aws:SourceAccount": ACCOUNT}}
        trusted[role] = statement["Principal"]
    assert trusted == {
        "GlueRole": {"Service": "glue.amazonaws.com"},
        "CopyRole": {"Service": ["redshift.amazonaws.com", "redshift-serverless.amazonaws.com"]},
        "ExecutionRole": {"Service": "ecs-tasks.amazonaws.com"},
        "JobRole": {"Service": "ecs-tasks.amazonaws.com"},
        "SchedulerRole": {"Service": "scheduler.amazonaws.com"},
    }


def test_no_role_may_more_than_it_has_a_name_for(deployed):
    """Objects of a folder have no names yet, nor do the streams of a log; all else does."""
    bucket = f"arn:aws:s3:::{deployed.outputs['Bucket']}/"
    for name in roles(deployed).values():
        for action, resource in given(deployed.statements(name)):
            assert "*" not in action
            assert action != "iam:PassRole"
            named = resource.removesuffix("/*") if resource.startswith(bucket) else resource
            named = named.removesuffix(":*") if action.startswith("logs:") else named
            named = named.removesuffix(":*") if action == "batch:SubmitJob" else named
            assert "*" not in named or (action, resource) == ("ecr:GetAuthorizationToken", "*")
            assert named != bucket.rstrip("/") or action in ("s3:ListBucket", "s3:ListBucketMultipartUploads")
