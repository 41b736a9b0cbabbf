"""A `docker` for the PATH that records how it is called, and gives what it pushes to the registry of moto's ECR.

`RECORD` names the file for a line of JSON a call; `REFUSE` says which call fails, like `buildx build`.
"""

import json
import os
import stat
import sys
from pathlib import Path

import boto3

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
PROJECT = Path(__file__).parents[2]


def install(folder: Path) -> None:
    """Put the program into a folder."""
    program = folder / "docker"
    program.write_text(f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(PROJECT)!r})\n" + CALL)
    program.chmod(program.stat().st_mode | stat.S_IXUSR)


CALL = "from tests.standins.docker import main\nsys.exit(main(sys.argv[1:]))\n"


def main(words: list[str]) -> int:
    given = sys.stdin.read() if "--password-stdin" in words else ""
    with Path(os.environ["RECORD"]).open("a") as record:
        record.write(json.dumps({"words": words, "stdin": given, "environment": dict(os.environ)}) + "\n")
    refused = os.environ.get("REFUSE", "").split()
    if refused and words[: len(refused)] == refused:
        sys.stderr.write("no space left on device\n")
        return 17
    if words[0] == "push":
        registry, _, image = words[1].partition("/")
        name, _, tag = image.partition(":")
        manifest = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "config": {"digest": tag}, "layers": []})
        region = registry.split(".")[3]
        boto3.client("ecr", region_name=region).put_image(repositoryName=name, imageTag=tag, imageManifest=manifest)
    return 0
