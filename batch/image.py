"""The container image: built from the project's sources, kept in a repository of ECR."""

import base64
import configparser
import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from batch.errors import DeployError, asking
from batch.stack import TAG
from batch.terminal import say
from batch.tools import run
from reddit_etl.aws import client
from reddit_etl.errors import ConfigurationError

PROJECT = Path(__file__).parents[1]
# Targets of the Dockerfile: with DuckDB, which the transformation in the container needs, and without.
LOCAL, BATCH = "local", "batch"
ARM, X86 = "arm64", "amd64"
UNKNOWN = "unknown"
# A tag is never given twice, so what ran last week can run again as it was, and the old images go in the end: so late
# that the one that runs is not among them, though ECR goes by when it was pushed. They share their layers.
KEPT = 100
LIFECYCLE = {
    "rules": [
        {
            "rulePriority": 1,
            "description": "layers that no tag names",
            "selection": {
                "tagStatus": "untagged",
                "countType": "sinceImagePushed",
                "countUnit": "days",
                "countNumber": 1,
            },
            "action": {"type": "expire"},
        },
        {
            "rulePriority": 2,
            "description": "older images",
            "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": KEPT},
            "action": {"type": "expire"},
        },
    ]
}


def check_docker() -> None:
    """Raises ConfigurationError, which says what to install or to start."""
    for command, fix in (
        (("docker", "buildx", "version"), "install docker's plugin buildx"),
        (("docker", "version", "--format", "{{.Server.Version}}"), "start docker, or join the group docker"),
    ):
        try:
            run(*command)
        except DeployError as error:
            raise ConfigurationError(f"{error}: {fix}") from error


def sources(project: Path = PROJECT) -> Iterator[Path]:
    """The files that an image is made of: the Dockerfile, and what .dockerignore lets in."""
    allowed = [line[1:] for line in (project / ".dockerignore").read_text().split() if line.startswith("!")]
    for name in ("Dockerfile", ".dockerignore", *sorted(allowed)):
        path = project / name
        found = sorted(path.rglob("*")) if path.is_dir() else [path]
        yield from (file for file in found if file.is_file() and "__pycache__" not in file.parts)


def tag(target: str, machine: str, project: Path = PROJECT) -> str:
    """Version, target, machine and a digest of the sources: the same sources have the same tag, committed or not."""
    digest = hashlib.sha256()
    for path in sources(project):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(project).as_posix()}\0{len(content)}\0".encode() + content)
    return f"{version(project)}-{target}-{machine}-{digest.hexdigest()[:12]}"


def version(project: Path = PROJECT) -> str:
    parser = configparser.ConfigParser()
    parser.read(project / "setup.cfg")
    return parser["metadata"]["version"]


def _revision() -> str:
    try:
        # A folder that git does not know, or a machine without git, has none.
        return run("git", "-C", str(PROJECT), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*").strip()
    except (DeployError, ConfigurationError):
        return UNKNOWN


def source(remote: str) -> str:
    """Where the sources are, from git's address of them: without anybody's login, and no folder of a machine's."""
    # git@host:path is git's short form of ssh://git@host/path.
    short = re.fullmatch(r"(?:[^@/:]+@)?([^/:]+):(?!/)(.+)", remote)
    address = urlsplit(f"ssh://{short[1]}/{short[2]}" if short else remote)
    if address.scheme not in ("https", "http", "ssh", "git") or not address.hostname:
        return UNKNOWN
    return urlunsplit((address.scheme, address.netloc.rpartition("@")[2], address.path, "", ""))


def _source() -> str:
    try:
        return source(run("git", "-C", str(PROJECT), "remote", "get-url", "origin").strip())
    except (DeployError, ConfigurationError, ValueError):
        return UNKNOWN


def published(name: str, *, target: str = LOCAL, machine: str = ARM) -> str:
    """The URI of the image of these sources, built and pushed if the repository does not have it."""
    ecr = client("ecr", place="ECR")
    with asking("ECR"):
        uri = _repository(ecr, name)
        image = f"{uri}:{tag(target, machine)}"
        if _has(ecr, name, tag(target, machine)):
            say(f"image       {image} is there")
            return image
    say(f"image       {image}: building …")
    _build(image, target, machine)
    _log_in(ecr, uri)
    say("image       pushing …")
    try:
        run("docker", "push", image, show=True)
    except DeployError as error:
        raise DeployError(f"{error}: what docker says above is the reason; nothing is deployed") from error
    finally:
        # What counts is the push; a login that is left ends by itself within twelve hours.
        with suppress(DeployError):
            run("docker", "logout", uri.partition("/")[0])
    return image


def pinned(image: str) -> str:
    """The image by the digest of what the repository holds under its tag."""
    uri, _, wanted = image.rpartition(":")
    ecr = client("ecr", place="ECR")
    with asking("ECR"):
        found = ecr.describe_images(repositoryName=uri.partition("/")[2], imageIds=[{"imageTag": wanted}])
    return f"{uri}@{found['imageDetails'][0]['imageDigest']}"


def check_own(name: str) -> None:
    """Raises ConfigurationError for somebody's own repository of that name."""
    ecr = client("ecr", place="ECR")
    with asking("ECR"):
        _own(ecr, name)


def _own(ecr: Any, name: str) -> dict[str, Any] | None:
    """The repository, if there is one; one that is not tagged as this project's keeps its images and its rules."""
    try:
        found: dict[str, Any] = ecr.describe_repositories(repositoryNames=[name])["repositories"][0]
    except ecr.exceptions.RepositoryNotFoundException:
        return None
    if TAG not in ecr.list_tags_for_resource(resourceArn=found["repositoryArn"])["tags"]:
        raise ConfigurationError(f"ECR's repository {name} is not one of this project: give another name by --stack")
    return found


def _repository(ecr: Any, name: str) -> str:
    found = _own(ecr, name)
    if not found:
        found = ecr.create_repository(
            repositoryName=name,
            imageTagMutability="IMMUTABLE",
            imageScanningConfiguration={"scanOnPush": True},
            encryptionConfiguration={"encryptionType": "AES256"},
            tags=[TAG],
        )["repository"]
        say(f"repository  {found['repositoryUri']} is made")
    ecr.put_lifecycle_policy(repositoryName=name, lifecyclePolicyText=json.dumps(LIFECYCLE))
    return str(found["repositoryUri"])


def _has(ecr: Any, name: str, wanted: str) -> bool:
    try:
        return bool(ecr.describe_images(repositoryName=name, imageIds=[{"imageTag": wanted}])["imageDetails"])
    except ecr.exceptions.ImageNotFoundException:
        return False


def _build(image: str, target: str, machine: str) -> None:
    # Without a provenance the tag names the image itself, and not an index around it.
    arguments = ["--platform", f"linux/{machine}", "--target", target, "--provenance=false", "--load", "--tag", image]
    labels = {"VERSION": version(), "REVISION": _revision(), "SOURCE": _source()}
    given = [f"--build-arg={name}={value}" for name, value in labels.items()]
    try:
        run("docker", "buildx", "build", *arguments, *given, str(PROJECT), show=True)
    except DeployError as error:
        raise DeployError(
            f"{error}: what docker says above is the reason; where that is 'exec format error', this machine needs "
            f"emulation: docker run --privileged --rm tonistiigi/binfmt --install {machine}"
        ) from error


def _log_in(ecr: Any, uri: str) -> None:
    with asking("ECR"):
        token = ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    user, _, password = base64.b64decode(token).decode().partition(":")
    run("docker", "login", "--username", user, "--password-stdin", uri.partition("/")[0], stdin=password)


def removed(name: str) -> bool:
    """Remove the repository with its images; whether there was one."""
    ecr = client("ecr", place="ECR")
    with asking("ECR"):
        try:
            ecr.delete_repository(repositoryName=name, force=True)
        except ecr.exceptions.RepositoryNotFoundException:
            return False
    return True
