"""The report's page: what it shows, what it never shows, and that a browser opens it without a network."""

import gzip
import json
import logging
import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import duckdb
import pytest

from jobs import report, resources
from reddit_etl.clock import moment, utc_now
from reddit_etl.errors import LakeError
from tests import commands
from tests.aws import AwsPipeline
from tests.conftest import Pipeline, bare_environment, forget_run, pipelines
from tests.standins.browser import Browser, browser
from tests.standins.reddit import Posts, post
from tests.test_real_input import SUBREDDITS, Recorded, scheduled_runs

HOURS = ("2026-11-23T04", "2026-11-23T05", "2026-11-23T06")
DAILY = "2026-11-23T07"
LOOKS = "looks at posts and comments"
VOID = {"meta", "link", "br", "img"}
PLOTS = ["hours", "requests", "lag", "posts-per-hour", "comments-per-hour", "rises", "best", "kinds", "trees"]


class Read(HTMLParser):
    """A page as a browser understands it: its elements, its text, and its tables by their captions."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.tables: dict[str, list[list[str]]] = {}
        self.text: list[str] = []
        self._open: list[str] = []
        self._caption = ""
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self._open.append(tag)
        if tag == "caption":
            self._caption = ""
        elif tag == "tr":
            self.tables.setdefault(self._caption, []).append([])
        elif tag in ("td", "th"):
            self.tables[self._caption][-1].append("")

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)
        if "caption" in self._open:
            self._caption += data
        elif self._open and self._open[-1] in ("td", "th"):
            self.tables[self._caption][-1][-1] += data

    def rows(self, caption: str) -> dict[str, list[str]]:
        """Without the names of the columns."""
        return {name: cells for name, *cells in self.tables[caption][1:]}

    def numbers(self, caption: str, column: str) -> dict[str, int]:
        place = self.tables[caption][0].index(column) - 1
        return {name: int(cells[place].replace(",", "")) for name, cells in self.rows(caption).items()}


def written(pipeline: Pipeline, **hours: datetime) -> Path:
    """The page of a pipeline's stores."""
    for name, value in pipeline.environment().items():
        pipeline.monkeypatch.setenv(name, value)
    forget_run()
    page = pipeline.folder / "report.html"
    report.write(page, hours.get("first"), hours.get("last"))
    return page


def is_harmless(page: Read) -> bool:
    """Whether nothing in it runs or is fetched."""
    tags = {tag for tag, _ in page.elements}
    values = [(name, value or "") for _, attributes in page.elements for name, value in attributes.items()]
    active = {"script", "iframe", "img", "object", "embed", "base", "form", "a:href", "image", "foreignobject"}
    links = [value for name, value in values if name in ("href", "src", "xlink:href") and value != "data:,"]
    return (
        not tags & active
        and not any(name.startswith("on") for name, _ in values)
        and all(link.startswith("#") for link in links)
        and not any("url(" in value and "url(#" not in value for _, value in values)
    )


@dataclass
class Made:
    """A pipeline with what it left, and its page."""

    pipeline: Pipeline
    path: Path
    observed: Counter[str]
    """The lines of raw records by the title of their extract, before any was forgotten."""
    page: Read = field(init=False)

    def __post_init__(self) -> None:
        self.page = Read(self.path.read_text(encoding="utf-8"))


def title_of(name: str) -> str:
    """What the page calls an extract of this name."""
    subreddit, _, listing = name.removeprefix("sandbox.").partition("-")
    if subreddit == "refresh":
        return LOOKS
    return "comment trees" if subreddit == "tree" else f"r/{subreddit} {listing.partition('-')[0]}"


def records(lake: Path) -> Counter[str]:
    """The lines of the raw objects by the title of the extract that read them."""
    found: Counter[str] = Counter()
    for path in lake.glob("raw/**/*.jsonl.gz"):
        found[title_of(path.name)] += len(gzip.decompress(path.read_bytes()).splitlines())
    return found


@contextmanager
def run(folder: Path, content: Any = None, **settings: str) -> Iterator[Pipeline]:
    with pytest.MonkeyPatch.context() as patch:
        bare_environment(patch)
        for name, value in settings.items():
            patch.setenv(name, value)
        with pipelines(folder, patch) as make:
            yield make("report", content)


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Three hours of the sandbox with listings, trees and looks, and a run of forgetting."""
    settings = {"REFRESH_AGES": '["1h"]', "SWEEP_HOURS": "4", "COMMENT_TREE_AGES": '["1h"]'}
    with run(tmp_path_factory.mktemp("sandbox"), **settings) as pipeline:
        for hour in HOURS:
            what = {"subreddits": ["python", "aws"], "listings": ["new", "comments"], "limit": 500}
            assert pipeline.run(hour, **what) == 0
        observed = records(pipeline.lake)
        assert pipeline.maintain(DAILY) == 0
        return Made(pipeline, written(pipeline), observed)


class Broken(Posts):
    """Posts of which some cannot be stored, and of which more arrive in an hour than a listing holds."""

    def arrive(self, count: int) -> None:
        super().arrive(count)
        for number in range(3, len(self.posts), 20):
            self.posts[number] = post(0) | {"id": "no id", "name": f"t3_p{number}"}


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A week with hours without a run, gaps, rejects, and a warehouse that is unavailable in the end."""
    content = Broken(80)
    with run(tmp_path_factory.mktemp("broken"), content) as pipeline:
        for hour in ("2026-11-17T04", "2026-11-17T05", "2026-11-20T05"):
            assert pipeline.run(hour, limit=100) == 0
            content.arrive(150)
        pipeline.warehouse.write_bytes(b"not a database")
        assert pipeline.run("2026-11-23T04", limit=100) != 0
        return Made(pipeline, written(pipeline), records(pipeline.lake))


@pytest.fixture(scope="module")
def fortnight(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Fourteen recorded days."""
    if not os.environ.get("REAL_REDDIT_DATA"):
        pytest.skip("REAL_REDDIT_DATA is not set to a folder of recorded Reddit data")
    content = Recorded()
    runs = scheduled_runs(Path(os.environ["REAL_REDDIT_DATA"]))
    with run(tmp_path_factory.mktemp("fortnight"), content) as pipeline:
        for hour, listings in runs:
            content.listings = listings
            assert pipeline.run(hour, subreddits=SUBREDDITS, limit=100) == 0
        page = written(pipeline, first=datetime.fromisoformat(runs[0][0]) - timedelta(days=1))
        return Made(pipeline, page, records(pipeline.lake))


@pytest.fixture(params=["sandbox", "broken", pytest.param("fortnight", marks=pytest.mark.slow)])
def made(request: pytest.FixtureRequest) -> Made:
    found: Made = request.getfixturevalue(request.param)
    return found


# ---- Numbers


def by_title(pipeline: Pipeline, step: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Of each receipt of a step the title, the entity and the content."""
    for path in pipeline.lake.glob(f"receipts/*/*/{step}-*.json"):
        _, entity, name = path.stem.split("-", 2)
        yield title_of(name), entity, json.loads(path.read_text())


def test_the_state_is_what_the_objects_of_the_lake_hold(made: Made) -> None:
    extracts = [*by_title(made.pipeline, "extract")]
    assert Counter(made.page.numbers("Extracts", "observed")) == made.observed
    # Looks at comments are those of the same requests as the looks at posts.
    runs = Counter(title for title, entity, _ in extracts if (title, entity) != (LOOKS, "comments"))
    assert made.page.numbers("Extracts", "runs") == runs
    for name in ("rejects", "requests"):
        counts: Counter[str] = Counter()
        for title, _, receipt in extracts:
            counts[title] += receipt[name]
        assert made.page.numbers("Extracts", name) == counts
    reasons = Counter(reason for _, _, one in extracts for reason in Counter(one["reasons"]).elements())
    assert (made.page.numbers("Rejects", "payloads") if reasons else {}) == reasons
    gaps = [[one["gap"][n][:16].replace("T", " ") for n in (0, 1)] for _, _, one in extracts if one["gap"]]
    caption = "Gaps: what was created in between was missed"
    shown = [cells[2:] for cells in made.page.tables[caption][1:]] if gaps else []
    assert sorted(shown) == sorted(gaps)
    sizes: dict[str, list[int]] = {}
    for key, content in made.pipeline.files().items():
        parts = key.split("/")
        sizes.setdefault("/".join(parts[: 2 - (parts[0] in ("receipts", "tombstones"))]), []).append(len(content))
    assert made.page.numbers("By zone", "objects") == {
        zone: len(sizes.get(zone, [])) for zone in made.page.rows("By zone")
    }
    assert sum(made.page.numbers("By zone", "objects").values()) == len(made.pipeline.files())


def test_looks_and_trees_are_what_was_planned_and_read(sandbox: Made) -> None:
    due: Counter[str] = Counter()
    for title, _, plan in by_title(sandbox.pipeline, "plan"):
        due[title] += len(plan["due"]) + plan["waiting"]
    looks, trees = (
        {name.split(":")[0]: number for name, number in sandbox.page.numbers(title, "number").items()}
        for title in ("Looks at posts and comments", "Comment trees")
    )
    assert (looks["due"], looks["done"]) == (due[LOOKS], sandbox.observed[LOOKS])
    assert looks["due"] == looks["done"] + looks["absent"] + looks["deferred"]
    assert looks["due"] > 1000
    assert trees["due"] == due["comment trees"] > 0
    assert trees["their comments that were read"] == sandbox.observed["comment trees"] > 0


def test_the_coverage_of_trees_is_shown_where_trees_were_read(
    sandbox: Made, make_pipeline: Callable[..., Pipeline]
) -> None:
    assert "tree-coverage" in sandbox.path.read_text()
    pipeline = make_pipeline()
    assert pipeline.run(HOURS[0], listings=["new", "comments"], limit=100) == 0
    text = written(pipeline).read_text()
    assert "Comments by subreddit" in text
    assert "tree-coverage" not in text


def test_the_collection_is_what_the_warehouse_holds(made: Made) -> None:
    if made.path.parent.parent.name.startswith("broken"):
        return
    first, last = re.findall(r"\d{4}-\d\d-\d\d \d\d:\d\d", "".join(made.page.text))[:2]
    between = f"created_at >= '{first}' AND created_at <= '{last}:59.999'"
    for table in ("posts", "comments"):
        if not (rows := made.pipeline.rows(f"SELECT table_name FROM duckdb_tables() WHERE table_name = '{table}'")):
            continue
        rows = made.pipeline.rows(f"SELECT 'r/' || subreddit, count(*) FROM reddit.{table} WHERE {between} GROUP BY 1")
        assert made.page.numbers(f"{table.capitalize()} by subreddit", table) == dict(rows)
    for table, number in made.page.numbers("Rows", "rows").items():
        assert [(number,)] == made.pipeline.rows(f"SELECT count(*) FROM reddit.{table}")
    kinds = f"SELECT post_type, count(*) FROM reddit.posts WHERE {between} GROUP BY 1"
    for kind, number in made.pipeline.rows(kinds):
        assert sum(made.page.numbers("Posts by type", str(kind)).values()) == number


def test_the_hours_are_those_of_runs(sandbox: Made, broken: Made) -> None:
    def hours(made: Made) -> str:
        return re.search(r"Hours loaded\|([\d,]+ of [\d,]+)\|", "|".join(made.page.text))[1]  # type: ignore[index]

    # The last hour is that of the maintenance.
    assert hours(sandbox) == "3 of 4"
    # The last hour was read, and could not be loaded.
    assert hours(broken) == f"3 of {6 * 24 + 1}"
    assert "Read and not loaded: 2026-11-23T04." in "".join(broken.page.text)
    assert [*broken.page.rows("Hours without a run: 141")] == [
        "2026-11-17T06 to 2026-11-20T04",
        "2026-11-20T06 to 2026-11-23T03",
    ]


def test_what_was_forgotten_is_shown_with_the_time_that_it_took(sandbox: Made) -> None:
    [receipt] = sandbox.pipeline.receipts("forget-*.json")
    [[hour, why, took, tombstones, removed, _]] = sandbox.page.tables["Runs of forgetting"][1:]
    assert (hour, why, tombstones) == (DAILY, "noticed", str(receipt["tombstones"]))
    hours = (moment(receipt["gone_at"]) - moment(receipt["noticed_at"])) / timedelta(hours=1)  # type: ignore[arg-type]
    assert took == f"{hours:.1f} h"
    assert removed == f"{receipt['warehouse']['removed']:,}"  # type: ignore[index]
    assert f"tombstones of their own. Removed rows: {removed}; objects" in "".join(sandbox.page.text)
    kinds = sandbox.pipeline.rows("SELECT entity, kind, count(*) FROM reddit.tombstones GROUP BY ALL ORDER BY ALL")
    assert [*sandbox.page.rows("Objects by run")] == [DAILY]
    assert sandbox.page.tables["Tombstones"][1:] == [[str(cell) for cell in row] for row in kinds]


def test_without_a_warehouse_the_page_has_the_state_and_says_so(broken: Made) -> None:
    text = "".join(broken.page.text)
    assert "The warehouse was unavailable: WAREHOUSE_URL: " in text
    assert "The warehouse was unavailable, so this part is missing." in text
    assert "Extracts" in broken.page.tables
    assert "Rows" not in broken.page.tables


def test_loads_that_a_warehouse_lacks_are_counted(make_pipeline: Callable[..., Pipeline]) -> None:
    pipeline = make_pipeline()
    assert pipeline.run(HOURS[0], limit=100) == 0
    pipeline.warehouse.unlink()
    assert "Loads that receipts record and the warehouse lacks: 1." in written(pipeline).read_text()


def test_an_hour_of_which_a_part_is_not_loaded_is_not_called_loaded(make_pipeline: Callable[..., Pipeline]) -> None:
    pipeline = make_pipeline()
    for hour in HOURS[:2]:
        assert pipeline.run(hour, listings=["new", "comments"], limit=100) == 0
    [receipt] = pipeline.lake.glob("receipts/*/hr=04/load-comments-*.json")
    receipt.unlink()
    next(pipeline.lake.glob("receipts/*/hr=05/extract-comments-*.json")).write_text("{}")
    text = written(pipeline).read_text(encoding="utf-8")
    assert "1 of 2 hours are in the warehouse" in text
    assert f"Read and not loaded: {HOURS[0]}." in text
    assert "Receipts that could not be read: 1 (extract)." in text


def test_the_page_of_stores_in_aws(on_aws: Callable[..., AwsPipeline]) -> None:
    pipeline = on_aws()
    for hour in HOURS[:2]:
        assert pipeline.run(hour, limit=100) == 0
    page = Read(written(pipeline).read_text(encoding="utf-8"))
    posts = "SELECT COUNT(*) FROM reddit.posts WHERE created_at >= '2026-11-16 06:00'"
    assert page.numbers("Posts by subreddit", "posts") == {"r/python": pipeline.rows(posts)[0][0]}
    assert sum(page.numbers("By zone", "objects").values()) == len([*resources.lake().keys("")])
    assert "all loads that receipts record" in "".join(page.text)


# ---- What is not in it


def test_no_title_author_text_or_id_is_in_the_page(made: Made) -> None:
    if made.path.parent.parent.name.startswith("broken"):
        return
    posts = "SELECT post_id, author, title, selftext, permalink, url FROM reddit.posts"
    comments = "SELECT comment_id, author, body, permalink FROM reddit.comments"
    tables = {name for (name,) in made.pipeline.rows("SELECT table_name FROM duckdb_tables()")}
    rows = [*made.pipeline.rows(posts), *(made.pipeline.rows(comments) if "comments" in tables else ())]
    page = made.path.read_text()
    words = set(re.findall(r"[\w-]+", page))
    for id_, author, *texts in rows:
        assert not {id_, f"t3_{id_}", f"t1_{id_}", author} & words
        assert not any(text in page for text in texts if isinstance(text, str) and len(text) > 12)


HOSTILE = (
    "</table><script>alert(1)</script>",
    '"><img src=http://example.com/x onerror=alert(1)>',
    "$\\frac{$",
    "]]>&lt;&#60;script&#62;",
    "a\nb\x1b[31m\u202e\U0001f600",
    "{{ 7 * 7 }}{% raw %}",
)


def test_hostile_names_are_text(make_pipeline: Callable[..., Pipeline]) -> None:
    pipeline = make_pipeline()
    for hour in HOURS[:2]:
        assert pipeline.run(hour, listings=["new", "comments"], limit=300) == 0
    with duckdb.connect(str(pipeline.warehouse)) as connection:
        for number, name in enumerate((*HOSTILE, "u_somebody")):
            for table in ("posts", "comments"):
                which = f"WHERE CAST('0x' || md5(post_id)[:4] AS INTEGER) % {len(HOSTILE) + 1} = {number}"
                connection.execute(f"UPDATE reddit.{table} SET subreddit = ? {which}", [name])
                if table == "posts" and name in HOSTILE:
                    connection.execute(f"UPDATE reddit.posts SET post_type = ? {which}", [name])
    paths = sorted(pipeline.lake.glob("receipts/**/extract-*.json"))
    fields = {"reasons": dict.fromkeys(HOSTILE, 1), "verdict": HOSTILE[0], "subreddit": HOSTILE[0]}
    fields |= {"listing": HOSTILE[1], "gap": HOSTILE[:2]}
    for path, changed in zip(paths, (fields, {"subreddit": "u_somebody"}), strict=False):
        path.write_text(json.dumps(json.loads(path.read_text()) | changed))
    text = written(pipeline).read_text(encoding="utf-8")
    page = Read(text)
    assert is_harmless(page)
    for name in HOSTILE:
        seen = "".join(one if one.isprintable() else "\ufffd" for one in name)
        assert f"r/{seen}" in page.rows("Posts by subreddit")
        assert seen in page.rows("Rejects")
    assert "user profiles" in page.rows("Posts by subreddit")
    assert "user profiles new" in page.rows("Extracts")
    assert "u_somebody" not in text


# ---- In a browser


DRAWN = """
[...document.querySelectorAll('svg.plot')].map(svg => ({
  name: svg.querySelector('title').id,
  title: svg.querySelector('title').textContent,
  text: svg.querySelector('desc').textContent,
  width: svg.getBoundingClientRect().width,
  // What has one of the colours of data, and an area.
  marks: [...svg.querySelectorAll('path, use')].filter(one => {
    const box = one.getBoundingClientRect();
    return /--(s|h|bad|line)/.test(one.getAttribute('style') || '') && box.width * box.height > 1;
  }).length,
  ink: getComputedStyle(svg.querySelector('text')).fill,
  small: Math.min(...[...svg.querySelectorAll('text')].map(one => one.getBoundingClientRect().height)),
}))
"""


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("browser")) as found:
        yield found


def opened(tab: Browser, made: Made, **how: Any) -> list[dict[str, Any]]:
    """The plots of the page, after it was found to be whole without any request."""
    tab.open(made.path, **how)
    plots: list[dict[str, Any]] = tab.evaluate(DRAWN)
    by = [event["method"] for event in tab.events]
    assert not {"Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded"} & set(by)
    urls = [one["params"]["request"]["url"] for one in tab.events if one["method"] == "Network.requestWillBeSent"]
    assert urls == [made.path.as_uri()]
    # Nothing but tables, which scroll on their own, is wider than the screen.
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
    return plots


@pytest.mark.slow
@pytest.mark.parametrize("made", ["sandbox", "broken", "fortnight"], indirect=True)
def test_a_browser_without_a_network_shows_every_plot(tab: Browser, made: Made) -> None:
    wide = opened(tab, made, width=1240)
    expected = {
        "sandbox": PLOTS,
        "broken": PLOTS[:3],
        "fortnight": [name for name in PLOTS if name not in ("comments-per-hour", "trees")],
    }[made.path.parent.parent.name[:-1]]
    assert [plot["name"] for plot in wide] == [f"{name}-title" for name in expected]
    for plot in wide:
        assert plot["marks"] >= 1, plot
        assert len(plot["title"]) > 10
        assert len(plot["text"]) > 10
    dark = opened(tab, made, width=1240, dark=True)
    assert all(one["ink"] != other["ink"] for one, other in zip(wide, dark, strict=True))
    phone = opened(tab, made, width=390)
    # Pixels of the smallest letters' lines.
    assert all(300 < plot["width"] <= 390 and plot["small"] >= 9 for plot in phone), phone


# ---- The command


def test_the_command_writes_the_page_and_reports_what_it_cannot(
    make_pipeline: Callable[..., Pipeline], tmp_path: Path
) -> None:
    pipeline = make_pipeline()
    assert pipeline.run(HOURS[0], limit=100) == 0

    def command(*words: str) -> tuple[int, str, str]:
        done = commands.run("-m", "jobs", "report", *words, env=os.environ | pipeline.environment())
        return done.returncode, done.stdout, done.stderr

    page = tmp_path / "page.html"
    before = utc_now()
    assert command("--output", str(page)) == (0, f"{page}: 2026-11-16T05 to 2026-11-23T04\n", "")
    read = Read(page.read_text())
    assert is_harmless(read)
    # By the real clock, whatever the hour of the run was.
    [made] = re.findall(r"made (\S+ \S+) UTC", "".join(read.text))
    assert before - timedelta(minutes=1) < datetime.fromisoformat(made) <= utc_now()
    code, _, error = command("--output", str(tmp_path / "none" / "page.html"))
    assert (code, error.count("\n")) == (78, 1)
    assert "--output" in error
    code, _, error = command("--output", str(page), "--first", "2026-11-24T00")
    assert (code, error.count("\n")) == (78, 1)
    assert "--first 2026-11-24T00 is after 2026-11-23T04, the newest hour" in error
    assert "--last" not in error
    code, _, error = command("--output", str(page), "--first", "2026-11-24T00", "--last", "2026-11-23T04")
    assert (code, error) == (78, "--first 2026-11-24T00 is after --last 2026-11-23T04: swap them\n")
    other = tmp_path / "page.xyz"
    fix = "is not HTML: use a name that ends with .html or .htm"
    assert command("--output", str(other)) == (78, "", f"--output: {other} {fix}\n")
    assert not other.exists()
    assert command("--output", str(tmp_path / "PAGE.HTM"))[0] == 0
    pipeline.monkeypatch.setenv("LAKE_URL", str(tmp_path / "empty"))
    forget_run()
    with pytest.raises(LakeError, match="run the pipeline first"):
        report.write(str(page), None, None)


def test_maintenance_puts_the_page_into_the_lake_once(
    make_pipeline: Callable[..., Pipeline], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    pipeline = make_pipeline()
    assert pipeline.run(HOURS[0], limit=100) == 0
    assert pipeline.maintain(HOURS[0]) == 0
    assert not (pipeline.lake / "reports").exists()
    monkeypatch.setenv("DAILY_REPORT", "yes")
    caplog.clear()
    assert pipeline.maintain(HOURS[1]) == 0
    [path] = (pipeline.lake / "reports").iterdir()
    page = path.read_text()
    assert path.name == f"{HOURS[1]}.html"
    assert is_harmless(Read(page))
    # What this maintenance did before is in it, and the next run of it leaves it as it is.
    done = [record.getMessage() for record in caplog.records]
    assert done.index("forgotten") < done.index("retained") < done.index("reported")
    assert pipeline.maintain(HOURS[1]) == 0
    assert path.read_text() == page
    # A report is made without the warehouse, too.
    pipeline.warehouse.write_bytes(b"not a database")
    assert pipeline.maintain(HOURS[2]) != 0
    assert "The warehouse was unavailable" in (pipeline.lake / "reports" / f"{HOURS[2]}.html").read_text()


def test_maintenance_without_the_libraries_of_the_report_does_nothing(make_pipeline: Callable[..., Pipeline]) -> None:
    pipeline = make_pipeline()
    environment = os.environ | pipeline.environment() | {"DAILY_REPORT": "yes"}
    code = "import sys; sys.modules['matplotlib'] = None; from luigi.cmdline import luigi_run; luigi_run(sys.argv[1:])"
    done = commands.run("-c", code, "--module", "jobs", "Maintenance", env=environment)
    assert (done.returncode, pipeline.lake.exists()) == (78, False)
    [line] = done.stderr.splitlines()
    assert "DAILY_REPORT: matplotlib" in line
    assert "the image's target report" in line


WITHOUT = """\
import runpy, sys
sys.modules["{library}"] = None
sys.argv = ["jobs", "report", "--output", "page.html"]
runpy.run_module("jobs", run_name="__main__", alter_sys=True)
"""


@pytest.mark.parametrize("library", ["matplotlib", "jinja2"])
def test_a_missing_library_is_one_line_that_names_the_extra(library: str) -> None:
    done = commands.run("-c", WITHOUT.format(library=library))
    assert (done.returncode, done.stderr.count("\n")) == (78, 1)
    fix = re.escape(f"{sys.executable} -m pip install 'reddit-etl[report]'")
    assert re.match(rf"report: {library}\S* is not installed: {fix}", done.stderr)
