"""AWS Batch on loopback: it runs the command of a stack's job definition, by a function, and keeps its log."""

import json
import time
from collections.abc import Callable
from typing import Any

from tests.standins.cloudformation import CloudFormation
from tests.standins.resources import Client

Job = dict[str, Any]


class Batch:
    def __init__(
        self, stacks: CloudFormation, client: Client, run: Callable[[list[str]], tuple[int, list[str]]]
    ) -> None:
        self.stacks, self.client, self.run = stacks, client, run
        self.jobs: list[list[Job]] = []
        """What is still to be answered about each; the last stays."""
        self.states: list[Job] | None = None
        """What a test has the jobs to come go through, without a run."""

    def answer(self, _method: str, path: str, body: bytes) -> tuple[int, str]:
        asked = json.loads(body)
        if path.endswith("submitjob"):
            return 200, json.dumps(self._submitted(asked))
        if path.endswith("describejobs"):
            [job_id] = asked["jobs"]
            [states] = [states for states in self.jobs if states[-1]["jobId"] == job_id]
            return 200, json.dumps({"jobs": [states.pop(0) if len(states) > 1 else states[0]]})
        return 200, json.dumps({"jobSummaryList": [states[-1] for states in self.jobs]})

    def _submitted(self, asked: Job) -> Job:
        name = asked["jobQueue"].rpartition("/")[2]
        stack = self.stacks.find(name).resolved
        assert stack.resources["JobQueue"]["JobQueueName"] == name
        definition = stack.of_kind("AWS::Batch::JobDefinition")[asked["jobDefinition"]]
        job = {"jobId": f"{len(self.jobs) + 1:08d}-1d9a-4b43-a4f6-3c1d0a3b2f55", "jobName": asked["jobName"]}
        known = definition.get("Parameters", {}) | asked["parameters"]
        words = [
            known[word[5:]] if word.startswith("Ref::") else word
            for word in definition["ContainerProperties"]["Command"]
        ]
        states = self.states or self._ran(words, stream=f"run/default/{job['jobId']}", name=name)
        self.jobs.append([job | state for state in states])
        return job | {"jobArn": "arn:job"}

    def _ran(self, words: list[str], *, stream: str, name: str) -> list[Job]:
        begun = int(time.time() * 1000)
        code, lines = self.run(words)
        self.write(f"/batch/{name}", stream, *lines)
        end = {"createdAt": begun, "stoppedAt": int(time.time() * 1000)}
        done = {"status": "FAILED" if code else "SUCCEEDED", "container": {"exitCode": code, "logStreamName": stream}}
        return [{"status": "RUNNABLE"}, {"status": "STARTING"}, end | done]

    def write(self, group: str, stream: str, *lines: str) -> None:
        """Lines of a job's log."""
        logs, now = self.client("logs"), int(time.time() * 1000)
        logs.create_log_stream(logGroupName=group, logStreamName=stream)
        events = [{"timestamp": now, "message": line} for line in lines if line]
        if events:
            logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)
