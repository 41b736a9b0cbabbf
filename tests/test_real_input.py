"""Recorded Reddit data through the whole pipeline, where REAL_REDDIT_DATA names a folder of it."""

import hashlib
import io
import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import zstandard

from reddit_etl.entities import POSTS
from reddit_etl.lake.folder import FolderLake
from reddit_etl.lake.index import Receipts
from reddit_etl.lake.receipts import Extracted
from reddit_etl.sandbox.server import Listing, Refusal
from reddit_etl.sources import listing
from reddit_etl.sources.client import Observation
from reddit_etl.sources.look import Look
from reddit_etl.steps.attempt import Attempt
from reddit_etl.steps.extract import extract
from reddit_etl.transform.duckdb import DuckDBTransform
from reddit_etl.warehouse.base import Load
from reddit_etl.warehouse.duckdb import DuckDBWarehouse
from tests.conftest import MINUTE, Pipeline

SUBREDDITS = ("golang", "cpp", "aws")
NOON = datetime(2020, 2, 1, 12)  # noqa: DTZ001


class Recorded:
    """The listings of one moment, as Reddit sent them."""

    def __init__(self) -> None:
        self.listings: dict[str, Path] = {}

    def listing(self, subreddit: str, listing: str) -> Listing | Refusal:
        if subreddit not in self.listings or listing != "new":
            return Refusal(404)
        children = json.loads(self.listings[subreddit].read_text())["data"]["children"]
        return Listing([child["data"]["id"] for child in children], lambda place: children[place]["data"])

    def info(self, _: list[str]) -> list[dict[str, Any]]:
        return []


def scheduled_runs(real: Path) -> list[tuple[str, dict[str, Path]]]:
    """Hours, and the listing of each subreddit then; one day was recorded twice."""
    runs: dict[str, dict[str, Path]] = {}
    for path in sorted(real.glob("snapshots/*/*.json")):
        name, _, second = path.stem.partition("__")
        runs.setdefault(f"{path.parent.name}T{'22' if second else '05'}", {})[name] = path
    return sorted(runs.items())


def _oracle(runs: list[tuple[str, dict[str, Path]]]) -> dict[str, dict[str, Any]]:
    """The newest payload of each post, read without any of the pipeline's code."""
    newest: dict[str, dict[str, Any]] = {}
    for _, listings in runs:
        for path in listings.values():
            for child in json.loads(path.read_text())["data"]["children"]:
                newest[child["data"]["id"]] = child["data"]
    return newest


def test_fourteen_days_end_in_what_reddit_last_showed_in_any_order(
    real: Path, make_pipeline: Callable[..., Pipeline]
) -> None:
    runs = scheduled_runs(real)
    assert len(runs) == 14
    orders = {"forwards": runs, "shuffled": random.Random(3).sample(runs, len(runs))}
    ended = {}
    for order, sequence in orders.items():
        content = Recorded()
        pipeline = make_pipeline(order, content)
        for hour, listings in sequence:
            content.listings = listings
            assert pipeline.run(hour, subreddits=SUBREDDITS, limit=100) == 0
        tables = pipeline.tables()
        ended[order] = (tables["posts"], tables["post_metrics"])
        observations = sum(receipt["records"] for receipt in pipeline.receipts("extract-*.json"))  # type: ignore[misc]
        assert len(tables["post_metrics"]) == observations
        assert pipeline.rows("SELECT count(*) - count(DISTINCT (post_id, observed_at)) FROM reddit.post_metrics") == [
            (0,)
        ]
        assert len(tables["posts"]) == pipeline.rows("SELECT count(DISTINCT post_id) FROM reddit.posts")[0][0]
    assert ended["forwards"] == ended["shuffled"]
    shown = _oracle(runs)
    rows = pipeline.rows(
        "SELECT post_id, title, selftext, url, score, num_comments, upvote_ratio, epoch(created_at), is_self "
        "FROM reddit.posts"
    )
    assert {row[0]: row[1:] for row in rows} == {
        post_id: (
            post["title"],
            post["selftext"],
            post["url"],
            post["score"],
            post["num_comments"],
            post.get("upvote_ratio"),
            post["created_utc"],
            post["is_self"],
        )
        for post_id, post in shown.items()
    }


class Replayed:
    """Children one by one instead of Reddit."""

    requests = 0

    def __init__(self, children: Iterator[object]) -> None:
        self.children = children

    def listing(self, *_: object, **__: object) -> Iterator[Observation]:
        for child in self.children:
            yield Observation(child, NOON)


def _children(found: object) -> Iterator[object]:
    """Each submission, at any depth, as a listing child."""
    if isinstance(found, list):
        for entry in found:
            yield from _children(entry)
    elif isinstance(found, dict):
        if found.get("kind") == "t3":
            yield found
        else:
            for entry in found.values():
                yield from _children(entry)


def _odd(real: Path) -> Iterator[object]:
    for line in (real / "odd/odd_examples.ndjson").open():
        yield json.loads(line)


def _listings(real: Path) -> Iterator[object]:
    for path in sorted((real / "listings").glob("*.json")):
        if not path.name.endswith(".meta.json"):
            yield from _children(json.loads(path.read_text()))


def _dumps(real: Path) -> Iterator[object]:
    for path in sorted((real / "dumps").glob("*.ndjson.zst")):
        if not path.name.startswith("RC_") and "comments" not in path.name:
            with path.open("rb") as packed:
                lines = zstandard.ZstdDecompressor(max_window_size=2**31).stream_reader(packed)
                for line in io.TextIOWrapper(lines, encoding="utf-8"):
                    raw = json.loads(line)
                    yield {"kind": "t3", "data": raw.get("row", raw)}


@pytest.mark.parametrize(("source", "least"), [(_odd, 200), (_listings, 5000), (_dumps, 6500)])
def test_every_real_submission_is_a_row_or_a_reject_with_its_reason(
    real: Path, tmp_path: Path, source: Callable[[Path], Iterator[object]], least: int
) -> None:
    children = list(source(real))
    assert len(children) >= least
    lake = FolderLake(tmp_path / "lake")
    receipt: Extracted = extract(
        Attempt(lake, POSTS, NOON, "once", lambda: NOON),
        listing.Listing("any", "hot", 1000),
        source="reddit",
        client=Replayed(iter(children)),  # type: ignore[arg-type]
        past=Receipts(lake, NOON, NOON),
    )
    assert receipt.records + receipt.rejects == len(children)
    assert sum(receipt.reasons.values()) == receipt.rejects
    done = DuckDBTransform()(entity=POSTS, lake=lake, inputs=receipt.objects, prefix="curated/once/")
    assert done.records == receipt.records
    warehouse = DuckDBWarehouse(tmp_path / "warehouse.duckdb")
    counts = warehouse.load(
        Load(POSTS, load_id="once", hour="2020-02-01T12", lake=lake, objects=done.objects, columns={})
    )
    posts = {child["data"]["id"] for child in children if child["kind"] == "t3"}  # type: ignore[index]
    assert counts.inserted == done.observations == len(posts)
    _, [(loaded, truncated)] = warehouse.query(
        "SELECT count(DISTINCT post_id), count_if(text_truncated) FROM reddit.posts", limit=1
    )
    assert loaded == len(posts)
    assert truncated == receipt.truncated == 0


class Looked(Recorded):
    """The recorded listings, and by their ids the posts as they were shown last."""

    def __init__(self) -> None:
        super().__init__()
        self._shown: dict[str, dict[str, Any]] = {}

    def show(self, listings: dict[str, Path]) -> None:
        self.listings = listings
        self._shown |= _oracle([("", listings)])

    def info(self, fullnames: list[str]) -> list[dict[str, Any]]:
        return [self._shown[name[3:]] for name in fullnames]


AGES = (1, 6, 24, 72, 168)
TURNS = 20


def _due(known: dict[str, tuple[datetime, datetime]], last: datetime, now: datetime) -> dict[str, str]:
    """Why each post is due by the rules, given when it was created and first shown, and the runs."""
    passed = int((now - last) / timedelta(hours=1))
    turns = {(now.toordinal() * 24 + now.hour - ago) % TURNS for ago in range(passed)}
    due = {}
    for post_id, (created, first) in known.items():
        for age in AGES:
            end = timedelta(hours=age)
            is_new = created > last - end or first == last
            if created <= now - end and is_new and created > last - max(1.5 * end, end + timedelta(hours=2)):
                due[f"t3_{post_id}"] = f"{age:03d}h"
        if int(hashlib.md5(post_id.encode()).hexdigest()[:4], 16) % TURNS in turns:
            due.setdefault(f"t3_{post_id}", "sweep")
    return due


def test_of_fourteen_days_those_posts_are_looked_at_that_are_due_by_the_rules(
    real: Path, make_pipeline: Callable[..., Pipeline], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REFRESH_AGES", json.dumps([f"{age}h" for age in AGES]))
    monkeypatch.setenv("SWEEP_HOURS", str(TURNS))
    content = Looked()
    pipeline = make_pipeline("looks", content)
    known: dict[str, tuple[datetime, datetime]] = {}
    last: datetime | None = None
    counts: Counter[str] = Counter()
    for hour, listings in scheduled_runs(real):
        content.show(listings)
        sent = pipeline.server.used
        assert pipeline.run(hour, subreddits=SUBREDDITS, limit=100) == 0
        now = datetime.fromisoformat(hour) + MINUTE
        [plan] = [one for one in pipeline.receipts("plan-posts-*.json") if one["hour"] == hour]
        looks = {look.fullname: look.why for look in map(Look.read, plan["due"])}  # type: ignore[call-overload]
        assert looks == (_due(known, last, now) if last else {})
        # A token, a page of each listing, and the looks.
        assert pipeline.server.used - sent == 1 + len(SUBREDDITS) + -(-len(looks) // 100)
        counts.update(looks.values())
        for post_id, post in _oracle([(hour, listings)]).items():
            created = datetime.fromtimestamp(post["created_utc"], UTC).replace(tzinfo=None)
            known.setdefault(post_id, (created, now))
        last = now
    # Once a day there is nothing that was an hour old in time.
    assert set(counts) == {"006h", "024h", "072h", "168h", "sweep"}
