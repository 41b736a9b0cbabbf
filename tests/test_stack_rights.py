"""Each role of the stack, as it is deployed, against the calls that are really made: all allowed, and no more allowed.

The calls are recorded from runs on stand-ins that have the names of a deployed stack.
"""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime
from itertools import repeat
from pathlib import Path
from types import SimpleNamespace

import pytest

from jobs.doctor import examine
from reddit_etl.steps import forget
from reddit_etl.transform import glue as transform_glue
from reddit_etl.warehouse.redshift import connections
from tests import NO_LOOKS
from tests.aws import AwsPipeline
from tests.conftest import Pipeline, forget_run
from tests.stack import GIVEN, Deployment, Stack, resolved
from tests.standins import glue as glue_module
from tests.standins import redshift_copy
from tests.standins.calls import Recorder
from tests.standins.container import deployed_config
from tests.standins.glue import GlueServer, Refusal, by_duckdb, glue
from tests.standins.policies import Right, given, refused, unused
from tests.standins.reddit import Posts, ScriptedReddit, answer
from tests.standins.redshift import DATABASE
from tests.standins.template import ACCOUNT, REGION

HOURS = ("2026-11-23T04", "2026-11-23T05")
PLACE = f"redshift+psycopg2://theirs.example.com:5439/{DATABASE}"

Work = Callable[[Path, str], str | None]


class Rehearsal:
    """Runs of the pipeline under the names of a deployed stack, and who called what meanwhile."""

    def __init__(
        self, deployed: Deployment, pipeline: AwsPipeline, transformer: GlueServer, environment: dict[str, str]
    ) -> None:
        self.stack, self.client = deployed.stack, deployed.client
        self.pipeline, self.transformer = pipeline, transformer
        self.job, self.copy, self.script = Recorder(), Recorder(), Recorder()
        if "GlueJob" in self.stack.outputs:
            job = self.stack.resources["GlueJob"]
            transformer.job, transformer.role = job["Name"], job["Role"]
        pipeline.settings = environment | {
            "LUIGI_CONFIG_PATH": str(deployed_config(pipeline.folder)),
            "AWS_ENDPOINT_URL_GLUE": transformer.url,
        }

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

    def maintain(self, hour: str) -> set[Right]:
        """A run of the daily job, and the rights that its calls need."""
        recorder = Recorder()
        with self.pipeline.monkeypatch.context() as patch:
            recorder.watch_all(patch)
            assert self.pipeline.maintain(hour) == 0
        return recorder.rights()

    def forget(self, hour: str, *steps: str) -> None:
        """Let these steps of the hour be done once more."""
        bucket, prefix = self.stack.outputs["Bucket"], f"lake/receipts/dt={hour[:10]}/hr={hour[11:]}/"
        found = self.client("s3").list_objects_v2(Bucket=bucket, Prefix=prefix)["Contents"]
        names = [entry["Key"] for entry in found if entry["Key"].removeprefix(prefix).startswith(steps)]
        assert len(names) == len(steps)
        for name in names:
            self.client("s3").delete_object(Bucket=bucket, Key=name)

    def age_catalog(self) -> None:
        """As if another version had written the table and the views."""
        place = {"DatabaseName": self.stack.outputs["GlueDatabase"]}
        kept = ("Name", "TableType", "Parameters", "PartitionKeys", "StorageDescriptor")
        for stored in self.client("glue").get_tables(**place)["TableList"]:
            aged = {key: stored[key] for key in kept} | {"Description": "As it was."}
            self.client("glue").update_table(**place, TableInput=aged)


@pytest.fixture
def rehearse(
    make_pipeline: Callable[..., Pipeline],
    monkeypatch: pytest.MonkeyPatch,
    s3_url: str,
    on_stand_ins: Callable[[Stack], dict[str, str]],
) -> Iterator[Callable[..., Rehearsal]]:
    """A maker of rehearsals; Glue's runs are DuckDB's work, if no other is given."""
    monkeypatch.setattr(connections, "LONGEST_WAIT", 0.05)
    monkeypatch.setattr(transform_glue, "_intervals", lambda: repeat(0.05))
    with ExitStack() as servers:

        def make(deployed: Deployment, work: Work = by_duckdb) -> Rehearsal:
            transformer = servers.enter_context(glue(work=work, s3=s3_url, moto=s3_url))
            pipeline = make_pipeline(deployed.stack.stack, None, AwsPipeline)
            # Looks need no other rights, and would wait for the Glue run that `lose_glue` leaves.
            made = Rehearsal(deployed, pipeline, transformer, on_stand_ins(deployed.stack) | NO_LOOKS)
            made.job.watch_all(monkeypatch)
            for module, recorder in ((redshift_copy, made.copy), (glue_module, made.script)):
                monkeypatch.setattr(module, "boto3", SimpleNamespace(client=recorder.client))
            return made

        yield make


def agree(stack: Stack, role: str, rights: set[Right]) -> None:
    """The role's rights and those that are needed are the same."""
    statements = stack.statements(role)
    assert refused(statements, rights) == []
    assert unused(statements, rights) == []


# ---- The job


def test_the_job_may_do_what_it_does_with_glue_and_a_warehouse_of_the_stack_s(deploy, rehearse):
    deployed = deploy(TransformEngine="glue")
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
    agree(deployed.stack, deployed.stack.outputs["JobRole"], rehearsal.job.rights())
    agree(deployed.stack, deployed.stack.outputs["CopyRole"], rehearsal.copy.rights())


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
def test_the_job_may_do_what_it_does_with_duckdb_and_a_warehouse_of_theirs(deploy, rehearse, theirs):
    deployed = deploy(Warehouse="url", WarehouseUrl=PLACE, **theirs)
    rehearsal = rehearse(deployed)
    rehearsal.examine()
    rehearsal.run(HOURS[0])
    rehearsal.forget(HOURS[0], "transform", "publish", "load")
    rehearsal.age_catalog()
    rehearsal.run(HOURS[0])
    agree(deployed.stack, deployed.stack.outputs["JobRole"], rehearsal.job.rights())
    agree(deployed.stack, deployed.stack.outputs["CopyRole"], rehearsal.copy.rights())


# ---- The daily job


DAILY = "2026-11-23T06"


@pytest.fixture
def _long_ago(monkeypatch: pytest.MonkeyPatch) -> None:
    """Uploads of now count as left by runs that were killed long ago."""
    monkeypatch.setattr(forget, "utc_now", lambda: datetime(2099, 1, 1))  # noqa: DTZ001


@pytest.mark.usefixtures("_long_ago")
@pytest.mark.parametrize(
    "parameters",
    [
        {"TransformEngine": "glue", "DailyReport": "yes"},
        {"Warehouse": "url", "WarehouseUrl": PLACE, "RedshiftCluster": "theirs"},
        {
            "Warehouse": "url",
            "WarehouseUrl": PLACE,
            "RedshiftWorkgroup": "theirs",
            "RedshiftWorkgroupArn": "arn:aws:redshift-serverless:us-east-1:123456789012:workgroup/theirs",
        },
    ],
    ids=["glue-own-workgroup", "duckdb-their-cluster", "duckdb-their-workgroup"],
)
def test_the_daily_job_may_do_what_it_does_and_it_alone_may_delete(deploy, rehearse, parameters):
    """The sandbox has deleted posts, which are forgotten in raw and curated objects, catalog and warehouse."""
    deployed = deploy(**parameters)
    stack, rehearsal = deployed.stack, rehearse(deployed)
    for hour in HOURS:
        rehearsal.run(hour)
    bucket, s3 = stack.outputs["Bucket"], deployed.client("s3")
    s3.create_multipart_upload(Bucket=bucket, Key="lake/raw/posts/half")
    # The catalog lacks an hour, and its table and views are of another version; or it lacks all of it.
    place = {"DatabaseName": stack.outputs["GlueDatabase"]}
    glue_client = deployed.client("glue")
    partition = glue_client.get_partitions(**place, TableName="posts")["Partitions"][0]
    glue_client.delete_partition(**place, TableName="posts", PartitionValues=partition["Values"])
    glue_client.delete_table(**place, Name="post_metrics")
    rehearsal.age_catalog()
    # Days later, the hours of the day are merged.
    rights = rehearsal.maintain(DAILY) | rehearsal.maintain("2026-11-27T06")
    assert s3.list_multipart_uploads(Bucket=bucket).get("Uploads", []) == []
    agree(stack, stack.outputs["MaintenanceRole"], rights)
    lacking = {action for action, _ in refused(stack.statements(stack.outputs["JobRole"]), rights)}
    lists = {"s3:ListBucketVersions", "s3:ListBucketMultipartUploads"}
    merges = {"glue:BatchUpdatePartition", "glue:BatchDeletePartition"}
    assert lacking == {"s3:DeleteObject", "s3:DeleteObjectVersion"} | lists | merges


def test_only_the_daily_job_may_delete_and_only_in_the_lake(stack):
    lake = f"arn:aws:s3:::{stack.outputs['Bucket']}/lake"
    catalog = f"arn:aws:glue:{REGION}:{ACCOUNT}"
    deleting = {
        (role, resource, action)
        for role, kind in stack.kinds.items()
        if kind == "AWS::IAM::Role"
        for action, resource in given(stack.statements(stack.name(role)))
        if "Delete" in action
    }
    assert deleting == {
        ("MaintenanceRole", f"{lake}/*", "s3:DeleteObject"),
        ("MaintenanceRole", f"{lake}/*", "s3:DeleteObjectVersion"),
        # Those of hours that were merged.
        ("MaintenanceRole", f"{catalog}:catalog", "glue:BatchDeletePartition"),
        ("MaintenanceRole", f"{catalog}:database/reddit_lake", "glue:BatchDeletePartition"),
        ("MaintenanceRole", f"{catalog}:table/reddit_lake/*", "glue:BatchDeletePartition"),
        # Spark's temporary files.
        ("GlueRole", f"{lake}/curated/*", "s3:DeleteObject"),
    }


# ---- Glue


@pytest.mark.slow
def test_glue_may_do_what_its_script_does(deploy, rehearse, warm_spark):
    """The script's own reads and writes; what Glue itself does for a job of these arguments is by its documentation."""
    passing: set[str] = set()

    def work(folder: Path, manifest: str) -> str | None:
        error = warm_spark(folder, manifest)
        passing.update(path.relative_to(folder).as_posix() for path in folder.rglob("_temporary"))
        return error

    deployed = deploy(TransformEngine="glue")
    stack, rehearsal = deployed.stack, rehearse(deployed, work)
    rehearsal.run("2026-11-24T10")
    runs = len(rehearsal.transformer.runs)
    rehearsal.maintain("2026-11-24T12")
    assert len(rehearsal.transformer.runs) == runs + 1
    rights = rehearsal.script.rights()
    # Through these folders Spark's files pass: written, copied to their place, and removed, or given up.
    assert passing
    lake = f"arn:aws:s3:::{stack.outputs['Bucket']}/lake"
    verbs = ("GetObject", "PutObject", "DeleteObject", "AbortMultipartUpload", "ListMultipartUploadParts")
    rights |= {(f"s3:{verb}", f"{lake}/{name}/part") for name in passing for verb in verbs}
    # S3A, by which Glue 5.1 reaches S3, looks for uploads that a failed task left open.
    rights.add(("s3:ListBucketMultipartUploads", lake.removesuffix("/lake")))
    job = stack.resources["GlueJob"]
    for code in (job["Command"]["ScriptLocation"], job["DefaultArguments"]["--extra-py-files"]):
        rights.add(("s3:GetObject", code.replace("s3://", "arn:aws:s3:::")))
    for name in ("error", "output"):
        stream = log_stream(stack, f"{job['DefaultArguments']['--custom-logGroup-prefix']}/{name}")
        rights |= {(f"logs:{verb}", stream) for verb in ("CreateLogGroup", "CreateLogStream", "PutLogEvents")}
    agree(stack, job["Role"], rights)


def log_stream(stack: Stack, group: str) -> str:
    """One that somebody might write to, in a group of the stack."""
    assert group in stack.of_kind("AWS::Logs::LogGroup")
    return f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{group}:log-stream:one"


# ---- Who starts the container, and who submits it


SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret:theirs-AbCdEf"


@pytest.mark.parametrize(
    "image",
    [GIVEN["ImageUri"], "123456789012.dkr.ecr.us-east-1.amazonaws.com/reddit-etl@sha256:" + "0" * 64],
    ids=["tag", "digest"],
)
def test_the_container_is_started_with_what_the_definition_names(image):
    stack = resolved(Warehouse="url", WarehouseSecretArn=SECRET, ImageUri=image)
    repository = "arn:aws:ecr:us-east-1:123456789012:repository/reddit-etl"
    pulled = ("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")
    rights = {("ecr:GetAuthorizationToken", "*")} | {(action, repository) for action in pulled}
    # A secret's ARN has seven parts; the key in it, and two that are empty, come after.
    secrets = {":".join(reference.split(":")[:7]) for reference in stack.secrets().values()}
    assert secrets == {GIVEN["RedditSecretArn"], SECRET}
    rights |= {("secretsmanager:GetSecretValue", secret) for secret in secrets}
    options = stack.container["LogConfiguration"]["Options"]
    stream = log_stream(stack, options["awslogs-group"])
    assert "awslogs-create-group" not in options
    rights |= {("logs:CreateLogStream", stream), ("logs:PutLogEvents", stream)}
    agree(stack, stack.container["ExecutionRoleArn"], rights)


def test_the_schedules_may_submit_these_jobs_to_this_queue_and_keep_what_they_could_not(stack):
    rights, roles = set(), set()
    for schedule in stack.of_kind("AWS::Scheduler::Schedule").values():
        target = schedule["Target"]
        asked = json.loads(target["Input"])
        service, action = target["Arn"].split(":")[-2:]
        verb = f"{service}:{action[0].upper()}{action[1:]}"
        # By the definition's name; Batch may ask for the right on the revision that it finds, or on the name itself.
        named = f"arn:aws:batch:{REGION}:{ACCOUNT}:job-definition/{asked['JobDefinition']}"
        rights |= {(verb, asked["JobQueue"]), (verb, named), (verb, f"{named}:17")}
        rights.add(("sqs:SendMessage", target["DeadLetterConfig"]["Arn"]))
        roles.add(target["RoleArn"])
    [role] = roles
    agree(stack, role, rights)


# ---- All of them


def test_each_role_is_of_one_service(stack):
    trusted = {}
    for role, kind in stack.kinds.items():
        if kind == "AWS::IAM::Role":
            [statement] = stack.resources[role]["AssumeRolePolicyDocument"]["Statement"]
            assert (statement["Effect"], statement["Action"]) == ("Allow", "sts:AssumeRole")
            # Each of these services says for whose resource it takes the role: those of this account alone.
            assert statement["Condition"] == {"StringEquals": {"aws:SourceAccount": ACCOUNT}}
            trusted[role] = statement["Principal"]
    assert trusted == {
        "GlueRole": {"Service": "glue.amazonaws.com"},
        "CopyRole": {"Service": ["redshift.amazonaws.com", "redshift-serverless.amazonaws.com"]},
        "ExecutionRole": {"Service": "ecs-tasks.amazonaws.com"},
        "JobRole": {"Service": "ecs-tasks.amazonaws.com"},
        "MaintenanceRole": {"Service": "ecs-tasks.amazonaws.com"},
        "SchedulerRole": {"Service": "scheduler.amazonaws.com"},
    }


def test_no_role_may_more_than_it_has_a_name_for(stack):
    """Objects of a folder have no names yet, nor do a log's streams and a database's tables; all else does."""
    bucket = f"arn:aws:s3:::{stack.outputs['Bucket']}/"
    for name in stack.of_kind("AWS::IAM::Role"):
        for action, resource in given(stack.statements(name)):
            assert "*" not in action
            assert action != "iam:PassRole"
            is_folder = resource.startswith(bucket) or re.search(r":table/\w+/\*$", resource)
            named = resource.removesuffix("/*") if is_folder else resource
            named = named.removesuffix(":*") if action.startswith("logs:") else named
            named = named.removesuffix(":*") if action == "batch:SubmitJob" else named
            assert "*" not in named or (action, resource) == ("ecr:GetAuthorizationToken", "*")
            lists = ("s3:ListBucket", "s3:ListBucketMultipartUploads", "s3:ListBucketVersions")
            assert named != bucket.rstrip("/") or action in lists
