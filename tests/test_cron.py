"""The pipeline as cron starts it: from another folder, with next to no environment."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from jobs import resources
from jobs.settings import Settings
from tests import PROJECT, commands
from tests.conftest import forget_run

README = (PROJECT / "README.md").read_text()
PAGE = (PROJECT / "docs" / "operation.md").read_text()
PLACE = "/srv/reddit-etl"
MISCONFIGURED = 78


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with all that the page's line names, the project's own luigi.cfg among it."""
    folder = tmp_path / "reddit-etl"
    folder.mkdir()
    shutil.copy(PROJECT / "luigi.cfg", folder)
    (folder / ".venv").symlink_to(sys.prefix)
    return folder


def started(line: str, folder: Path, place: Path) -> subprocess.CompletedProcess[str]:
    """As cron does it."""
    environment = {"HOME": str(place), "PATH": "/usr/bin:/bin", "SHELL": "/bin/sh", "PYTHONPATH": str(PROJECT)}
    return subprocess.run(
        ["/bin/sh", "-c", line], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_the_line_of_the_page_writes_beside_its_luigi_cfg_and_nowhere_else(place: Path) -> None:
    [line] = re.findall(r"^\d+ \* \* \* \* (.+)$", PAGE, re.MULTILINE)
    root = set(Path("/").iterdir())
    [block] = re.findall(r"^```text\n(Hour .+?)^```", README, re.MULTILINE | re.DOTALL)
    hour = block.split()[1]
    done = started(f"{line.replace(PLACE, str(place))} --hour {hour}", Path("/"), place)
    assert done.returncode == 0, done.stderr
    # The report is the README's, line by line, for another folder and in another time.
    for varying in (" .venv", re.findall(r"[\d.]+ s$", block, re.MULTILINE)[0]):
        block = block.replace(varying, "…")
    for shown, line in zip(block.splitlines(), done.stdout.strip().splitlines(), strict=True):
        assert re.fullmatch(re.escape(shown).replace("…", ".*"), line), shown
    assert set(Path("/").iterdir()) == root
    assert (place / "data" / "warehouse.duckdb").is_file()
    assert list((place / "data" / "lake").glob("receipts/**/load-*.json"))
    python = f"LUIGI_CONFIG_PATH={place}/luigi.cfg {place}/.venv/bin/python -m jobs"
    asked = started(f"{python} query 'SELECT count(*) AS n FROM reddit.posts'", Path("/"), place)
    assert asked.stdout.split() == ["n", "----", "3000"]
    [daily] = re.findall(r"^\d+ \d+ \* \* \* (.+)$", PAGE, re.MULTILINE)
    done = started(daily.replace(PLACE, str(place)), Path("/"), place)
    assert done.returncode == 0, done.stderr
    assert list((place / "data" / "lake").glob("receipts/**/forget-*.json"))
    doctored = started(f"{python} doctor", Path("/"), place)
    assert f"{place}/data/warehouse.duckdb can be written" in doctored.stdout
    assert set(Path("/").iterdir()) == root


def test_the_script_of_the_page_keeps_the_output_and_prints_that_of_a_failed_run(place: Path) -> None:
    [script] = re.findall(r"^```sh\n(.+?)^```", PAGE, re.MULTILINE | re.DOTALL)
    (place / "run").write_text(script.replace(PLACE, str(place)))
    (place / "run").chmod(0o755)
    wrong = started(f"TRANSFORM_ENGINE=spark {place}/run RedditPipeline", Path("/"), place)
    assert (wrong.returncode, wrong.stderr) == (MISCONFIGURED, "")
    first, error = wrong.stdout.splitlines()
    assert first == f"reddit-etl RedditPipeline: exit code {MISCONFIGURED}"
    assert "TRANSFORM_ENGINE is 'spark'" in error
    chosen = """--hour 2026-11-23T04 --subreddits '["python"]' --listings '["new"]' --limit 100"""
    right = started(f"{place}/run RedditPipeline {chosen}", Path("/"), place)
    assert (right.returncode, right.stdout, right.stderr) == (0, "", "")
    log = (place / "reddit-etl.log").read_text()
    assert log.startswith(f"{error}\n")
    assert "Hour 2026-11-23T04 UTC" in log


def test_without_a_luigi_cfg_another_folder_gets_one_line_and_stays_empty(place: Path, tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    for command in ("luigi --module jobs RedditPipeline", "python -m jobs query 'SELECT 1'"):
        done = started(f"{place}/.venv/bin/{command}", folder, place)
        assert done.returncode == MISCONFIGURED
        assert "run in a folder with the project's luigi.cfg, or set LUIGI_CONFIG_PATH" in done.stderr
        assert "Traceback" not in done.stderr
    assert list(folder.iterdir()) == []


def test_of_two_files_the_one_that_a_setting_stands_in_says_where_its_path_begins(place: Path, tmp_path: Path) -> None:
    """Luigi reads both, and what the one of LUIGI_CONFIG_PATH does not have comes from the folder's own."""
    folder = tmp_path / "here"
    folder.mkdir()
    (folder / "luigi.cfg").write_text("[reddit_etl]\nlake_url=mine\nwarehouse_url=duckdb:///mine.duckdb\n")
    named = place / "luigi.cfg"
    named.write_text(named.read_text().replace("lake_url=data/lake\n", ""))
    program = f"{place}/.venv/bin/python -c 'from jobs.settings import Settings; print(Settings.read().{{}})'"
    for name, value in (
        ("lake_url", folder / "mine"),
        ("warehouse_url", f"duckdb:///{place}/data/warehouse.duckdb"),
    ):
        done = started(f"LUIGI_CONFIG_PATH={named} {program.format(name)}", folder, place)
        assert done.stdout.strip() == str(value), done.stderr


def test_a_relative_path_of_the_environment_begins_where_the_run_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LAKE_URL", "lake")
    assert Settings.read().lake_url == "lake"
    forget_run()
    assert resources.lake().url == str(tmp_path / "lake")


@pytest.mark.parametrize("stored", ["~/lake", "/srv/lake", "s3://bucket/lake"])
def test_a_whole_path_stays_as_it_is(stored: str, tmp_path: Path) -> None:
    (tmp_path / "luigi.cfg").write_text((PROJECT / "luigi.cfg").read_text().replace("data/lake", stored))
    program = "from jobs.config import stored, whole; print(whole('lake_url', stored('lake_url')))"
    done = commands.run("-c", program, cwd=tmp_path)
    assert done.stdout.strip() == stored, done.stderr
