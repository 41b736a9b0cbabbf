"""`python -m batch status`: the schedule, the last runs, the alarms and who gets them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from batch import run, stack, warehouse
from batch.aws import DeployError, using
from batch.terminal import say

SHOWN = 5
# Batch lists a job for about a week.
LOOK_BACK = timedelta(days=7)


def status(name: str, *, now: datetime) -> bool:
    """Print it; whether the last run succeeded and no alarm is active."""
    found = stack.look_up(name)
    if not found.exists:
        raise DeployError(f"there is no stack {name} in this account and region: run `make deploy`")
    outputs, values = found.outputs, found.parameters
    say(f"stack       {name}: {found.status}")
    if "JobQueue" not in outputs:
        # It is being created for the first time, or deleted.
        return False
    paused = ", disabled: no run starts" if values.get("ScheduleState") == "DISABLED" else ""
    say(f"schedule    {values['Schedule']}{paused}")
    jobs = run.recent(outputs["JobQueue"], now - LOOK_BACK)
    for job in jobs[:SHOWN]:
        failed = f": {run.outcome(job)}  (job {job['jobId']})" if job["status"] == "FAILED" else ""
        say(f"run         {_moment(job['createdAt']):%Y-%m-%d %H:%M} UTC  {job['status']:<10}{job['jobName']}{failed}")
    ended = [job for job in jobs if job["status"] in ("SUCCEEDED", "FAILED")]
    succeeded = [job for job in ended if job["status"] == "SUCCEEDED"]
    if succeeded:
        moment = _moment(succeeded[0]["stoppedAt"])
        say(f"succeeded   last at {moment:%Y-%m-%d %H:%M} UTC, {(now - moment).total_seconds() / 3600:.1f} hours ago")
    else:
        say(f"succeeded   no run in the last {LOOK_BACK.days} days")
    alarms = _alarms(outputs["Topic"])
    active = [alarm for alarm in alarms if alarm["StateValue"] == "ALARM"]
    for alarm in active:
        say(f"ALARM       {alarm['AlarmName']}: {' '.join(alarm.get('StateReason', '').split())}")
    if not active:
        say(f"alarms      {len(alarms)}, none active")
    say(f"subscribed  {_subscribers(outputs['Topic'])}")
    if "Workgroup" in outputs:
        warehouse.explain_queries(outputs)
    say(f"log         aws logs tail {outputs['LogGroup']} --since 2h --follow")
    return bool(succeeded) and ended[0] is succeeded[0] and not active and found.status.endswith("_COMPLETE")


def _alarms(topic: str) -> list[dict[str, Any]]:
    """Those that notify the topic."""
    with using("cloudwatch") as cloudwatch:
        pages = cloudwatch.get_paginator("describe_alarms").paginate(ActionPrefix=topic)
        return [alarm for page in pages for alarm in page["MetricAlarms"]]


def _subscribers(topic: str) -> str:
    with using("sns") as sns:
        pages = sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
        found = [entry for page in pages for entry in page["Subscriptions"]]
    # AWS writes this in place of the ARN.
    pending = " (not confirmed yet: it gets no alarms until the link in AWS's e-mail is opened)"
    names = [entry["Endpoint"] + pending * (entry["SubscriptionArn"] == "PendingConfirmation") for entry in found]
    return ", ".join(names) or "no alarm subscribers: run `make deploy EMAIL=…`"


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
