"""Runs on AWS Batch: submitted, followed to the end with their log, and listed."""

import json
import time
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from batch.aws import DeployError, pause, using
from batch.terminal import say

# Seconds. A run that has not started by then will not: Fargate takes a minute or two.
MAX_QUEUED = 900
MISCONFIGURED = 78
# The pipeline's own codes, as the README lists them, and those with which a container ends.
MEANING = {
    30: "a task failed; the next run tries it again",
    35: "the lake could not be queried; the next run tries again",
    40: "an unexpected error, see the log",
    MISCONFIGURED: "a setting or a right is wrong, the log names it and the fix",
    137: "killed: out of memory, or out of time",
    143: "stopped by SIGTERM; the next run does the rest",
}
Job = dict[str, Any]
"""As Batch describes it."""


def submit(*, queue: str, definition: str, name: str, hour: str) -> str:
    """The ID of a run of this hour, like 2026-11-23T04."""
    with using("batch") as batch:
        submitted = batch.submit_job(
            jobName=f"{name}-{hour}", jobQueue=queue, jobDefinition=definition, parameters={"hour": hour}
        )
    return str(submitted["jobId"])


def recent(queue: str, since: datetime) -> list[Job]:
    """The newest first."""
    created = str(int(since.timestamp() * 1000))
    with using("batch") as batch:
        # With this filter a queue lists jobs of every status.
        pages = batch.get_paginator("list_jobs").paginate(
            jobQueue=queue, filters=[{"name": "AFTER_CREATED_AT", "values": [created]}]
        )
        found = [job for page in pages for job in page["jobSummaryList"]]
    return sorted(found, key=lambda job: int(job["createdAt"]), reverse=True)


def outcome(job: Job) -> str:
    """How a failed run ended."""
    code = job.get("container", {}).get("exitCode")
    if code is None:
        return _reason(job) or "it never started, and Batch gives no reason"
    return f"exit code {code}: {MEANING.get(code) or _reason(job) or 'see the log'}"


def _reason(job: Job) -> str:
    # The container's reason is more specific.
    return " ".join(str(job.get("container", {}).get("reason") or job.get("statusReason") or "").split())


def follow(job_id: str, *, log_group: str) -> Job:
    """Print its status and log as they come; the job once it has ended."""
    before, began, tokens = "", time.monotonic(), dict[str, str]()
    with using("batch") as batch:
        while True:
            found = batch.describe_jobs(jobs=[job_id])["jobs"]
            if not found:
                raise DeployError(f"Batch has no job {job_id} any more")
            [job] = found
            is_done = job["status"] in ("SUCCEEDED", "FAILED")
            stream = job.get("container", {}).get("logStreamName")
            reason = "" if is_done else _reason(job)
            now = f"{job['status']}: {reason}" if reason else job["status"]
            if now != before:
                say(f"  {now}")
                before = now
            if is_done:
                # The last lines arrive a little later.
                pause()
            if stream:
                _print_new(log_group, stream, tokens)
            if is_done:
                return dict(job)
            if not stream and time.monotonic() - began > MAX_QUEUED:
                raise DeployError(
                    f"the run did not start within {MAX_QUEUED / 60:.0f} minutes ({now}): "
                    "see the compute environment and its subnets in the Batch console"
                )
            pause()


def _print_new(group: str, stream: str, tokens: dict[str, str]) -> None:
    """The lines since the last call. Each attempt of a job has its own stream; `tokens` says how far each was read."""
    with using("logs") as logs:
        while True:
            after = {"nextToken": tokens[stream]} if stream in tokens else {}
            try:
                answer = logs.get_log_events(logGroupName=group, logStreamName=stream, startFromHead=True, **after)
            except ClientError as error:
                if error.response["Error"]["Code"] == "ResourceNotFoundException":
                    # The container has not written anything yet.
                    return
                raise
            for event in answer["events"]:
                say(f"  | {readable(event['message'])}")
            if answer["nextForwardToken"] == tokens.get(stream):
                return
            tokens[stream] = answer["nextForwardToken"]


def readable(line: str) -> str:
    """A line of the job's log, which is JSON, for people."""
    try:
        event = json.loads(line)
        moment = datetime.fromisoformat(event.pop("time")).astimezone(UTC)
        level, text = event.pop("level"), event.pop("event")
    except (ValueError, KeyError, AttributeError, TypeError):
        return line.rstrip()
    event.pop("traceback", None)
    mark = "" if level == "info" else f"{level}: "
    return f"{moment:%H:%M:%S} {mark}{text}" + "".join(f"  {name}={value}" for name, value in event.items())
