"""The image: what it is made of, and how it runs as AWS Batch runs it."""

import json
import os
import re
import secrets
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import boto3
import duckdb
import pytest

from tests import PROJECT
from tests.aws import LOGIN, AwsPipeline
from tests.conftest import MINUTE, Pipeline
from tests.standins.container import Image
from tests.standins.reddit import Posts, ScriptedHandler, ScriptedReddit, stall
from tests.standins.s3 import ENVIRONMENT
from tests.test_locks import REPORT, locked
from tests.test_locks import RUN as LOCK

HOUR = "2026-11-23T04"
MISCONFIGURED, TERMINATED = 78, 143

# Python runs a module of this name first, so this tells of the image instead of running the pipeline.
LOOK = """\
import json, os, shutil, sys
from importlib import metadata
from importlib.util import find_spec
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

FOLDERS = ("/", "/app", "/opt/venv", "/etc", "/usr", "/var/tmp", "/tmp")
TOOLS = ("cc", "gcc", "g++", "make", "ld", "git", "curl", "pip", "pip3", "uv")
MODULES = ("pip", "ensurepip", "setuptools", "pytest", "moto", "duckdb")

def writable(folder):
    try:
        open(folder + "/written", "w").close()
    except OSError:
        return False
    return True

def names(ones):
    return sorted({canonicalize_name(one.name) for one in ones})

needs = [Requirement(text) for one in metadata.distributions() for text in one.requires or ()]
print(json.dumps({
    "process": os.getpid(),
    "user": [os.getuid(), os.getgid(), os.getgroups()],
    "status": dict(line.split(":\\t", 1) for line in open("/proc/self/status").read().splitlines() if ":\\t" in line),
    "writable": [folder for folder in FOLDERS if writable(folder)],
    "tools": [name for name in TOOLS if shutil.which(name)],
    "modules": [name for name in MODULES if find_spec(name)],
    "environment": dict(os.environ),
    "installed": names(metadata.distributions()),
    "needed": names(one for one in needs if not one.marker or one.marker.evaluate({"extra": ""})),
    "files": {
        os.path.join(folder, name): os.lstat(os.path.join(folder, name)).st_size
        for place in ("/app", "/opt", "/data", "/root", "/home")
        for folder, _, names in os.walk(place)
        for name in names
    },
    "top": os.listdir("/"),
}))
sys.stdout.flush()
os._exit(0)
"""


def _instructions() -> list[tuple[str, str]]:
    text = (PROJECT / "Dockerfile").read_text()
    code = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    lines = (line for line in code.replace("\\\n", " ").splitlines() if line.strip())
    return [(word, " ".join(rest.split())) for word, _, rest in (line.partition(" ") for line in lines)]


def _all(word: str) -> list[str]:
    return [rest for instruction, rest in _instructions() if instruction == word]


def test_the_base_is_pinned_by_its_digest_and_every_stage_is_made_from_it() -> None:
    first, *others = _all("FROM")
    assert re.fullmatch(r"python:3\.13-slim@sha256:[0-9a-f]{64} AS base", first)
    stages = {"base"}
    for other in others:
        parent, _, stage = other.partition(" AS ")
        assert parent in stages
        stages.add(stage)
    # The last is what is built when no target is named.
    assert others[-1] == "embedded AS local"


def test_the_image_runs_luigi_as_a_user_without_rights() -> None:
    assert _all("USER") == ["10001:10001", "0", "10001:10001"]
    assert [json.loads(text) for text in _all("ENTRYPOINT")] == [["luigi", "--module", "jobs"]]
    assert [json.loads(text) for text in _all("CMD")] == [["RedditPipeline"]]


def test_the_embedded_defaults_mean_the_folder_that_is_mounted_and_are_no_fallback_in_production() -> None:
    [path] = re.findall(r"LUIGI_CONFIG_PATH=(\S+)", " ".join(_all("ENV")))
    assert {f"luigi.cfg {path}", f"--from=build {path} /deployed.cfg /"} <= set(_all("COPY"))
    assert Path(path).parent / "data" == Path("/data")
    # Luigi reads a file of this name in the working directory too.
    assert (_all("WORKDIR"), Path(path).name != "luigi.cfg") == (["/"], True)


def test_labels_are_given_by_build_arguments() -> None:
    [labels] = _all("LABEL")
    for name in ("version", "revision", "source"):
        assert f'org.opencontainers.image.{name}="${name.upper()}"' in labels
        assert f"{name.upper()}=unknown" in _all("ARG")


def test_the_context_holds_what_is_copied_and_no_more() -> None:
    first, *rules = [
        line for line in (PROJECT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")
    ]
    copied = {source for line in _all("COPY") if "--from" not in line for source in line.split()[:-1]}
    assert first == "*"
    assert {rule[1:] for rule in rules if rule.startswith("!")} == copied
    assert "**/__pycache__" in rules


def test_a_sigterm_before_the_pipeline_is_there_ends_the_process_too(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import os, signal; os.kill(os.getpid(), signal.SIGTERM); signal.pause()"],
        env=os.environ | {"PYTHONPATH": str(PROJECT / "batch")},
        cwd=tmp_path,
        check=False,
        timeout=60,
    )
    assert done.returncode == TERMINATED


@pytest.mark.slow
def test_nothing_locked_needs_a_compiler(tmp_path: Path) -> None:
    """Asks the package index; Debian trixie's glibc is 2.41."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed", "--no-deps"]
    command += ["--require-hashes", "--only-binary=:all:", "--python-version=3.13", "--implementation=cp"]
    command += ["--abi=cp313", "--abi=abi3", "--abi=none", f"--target={tmp_path}", f"--requirement={LOCK}"]
    asked = [
        subprocess.Popen([*command, *(f"--platform={name}_{machine}" for name in ("manylinux_2_28", "manylinux2014"))])
        for machine in ("x86_64", "aarch64")
    ]
    assert [process.wait() for process in asked] == [0, 0]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder that the image's user may write."""
    folder = tmp_path / "data"
    folder.mkdir()
    folder.chmod(0o777)
    return folder


@pytest.fixture
def reddit() -> Iterator[ScriptedReddit]:
    with ScriptedReddit(Posts(300)) as server:
        yield server


def _look(image: Image, folder: Path) -> dict[str, Any]:
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(LOOK)
    code, out, err = image.run(environment={"PYTHONPATH": "/look"}, folders={folder: "/look"})
    assert code == 0, err
    seen: dict[str, Any] = json.loads(out)
    return seen


@pytest.mark.slow
def test_the_image_from_inside(batch: Image, local: Image, tmp_path: Path) -> None:
    seen = _look(batch, tmp_path / "batch")
    assert (seen["process"], seen["user"], seen["writable"]) == (1, [10001, 10001, []], ["/tmp"])
    assert (seen["status"]["CapEff"], seen["status"]["NoNewPrivs"]) == ("0" * 16, "1")
    assert (seen["tools"], seen["modules"]) == ([], [])
    assert set(seen["needed"]) <= set(seen["installed"])
    assert set(seen["installed"]) <= set(locked(LOCK)) - {"setuptools"}
    told = ("REDDIT_", "AWS_", "LAKE_", "WAREHOUSE_", "REDSHIFT_", "GLUE_", "TRANSFORM_")
    assert [name for name in seen["environment"] if name.startswith(told)] == []
    # Nothing of the build stays, and of the project only the code.
    assert {"requirements.lock", "data"} & set(seen["top"]) == set()
    code = {
        f"/app/{path.relative_to(PROJECT)}"
        for name in ("jobs", "reddit_etl")
        for path in PROJECT.glob(f"{name}/**/*")
        if path.is_file() and path.parent.name != "__pycache__"
    }
    own = {name for name in seen["files"] if not name.startswith("/opt/venv/") and "__pycache__" not in name}
    assert {name for name in own if name.startswith(("/app/", "/opt/", "/data/"))} == code | {
        "/app/sitecustomize.py",
    }
    wasted = re.compile(r"/(tests?|\.cache|\.git|\.aws|pip|setuptools)/|\.(env|pem\.key|whl)$|credentials$")
    assert [name for name in seen["files"] if wasted.search(name)] == []
    assert sum(seen["files"].values()) < 250e6

    more = _look(local, tmp_path / "local")
    assert (more["modules"], more["user"], more["writable"]) == (["duckdb"], seen["user"], ["/tmp"])
    added = {name: size for name, size in more["files"].items() if name not in seen["files"]}
    assert all("duckdb" in name for name in added)
    assert sum(added.values()) > 25e6, "not worth a target of its own"


@pytest.mark.slow
def test_the_embedded_run_ends_in_the_mounted_folder_and_is_not_repeated(local: Image, data: Path) -> None:
    sandbox = {"folders": {data: "/data"}}
    code, out, err = local.run("RedditPipeline", "--hour", HOUR, **sandbox)
    assert code == 0, err
    assert "sandbox Reddit (invented data): complete" in out
    assert {json.loads(line)["level"] for line in err.splitlines() if line.startswith("{")} == {"info"}
    with duckdb.connect(str(data / "warehouse.duckdb"), read_only=True) as connection:
        counted = connection.sql("SELECT count(*), count(DISTINCT post_id) FROM reddit.posts").fetchall()
    assert counted == [(3000, 3000)]
    files = {path: path.stat().st_mtime_ns for path in data.rglob("*") if path.is_file()}
    code, out, err = local.run("RedditPipeline", "--hour", HOUR, **sandbox)
    assert (code, "already complete" in out) == (0, True), err
    assert {path: path.stat().st_mtime_ns for path in data.rglob("*") if path.is_file()} == files


@pytest.mark.slow
def test_the_report_image_makes_the_report(local: Image, report: Image, data: Path, tmp_path: Path) -> None:
    settings = {"DAILY_REPORT": "yes"}
    sandbox: dict[str, Any] = {"folders": {data: "/data"}}
    assert report.run("RedditPipeline", "--hour", HOUR, "--limit", "100", **sandbox)[0] == 0
    code, _, err = report.run("Maintenance", "--hour", HOUR, environment=settings, **sandbox)
    # Matplotlib looks for fonts at its first start, and says so.
    assert (code, [json.loads(line)["level"] for line in err.splitlines()].count("warning")) == (0, 0), err
    assert "</svg>" in (data / "lake" / "reports" / f"{HOUR}.html").read_text()
    code, _, err = local.run("Maintenance", "--hour", "2026-11-23T05", environment=settings, **sandbox)
    assert (code, "the image's target report" in err) == (MISCONFIGURED, True), err
    alike, more = _look(local, tmp_path / "local"), _look(report, tmp_path / "report")
    added = set(more["installed"]) - set(alike["installed"])
    assert set(locked(REPORT)) - set(locked(LOCK)) == added


@pytest.mark.slow
def test_without_arguments_the_current_hour_is_run(local: Image, data: Path) -> None:
    code, out, err = local.run(folders={data: "/data"})
    assert (code, ": complete" in out) == (0, True), err


@pytest.mark.slow
def test_sigterm_in_mid_extraction_aborts_the_upload_and_the_next_run_converges(
    local: Image, data: Path, reddit: ScriptedReddit, s3_lake: str, s3_url: str
) -> None:
    bucket = s3_lake.split("/")[2]
    run = ("RedditPipeline", "--hour", HOUR, "--subreddits", '["python"]', "--limit", "300")
    settings = LOGIN | ENVIRONMENT | {"AWS_ENDPOINT_URL": s3_url, "LAKE_URL": s3_lake, "REDDIT_URL": reddit.url}
    s3, reached = boto3.client("s3"), threading.Event()

    def stop_here(handler: ScriptedHandler) -> None:
        reached.set()
        stall(handler)

    # Two pages of these fill a part of an upload; what is smaller goes in one request at the end.
    for entry in reddit.content.posts:
        entry["selftext"] = secrets.token_hex(40_000)
    reddit.script(pages=[None, None, stop_here])
    with local.start(*run, environment=settings, folders={data: "/data"}) as process:
        assert reached.wait(timeout=120)
        assert len(s3.list_multipart_uploads(Bucket=bucket)["Uploads"]) == 1
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == TERMINATED
        assert process.stderr
        assert "Traceback" not in process.stderr.read()
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)
    assert list(data.iterdir()) == []
    code, _, err = local.run(*run, environment=settings, folders={data: "/data"})
    assert code == 0, err
    with duckdb.connect(str(data / "warehouse.duckdb"), read_only=True) as connection:
        stored = connection.sql("SELECT post_id, score FROM reddit.posts ORDER BY score").fetchall()
    assert stored == [(f"p{number}", number) for number in range(1, 301)]


@pytest.mark.slow
def test_sigterm_ends_process_1_before_the_pipeline_has_set_its_own_handler(local: Image, tmp_path: Path) -> None:
    early = tmp_path / "early"
    early.mkdir()
    (early / "sitecustomize.py").write_text(
        "import runpy, signal\nrunpy.run_path('/app/sitecustomize.py')\nprint('started', flush=True)\nsignal.pause()\n"
    )
    with local.start(environment={"PYTHONPATH": "/early:/app"}, folders={early: "/early"}) as process:
        assert process.stdout
        assert process.stdout.readline() == "started\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == TERMINATED


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "settings", "code", "said"),
    [
        ([], {"TRANSFORM_ENGINE": "hadoop"}, MISCONFIGURED, "TRANSFORM_ENGINE is 'hadoop'"),
        ([], {"LUIGI_CONFIG_PATH": "/nowhere.cfg"}, MISCONFIGURED, "LUIGI_CONFIG_PATH is '/nowhere.cfg'"),
        ([], {"REDDIT_CLIENT_ID": "x"}, MISCONFIGURED, "REDDIT_CLIENT_SECRET and REDDIT_USER_AGENT missing"),
        (["RedditPipeline", "--hour", "yesterday"], {}, MISCONFIGURED, "--hour: 'yesterday' is not valid"),
        (["RedditPipeline", "--nothing", "1"], {}, 2, "unrecognized arguments"),
        (["RedditPipelin"], {}, MISCONFIGURED, "No task RedditPipelin"),
        # The root is read-only, and nothing is mounted there.
        ([], {}, MISCONFIGURED, "Read-only file system: use a folder that is writable"),
    ],
)
def test_each_way_to_fail_has_its_code(
    local: Image, arguments: list[str], settings: dict[str, str], code: int, said: str
) -> None:
    ended, _, err = local.run(*arguments, environment=settings)
    assert (ended, said in err) == (code, True), err


@pytest.mark.slow
def test_the_batch_image_says_that_duckdb_is_in_the_other(batch: Image) -> None:
    code, _, err = batch.run()
    assert code == MISCONFIGURED
    [line] = err.splitlines()
    assert "duckdb is not installed" in json.loads(line)["error"]
    assert "the image's target local" in json.loads(line)["error"]


@pytest.mark.slow
def test_the_batch_image_runs_the_graph_on_aws(
    batch: Image, make_pipeline: Callable[..., Pipeline], on_aws: Callable[..., AwsPipeline]
) -> None:
    hours = (HOUR, "2026-11-23T05")
    embedded, pipeline = make_pipeline("embedded"), on_aws()
    for hour in hours:
        assert embedded.run(hour, limit=300) == 0
        pipeline.now = datetime.fromisoformat(hour) + MINUTE
        run = ("RedditPipeline", "--hour", hour, "--subreddits", '["python"]', "--limit", "300")
        code, out, err = batch.run(*run, environment=pipeline.environment())
        assert (code, ": complete" in out) == (0, True), err
    # As the job definition has it: a setting that is missing is then no embedded default's.
    deployed = pipeline.environment() | {"LUIGI_CONFIG_PATH": "/deployed.cfg"}
    code, out, err = batch.run(*run, environment={name: deployed[name] for name in deployed if name != "LAKE_URL"})
    assert (code, "LAKE_URL is not set" in err) == (MISCONFIGURED, True), err
    code, out, err = batch.run(*run, environment=deployed)
    assert (code, "already complete" in out) == (0, True), err
    for name, value in pipeline.environment().items():
        pipeline.monkeypatch.setenv(name, value)
    states = "SELECT post_id, score, num_comments FROM reddit.posts ORDER BY post_id"
    assert pipeline.rows(states) == embedded.rows(states)
