"""CONTRIBUTING.md: an entity and an engine more, by its own steps, on a copy of the code; and the names it gives."""

import importlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from tests import PROJECT, commands
from tests.contributing import PAGE, carry_out, changes
from tests.standins.reddit import Posts, ScriptedHandler, ScriptedReddit, answer, page

MEMORY_LAKE = '''
"""A lake in memory."""

import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO

from reddit_etl.errors import LakeError
from reddit_etl.lake.base import Lake, Stored


class MemoryLake(Lake):
    url = "memory://"

    def __init__(self) -> None:
        self._objects: dict[str, bytes] = {}

    @contextmanager
    def open_new(self, key: str) -> Iterator[IO[bytes]]:
        stream = io.BytesIO()
        yield stream
        self._objects[key] = stream.getvalue()

    def create(self, key: str, content: bytes) -> bool:
        return self._objects.setdefault(key, content) == content

    def read(self, key: str) -> bytes | None:
        return self._objects.get(key)

    def stored(self, prefix: str) -> Iterator[Stored]:
        found = ((key, content) for key, content in self._objects.items() if key.startswith(prefix))
        yield from (Stored(key, len(content), datetime.min) for key, content in found)

    def keys_between(self, first: str, last: str) -> Iterator[str]:
        yield from sorted(key for key in self._objects if first <= key < last)

    def folders(self, prefix: str) -> list[str]:
        below = (key.removeprefix(prefix) for key in self._objects if key.startswith(prefix))
        return sorted({key.partition("/")[0] for key in below if "/" in key})

    def local_file(self, key: str, scratch: Path) -> Path:
        if key not in self._objects:
            raise LakeError(f"LAKE_URL: {key} is missing")
        path = scratch / key.replace("/", "_")
        path.write_bytes(self._objects[key])
        return path

    def remove(self, keys: Iterable[str]) -> int:
        return sum(len(self._objects.pop(key, b"")) for key in keys)

    def remove_unfinished(self, before: datetime) -> int:
        return 0
'''


HOURS = ("03", "04", "05", "06", "07")


def run(copy: Path, hour: str, listings: list[str], **settings: str) -> None:
    """The real command, on the copy."""
    chosen = ("--hour", hour, "--subreddits", '["python"]', "--listings", json.dumps(listings), "--limit", "100")
    words = ("-m", "luigi", "--module", "jobs", "RedditPipeline", *chosen)
    done = commands.run(*words, cwd=copy, env=os.environ | settings)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def reddit() -> Iterator[ScriptedReddit]:
    """Posts, and a page about the subreddit, whose subscribers become more from look to look.

    The first response to its id is without it.
    """
    subscribers = iter(range(1000, 1100))
    posts = Posts(3)
    asked: list[str] = []

    def about() -> dict[str, object]:
        data = {"id": "2qh0y", "name": "t5_2qh0y", "display_name": "Python", "created_utc": 1201230879.0}
        data |= {"title": "A title", "subscribers": next(subscribers), "over18": False}
        return {"kind": "t5", "data": data}

    def act(handler: ScriptedHandler) -> None:
        if handler.path.startswith("/r/python/about"):
            answer(200, about())(handler)
        elif handler.path.startswith("/api/info") and "t5_2qh0y" in handler.path:
            asked.append(handler.path)
            children = [{"kind": "t3", "data": one} for one in posts.posts]
            answer(200, page([*children, about()] if asked[1:] else children))(handler)
        else:
            handler.ordinary()

    with ScriptedReddit(posts) as server:
        server.script(pages=iter(lambda: act, None))
        yield server


def test_an_entity_is_one_file_and_a_line_in_two_others(tmp_path: Path, reddit: ScriptedReddit) -> None:
    carry_out("Add an entity", tmp_path)
    changed = changes(tmp_path)
    new = changed.pop("reddit_etl/entities/subreddits.py")
    assert all(line.startswith("+ ") for line in new)
    assert {path: [line[0] for line in lines] for path, lines in changed.items()} == {
        # The import, and the entity's name in the registry.
        "reddit_etl/entities/__init__.py": ["+", "-", "+"],
        "reddit_etl/sources/selection.py": ["+"],
    }

    for hour in ("2026-11-23T04", "2026-11-23T05"):
        run(tmp_path, hour, ["new", "about"], REDDIT_URL=reddit.url)
    with duckdb.connect(str(tmp_path / "data" / "warehouse.duckdb"), read_only=True) as connection:
        rows = connection.execute("SELECT subreddit_id, subreddit, subscribers FROM reddit.subreddits").fetchall()
        metrics = connection.execute("SELECT subscribers FROM reddit.subreddit_metrics ORDER BY observed_at").fetchall()
        posts = connection.execute("SELECT count(*) FROM reddit.posts").fetchone()
    assert (rows, metrics, posts) == ([("2qh0y", "Python", 1001)], [(1000,), (1001,)], (3,))
    receipts = [path.name for path in (tmp_path / "data" / "lake").glob("receipts/**/hr=05/*-subreddits-*")]
    assert sorted(name.partition("-")[0] for name in receipts) == ["extract", "load", "transform"]
    done = commands.run("-m", "jobs", "dictionary", cwd=tmp_path)
    assert "\n## reddit.subreddits\n" in done.stdout


def test_an_entity_can_be_added_to_a_lake_with_hours_from_before_it(tmp_path: Path) -> None:
    data, copy = tmp_path / "data", tmp_path / "copy"
    stores = {"LAKE_URL": str(data / "lake"), "WAREHOUSE_URL": f"duckdb:///{data}/warehouse.duckdb"}
    settings = stores | {"REFRESH_AGES": '["1h"]'}
    for hour in ("2026-11-23T03", "2026-11-23T04", "2026-11-23T05"):
        run(PROJECT, hour, ["new"], **settings)
    # As after a run that ended too soon: what its looks have read of comments is still to be taken over.
    for receipt in (data / "lake").glob("receipts/**/hr=04/*-comments-*"):
        receipt.unlink()

    carry_out("Add an entity", copy)
    # The last hour from before it once more, then new ones.
    for hour in ("2026-11-23T05", "2026-11-23T06", "2026-11-23T07"):
        run(copy, hour, ["new"], **settings)
    receipts = [path.relative_to(data / "lake").parts for path in (data / "lake").glob("receipts/**/extract-*.json")]
    found = {hour: sorted({name.split("-")[1] for *_, at, name in receipts if at == f"hr={hour}"}) for hour in HOURS}
    before, since = ["comments", "posts"], ["comments", "posts", "subreddits"]
    assert found == {"03": before, "04": before, "05": since, "06": since, "07": since}
    chosen = ("--first", "2026-11-23T03", "--last", "2026-11-23T07")
    compared = commands.run("-m", "jobs", "reconcile", *chosen, cwd=copy, env=os.environ | settings)
    assert compared.returncode == 0, compared.stdout + compared.stderr


def test_an_entity_without_an_author_is_looked_at_again(tmp_path: Path, reddit: ScriptedReddit) -> None:
    carry_out("Add an entity", tmp_path)
    # It is known from the first hour on and absent in the second. Nothing else of its subreddit would show that it is
    # gone, so the third does not ask for it again.
    for hour in ("2026-11-23T04", "2026-11-23T05", "2026-11-23T06", "2026-11-23T07"):
        run(tmp_path, hour, ["new", "about"], REDDIT_URL=reddit.url, SWEEP_HOURS="1")
    receipts = sorted((tmp_path / "data" / "lake").glob("receipts/**/extract-subreddits-sandbox.refresh-*.json"))
    read = [json.loads(receipt.read_text()) for receipt in receipts]
    assert [(one["records"], one["rejects"]) for one in read] == [(0, 0), (0, 0), (0, 0), (1, 0)]


def test_an_engine_is_one_file_and_the_places_that_choose_it(tmp_path: Path) -> None:
    carry_out("Add an engine", tmp_path)
    assert set(changes(tmp_path)) == {"reddit_etl/lake/__init__.py", "jobs/settings.py"}
    (tmp_path / "reddit_etl" / "lake" / "memory.py").write_text(MEMORY_LAKE)
    run(tmp_path, "2026-11-23T04", ["new", "comments"], LAKE_URL="memory://")
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["warehouse.duckdb"]
    with duckdb.connect(str(tmp_path / "data" / "warehouse.duckdb"), read_only=True) as connection:
        loads = connection.execute("SELECT entity, rows_inserted FROM reddit.load_audit ORDER BY entity").fetchall()
    assert loads == [("comments", 100), ("posts", 100)]


def test_the_table_of_engines_names_what_there_is() -> None:
    rows = re.findall(r"^\| \w+ \| `([\w.]+)` \| `([\w.]+)` \| `(\w+)` \| `([\w/.]+)` \|$", PAGE, re.MULTILINE)
    assert len(rows) == 3
    declarations = importlib.import_module("jobs.declarations")
    for interface, opens, settings, test in rows:
        for name in (interface, opens):
            module, _, attribute = name.rpartition(".")
            assert hasattr(importlib.import_module(module), attribute)
        assert hasattr(declarations, settings)
        assert "duckdb" in (PROJECT / test).read_text() or "FolderLake" in (PROJECT / test).read_text()


def test_the_targets_of_the_suites_are_in_the_makefile() -> None:
    makefile = (PROJECT / "Makefile").read_text()
    targets = set(re.findall(r"`make (\w+)", PAGE)) | set(re.findall(r"^\$ make (\w+)", PAGE, re.MULTILINE))
    assert {"test", "quick", "check", "tools", "docs", "lock"} <= targets
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets)
