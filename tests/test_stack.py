"""The stack of batch/stack.yaml, resolved with parameters, against what AWS and the pipeline need."""

import configparser
import json
import os
import re
import subprocess
import sys
from datetime import datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import boto3
import cfnlint
import pytest
from cfnlint.api import lint
from cfnlint.config import ManualArgs

from batch.stack import template
from batch.upload import LIBRARY, SCRIPT
from jobs import process
from jobs.declarations import declared
from jobs.parameters import HourParameter
from tests import PROJECT, commands
from tests.stack import GIVEN, Stack, resolved
from tests.standins.container import deployed_config
from tests.standins.template import REFERENCES, TEMPLATE, load, refusal

# It needs its own versions of many libraries, so `make tools` installs it apart.
CHECKOV = Path(f"{sys.prefix}-tools", "bin", "checkov")
SPOT = {"statusReason": "Your Spot Task was interrupted."}
EXITED = "Essential container in task exited"
NETWORK = {"VpcId": "vpc-1", "SubnetIds": "subnet-1,subnet-2"}
URL = "redshift+psycopg2://theirs.example.com:5439/dev"
SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret:theirs-AbCdEf"
COPY_ROLE = "arn:aws:iam::123456789012:role/theirs"
CONFIG = configparser.ConfigParser()
CONFIG.read(PROJECT / "luigi.cfg")


# ---- The job


def is_tried_again(stack: Stack, **end: str) -> bool:
    """What Batch makes of an end: the first rule counts whose conditions all fit; where none does, it tries again."""
    for rule in stack.resources["JobDefinition"]["RetryStrategy"]["EvaluateOnExit"]:
        conditions = [
            (rule[key], end.get(theirs))
            for key, theirs in (("OnExitCode", "exitCode"), ("OnReason", "reason"), ("OnStatusReason", "statusReason"))
            if key in rule
        ]
        if all(found is not None and fnmatchcase(found, pattern) for pattern, found in conditions):
            return bool(rule["Action"] == "RETRY")
    return True


@pytest.mark.parametrize(
    ("code", "again"),
    [
        (CONFIG["retcode"]["task_failed"], True),
        (CONFIG["retcode"]["scheduling_error"], True),
        (process.TERMINATED, True),
        (process.MISCONFIGURED, False),
        (CONFIG["retcode"]["unhandled_exception"], False),
        (CONFIG["retcode"]["already_running"], False),
        (CONFIG["retcode"]["missing_data"], False),
        (CONFIG["retcode"]["not_run"], False),
        (process.INTERRUPTED, False),
        (1, False),
        (137, False),
        (139, False),
    ],
)
def test_a_run_is_tried_again_where_that_may_help(stack, code, again):
    assert is_tried_again(stack, exitCode=str(code), statusReason=EXITED) is again


@pytest.mark.parametrize("code", ["143", "137", "30", "78"])
def test_a_run_that_lost_its_spot_is_tried_again_whatever_its_code(stack, code):
    assert is_tried_again(stack, exitCode=code, **SPOT)


def test_a_run_without_memory_is_not_tried_again_and_one_that_never_began_is(stack):
    lost = {"reason": "OutOfMemoryError: Container killed due to memory usage", "exitCode": "137"}
    assert not is_tried_again(stack, statusReason=EXITED, **lost)
    assert is_tried_again(stack, **SPOT)
    assert is_tried_again(stack, statusReason="Timeout waiting for network interface provisioning to complete.")


def test_what_is_looked_at_again_and_what_is_kept_is_by_default_as_it_is_without_a_stack(stack):
    given = stack.environment() | stack.environment("MaintenanceDefinition")
    hourly = ("COMMENT_TREE_AGES", "REFRESH_AGES", "SWEEP_HOURS", "NOTICE_SHARE")
    for name in (*hourly, "FORGET_REMOVED", "RAW_DAYS", "DAILY_REPORT"):
        [declaration] = [one.metadata for one in declared() if one.name.upper() == name]
        assert given[name] == declaration["default"], name


def test_retry_rules_are_within_what_batch_takes(stack):
    strategy = stack.resources["JobDefinition"]["RetryStrategy"]
    assert strategy["Attempts"] == 3
    assert len(strategy["EvaluateOnExit"]) <= 5
    assert strategy["EvaluateOnExit"][-1] == {"OnExitCode": "*", "Action": "EXIT"}
    for rule in strategy["EvaluateOnExit"]:
        # An asterisk at the end is the only pattern of Batch.
        assert all("*" not in value[:-1] and "?" not in value for value in rule.values())


def test_the_deployed_job_has_the_embedded_configuration_without_its_settings(stack, tmp_path):
    production = configparser.ConfigParser()
    production.read(deployed_config(tmp_path))
    for section in CONFIG.sections():
        # What the environment leaves out is an error, and not a folder in a container.
        kept = {} if section in ("reddit_etl", "RedditPipeline") else dict(CONFIG[section])
        assert dict(production[section]) == kept
    assert stack.environment()["LUIGI_CONFIG_PATH"] == "/deployed.cfg"


def test_the_container_can_write_to_tmp_alone_and_is_as_small_as_can_be(stack):
    definition, container = stack.resources["JobDefinition"], stack.container
    assert definition["Timeout"] == {"AttemptDurationSeconds": "3600"}
    assert definition["PlatformCapabilities"] == ["FARGATE"]
    assert container["ReadonlyRootFilesystem"] is True
    assert container["LinuxParameters"] == {"InitProcessEnabled": True}
    assert container["User"] == "10001:10001"
    assert container["Volumes"] == [{"Name": "tmp"}]
    assert container["MountPoints"] == [{"SourceVolume": "tmp", "ContainerPath": "/tmp", "ReadOnly": False}]
    sizes = {entry["Type"]: entry["Value"] for entry in container["ResourceRequirements"]}
    assert sizes == {"VCPU": "0.25", "MEMORY": "512"}
    assert container["RuntimePlatform"]["CpuArchitecture"] == "ARM64"
    assert 'VOLUME ["/tmp"]' in (PROJECT / "Dockerfile").read_text()


def test_secrets_come_by_reference_alone(stack):
    names = ("REDDIT_CLIENT_ID", "REDDIT_CLIENT_SECRET", "REDDIT_USER_AGENT")
    assert stack.secrets() == {name: f"{GIVEN['RedditSecretArn']}:{name}::" for name in names}
    assert not set(names) & set(stack.environment())


def test_the_command_takes_the_parameters_of_a_run(stack):
    command, *words = stack.container["Command"]
    assert command == "RedditPipeline"
    names = ("hour", "subreddits", "listings", "limit")
    assert dict(zip(words[::2], words[1::2], strict=True)) == {f"--{name}": f"Ref::{name}" for name in names}
    parameters = stack.resources["JobDefinition"]["Parameters"]
    assert set(parameters) == {"subreddits", "listings", "limit"}
    assert all(json.loads(parameters[name]) for name in ("subreddits", "listings"))


def test_the_daily_job_differs_from_the_hourly_one_in_what_it_does_and_in_its_role_alone(stack):
    hourly, daily = (dict(stack.resources[name]) for name in ("JobDefinition", "MaintenanceDefinition"))
    assert daily.pop("JobDefinitionName") == f"{hourly.pop('JobDefinitionName')}-maintenance"
    # What is left of 48 hours: see docs/deletions.md.
    assert daily.pop("Timeout") == {"AttemptDurationSeconds": 7200}
    del hourly["Timeout"], hourly["Parameters"]
    containers = hourly.pop("ContainerProperties"), daily.pop("ContainerProperties")
    assert hourly == daily
    assert {name for name in containers[0] if containers[0][name] != containers[1][name]} == {
        "Command",
        "Environment",
        "JobRoleArn",
        "LogConfiguration",
    }
    assert containers[1]["Command"] == ["Maintenance", "--hour", "Ref::hour"]
    assert containers[1]["JobRoleArn"].endswith(f"/{stack.outputs['MaintenanceRole']}")
    environments = stack.environment(), stack.environment("MaintenanceDefinition")
    differing = set(environments[0].items()) ^ set(environments[1].items())
    assert {name for name, _ in differing} == {
        "COMMENT_TREE_AGES",
        "REFRESH_AGES",
        "SWEEP_HOURS",
        "NOTICE_SHARE",
        "FORGET_REMOVED",
        "RAW_DAYS",
        "DAILY_REPORT",
    }


# ---- The schedules


@pytest.mark.parametrize(
    ("name", "definition"), [("HourlyRun", "JobDefinition"), ("DailyMaintenance", "MaintenanceDefinition")]
)
def test_the_scheduled_moment_is_the_hour_of_the_run(stack, name, definition):
    schedule = stack.resources[name]
    assert schedule["Target"]["Arn"] == "arn:aws:scheduler:::aws-sdk:batch:submitJob"
    assert schedule["FlexibleTimeWindow"] == {"Mode": "OFF"}
    assert schedule["ScheduleExpressionTimezone"] == "UTC"
    moment = "2026-11-23T04:05:00Z"
    asked = json.loads(schedule["Target"]["Input"].replace("<aws.scheduler.scheduled-time>", moment))
    assert HourParameter().parse(asked["Parameters"]["hour"]) == datetime(2026, 11, 23, 4)  # noqa: DTZ001
    # By botocore's model of the request.
    model = boto3.client("batch", region_name="us-east-1").meta.service_model.operation_model("SubmitJob")
    assert {name[0].lower() + name[1:] for name in asked} <= set(model.input_shape.members)
    assert (asked["JobQueue"], asked["JobDefinition"]) == (stack.outputs["JobQueue"], stack.outputs[definition])
    # CloudFormation deregisters the old revision, so the schedule names none, and comes after the definition.
    assert asked["JobDefinition"] == stack.resources[definition]["JobDefinitionName"]
    assert stack.template["Resources"][name]["DependsOn"] == definition
    # By its name `make status` knows what it was.
    assert asked["JobName"] == stack.outputs[definition]


def test_a_request_that_failed_is_kept_encrypted_and_rings(stack):
    queue = stack.resources["DeadLetters"]
    for schedule in stack.of_kind("AWS::Scheduler::Schedule").values():
        target = schedule["Target"]
        assert target["DeadLetterConfig"]["Arn"].rpartition(":")[2] == stack.name("DeadLetters")
        assert target["RetryPolicy"] == {"MaximumEventAgeInSeconds": 3600, "MaximumRetryAttempts": 20}
    assert queue["SqsManagedSseEnabled"] is True
    alarm = alarms(stack)["not-submitted"]
    # A message stays visible for 14 days, and so long an alarm that counts those would be active.
    assert (alarm["MetricName"], alarm["Statistic"], alarm["Period"]) == ("NumberOfMessagesSent", "Sum", 300)
    assert alarm["TreatMissingData"] == "notBreaching"
    assert alarm["Dimensions"] == [{"Name": "QueueName", "Value": stack.name("DeadLetters")}]


# ---- The lake, and Glue


def test_the_bucket_is_private_encrypted_and_forgets(stack):
    bucket, name = stack.resources["Bucket"], stack.outputs["Bucket"]
    [rule] = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    blocked = bucket["PublicAccessBlockConfiguration"]
    assert len(blocked) == 4 and all(blocked.values())
    # A version would keep what was taken back.
    assert bucket["VersioningConfiguration"]["Status"] == "Suspended"
    [statement] = stack.resources["BucketPolicy"]["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Principal"], statement["Action"]) == ("Deny", "*", "s3:*")
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert statement["Resource"] == [f"arn:aws:s3:::{name}", f"arn:aws:s3:::{name}/*"]
    rules = {rule["Id"]: rule for rule in bucket["LifecycleConfiguration"]["Rules"]}
    assert all(rule["Status"] == "Enabled" for rule in rules.values())
    prefix = stack.outputs["LakeUrl"].partition(name)[2].strip("/")
    for kind in ("raw", "rejected"):
        assert (rules[kind]["Prefix"], rules[kind]["ExpirationInDays"]) == (f"{prefix}/{kind}/", "90")
    assert rules["removed"]["NoncurrentVersionExpiration"] == {"NoncurrentDays": 1}
    assert rules["uploads"]["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}


def test_the_data_outlives_the_stack_and_is_not_in_the_way_of_the_next_one():
    resources = load(TEMPLATE.read_text())["Resources"]
    retained = {name for name, about in resources.items() if about.get("DeletionPolicy") == "Retain"}
    assert retained == {"Bucket", "BucketPolicy"}
    assert {name for name, about in resources.items() if about.get("UpdateReplacePolicy") == "Retain"} == retained
    # A name of its own choice would be taken when the stack is made again.
    assert "BucketName" not in resources["Bucket"]["Properties"]


def test_the_glue_job_runs_the_code_that_the_deployment_uploads(stack):
    job = stack.resources["GlueJob"]
    folder = f"s3://{stack.outputs['Bucket']}/code/{GIVEN['CodeVersion']}"
    assert job["Command"]["ScriptLocation"] == f"{folder}/{SCRIPT}"
    assert job["DefaultArguments"]["--extra-py-files"] == f"{folder}/{LIBRARY}"
    assert job["DefaultArguments"]["--job-bookmark-option"] == "job-bookmark-disable"
    assert (job["GlueVersion"], job["WorkerType"], job["NumberOfWorkers"]) == ("5.1", "G.1X", 2)
    assert (job["MaxRetries"], job["Timeout"]) == (0, 30)
    assert job["ExecutionProperty"]["MaxConcurrentRuns"] == 3
    groups, logs = stack.of_kind("AWS::Logs::LogGroup"), job["DefaultArguments"]["--custom-logGroup-prefix"]
    assert {groups[f"{logs}/{name}"]["RetentionInDays"] for name in ("error", "output")} == {"30"}


def test_without_glue_there_is_nothing_of_it_but_the_catalog():
    stack = resolved()
    assert {name for name in stack.kinds if "Glue" in name} == set()
    assert "GlueJob" not in stack.outputs
    assert stack.environment()["TRANSFORM_ENGINE"] == "duckdb"
    assert "GLUE_JOB_NAME" not in stack.environment()
    assert stack.of_kind("AWS::Glue::Database").keys() == {stack.environment()["GLUE_DATABASE"]}


# ---- The warehouse


def test_an_externally_managed_warehouse_is_reached_by_secret_or_by_role():
    stack = resolved(Warehouse="url", WarehouseSecretArn=SECRET, CopyRoleArn=COPY_ROLE)
    assert not {"WAREHOUSE_URL", "REDSHIFT_WORKGROUP", "REDSHIFT_CLUSTER"} & set(stack.environment())
    assert stack.environment()["REDSHIFT_COPY_ROLE"] == COPY_ROLE
    assert stack.secrets()["WAREHOUSE_URL"] == f"{SECRET}:WAREHOUSE_URL::"
    stack = resolved(Warehouse="url", WarehouseUrl=URL, RedshiftCluster="theirs")
    environment = stack.environment()
    assert (environment["WAREHOUSE_URL"], environment["REDSHIFT_CLUSTER"]) == (URL, "theirs")
    assert environment["REDSHIFT_COPY_ROLE"] == stack.outputs["CopyRole"]
    assert "Workgroup" not in stack.outputs


def test_a_warehouse_of_the_stack_is_reached_by_the_job_alone_and_by_role(stack):
    [rule] = stack.resources["WarehouseSecurityGroup"]["SecurityGroupIngress"]
    assert (rule["FromPort"], rule["ToPort"]) == (5439, 5439)
    assert rule["SourceSecurityGroupId"] == stack.outputs["JobSecurityGroup"]
    assert "CidrIp" not in rule
    environment = stack.environment()
    assert environment["REDSHIFT_WORKGROUP"] == stack.outputs["Workgroup"]
    assert environment["WAREHOUSE_URL"] == f"redshift+psycopg2://{stack.outputs['WarehouseHost']}:5439/reddit"
    assert environment["REDSHIFT_COPY_ROLE"] == stack.outputs["CopyRole"]


def test_the_capacity_of_the_warehouse_can_be_changed():
    """Redshift Serverless changes one setting in a request, and CloudFormation sends in one whatever has changed."""
    small, large = (resolved(RedshiftCapacity=rpus).resources["Workgroup"] for rpus in ("4", "8"))
    assert {name for name in small if small[name] != large[name]} == {"BaseCapacity"}


def test_each_warehouse_has_a_last_snapshot_of_its_own():
    """Of a fixed name the second within 30 days could not be made, and the removal would fail."""
    whole = load(TEMPLATE.read_text())
    namespace = whole["Resources"]["Namespace"]["Properties"]
    assert namespace["FinalSnapshotName"] == {"Ref": "FinalSnapshot"}
    # It keeps what was taken back.
    assert namespace["FinalSnapshotRetentionPeriod"] == 1
    assert "Default" not in whole["Parameters"]["FinalSnapshot"]


# ---- The network


def test_the_subnets_are_in_the_zones_that_are_given(stack):
    subnets = [stack.resources[f"Subnet{letter}"] for letter in "ABC"]
    assert [subnet["AvailabilityZone"] for subnet in subnets] == GIVEN["Zones"].split(",")


def test_nobody_can_come_in_and_the_job_can_go_out(stack):
    used = stack.resources["ComputeEnvironment"]["ComputeResources"]
    assert used["Type"] == "FARGATE"
    assert used["SecurityGroupIds"] == [stack.name("JobSecurityGroup")]
    group = stack.resources["JobSecurityGroup"]
    assert "SecurityGroupIngress" not in group
    ports = sorted((rule["FromPort"], rule["ToPort"]) for rule in group["SecurityGroupEgress"])
    assert ports == [(443, 443), (5431, 5455), (8191, 8215)]
    routed = {p["SubnetId"]: p["RouteTableId"] for p in stack.of_kind("AWS::EC2::SubnetRouteTableAssociation").values()}
    assert routed == dict.fromkeys(used["Subnets"], stack.name("Routes"))
    assert len(routed) == 3
    route = stack.resources["RouteOut"]
    assert (route["RouteTableId"], route["DestinationCidrBlock"]) == (stack.name("Routes"), "0.0.0.0/0")
    assert route["GatewayId"] == stack.name("Gateway") == stack.resources["GatewayAttachment"]["InternetGatewayId"]
    assert stack.resources["S3Endpoint"]["RouteTableIds"] == [stack.name("Routes")]
    assert stack.container["NetworkConfiguration"] == {"AssignPublicIp": "ENABLED"}


def test_descriptions_of_a_network_have_only_letters_that_ec2_takes(stack):
    """An apostrophe is refused by AWS alone, and the whole stack with it."""
    groups = stack.of_kind("AWS::EC2::SecurityGroup").values()
    rules = [r for g in groups for side in ("Ingress", "Egress") for r in g.get(f"SecurityGroup{side}", ())]
    texts = [group["GroupDescription"] for group in groups] + [rule["Description"] for rule in rules]
    assert len(texts) > 5
    # By the reference of EC2's IpRange.
    assert [text for text in texts if not re.fullmatch(r"[A-Za-z0-9 ._\-:/()#,@\[\]+=&;{}!$*]{1,255}", text)] == []


def test_spot_a_private_address_and_a_network_are_a_choice():
    stack = resolved(Spot="yes", PublicIp="no", **NETWORK)
    assert stack.container["NetworkConfiguration"] == {"AssignPublicIp": "DISABLED"}
    # Batch has no Fargate Spot on ARM64.
    assert stack.container["RuntimePlatform"]["CpuArchitecture"] == "X86_64"
    used = stack.resources["ComputeEnvironment"]["ComputeResources"]
    assert used["Type"] == "FARGATE_SPOT"
    assert used["Subnets"] == stack.resources["Workgroup"]["SubnetIds"] == ["subnet-1", "subnet-2"]
    assert {group["VpcId"] for group in stack.of_kind("AWS::EC2::SecurityGroup").values()} == {"vpc-1"}
    assert not {kind for kind in stack.kinds.values() if re.search("Subnet|VPC|Route|Gateway", kind)}


# ---- The alarms


def alarms(stack: Stack) -> dict[str, dict[str, Any]]:
    found = stack.of_kind("AWS::CloudWatch::Alarm")
    return {name.removeprefix(f"{stack.stack}-"): alarm for name, alarm in found.items()}


def test_every_alarm_notifies_the_topic_and_the_topic_its_subscriber(stack):
    found, topic = alarms(stack), stack.outputs["Topic"]
    assert set(found) == {"no-success", "no-maintenance", "rejects", "gaps", "differences", "not-submitted"}
    assert all(alarm["AlarmActions"] == [topic] for alarm in found.values())
    key = stack.resources["Topic"]["KmsMasterKeyId"]
    assert key.rpartition("/")[2] == stack.name("Key")
    statements = stack.resources["TopicPolicy"]["PolicyDocument"]["Statement"]
    publishers = {statement["Principal"]["Service"] for statement in statements}
    assert publishers == {"cloudwatch.amazonaws.com", "events.amazonaws.com"}
    policy = {one["Sid"]: one for one in stack.resources["Key"]["KeyPolicy"]["Statement"]}
    assert set(policy["Messages"]["Principal"]["Service"]) == publishers
    [subscription] = stack.of_kind("AWS::SNS::Subscription").values()
    assert subscription == {"TopicArn": topic, "Protocol": "email", "Endpoint": "someone@example.com"}
    assert "Subscription" not in resolved().resources


def test_silence_is_an_alarm_and_rejects_gaps_and_differences_are_counted_by_the_hour(stack):
    found = alarms(stack)
    for name, hours in (("no-success", "3"), ("no-maintenance", "48")):
        silence = found[name]
        assert (str(silence["EvaluationPeriods"]), silence["TreatMissingData"]) == (hours, "breaching")
        filled, counted = silence["Metrics"]
        # An hour without a number must count as one without a success, or CloudWatch looks for older numbers.
        assert (filled["Expression"], filled.get("ReturnData", True)) == (f"FILL({counted['Id']}, 0)", True)
        assert counted["ReturnData"] is False
        assert (counted["MetricStat"]["Period"], counted["MetricStat"]["Stat"]) == (3600, "Sum")
        assert (silence["Threshold"], silence["ComparisonOperator"]) == (1, "LessThanThreshold")
    for name, threshold in (("rejects", "25"), ("gaps", "1"), ("differences", 1)):
        alarm = found[name]
        assert (alarm["Period"], alarm["EvaluationPeriods"], alarm["TreatMissingData"]) == (3600, 1, "notBreaching")
        assert (alarm["Threshold"], alarm["ComparisonOperator"]) == (threshold, "GreaterThanOrEqualToThreshold")
        assert alarm["Statistic"] == "Sum"


def test_the_key_is_one_that_every_log_group_can_use(stack):
    """CloudWatch Logs asks with the group's ARN, and without the right the group could not be created."""
    groups = stack.of_kind("AWS::Logs::LogGroup")
    assert len(groups) == 3
    key = stack.resources["Key"]
    assert {group["KmsKeyId"].rpartition("/")[2] for group in groups.values()} == {stack.name("Key")}
    assert key["EnableKeyRotation"] is True
    [logs] = [statement for statement in key["KeyPolicy"]["Statement"] if statement["Sid"] == "Logs"]
    patterns = logs["Condition"]["ArnLike"]["kms:EncryptionContext:aws:logs:arn"]
    for name in groups:
        arn = f"arn:aws:logs:us-east-1:123456789012:log-group:{name}"
        assert any(fnmatchcase(arn, pattern) for pattern in patterns)


def test_a_failed_run_is_notified(stack):
    rule = stack.resources["FailedRun"]
    assert rule["EventPattern"]["source"] == ["aws.batch"]
    assert rule["EventPattern"]["detail"] == {"status": ["FAILED"], "jobQueue": [stack.outputs["JobQueue"]]}
    [target] = rule["Targets"]
    assert target["Arn"] == stack.outputs["Topic"]
    text = json.loads(target["InputTransformer"]["InputTemplate"])
    assert all(f"<{name}>" in text for name in target["InputTransformer"]["InputPathsMap"])
    assert stack.outputs["LogGroup"] in text


def test_the_numbers_come_from_the_lines_that_a_run_writes(stack, pipeline, run_luigi):
    """CloudWatch's filters, read as far as these go, on the log of a real run and of a reconciliation."""
    run = run_luigi(pipeline, "2026-11-23T04", subreddits=["python", "aws"], limit=100)
    output = run.stdout.read()
    assert run.wait() == 0, output
    daily = ("-m", "luigi", "--module", "jobs", "Maintenance", "--hour", "2026-11-23T04")
    hour = ("--first", "2026-11-23T04", "--last", "2026-11-23T04")
    for command in (daily, ("-m", "jobs", "reconcile", *hour)):
        output += commands.run(*command, env=os.environ | pipeline.environment()).stderr
    lines = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    metrics = [(a if "MetricName" in a else a["Metrics"][1]["MetricStat"]["Metric"]) for a in alarms(stack).values()]
    watched = {(metric["Namespace"], metric["MetricName"]) for metric in metrics}
    values: dict[str, list[object]] = {}
    for found in stack.of_kind("AWS::Logs::MetricFilter").values():
        assert found["LogGroupName"] == stack.outputs["LogGroup"]
        [metric] = found["MetricTransformations"]
        assert (metric["MetricNamespace"], metric["MetricName"]) in watched
        event = found["FilterPattern"].removeprefix('{ $.event = "').removesuffix('" }')
        field = metric["MetricValue"].removeprefix("$.")
        values[metric["MetricName"]] = [1 if field == "1" else line[field] for line in lines if line["event"] == event]
    expected = {"Successes": [1], "Maintenances": [1], "Rejects": [0, 0], "Gaps": [0, 0], "Differences": [0]}
    assert values == expected


# ---- The template itself


WORKGROUP = {"RedshiftWorkgroup": "theirs", "RedshiftWorkgroupArn": "arn"}
THEIRS = {"Warehouse": "url", "WarehouseUrl": URL}


@pytest.mark.parametrize(
    ("parameters", "complaint"),
    [
        ({"VpcId": "vpc-1"}, "Give VpcId and SubnetIds both, or neither."),
        ({"SubnetIds": "subnet-1"}, "Give VpcId and SubnetIds both, or neither."),
        ({"PublicIp": "no"}, "PublicIp can be no only with SubnetIds: the stack's own VPC has no NAT."),
        ({"Warehouse": "url"}, "Warehouse url needs"),
        (THEIRS, "Warehouse url needs"),
        (THEIRS | {"RedshiftWorkgroup": "theirs"}, "Warehouse url needs"),
        (THEIRS | {"WarehouseSecretArn": SECRET}, "Warehouse url needs"),
        (THEIRS | WORKGROUP | {"RedshiftCluster": "theirs"}, "Warehouse url needs"),
        ({"Vcpu": "1"}, "Memory goes with Vcpu"),
        ({"Vcpu": "0.5", "Memory": "8192"}, "Memory goes with Vcpu"),
        ({"Vcpu": "2", "Memory": "4096"}, None),
        ({}, None),
        (NETWORK | {"PublicIp": "no"}, None),
        (THEIRS | {"RedshiftCluster": "theirs"}, None),
        (THEIRS | WORKGROUP, None),
        ({"Warehouse": "url", "WarehouseSecretArn": SECRET}, None),
    ],
    ids=str,
)
def test_parameters_that_do_not_go_together_are_refused_at_once(parameters, complaint):
    found = refusal(Stack(TEMPLATE.read_text(), "reddit-etl", GIVEN | parameters))
    assert found is None if complaint is None else found.startswith(complaint)


def test_the_template_is_small_enough_to_be_sent():
    # Bytes that CloudFormation accepts in a request.
    assert len(template().encode()) < 51_200
    assert load(template()) == load(TEMPLATE.read_text())


def test_references_give_what_the_schemas_of_aws_say():
    """Where the primary identifier of a type is an ARN or a URL, Ref gives that, and not the name."""
    folder = Path(cfnlint.__file__).parent / "data" / "schemas"
    schemas = json.loads((folder / "providers" / "us-east-1.json").read_text())
    kinds = {resource["Type"] for resource in load(TEMPLATE.read_text())["Resources"].values()}
    found = set()
    for kind in kinds:
        schema = json.loads((folder / "resources" / f"{schemas[kind]}.json").read_text())
        found |= {kind} if schema["primaryIdentifier"][0].endswith(("Arn", "Url")) else set()
    # No reference names one of these two.
    assert found - {"AWS::Events::Rule", "AWS::SNS::Subscription"} == set(REFERENCES)


def test_cfn_lint_finds_nothing():
    found = lint(TEMPLATE.read_text(), config=ManualArgs(regions=["us-east-1", "eu-central-1"]))
    assert [str(match) for match in found] == []


@pytest.mark.slow
def test_checkov_finds_nothing_and_every_exception_has_its_reason(tmp_path):
    if not CHECKOV.exists():
        pytest.skip("checkov is not installed: make tools")
    # It leaves out what the defaults do not ask for.
    whole = tmp_path / "stack.yaml"
    whole.write_text(TEMPLATE.read_text().replace("Default: duckdb", "Default: glue"))
    done = subprocess.run(
        [CHECKOV, "--file", whole, "--framework", "cloudformation", "--skip-download", "--output", "json"],
        env={"PATH": os.defpath, "HOME": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    found = json.loads(done.stdout)["results"]
    assert [(check["check_id"], check["resource"]) for check in found["failed_checks"]] == []
    assert found["parsing_errors"] == []
    reasons = {check["check_id"]: check["check_result"]["suppress_comment"] for check in found["skipped_checks"]}
    assert all(len(reason.split()) > 5 for reason in reasons.values()), reasons
    looked_at = {check["resource"] for kind in ("passed_checks", "skipped_checks") for check in found[kind]}
    assert {"AWS::Glue::Job.GlueJob", "AWS::EC2::SecurityGroup.WarehouseSecurityGroup"} <= looked_at
    assert done.returncode == 0
