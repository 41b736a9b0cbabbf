"""`make deploy`, `make status`, `make destroy` as a user types them: the real template in an emulated account."""

import os
import platform
import re
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.standins.account import LOGIN, Emulated, emulated
from tests.standins.s3 import PROJECT


@dataclass
class Checkout:
    """Somebody at the top of a checkout, logged in to AWS."""

    aws: Emulated
    stack: str
    environment: dict[str, str]

    def make(self, *words: str, answer: str = "") -> tuple[int, str]:
        """The exit code, and the output with the stack's name as in the README. With an answer there is a terminal."""
        # What is installed here is installed enough.
        here = ("--old-file", f"{sys.prefix}/run", f"VENV={sys.prefix}")
        keyboard, terminal = os.openpty()
        os.write(keyboard, f"{answer}\n".encode())
        done = subprocess.run(
            ["make", *here, *words, f"STACK={self.stack}"],
            cwd=PROJECT,
            env=self.environment,
            stdin=terminal if answer else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        os.close(keyboard)
        os.close(terminal)
        return done.returncode, done.stdout.replace(self.stack, "reddit-etl")

    def parameters(self) -> dict[str, str]:
        return dict(self.aws.stacks.find(self.stack).resolved.values)


@pytest.fixture
def checkout(s3_url: str, tmp_path: Path) -> Iterator[Checkout]:
    # What a make tells the makes below it is not for this one.
    here = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    bare = {name: value for name, value in here.items() if not name.startswith(("AWS_", "REDDIT_"))}
    shutil.copy(PROJECT / "luigi.cfg", tmp_path)

    def run(words: list[str]) -> tuple[int, list[str]]:
        """A job's command, as a process on the embedded engines."""
        done = subprocess.run(
            [sys.executable, "-m", "luigi", "--module", "jobs", *words],
            cwd=tmp_path,
            env=bare | {"PYTHONPATH": str(PROJECT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout.splitlines()

    with emulated(s3_url, tmp_path, run) as aws:
        # The commands wait for seconds before they look again.
        aws.stacks.is_slow = False
        path = {"PATH": f"{tmp_path}:{here['PATH']}", "EMAIL": "git@example.com"}
        yield Checkout(aws, f"stack-{secrets.token_hex(4)}", here | aws.environment | path)


@pytest.mark.parametrize(("version", "code"), [("3.1.0", 2), (platform.python_version(), 0)])
def test_an_environment_of_another_python_is_named(tmp_path: Path, version: str, code: int) -> None:
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.write_text(f"#!/bin/sh\necho Python {version}\n")
    python.chmod(0o755)
    goal = "run" if code else "same-python"
    done = subprocess.run(
        ["make", goal, f"VENV={tmp_path}", f"PYTHON={sys.executable}"],
        cwd=PROJECT,
        env={name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (code, "")
    said = (
        f"{tmp_path} was made with Python {version}, and PYTHON={sys.executable} is Python {platform.python_version()}"
    )
    assert (f"{said}: run make clean first\n" in done.stderr) == bool(code)


def shown() -> list[str]:
    """What the README shows of a deployment, as patterns: a line each, of which it may leave something out."""
    text = (PROJECT / "README.md").read_text()
    block = re.search(r"^\$ make deploy .*?^```text\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert block
    lines = [line for line in block[1].splitlines() if line.strip() != "…"]
    return [re.escape(line).replace("…", ".*") for line in lines]


@pytest.mark.slow
def test_created_updated_and_deleted(checkout: Checkout) -> None:
    code, output = checkout.make("deploy", answer="n")
    assert code == 2, "make's own"
    assert output.index("per run") < output.index("Deploy? [y/N]") < output.index("cancelled: nothing is deployed")
    assert "CreateStack" not in checkout.aws.stacks.asked

    code, output = checkout.make("deploy", 'SUBREDDITS=["python", "rust"]', "EMAIL=me@example.com", answer="y")
    assert code == 0, output
    assert output.splitlines()[-1].startswith("maintenance SUCCEEDED; the data is in s3://reddit-etl-bucket-")
    assert set(re.findall(r"^  \| \S+ extracted .*of=sandbox\.(\w+)-", output, re.MULTILINE)) == {"python", "rust"}
    # The README's answer is on the terminal, and no part of the output.
    rest = iter(output.replace("Deploy? [y/N] ", "Deploy? [y/N] y\n").splitlines())
    for pattern in shown():
        assert any(re.fullmatch(pattern, line) for line in rest), pattern
    bucket = checkout.aws.stacks.find(checkout.stack).resolved.outputs["Bucket"]
    keys = [entry["Key"] for entry in checkout.aws.client("s3").list_objects_v2(Bucket=bucket)["Contents"]]
    assert {key.rpartition("/")[2] for key in keys} == {"glue_transform.py", "library.zip"}

    code, output = checkout.make("deploy", "YES=1", "SCHEDULE=rate(2 hours)", "LIMIT=500", "ARGS=--no-run")
    assert code == 0, output
    assert "UPDATE_COMPLETE" in output
    assert "building" not in output
    wanted = {"Subreddits": '["python", "rust"]', "Schedule": "rate(2 hours)", "HoursWithoutSuccess": "4"}
    wanted |= {"Limit": "500", "AlarmEmail": "me@example.com"}  # And not the EMAIL of the environment.
    assert wanted.items() <= checkout.parameters().items()

    code, output = checkout.make("status")
    assert code == 0, output
    assert len(re.findall(r"^run .* SUCCEEDED", output, re.MULTILINE)) == 1
    assert len(re.findall(r"^maintenance .* SUCCEEDED", output, re.MULTILINE)) == 1
    assert "alarms      6, none active" in output
    assert "subscribed  me@example.com" in output
    assert "query       Query Editor v2: workgroup reddit-etl, database reddit" in output

    code, output = checkout.make("destroy", "YES=1")
    assert code == 0, output
    assert "data        s3://reddit-etl-bucket-" in output.splitlines()[-1]
    assert checkout.aws.client("s3").head_bucket(Bucket=bucket)
    for hidden in LOGIN.values():
        assert hidden not in checkout.aws.record.read_text()
