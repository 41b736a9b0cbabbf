"""The container image: built from the project's sources by docker buildx, stored in a repository of ECR."""

import base64
import configparser
import hashlib
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from batch.aws import TAG, DeployError, check_owner, using
from batch.terminal import say
from reddit_etl.errors import ConfigurationError

PROJECT = Path(__file__).parents[1]
# Targets of the Dockerfile: with DuckDB, which the transformation in the container needs; without; with DuckDB and the
# libraries of the report.
LOCAL, BATCH, REPORT = "local", "batch", "report"
ARM, X86 = "arm64", "amd64"
MAX_ERROR = 300  # Characters.
# A tag always names the same sources, so an old version can be deployed again. Old images expire, so late that the one
# in use is not among them, though ECR goes by the time of the push.
SELECTION = {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 100}
LIFECYCLE = {"rules": [{"rulePriority": 1, "selection": SELECTION, "action": {"type": "expire"}}]}


def run(*command: str, stdin: str | None = None, show: bool = False) -> str:
    """A program's standard output. With `show` its output goes to the terminal instead.

    Secrets go in by `stdin`: everybody on the machine can see a command line.
    """
    try:
        done = subprocess.run(  # noqa: S603
            command,
            # Without a terminal of its own it asks nothing, and Ctrl-C still reaches it.
            stdin=subprocess.DEVNULL if stdin is None else None,
            input=stdin,
            stdout=None if show else subprocess.PIPE,
            stderr=None if show else subprocess.PIPE,
            env={name: value for name, value in os.environ.items() if not name.startswith(("REDDIT_", "WAREHOUSE_"))},
            text=True,
            check=False,
        )
    except OSError as error:
        raise ConfigurationError(f"{command[0]} cannot be run ({error.strerror}): install it") from error
    if done.returncode:
        reason = " ".join((done.stderr or "").split())[-MAX_ERROR:]
        raise DeployError(f"{' '.join(command[:2])} ended with {done.returncode}{': ' if reason else ''}{reason}")
    return done.stdout or ""


def check_docker() -> None:
    """Raises ConfigurationError without a docker that can build."""
    for command, fix in (
        ("buildx version", "install docker's plugin buildx"),
        ("version --format {{.Server.Version}}", "start docker, or join the group docker"),
    ):
        try:
            run("docker", *command.split())
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
    """Version, target, machine and a digest of the sources, committed or not."""
    digest = hashlib.sha256()
    for path in sources(project):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(project).as_posix()}\0{len(content)}\0".encode() + content)
    return f"{version(project)}-{target}-{machine}-{digest.hexdigest()[:12]}"


def version(project: Path = PROJECT) -> str:
    """The version in setup.cfg, such as 2.0.0; part of the image's tag and of its labels."""
    parser = configparser.ConfigParser()
    parser.read(project / "setup.cfg")
    return parser["metadata"]["version"]


def publish(repository: str, *, target: str = LOCAL, machine: str = ARM) -> str:
    """The URI of the image of these sources, built and pushed if the repository does not have it."""
    wanted = tag(target, machine)
    with using("ecr") as ecr:
        uri = _create(ecr, repository)
        if _digest(ecr, repository, wanted):
            say(f"image       {uri}:{wanted} exists")
            return f"{uri}:{wanted}"
        token = ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    user, _, password = base64.b64decode(token).decode().partition(":")
    registry = uri.partition("/")[0]
    run("docker", "login", "--username", user, "--password-stdin", registry, stdin=password)
    say(f"image       {uri}:{wanted}: building and pushing …")
    try:
        _build(f"{uri}:{wanted}", target, machine)
    finally:
        # A login that stays expires within twelve hours.
        with suppress(DeployError):
            run("docker", "logout", registry)
    return f"{uri}:{wanted}"


def _build(image: str, target: str, machine: str) -> None:
    try:
        # A folder that git does not know, or a machine without git, has no revision.
        revision = run("git", "-C", str(PROJECT), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")
    except (DeployError, ConfigurationError):
        revision = "unknown"
    # Without provenance the tag names the image itself, not an index around it.
    options = ["--push", "--provenance=false", "--platform", f"linux/{machine}", "--target", target, "--tag", image]
    options += [f"--build-arg=VERSION={version()}", f"--build-arg=REVISION={revision.strip()}"]
    try:
        run("docker", "buildx", "build", *options, str(PROJECT), show=True)
    except DeployError as error:
        raise DeployError(
            f"{error}: see docker's output above; if it has 'exec format error', this machine needs emulation: "
            f"docker run --privileged --rm tonistiigi/binfmt --install {machine}"
        ) from error


def by_digest(image: str) -> str:
    """The image, named by its digest in place of its tag."""
    uri, _, wanted = image.rpartition(":")
    with using("ecr") as ecr:
        return f"{uri}@{_digest(ecr, uri.partition('/')[2], wanted)}"


def _digest(ecr: Any, repository: str, wanted: str) -> str | None:
    try:
        found = ecr.describe_images(repositoryName=repository, imageIds=[{"imageTag": wanted}])
    except ecr.exceptions.ImageNotFoundException:
        return None
    return str(found["imageDetails"][0]["imageDigest"])


def check_repository(repository: str) -> str | None:
    """Its URI if it exists. Raises ConfigurationError for one that this project did not create."""
    with using("ecr") as ecr:
        try:
            found = ecr.describe_repositories(repositoryNames=[repository])["repositories"][0]
        except ecr.exceptions.RepositoryNotFoundException:
            return None
        check_owner(
            f"the ECR repository {repository}", ecr.list_tags_for_resource(resourceArn=found["repositoryArn"])["tags"]
        )
    return str(found["repositoryUri"])


def _create(ecr: Any, repository: str) -> str:
    uri = check_repository(repository)
    if not uri:
        made = ecr.create_repository(
            repositoryName=repository,
            imageTagMutability="IMMUTABLE",
            imageScanningConfiguration={"scanOnPush": True},
            encryptionConfiguration={"encryptionType": "AES256"},
            tags=[TAG],
        )
        uri = str(made["repository"]["repositoryUri"])
        say(f"repository  {uri} created")
    ecr.put_lifecycle_policy(repositoryName=repository, lifecyclePolicyText=json.dumps(LIFECYCLE))
    return uri


def delete(repository: str) -> bool:
    """Delete the repository with its images; whether it existed."""
    with using("ecr") as ecr:
        try:
            ecr.delete_repository(repositoryName=repository, force=True)
        except ecr.exceptions.RepositoryNotFoundException:
            return False
    return True
