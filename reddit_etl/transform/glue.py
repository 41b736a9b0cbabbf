"""The transformation as a run of an AWS Glue job.

The job's script is batch/glue/transform.py. It gets the lake and the key of a manifest, both of which may be logged,
and leaves a report beside the manifest. StartJobRun takes no token against doubles, so whoever comes back after a kill
or a lost answer looks for a live run of the same work before it starts another.
"""

import json
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from enum import Enum
from typing import Any

from reddit_etl import aws
from reddit_etl.entities import ENTITIES
from reddit_etl.entities.schema import Entity
from reddit_etl.errors import ConfigurationError, TransformError
from reddit_etl.lake.base import Lake
from reddit_etl.lake.receipts import DataObject
from reddit_etl.lake.tombstones import Tombstone
from reddit_etl.transform.base import Folder, Merged, Parts, Rewritten, Transformation
from reddit_etl.transform.glue_report import read_merging, read_object, read_report, read_rewriting
from reddit_etl.transform.sql import definition, merging_definition, rewriting_definition

log = logging.getLogger(__name__)

FIXES = {
    "EntityNotFoundException": "no such job: deploy the stack, or name the job that exists",
    "AccessDeniedException": "grant this role glue:GetJob, glue:StartJobRun, glue:GetJobRun and glue:GetJobRuns on it",
    "ParamValidationError": "use a name that Glue allows",
    "InvalidInputException": "Glue does not take this name or these arguments: deploy the stack, and name its job",
}


class Stage(Enum):
    """What a state of a run means to the one who waits for it."""

    LIVE = "may be attached to"
    ENDING = "will end, and not well"
    GOOD = "its report counts"
    BAD = "failed"


STAGES = {
    "STARTING": Stage.LIVE,
    "RUNNING": Stage.LIVE,
    "WAITING": Stage.LIVE,
    "STOPPING": Stage.ENDING,
    "SUCCEEDED": Stage.GOOD,
    "FAILED": Stage.BAD,
    "TIMEOUT": Stage.BAD,
    "STOPPED": Stage.BAD,
    "ERROR": Stage.BAD,
    "EXPIRED": Stage.BAD,
}
# Refusals of a run that another moment may allow.
BUSY = ("ConcurrentRunsExceededException", "ResourceNumberLimitExceededException")
# An hour's transformation takes minutes. Who has found no room for so long is behind a run that hangs.
LONGEST_QUEUE = 2 * 3600
LONGEST_INTERVAL = 30
LOST_ANSWERS = 3
OLDEST_GLUE = 5.0  # The first with Spark 3.5 and Python 3.11, which the script and the library need.
LONGEST_MESSAGE = 300


class AnswerLost(Exception):
    """StartJobRun was sent, and nobody knows whether it started a run."""


class GlueTransform:
    """A `TransformEngine` that has a Glue job do it, and waits."""

    def __init__(self, *, job: str, pause: Callable[[float], None] = time.sleep) -> None:
        self._job = job
        self._pause = pause
        self._place = f"GLUE_JOB_NAME: {job}"
        self._client = aws.client("glue", setting=self._place)
        self._client.meta.events.register("needs-retry.glue.StartJobRun", _not_again_unseen)

    def __call__(self, *, entity: Entity, lake: Lake, inputs: Sequence[DataObject], prefix: str) -> Transformation:
        """See `TransformEngine`. The prefix ends in the attempt's name; other attempts are beside it."""
        if not inputs:
            return Transformation(0, 0, ())
        manifest = {
            "entity": entity.name,
            "definition": definition(entity),
            "inputs": [asdict(entry) for entry in inputs],
            "output": prefix,
            "report": f"{prefix}_report.json",
        }
        run, manifest = self._done(lake, manifest)
        return read_report(lake, manifest, f"{self._place}: run {run} succeeded")

    def rewrite(
        self, *, lake: Lake, folders: Iterable[Folder], tombstones: Sequence[Tombstone], prefix: str
    ) -> Iterator[Rewritten]:
        """See `TransformEngine`. One run for all folders; the prefix ends as that of a transformation does."""
        asked = list(folders)
        if not asked:
            return
        manifest: dict[str, Any] = {
            "definition": rewriting_definition(ENTITIES.values()),
            "tombstones": [(one.entity, one.id, one.kind, one.moment) for one in tombstones],
            "folders": [{"entity": one.entity.name, "keys": one.keys} for one in asked],
            "to": [one.to for one in asked],
            "output": prefix,
            "report": f"{prefix}_report.json",
        }
        # As it will be read again.
        run, manifest = self._done(lake, json.loads(json.dumps(manifest)))
        theirs = [Folder(one.entity, one.keys, to) for one, to in zip(asked, manifest["to"], strict=True)]
        yield from read_rewriting(lake, manifest, theirs, f"{self._place}: run {run} succeeded")

    def merge(self, *, lake: Lake, all_parts: Iterable[Parts], prefix: str) -> Iterator[Merged]:
        """See `TransformEngine`. One run for all; the prefix ends as that of a transformation does."""
        asked = list(all_parts)
        if not asked:
            return
        manifest: dict[str, Any] = {
            "definition": merging_definition(ENTITIES.values()),
            "parts": [{"entity": one.entity.name, "objects": list(map(asdict, one.objects))} for one in asked],
            "to": [one.to for one in asked],
            "output": prefix,
            "report": f"{prefix}_report.json",
        }
        run, manifest = self._done(lake, manifest)
        theirs = [Parts(one.entity, one.objects, to) for one, to in zip(asked, manifest["to"], strict=True)]
        found = read_merging(lake, manifest, theirs, f"{self._place}: run {run} succeeded")
        # By the prefixes that were asked for, also if another one's run was attached to.
        yield from (Merged(one, done.objects) for one, done in zip(asked, found, strict=True))

    def _done(self, lake: Lake, manifest: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """The run that did the work of the manifest, and its own manifest."""
        with aws.failures(self._place, TransformError, FIXES):
            run, manifest = self._run_of(lake, manifest)
            self._wait(run)
        return run, manifest

    def check(self) -> str:
        """See `TransformEngine`."""
        with aws.failures(self._place, TransformError, FIXES):
            job = self._client.get_job(JobName=self._job)["Job"]
            # Whether this role may look for runs shows here, and not first when one hangs.
            self._client.get_job_runs(JobName=self._job, MaxResults=1)
        version = job.get("GlueVersion", "0.9")
        if float(version) < OLDEST_GLUE:
            fix = f"set its version to {OLDEST_GLUE} or newer"
            raise ConfigurationError(f"{self._place}: it runs on Glue {version}: {fix}")
        role = job["Role"].rpartition("/")[2]
        return f"Glue {version} has the job {self._job}, whose role {role} {self._look_at(role)}"

    def _look_at(self, role: str) -> str:
        """Whether the job's role is there, as far as one may know."""
        place = f"{self._place}: its role {role}"
        iam = aws.client("iam", setting=place)
        with aws.failures(place, TransformError, {"NoSuchEntity": "no such role: set one that exists"}):
            try:
                iam.get_role(RoleName=role)
            except iam.exceptions.ClientError as error:
                if aws.code_of(error) != "AccessDenied":
                    raise
                return "may not be looked at (iam:GetRole)"
        return "exists"

    def _run_of(self, lake: Lake, manifest: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """The live run of this work and its manifest, or a new one as soon as there is room."""
        siblings = manifest["output"][: manifest["output"].rstrip("/").rfind("/") + 1]
        # Athena ignores names that begin so.
        key = f"{manifest['output']}_manifest.json"
        waited, lost = 0, 0
        for seconds in _intervals():
            if found := self._live(lake, siblings, manifest):
                log.info("attached to a Glue run", extra={"job": self._job, "run": found[0]})
                return found
            if not lake.create(key, json.dumps(manifest, indent=1).encode()):
                raise TransformError(f"{lake.url}/{key} is there already, with other content")
            try:
                started = self._client.start_job_run(
                    JobName=self._job, Arguments={"--lake": lake.url, "--manifest": key}
                )
            except AnswerLost as error:
                lost += 1
                if lost == LOST_ANSWERS:
                    raise TransformError(f"{self._place}: {lost} times no answer to StartJobRun: {error}") from error
            except self._client.exceptions.ClientError as error:
                if aws.code_of(error) not in BUSY:
                    raise
                log.info("waiting for room", extra={"job": self._job, "minutes": waited // 60})
            else:
                log.info("started a Glue run", extra={"job": self._job, "run": started["JobRunId"]})
                return started["JobRunId"], manifest
            if waited >= LONGEST_QUEUE:
                raise TransformError(f"{self._place}: no room for another run in {waited // 3600} hours: see its runs")
            self._pause(seconds)
            waited += seconds
        raise AssertionError("the intervals never end")

    def _live(self, lake: Lake, siblings: str, manifest: dict[str, Any]) -> tuple[str, dict[str, Any]] | None:
        """A run that does the same to the same records, for whichever attempt."""
        pages = self._client.get_paginator("get_job_runs").paginate(
            JobName=self._job, PaginationConfig={"PageSize": 200}
        )
        for run in (run for page in pages for run in page["JobRuns"]):
            arguments = run.get("Arguments", {})
            key = arguments.get("--manifest", "")
            if (
                STAGES.get(run["JobRunState"]) is Stage.LIVE
                and arguments.get("--lake") == lake.url
                and key.startswith(siblings)
            ):
                theirs = read_object(lake, key) or {}
                if _work(theirs) == _work(manifest):
                    return run["Id"], theirs
        return None

    def _wait(self, run_id: str) -> None:
        state, waited, reported = "", 0, 0
        # A run has a timeout of its own, so this ends.
        for seconds in _intervals():
            run = self._client.get_job_run(JobName=self._job, RunId=run_id)["JobRun"]
            if run["JobRunState"] != state or waited - reported >= 60:
                state, reported = run["JobRunState"], waited
                log.info("Glue", extra={"run": run_id, "state": state, "minutes": waited // 60})
            stage = STAGES.get(state, Stage.BAD)
            if stage is Stage.GOOD:
                return
            if stage is Stage.BAD:
                message = (run.get("ErrorMessage") or "no reason given").strip().splitlines()[0][:LONGEST_MESSAGE]
                raise TransformError(
                    f"{self._place}: run {run_id} ended as {state}: {message}: "
                    f"see log group {run.get('LogGroupName') or '/aws-glue/jobs'}/error, stream {run_id}"
                )
            self._pause(seconds)
            waited += seconds


def _work(manifest: dict[str, Any]) -> dict[str, Any]:
    """What is to be done, without where it goes."""
    return {name: value for name, value in manifest.items() if name not in ("output", "to", "report")}


def _intervals() -> Iterator[int]:
    seconds = 1
    while True:
        yield seconds
        seconds = min(2 * seconds, LONGEST_INTERVAL)


def _not_again_unseen(
    response: tuple[Any, dict[str, Any]] | None, caught_exception: Exception | None, **_: object
) -> None:
    """Asked by boto3 before it repeats StartJobRun: not if the first one may have started a run."""
    if caught_exception is not None or response is None:
        raise AnswerLost(" ".join(str(caught_exception).split()))
    http, parsed = response
    code = parsed.get("Error", {}).get("Code", "")
    if http.status_code >= 500 or code == "OperationTimeoutException":
        raise AnswerLost(code or f"status {http.status_code}")
