"""Resources of a stack, made in moto: those that the pipeline and the deployment use there.

They are the bucket, roles, the database, log groups, the topic with its subscription, and the alarms, each without the
properties that nobody asks about.
"""

import json
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import boto3

from tests.standins.template import REGION, Resolved

SESSION = boto3.Session(aws_access_key_id="testing", aws_secret_access_key="testing", region_name=REGION)
Client = Callable[[str], Any]


def clients(url: str) -> Client:
    """A maker of clients of moto's services, in a session of their own."""
    return partial(_client, url)


@cache
def _client(url: str, service: str) -> Any:
    return SESSION.client(service, endpoint_url=url)


def make(stack: Resolved, client: Client) -> None:
    for name in stack.of_kind("AWS::S3::Bucket"):
        client("s3").create_bucket(Bucket=name)
    for name, role in stack.of_kind("AWS::IAM::Role").items():
        client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(role["AssumeRolePolicyDocument"]))
    for database in stack.of_kind("AWS::Glue::Database").values():
        client("glue").create_database(DatabaseInput=database["DatabaseInput"])
    for name in stack.of_kind("AWS::Logs::LogGroup"):
        client("logs").create_log_group(logGroupName=name)
    for name in stack.of_kind("AWS::SNS::Topic"):
        client("sns").create_topic(Name=name)
    for subscription in stack.of_kind("AWS::SNS::Subscription").values():
        client("sns").subscribe(**subscription)
    for name, alarm in stack.of_kind("AWS::CloudWatch::Alarm").items():
        client("cloudwatch").put_metric_alarm(
            AlarmName=name, AlarmActions=alarm["AlarmActions"], ComparisonOperator=alarm["ComparisonOperator"],
            Threshold=1, EvaluationPeriods=1, MetricName="any", Namespace="any", Period=60, Statistic="Sum",
        )  # fmt: skip


def unmake(stack: Resolved, client: Client) -> None:
    """All but the bucket, which stays."""
    for name in stack.of_kind("AWS::IAM::Role"):
        client("iam").delete_role(RoleName=name)
    for name in stack.of_kind("AWS::Glue::Database"):
        client("glue").delete_database(Name=name)
    for name in stack.of_kind("AWS::Logs::LogGroup"):
        client("logs").delete_log_group(logGroupName=name)
    client("sns").delete_topic(TopicArn=stack.outputs["Topic"])
    client("cloudwatch").delete_alarms(AlarmNames=list(stack.of_kind("AWS::CloudWatch::Alarm")))
