"""`python -m batch` against moto's AWS over HTTP, with a docker that records how it is called."""

import json
import re
import secrets
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import boto3
import cfnlint
import pytest
import yaml

from batch import deploy, follow, image, linked_role, network, stack, upload, warehouse
from batch.__main__ import main
from reddit_etl.warehouse import tables
from tests.standins import docker
from tests.standins.policies import fits, listed
from tests.standins.s3 import ENVIRONMENT, answering

# Each makes a stack in an emulated account, which takes two seconds or more.
pytestmark = pytest.mark.slow

# The contract of batch/stack.yaml, as far as moto makes it.
TEMPLATE = """
Parameters:
  ImageUri: {Type: String}
  CodeVersion: {Type: String}
  RedditSecretArn: {Type: String}
  Schedule: {Type: String, Default: "cron(5 * * * ? *)"}
  Subreddits: {Type: String, Default: '["python", "dataengineering", "aws"]'}
  Listings: {Type: String, Default: '["new"]'}
  Limit: {Type: Number, Default: 1000}
  AlarmEmail: {Type: String, Default: ""}
  HoursWithoutSuccess: {Type: Number, Default: 3}
  TransformEngine: {Type: String, Default: duckdb}
  Warehouse: {Type: String, Default: serverless}
  WarehouseUrl: {Type: String, Default: ""}
  WarehouseSecretArn: {Type: String, Default: ""}
  RedshiftWorkgroup: {Type: String, Default: ""}
  RedshiftWorkgroupArn: {Type: String, Default: ""}
  RedshiftCluster: {Type: String, Default: ""}
  CopyRoleArn: {Type: String, Default: ""}
  RedshiftCapacity: {Type: Number, Default: 4}
  RedshiftRpuHours: {Type: Number, Default: 200}
  FinalSnapshot: {Type: String}
  Zones: {Type: CommaDelimitedList, Default: "none,none,none"}
  VpcId: {Type: String, Default: ""}
  SubnetIds: {Type: String, Default: ""}
  Spot: {Type: String, Default: "no"}
  Vcpu: {Type: String, Default: "0.25"}
  Memory: {Type: String, Default: "512"}
  PublicIp: {Type: String, Default: "yes"}
  ScheduleState: {Type: String, Default: ENABLED}
Resources:
  Bucket:
    Type: AWS::S3::Bucket
    DeletionPolicy: Retain
    Properties: {VersioningConfiguration: {Status: Enabled}}
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument: {Version: "2012-10-17", Statement: []}
  LogGroup:
    Type: AWS::Logs::LogGroup
    Properties: {LogGroupName: !Sub "/batch/${AWS::StackName}"}
  Topic: {Type: AWS::SNS::Topic, Properties: {}}
  Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16}}
  Subnet: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Vpc, CidrBlock: 10.0.0.0/24}}
  Group: {Type: AWS::EC2::SecurityGroup, Properties: {VpcId: !Ref Vpc, GroupDescription: the job}}
  Environment:
    Type: AWS::Batch::ComputeEnvironment
    Properties:
      Type: MANAGED
      ServiceRole: !GetAtt Role.Arn
      ComputeResources: {Type: FARGATE, MaxvCpus: 4, Subnets: [!Ref Subnet], SecurityGroupIds: [!Ref Group]}
  JobQueue:
    Type: AWS::Batch::JobQueue
    Properties:
      Priority: 1
      ComputeEnvironmentOrder: [{Order: 1, ComputeEnvironment: !Ref Environment}]
  JobDefinition:
    Type: AWS::Batch::JobDefinition
    Properties:
      Type: container
      PlatformCapabilities: [FARGATE]
      RetryStrategy: {Attempts: 1}
      ContainerProperties:
        Image: !Ref ImageUri
        Command: [RedditPipeline, --hour, "Ref::hour"]
        ExecutionRoleArn: !GetAtt Role.Arn
        ResourceRequirements: [{Type: VCPU, Value: "0.25"}, {Type: MEMORY, Value: "512"}]
Outputs:
  Bucket: {Value: !Ref Bucket}
  JobQueue: {Value: !Ref JobQueue}
  JobDefinition: {Value: !Ref JobDefinition}
  JobSecurityGroup: {Value: !Ref Group}
  JobRole: {Value: !Ref Role}
  CopyRole: {Value: !GetAtt Role.Arn}
  LogGroup: {Value: !Ref LogGroup}
  Topic: {Value: !Ref Topic}
"""
LOGIN = {
    "REDDIT_CLIENT_ID": "marked-id",
    "REDDIT_CLIENT_SECRET": "marked-s3cret",
    "REDDIT_USER_AGENT": "linux:marked:1.0 (by /u/someone)",
}


class Outline(yaml.SafeLoader):
    """A template of which the functions are left out."""


Outline.add_multi_constructor("!", lambda *_: None)


def outline(template: str) -> dict[str, Any]:
    return dict(yaml.load(template, Outline))


@dataclass
class Account:
    """An AWS account, a docker and a terminal."""

    name: str
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]
    record: Path
    said: str = ""
    """By the last command, on both streams."""

    def run(self, *words: str) -> int:
        code = main([words[0], "--stack", self.name, *words[1:]])
        out, error = self.capsys.readouterr()
        self.said = out + error
        assert "Traceback" not in self.said
        return code

    def last_line(self) -> str:
        return self.said.strip().splitlines()[-1]

    def docker(self) -> list[dict[str, object]]:
        """Its calls."""
        return [json.loads(line) for line in self.record.read_text().splitlines()] if self.record.exists() else []

    def pushes(self) -> list[object]:
        return [call["words"][1] for call in self.docker() if call["words"][0] == "push"]  # type: ignore[index]

    def stack(self) -> dict[str, object]:
        found: dict[str, object] = boto3.client("cloudformation").describe_stacks(StackName=self.name)["Stacks"][0]
        return found

    def parameters(self) -> dict[str, str]:
        return {entry["ParameterKey"]: entry["ParameterValue"] for entry in self.stack()["Parameters"]}  # type: ignore[attr-defined]

    def outputs(self) -> dict[str, str]:
        return {entry["OutputKey"]: entry["OutputValue"] for entry in self.stack()["Outputs"]}  # type: ignore[attr-defined]

    def jobs(self) -> int:
        pages = (
            boto3.client("batch")
            .get_paginator("list_jobs")
            .paginate(jobQueue=self.outputs()["JobQueue"], jobStatus="SUCCEEDED")
        )
        return sum(len(page["jobSummaryList"]) for page in pages)

    def secret(self) -> object:
        return json.loads(
            boto3.client("secretsmanager").get_secret_value(SecretId=f"{self.name}/reddit")["SecretString"]
        )


@pytest.fixture
def account(
    s3_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Account:
    # moto's Batch would start containers otherwise.
    config = json.dumps({"batch": {"use_docker": False}}).encode()
    with urllib.request.urlopen(urllib.request.Request(f"{s3_url}/moto-api/config", data=config, method="POST")):
        pass
    docker.install(tmp_path)
    found = Account(f"t{secrets.token_hex(6)}", monkeypatch, capsys, tmp_path / "record")
    for name, value in (ENVIRONMENT | LOGIN | {"AWS_ENDPOINT_URL": s3_url, "RECORD": str(found.record)}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    # boto3 remembers the login of the test before.
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    monkeypatch.setattr(deploy, "template", lambda: TEMPLATE)
    for module in (stack, follow, warehouse):
        monkeypatch.setattr(module, "INTERVAL", 0.01)
    return found


def test_deploy_again_with_a_change_again_without_and_destroy(account: Account) -> None:
    assert account.run("deploy", "--yes") == 0, account.said
    assert account.last_line().startswith("run         SUCCEEDED")
    for step in ("CREATE_COMPLETE", "repository", "pushing", "secret", "code", "together"):
        assert step in account.said
    [pushed] = account.pushes()
    first = account.parameters()
    assert first["ImageUri"] == pushed
    bucket = account.outputs()["Bucket"]
    keys = {entry["Key"] for entry in boto3.client("s3").list_objects_v2(Bucket=bucket)["Contents"]}
    assert keys == {f"code/{first['CodeVersion']}/{name}" for name in ("glue_transform.py", "library.zip")}
    assert account.secret() == LOGIN
    [repository] = boto3.client("ecr").describe_repositories(repositoryNames=[account.name])["repositories"]
    assert repository["imageTagMutability"] == "IMMUTABLE"
    assert repository["imageScanningConfiguration"] == {"scanOnPush": True}
    assert account.jobs() == 1

    assert account.run("deploy", "--yes", "--subreddits", '["rust"]', "--set", "Schedule=rate(2 hours)") == 0
    assert "UPDATE_COMPLETE" in account.said
    changed = {"Subreddits": '["rust"]', "Schedule": "rate(2 hours)", "HoursWithoutSuccess": "4"}
    assert account.parameters() == first | changed
    assert account.outputs()["Bucket"] == bucket
    assert account.pushes() == [pushed]

    before = len(account.docker())
    assert account.run("deploy", "--yes") == 0
    assert "nothing to change" in account.said
    assert "rate(2 hours)" in account.said, "what was set once stays"
    assert account.parameters()["Subreddits"] == '["rust"]'
    assert all(call["words"][0] in ("version", "buildx") for call in account.docker()[before:])
    assert not any(call["words"][:2] == ["buildx", "build"] for call in account.docker()[before:])
    assert account.jobs() == 3

    assert account.run("status") == 0
    assert account.said.count("SUCCEEDED") == 3

    boto3.client("s3").put_object(Bucket=bucket, Key="lake/kept", Body=b"posts")
    assert account.run("destroy", "--yes") == 0
    assert f"s3://{bucket} is kept" in account.said
    assert boto3.client("s3").get_object(Bucket=bucket, Key="lake/kept")["Body"].read() == b"posts"
    assert account.run("status") == 1
    assert "no stack" in account.last_line()

    # The bucket is known by the stack that was.
    assert account.run("destroy", "--yes", "--with-data") == 0
    assert f"s3://{bucket} is removed" in account.said
    assert bucket not in {entry["Name"] for entry in boto3.client("s3").list_buckets()["Buckets"]}

    # And all of it comes back, the secret from its grave.
    for name in LOGIN:
        account.monkeypatch.delenv(name)
    assert account.run("deploy", "--yes", "--no-run") == 78
    assert "REDDIT_CLIENT_ID" in account.last_line()
    for name, value in LOGIN.items():
        account.monkeypatch.setenv(name, value)
    assert account.run("deploy", "--yes", "--no-run") == 0
    assert account.secret() == LOGIN


def test_with_data_removes_every_version(account: Account) -> None:
    assert account.run("deploy", "--yes", "--no-run") == 0
    s3, bucket = boto3.client("s3"), account.outputs()["Bucket"]
    for content in (b"one", b"two"):
        s3.put_object(Bucket=bucket, Key="lake/x", Body=content)
    s3.delete_object(Bucket=bucket, Key="lake/x")
    s3.create_multipart_upload(Bucket=bucket, Key="lake/half")
    assert account.run("destroy", "--yes", "--with-data") == 0
    assert bucket not in {entry["Name"] for entry in s3.list_buckets()["Buckets"]}
    assert account.run("destroy", "--yes", "--with-data") == 0
    assert "is not there" in account.last_line()


def test_no_secret_is_shown_or_passed_on(account: Account) -> None:
    assert account.run("deploy", "--yes") == 0
    assert account.run("deploy", "--yes") == 0
    token = boto3.client("ecr").get_authorization_token()["authorizationData"][0]["authorizationToken"]
    calls = account.docker()
    [login] = [call for call in calls if call["words"][0] == "login"]
    assert login["words"] == ["login", "--username", "AWS", "--password-stdin", login["words"][-1]]
    password = str(login.pop("stdin"))
    assert password
    assert password not in token
    seen = json.dumps(calls) + account.said + json.dumps(account.parameters())
    for hidden in (*LOGIN.values(), password, token):
        assert hidden not in seen
    assert any(call["words"][0] == "logout" for call in calls)


def test_new_credentials_reach_the_secret_without_a_change_of_the_stack(account: Account) -> None:
    assert account.run("deploy", "--yes", "--no-run") == 0
    account.monkeypatch.setenv("REDDIT_CLIENT_SECRET", "another")
    assert account.run("deploy", "--yes", "--no-run") == 0
    assert "nothing to change" in account.said
    assert account.secret() == LOGIN | {"REDDIT_CLIENT_SECRET": "another"}
    for name in LOGIN:
        account.monkeypatch.delenv(name)
    assert account.run("deploy", "--yes", "--no-run") == 0
    assert account.secret() == LOGIN | {"REDDIT_CLIENT_SECRET": "another"}


def test_a_new_version_finds_its_code_before_the_stack_names_it(account: Account) -> None:
    assert account.run("deploy", "--yes", "--no-run") == 0
    account.monkeypatch.setattr(upload, "library", lambda: b"another")
    assert account.run("deploy", "--yes", "--no-run") == 0
    assert account.said.index("code  ") < account.said.index("UPDATE_")


def test_an_image_that_is_pushed_already_needs_no_docker(account: Account) -> None:
    account.monkeypatch.setenv("PATH", "/nowhere")
    uri = "123456789012.dkr.ecr.us-east-1.amazonaws.com/reddit-etl:1.2.3"
    assert account.run("deploy", "--yes", "--image", uri) == 0
    assert account.parameters()["ImageUri"] == uri
    assert account.docker() == []


def test_push_alone(account: Account) -> None:
    assert account.run("push") == 0
    [pushed] = account.pushes()
    assert re.fullmatch(re.escape(str(pushed).rpartition(":")[0]) + "@sha256:[0-9a-f]{64}", account.last_line())
    assert account.run("push") == 0
    assert account.pushes() == [pushed]


def test_a_release_needs_the_rights_that_its_document_names(account: Account) -> None:
    called = set()
    account.monkeypatch.setattr(boto3, "DEFAULT_SESSION", session := boto3.Session())
    session.events.register(
        "before-call.*", lambda model, **_: called.add(f"{model.service_model.signing_name}:{model.name}")
    )
    # The first makes the repository.
    assert account.run("push") == account.run("push") == 0
    # A repository is made with a tag, which is a right of its own; the others are what docker calls to push, by AWS's
    # documentation of ECR.
    words = "BatchCheckLayerAvailability BatchGetImage InitiateLayerUpload UploadLayerPart CompleteLayerUpload PutImage"
    words += " TagResource"
    text = (image.PROJECT / "docs" / "deploy.md").read_text()
    _, policy = (json.loads(block) for block in re.findall(r"```json\n(.*?)```", text, re.DOTALL))
    log_in, push = (statement["Action"] for statement in policy["Statement"])
    assert {log_in, *push} == called | {f"ecr:{word}" for word in words.split()}


def asked(account: Account, answer: str) -> None:
    """Somebody is at the terminal and says this."""
    account.monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    account.monkeypatch.setattr("builtins.input", lambda _: answer)


def nothing_is_made(account: Account) -> bool:
    ecr, names = boto3.client("ecr"), set()
    for page in ecr.get_paginator("describe_repositories").paginate():
        names |= {entry["repositoryName"] for entry in page["repositories"]}
    found = boto3.client("secretsmanager").list_secrets(IncludePlannedDeletion=True)["SecretList"]
    return account.name not in names and f"{account.name}/reddit" not in {entry["Name"] for entry in found}


def test_the_price_is_said_before_anything_is_made(account: Account) -> None:
    asked(account, "n")
    assert account.run("deploy", "--schedule", "rate(1 day)") == 1
    assert "Fargate" in account.said
    assert "with rate(1 day)" in account.said
    assert account.run("deploy", "--schedule", "rate(30 minutes)") == 1
    assert "more than one run an hour: the later ones find the hour done" in account.said
    assert nothing_is_made(account)
    asked(account, "y")
    assert account.run("deploy", "--no-run") == 0


def test_the_end_of_the_input_is_no_agreement(account: Account) -> None:
    def end(_: str) -> str:
        raise EOFError

    asked(account, "")
    account.monkeypatch.setattr("builtins.input", end)
    assert account.run("deploy") == 1
    assert account.last_line() == "nothing is deployed"
    assert nothing_is_made(account)


def test_the_data_goes_only_by_its_name(account: Account) -> None:
    assert account.run("deploy", "--yes", "--no-run") == 0
    bucket = account.outputs()["Bucket"]
    asked(account, "y")
    assert account.run("destroy", "--with-data") == 1
    assert account.last_line() == "nothing is removed"
    assert account.run("status") == 1, "it is there, and had no run"
    asked(account, bucket)
    assert account.run("destroy", "--with-data") == 0
    assert f"s3://{bucket} is removed" in account.said


@pytest.mark.parametrize(
    ("words", "environment", "line"),
    [
        (("deploy",), {}, "nobody is there to answer: give --yes"),
        (("destroy",), {}, "nobody is there to answer: give --yes"),
        (("deploy", "--yes"), {"PATH": "/nowhere"}, "docker is not installed: install it, or put it on the PATH"),
        (("deploy", "--yes"), {"REFUSE": "version"}, "start docker, or join the group docker"),
        (("deploy", "--yes"), {"REFUSE": "buildx version"}, "install docker's plugin buildx"),
        (("deploy", "--yes"), {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, "log in to AWS"),
        (("status",), {"AWS_DEFAULT_REGION": "", "AWS_ENDPOINT_URL": ""}, "set AWS_DEFAULT_REGION"),
        (("deploy", "--yes"), {"REDDIT_CLIENT_ID": ""}, "REDDIT_CLIENT_ID missing"),
        (("deploy", "--yes"), {"REDDIT_CLIENT_ID": "x\n"}, "white space"),
        (("deploy", "--yes", "--set", "Color=red"), {}, "parameters are AlarmEmail, CopyRoleArn, "),
        (("deploy", "--yes", "--set", "ImageUri=x"), {}, "--set ImageUri: the stack's parameters are"),
        (("deploy", "--yes", "--set", "Schedule"), {}, "--set Schedule: give it like --set Name=value"),
        (("deploy", "--yes", "--set", "Memory=much"), {}, "--set Memory=much: give a number"),
        (("deploy", "--yes", "--schedule", "hourly"), {}, "rate(1 hour)"),
        (("deploy", "--yes", "--schedule", "rate(7 days)"), {}, "no alarm looks back further than 168"),
        (
            ("deploy", "--yes", "--schedule", "rate(1 day)", "--set", "HoursWithoutSuccess=24"),
            {},
            "rate(1 day) leaves 24 hours between two runs, so that alarm would always ring: give 26",
        ),
        (("deploy", "--yes", "--subreddits", "[python]"), {}, "--set Subreddits=[python]: write a JSON list of names"),
        (("deploy", "--yes", "--subreddits", '["../x"]'), {}, "--subreddits: '../x' is no such name"),
        (("deploy", "--yes", "--set", 'Listings=["nwe"]'), {}, "--listings: 'nwe' is no such name"),
        (("deploy", "--yes", "--set", "Limit=nan"), {}, "--limit nan: give a whole number"),
        (("deploy", "--yes", "--set", "Limit=1.5"), {}, "--limit 1.5: give a whole number"),
        (("deploy", "--yes", "--set", "HoursWithoutSuccess=nan"), {}, "--set HoursWithoutSuccess=nan: give a number"),
        (("deploy", "--yes"), {"REDDIT_CLIENT_ID": "…"}, "REDDIT_CLIENT_ID has white space"),
        (("deploy", "--yes", "--set", "Limit=5000"), {}, "--limit is 5000: Reddit gives 1 to 1000"),
        (("deploy", "--yes", "--email", "somebody"), {}, "--email somebody: give one address"),
        (("deploy", "--yes", "--set", "WarehouseUrl=redshift+psycopg2://u:p@h/d"), {}, "WarehouseUrl holds a login"),
        (("deploy", "--yes"), {"REDDIT_USER_AGENT": "mybot"}, "REDDIT_USER_AGENT must look like"),
        (("deploy", "--stack", "No_Such", "--yes"), {}, "--stack 'No_Such'"),
        (("deploy", "--stack", "abc-", "--yes"), {}, "--stack 'abc-'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_a_person_must_mend_is_said_in_a_line_and_nothing_is_made(account, words, environment, line):
    with pytest.MonkeyPatch.context() as changed:
        for name, value in environment.items():
            changed.setenv(name, value) if value else changed.delenv(name)
        assert account.run(*words) == 78
    assert line in account.last_line()
    account.monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    assert nothing_is_made(account)


@pytest.mark.parametrize("command", ["deploy", "destroy"])
@pytest.mark.parametrize("owned", ["stack", "repository", "secret"])
def test_what_is_somebody_s_own_is_left_alone(account: Account, owned: str, command: str) -> None:
    """It only happens to have the name that is asked for."""
    name, formation, ecr = account.name, boto3.client("cloudformation"), boto3.client("ecr")
    if owned == "stack":
        topic = {"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}
        formation.create_stack(StackName=name, TemplateBody=json.dumps(topic))
    elif owned == "repository":
        ecr.create_repository(repositoryName=name)
    else:
        boto3.client("secretsmanager").create_secret(Name=f"{name}/reddit", SecretString="theirs")
    assert account.run(command, "--yes") == 78
    assert account.last_line().endswith("is not one of this project: give another name by --stack")
    if owned == "stack":
        assert formation.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"] == "CREATE_COMPLETE"
    elif owned == "repository":
        assert ecr.describe_repositories(repositoryNames=[name])["repositories"]
    else:
        found = boto3.client("secretsmanager").get_secret_value(SecretId=f"{name}/reddit")
        assert found["SecretString"] == "theirs"


def test_a_value_that_a_parameter_cannot_have_is_refused_before_anything_is_made(
    account: Account, formation: "Formation"
) -> None:
    assert account.run("deploy", "--yes", "--set", "Spot=maybe") == 78
    assert account.last_line() == "--set Spot=maybe: give yes, no"
    assert "CreateStack" not in formation.asked
    assert nothing_is_made(account)


def test_that_the_warehouse_goes_is_said_before_the_question(account: Account) -> None:
    assert account.run("deploy", "--yes", "--no-run") == 0
    assert "the one of this stack goes" not in account.said
    first = account.parameters()["FinalSnapshot"]
    assert account.run("deploy", "--yes", "--no-run") == 0
    assert account.parameters()["FinalSnapshot"] == first
    assert account.run("deploy", "--yes", "--no-run", "--set", "Warehouse=url") == 0
    assert "the one of this stack goes, with its data" in account.said
    assert account.run("deploy", "--yes", "--no-run") == 0
    assert "the one of this stack goes" not in account.said
    # Its last snapshot is there for 30 days, and the name of one cannot be another's.
    assert account.run("deploy", "--yes", "--no-run", "--set", "Warehouse=serverless") == 0
    assert account.parameters()["FinalSnapshot"] != first


def test_a_push_that_went_well_is_one_though_docker_will_not_log_out(account: Account) -> None:
    account.monkeypatch.setenv("REFUSE", "logout")
    assert account.run("deploy", "--yes", "--no-run") == 0


def test_somebody_who_is_not_logged_in_is_told_so(account: Account, tmp_path: Path) -> None:
    config = tmp_path / "config"
    session = "[sso-session us]\nsso_start_url = https://us.awsapps.com/start\nsso_region = us-east-1\n"
    profile = "[profile me]\nsso_session = us\nsso_account_id = 123456789012\nsso_role_name = admin\n"
    config.write_text(session + profile)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        account.monkeypatch.delenv(name)
    for name, value in {"AWS_CONFIG_FILE": str(config), "AWS_PROFILE": "me", "HOME": str(tmp_path)}.items():
        account.monkeypatch.setenv(name, value)
    assert account.run("deploy", "--yes") == 78
    assert account.last_line().startswith("AWS: SSOTokenLoadError: log in first, by `aws sso login`")


def test_expired_credentials(account: Account) -> None:
    refusal = "<ErrorResponse><Error><Code>ExpiredToken</Code><Message>no</Message></Error></ErrorResponse>"
    with answering(lambda *_: (403, refusal)) as server:
        account.monkeypatch.setenv("AWS_ENDPOINT_URL_STS", server.url)
        assert account.run("deploy", "--yes") == 78
    assert account.last_line() == "AWS: ExpiredToken: the AWS credentials have expired, log in again"


def test_a_right_that_is_missing_is_named_in_the_words_of_aws(account: Account) -> None:
    refusal = json.dumps({"__type": "AccessDeniedException", "message": "no ecr:DescribeRepositories for you"})
    with answering(lambda *_: (400, refusal)) as server:
        account.monkeypatch.setenv("AWS_ENDPOINT_URL_ECR", server.url)
        assert account.run("deploy", "--yes") == 78
    assert "no ecr:DescribeRepositories for you" in account.last_line()


@pytest.mark.parametrize("call", ["buildx build", "push", "login"])
def test_what_docker_refuses_stops_the_deployment(account: Account, call: str) -> None:
    account.monkeypatch.setenv("REFUSE", call)
    assert account.run("deploy", "--yes") == 1
    assert account.last_line().startswith(f"docker {call.partition(' ')[0]} ended with 17")
    with pytest.raises(Exception, match="does not exist"):
        account.stack()
    account.monkeypatch.delenv("REFUSE")
    assert account.run("deploy", "--yes", "--no-run") == 0


class Formation:
    """A CloudFormation of which the creation or the update fails, and whose removal succeeds."""

    def __init__(self, status: str = "") -> None:
        self.status = status
        self.asked: list[str] = []
        self.events: list[tuple[str, str, str]] = []

    def answer(self, _method: str, _path: str, body: bytes) -> tuple[int, str]:
        [action] = parse_qs(body.decode())["Action"]
        self.asked.append(action)
        return getattr(self, action)()  # type: ignore[no-any-return]

    def _result(self, action: str, inner: str) -> tuple[int, str]:
        return 200, f"<{action}Response><{action}Result>{inner}</{action}Result></{action}Response>"

    def GetTemplateSummary(self) -> tuple[int, str]:
        yes_no = "<AllowedValues><member>yes</member><member>no</member></AllowedValues>"
        defaults = {name: about.get("Default", "") for name, about in outline(TEMPLATE)["Parameters"].items()}
        inner = "".join(
            f"<member><ParameterKey>{name}</ParameterKey><DefaultValue>{default}</DefaultValue>"
            f"<ParameterConstraints>{yes_no if name == 'Spot' else ''}</ParameterConstraints></member>"
            for name, default in defaults.items()
        )
        return self._result("GetTemplateSummary", f"<Parameters>{inner}</Parameters>")

    def DescribeStacks(self) -> tuple[int, str]:
        if not self.status:
            error = "<Error><Code>ValidationError</Code><Message>Stack with id x does not exist</Message></Error>"
            return 400, f"<ErrorResponse>{error}</ErrorResponse>"
        if self.status == "CREATE_IN_PROGRESS":
            self.status = "ROLLBACK_COMPLETE"
        inner = f"<StackId>arn:x</StackId><StackName>x</StackName><StackStatus>{self.status}</StackStatus>"
        inner += "<Tags><member><Key>project</Key><Value>reddit-etl</Value></member></Tags>"
        return self._result("DescribeStacks", f"<Stacks><member>{inner}</member></Stacks>")

    def CreateStack(self) -> tuple[int, str]:
        self.status = "CREATE_IN_PROGRESS"
        self.events = [
            ("Bucket", "CREATE_COMPLETE", ""),
            ("Topic", "CREATE_FAILED", "Resource creation cancelled"),
            ("Vpc", "CREATE_FAILED", "The maximum number of VPCs has been reached."),
            ("x", "ROLLBACK_IN_PROGRESS", "The following resource(s) failed to create: [Vpc, Topic]."),
        ]
        return self._result("CreateStack", "<StackId>arn:x</StackId>")

    def DeleteStack(self) -> tuple[int, str]:
        self.status = "DELETE_COMPLETE"
        return self._result("DeleteStack", "")

    def DescribeStackEvents(self) -> tuple[int, str]:
        inner = "".join(
            f"<member><EventId>{name}</EventId><LogicalResourceId>{name}</LogicalResourceId>"
            f"<ResourceType>AWS::X::{name}</ResourceType><ResourceStatus>{status}</ResourceStatus>"
            f"<ResourceStatusReason>{why}</ResourceStatusReason></member>"
            for name, status, why in reversed(self.events)
        )
        return self._result("DescribeStackEvents", f"<StackEvents>{inner}</StackEvents>")


@pytest.fixture
def formation(account: Account) -> Iterator[Formation]:
    found = Formation()
    with answering(found.answer, bodies=True) as server:
        account.monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDFORMATION", server.url)
        yield found


def test_a_stack_that_rolls_back_tells_its_first_failure(account: Account, formation: Formation) -> None:
    assert account.run("deploy", "--yes") == 1
    assert account.last_line() == (
        f"stack {account.name} ended as ROLLBACK_COMPLETE: "
        "Vpc (AWS::X::Vpc): The maximum number of VPCs has been reached."
    )
    assert "DeleteStack" not in formation.asked

    # The next deployment clears it away.
    assert account.run("deploy", "--yes") == 1
    assert f"{account.name} is ROLLBACK_COMPLETE: its first creation did not succeed" in account.said
    assert formation.asked.count("DeleteStack") == 1
    assert formation.asked.count("CreateStack") == 2


@pytest.mark.parametrize(
    ("status", "line"),
    [
        ("UPDATE_ROLLBACK_FAILED", "continue the update's rollback"),
        ("DELETE_FAILED", "run `make destroy`, then deploy again"),
    ],
)
def test_a_stack_that_is_stuck_says_the_way_out(account: Account, formation: Formation, status: str, line: str) -> None:
    formation.status = status
    assert account.run("deploy", "--yes") == 1
    assert line in account.last_line()


def test_status_of_a_stack_that_is_half_removed(account: Account, formation: Formation) -> None:
    formation.status = "DELETE_FAILED"
    assert account.run("status") == 1
    assert account.last_line() == f"stack       {account.name}: DELETE_FAILED"


@pytest.fixture
def run_that(account: Account) -> Iterator[Callable[..., None]]:
    """A maker of a Batch that answers as told, one answer a question; the last one stays."""
    answers: list[dict[str, object]] = []

    def answer(_method: str, path: str) -> tuple[int, str]:
        if path.endswith("submitjob"):
            return 200, json.dumps({"jobId": "job-1", "jobName": "x", "jobArn": "arn:x"})
        now = answers.pop(0) if len(answers) > 1 else answers[0]
        return 200, json.dumps({"jobs": [{"jobId": "job-1", "jobName": "x"} | now]})

    assert account.run("deploy", "--yes", "--no-run") == 0
    with answering(answer) as server:
        account.monkeypatch.setenv("AWS_ENDPOINT_URL_BATCH", server.url)
        yield lambda *given: answers.extend(given)


def test_a_run_that_fails_is_told_with_its_log_and_what_its_code_means(account, run_that):
    logs, group = boto3.client("logs"), f"/batch/{account.name}"
    lines = (
        '{"time": "2026-11-23T04:17:01.5+00:00", "level": "error", "event": "task failed", "error": "S3 is down"}',
        "not JSON",
    )
    for stream, message in zip(("one", "two"), lines, strict=True):
        logs.create_log_stream(logGroupName=group, logStreamName=stream)
        logs.put_log_events(
            logGroupName=group,
            logStreamName=stream,
            logEvents=[{"timestamp": int(time.time() * 1000), "message": message}],
        )
    run_that(
        {"status": "RUNNABLE", "statusReason": "MISCONFIGURATION: no room"},
        {"status": "STARTING", "container": {"logStreamName": "none-yet"}},
        {"status": "RUNNING", "container": {"logStreamName": "one"}},
        # It is tried again.
        {"status": "RUNNING", "container": {"logStreamName": "two"}},
        {"status": "FAILED", "statusReason": "Essential", "container": {"exitCode": 30, "logStreamName": "two"}},
    )
    assert account.run("deploy", "--yes") == 1
    assert "  RUNNABLE: MISCONFIGURATION: no room\n" in account.said
    assert "  | 04:17:01 error: task failed  error=S3 is down\n" in account.said
    assert account.said.count("  | not JSON\n") == 1
    assert account.last_line() == "the run failed, exit code 30: a task failed; the next run tries it again"


@pytest.mark.parametrize(
    ("end", "code", "line"),
    [
        ({"exitCode": 78}, 78, "exit code 78: a setting or a right is wrong, the log names it and the fix"),
        ({"exitCode": 137, "reason": "OutOfMemoryError: killed"}, 1, "exit code 137: killed: out of memory"),
        ({"exitCode": 3, "reason": "odd"}, 1, "exit code 3: odd"),
        ({"reason": "CannotPullContainerError: no image"}, 1, "the run failed, CannotPullContainerError: no image"),
        ({}, 1, "the run failed, Essential container exited"),
    ],
)
def test_the_exit_code_says_who_must_act(account, run_that, end, code, line):
    run_that({"status": "FAILED", "statusReason": "Essential container exited", "container": end})
    assert account.run("deploy", "--yes") == code
    assert line in account.last_line()


def test_a_run_that_never_starts_is_given_up(account, run_that):
    account.monkeypatch.setattr(follow, "LONGEST_QUEUE", 0.05)
    run_that({"status": "RUNNABLE"})
    assert account.run("deploy", "--yes") == 1
    assert "the run has been RUNNABLE for 0 minutes: look at the compute environment" in account.last_line()


def test_ctrl_c_leaves_the_run_alone(account, run_that):
    run_that({"status": "RUNNING"})

    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    account.monkeypatch.setattr(follow.time, "sleep", interrupt)
    assert account.run("deploy", "--yes") == 130
    assert account.last_line().startswith("run         goes on without you; `make status STACK=")


def test_status_of_a_failed_run(account, run_that):
    run_that({})
    jobs = [
        {"jobId": "2", "jobName": "b", "createdAt": 2000, "stoppedAt": 9000, "status": "FAILED"},
        {"jobId": "1", "jobName": "a", "createdAt": 1000, "stoppedAt": 5000, "status": "SUCCEEDED"},
    ]
    jobs[0]["container"] = {"exitCode": 30}
    topic = account.outputs()["Topic"]
    boto3.client("sns").subscribe(TopicArn=topic, Protocol="email", Endpoint="me@example.com")
    with answering(lambda *_: (200, json.dumps({"jobSummaryList": jobs}))) as server:
        account.monkeypatch.setenv("AWS_ENDPOINT_URL_BATCH", server.url)
        assert account.run("status") == 1
    assert "FAILED    b: exit code 30: a task failed" in account.said
    assert "last good   1970-01-01 00:00 UTC" in account.said
    assert "schedule    cron(5 * * * ? *)\n" in account.said
    assert "told        me@example.com\n" in account.said


def test_status_tells_who_does_not_know_of_an_alarm(account: Account) -> None:
    assert account.run("deploy", "--yes", "--email", "me@example.com", "--set", "ScheduleState=DISABLED") == 0
    assert "to me@example.com, once the mail of AWS is answered" in account.said
    entry = "<member><Endpoint>me@example.com</Endpoint><SubscriptionArn>PendingConfirmation</SubscriptionArn></member>"
    for inner, line in (
        ("", "nobody when an alarm rings"),
        (entry, "me@example.com (has not answered the mail of AWS"),
    ):
        name = "ListSubscriptionsByTopic"
        answer = f"<{name}Response><{name}Result><Subscriptions>{inner}</Subscriptions></{name}Result></{name}Response>"
        with answering(lambda *_, text=answer: (200, text)) as server:
            account.monkeypatch.setenv("AWS_ENDPOINT_URL_SNS", server.url)
            assert account.run("status") == 0
        assert f"told        {line}" in account.said
        assert "which is disabled: no run starts" in account.said


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
    kinds = {resource["Type"] for resource in outline(stack.template())["Resources"].values()}
    assert len(kinds) > 20
    lacking = []
    for kind in sorted(kinds):
        schema = json.loads((folder / "resources" / f"{schemas[kind]}.json").read_text())
        needed = {action for handler in schema["handlers"].values() for action in handler["permissions"]}
        lacking += [
            f"{kind}: {action}" for action in sorted(needed) if not (allowed(action) or ABSENT.fullmatch(action))
        ]
    assert lacking == []


def test_the_deployer_s_policy_has_what_the_commands_call_and_fits_into_one_policy(account: Account) -> None:
    called: set[str] = set()
    account.monkeypatch.setattr(boto3, "DEFAULT_SESSION", session := boto3.Session())
    names = {"monitoring": "cloudwatch"}

    def heard(model: Any, **_: object) -> None:
        service = model.service_model.signing_name
        called.add(f"{names.get(service, service)}:{model.name}")

    session.events.register("before-call.*", heard)
    assert account.run("deploy", "--yes") == account.run("status") == 0
    assert account.run("destroy", "--yes", "--with-data") == 0
    asked = {action.partition(":")[0] for action in called}
    assert {"cloudformation", "ec2", "iam", "ecr", "secretsmanager", "s3", "batch", "logs", "sns"} <= asked
    # The emulated stack has no alarms and no Redshift Serverless, so what is asked of these is named here.
    called.add("cloudwatch:DescribeAlarms")
    called |= {f"redshift-serverless:{verb}" for verb in ("GetNamespace", "GetWorkgroup", "ListUsageLimits")}
    called |= {f"redshift-serverless:{verb}UsageLimit" for verb in ("Create", "Update")}
    called |= {"redshift-data:ExecuteStatement", "redshift-data:DescribeStatement", "redshift:DescribeClusters"}
    assert sorted(action for action in called if not allowed(action)) == []
    # A managed policy has 6,144 characters, without white space.
    assert len("".join((image.PROJECT / "docs" / "deployer-policy.json").read_text().split())) < 6144


OUTPUTS = {
    "Workgroup": "work",
    "WorkgroupArn": "arn:work",
    "Namespace": "name",
    "JobRole": "job",
    "RedshiftRpuHours": "200",
}


def test_the_job_is_let_into_the_warehouse_of_the_stack_and_readers_are(account: Account) -> None:
    said: list[dict[str, str]] = []

    def answer(_method: str, _path: str, body: bytes) -> tuple[int, str]:
        request = json.loads(body)
        if "namespaceName" in request:
            return 200, json.dumps({"namespace": {"adminPasswordSecretArn": "arn:secret"}})
        if "Sql" in request:
            said.append(request)
            return 200, json.dumps({"Id": str(len(said))})
        exists = {"Status": "FAILED", "Error": "ERROR: it already exists"}
        made = said[int(request["Id"]) - 1]["Sql"].startswith(("CREATE USER", "CREATE ROLE"))
        return 200, json.dumps({"Id": request["Id"]} | (exists if made else {"Status": "FINISHED"}))

    with answering(answer, bodies=True) as server:
        for service in ("REDSHIFT_SERVERLESS", "REDSHIFT_DATA"):
            account.monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", server.url)
        warehouse.grant(OUTPUTS | {"ReaderRole": "Analyst"})
        warehouse.tell(OUTPUTS | {"ReaderRole": "Analyst"})
        as_reader = account.capsys.readouterr().out
        warehouse.tell(OUTPUTS)
        as_administrator = account.capsys.readouterr().out
    # By the syntax of Redshift's reference for each.
    assert [request["Sql"] for request in said] == [
        'CREATE USER "IAMR:job" PASSWORD DISABLE',
        # Of a user that exists already too.
        'ALTER USER "IAMR:job" SESSION TIMEOUT 300',
        'GRANT CREATE, TEMPORARY ON DATABASE reddit TO "IAMR:job"',
        # The job's own, so that it can make its tables there.
        'CREATE SCHEMA IF NOT EXISTS reddit AUTHORIZATION "IAMR:job"',
        "CREATE ROLE reddit_reader",
        "GRANT USAGE ON SCHEMA reddit TO ROLE reddit_reader",
        "GRANT SELECT FOR TABLES IN SCHEMA reddit TO ROLE reddit_reader",
        'CREATE USER "IAMR:Analyst" PASSWORD DISABLE',
        'GRANT ROLE reddit_reader TO "IAMR:Analyst"',
    ]
    command = "aws redshift-data execute-statement --workgroup-name work --database reddit"
    assert "Query Editor v2: workgroup work, database reddit; as the role Analyst" in as_reader
    assert f"{command} --sql 'SELECT" in as_reader
    assert "--set ReaderRole=… lets a role of analysts in" in as_administrator
    assert f"{command} --secret-arn 'arn:secret' --sql 'SELECT" in as_administrator
    assert {(request["WorkgroupName"], request["SecretArn"]) for request in said} == {("work", "arn:secret")}


@pytest.mark.parametrize(
    ("found", "done"),
    [
        ([], {"amount": 200, "period": "monthly", "breachAction": "deactivate"}),
        ([{"usageLimitId": "theirs", "period": "daily", "breachAction": "log", "amount": 9}], {"amount": 200}),
        (
            [{"usageLimitId": "1", "period": "monthly", "breachAction": "deactivate", "amount": 9}],
            {"usageLimitId": "1"},
        ),
        ([{"usageLimitId": "1", "period": "monthly", "breachAction": "deactivate", "amount": 200}], None),
    ],
    ids=["none", "theirs", "another", "the-same"],
)
def test_the_warehouse_of_the_stack_has_a_limit_a_month(account: Account, found: Any, done: Any) -> None:
    asked: list[dict[str, Any]] = []

    def answer(_method: str, _path: str, body: bytes) -> tuple[int, str]:
        request = json.loads(body)
        if "amount" not in request:
            return 200, json.dumps({"usageLimits": found})
        asked.append(request)
        return 200, "{}"

    with answering(answer, bodies=True) as server:
        account.monkeypatch.setenv("AWS_ENDPOINT_URL_REDSHIFT_SERVERLESS", server.url)
        warehouse.limit(OUTPUTS)
    assert len(asked) == (done is not None)
    assert all(done.items() <= request.items() for request in asked)
    assert "200 RPU-hours a month" in account.capsys.readouterr().out


@pytest.mark.parametrize(
    ("region", "unfit", "different"), [("us-east-1", {"use1-az3"}, 3), ("ca-central-1", {"cac1-az4"}, 2)]
)
def test_subnets_are_in_zones_that_have_fargate_on_arm(
    account: Account, region: str, unfit: set[str], different: int
) -> None:
    account.monkeypatch.setenv("AWS_DEFAULT_REGION", region)
    ids = {
        zone["ZoneName"]: zone["ZoneId"]
        for zone in boto3.client("ec2").describe_availability_zones()["AvailabilityZones"]
    }
    assert unfit <= set(ids.values())
    taken = network.zones().split(",")
    assert (len(taken), len(set(taken))) == (3, different)
    assert not {ids[name] for name in taken} & unfit


def test_the_zones_are_chosen_once_and_subnets_do_not_move(account: Account) -> None:
    assert account.run("deploy", "--yes", "--no-run") == 0
    first = account.parameters()["Zones"]
    assert len(first.split(",")) == 3 and first != network.NONE
    account.monkeypatch.setattr(network, "UNFIT", {"use1-az1", "use1-az2", "use1-az4"})
    assert account.run("deploy", "--yes", "--no-run", "--limit", "5") == 0
    assert account.parameters()["Zones"] == first
    assert account.run("deploy", "--yes", "--no-run", "--set", "Zones=us-east-1e,us-east-1f,us-east-1f") == 78
    assert "subnets do not move" in account.last_line()


def test_a_warehouse_of_the_stack_does_not_move_to_another_vpc(account: Account) -> None:
    assert account.run("deploy", "--yes", "--no-run") == 0
    before = account.stack()
    assert account.run("deploy", "--yes", "--set", "VpcId=vpc-1", "--set", "SubnetIds=subnet-1,subnet-2") == 78
    assert "the stack's warehouse stays in the VPC that it was made in" in account.last_line()
    assert account.stack() == before


@pytest.mark.parametrize(
    ("given", "code", "line"),
    [
        (
            {"RedshiftWorkgroup": "theirs", "RedshiftWorkgroupArn": "arn:theirs"},
            78,
            "theirs is private in vpc-1: let the",
        ),
        ({"RedshiftWorkgroup": "theirs", "RedshiftWorkgroupArn": "arn:x"}, 78, "that of theirs is arn:theirs"),
        ({"RedshiftWorkgroup": "none"}, 78, "--set RedshiftWorkgroup=none: there is none in this region"),
        ({"RedshiftCluster": "none"}, 78, "--set RedshiftCluster=none: there is none in this region"),
        (
            {"WarehouseUrl": "redshift+psycopg2://x.1.eu-west-1.redshift-serverless.amazonaws.com/dev"},
            78,
            "so set AWS_DEFAULT_REGION=eu-west-1",
        ),
    ],
    ids=str,
)
def test_a_warehouse_of_theirs_that_the_job_cannot_reach_is_refused(account, given, code, line):
    def answer(_method: str, _path: str, body: bytes) -> tuple[int, str]:
        if json.loads(body)["workgroupName"] != "theirs":
            return 400, json.dumps({"__type": "ResourceNotFoundException", "message": "no"})
        endpoint = {"vpcEndpoints": [{"vpcId": "vpc-1"}]}
        found = {"workgroupArn": "arn:theirs", "publiclyAccessible": False, "endpoint": endpoint}
        return 200, json.dumps({"workgroup": found})

    values = {"Warehouse": "url", "WarehouseUrl": "redshift+psycopg2://theirs.example.com/dev"} | given
    with answering(answer, bodies=True) as server:
        account.monkeypatch.setenv("AWS_ENDPOINT_URL_REDSHIFT_SERVERLESS", server.url)
        assert account.run("deploy", "--yes", *[w for n, v in values.items() for w in ("--set", f"{n}={v}")]) == code
    assert line in account.last_line()
    assert nothing_is_made(account)


def test_what_the_owner_of_a_warehouse_must_allow_is_told(account: Account) -> None:
    given = ("WarehouseUrl=redshift+psycopg2://theirs.example.com/dev", "Warehouse=url")
    assert account.run("deploy", "--yes", "--no-run", "--set", given[0], "--set", given[1]) == 0
    outputs = account.outputs()
    user = f'"IAMR:{outputs["JobRole"]}"'
    for part in (
        f"from {outputs['JobSecurityGroup']}",
        f"{outputs['CopyRole']}: attach it to the warehouse",
        f"CREATE USER {user} PASSWORD DISABLE; ALTER USER {user} SESSION TIMEOUT 300;\n",
        f"GRANT CREATE, TEMPORARY ON DATABASE dev TO {user};\n",
    ):
        assert part in account.said


def test_the_role_that_ecs_needs_in_a_new_account_is_made(account: Account) -> None:
    iam = boto3.client("iam")
    for role in iam.list_roles(PathPrefix=linked_role.PATH)["Roles"]:
        iam.delete_role(RoleName=role["RoleName"])
    linked_role.ensure()
    assert "is made: it was never used in this account" in account.capsys.readouterr().out
    assert iam.list_roles(PathPrefix="/aws-service-role/ecs.amazonaws.com/")["Roles"]
    linked_role.ensure()
    assert account.capsys.readouterr().out == ""
    refusal = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>"
    with answering(lambda *_: (403, refusal)) as server:
        account.monkeypatch.setenv("AWS_ENDPOINT_URL_IAM", server.url)
        linked_role.ensure()
    hint = "`aws iam create-service-linked-role --aws-service-name ecs.amazonaws.com`"
    assert hint in account.capsys.readouterr().out


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
    ],
)
def test_the_image_has_what_the_engine_needs_and_says_where_it_is_from(account, words, target, machine):
    assert account.run("deploy", "--yes", "--no-run", *words) == 0
    [build] = [call["words"] for call in account.docker() if call["words"][:2] == ["buildx", "build"]]
    assert build[build.index("--target") + 1] == target
    assert build[build.index("--platform") + 1] == f"linux/{machine}"
    assert f"-{target}-{machine}-" in account.parameters()["ImageUri"]
    given = dict(word.removeprefix("--build-arg=").split("=", 1) for word in build if word.startswith("--build-arg="))
    assert set(given) == {"VERSION", "REVISION", "SOURCE"}
    assert given["VERSION"] == image.version()
    assert re.fullmatch("[0-9a-f]{40}(-dirty)?|unknown", given["REVISION"])


@pytest.mark.parametrize(
    ("remote", "source"),
    [
        ("https://github.com/someone/reddit-etl.git", "https://github.com/someone/reddit-etl.git"),
        ("https://someone:ghp_marked@github.com/someone/reddit-etl", "https://github.com/someone/reddit-etl"),
        (
            "https://ghp_marked@github.com/someone/reddit-etl?token=marked#marked",
            "https://github.com/someone/reddit-etl",
        ),
        ("git@github.com:someone/reddit-etl.git", "ssh://github.com/someone/reddit-etl.git"),
        ("ssh://git@host.example:2222/someone/reddit-etl", "ssh://host.example:2222/someone/reddit-etl"),
        ("/home/someone/reddit-etl", "unknown"),
        ("file:///home/someone/reddit-etl", "unknown"),
        ("../reddit-etl", "unknown"),
        ("", "unknown"),
    ],
)
def test_the_source_is_an_address_without_a_login(remote, source):
    assert image.source(remote) == source


def test_the_emulated_template_promises_no_more_than_the_real_one() -> None:
    promised, kept = outline(TEMPLATE), outline(stack.template())
    for name, parameter in promised["Parameters"].items():
        assert kept["Parameters"][name].get("Default") == parameter.get("Default"), name
    assert set(promised["Outputs"]) < set(kept["Outputs"])
    assert kept["Resources"]["Namespace"]["Properties"]["DbName"] == warehouse.DATABASE
    assert tables.SCHEMA == warehouse.SCHEMA
    # CAPABILITY_IAM is not enough for roles with names.
    assert not any("RoleName" in resource.get("Properties", {}) for resource in kept["Resources"].values())


def test_the_template_is_short_enough_to_be_sent() -> None:
    assert len(stack.template().encode()) < stack.LONGEST_TEMPLATE
