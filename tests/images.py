"""The image's targets as fixtures."""

import fcntl
import os
from collections.abc import Callable

import pytest

from tests.standins.container import Image, builder

LABELS = {"VERSION": "1.2.3", "REVISION": "0123abc", "SOURCE": "somewhere"}


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Image]:
    """A builder of the image's targets, each built once for all the processes that test."""
    tool = builder()
    if not tool:
        pytest.skip("IMAGE_TOOL is not set to a program that builds and runs images, and no Docker answers")
    shared = tmp_path_factory.getbasetemp()
    shared = shared.parent if "PYTEST_XDIST_WORKER" in os.environ else shared

    def build(target: str) -> Image:
        image = Image(tool, f"localhost/reddit-etl-test:{target}")
        with (shared / "image.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            built = shared / f"image-{target}"
            if not built.exists():
                image.build(target=target, labels=LABELS)
                built.touch()
        return image

    return build


@pytest.fixture
def local(build: Callable[[str], Image]) -> Image:
    return build("local")


@pytest.fixture
def report(build: Callable[[str], Image]) -> Image:
    return build("report")


@pytest.fixture
def batch(build: Callable[[str], Image]) -> Image:
    return build("batch")
