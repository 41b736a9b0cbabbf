"""The pages say what the code does: tables, paths, lines and links."""

import configparser
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from jobs import process
from jobs.pipeline import RedditPipeline
from reddit_etl.lake import layout
from reddit_etl.lake.receipts import Loaded, Summary
from reddit_etl.report import text
from reddit_etl.report.facts import EntityFacts, Facts
from reddit_etl.sources.selection import LISTINGS
from tests import PROJECT, commands

PAGES = [*PROJECT.glob("*.md"), *PROJECT.glob("docs/*.md"), *PROJECT.glob("benchmarks/*.md")]
HOUR = datetime.fromisoformat("2026-11-23T04:00")


def page(name: str) -> str:
    return (PROJECT / "docs" / name).read_text()


def headings(path: Path) -> set[str]:
    """The anchors that GitHub gives to a page's headings."""
    found = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```", "", path.read_text(), flags=re.MULTILINE | re.DOTALL), re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in found}


def links() -> Iterator[tuple[Path, str]]:
    for path in PAGES:
        for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text()):
            if not target.startswith("https://"):
                yield path, target


@pytest.mark.parametrize(("path", "target"), list(links()), ids=lambda value: getattr(value, "name", value))
def test_a_link_leads_somewhere(path: Path, target: str) -> None:
    name, _, anchor = target.partition("#")
    there = path.parent / name if name else path
    assert there.exists()
    assert not anchor or anchor in headings(there)


def test_the_table_of_settings_is_what_the_command_prints() -> None:
    done = commands.run("-m", "jobs", "settings")
    assert f"\n\n{done.stdout}\n" in page("settings.md")


def test_the_table_of_parameters_names_all_of_a_run() -> None:
    rows = re.findall(r"^\| `--(\w+)` \| `(\w+)` \| (.+) \|$", page("settings.md"), re.MULTILINE)
    parameters = [name for name, _ in RedditPipeline.get_params()]  # type: ignore[no-untyped-call]
    assert [name for name, _, _ in rows] == parameters
    makefile = (PROJECT / "Makefile").read_text()
    assert all(f"$(if $({variable}),--{name} " in makefile for name, variable, _ in rows)
    [listings] = [meaning for name, _, meaning in rows if name == "listings"]
    assert set(re.findall(r"`(\w+)`", listings)) == set(LISTINGS)


def test_the_exit_codes_are_those_of_luigi_cfg_and_of_the_process() -> None:
    config = configparser.ConfigParser()
    config.read(PROJECT / "luigi.cfg")
    ours = {process.MISCONFIGURED, process.TERMINATED, process.INTERRUPTED}
    luigis = {config.getint("retcode", name) for name in ("task_failed", "scheduling_error", "unhandled_exception")}
    rows = re.findall(r"^\| ([\d, ]+) \| ", page("operation.md"), re.MULTILINE)
    said = {int(code) for row in rows for code in row.split(", ")}
    assert said == ours | luigis | {0, 1, 2}


@pytest.mark.parametrize("module", ["jobs", "batch"])
def test_the_help_of_each_command_ends_with_its_exit_codes(module: str) -> None:
    shown = commands.run("-m", module, "--help").stdout
    names = re.findall(r"^    (\w+) ", shown, re.MULTILINE)
    assert len(names) >= 4, shown
    for name in names:
        *_, last = commands.run("-m", module, name, "--help").stdout.strip().split("\n\n")
        assert re.match(r"exit codes: 0 \w+", last), name


def test_the_lake_s_paths_are_made_as_the_page_shows_them() -> None:
    [block] = re.findall(r"^data/lake/\n(.+?)^```", page("lake.md"), re.MULTILINE | re.DOTALL)
    shown = [line.split("  ")[1] for line in block.splitlines()]
    attempt, selection = "<attempt>", "<selection>"
    receipts = {
        "extract": ("posts", "python-new-1000"),
        "plan": ("comments", "tree-024h"),
        "transform": ("posts", selection),
        "publish": ("posts", f"{selection}-<catalog>"),
        "load": ("posts", f"{selection}-<warehouse>"),
        "lost": ("all", f"{attempt}-<warehouse>"),
        "compact": ("posts", "<merged selection>"),
        "retain": ("all", "lake"),
        "forget": ("all", "noticed-<warehouse>"),
    }
    curated = layout.curated_prefix("posts", HOUR, selection, attempt) + "part-00000.parquet"
    replaced = [
        layout.successor_key(key.replace(selection, "0123").replace(attempt, "<replaced attempt>")).replace(
            "0123", selection
        )
        for key in (curated, layout.raw_key("posts", HOUR, attempt, "python-new-1000"))
    ]
    *done, merged, retained, forgotten = (
        layout.receipt_key(step, entity, HOUR, name) for step, (entity, name) in receipts.items()
    )
    assert shown == [
        layout.raw_key("posts", HOUR, attempt, "python-new-1000"),
        layout.raw_key("comments", HOUR, attempt, "python-comments-1000"),
        layout.rejected_key("posts", HOUR, attempt, "python-new-1000"),
        curated,
        *done,
        *replaced,
        merged,
        layout.expiry_key(layout.raw_key("posts", HOUR, attempt, "python-new-1000")),
        retained,
        forgotten,
        layout.pack_key(f"{HOUR:%Y-%m-%d}", attempt),
        layout.tombstones_key(HOUR, "noticed"),
        layout.report_key(HOUR),
    ]
    assert all(layout.RECEIPT.fullmatch(key) for key in shown[4:-3])


def test_the_line_of_coverage_is_the_report_s() -> None:
    [line] = re.findall(r"^  trees .+$", page("comments.md"), re.MULTILINE)
    done, due, fetched, number = map(int, re.findall(r"\d+(?= )", line))
    coverage = {"due": due, "done": done, "unavailable": 0, "missed": 0, "fetched": fetched, "stubs_left": 0}
    trees = Summary(
        records=fetched, rejects=0, verdict="ok", is_listing=False, coverage=coverage | {"num_comments": number}
    )
    header = {"entity": "comments", "hour": "2026-11-23T04", "attempt": "a", "committed_at": "then"}
    load = Loaded(**header, rows=fetched, inserted=fetched, updated=0, stale=0)
    comments = EntityFacts(name="comments", extracts={"comment trees": trees}, loads=[load])
    facts = Facts(hour=HOUR, source="sandbox", was_complete=False, entities=[comments], requests=0, seconds=0.0)
    assert line in text.lines(facts)
