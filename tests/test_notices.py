"""What is concluded from posts and comments that Reddit does not return."""

import json
from datetime import timedelta
from typing import Any

import pytest

from jobs import resources
from reddit_etl.sandbox.answers import Content, Listing, Refusal
from reddit_etl.sandbox.content import REFUSED, InventedReddit
from reddit_etl.sources.look import Look
from tests.conftest import MINUTE, Pipeline
from tests.test_refresh import BOTH, hours

FOUR = hours(4)


class Partial:
    """The sandbox's Reddit without what is deleted, and without what is in private subreddits."""

    def __init__(self, whole: Content) -> None:
        self._whole = whole
        self.hidden: set[str] = set()
        self.private: set[str] = set()
        self.changed: dict[str, dict[str, Any]] = {}
        """By full name, the payload that `/api/info` gives instead."""
        self.asked: list[list[str]] = []
        """The ids of each request to `/api/info`."""

    def listing(self, subreddit: str, listing: str) -> Listing | Refusal:
        found = self._whole.listing(subreddit, listing)
        if subreddit in self.private or isinstance(found, Refusal):
            return REFUSED["private_example"]
        kept = [place for place, one in enumerate(found.ids) if f"{found.kind}_{one}" not in self.hidden]
        return Listing([found.ids[place] for place in kept], lambda place: found.post(kept[place]), found.kind)

    def info(self, fullnames: list[str]) -> list[dict[str, Any]]:
        self.asked.append(fullnames)
        found = (self.changed.get(payload["name"], payload) for payload in self._whole.info(fullnames))
        return [one for one in found if one["name"] not in self.hidden and one.get("subreddit") not in self.private]

    def tree(self, post_id: str, *, limit: int, subreddit: str | None, comment: str | None) -> Any:
        return self._whole.tree(post_id, limit=limit, subreddit=subreddit, comment=comment)

    def more(self, link: str, children: list[str], *, only_these: bool) -> Any:
        return self._whole.more(link, children, only_these=only_these)


@pytest.fixture(autouse=True)
def _everything_is_due_each_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REFRESH_AGES", "[]")
    monkeypatch.setenv("SWEEP_HOURS", "1")


@pytest.fixture
def reddit(pipeline: Pipeline) -> Partial:
    pipeline.server.content = partial = Partial(InventedReddit(lambda: pipeline.now))
    return partial


def read(pipeline: Pipeline, hour: str) -> dict[str, Any]:
    """The receipt of the looks of an hour."""
    [receipt] = [one for one in pipeline.receipts("extract-posts-*refresh*.json") if one["hour"] == hour]
    return receipt


def planned(pipeline: Pipeline, hour: str) -> list[Look]:
    [receipt] = [one for one in pipeline.receipts("plan-posts-*.json") if one["hour"] == hour]
    return list(map(Look.read, receipt["due"]))  # type: ignore[call-overload]


def stored(pipeline: Pipeline, subreddit: str = "python") -> list[str]:
    """The full names of the posts, those that were observed last at the end."""
    sql = f"SELECT 't3_' || post_id FROM reddit.posts WHERE subreddit = '{subreddit}' ORDER BY observed_at, post_id"
    return [str(name) for (name,) in pipeline.rows(sql)]


def test_what_is_absent_twice_is_gone_and_what_is_found_again_is_observed(pipeline: Pipeline, reddit: Partial) -> None:
    first, second, third, fourth = FOUR
    assert pipeline.run(first, listings=BOTH, limit=100) == 0
    back, *gone = stored(pipeline)[:4]
    reddit.hidden = {back, *gone}
    assert pipeline.run(second, listings=BOTH, limit=100) == 0
    receipt = read(pipeline, second)
    assert (set(receipt["absent"]), receipt["gone"]) == (reddit.hidden, [])
    reddit.hidden = {*gone}
    reddit.asked.clear()
    assert pipeline.run(third, listings=BOTH, limit=100) == 0
    looks = planned(pipeline, third)
    assert {look.fullname for look in looks if look.why == "again"} == {back, *gone}
    assert len(looks) == len({look.fullname for look in looks})
    assert len(reddit.asked) == -(-len(looks) // 100)
    receipt = read(pipeline, third)
    assert (receipt["absent"], set(receipt["gone"]), receipt["is_suspicious"]) == ([], {*gone}, False)
    sql = f"SELECT hour(max(observed_at)) FROM reddit.post_metrics WHERE post_id = '{back[3:]}'"
    assert pipeline.rows(sql) == [(6,)]
    assert pipeline.run(fourth, listings=BOTH, limit=100) == 0
    assert "again" not in {look.why for look in planned(pipeline, fourth)}


def test_two_answers_within_an_hour_are_one_and_it_is_asked_for_again(
    pipeline: Pipeline, reddit: Partial, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third, fourth = FOUR
    assert pipeline.run(first, limit=100) == 0
    reddit.hidden = {stored(pipeline)[0]}
    assert pipeline.run(second, limit=100) == 0
    monkeypatch.setattr(resources, "clock", lambda hour: lambda: hour + MINUTE - timedelta(seconds=1))
    assert pipeline.run(third, limit=100) == 0
    assert read(pipeline, third)["gone"] == []
    assert pipeline.run(fourth, limit=100) == 0
    assert read(pipeline, fourth)["gone"] == [*reddit.hidden]


def test_much_that_is_absent_at_once_is_no_notice(
    pipeline: Pipeline, reddit: Partial, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    first, second, third, fourth = FOUR
    assert pipeline.run(first, listings=BOTH, limit=100) == 0
    names = stored(pipeline)
    reddit.hidden = {*names[:3]}
    assert pipeline.run(second, listings=BOTH, limit=100) == 0
    # An eleventh of what is asked for.
    reddit.hidden |= {*names[10:30]}
    capsys.readouterr()
    assert pipeline.run(third, listings=BOTH, limit=100) == 0
    receipt = read(pipeline, third)
    assert (receipt["absent"], receipt["gone"], receipt["is_suspicious"]) == ([], [], True)
    assert receipt["coverage"]["absent"] == 23
    assert {Look.read(one).fullname for one in receipt["left"]} == {*names[:3]}
    assert "  deletions     not concluded: more is absent at once than NOTICE_SHARE allows" in capsys.readouterr().out
    assert any("nothing is concluded" in record.message for record in caplog.records)
    # In the next hour Reddit has recovered.
    reddit.hidden = {*names[:3]}
    assert pipeline.run(fourth, listings=BOTH, limit=100) == 0
    assert set(read(pipeline, fourth)["gone"]) == {*names[:3]}


@pytest.mark.parametrize(("share", "is_suspicious"), [("9", True), ("10", False)])
def test_the_share_is_a_setting(
    pipeline: Pipeline, reddit: Partial, monkeypatch: pytest.MonkeyPatch, share: str, is_suspicious: bool
) -> None:
    first, second = hours(2)
    monkeypatch.setenv("NOTICE_SHARE", share)
    assert pipeline.run(first, limit=100) == 0
    names = stored(pipeline)
    assert len(names) == 100
    reddit.hidden = {*names[:10]}
    assert pipeline.run(second, limit=100) == 0
    assert read(pipeline, second)["is_suspicious"] is is_suspicious


def test_a_few_may_all_be_deleted_at_once(pipeline: Pipeline, reddit: Partial) -> None:
    first, second, third = hours(3)
    assert pipeline.run(first, limit=20) == 0
    reddit.hidden = {*stored(pipeline)[:9]}
    assert pipeline.run(second, limit=20) == 0
    assert pipeline.run(third, limit=20) == 0
    assert set(read(pipeline, third)["gone"]) == reddit.hidden


def test_a_subreddit_that_becomes_private_is_not_taken_for_deleted_and_hides_no_deletion(
    pipeline: Pipeline, reddit: Partial, capsys: pytest.CaptureFixture[str]
) -> None:
    subreddits = ["python", "rust", "golang"]
    first, second, third, fourth = FOUR
    assert pipeline.run(first, subreddits=["python", "rust"], limit=100) == 0
    assert pipeline.run(second, subreddits=["golang"], limit=3) == 0
    deleted = stored(pipeline)[0]
    # Of one of them so few are due that each might be asked for again.
    reddit.private, reddit.hidden = {"rust", "golang"}, {deleted}
    assert pipeline.run(third, subreddits=subreddits, limit=100) == 0
    receipt = read(pipeline, third)
    assert (receipt["coverage"]["absent"], receipt["is_suspicious"]) == (104, False)
    assert set(receipt["absent"]) == {deleted, *stored(pipeline, "golang")}
    assert pipeline.run(fourth, subreddits=subreddits, limit=100) == 0
    receipt = read(pipeline, fourth)
    assert (receipt["gone"], receipt["coverage"]["unclear"], receipt["left"]) == ([deleted], 3, [])
    shown = "1 taken for deleted, 3 not taken for deleted, as nothing of their subreddit was returned"
    assert shown in capsys.readouterr().out


def test_an_answer_with_nothing_in_it_is_no_notice(pipeline: Pipeline, reddit: Partial) -> None:
    first, second, third, fourth = FOUR
    assert pipeline.run(first, limit=100) == 0
    deleted = stored(pipeline)[0]
    reddit.hidden = {deleted}
    assert pipeline.run(second, limit=100) == 0
    reddit.private = {"python"}
    reddit.asked.clear()
    assert pipeline.run(third, limit=100) == 30
    # As few requests as there can be: halves of an answer that shows nothing would show nothing either.
    assert len(reddit.asked) == -(-len(planned(pipeline, third)) // 100) == 2
    assert not [one for one in pipeline.receipts("extract-posts-*refresh*.json") if one["hour"] == third]
    # What was due is due in the next hour.
    reddit.private = set()
    assert pipeline.run(fourth, limit=100) == 0
    assert read(pipeline, fourth)["gone"] == [deleted]


@pytest.mark.parametrize("payload", [{}, {"created_utc": 1795406400.0}, {"author": "someone"}])
def test_an_item_without_content_is_rejected_and_the_row_is_kept(
    pipeline: Pipeline, reddit: Partial, payload: dict[str, Any]
) -> None:
    first, second, third = hours(3)
    assert pipeline.run(first, limit=20) == 0
    name = stored(pipeline)[0]
    reddit.changed = {name: {"id": name[3:], "name": name} | payload}
    before = pipeline.rows(f"SELECT * FROM reddit.posts WHERE post_id = '{name[3:]}'")
    # The listing would observe it.
    assert pipeline.run(second, listings=["rising"], limit=1) == 0
    assert pipeline.rows(f"SELECT * FROM reddit.posts WHERE post_id = '{name[3:]}'") == before
    receipt = read(pipeline, second)
    assert (receipt["rejects"], receipt["reasons"]) == (1, {"content is missing": 1})
    assert (receipt["absent"], receipt["coverage"]["done"]) == ([], 19)
    assert pipeline.run(third, listings=["rising"], limit=1) == 0
    assert "again" not in {look.why for look in planned(pipeline, third)}


def test_an_item_without_content_does_not_show_that_its_subreddit_is_there(pipeline: Pipeline, reddit: Partial) -> None:
    first, second, third = hours(3)
    assert pipeline.run(first, subreddits=["python", "golang"], limit=2) == 0
    absent, name = stored(pipeline, "golang")
    reddit.hidden = {absent}
    assert pipeline.run(second, limit=2) == 0
    reddit.changed = {name: {"id": name[3:], "name": name}}
    assert pipeline.run(third, limit=2) == 0
    receipt = read(pipeline, third)
    assert (receipt["gone"], receipt["coverage"]["unclear"]) == ([], 1)


def test_plans_and_receipts_of_the_version_before_are_read(pipeline: Pipeline, reddit: Partial) -> None:
    first, second, third = hours(3)
    assert pipeline.run(first, limit=100) == 0
    reddit.hidden = {stored(pipeline)[0]}
    assert pipeline.run(second, limit=100) == 0
    for path in pipeline.lake.glob("receipts/*/hr=05/*-posts-*refresh*.json"):
        receipt = json.loads(path.read_text())
        for name in ("gone", "is_suspicious"):
            receipt.pop(name, None)
        if "due" in receipt:
            receipt["due"] = [" ".join(look.split(" ")[:3]) for look in receipt["due"]]
        path.write_text(json.dumps(receipt))
    assert pipeline.run(third, limit=100) == 0
    assert read(pipeline, third)["gone"] == [*reddit.hidden]
