"""AWS Batch on loopback that runs its jobs: each as a process, on the embedded engines, with its log in CloudWatch's.

A job's command is that of the definition, which moto keeps; its environment is a matter of the image's tests.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.standins.s3 import PROJECT


class Batch:
    def __init__(self, *, definitions: Any, logs: Any, folder: Path) -> None:
        self.definitions, self.logs, self.folder = definitions, logs, folder
        self.jobs: dict[str, list[dict[str, Any]]] = {}
        """What is still to be said of each; the last stays."""

    def answer(self, _method: str, path: str, body: bytes) -> tuple[int, str]:
        asked = json.loads(body)
        if path.endswith("submitjob"):
            return 200, json.dumps(self._submitted(asked))
        if path.endswith("describejobs"):
            return 200, json.dumps({"jobs": [self._now(job_id) for job_id in asked["jobs"]]})
        return 200, json.dumps({"jobSummaryList": [states[-1] for states in self.jobs.values()]})

    def _now(self, job_id: str) -> dict[str, Any]:
        states = self.jobs[job_id]
        return states.pop(0) if len(states) > 1 else states[0]

    def _submitted(self, asked: dict[str, Any]) -> dict[str, str]:
        # By name, of which CloudFormation leaves one revision.
        [definition] = self.definitions.describe_job_definitions(
            jobDefinitionName=asked["jobDefinition"], status="ACTIVE"
        )["jobDefinitions"]
        container = definition["containerProperties"]
        known = definition["parameters"] | asked["parameters"]
        command = [known[word[5:]] if word.startswith("Ref::") else word for word in container["command"]]
        job = {"jobId": f"{len(self.jobs) + 1:08d}-1d9a-4b43-a4f6-3c1d0a3b2f55", "jobName": asked["jobName"]}
        begun = int(time.time() * 1000)
        code, lines = self._run(command)
        stream = f"run/default/{job['jobId']}"
        group = container["logConfiguration"]["options"]["awslogs-group"]
        self.logs.create_log_stream(logGroupName=group, logStreamName=stream)
        self.logs.put_log_events(
            logGroupName=group,
            logStreamName=stream,
            logEvents=[{"timestamp": begun, "message": line} for line in lines if line],
        )
        end = {"createdAt": begun, "stoppedAt": int(time.time() * 1000)}
        done = {"status": "FAILED" if code else "SUCCEEDED", "container": {"exitCode": code, "logStreamName": stream}}
        self.jobs[job["jobId"]] = [job | {"status": "RUNNABLE"}, job | {"status": "STARTING"}, job | end | done]
        return job | {"jobArn": "arn:job"}

    def _run(self, command: list[str]) -> tuple[int, list[str]]:
        bare = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "REDDIT_"))}
        shutil.copy(PROJECT / "luigi.cfg", self.folder)
        done = subprocess.run(
            [sys.executable, "-m", "luigi", "--module", "jobs", *command],
            cwd=self.folder,
            env=bare | {"PYTHONPATH": str(PROJECT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout.splitlines()
