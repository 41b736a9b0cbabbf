"""`python -m batch status`: the schedules, the last runs and maintenance, the alarms and who gets them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
from botocore.config import Config

from batch import run, stack, warehouse
from batch.aws import DeployError, using
from batch.terminal import say
from reddit_etl.lake.layout import REPORTS

SHOWN = 5
# Batch lists a job for about a week.
LOOK_BACK = timedelta(days=7)
LAKE = "lake"
"""The lake's prefix in the stack's bucket."""
LINK_SECONDS = 3600


def status(name: str, *, now: datetime) -> bool:
    """Print it; whether the last run and the last maintenance succeeded and no alarm is active."""
    found = stack.look_up(name)
    if not found.exists:
        raise DeployError(f"there is no stack {name} in this account and region: run `make deploy`")
    outputs, values = found.outputs, found.parameters
    say(f"stack       {name}: {found.status}")
    if "JobQueue" not in outputs:
        # It is being created for the first time, or deleted.
        return False
    if "MaintenanceDefinition" not in outputs:
        raise DeployError(f"the stack {name} is of an older version: run `make deploy`")
    paused = ", disabled: no run starts" if values.get("ScheduleState") == "DISABLED" else ""
    say(f"schedule    {values['Schedule']}, maintenance {values['MaintenanceSchedule']}{paused}")
    jobs = run.recent(outputs["JobQueue"], now - LOOK_BACK)
    daily = [job for job in jobs if job["jobName"].startswith(outputs["MaintenanceDefinition"])]
    hourly = [job for job in jobs if job not in daily]
    are_good = [_show("run", hourly[:SHOWN], hourly, now), _show("maintenance", daily[:1], daily, now)]
    alarms = _alarms(outputs["Topic"])
    active = [alarm for alarm in alarms if alarm["StateValue"] == "ALARM"]
    for alarm in active:
        say(f"ALARM       {alarm['AlarmName']}: {' '.join(alarm.get('StateReason', '').split())}")
    if not active:
        say(f"alarms      {len(alarms)}, none active")
    say(f"subscribed  {_subscribers(outputs['Topic'])}")
    if values.get("DailyReport") == "yes":
        say(f"report      {_report(outputs['Bucket'])}")
    if "Workgroup" in outputs:
        warehouse.explain_queries(outputs)
    say(f"log         aws logs tail {outputs['LogGroup']} --since 2h --follow")
    return all(are_good) and not active and found.status.endswith("_COMPLETE")


def _show(title: str, shown: Sequence[run.Job], jobs: Sequence[run.Job], now: datetime) -> bool:
    """Print some jobs, and when one of all of them succeeded last; whether the last that ended did. Newest first."""
    for job in shown:
        failed = f": {run.outcome(job)}  (job {job['jobId']})" if job["status"] == "FAILED" else ""
        created = f"{_moment(job['createdAt']):%Y-%m-%d %H:%M} UTC"
        say(f"{title:<12}{created}  {job['status']:<10}{job['jobName']}{failed}")
    ended = [job for job in jobs if job["status"] in ("SUCCEEDED", "FAILED")]
    succeeded = [job for job in ended if job["status"] == "SUCCEEDED"]
    if succeeded:
        moment = _moment(succeeded[0]["stoppedAt"])
        ago = (now - moment).total_seconds() / 3600
        say(f"succeeded   last {title} at {moment:%Y-%m-%d %H:%M} UTC, {ago:.1f} hours ago")
    else:
        say(f"succeeded   no {title} in the last {LOOK_BACK.days} days")
    return bool(succeeded) and ended[0] is succeeded[0]


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


def _report(bucket: str) -> str:
    """A link to the newest one, for whoever has it."""
    with using("s3") as s3:
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{LAKE}/{REPORTS}")
        key = max((entry["Key"] for page in pages for entry in page.get("Contents", ())), default=None)
        if not key:
            return "none yet: maintenance makes it"
        link = _link(bucket, key)
    hour = key.rpartition("/")[2].removesuffix(".html")
    return f"to {hour}, for an hour, or until your login ends: {link}"


def _link(bucket: str, key: str) -> str:
    # By default links are signed in a way that newer regions do not accept, and name a host that serves none of these.
    signing = boto3.client("s3", config=Config(signature_version="s3v4", s3={"addressing_style": "virtual"}))
    link: str = signing.generate_presigned_url("get_object", {"Bucket": bucket, "Key": key}, ExpiresIn=LINK_SECONDS)
    return link


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
