"""AWS Glue on loopback: its job API over HTTP, with runs that really transform, by the job's script or on DuckDB.

A test may script the states of runs, refuse requests and drop answers. Requests that are not about job runs are
forwarded to moto, if its URL is given.
"""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import SHUT_RDWR
from tempfile import TemporaryDirectory
from threading import Event, RLock, Thread
from typing import Any

import boto3

from reddit_etl.entities import ENTITIES
from reddit_etl.lake.folder import FolderLake
from reddit_etl.lake.receipts import DataObject
from reddit_etl.lake.tombstones import Kind, Tombstone
from reddit_etl.transform.base import Folder, Parts
from reddit_etl.transform.duckdb import DuckDBTransform
from tests.standins.s3 import KEYS
from tests.standins.spark import JOB

# Its last part is the name of a role, which moto knows if a test made it.
ROLE = "arn:aws:iam::123456789012:role/transform"
LIVE = ("STARTING", "RUNNING", "WAITING", "STOPPING")


def by_duckdb(lake: Path, manifest: str) -> None:
    """A run's work on DuckDB in place of Spark, for tests of everything around it."""
    asked = json.loads((lake / manifest).read_text())
    if "folders" in asked:
        (lake / asked["report"]).write_text(json.dumps(_rewritten(FolderLake(lake), asked)))
        return
    if "parts" in asked:
        (lake / asked["report"]).write_text(json.dumps(_merged(FolderLake(lake), asked)))
        return
    done = DuckDBTransform()(
        entity=ENTITIES[asked["entity"]],
        lake=FolderLake(lake),
        inputs=[DataObject(**entry) for entry in asked["inputs"]],
        prefix=f"{asked['output']}once/",
    )
    report = {"definition": asked["definition"], **asdict(done)}
    (lake / asked["report"]).write_text(json.dumps(report))


def _rewritten(lake: FolderLake, asked: dict[str, Any]) -> dict[str, Any]:
    """The report of a run that takes what tombstones take."""
    folders = [
        Folder(ENTITIES[one["entity"]], tuple(one["keys"]), f"{to}once/")
        for one, to in zip(asked["folders"], asked["to"], strict=True)
    ]
    stones = [Tombstone(entity, id_, Kind(kind), moment) for entity, id_, kind, moment in asked["tombstones"]]
    done = DuckDBTransform().rewrite(lake=lake, folders=folders, tombstones=stones, prefix="")
    found = [
        {
            "folder": folders.index(one.folder),
            "rows": one.rows,
            "objects": list(map(asdict, one.objects)),
            "digests": one.digests,
        }
        for one in done
    ]
    return {"definition": asked["definition"], "rewritten": found}


def _merged(lake: FolderLake, asked: dict[str, Any]) -> dict[str, Any]:
    """The report of a run that merges objects."""
    every = [
        Parts(ENTITIES[one["entity"]], tuple(DataObject(**entry) for entry in one["objects"]), f"{to}once/")
        for one, to in zip(asked["parts"], asked["to"], strict=True)
    ]
    done = DuckDBTransform().merge(lake=lake, all_parts=every, prefix="")
    return {"definition": asked["definition"], "merged": [list(map(asdict, one.objects)) for one in done]}


@dataclass
class Run:
    """A run of the job. Scripted states advance with each request for the run; the last one stays."""

    id: str
    arguments: dict[str, str]
    states: list[str]
    error: str | None = None
    working: bool = False
    done: Event = field(default_factory=Event)

    @property
    def state(self) -> str:
        return self.states[0]

    def end(self, state: str, error: str | None = None) -> None:
        self.states, self.error, self.working = [state], error, False
        self.done.set()

    def described(self) -> dict[str, Any]:
        described = {"Id": self.id, "JobRunState": self.state, "Arguments": self.arguments}
        return described | {"StartedOn": time.time()} | ({"ErrorMessage": self.error} if self.error else {})


class Refusal(Exception):
    """An answer with an error code."""

    def __init__(self, code: str, status: int = 400) -> None:
        super().__init__(code)
        self.code, self.status = code, status


class GlueServer(ThreadingHTTPServer):
    """The API, and what a test may script."""

    daemon_threads = True

    def __init__(self, work: Callable[[Path, str], str | None], s3: str | None, moto: str | None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.work = work
        """Does a run: takes a folder, the lake or a copy of it, and the manifest's key; gives an error or None."""
        self.s3, self.moto = s3, moto
        self.job, self.role = JOB, ROLE
        self.max_concurrent = 1
        self.version = "5.1"
        self.page = 200
        self.runs: list[Run] = []
        self.asked: list[str] = []
        self.states: list[str] | None = None
        """The states of the next runs, which then do no work."""
        self.error: str | None = None
        """Their ErrorMessage."""
        self.after: Callable[[Path], None] | None = None
        """Changes the lake after a run's work and before the run ends."""
        self.refusals: dict[str, list[Refusal]] = {}
        """By action: errors that are answered first."""
        self.lost_answers = 0
        """For how many next runs StartJobRun closes the connection without an answer, though the run starts."""
        self.lock = RLock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def act(self, action: str, request: dict[str, Any]) -> dict[str, Any] | None:
        """The answer; None if there is none. Raises Refusal."""
        with self.lock:
            self.asked.append(action)
            if self.refusals.get(action):
                raise self.refusals[action].pop(0)
            if request["JobName"] != self.job:
                raise Refusal("EntityNotFoundException")
            if action == "GetJob":
                return {
                    "Job": {
                        "Name": self.job,
                        "Role": self.role,
                        "GlueVersion": self.version,
                        "ExecutionProperty": {"MaxConcurrentRuns": self.max_concurrent},
                    }
                }
            if action == "GetJobRuns":
                newest = [run.described() for run in reversed(self.runs)]
                first = int(request.get("NextToken", 0))
                after = first + min(self.page, request.get("MaxResults", self.page))
                return {"JobRuns": newest[first:after]} | ({"NextToken": str(after)} if newest[after:] else {})
            return self._start(request) if action == "StartJobRun" else self._describe(request["RunId"])

    def _describe(self, run_id: str) -> dict[str, Any]:
        run = next((run for run in self.runs if run.id == run_id), None)
        if not run:
            raise Refusal("EntityNotFoundException")
        described = run.described()
        if len(run.states) > 1:
            run.states.pop(0)
        return {"JobRun": described}

    def _start(self, request: dict[str, Any]) -> dict[str, Any] | None:
        if sum(run.state in LIVE for run in self.runs) >= self.max_concurrent:
            raise Refusal("ConcurrentRunsExceededException")
        states = list(self.states or ["STARTING"])
        run = Run(f"jr_{len(self.runs):04}", request.get("Arguments", {}), states, self.error, not self.states)
        self.runs.append(run)
        if run.working:
            Thread(target=self._run, args=(run,), daemon=True).start()
        if self.lost_answers:
            self.lost_answers -= 1
            return None
        return {"JobRunId": run.id}

    def _run(self, run: Run) -> None:
        run.states = ["RUNNING"]
        try:
            with self.local(run.arguments["--lake"], run.arguments["--manifest"]) as folder:
                error = self.work(folder, run.arguments["--manifest"])
                if self.after:
                    self.after(folder)
        except Exception as raised:  # noqa: BLE001
            error = f"the stand-in failed: {raised!r}"
        run.end("FAILED" if error else "SUCCEEDED", error)

    @contextmanager
    def local(self, lake: str, manifest: str) -> Iterator[Path]:
        """The lake as a folder: itself, or a copy of what the manifest lists, of which what is new goes back."""
        if not lake.startswith("s3://"):
            yield Path(lake)
            return
        bucket, _, prefix = lake.removeprefix("s3://").partition("/")
        prefix = f"{prefix}/" if prefix else ""
        client: Any = boto3.client("s3", endpoint_url=self.s3, **KEYS)
        with TemporaryDirectory(prefix="glue-") as name:
            folder = Path(name)

            def fetch(key: str) -> bytes:
                path = folder / key
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(client.get_object(Bucket=bucket, Key=prefix + key)["Body"].read())
                return path.read_bytes()

            asked = json.loads(fetch(manifest))
            folders = [key for one in asked.get("folders", ()) for key in one["keys"]]
            parts = [entry["key"] for one in asked.get("parts", ()) for entry in one["objects"]]
            for key in [*folders, *parts, *(entry["key"] for entry in asked.get("inputs", ()))]:
                fetch(key)
            before = set(folder.rglob("*"))
            yield folder
            for path in sorted(set(folder.rglob("*")) - before):
                if path.is_file() and not path.name.startswith("."):
                    key = prefix + path.relative_to(folder).as_posix()
                    client.put_object(Bucket=bucket, Key=key, Body=path.read_bytes())


class _Handler(BaseHTTPRequestHandler):
    server: GlueServer
    protocol_version = "HTTP/1.1"
    # An answer in one packet; in two, each takes 40 ms.
    wbufsize = -1

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        action = self.headers.get("x-amz-target", "").removeprefix("AWSGlue.")
        if action not in ("StartJobRun", "GetJobRun", "GetJobRuns", "GetJob"):
            self._answer(*self._from_moto(body))
            return
        try:
            answer = self.server.act(action, json.loads(body))
        except Refusal as refusal:
            said = {"__type": refusal.code, "Message": f"{refusal.code} it is"}
            self._answer(refusal.status, json.dumps(said).encode())
            return
        if answer is None:
            self.close_connection = True
            self.connection.shutdown(SHUT_RDWR)
        else:
            self._answer(200, json.dumps(answer).encode())

    def _from_moto(self, body: bytes) -> tuple[int, bytes]:
        if not self.server.moto:
            return 400, b'{"__type": "UnknownOperationException"}'
        headers = {name: value for name, value in self.headers.items() if name.lower() not in ("host", "connection")}
        request = urllib.request.Request(self.server.moto, body, headers)
        try:
            with urllib.request.urlopen(request) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as refusal:
            return refusal.code, refusal.read()

    def _answer(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", "application/x-amz-json-1.1")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Not logged: actions are recorded in `asked`."""


@contextmanager
def glue(
    *, work: Callable[[Path, str], str | None], s3: str | None = None, moto: str | None = None
) -> Iterator[GlueServer]:
    """A Glue with one job, named `transform`; `work` does its runs, `s3` and `moto` are URLs."""
    with GlueServer(work, s3, moto) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield server
        server.shutdown()
