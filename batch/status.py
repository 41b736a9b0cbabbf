"""Whether a deployment is well: its last runs, the last one that succeeded, its alarms."""

from datetime import UTC, datetime, timedelta
from typing import Any

from batch import warehouse
from batch.errors import DeployError, asking
from batch.follow import Job
from batch.stack import Stack
from batch.terminal import say
from reddit_etl.aws import client

SHOWN = 5
# Batch forgets a job after about a week.
MEMORY = timedelta(days=7)


def status(name: str, *, now: datetime) -> bool:
    """Say it, a line each; whether all is well."""
    stack = Stack(name)
    found = stack.describe()
    if not found or not stack.is_there():
        raise DeployError(f"there is no stack {name} in this account and region: run `make deploy`")
    outputs = stack.outputs()
    state, values = found["StackStatus"], stack.values()
    say(f"stack       {name}: {state}")
    paused = values.get("ScheduleState") == "DISABLED"
    if "JobQueue" not in outputs:
        # Its first creation is under way, or its removal.
        return False
    say(f"schedule    {values['Schedule']}{', which is disabled: no run starts' if paused else ''}")
    runs = _runs(outputs["JobQueue"], now - MEMORY)
    for run in runs[:SHOWN]:
        say(f"run         {_told(run)}")
    ended = [run for run in runs if run["status"] in ("SUCCEEDED", "FAILED")]
    good = [run for run in ended if run["status"] == "SUCCEEDED"]
    if good:
        moment = _moment(good[0]["stoppedAt"])
        say(f"last good   {moment:%Y-%m-%d %H:%M} UTC, {(now - moment).total_seconds() / 3600:.1f} hours ago")
    else:
        say(f"last good   none in the last {MEMORY.days} days")
    alarms = _alarms(stack.names("AWS::CloudWatch::Alarm"))
    ringing = [alarm for alarm in alarms if alarm["StateValue"] == "ALARM"]
    for alarm in ringing:
        say(f"ALARM       {alarm['AlarmName']}: {' '.join(alarm.get('StateReason', '').split())}")
    if not ringing:
        say(f"alarms      {len(alarms)}, none rings")
    say(f"told        {_listeners(outputs['Topic'])}")
    warehouse.tell(outputs)
    say(f"log         aws logs tail {outputs['LogGroup']} --since 2h --follow")
    return bool(good) and ended[0]["status"] == "SUCCEEDED" and not ringing and state.endswith("_COMPLETE")


def _runs(queue: str, since: datetime) -> list[dict[str, Any]]:
    """The newest first."""
    batch = client("batch", place="Batch")
    after = str(int(since.timestamp() * 1000))
    with asking("Batch"):
        # With this filter a queue lists jobs of every status.
        pages = batch.get_paginator("list_jobs").paginate(
            jobQueue=queue, filters=[{"name": "AFTER_CREATED_AT", "values": [after]}]
        )
        found = [job for page in pages for job in page["jobSummaryList"]]
    return sorted(found, key=lambda job: int(job["createdAt"]), reverse=True)


def _alarms(names: list[str]) -> list[dict[str, Any]]:
    if not names:
        return []
    cloudwatch = client("cloudwatch", place="CloudWatch")
    with asking("CloudWatch"):
        pages = cloudwatch.get_paginator("describe_alarms").paginate(AlarmNames=names)
        return [alarm for page in pages for alarm in page["MetricAlarms"]]


def _listeners(topic: str) -> str:
    """Who is told when an alarm rings."""
    sns = client("sns", place="SNS")
    with asking("SNS"):
        pages = sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
        found = [entry for page in pages for entry in page["Subscriptions"]]
    # AWS writes this in place of the ARN.
    late = " (has not answered the mail of AWS, and is told nothing until then)"
    names = [entry["Endpoint"] + late * (entry["SubscriptionArn"] == "PendingConfirmation") for entry in found]
    return ", ".join(names) or "nobody when an alarm rings: `make deploy EMAIL=…`"


def _told(run: dict[str, Any]) -> str:
    text = f"{_moment(run['createdAt']):%Y-%m-%d %H:%M} UTC  {run['status']:<10}{run['jobName']}"
    return f"{text}: {Job.of(run).end}  (job {run['jobId']})" if run["status"] == "FAILED" else text


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
