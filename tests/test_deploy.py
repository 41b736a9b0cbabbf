"""`python -m batch` in an emulated account, with a docker that records how it is called."""

import json
import re
import secrets
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import boto3
import botocore.session
import cfnlint
import pytest
from botocore.loaders import create_loader

from batch import aws, image, network, run, upload, warehouse
from batch.__main__ import main
from batch.status import _link
from reddit_etl.lake.layout import REPORTS
from reddit_etl.lake.s3 import S3Lake
from reddit_etl.warehouse import tables
from tests.standins.account import LOGIN, Emulated, emulated
from tests.standins.policies import fits, listed
from tests.standins.s3 import ENVIRONMENT, answering
from tests.standins.template import TEMPLATE, load

# Each deploys into an emulated account, which takes a second.
pytestmark = pytest.mark.slow

# The models of AWS's services are read once, and not for each session.
LOADER = create_loader()
SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret:theirs-AbCdEf"
URL = "WarehouseUrl=redshift+psycopg2://theirs.example.com/dev"
NETWORK = ("--set", "VpcId=vpc-1", "--set", "SubnetIds=subnet-1,subnet-2")


@dataclass
class Account:
    """An AWS account, a docker and a terminal."""

    name: str
    """Of the stack."""
    aws: Emulated
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]
    output: str = ""
    """Of the last command, on both streams."""
    called: set[str] = field(default_factory=set)
    """Operations of AWS, like ecr:PutImage."""

    def log_in(self) -> None:
        """A new session, as each command is a process of its own, which remembers no login."""
        aws._client.cache_clear()
        session = botocore.session.Session()
        session.register_component("data_loader", LOADER)
        session.get_component("event_emitter").register("before-call.*", self.record)
        self.monkeypatch.setattr(boto3, "DEFAULT_SESSION", boto3.Session(botocore_session=session))

    def record(self, model: Any, **_: object) -> None:
        service = model.service_model.signing_name
        self.called.add(f"{'cloudwatch' if service == 'monitoring' else service}:{model.name}")

    def run(self, *words: str) -> int:
        self.log_in()
        code = main([words[0], "--stack", self.name, *words[1:]])
        out, error = self.capsys.readouterr()
        self.output = out + error
        assert "Traceback" not in self.output
        return code

    def deploy(self, *words: str) -> int:
        return self.run("deploy", "--yes", "--no-run", *words)

    def last_line(self) -> str:
        return self.output.strip().splitlines()[-1]

    def docker(self) -> list[dict[str, Any]]:
        """Its calls."""
        record = self.aws.record
        return [json.loads(line) for line in record.read_text().splitlines()] if record.exists() else []

    def pushed(self) -> list[str]:
        return [c["words"][c["words"].index("--tag") + 1] for c in self.docker() if "--push" in c["words"]]

    def parameters(self) -> dict[str, str]:
        return dict(self.aws.stacks.find(self.name).resolved.values)

    def outputs(self) -> dict[str, str]:
        return dict(self.aws.stacks.find(self.name).resolved.outputs)

    def secret(self) -> Any:
        manager = self.aws.client("secretsmanager")
        return json.loads(manager.get_secret_value(SecretId=f"{self.name}/reddit")["SecretString"])

    def has_nothing(self) -> bool:
        ecr, manager = self.aws.client("ecr"), self.aws.client("secretsmanager")
        with pytest.raises(ecr.exceptions.RepositoryNotFoundException):
            ecr.describe_repositories(repositoryNames=[self.name])
        with pytest.raises(manager.exceptions.ResourceNotFoundException):
            manager.describe_secret(SecretId=f"{self.name}/reddit")
        return not {"CreateStack", "UpdateStack"} & set(self.aws.stacks.asked)

    def answers(self, answer: str) -> None:
        """Somebody is at the terminal and types this."""
        self.monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
        self.monkeypatch.setattr("builtins.input", lambda _: answer)


@pytest.fixture
def account(
    s3_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Account]:
    monkeypatch.setattr(aws, "INTERVAL", 0)
    with emulated(s3_url, tmp_path) as found:
        for name, value in found.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
        made = Account(f"t{secrets.token_hex(6)}", found, monkeypatch, capsys)
        made.log_in()
        yield made


# ---- What is deployed, changed and destroyed


def test_deploy_again_with_a_change_again_without_and_destroy(account: Account) -> None:
    assert account.run("deploy", "--yes") == 0, account.output
    assert account.last_line().startswith("maintenance SUCCEEDED")
    assert account.output.index("run         SUCCEEDED") < account.output.index("\nmaintenance 20")
    [pushed] = account.pushed()
    first = account.parameters()
    assert first["ImageUri"] == pushed
    bucket, s3 = account.outputs()["Bucket"], account.aws.client("s3")
    keys = {entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket)["Contents"]}
    assert keys == {f"code/{first['CodeVersion']}/{name}" for name in upload.files()}
    assert account.secret() == LOGIN
    [repository] = account.aws.client("ecr").describe_repositories(repositoryNames=[account.name])["repositories"]
    assert repository["imageTagMutability"] == "IMMUTABLE"
    assert repository["imageScanningConfiguration"] == {"scanOnPush": True}

    assert account.run("deploy", "--yes", "--subreddits", '["rust"]', "--set", "Schedule=rate(2 hours)") == 0
    assert "UPDATE_COMPLETE" in account.output
    assert "CREATE_COMPLETE" not in account.output, "an event of the operation before"
    changed = {"Subreddits": '["rust"]', "Schedule": "rate(2 hours)", "HoursWithoutSuccess": "4"}
    assert account.parameters() == first | changed
    assert account.pushed() == [pushed]

    assert account.run("deploy", "--yes") == 0
    assert "is up to date" in account.output
    assert account.parameters() == first | changed, "what was set once stays"
    assert account.pushed() == [pushed]
    assert account.run("status") == 0
    # Three runs, and of the daily job the last.
    assert account.output.count("SUCCEEDED") == 3 + 1

    s3.put_object(Bucket=bucket, Key="lake/kept", Body=b"posts")
    assert account.run("destroy", "--yes") == 0
    assert f"s3://{bucket} is kept" in account.output
    assert s3.get_object(Bucket=bucket, Key="lake/kept")["Body"].read() == b"posts"
    assert account.run("status") == 1
    assert "there is no stack" in account.last_line()
    # The bucket is known by the stack that was.
    assert account.run("destroy", "--yes", "--with-data") == 0
    assert f"s3://{bucket} deleted" in account.output
    assert bucket not in {entry["Name"] for entry in s3.list_buckets()["Buckets"]}

    # And all of it comes back, the deleted secret too.
    for name in LOGIN:
        account.monkeypatch.delenv(name)
    assert account.deploy() == 78
    assert "REDDIT_CLIENT_ID" in account.last_line()
    for name, value in LOGIN.items():
        account.monkeypatch.setenv(name, value)
    assert account.deploy() == 0
    assert account.secret() == LOGIN


def test_with_data_deletes_every_version_but_only_by_the_bucket_s_name(account: Account) -> None:
    assert account.deploy() == 0
    s3, bucket = account.aws.client("s3"), account.outputs()["Bucket"]
    for content in (b"one", b"two"):
        s3.put_object(Bucket=bucket, Key="lake/x", Body=content)
    s3.delete_object(Bucket=bucket, Key="lake/x")
    s3.create_multipart_upload(Bucket=bucket, Key="lake/half")
    account.answers("y")
    assert account.run("destroy", "--with-data") == 1
    assert account.last_line() == "cancelled: nothing is deleted"
    assert account.run("status") == 1, "it exists, and had no run"
    account.answers(bucket)
    assert account.run("destroy", "--with-data") == 0
    assert bucket not in {entry["Name"] for entry in s3.list_buckets()["Buckets"]}
    assert account.run("destroy", "--yes", "--with-data") == 0
    assert "not found" in account.last_line()


def test_no_secret_is_shown_or_passed_on(account: Account) -> None:
    assert account.run("deploy", "--yes") == 0
    token = account.aws.client("ecr").get_authorization_token()["authorizationData"][0]["authorizationToken"]
    calls = account.docker()
    [login] = [call for call in calls if call["words"][0] == "login"]
    assert login["words"] == ["login", "--username", "AWS", "--password-stdin", login["words"][-1]]
    password = str(login.pop("stdin"))
    assert password
    assert password not in token
    seen = json.dumps(calls) + account.output + json.dumps(account.parameters())
    for hidden in (*LOGIN.values(), password, token):
        assert hidden not in seen
    assert any(call["words"][0] == "logout" for call in calls)


def test_new_credentials_reach_the_secret_without_a_change_of_the_stack(account: Account) -> None:
    assert account.deploy() == 0
    account.monkeypatch.setenv("REDDIT_CLIENT_SECRET", "another")
    assert account.deploy() == 0
    assert "is up to date" in account.output
    assert account.secret() == LOGIN | {"REDDIT_CLIENT_SECRET": "another"}
    for name in LOGIN:
        account.monkeypatch.delenv(name)
    assert account.deploy() == 0
    assert account.secret() == LOGIN | {"REDDIT_CLIENT_SECRET": "another"}


def test_a_new_version_finds_its_code_before_the_stack_names_it(account: Account) -> None:
    assert account.deploy() == 0
    account.monkeypatch.setattr(upload, "library", lambda: b"another")
    assert account.deploy() == 0
    assert account.output.index("code  ") < account.output.index("UPDATE_")


def test_the_warehouse_s_deletion_is_announced_and_its_next_snapshot_has_another_name(account: Account) -> None:
    assert account.deploy() == 0
    first = account.parameters()["FinalSnapshot"]
    assert "is deleted with its data" not in account.output
    assert account.deploy("--set", f"WarehouseSecretArn={SECRET}", "--set", "Warehouse=url") == 0
    assert "that of this stack is deleted with its data" in account.output
    assert account.parameters()["FinalSnapshot"] == first
    assert account.deploy("--set", "Warehouse=serverless") == 0
    assert "is deleted with its data" not in account.output
    assert account.parameters()["FinalSnapshot"] != first


def test_the_zones_are_chosen_once_and_neither_subnets_nor_a_warehouse_move(account: Account) -> None:
    assert account.deploy() == 0
    first = account.parameters()
    assert len(first["Zones"].split(",")) == 3 and first["Zones"] != network.NONE
    account.monkeypatch.setattr(network, "UNFIT", {"use1-az1", "use1-az2", "use1-az4"})
    assert account.deploy("--limit", "5") == 0
    assert account.parameters() == first | {"Limit": "5"}
    assert account.deploy("--set", "Zones=us-east-1e,us-east-1f,us-east-1f") == 78
    assert "subnets cannot move" in account.last_line()
    assert account.deploy(*NETWORK) == 78
    assert "the stack's warehouse cannot move to another VPC" in account.last_line()
    assert account.parameters() == first | {"Limit": "5"}


@pytest.mark.parametrize(
    ("region", "unfit", "different"), [("us-east-1", {"use1-az3"}, 3), ("ca-central-1", {"cac1-az4"}, 2)]
)
def test_subnets_are_in_zones_that_have_fargate_on_arm(account, region, unfit, different):
    account.monkeypatch.setenv("AWS_DEFAULT_REGION", region)
    account.log_in()
    found = boto3.client("ec2").describe_availability_zones()["AvailabilityZones"]
    ids = {zone["ZoneName"]: zone["ZoneId"] for zone in found}
    assert unfit <= set(ids.values())
    taken = network.zones().split(",")
    assert (len(taken), len(set(taken))) == (3, different)
    assert not {ids[name] for name in taken} & unfit


# ---- The image


def test_an_image_that_is_pushed_already_needs_no_docker(account: Account) -> None:
    account.monkeypatch.setenv("PATH", "/nowhere")
    uri = "123456789012.dkr.ecr.us-east-1.amazonaws.com/reddit-etl:1.2.3"
    assert account.deploy("--image", uri) == 0
    assert account.parameters()["ImageUri"] == uri
    assert account.docker() == []


def test_a_release_pushes_with_the_rights_that_its_document_names(account: Account) -> None:
    # The first creates the repository.
    for _ in range(2):
        assert account.run("push") == 0
        [pushed] = account.pushed()
        pattern = re.escape(pushed.rpartition(":")[0]) + "@sha256:[0-9a-f]{64}"
        assert re.fullmatch(pattern, account.last_line())
    # A repository is created with a tag, which is a right of its own; the others are what docker calls to push, by the
    # documentation of ECR.
    words = "BatchCheckLayerAvailability BatchGetImage InitiateLayerUpload UploadLayerPart CompleteLayerUpload PutImage"
    words += " TagResource"
    text = (image.PROJECT / "docs" / "deploy.md").read_text()
    _, policy = (json.loads(block) for block in re.findall(r"```json\n(.*?)```", text, re.DOTALL))
    log_in, push = (statement["Action"] for statement in policy["Statement"])
    assert {log_in, *push} == account.called | {f"ecr:{word}" for word in words.split()}


@pytest.mark.parametrize(("call", "word"), [("buildx build", "buildx"), ("login", "login")])
def test_what_docker_refuses_stops_the_deployment(account: Account, call: str, word: str) -> None:
    account.monkeypatch.setenv("REFUSE", call)
    assert account.run("deploy", "--yes") == 1
    assert account.last_line().startswith(f"docker {word} ended with 17")
    assert "CreateStack" not in account.aws.stacks.asked
    # Whether it logs out makes no difference.
    account.monkeypatch.setenv("REFUSE", "logout")
    assert account.deploy() == 0


def test_the_tag_is_of_what_the_image_is_made_of(tmp_path: Path) -> None:
    files = {path.relative_to(image.PROJECT).as_posix() for path in image.sources()}
    assert {"Dockerfile", "batch/requirements.lock", "jobs/pipeline.py", "luigi.cfg", "reddit_etl/aws.py"} <= files
    assert not any("__pycache__" in name or name.startswith("tests") for name in files)
    for name in files | {"setup.cfg"}:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes((image.PROJECT / name).read_bytes())
    same = image.tag("local", "arm64")
    assert image.tag("local", "arm64", tmp_path) == same
    (tmp_path / "README.md").write_text("new")
    assert image.tag("local", "arm64", tmp_path) == same
    (tmp_path / "jobs" / "pipeline.py").write_text("new")
    assert image.tag("local", "arm64", tmp_path) != same


@pytest.mark.parametrize(
    ("words", "target", "machine"),
    [
        ((), "local", "arm64"),
        (("--set", "TransformEngine=glue"), "batch", "arm64"),
        (("--set", "Spot=yes"), "local", "amd64"),
        (("--set", "DailyReport=yes", "--set", "TransformEngine=glue"), "report", "arm64"),
    ],
)
def test_the_image_has_what_the_engine_needs_and_says_its_revision(account, words, target, machine):
    assert account.deploy(*words) == 0
    [build] = [call["words"] for call in account.docker() if call["words"][:2] == ["buildx", "build"]]
    assert build[build.index("--target") + 1] == target
    assert build[build.index("--platform") + 1] == f"linux/{machine}"
    assert f"-{target}-{machine}-" in account.parameters()["ImageUri"]
    given = dict(word.removeprefix("--build-arg=").split("=", 1) for word in build if word.startswith("--build-arg="))
    assert set(given) == {"VERSION", "REVISION"}
    assert given["VERSION"] == image.version()
    assert re.fullmatch("[0-9a-f]{40}(-dirty)?|unknown", given["REVISION"])


# ---- What is asked, and what is refused before anything is created


def test_the_price_is_shown_before_anything_is_created(account: Account) -> None:
    account.answers("n")
    assert account.run("deploy", "--schedule", "rate(1 day)") == 1
    assert "Fargate" in account.output
    assert "with rate(1 day)" in account.output
    assert account.run("deploy", "--schedule", "rate(30 minutes)") == 1
    assert "more than one run per hour: the later ones find the hour complete" in account.output

    def end(_: str) -> str:
        raise EOFError

    account.monkeypatch.setattr("builtins.input", end)
    assert account.run("deploy") == 1
    assert account.last_line() == "cancelled: nothing is deployed"
    assert account.has_nothing()
    account.answers("y")
    assert account.run("deploy", "--no-run") == 0


DEPLOY = ("deploy", "--yes")


@pytest.mark.parametrize(
    ("words", "environment", "line"),
    [
        (("deploy",), {}, "no terminal for the confirmation: pass --yes, or YES=1 to make"),
        (("destroy",), {}, "no terminal for the confirmation: pass --yes, or YES=1 to make"),
        (DEPLOY, {"PATH": "/nowhere"}, "docker cannot be run (No such file or directory): install it"),
        (DEPLOY, {"REFUSE": "version"}, "start docker, or join the group docker"),
        (DEPLOY, {"REFUSE": "buildx version"}, "install docker's plugin buildx"),
        (DEPLOY, {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, "log in to AWS"),
        (("status",), {"AWS_DEFAULT_REGION": ""}, "set AWS_DEFAULT_REGION"),
        (DEPLOY, {"REDDIT_CLIENT_ID": ""}, "REDDIT_CLIENT_ID missing"),
        (DEPLOY, {"REDDIT_CLIENT_ID": "x\n"}, "white space"),
        (DEPLOY, {"REDDIT_CLIENT_ID": "…"}, "REDDIT_CLIENT_ID has surrounding white space or a"),
        (DEPLOY, {"REDDIT_USER_AGENT": "mybot"}, "REDDIT_USER_AGENT must look like"),
        ((*DEPLOY, "--set", "Color=red"), {}, "--set Color: the stack's parameters are AlarmEmail, "),
        ((*DEPLOY, "--set", "ImageUri=x"), {}, "--set ImageUri: the stack's parameters are"),
        ((*DEPLOY, "--set", "Schedule"), {}, "--set Schedule: write it like --set Name=value"),
        ((*DEPLOY, "--set", "Memory=much"), {}, "--set Memory=much: pass 512, 1024, 2048, 4096, 8192"),
        ((*DEPLOY, "--set", "RawDays=1.5"), {}, "--set RawDays=1.5: pass a whole number"),
        ((*DEPLOY, "--set", "HoursWithoutSuccess=nan"), {}, "--set HoursWithoutSuccess=nan: pass a whole number"),
        ((*DEPLOY, "--schedule", "hourly"), {}, "rate(1 hour)"),
        ((*DEPLOY, "--schedule", "rate(7 days)"), {}, "no alarm looks back further than 168"),
        (
            (*DEPLOY, "--schedule", "rate(1 day)", "--set", "HoursWithoutSuccess=24"),
            {},
            "rate(1 day) leaves 24 hours between two runs, so that alarm would always be active: pass 26",
        ),
        (
            (*DEPLOY, "--set", "MaintenanceSchedule=rate(2 days)"),
            {},
            "--set MaintenanceSchedule=rate(2 days): it leaves 48 hours between two runs",
        ),
        ((*DEPLOY, "--subreddits", "[python]"), {}, "--set Subreddits=[python]: pass a JSON list of names"),
        ((*DEPLOY, "--subreddits", '["../x"]'), {}, "--subreddits: '../x' is not valid"),
        ((*DEPLOY, "--set", 'Listings=["nwe"]'), {}, "--listings: 'nwe' is not valid"),
        ((*DEPLOY, "--set", "Limit=5000"), {}, "--limit is 5000: use 1 to 1000"),
        ((*DEPLOY, "--email", "somebody"), {}, "--email somebody: pass one address"),
        ((*DEPLOY, "--set", "WarehouseUrl=redshift+psycopg2://u:p@h/d"), {}, "WarehouseUrl has a login"),
        ((*DEPLOY, "--stack", "No_Such"), {}, "--stack 'No_Such'"),
        ((*DEPLOY, "--stack", "abc-"), {}, "--stack 'abc-'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_a_person_must_fix_is_one_line_and_nothing_is_created(account, words, environment, line):
    with pytest.MonkeyPatch.context() as changed:
        for name, value in environment.items():
            changed.setenv(name, value) if value else changed.delenv(name)
        assert account.run(*words) == 78
    assert line in account.last_line()
    assert account.has_nothing()


@pytest.mark.parametrize("owned", ["stack", "repository", "secret"])
def test_what_is_somebody_s_own_is_left_alone(account: Account, owned: str) -> None:
    """It only happens to have the name that is asked for."""
    name, ecr, manager = account.name, account.aws.client("ecr"), account.aws.client("secretsmanager")
    if owned == "stack":
        assert account.deploy() == 0
        account.aws.stacks.find(name).tags.clear()
    elif owned == "repository":
        ecr.create_repository(repositoryName=name)
    else:
        manager.create_secret(Name=f"{name}/reddit", SecretString="theirs")
    account.aws.stacks.asked.clear()
    for command in ("deploy", "destroy"):
        assert account.run(command, "--yes") == 78
        assert account.last_line().endswith("was not created by reddit-etl: pass another name with --stack")
    assert not {"CreateStack", "UpdateStack", "DeleteStack"} & set(account.aws.stacks.asked)
    if owned == "repository":
        assert ecr.describe_repositories(repositoryNames=[name])["repositories"]
    elif owned == "secret":
        assert manager.get_secret_value(SecretId=f"{name}/reddit")["SecretString"] == "theirs"


def test_a_login_or_a_right_that_is_missing_is_named(account: Account, tmp_path: Path) -> None:
    denied = json.dumps({"__type": "AccessDeniedException", "message": "no ecr:DescribeRepositories for you"})
    expired = "<ErrorResponse><Error><Code>ExpiredToken</Code><Message>no</Message></Error></ErrorResponse>"
    for service, status, body, line in (
        ("STS", 403, expired, "STS: ExpiredToken: the AWS credentials have expired, log in again"),
        ("ECR", 400, denied, "no ecr:DescribeRepositories for you: log in with a role that may do this"),
    ):
        with answering(lambda *_, answer=(status, body): answer) as server, pytest.MonkeyPatch.context() as changed:
            changed.setenv(f"AWS_ENDPOINT_URL_{service}", server.url)
            assert account.run("deploy", "--yes") == 78
        assert line in account.last_line()
    config = tmp_path / "config"
    session = "[sso-session us]\nsso_start_url = https://us.awsapps.com/start\nsso_region = us-east-1\n"
    profile = "[profile me]\nsso_session = us\nsso_account_id = 123456789012\nsso_role_name = admin\n"
    config.write_text(session + profile)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        account.monkeypatch.delenv(name)
    for name, value in {"AWS_CONFIG_FILE": str(config), "AWS_PROFILE": "me", "HOME": str(tmp_path)}.items():
        account.monkeypatch.setenv(name, value)
    account.log_in()
    assert account.run("deploy", "--yes") == 78
    assert account.last_line().startswith("STS: SSOTokenLoadError: log in first, for example with `aws sso login`")


# ---- The stack's own troubles


def test_a_stack_that_rolls_back_shows_its_first_failure_and_is_deleted_by_the_next(account: Account) -> None:
    account.aws.stacks.failure = ("Vpc", "The maximum number of VPCs has been reached.")
    assert account.deploy() == 1
    assert account.last_line() == (
        f"stack {account.name} ended as ROLLBACK_COMPLETE: "
        "Vpc (AWS::EC2::VPC): The maximum number of VPCs has been reached."
    )
    assert "DeleteStack" not in account.aws.stacks.asked
    account.aws.stacks.failure = None
    assert account.deploy() == 0
    assert f"{account.name} is ROLLBACK_COMPLETE: its creation failed" in account.output
    assert account.aws.stacks.asked.count("DeleteStack") == 1


@pytest.mark.parametrize(
    ("status", "line"),
    [
        ("UPDATE_ROLLBACK_FAILED", "continue the update rollback"),
        ("DELETE_FAILED", "run `make destroy`, then deploy again"),
    ],
)
def test_a_stack_that_is_stuck_shows_the_way_out(account: Account, status: str, line: str) -> None:
    assert account.deploy() == 0
    account.aws.stacks.find(account.name).statuses = [status]
    assert account.deploy() == 1
    assert line in account.last_line()
    assert account.run("status") == 1


def test_an_operation_in_progress_is_waited_for(account: Account) -> None:
    assert account.deploy() == 0
    account.aws.stacks.find(account.name).statuses = ["UPDATE_IN_PROGRESS"] * 3 + ["UPDATE_COMPLETE"]
    assert account.deploy("--limit", "5") == 0
    assert f"{account.name} is UPDATE_IN_PROGRESS: waiting until that is done" in account.output
    assert account.parameters()["Limit"] == "5"


# ---- Runs


def test_a_run_that_fails_is_shown_with_its_log_and_what_its_code_means(account):
    assert account.deploy() == 0
    line = '{"time": "2026-11-23T04:17:01.5+00:00", "level": "error", "event": "task failed", "error": "S3 is down"}'
    account.aws.batch.write(f"/batch/{account.name}", "one", line)
    account.aws.batch.write(f"/batch/{account.name}", "two", "not JSON")
    account.aws.batch.states = [
        {"status": "RUNNABLE", "statusReason": "MISCONFIGURATION: no room"},
        {"status": "STARTING", "container": {"logStreamName": "none-yet"}},
        {"status": "RUNNING", "container": {"logStreamName": "one"}},
        # It is tried again.
        {"status": "RUNNING", "container": {"logStreamName": "two"}},
        {"status": "FAILED", "statusReason": "Essential", "container": {"exitCode": 30, "logStreamName": "two"}},
    ]
    assert account.run("deploy", "--yes") == 1
    assert "  RUNNABLE: MISCONFIGURATION: no room\n" in account.output
    assert "  | 04:17:01 error: task failed  error=S3 is down\n" in account.output
    assert account.output.count("  | not JSON\n") == 1
    assert account.last_line() == "the run failed, exit code 30: a task failed; the next run tries it again"

    for end, code, text in (
        ({"exitCode": 78}, 78, "exit code 78: a setting or a right is wrong, the log names it and the fix"),
        ({"exitCode": 137, "reason": "OutOfMemoryError: killed"}, 1, "exit code 137: killed: out of memory"),
        ({"exitCode": 3, "reason": "odd"}, 1, "exit code 3: odd"),
        ({"reason": "CannotPullContainerError: no image"}, 1, "the run failed, CannotPullContainerError: no image"),
        ({}, 1, "the run failed, Essential container exited"),
    ):
        account.aws.batch.states = [
            {"status": "FAILED", "statusReason": "Essential container exited", "container": end}
        ]
        assert account.run("deploy", "--yes") == code
        assert text in account.last_line()

    account.monkeypatch.setattr(run, "MAX_QUEUED", 0)
    account.aws.batch.states = [{"status": "RUNNABLE"}]
    assert account.run("deploy", "--yes") == 1
    assert "the run did not start within 0 minutes (RUNNABLE): see the compute environment" in account.last_line()


def test_ctrl_c_leaves_the_run_alone(account):
    assert account.deploy() == 0
    account.aws.batch.states = [{"status": "RUNNING"}]

    def interrupt() -> None:
        raise KeyboardInterrupt

    account.monkeypatch.setattr(run, "pause", interrupt)
    assert account.run("deploy", "--yes") == 130
    assert account.last_line().startswith("run         continues in AWS; see `make status STACK=")


# ---- Status


def test_status_of_a_failed_run_and_of_an_active_alarm(account):
    assert account.deploy() == 0
    assert account.run("status") == 1, "no run yet"
    assert "subscribed  no alarm subscribers: run `make deploy EMAIL=…`" in account.output
    done = {"jobId": "1", "jobName": "a", "createdAt": 1000, "stoppedAt": 5000, "status": "SUCCEEDED"}
    daily = done | {"jobId": "m", "jobName": f"{account.name}-maintenance", "stoppedAt": 6000}
    older = account.aws.stacks.find(account.name).resolved
    name = older.outputs.pop("MaintenanceDefinition")
    assert account.run("status") == 1
    assert "is of an older version: run `make deploy`" in account.last_line()
    older.outputs["MaintenanceDefinition"] = name
    account.aws.batch.jobs = [[done]]
    assert account.run("status") == 1, "no maintenance yet"
    assert "succeeded   no maintenance in the last 7 days\n" in account.output
    account.aws.batch.jobs = [[done], [daily]]
    assert account.run("status") == 0
    assert f"maintenance 1970-01-01 00:00 UTC  SUCCEEDED {daily['jobName']}\n" in account.output
    account.aws.batch.jobs.append([daily | {"createdAt": 9000, "status": "FAILED", "container": {"exitCode": 78}}])
    assert account.run("status") == 1
    assert f"FAILED    {daily['jobName']}: exit code 78" in account.output
    assert "succeeded   last maintenance at 1970-01-01 00:00 UTC" in account.output
    account.aws.batch.jobs = [[done], [daily]]
    assert account.run("status") == 0
    alarm = f"{account.name}-gaps"
    cloudwatch = account.aws.client("cloudwatch")
    cloudwatch.set_alarm_state(AlarmName=alarm, StateValue="ALARM", StateReason="1 was\n  too many")
    assert account.run("status") == 1
    assert f"ALARM       {alarm}: 1 was too many\n" in account.output
    cloudwatch.set_alarm_state(AlarmName=alarm, StateValue="OK", StateReason="none")
    failed = {"jobId": "2", "jobName": "b", "createdAt": 2000, "stoppedAt": 9000, "status": "FAILED"}
    account.aws.batch.jobs.append([failed | {"container": {"exitCode": 30}}])
    assert account.run("status") == 1
    assert "FAILED    b: exit code 30: a task failed" in account.output
    assert "succeeded   last run at 1970-01-01 00:00 UTC" in account.output
    assert "schedule    cron(5 * * * ? *), maintenance cron(25 3 * * ? *)\n" in account.output


def test_status_has_a_link_to_the_newest_report_for_an_hour(account: Account) -> None:
    assert account.deploy("--set", "DailyReport=yes") == 0
    account.run("status")
    assert "report      none yet: maintenance makes it\n" in account.output
    lake = S3Lake(bucket=account.outputs()["Bucket"], prefix="lake")
    for day in (9, 10, 11):
        page = f"<p>The page of day {day}".encode()
        assert lake.create(f"{REPORTS}2026-11-{day:02}T03.html", page, media_type="text/html; charset=utf-8")
    account.run("status")
    [link] = re.findall(r"^report      to 2026-11-11T03, for an hour, .*: (http\S+)$", account.output, re.M)
    assert "X-Amz-Expires=3600&" in link
    # Only the newest way to sign is accepted in every region.
    assert "X-Amz-Algorithm=AWS4-HMAC-SHA256&" in link
    with urlopen(link) as answer:
        assert (answer.headers["Content-Type"], answer.read()) == ("text/html; charset=utf-8", page)


def test_the_link_to_a_report_is_to_the_host_of_its_region(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (ENVIRONMENT | {"AWS_DEFAULT_REGION": "eu-south-2"}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    link = _link("a-bucket", "lake/reports/2026-11-23T04.html")
    assert link.startswith("https://a-bucket.s3.eu-south-2.amazonaws.com/lake/reports/2026-11-23T04.html?")


def test_status_shows_a_subscriber_who_has_not_confirmed(account: Account) -> None:
    assert account.run("deploy", "--yes", "--email", "me@example.com", "--set", "ScheduleState=DISABLED") == 0
    assert "to me@example.com, once it confirms the subscription" in account.output
    assert account.run("status") == 0
    assert "subscribed  me@example.com\n" in account.output
    assert "disabled: no run starts" in account.output
    entry = "<member><Endpoint>me@example.com</Endpoint><SubscriptionArn>PendingConfirmation</SubscriptionArn></member>"
    name = "ListSubscriptionsByTopic"
    answer = f"<{name}Response><{name}Result><Subscriptions>{entry}</Subscriptions></{name}Result></{name}Response>"
    with answering(lambda *_: (200, answer)) as server:
        account.monkeypatch.setenv("AWS_ENDPOINT_URL_SNS", server.url)
        assert account.run("status") == 0
    assert "subscribed  me@example.com (not confirmed yet: it gets no alarms" in account.output


# ---- Who may deploy


def allowed(action: str) -> bool:
    """Whether the policy for deployers has it, on something; IAM's actions have no case."""
    document = json.loads((image.PROJECT / "docs" / "deployer-policy.json").read_text())
    patterns = [pattern.lower() for statement in document["Statement"] for pattern in listed(statement["Action"])]
    return any(fits(pattern, action.lower()) for pattern in patterns)


# Of features that the stack has none of: clusters, gateways and tables of other kinds, catalogs of other sources.
ABSENT = re.compile(r"(eks|firehose|s3tables|vpc-lattice|vpce):.*|glue:\w+Connection|ec2:\w+VpnGateway", re.IGNORECASE)


def test_the_deployer_s_policy_has_what_cloudformation_does_for_each_type() -> None:
    """By the schemas of the types, which AWS publishes and cfn-lint brings."""
    folder = Path(cfnlint.__file__).parent / "data" / "schemas"
    schemas = json.loads((folder / "providers" / "us-east-1.json").read_text())
    kinds = {resource["Type"] for resource in load(TEMPLATE.read_text())["Resources"].values()}
    assert len(kinds) > 20
    lacking = []
    for kind in sorted(kinds):
        schema = json.loads((folder / "resources" / f"{schemas[kind]}.json").read_text())
        needed = {action for handler in schema["handlers"].values() for action in handler["permissions"]}
        lacking += [f"{kind}: {action}" for action in needed if not (allowed(action) or ABSENT.fullmatch(action))]
    assert lacking == []


def test_the_deployer_s_policy_has_what_the_commands_call_and_fits_into_one_policy(account: Account) -> None:
    assert account.run("deploy", "--yes") == account.run("status") == 0
    assert account.deploy("--set", "RedshiftRpuHours=300") == 0
    assert account.deploy("--set", URL, "--set", "Warehouse=url", "--set", "RedshiftCluster=none") == 78
    assert account.deploy("--set", URL, "--set", "Warehouse=url", "--set", "RedshiftWorkgroup=none") == 78
    assert account.run("destroy", "--yes", "--with-data") == 0
    called = account.called
    services = {action.partition(":")[0] for action in called}
    assert {"cloudformation", "ec2", "iam", "ecr", "secretsmanager", "s3", "batch", "logs", "sns"} <= services
    assert {"redshift-serverless:UpdateUsageLimit", "redshift-data:ExecuteStatement"} <= called
    assert sorted(action for action in called if not allowed(action)) == []
    # A managed policy has 6,144 characters, without white space.
    assert len("".join((image.PROJECT / "docs" / "deployer-policy.json").read_text().split())) < 6144


# ---- The warehouse


def test_the_job_is_granted_access_to_the_warehouse_of_the_stack_and_so_are_readers(account: Account) -> None:
    assert account.deploy() == 0
    job, daily = account.outputs()["JobRole"], account.outputs()["MaintenanceRole"]
    command = f"aws redshift-data execute-statement --workgroup-name {account.name} --database reddit"
    assert f"{command} --secret-arn 'arn:secret' --sql 'SELECT" in account.output
    assert "grant analysts access with --set ReaderRole=…" in account.output
    assert account.deploy("--set", "ReaderRole=Analyst") == 0
    assert f"workgroup {account.name}, database reddit; as the role Analyst (federated user)" in account.output
    assert f"{command} --sql 'SELECT" in account.output
    always = [
        f'CREATE USER "IAMR:{job}" PASSWORD DISABLE',
        # Of a user that exists already too.
        f'ALTER USER "IAMR:{job}" SESSION TIMEOUT 300',
        f'GRANT CREATE, TEMPORARY ON DATABASE reddit TO "IAMR:{job}"',
        # The job's own, so that it can make its tables there.
        f'CREATE SCHEMA IF NOT EXISTS reddit AUTHORIZATION "IAMR:{job}"',
        "CREATE ROLE reddit_reader",
        "GRANT USAGE ON SCHEMA reddit TO ROLE reddit_reader",
        "GRANT SELECT FOR TABLES IN SCHEMA reddit TO ROLE reddit_reader",
        f'CREATE USER "IAMR:{daily}" PASSWORD DISABLE',
        f'ALTER USER "IAMR:{daily}" SESSION TIMEOUT 300',
        # It creates no table, so that all are the other job's.
        f'GRANT TEMPORARY ON DATABASE reddit TO "IAMR:{daily}"',
        "CREATE ROLE reddit_maintenance",
        "GRANT USAGE ON SCHEMA reddit TO ROLE reddit_maintenance",
        "GRANT SELECT, INSERT, UPDATE, DELETE FOR TABLES IN SCHEMA reddit TO ROLE reddit_maintenance",
        "GRANT VACUUM TO ROLE reddit_maintenance",
        f'GRANT ROLE reddit_maintenance TO "IAMR:{daily}"',
    ]
    reader = ['CREATE USER "IAMR:Analyst" PASSWORD DISABLE', 'GRANT ROLE reddit_reader TO "IAMR:Analyst"']
    requests = account.aws.serverless.statements
    # By the syntax of Redshift's reference for each.
    assert [request["Sql"] for request in requests] == [*always, *always, *reader]
    assert {(one["WorkgroupName"], one["SecretArn"], one["Database"]) for one in requests} == {
        (account.name, "arn:secret", "reddit")
    }


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([], [("monthly", "deactivate", 200)]),
        ([("daily", "log", 9)], [("daily", "log", 9), ("monthly", "deactivate", 200)]),
        ([("monthly", "deactivate", 9)], [("monthly", "deactivate", 200)]),
        ([("monthly", "deactivate", 200)], [("monthly", "deactivate", 200)]),
    ],
    ids=["none", "theirs", "another", "the-same"],
)
def test_the_warehouse_of_the_stack_has_a_limit_per_month(account: Account, before: Any, after: Any) -> None:
    names = ("period", "breachAction", "amount")
    account.aws.serverless.limits = [
        dict(zip(names, one, strict=True)) | {"usageLimitId": str(number)} for number, one in enumerate(before)
    ]
    warehouse.limit({"WorkgroupArn": "arn:work", "RedshiftRpuHours": "200"})
    assert [tuple(one[name] for name in names) for one in account.aws.serverless.limits] == after
    assert "200 RPU-hours per month" in account.capsys.readouterr().out


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"RedshiftWorkgroup": "theirs", "RedshiftWorkgroupArn": "arn:theirs"}, "theirs is private in vpc-1: run the"),
        ({"RedshiftWorkgroup": "theirs", "RedshiftWorkgroupArn": "arn:x"}, "that of theirs is arn:theirs"),
        ({"RedshiftWorkgroup": "none"}, "--set RedshiftWorkgroup=none: not found in this region"),
        ({"RedshiftCluster": "none"}, "--set RedshiftCluster=none: not found in this region"),
        (
            {"WarehouseUrl": "redshift+psycopg2://x.1.eu-west-1.redshift-serverless.amazonaws.com/dev"},
            "set AWS_DEFAULT_REGION=eu-west-1",
        ),
    ],
    ids=str,
)
def test_an_external_warehouse_that_the_job_cannot_reach_is_refused(account, given, line):
    endpoint = {"vpcEndpoints": [{"vpcId": "vpc-1"}]}
    theirs = {"workgroupArn": "arn:theirs", "publiclyAccessible": False, "endpoint": endpoint}
    account.aws.serverless.workgroups["theirs"] = theirs
    values = {"Warehouse": "url", "WarehouseUrl": URL.partition("=")[2]} | given
    assert account.run("deploy", "--yes", *[w for n, v in values.items() for w in ("--set", f"{n}={v}")]) == 78
    assert line in account.last_line()
    assert account.has_nothing()


def test_what_the_owner_of_an_external_warehouse_must_allow_is_printed(account: Account) -> None:
    client = account.aws.client("redshift")
    client.create_cluster(
        ClusterIdentifier=account.name, NodeType="ra3.large", MasterUsername="u", MasterUserPassword="Passw0rdPassw0rd"
    )
    cluster = f"RedshiftCluster={account.name}"
    assert account.deploy("--set", URL, "--set", "Warehouse=url", "--set", cluster) == 0, account.output
    outputs = account.outputs()
    user = f'"IAMR:{outputs["JobRole"]}"'
    for part in (
        f"from {outputs['JobSecurityGroup']}",
        f"{outputs['CopyRole']}: attach it to the warehouse",
        f"CREATE USER {user} PASSWORD DISABLE; ALTER USER {user} SESSION TIMEOUT 300;\n",
        f"GRANT CREATE, TEMPORARY ON DATABASE dev TO {user};\n",
        f"CREATE SCHEMA IF NOT EXISTS reddit AUTHORIZATION {user};\n",
        f'  GRANT ROLE reddit_maintenance TO "IAMR:{outputs["MaintenanceRole"]}";\n',
    ):
        assert part in account.output
    assert account.aws.serverless.statements == []


def test_the_role_that_ecs_needs_in_a_new_account_is_created(account: Account) -> None:
    iam, path = account.aws.client("iam"), "/aws-service-role/ecs.amazonaws.com/"
    for role in iam.list_roles(PathPrefix=path)["Roles"]:
        iam.delete_role(RoleName=role["RoleName"])
    network.ensure_ecs_role()
    assert "created: this account never used ECS" in account.capsys.readouterr().out
    assert iam.list_roles(PathPrefix=path)["Roles"]
    network.ensure_ecs_role()
    assert account.capsys.readouterr().out == ""
    refusal = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>"
    with answering(lambda *_: (403, refusal)) as server:
        account.monkeypatch.setenv("AWS_ENDPOINT_URL_IAM", server.url)
        account.log_in()
        network.ensure_ecs_role()
    hint = "`aws iam create-service-linked-role --aws-service-name ecs.amazonaws.com`"
    assert hint in account.capsys.readouterr().out


def test_the_deployment_and_the_template_agree() -> None:
    resources = load(TEMPLATE.read_text())["Resources"]
    assert resources["Namespace"]["Properties"]["DbName"] == warehouse.DATABASE
    assert tables.SCHEMA == warehouse.SCHEMA
    # CAPABILITY_IAM is not enough for roles with names.
    assert not any("RoleName" in resource.get("Properties", {}) for resource in resources.values())
