"""The commands of the pages, page by page and in their order, on what two hours' runs of the sandbox have collected."""

import os
import re
import shlex
import shutil
from pathlib import Path

import pytest

from tests import NO_LOOKS, PROJECT, commands

# Those of notebooks.md, export.md and another-warehouse.md are run by tests of their own.
PAGES = [
    PROJECT / name
    for name in (
        "README.md",
        "docs/ask-your-data.md",
        "docs/deletions.md",
        "docs/engines.md",
        "docs/lake.md",
        "docs/operation.md",
        "docs/report.md",
    )
]
BLOCK = re.compile(r"^```console\n(.+?)^```", re.MULTILINE | re.DOTALL)
OURS = re.compile(r"^\$ \.venv/bin/(python|luigi) (.+)$", re.MULTILINE)
HOURS = ("2026-11-23T04", "2026-11-23T05")
# A range of two days is as good as one of two hours.
STOPS = {"2026-11-22T00": "2026-11-20T02"}


def commands_of(page: Path) -> list[list[str]]:
    """The arguments of Python for each of the project's commands."""
    found = []
    for block in BLOCK.findall(page.read_text()):
        for program, words in OURS.findall(block.replace("\\\n", " ")):
            module = ["-m", "luigi"] if program == "luigi" else []
            found.append(module + [STOPS.get(word, word) for word in shlex.split(words)])
    return found


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("collected")
    shutil.copy(PROJECT / "luigi.cfg", folder)
    for hour in HOURS:
        chosen = ("--hour", hour, "--subreddits", '["python"]', "--limit", "100")
        done = commands.run("-m", "luigi", "--module", "jobs", "RedditPipeline", *chosen, cwd=folder, env=environment())
        assert done.returncode == 0, done.stderr
    return folder


def environment() -> dict[str, str]:
    ours = ("REDDIT_", "LAKE_", "WAREHOUSE_", "TRANSFORM_", "LUIGI_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)} | NO_LOOKS


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_commands_of_a_page_succeed(page: Path, collected: Path, tmp_path: Path) -> None:
    folder = tmp_path / "project"
    shutil.copytree(collected, folder)
    found = commands_of(page)
    assert found
    for words in found:
        done = commands.run(*words, cwd=folder, env=environment())
        assert done.returncode == 0, (words, done.stdout, done.stderr)


def test_each_page_with_commands_is_run() -> None:
    tested = {"notebooks.md", "export.md", "another-warehouse.md"} | {page.name for page in PAGES}
    pages = [*PROJECT.glob("*.md"), *PROJECT.glob("docs/*.md"), *PROJECT.glob("benchmarks/*.md")]
    assert {page.name for page in pages if commands_of(page)} == tested
