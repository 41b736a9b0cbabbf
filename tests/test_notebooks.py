"""The snippets of docs/notebooks.md and the commands of docs/export.md, on what two hours' runs have collected."""

import os
import re
import shlex
import shutil
from pathlib import Path

import pytest

from tests import NO_LOOKS, PROJECT, commands

NOTEBOOKS, EXPORT = ((PROJECT / "docs" / f"{name}.md").read_text(encoding="utf-8") for name in ("notebooks", "export"))
SNIPPETS = re.findall(r"^```python\n(.+?)^```", NOTEBOOKS, re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^\$ .*?\.venv/bin/python (-m jobs .+)$", re.MULTILINE)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With the runs' data and the exports that the page begins with."""
    folder = tmp_path_factory.mktemp("project")
    shutil.copy(PROJECT / "luigi.cfg", folder)
    for hour in ("2026-11-23T04", "2026-11-23T05"):
        run = ("-m", "luigi", "--module", "jobs", "RedditPipeline", "--hour", hour, "--subreddits", '["python"]')
        assert commands.run(*run, "--limit", "300", cwd=folder, env=environment()).returncode == 0
    exports = COMMAND.findall(NOTEBOOKS)
    assert len(exports) == 3
    for command in exports:
        assert commands.run(*shlex.split(command), cwd=folder, env=environment()).returncode == 0
    return folder


def environment() -> dict[str, str]:
    ours = ("REDDIT_", "LAKE_", "WAREHOUSE_", "TRANSFORM_", "LUIGI_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)} | NO_LOOKS


@pytest.mark.parametrize("snippet", SNIPPETS, ids=range(len(SNIPPETS)))
def test_a_snippet_runs_and_prints_something(folder: Path, snippet: str) -> None:
    done = commands.run("-c", snippet, cwd=folder, env=environment())
    assert (done.returncode, done.stderr) == (0, "")
    # Of a table the names and a row: pandas names the index, too, polars draws lines.
    assert done.stdout.count("\n") >= 3


def test_the_commands_of_the_page_write_what_they_name(folder: Path) -> None:
    (folder / "question.sql").write_text("SELECT 1 AS a;\n")
    found = COMMAND.findall(EXPORT)
    assert len(found) == 5
    for command in found:
        words = shlex.split(command)
        if "-" in words:
            # Its SQL is from another command, as tests/test_query.py shows.
            continue
        done = commands.run(*words, cwd=folder, env=environment())
        assert re.fullmatch(rf"[\d,]+ rows? written to {words[-1]}\n", done.stdout), done.stderr
        assert (folder / words[-1]).stat().st_size > 0
