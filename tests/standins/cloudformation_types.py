"""How the stand-in for CloudFormation makes what moto's does not: by which calls, with which parameters."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tests.standins.s3 import ENVIRONMENT

Properties = dict[str, Any]
Call = tuple[str, Properties]
Calls = Callable[[str, Properties], Iterator[Call]]
REGION = ENVIRONMENT["AWS_DEFAULT_REGION"]
ACCOUNT = "123456789012"
# Batch has one of its own where none is given; moto wants to be told.
SERVICE_ROLE = f"arn:aws:iam::{ACCOUNT}:role/AWSServiceRoleForBatch"

# What the service called the resource, in the calls after the first.
ITSELF = "<itself>"


def shaped(value: Any, shape: Any, place: str) -> Any:
    """The properties of a template as parameters of the API: its names, whose case differs, and its types."""
    if shape.type_name == "structure":
        names = {name.lower(): name for name in shape.members}
        wrong = [key for key in value if key.lower() not in names]
        assert not wrong, f"{place} has no {wrong}: it has {sorted(shape.members)}"
        return {names[k.lower()]: shaped(v, shape.members[names[k.lower()]], f"{place}.{k}") for k, v in value.items()}
    if shape.type_name == "list":
        return [shaped(entry, shape.member, place) for entry in value]
    if shape.type_name == "map":
        return {key: shaped(entry, shape.value, place) for key, entry in value.items()}
    if shape.type_name == "boolean":
        return {"true": True, "false": False}[str(value).lower()]
    # CloudFormation takes a number for text and text for a number.
    kinds: dict[str, Callable[[Any], Any]] = {"integer": int, "long": int, "float": float, "double": float}
    return kinds.get(shape.type_name, str)(value)


def just(operation: str, **more: Any) -> Calls:
    """The properties are the parameters of this call, and `more` are those that CloudFormation adds."""
    return lambda name, p: iter([(operation, {k: v.format(name) for k, v in more.items()} | p)])


def _nothing(_: str, __: Properties) -> Iterator[Call]:
    return iter(())


@dataclass(frozen=True)
class Kind:
    """A type of resource."""

    service: str
    make: Calls
    named: str = ""
    """The property with its name."""
    answered: str = ""
    """What the answer calls it, if it is called otherwise."""
    change: Calls | None = None
    """None: as it is made."""
    changes_only: bool = False
    """Whether a change is told just the properties that are others now."""
    remove: Calls = _nothing
    attributes: tuple[tuple[str, str], ...] = ()
    """What GetAtt gives, by the resource's name."""


def _bucket_settings(name: str, p: Properties) -> Iterator[Call]:
    rules = p["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    rules = [{"ApplyServerSideEncryptionByDefault": rule["ServerSideEncryptionByDefault"]} for rule in rules]
    yield "PutBucketEncryption", {"Bucket": name, "ServerSideEncryptionConfiguration": {"Rules": rules}}
    for operation, key in (
        ("PutPublicAccessBlock", "PublicAccessBlockConfiguration"),
        ("PutBucketOwnershipControls", "OwnershipControls"),
        ("PutBucketVersioning", "VersioningConfiguration"),
    ):
        yield operation, {"Bucket": name, key: p[key]}
    rules = []
    for rule in p["LifecycleConfiguration"]["Rules"]:
        theirs = {"ExpirationInDays": "Days", "ExpiredObjectDeleteMarker": "ExpiredObjectDeleteMarker"}
        expiration = {theirs[key]: rule[key] for key in theirs if key in rule}
        kept = {key: value for key, value in rule.items() if key not in (*theirs, "Prefix")}
        kept["Filter"] = {"Prefix": rule.get("Prefix", "")}
        rules.append(kept | ({"Expiration": expiration} if expiration else {}))
    yield "PutBucketLifecycleConfiguration", {"Bucket": name, "LifecycleConfiguration": {"Rules": rules}}


def _bucket(name: str, p: Properties) -> Iterator[Call]:
    yield "CreateBucket", {"Bucket": name}
    yield from _bucket_settings(name, p)


def _role(name: str, p: Properties) -> Iterator[Call]:
    yield "CreateRole", {"RoleName": name, "AssumeRolePolicyDocument": json.dumps(p["AssumeRolePolicyDocument"])}
    yield from _role_policies(name, p)


def _role_policies(name: str, p: Properties) -> Iterator[Call]:
    for policy in p["Policies"]:
        document = json.dumps(policy["PolicyDocument"])
        yield "PutRolePolicy", {"RoleName": name, "PolicyName": policy["PolicyName"], "PolicyDocument": document}


def _group(name: str, p: Properties) -> Iterator[Call]:
    described = {"GroupName": name, "Description": p["GroupDescription"], "VpcId": p["VpcId"]}
    yield "CreateSecurityGroup", described
    # EC2 lets everything out of a group, and CloudFormation does not where the template has a word on it.
    everything = [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
    yield "RevokeSecurityGroupEgress", {"GroupId": ITSELF, "IpPermissions": everything}
    for way in ("Egress", "Ingress"):
        rules = [_group_rule(rule) for rule in p.get(f"SecurityGroup{way}", ())]
        if rules:
            yield f"AuthorizeSecurityGroup{way}", {"GroupId": ITSELF, "IpPermissions": rules}


def _group_rule(rule: Properties) -> Properties:
    ports = {key: rule[key] for key in ("IpProtocol", "FromPort", "ToPort")}
    of = {"Description": rule["Description"]}
    if "CidrIp" in rule:
        return ports | {"IpRanges": [of | {"CidrIp": rule["CidrIp"]}]}
    return ports | {"UserIdGroupPairs": [of | {"GroupId": rule["SourceSecurityGroupId"]}]}


def _bucket_policy(_: str, p: Properties) -> Iterator[Call]:
    yield "PutBucketPolicy", {"Bucket": p["Bucket"], "Policy": json.dumps(p["PolicyDocument"])}


def _topic_policy(_: str, p: Properties) -> Iterator[Call]:
    policy = {"AttributeName": "Policy", "AttributeValue": json.dumps(p["PolicyDocument"])}
    for topic in p["Topics"]:
        yield "SetTopicAttributes", {"TopicArn": topic} | policy


def _log_group(name: str, p: Properties) -> Iterator[Call]:
    yield "CreateLogGroup", {"LogGroupName": name, "KmsKeyId": p["KmsKeyId"]}
    yield from _log_retention(name, p)


def _log_retention(name: str, p: Properties) -> Iterator[Call]:
    yield "PutRetentionPolicy", {"LogGroupName": name, "RetentionInDays": p["RetentionInDays"]}


def _namespace(_: str, p: Properties) -> Iterator[Call]:
    # The snapshot is what CloudFormation asks for when it removes the namespace.
    last = {key: value for key, value in p.items() if key.startswith("FinalSnapshot")}
    yield "DeleteNamespace", last | {"NamespaceName": p["NamespaceName"]}
    yield "CreateNamespace", {key: value for key, value in p.items() if key not in last}


def _workgroup_change(name: str, p: Properties) -> Iterator[Call]:
    # As the service's API and the code of CloudFormation's resource type have it.
    assert len(p) <= 1, f"UpdateWorkgroup: can't update multiple parameters in one request: {sorted(p)}"
    if p:
        yield "UpdateWorkgroup", p | {"WorkgroupName": name}


def _next_revision(arn: str, p: Properties) -> Iterator[Call]:
    yield "RegisterJobDefinition", p
    yield "DeregisterJobDefinition", {"jobDefinition": arn}


def _job(_: str, p: Properties) -> Iterator[Call]:
    yield "UpdateJob", {"JobName": p["Name"], "JobUpdate": {key: value for key, value in p.items() if key != "Name"}}


def _remove_queue(name: str, _: Properties) -> Iterator[Call]:
    yield "UpdateJobQueue", {"jobQueue": name, "state": "DISABLED"}
    yield "DeleteJobQueue", {"jobQueue": name}


def _remove_environment(name: str, _: Properties) -> Iterator[Call]:
    yield "UpdateComputeEnvironment", {"computeEnvironment": name, "state": "DISABLED"}
    yield "DeleteComputeEnvironment", {"computeEnvironment": name}


def _by(operation: str, parameter: str) -> Calls:
    return lambda name, _: iter([(operation, {parameter: name})])


KINDS = {
    "AWS::S3::Bucket": Kind(
        "s3", _bucket, "BucketName", change=_bucket_settings, attributes=(("Arn", "arn:aws:s3:::{}"),)
    ),
    "AWS::IAM::Role": Kind(
        "iam",
        _role,
        "RoleName",
        change=_role_policies,
        attributes=(("Arn", f"arn:aws:iam::{ACCOUNT}:role/{{}}"),),
    ),
    "AWS::EC2::SecurityGroup": Kind(
        "ec2", _group, answered="GroupId", change=_nothing, remove=_by("DeleteSecurityGroup", "GroupId")
    ),
    "AWS::EC2::RouteTable": Kind(
        "ec2",
        just("CreateRouteTable"),
        answered="RouteTable.RouteTableId",
        change=_nothing,
        remove=_by("DeleteRouteTable", "RouteTableId"),
    ),
    "AWS::EC2::SubnetRouteTableAssociation": Kind(
        "ec2",
        just("AssociateRouteTable"),
        answered="AssociationId",
        change=_nothing,
        remove=_by("DisassociateRouteTable", "AssociationId"),
    ),
    "AWS::S3::BucketPolicy": Kind("s3", _bucket_policy),
    "AWS::Batch::ComputeEnvironment": Kind(
        "batch",
        just("CreateComputeEnvironment", ComputeEnvironmentName="{}", ServiceRole=SERVICE_ROLE, State="ENABLED"),
        "ComputeEnvironmentName",
        "computeEnvironmentArn",
        change=_nothing,
        remove=_remove_environment,
    ),
    "AWS::Batch::JobQueue": Kind(
        "batch",
        just("CreateJobQueue", State="ENABLED"),
        "JobQueueName",
        "jobQueueArn",
        change=_nothing,
        remove=_remove_queue,
    ),
    "AWS::Batch::JobDefinition": Kind(
        "batch",
        just("RegisterJobDefinition"),
        "JobDefinitionName",
        "jobDefinitionArn",
        change=_next_revision,
        remove=_by("DeregisterJobDefinition", "jobDefinition"),
    ),
    "AWS::Scheduler::Schedule": Kind(
        "scheduler",
        just("CreateSchedule"),
        "Name",
        change=just("UpdateSchedule"),
        remove=_by("DeleteSchedule", "Name"),
    ),
    "AWS::Glue::Job": Kind("glue", just("CreateJob"), "Name", change=_job, remove=_by("DeleteJob", "JobName")),
    "AWS::Glue::Database": Kind(
        "glue", just("CreateDatabase"), "DatabaseInput.Name", change=_nothing, remove=_by("DeleteDatabase", "Name")
    ),
    "AWS::Logs::LogGroup": Kind(
        "logs",
        _log_group,
        "LogGroupName",
        change=_log_retention,
        remove=_by("DeleteLogGroup", "LogGroupName"),
        # With its streams.
        attributes=(("Arn", f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{{}}:*"),),
    ),
    "AWS::Logs::MetricFilter": Kind("logs", just("PutMetricFilter", FilterName="{}")),
    "AWS::CloudWatch::Alarm": Kind("cloudwatch", just("PutMetricAlarm"), "AlarmName"),
    "AWS::SNS::TopicPolicy": Kind("sns", _topic_policy),
    "AWS::SNS::Subscription": Kind("sns", just("Subscribe"), answered="SubscriptionArn"),
    "AWS::RedshiftServerless::Namespace": Kind("redshift-serverless", _namespace, "NamespaceName"),
    "AWS::RedshiftServerless::Workgroup": Kind(
        "redshift-serverless",
        just("CreateWorkgroup"),
        "WorkgroupName",
        change=_workgroup_change,
        changes_only=True,
        attributes=(
            ("Workgroup.WorkgroupArn", f"arn:aws:redshift-serverless:{REGION}:{ACCOUNT}:workgroup/{{}}"),
            ("Workgroup.Endpoint.Address", f"{{}}.{ACCOUNT}.{REGION}.redshift-serverless.amazonaws.com"),
        ),
    ),
}
