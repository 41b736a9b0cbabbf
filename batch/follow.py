"""One run on AWS Batch: submitted, and followed to its end with its log."""

import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

from botocore.exceptions import ClientError

from batch.errors import DeployError, asking
from batch.terminal import say, waiting
from reddit_etl.aws import client

INTERVAL = 2.0
# A run that has not begun by then will not: Fargate takes a minute or two.
LONGEST_QUEUE = 900
MISCONFIGURED = 78
# The job's own codes are those of luigi.cfg and jobs/process.py; the others are what a container ends with.
MEANING = {
    1: "the program could not start, the log says why",
    10: "another run was under way",
    20: "data was missing",
    25: "a task was not run",
    30: "a task failed; the next run tries it again",
    35: "the lake could not be asked what is done; the next run tries again",
    40: "an error that the pipeline does not know, the log has it",
    MISCONFIGURED: "a setting or a right is wrong, the log names it and the fix",
    137: "killed: out of memory, or out of time",
    139: "the program crashed",
    143: "stopped by SIGTERM; the next run does the rest",
}


@dataclass(frozen=True)
class Job:
    """What Batch says of a job, in words."""

    status: str
    reason: str
    exit_code: int | None
    stream: str | None

    @classmethod
    def of(cls, raw: dict[str, Any]) -> Self:
        container = raw.get("container", {})
        # The container's reason is the nearer one.
        reason = " ".join(str(container.get("reason") or raw.get("statusReason") or "").split())
        return cls(
            raw["status"],
            reason,
            container.get("exitCode"),
            container.get("logStreamName"),
        )

    @property
    def is_complete(self) -> bool:
        return self.status in ("SUCCEEDED", "FAILED")

    @property
    def end(self) -> str:
        """How a failed run ended."""
        if self.exit_code is None:
            return self.reason or "it never started, and Batch gives no reason"
        meaning = MEANING.get(self.exit_code, self.reason or "the log says more")
        return f"exit code {self.exit_code}: {meaning}"


def submit(*, queue: str, definition: str, name: str, hour: datetime) -> str:
    """The ID of a run of this hour."""
    batch = client("batch", place="Batch")
    text = f"{hour:%Y-%m-%dT%H}"
    with asking("Batch"):
        submitted = batch.submit_job(
            jobName=f"{name}-{text}", jobQueue=queue, jobDefinition=definition, parameters={"hour": text}
        )
    return str(submitted["jobId"])


def follow(job_id: str, *, log_group: str) -> Job:
    """Show its log as it comes; gives the job once it has ended."""
    batch = client("batch", place="Batch")
    log = Log(log_group)
    before = ""
    begun = time.monotonic()
    while True:
        with asking("Batch"):
            found = batch.describe_jobs(jobs=[job_id])["jobs"]
        if not found:
            raise DeployError(f"Batch knows no job {job_id} any more")
        job = Job.of(found[0])
        now = f"{job.status}{': ' + job.reason if job.reason and not job.is_complete else ''}"
        if now != before:
            say(f"  {now}")
            before = now
        log.show(job.stream)
        if job.is_complete:
            # The last lines come a little after the end.
            time.sleep(INTERVAL)
            log.show(job.stream)
            return job
        waited = time.monotonic() - begun
        if job.stream is None and waited > LONGEST_QUEUE:
            why = f" ({job.reason})" if job.reason else ""
            raise DeployError(
                f"the run has been {job.status} for {waited / 60:.0f} minutes{why}: "
                "look at the compute environment and its subnets in Batch's console"
            )
        waiting(f"  {job.status} {waited:.0f} s")
        time.sleep(INTERVAL)


class Log:
    """The log of a job; each attempt has a stream of its own."""

    def __init__(self, group: str) -> None:
        self._aws = client("logs", place="CloudWatch Logs")
        self._group = group
        self._token: dict[str, str] = {}

    def show(self, stream: str | None) -> None:
        """What has come since the last time."""
        while stream:
            after = {"nextToken": self._token[stream]} if stream in self._token else {}
            with asking("CloudWatch Logs"):
                try:
                    answer = self._aws.get_log_events(
                        logGroupName=self._group, logStreamName=stream, startFromHead=True, **after
                    )
                except ClientError as error:
                    if error.response["Error"]["Code"] == "ResourceNotFoundException":
                        # The container has said nothing yet.
                        return
                    raise
            for event in answer["events"]:
                say(f"  | {spoken(event['message'])}")
            if answer["nextForwardToken"] == self._token.get(stream):
                return
            self._token[stream] = answer["nextForwardToken"]


def spoken(line: str) -> str:
    """A line of the job's log, which is JSON, as a person reads it."""
    try:
        event = json.loads(line)
        moment = datetime.fromisoformat(event.pop("time")).astimezone(UTC)
        level, text = event.pop("level"), event.pop("event")
    except (ValueError, KeyError, AttributeError, TypeError):
        return line.rstrip()
    event.pop("traceback", None)
    mark = "" if level == "info" else f"{level}: "
    return f"{moment:%H:%M:%S} {mark}{text}" + "".join(f"  {name}={value}" for name, value in event.items())
