"""The stack of batch/stack.yaml, deployed into an emulator and read back through the services."""

import configparser
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from cfnlint.api import lint
from cfnlint.config import ManualArgs
from cfnlint.decode.cfn_yaml import loads as load

from batch.upload import LIBRARY, SCRIPT
from jobs import process
from jobs.parameters import HourParameter
from tests.conftest import PROJECT
from tests.stack import other
from tests.standins.cloudformation import GIVEN, TEMPLATE, Deployment
from tests.standins.container import deployed_config

# It wants versions of its own of much, so `make tools` installs it apart.
CHECKOV = Path(f"{sys.prefix}-tools", "bin", "checkov")
SPOT = {"statusReason": "Your Spot Task was interrupted."}


def retcodes(name: str) -> dict[str, str]:
    parser = configparser.ConfigParser()
    parser.read(PROJECT / name)
    return dict(parser["retcode"])


# ---- The job


def is_tried_again(deployed: Deployment, **end: str) -> bool:
    """What Batch makes of an end: the first rule counts whose conditions all fit; where none does, it tries again."""
    for rule in deployed.definition()["retryStrategy"]["evaluateOnExit"]:
        conditions = [
            (rule[key], end.get(theirs))
            for key, theirs in (("onExitCode", "exitCode"), ("onReason", "reason"), ("onStatusReason", "statusReason"))
            if key in rule
        ]
        if all(found is not None and fnmatchcase(found, pattern) for pattern, found in conditions):
            return bool(rule["action"] == "retry")
    return True


@pytest.mark.parametrize(
    ("code", "again"),
    [
        (retcodes("luigi.cfg")["task_failed"], True),
        (retcodes("luigi.cfg")["scheduling_error"], True),
        (str(process.TERMINATED), True),
        (str(process.MISCONFIGURED), False),
        (retcodes("luigi.cfg")["unhandled_exception"], False),
        (retcodes("luigi.cfg")["already_running"], False),
        (retcodes("luigi.cfg")["missing_data"], False),
        (retcodes("luigi.cfg")["not_run"], False),
        (str(process.INTERRUPTED), False),
        ("1", False),
        ("137", False),
        ("139", False),
    ],
)
def test_a_run_is_tried_again_where_that_may_help(deployed, code, again):
    assert is_tried_again(deployed, exitCode=code, statusReason="Essential container in task exited") is again


@pytest.mark.parametrize("code", ["143", "137", "30", "78"])
def test_a_run_that_lost_its_spot_is_tried_again_whatever_its_code(deployed, code):
    assert is_tried_again(deployed, exitCode=code, **SPOT)


def test_a_run_without_memory_is_not_tried_again_and_one_that_never_began_is(deployed):
    lost = {"reason": "OutOfMemoryError: Container killed due to memory usage", "exitCode": "137"}
    assert not is_tried_again(deployed, statusReason="Essential container in task exited", **lost)
    assert is_tried_again(deployed, **SPOT)
    assert is_tried_again(deployed, statusReason="Timeout waiting for network interface provisioning to complete.")


def test_rules_are_within_what_batch_takes(deployed):
    strategy = deployed.definition()["retryStrategy"]
    assert strategy["attempts"] == 3
    assert len(strategy["evaluateOnExit"]) <= 5
    assert strategy["evaluateOnExit"][-1] == {"onExitCode": "*", "action": "exit"}
    for rule in strategy["evaluateOnExit"]:
        # An asterisk at the end is the only pattern that Batch knows.
        assert all("*" not in value[:-1] and "?" not in value for value in rule.values())


def test_the_deployed_job_has_the_embedded_configuration_without_its_settings(deployed, tmp_path):
    production, embedded = configparser.ConfigParser(), configparser.ConfigParser()
    production.read(deployed_config(tmp_path))
    embedded.read(PROJECT / "luigi.cfg")
    for section in embedded.sections():
        # What the environment leaves out is an error, and not a folder in a container.
        kept = {} if section in ("reddit_etl", "RedditPipeline") else dict(embedded[section])
        assert dict(production[section]) == kept
    assert deployed.environment()["LUIGI_CONFIG_PATH"] == "/deployed.cfg"


def test_the_container_may_write_to_tmp_alone_and_has_nothing_to_spare(deployed):
    definition = deployed.definition()
    container = definition["containerProperties"]
    assert definition["timeout"] == {"attemptDurationSeconds": 3600}
    assert definition["platformCapabilities"] == ["FARGATE"]
    assert container["readonlyRootFilesystem"] is True
    assert container["linuxParameters"] == {"initProcessEnabled": True}
    assert container["user"] == "10001:10001"
    assert container["volumes"] == [{"name": "tmp"}]
    assert container["mountPoints"] == [{"sourceVolume": "tmp", "containerPath": "/tmp", "readOnly": False}]
    assert {entry["type"]: entry["value"] for entry in container["resourceRequirements"]} == {
        "VCPU": "0.25",
        "MEMORY": "512",
    }
    assert container["runtimePlatform"]["cpuArchitecture"] == "ARM64"
    assert 'VOLUME ["/tmp"]' in (PROJECT / "Dockerfile").read_text()


def test_secrets_come_by_reference_alone(deployed):
    container = deployed.definition()["containerProperties"]
    secret = GIVEN["RedditSecretArn"]
    names = ("REDDIT_CLIENT_ID", "REDDIT_CLIENT_SECRET", "REDDIT_USER_AGENT")
    assert {entry["name"]: entry["valueFrom"] for entry in container["secrets"]} == {
        name: f"{secret}:{name}::" for name in names
    }
    assert not set(names) & set(deployed.environment())


def test_the_command_takes_what_a_run_may_be_told(deployed):
    definition = deployed.definition()
    command = definition["containerProperties"]["command"]
    assert command[0] == "RedditPipeline"
    said = dict(zip(command[1::2], command[2::2], strict=True))
    assert said == {f"--{name}": f"Ref::{name}" for name in ("hour", "subreddits", "listings", "limit")}
    assert set(definition["parameters"]) == {"subreddits", "listings", "limit"}
    assert all(json.loads(definition["parameters"][name]) for name in ("subreddits", "listings"))


# ---- The schedule


def test_the_scheduled_moment_is_the_hour_of_the_run(deployed):
    schedule = deployed.client("scheduler").get_schedule(Name="reddit-etl")
    target = schedule["Target"]
    assert target["Arn"] == "arn:aws:scheduler:::aws-sdk:batch:submitJob"
    assert schedule["FlexibleTimeWindow"] == {"Mode": "OFF"}
    assert schedule["ScheduleExpressionTimezone"] == "UTC"
    asked = json.loads(target["Input"].replace("<aws.scheduler.scheduled-time>", "2026-11-23T04:05:00Z"))
    assert HourParameter().parse(asked["Parameters"]["hour"]) == datetime(2026, 11, 23, 4)  # noqa: DTZ001
    # What Batch takes, by its own model of the request.
    shape = deployed.client("batch").meta.service_model.operation_model("SubmitJob").input_shape
    assert {name[0].lower() + name[1:] for name in asked} <= set(shape.members)
    assert asked["JobQueue"] == deployed.outputs["JobQueue"]
    assert asked["JobDefinition"] == deployed.outputs["JobDefinition"]


def test_an_update_leaves_the_schedule_a_definition_to_submit(account):
    """CloudFormation takes the old revision away, so the schedule names none, and comes after the definition."""
    made = other(account, Limit="100")
    before = made.client("scheduler").get_schedule(Name=made.name)["Target"]["Input"]
    made.deploy(Limit="200")
    named = json.loads(before)["JobDefinition"]
    batch = made.client("batch")
    found = batch.describe_job_definitions(jobDefinitionName=named, status="ACTIVE")["jobDefinitions"]
    assert [definition["parameters"]["limit"] for definition in found] == ["200"]
    assert load(TEMPLATE.read_text())["Resources"]["HourlyRun"]["DependsOn"] == "JobDefinition"


def test_what_cannot_be_submitted_is_kept_encrypted_and_told(deployed):
    schedule = deployed.client("scheduler").get_schedule(Name="reddit-etl")
    queue = deployed.client("sqs").get_queue_attributes(
        QueueUrl=deployed.outputs["DeadLetters"], AttributeNames=["All"]
    )["Attributes"]
    assert schedule["Target"]["DeadLetterConfig"]["Arn"] == queue["QueueArn"]
    assert schedule["Target"]["RetryPolicy"] == {"MaximumEventAgeInSeconds": 3600, "MaximumRetryAttempts": 20}
    assert queue["SqsManagedSseEnabled"] == "true"
    alarm = alarms(deployed)["not-submitted"]
    # Messages stay visible for 14 days, and so long an alarm that counts those would ring.
    assert (alarm["MetricName"], alarm["Statistic"], alarm["Period"]) == ("NumberOfMessagesSent", "Sum", 300)
    assert alarm["TreatMissingData"] == "notBreaching"
    assert alarm["Dimensions"] == [{"Name": "QueueName", "Value": queue["QueueArn"].rpartition(":")[2]}]


# ---- The lake, and Glue


def test_the_bucket_is_private_encrypted_and_forgets(deployed):
    s3, bucket = deployed.client("s3"), deployed.outputs["Bucket"]
    [rule] = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    blocked = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    assert len(blocked) == 4 and all(blocked.values())
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    [statement] = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])["Statement"]
    assert (statement["Effect"], statement["Principal"], statement["Action"]) == ("Deny", "*", "s3:*")
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert statement["Resource"] == [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
    rules = {rule["ID"]: rule for rule in s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]}
    assert all(rule["Status"] == "Enabled" for rule in rules.values())
    prefix = deployed.outputs["LakeUrl"].partition(bucket)[2].strip("/")
    for name in ("raw", "rejected"):
        assert rules[name]["Filter"] == {"Prefix": f"{prefix}/{name}/"}
        assert rules[name]["Expiration"] == {"Days": 90}
    assert rules["removed"]["NoncurrentVersionExpiration"] == {"NoncurrentDays": 7}
    assert rules["uploads"]["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 2}


def test_the_glue_job_runs_the_code_that_the_deployment_uploads(deployed):
    job = deployed.client("glue").get_job(JobName=deployed.outputs["GlueJob"])["Job"]
    folder = f"s3://{deployed.outputs['Bucket']}/code/{GIVEN['CodeVersion']}"
    assert job["Command"]["ScriptLocation"] == f"{folder}/{SCRIPT}"
    assert job["DefaultArguments"]["--extra-py-files"] == f"{folder}/{LIBRARY}"
    assert job["DefaultArguments"]["--job-bookmark-option"] == "job-bookmark-disable"
    assert (job["GlueVersion"], job["WorkerType"], job["NumberOfWorkers"]) == ("5.1", "G.1X", 2)
    assert (job["MaxRetries"], job["Timeout"]) == (0, 30)
    assert job["ExecutionProperty"]["MaxConcurrentRuns"] == 3
    groups = {group["logGroupName"]: group for group in deployed.client("logs").describe_log_groups()["logGroups"]}
    logs = job["DefaultArguments"]["--custom-logGroup-prefix"]
    assert {groups[f"{logs}/{name}"]["retentionInDays"] for name in ("error", "output")} == {30}


def test_without_glue_there_is_nothing_of_it_but_the_catalog(account):
    made = other(account)
    assert "GlueJob" not in made.outputs
    assert made.environment()["TRANSFORM_ENGINE"] == "duckdb"
    assert "GLUE_JOB_NAME" not in made.environment()
    assert made.client("glue").get_database(Name=made.environment()["GLUE_DATABASE"])


# ---- The warehouse


def test_a_warehouse_of_theirs_is_reached_by_secret_or_by_role(account):
    secret = "arn:aws:secretsmanager:us-east-1:123456789012:secret:theirs-AbCdEf"
    made = other(
        account, Warehouse="url", WarehouseSecretArn=secret, CopyRoleArn="arn:aws:iam::123456789012:role/theirs"
    )
    assert not {"WAREHOUSE_URL", "REDSHIFT_WORKGROUP", "REDSHIFT_CLUSTER"} & set(made.environment())
    assert made.environment()["REDSHIFT_COPY_ROLE"] == "arn:aws:iam::123456789012:role/theirs"
    secrets = {e["name"]: e["valueFrom"] for e in made.definition()["containerProperties"]["secrets"]}
    assert secrets["WAREHOUSE_URL"] == f"{secret}:WAREHOUSE_URL::"
    place = "redshift+psycopg2://theirs.example.com:5439/dev"
    made = other(account, Warehouse="url", WarehouseUrl=place, RedshiftCluster="theirs")
    environment = made.environment()
    assert (environment["WAREHOUSE_URL"], environment["REDSHIFT_CLUSTER"]) == (place, "theirs")
    assert environment["REDSHIFT_COPY_ROLE"] == made.outputs["CopyRole"]
    assert "Workgroup" not in made.outputs


def test_a_warehouse_of_the_stack_is_reached_by_the_job_alone(deployed):
    groups = deployed.client("ec2").describe_security_groups()["SecurityGroups"]
    mine = {group["GroupName"].split("-")[2]: group for group in groups if group["GroupName"].startswith("reddit-etl-")}
    [way] = mine["WarehouseSecurityGroup"]["IpPermissions"]
    [source] = way["UserIdGroupPairs"]
    assert (way["FromPort"], way["ToPort"], way["IpRanges"]) == (5439, 5439, [])
    assert source["GroupId"] == mine["JobSecurityGroup"]["GroupId"]


def test_a_warehouse_of_the_stack_is_reached_by_role(deployed):
    environment = deployed.environment()
    assert environment["REDSHIFT_WORKGROUP"] == deployed.outputs["Workgroup"]
    assert environment["WAREHOUSE_URL"] == f"redshift+psycopg2://{deployed.outputs['WarehouseHost']}:5439/reddit"
    assert environment["REDSHIFT_COPY_ROLE"] == deployed.outputs["CopyRole"]


def test_the_capacity_of_the_warehouse_can_be_changed(account):
    """Redshift Serverless changes one setting in a request, and CloudFormation sends in one whatever has changed."""
    made = other(account, RedshiftCapacity="4")
    made.deploy(RedshiftCapacity="8")
    made.deploy(RedshiftCapacity="4")


def test_each_warehouse_has_a_last_snapshot_of_its_own():
    """Of a fixed name the second within 30 days could not be made, and the removal would fail."""
    namespace = load(TEMPLATE.read_text())["Resources"]["Namespace"]["Properties"]
    assert namespace["FinalSnapshotName"] == {"Ref": "FinalSnapshot"}
    assert "Default" not in load(TEMPLATE.read_text())["Parameters"]["FinalSnapshot"]


# ---- The network


def test_the_subnets_are_in_the_zones_that_are_given(deployed):
    subnets = deployed.client("ec2").describe_subnets()["Subnets"]
    mine = {s["CidrBlock"]: s["AvailabilityZone"] for s in subnets if s["CidrBlock"].startswith("10.61.")}
    assert [mine[f"10.61.{number}.0/24"] for number in range(3)] == GIVEN["Zones"].split(",")


def test_nobody_may_come_in_and_the_job_may_go_out(deployed):
    ec2, batch = deployed.client("ec2"), deployed.client("batch")
    [environment] = [
        found
        for found in batch.describe_compute_environments()["computeEnvironments"]
        if found["computeEnvironmentName"].startswith("reddit-etl-")
    ]
    resources = environment["computeResources"]
    assert (resources["type"], len(resources["subnets"])) == ("FARGATE", 3)
    [group] = ec2.describe_security_groups(GroupIds=resources["securityGroupIds"])["SecurityGroups"]
    assert group["IpPermissions"] == []
    assert sorted((rule["FromPort"], rule["ToPort"]) for rule in group["IpPermissionsEgress"]) == [
        (443, 443),
        (5431, 5455),
        (8191, 8215),
    ]
    for subnet in resources["subnets"]:
        wanted = [{"Name": "association.subnet-id", "Values": [subnet]}]
        [table] = ec2.describe_route_tables(Filters=wanted)["RouteTables"]
        ways = {r.get("DestinationCidrBlock", "S3"): r["GatewayId"].partition("-")[0] for r in table["Routes"]}
        assert ways == {"10.61.0.0/16": "local", "0.0.0.0/0": "igw", "S3": "vpce"}
    network = deployed.definition()["containerProperties"]["networkConfiguration"]
    assert network == {"assignPublicIp": "ENABLED"}


def test_what_is_said_of_a_network_has_only_letters_that_ec2_takes(deployed):
    """An apostrophe is refused by AWS alone, and the whole stack with it."""
    ec2 = deployed.client("ec2")
    groups = [g for g in ec2.describe_security_groups()["SecurityGroups"] if g["GroupName"] != "default"]
    rules = [rule for g in groups for side in ("IpPermissions", "IpPermissionsEgress") for rule in g[side]]
    ranges = [r for rule in rules for kind in ("IpRanges", "UserIdGroupPairs") for r in rule.get(kind, ())]
    said = [g["Description"] for g in groups] + [r["Description"] for r in ranges if "Description" in r]
    assert len(said) > 5
    # By the reference of EC2's IpRange.
    assert [text for text in said if not re.fullmatch(r"[A-Za-z0-9 ._\-:/()#,@\[\]+=&;{}!$*]{1,255}", text)] == []


def test_spot_and_a_private_address_are_a_choice(account):
    made = other(account, Spot="yes", PublicIp="no")
    container = made.definition()["containerProperties"]
    assert container["networkConfiguration"] == {"assignPublicIp": "DISABLED"}
    # Batch has no Fargate Spot on ARM64.
    assert container["runtimePlatform"]["cpuArchitecture"] == "X86_64"
    queues = made.client("batch").describe_job_queues(jobQueues=[made.name])["jobQueues"]
    used = [order["computeEnvironment"] for order in queues[0]["computeEnvironmentOrder"]]
    [found] = made.client("batch").describe_compute_environments(computeEnvironments=used)["computeEnvironments"]
    assert found["computeResources"]["type"] == "FARGATE_SPOT"
    vpcs = {
        s["VpcId"]
        for s in made.client("ec2").describe_subnets(SubnetIds=found["computeResources"]["subnets"])["Subnets"]
    }
    assert [v["IsDefault"] for v in made.client("ec2").describe_vpcs(VpcIds=list(vpcs))["Vpcs"]] == [True]


# ---- The alarms


def alarms(deployed: Deployment) -> dict[str, dict[str, Any]]:
    pages = deployed.client("cloudwatch").describe_alarms(AlarmNamePrefix=f"{deployed.name}-")
    return {alarm["AlarmName"].removeprefix(f"{deployed.name}-"): alarm for alarm in pages["MetricAlarms"]}


def test_every_alarm_has_somebody_to_tell(deployed):
    found = alarms(deployed)
    assert set(found) == {"no-success", "rejects", "gaps", "not-submitted"}
    assert all(alarm["AlarmActions"] == [deployed.outputs["Topic"]] for alarm in found.values())
    topic = deployed.client("sns").get_topic_attributes(TopicArn=deployed.outputs["Topic"])["Attributes"]
    assert topic["KmsMasterKeyId"].startswith("arn:aws:kms:")
    speakers = {s["Principal"]["Service"] for s in json.loads(topic["Policy"])["Statement"]}
    assert speakers == {"cloudwatch.amazonaws.com", "events.amazonaws.com"}
    policy = deployed.client("kms").get_key_policy(KeyId=topic["KmsMasterKeyId"], PolicyName="default")["Policy"]
    assert all(f'"{speaker}"' in str(policy).replace("'", '"') for speaker in speakers)
    [subscription] = deployed.client("sns").list_subscriptions_by_topic(TopicArn=deployed.outputs["Topic"])[
        "Subscriptions"
    ]
    assert (subscription["Protocol"], subscription["Endpoint"]) == ("email", "someone@example.com")


def test_silence_is_an_alarm_and_rejects_and_gaps_are_counted_by_the_hour(deployed):
    found = alarms(deployed)
    silence = found["no-success"]
    assert (silence["EvaluationPeriods"], silence["TreatMissingData"]) == (3, "breaching")
    filled, counted = silence["Metrics"]
    # An hour without a number must count as one without a success, or CloudWatch looks for older numbers.
    assert (filled["Expression"], filled.get("ReturnData", True)) == (f"FILL({counted['Id']}, 0)", True)
    assert counted["ReturnData"] is False
    assert (counted["MetricStat"]["Period"], counted["MetricStat"]["Stat"]) == (3600, "Sum")
    assert (silence["Threshold"], silence["ComparisonOperator"]) == (1, "LessThanThreshold")
    for name, threshold in (("rejects", 25), ("gaps", 1)):
        alarm = found[name]
        assert (alarm["Period"], alarm["EvaluationPeriods"], alarm["TreatMissingData"]) == (3600, 1, "notBreaching")
        assert (alarm["Threshold"], alarm["ComparisonOperator"]) == (threshold, "GreaterThanOrEqualToThreshold")
        assert alarm["Statistic"] == "Sum"


def test_the_key_is_one_that_every_log_group_may_use(deployed):
    """CloudWatch Logs asks with the group's ARN, and without leave the group could not be made."""
    groups = deployed.client("logs").describe_log_groups()["logGroups"]
    mine = [group for group in groups if group["logGroupName"].split("/")[2] == deployed.name]
    assert len(mine) == 3
    [key] = {group["kmsKeyId"] for group in mine}
    kms = deployed.client("kms")
    assert kms.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"]
    # moto gives it as it came; KMS would give it as text.
    policy: Any = kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"]
    [logs] = [statement for statement in policy["Statement"] if statement["Sid"] == "Logs"]
    patterns = logs["Condition"]["ArnLike"]["kms:EncryptionContext:aws:logs:arn"]
    for group in mine:
        assert any(fnmatchcase(group["arn"].removesuffix(":*"), pattern) for pattern in patterns)


def test_a_failed_run_is_told(deployed):
    events = deployed.client("events")
    [rule] = [rule for rule in events.list_rules()["Rules"] if rule["Name"].startswith("reddit-etl-")]
    pattern = json.loads(rule["EventPattern"])
    assert pattern["source"] == ["aws.batch"]
    assert pattern["detail"] == {"status": ["FAILED"], "jobQueue": [deployed.outputs["JobQueue"]]}
    [target] = events.list_targets_by_rule(Rule=rule["Name"])["Targets"]
    assert target["Arn"] == deployed.outputs["Topic"]
    transformer = target["InputTransformer"]
    words = json.loads(transformer["InputTemplate"])
    assert all(f"<{name}>" in words for name in transformer["InputPathsMap"])
    assert deployed.outputs["LogGroup"] in words


def test_the_numbers_come_from_the_lines_that_a_run_writes(deployed, pipeline, run_luigi):
    """CloudWatch's filters, read as far as these go, on the log of a real run."""
    run = run_luigi(pipeline, "2026-11-23T04", subreddits=["python", "aws"], limit=100)
    said = run.stdout.read()
    assert run.wait() == 0, said
    lines = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    filters = deployed.client("logs").describe_metric_filters(logGroupName=deployed.outputs["LogGroup"])
    values: dict[str, list[object]] = {}
    metrics = [(a if "MetricName" in a else a["Metrics"][1]["MetricStat"]["Metric"]) for a in alarms(deployed).values()]
    watched = {(metric["Namespace"], metric["MetricName"]) for metric in metrics}
    for found in filters["metricFilters"]:
        [metric] = found["metricTransformations"]
        assert (metric["metricNamespace"], metric["metricName"]) in watched
        event = found["filterPattern"].removeprefix('{ $.event = "').removesuffix('" }')
        field = metric["metricValue"].removeprefix("$.")
        values[metric["metricName"]] = [1 if field == "1" else line[field] for line in lines if line["event"] == event]
    assert values == {"Successes": [1], "Rejects": [0, 0], "Gaps": [0, 0]}


# ---- The template itself


def holds(expression: Any, values: dict[str, str]) -> Any:
    """What CloudFormation makes of a rule."""
    if not isinstance(expression, dict):
        return expression
    [(function, given)] = expression.items()
    if function == "Ref":
        return values[given]
    known = [holds(one, values) for one in given]
    functions: dict[str, Callable[[], bool]] = {
        "Fn::Equals": lambda: known[0] == known[1],
        "Fn::Not": lambda: not known[0],
        "Fn::And": lambda: all(known),
        "Fn::Or": lambda: any(known),
        "Fn::Contains": lambda: known[1] in known[0],
    }
    return functions[function]()


def complaints(**parameters: str) -> list[str]:
    """The emulator knows nothing of rules."""
    template = load(TEMPLATE.read_text())
    defaults = {name: str(parameter.get("Default", "given")) for name, parameter in template["Parameters"].items()}
    assert set(parameters) <= set(defaults)
    values = defaults | parameters
    return [
        assertion["AssertDescription"]
        for rule in template["Rules"].values()
        if holds(rule.get("RuleCondition", True), values)
        for assertion in rule["Assertions"]
        if not holds(assertion["Assert"], values)
    ]


OWN = {"VpcId": "vpc-1", "SubnetIds": "subnet-1,subnet-2"}
THEIRS = {"Warehouse": "url", "WarehouseUrl": "redshift+psycopg2://theirs.example.com:5439/dev"}
WORKGROUP = {"RedshiftWorkgroup": "theirs", "RedshiftWorkgroupArn": "arn"}


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"VpcId": "vpc-1"}, ["Give VpcId and SubnetIds both, or neither."]),
        ({"SubnetIds": "subnet-1"}, ["Give VpcId and SubnetIds both, or neither."]),
        ({"PublicIp": "no"}, ["PublicIp can be no only with SubnetIds of yours: the stack's own VPC has no NAT."]),
        ({"Warehouse": "url"}, ["Warehouse url needs"]),
        (THEIRS, ["Warehouse url needs"]),
        (THEIRS | {"RedshiftWorkgroup": "theirs"}, ["Warehouse url needs"]),
        (THEIRS | {"WarehouseSecretArn": "arn"}, ["Warehouse url needs"]),
        (THEIRS | WORKGROUP | {"RedshiftCluster": "theirs"}, ["Warehouse url needs"]),
        ({"Vcpu": "1"}, ["Memory goes with Vcpu"]),
        ({"Vcpu": "0.5", "Memory": "8192"}, ["Memory goes with Vcpu"]),
        ({"Vcpu": "2", "Memory": "4096"}, []),
        ({}, []),
        (OWN | {"PublicIp": "no"}, []),
        (THEIRS | {"RedshiftCluster": "theirs"}, []),
        (THEIRS | WORKGROUP, []),
        ({"Warehouse": "url", "WarehouseSecretArn": "arn"}, []),
    ],
    ids=str,
)
def test_parameters_that_do_not_go_together_are_refused_at_once(parameters, said):
    assert [complaint[: len(words)] for complaint, words in zip(complaints(**parameters), said, strict=True)] == said


def test_a_template_with_a_fault_is_not_deployed(account, monkeypatch, tmp_path):
    """The emulator looks at what it is given."""
    wrong = tmp_path / "stack.yaml"
    wrong.write_text(TEMPLATE.read_text().replace("ReadonlyRootFilesystem:", "ReadOnlyRoot:"))
    monkeypatch.setattr("tests.standins.cloudformation.TEMPLATE", wrong)
    with pytest.raises(Exception, match="500 Internal Server Error"):
        other(account)


def test_an_update_reaches_what_it_changes_and_the_end_leaves_no_schedule(account):
    made = other(account, Limit="100")
    assert made.definition()["parameters"]["limit"] == "100"
    bucket = made.outputs["Bucket"]
    made.deploy(Limit="200", ScheduleState="DISABLED")
    assert made.definition()["parameters"]["limit"] == "200"
    assert made.client("scheduler").get_schedule(Name=made.name)["State"] == "DISABLED"
    assert made.outputs["Bucket"] == bucket
    made.client("cloudformation").delete_stack(StackName=made.name)
    with pytest.raises(ClientError, match="does not exist"):
        made.client("scheduler").get_schedule(Name=made.name)


def test_a_stack_leaves_its_bucket_and_can_be_made_again(account):
    made = Deployment(account, "short-lived")
    whole = {"TransformEngine": "glue", "GlueDatabase": "short_lived"}
    made.deploy(**whole)
    first = made.outputs
    made.client("cloudformation").delete_stack(StackName=made.name)
    assert made.client("s3").list_objects_v2(Bucket=first["Bucket"])["KeyCount"] == 0
    assert made.client("batch").describe_job_queues(jobQueues=[made.name])["jobQueues"] == []
    names = [group["logGroupName"] for group in made.client("logs").describe_log_groups()["logGroups"]]
    assert [name for name in names if made.name in name] == []
    made.outputs = {}
    made.deploy(**whole)
    assert made.outputs["Bucket"] != first["Bucket"]
    assert set(made.outputs) == set(first)


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
