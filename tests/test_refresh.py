"""Another look at known posts and comments: what is due, by whom it is read, and what is done about the rest."""

import gzip
import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from types import SimpleNamespace

import pytest

from reddit_etl.entities import POSTS
from reddit_etl.errors import RedditError
from reddit_etl.lake.layout import hour_text
from reddit_etl.sandbox import content
from reddit_etl.sources.client import Observation
from reddit_etl.sources.look import Look
from reddit_etl.sources.refresh import Refresh
from reddit_etl.sources.verdict import Unavailable
from tests.conftest import MINUTE, Pipeline

FIRST = datetime.fromisoformat("2026-11-23T04")
BOTH = ("new", "comments")
AGES = (1, 3)
SWEEP = 5


def hours(count: int, first: datetime = FIRST) -> list[str]:
    return [hour_text(first + timedelta(hours=number)) for number in range(count)]


@pytest.fixture(autouse=True)
def _looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REFRESH_AGES", '["1h", "3h"]')
    monkeypatch.setenv("SWEEP_HOURS", str(SWEEP))


def planned(pipeline: Pipeline) -> dict[str, dict[str, str]]:
    """Why each post and comment was due, by hour and full name."""
    return {
        str(plan["hour"]): {look.fullname: look.why for look in map(Look.read, plan["due"])}  # type: ignore[call-overload]
        for plan in pipeline.receipts("plan-posts-*.json")
    }


def expected(known: dict[str, datetime], new: set[str], moment: datetime) -> dict[str, str]:
    """What is due an hour after the last plan, of what the warehouse knows; `new` has come to it in that hour."""
    found = {}
    turn = (moment.toordinal() * 24 + moment.hour) % SWEEP
    for fullname, created in known.items():
        old = (moment - created) / timedelta(hours=1)
        reached = [age for age in AGES if age <= old < age + 1 or (fullname in new and age <= old < age + 3)]
        if reached:
            found[fullname] = f"{max(reached):03d}h"
        elif int(hashlib.md5(fullname[3:].encode()).hexdigest()[:4], 16) % SWEEP == turn:
            found[fullname] = "sweep"
    return found


def test_all_that_is_stored_is_due_at_its_ages_and_once_in_the_hours_of_a_sweep(pipeline: Pipeline) -> None:
    known: dict[str, datetime] = {}
    new: set[str] = set()
    looks: Counter[str] = Counter()
    for hour in hours(7):
        assert pipeline.run(hour, listings=BOTH, limit=100) == 0
        due = planned(pipeline)[hour]
        assert due == expected(known, new, datetime.fromisoformat(hour) + MINUTE)
        looks.update(due.values())
        before = set(known)
        for table, key, kind in (("posts", "post_id", "t3"), ("comments", "comment_id", "t1")):
            known |= {f"{kind}_{key}": at for key, at in pipeline.rows(f"SELECT {key}, created_at FROM reddit.{table}")}  # type: ignore[misc]
        new = set(known) - before
    assert min(looks[why] for why in ("001h", "003h", "sweep")) > 50


def test_the_looks_take_as_few_requests_as_there_can_be(pipeline: Pipeline) -> None:
    first, second = hours(2)
    assert pipeline.run(first, listings=BOTH, limit=300) == 0
    before = pipeline.server.requests["/api/info"]
    assert pipeline.run(second, listings=BOTH, limit=100) == 0
    due = planned(pipeline)[second]
    assert len(due) > 100
    assert pipeline.server.requests["/api/info"] - before == -(-len(due) // 100)
    # Its record says what it was read for.
    records = [
        json.loads(line)
        for path in pipeline.lake.glob("raw/*/*/hr=05/*/*refresh*")
        for line in gzip.decompress(path.read_bytes()).splitlines()
    ]
    kinds = {"posts": ("t3", "post_id"), "comments": ("t1", "comment_id")}
    found = {
        f"{kind}_{record[key]}": record["listing"]
        for record in records
        for kind, key in kinds.values()
        if record.get(key) and (kind == "t1" or "comment_id" not in record)
    }
    assert found == {name: f"sandbox.refresh-{why}" for name, why in due.items()}


def test_what_the_requests_do_not_suffice_for_is_looked_at_in_the_next_hours(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second, third = hours(3)
    assert pipeline.run(first, listings=BOTH, limit=300) == 0
    monkeypatch.setenv("REFRESH_REQUESTS", "1")
    assert pipeline.run(second, listings=["new"], limit=100) == 0
    due = planned(pipeline)[second]
    [made] = [made for made in pipeline.receipts("plan-*.json") if made["hour"] == second]
    waiting = int(str(made["waiting"]))
    report = capsys.readouterr().out
    assert f"100 of {100 + waiting} known posts and comments" in report
    assert f"{waiting} deferred to the next run" in report
    # Those of an age come first, the youngest before all others.
    assert [*due.values()] == sorted(due.values())
    monkeypatch.setenv("REFRESH_REQUESTS", "600")
    assert pipeline.run(third, listings=["new"], limit=100) == 0
    after = {name: why for name, why in planned(pipeline)[third].items() if why != "sweep"}
    assert set(after.values()) == {"001h", "003h"}
    assert len(after) >= waiting
    assert not {*after.items()} & {*due.items()}


def test_the_sweep_gets_the_requests_that_are_left_and_nothing_of_it_is_kept_for_later(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = hours(2)
    monkeypatch.setenv("REFRESH_AGES", "[]")
    monkeypatch.setenv("SWEEP_HOURS", "1")
    assert pipeline.run(first, listings=BOTH, limit=300) == 0
    monkeypatch.setenv("REFRESH_REQUESTS", "2")
    assert pipeline.run(second, listings=BOTH, limit=100) == 0
    assert set(planned(pipeline)[second].values()) == {"sweep"}
    [read] = [one for one in pipeline.receipts("extract-posts-*refresh*.json") if one["hour"] == second]
    assert (len(planned(pipeline)[second]), read["left"]) == (200, [])


def test_comments_that_the_extract_of_posts_has_read_are_loaded_by_the_next_run(pipeline: Pipeline) -> None:
    """A run may end after the one receipt and before the other."""
    first, second, third = hours(3)
    for hour in (first, second):
        assert pipeline.run(hour, listings=BOTH, limit=100) == 0
    lost = list(pipeline.lake.glob("receipts/*/hr=05/extract-comments-*refresh*.json"))
    after = lost[0].stat().st_mtime_ns
    lost += [path for path in pipeline.lake.glob("receipts/*/hr=05/*-comments-*") if path.stat().st_mtime_ns > after]
    for path in lost:
        path.unlink()
    assert pipeline.run(third, listings=BOTH, limit=100) == 0
    assert all(path.exists() for path in lost)


def test_a_batch_that_is_not_answered_is_left_for_later_and_the_others_are_done(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third = hours(3)
    assert pipeline.run(first, listings=BOTH, limit=300) == 0
    content, asked = pipeline.server.content, list[list[str]]()

    def info(fullnames: list[str]) -> list[dict[str, object]]:
        asked.append(fullnames)
        return [] if len(asked) == 2 else list(content.info(fullnames))

    monkeypatch.setattr(pipeline.server, "content", SimpleNamespace(listing=content.listing, info=info))
    assert pipeline.run(second, limit=100) == 0
    [read] = [one for one in pipeline.receipts("extract-posts-*refresh*.json") if one["hour"] == second]
    assert (read["absent"], read["coverage"]["done"]) == ([], len(planned(pipeline)[second]) - len(asked[1]))  # type: ignore[index]
    why = planned(pipeline)[second]
    assert [str(one).split(" ")[0] for one in read["left"]] == [name for name in asked[1] if why[name] != "sweep"]  # type: ignore[attr-defined]
    assert {why[name] for name in asked[1]} >= {"sweep", "001h"}
    # If nothing is answered at all, the run fails, and its looks are due again.
    monkeypatch.setattr(content, "info", lambda _: [])
    assert pipeline.run(third, limit=100) == 30


def test_without_the_warehouse_the_listings_are_read_and_the_looks_are_made_up_for(pipeline: Pipeline) -> None:
    first, second, third = hours(3)
    assert pipeline.run(first, limit=100) == 0
    good = pipeline.warehouse.read_bytes()
    pipeline.warehouse.write_bytes(b"no database")
    assert pipeline.run(second, limit=100) == 78
    assert pipeline.receipts("extract-posts-sandbox.python-new-100.json")[-1]["hour"] == second
    assert second not in planned(pipeline)
    pipeline.warehouse.write_bytes(good)
    assert pipeline.run(third, limit=100) == 0
    created = dict(
        pipeline.rows("SELECT post_id, created_at FROM reddit.posts WHERE first_observed_at < '2026-11-23 05:00'")
    )
    moment = datetime.fromisoformat(third) + MINUTE
    reached = {f"t3_{key}" for key, at in created.items() if timedelta(hours=1) <= moment - at < timedelta(hours=3)}  # type: ignore[operator]
    assert reached
    assert reached <= {name for name, why in planned(pipeline)[third].items() if why == "001h"}


def test_what_reddit_does_not_return_is_counted_and_the_rest_is_stored(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = hours(2)
    assert pipeline.run(first, limit=100) == 0
    content, gone = pipeline.server.content, set[str]()

    def info(fullnames: list[str]) -> list[dict[str, object]]:
        gone.update(fullnames[::10])
        return list(content.info([name for name in fullnames if name not in gone]))

    monkeypatch.setattr(pipeline.server, "content", SimpleNamespace(listing=content.listing, info=info))
    assert pipeline.run(second, limit=100) == 0
    [read] = [one for one in pipeline.receipts("extract-posts-*refresh*.json") if one["hour"] == second]
    assert set(read["absent"]) == gone  # type: ignore[call-overload]
    report = capsys.readouterr().out
    assert f"{len(gone)} not returned by Reddit" in report
    # Nobody has read any.
    assert "  comments " not in report


class BuiltIn(Pipeline):
    """Runs that start the sandbox themselves."""

    def environment(self) -> dict[str, str]:
        return {name: value for name, value in super().environment().items() if name != "REDDIT_URL"}


def test_the_sandbox_finds_by_id_what_a_run_of_other_subreddits_has_stored(
    make_pipeline: Callable[..., Pipeline], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMMENT_TREE_AGES", '["1h"]')
    pipeline = make_pipeline(kind=BuiltIn)
    for hour, name in zip(hours(2), ("python", "rust"), strict=True):
        # As in a process of its own.
        monkeypatch.setattr(content, "_KNOWN", {})
        assert pipeline.run(hour, subreddits=[name], listings=BOTH, limit=100) == 0
    [_, looks] = pipeline.receipts("extract-posts-sandbox.refresh-*.json")
    assert (looks["coverage"]["done"], looks["coverage"]["absent"]) == (141, 0)  # type: ignore[index]
    [_, trees] = pipeline.receipts("extract-comments-sandbox.tree-*.json")
    assert (trees["coverage"]["done"], trees["coverage"]["unavailable"]) == (6, 0)  # type: ignore[index]


@pytest.mark.parametrize(
    ("receipt", "change"),
    [
        ("plan", {"until": None}),
        ("plan", {"until": "2026-11-23T05:17:00+01:00"}),
        ("extract", {"left": ["t3_a 001h 2026-11-23T04:00:00.000000Z of-a-later-version"]}),
        ("extract", {"left": [None]}),
    ],
)
def test_a_receipt_of_another_form_is_named_with_what_to_do(
    pipeline: Pipeline, caplog: pytest.LogCaptureFixture, receipt: str, change: dict[str, object]
) -> None:
    first, second = hours(2)
    assert pipeline.run(first, limit=100) == 0
    [path] = pipeline.lake.glob(f"receipts/*/hr=04/{receipt}-posts-*refresh*.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    assert pipeline.run(second, limit=100) == 30
    [said] = {one.error for one in caplog.records if hasattr(one, "error")}
    fix = "remove it, and what was due is planned again"
    assert re.search(rf"{path.name}: not a receipt of this kind \(\w+\): {fix}$", said)
    path.unlink()
    if receipt == "plan":
        assert pipeline.run(second, limit=100) == 0


def test_access_denied_leaves_the_looks_for_later() -> None:
    """Reddit denies access to a subreddit, and these requests are of none; no answer of the sandbox is like it."""

    class Denied:
        def info(self, _: list[str]) -> list[tuple[str, Observation]]:
            raise Unavailable("private")

    looks = [Look(f"t3_{number}", "001h", "2026-11-23T04:00:00.000000Z") for number in range(150)]
    refresh = Refresh(POSTS, AGES, 0).planned([*map(str, looks)], missed=0, waiting=0, most_requests=10, notice_share=5)
    with pytest.raises(RedditError, match="could not be read: private") as caught:
        list(refresh.observations(Denied()))  # type: ignore[arg-type]
    assert not isinstance(caught.value, Unavailable)
    assert set(refresh.left) == set(looks)
    assert (refresh.notices.absent, refresh.notices.gone) == ([], [])


def test_a_raw_object_that_is_lost_is_given_up_as_the_message_says(
    pipeline: Pipeline, caplog: pytest.LogCaptureFixture
) -> None:
    """The comments' extract takes its object over from the posts' extract, so both receipts have to go."""
    first, second = hours(2)
    for hour in (first, second):
        assert pipeline.run(hour, listings=BOTH, limit=100) == 0
    [raw] = pipeline.lake.glob("raw/comments/*/hr=05/*/*refresh*")
    raw.unlink()
    for step in ("transform", "load"):
        for path in pipeline.lake.glob(f"receipts/*/hr=05/{step}-comments-*"):
            path.unlink()
    caplog.clear()
    assert pipeline.run(second, listings=BOTH, limit=100) == 30
    [said] = {one.error for one in caplog.records if hasattr(one, "error")}
    named = re.findall(r"receipts/[^ ,]+json", said)
    assert len(named) == 2
    for key in named:
        (pipeline.lake / key).unlink()
    assert pipeline.run(second, listings=BOTH, limit=100) == 0
