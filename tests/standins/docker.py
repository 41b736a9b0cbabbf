"""A `docker` for the PATH that records how it is called, and gives what it pushes to the registry of moto's ECR.

`RECORD` names the file for a line of JSON a call; `REFUSE` says which call fails, like `buildx build`. It imports
nothing but Python's own small modules: a deployment calls it many times.
"""

import json
import os
import stat
import sys
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


def install(folder: Path) -> None:
    """Put this file into a folder, as the program docker."""
    program = folder / "docker"
    program.write_text(f"#!{sys.executable} -IS\n{Path(__file__).read_text()}")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)


def push(image: str) -> None:
    """Put the image into moto's ECR, where a client finds it."""
    registry, _, path = image.partition("/")
    name, _, tag = path.partition(":")
    manifest = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "config": {"digest": tag}, "layers": []})
    scope = f"testing/20261123/{registry.split('.')[3]}/ecr/aws4_request"
    headers = {
        "Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=none",
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": "AmazonEC2ContainerRegistry_V20150921.PutImage",
    }
    connection = HTTPConnection(urlsplit(os.environ["AWS_ENDPOINT_URL"]).netloc)
    connection.request(
        "POST", "/", json.dumps({"repositoryName": name, "imageTag": tag, "imageManifest": manifest}), headers
    )
    answer = connection.getresponse()
    if answer.status != 200:
        raise RuntimeError(f"ECR refuses the image: {answer.read()!r}")


def main(words: list[str]) -> int:
    given = sys.stdin.read() if "--password-stdin" in words else ""
    with Path(os.environ["RECORD"]).open("a") as record:
        record.write(json.dumps({"words": words, "stdin": given, "environment": dict(os.environ)}) + "\n")
    refused = os.environ.get("REFUSE", "").split()
    if refused and words[: len(refused)] == refused:
        sys.stderr.write("no space left on device\n")
        return 17
    if "--push" in words:
        push(words[words.index("--tag") + 1])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
