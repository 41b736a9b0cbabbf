"""The image, built and run for real: by the program that IMAGE_TOOL names, else by Docker.

Such a program is called in two ways, and passes signals and the exit code on:

    IMAGE_TOOL build -t NAME [--target STAGE] [--build-arg NAME=VALUE]... CONTEXT
    IMAGE_TOOL run -t NAME [-e NAME=VALUE]... [-v FOLDER:PLACE]... [--mem MB] [-- ARGUMENT...]

It runs the image as its own user and as process 1, on a read-only root with an empty /tmp, and on this machine's
network.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.standins.s3 import PROJECT

# What AWS Batch gives the job; Fargate's least.
MEMORY = 512
SAFE = ("--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--network=host")


def deployed_config(folder: Path) -> Path:
    """The luigi.cfg of the deployed job, made as the image makes it: by the Dockerfile's own command."""
    [script] = re.findall(r"sed '(.*)' /embedded.cfg > /deployed.cfg", (PROJECT / "Dockerfile").read_text())
    made = folder / "deployed.cfg"
    with made.open("w") as file:
        subprocess.run(["sed", script, PROJECT / "luigi.cfg"], stdout=file, check=True)
    return made


def builder() -> str | None:
    """The program that builds and runs images here."""
    named = os.environ.get("IMAGE_TOOL")
    if named:
        return named
    docker = shutil.which("docker")
    works = docker and subprocess.run([docker, "version"], capture_output=True, check=False).returncode == 0
    return docker if works else None


@dataclass(frozen=True)
class Image:
    """An image of this checkout."""

    tool: str
    name: str

    def build(self, *, target: str, labels: Mapping[str, str]) -> None:
        arguments = [text for label in labels.items() for text in ("--build-arg", "=".join(label))]
        command = [self.tool, "build", "-t", self.name, "--target", target, *arguments, str(PROJECT)]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        assert done.returncode == 0, done.stdout[-4000:]

    def start(
        self, *arguments: str, environment: Mapping[str, str] | None = None, folders: Mapping[Path, str] | None = None
    ) -> "subprocess.Popen[str]":
        """Run it with the default command, or with arguments in its place."""
        given = [text for setting in (environment or {}).items() for text in ("-e", "=".join(setting))]
        given += [text for folder, place in (folders or {}).items() for text in ("-v", f"{folder}:{place}")]
        if Path(self.tool).name == "docker":
            command = [self.tool, "run", "--rm", *SAFE, f"--memory={MEMORY}m", *given, self.name, *arguments]
        else:
            instead = ("--", *arguments) if arguments else ()
            command = [self.tool, "run", "-t", self.name, "--mem", str(MEMORY), *given, *instead]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def run(
        self, *arguments: str, environment: Mapping[str, str] | None = None, folders: Mapping[Path, str] | None = None
    ) -> tuple[int, str, str]:
        """The exit code, and what was said on the standard output and error."""
        with self.start(*arguments, environment=environment, folders=folders) as process:
            out, err = process.communicate()
        return process.returncode, out, err
