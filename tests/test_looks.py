"""What is asked for again in a plan, and beside what, asked of each warehouse; and how it is dealt to the requests."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from reddit_etl.clock import iso
from reddit_etl.entities import COMMENTS, POSTS
from reddit_etl.errors import RedditError
from reddit_etl.lake.index import Receipts
from reddit_etl.lake.layout import receipt_key
from reddit_etl.lake.receipts import Extracted, Planned
from reddit_etl.sandbox.server import RedditServer
from reddit_etl.sources.client import Observation
from reddit_etl.sources.look import AGAIN, CONTROL, SWEEP, Look
from reddit_etl.sources.refresh import Refresh
from reddit_etl.steps.attempt import Attempt
from reddit_etl.steps.plan import plan
from tests.standins.loads import Loads
from tests.standins.payloads import payload, post
from tests.standins.reddit import Posts
from tests.test_client import make_client

HOUR = datetime.fromisoformat("2026-11-23T04:00")
NOW = HOUR + timedelta(minutes=30)
LONG_AGO = HOUR - timedelta(days=30)
NEXT = timedelta(hours=1)
LOOKS = Refresh(POSTS, (24,), 0, most_requests=10)


def load(loads: Loads, *names: str, day: int = 1, **fields: object) -> None:
    """Posts; of those that are named later, the later observation."""
    begin = LONG_AGO + timedelta(days=day)
    created = {"created_at": LONG_AGO} | fields
    loads.load(*(post(name, seen=begin + timedelta(minutes=minute), **created) for minute, name in enumerate(names)))


def planned(loads: Loads, hour: datetime, looks: Refresh = LOOKS) -> list[Look]:
    """The plan of an hour, made at half past, and put into the lake."""
    made = plan(
        Attempt(loads.lake, POSTS, hour, "an-attempt", lambda: hour + timedelta(minutes=30)),
        looks,
        source="sandbox",
        warehouse=loads.warehouse,
        past=Receipts(loads.lake, hour - timedelta(hours=48), hour - timedelta(hours=1)),
    )
    put(loads, made, looks)
    return list(map(Look.read, made.due))


def put(loads: Loads, receipt: Planned | Extracted, looks: Refresh = LOOKS) -> None:
    step = "plan" if isinstance(receipt, Planned) else "extract"
    hour = datetime.fromisoformat(f"{receipt.hour}:00")
    assert loads.lake.create(receipt_key(step, "posts", hour, f"sandbox.{looks.name}"), receipt.to_json())


def extracted(
    loads: Loads, hour: datetime, *, absent: Iterable[str] = (), left: Iterable[Look] = (), looks: Refresh = LOOKS
) -> None:
    """The receipt of an extract that ended at half past."""
    receipt = Extracted(
        **Attempt(loads.lake, POSTS, hour, "an-attempt", lambda: hour + timedelta(minutes=30)).header(),
        source="sandbox",
        verdict="ok",
        requests=1,
        records=0,
        rejects=0,
        objects=(),
        rejected=(),
        absent=[*absent],
        left=list(map(str, left)),
    )
    put(loads, receipt, looks)


def left(name: str = "t3_lost", *, absent_at: datetime = NOW, group: int = 7) -> Look:
    """What the extract of the hour left to be asked for again."""
    return Look(name, AGAIN, iso(LONG_AGO), group, iso(absent_at))


def whys(looks: Iterable[Look]) -> dict[str, str]:
    return {look.fullname: look.why for look in looks}


def test_what_was_absent_is_asked_for_again_beside_what_was_observed_last_in_its_subreddit(loads: Loads) -> None:
    load(loads, "lost", created_at=NOW - timedelta(hours=24))
    load(loads, *(f"p{number}" for number in range(9)))
    load(loads, *(f"gone{number}" for number in range(9)), author=None)
    load(loads, *(f"other{number}" for number in range(9)), subreddit="rust")
    load(loads, *(f"theirs{number}" for number in range(9)), source="reddit")
    loads.change("UPDATE reddit.posts SET author = 'someone' WHERE post_id NOT LIKE 'gone%'")
    assert whys(planned(loads, HOUR)) == {"t3_lost": "024h"}
    extracted(loads, HOUR, absent=["t3_lost"])
    again, *controls = planned(loads, HOUR + NEXT)
    assert again == Look("t3_lost", AGAIN, iso(NOW - timedelta(hours=24)), 0, iso(NOW))
    assert controls == [Look(f"t3_p{number}", CONTROL, iso(LONG_AGO), 0) for number in (8, 7, 6, 5, 4)]


def test_comments_are_asked_for_beside_comments(loads: Loads) -> None:
    common = {"subreddit": "python", "author": "someone", "created_at": LONG_AGO, "source": "sandbox"}
    names = ("lost", *(f"c{number}" for number in range(6)))
    comments = [{"comment_id": name, "observed_at": LONG_AGO, "text_truncated": False} | common for name in names]
    loads.load(*comments, entity=COMMENTS)
    load(loads, *(f"p{number}" for number in range(9)), author="someone")
    planned(loads, HOUR)
    extracted(loads, HOUR, left=[left("t1_lost")])
    controls = {f"t1_c{number}": CONTROL for number in range(5)}
    assert whys(planned(loads, HOUR + NEXT)) == {"t1_lost": AGAIN} | controls


@pytest.mark.parametrize(("due", "controls"), [(4, 1), (5, 0)])
def test_what_is_due_of_the_same_subreddit_is_a_control_too(loads: Loads, due: int, controls: int) -> None:
    load(loads, "lost", *(f"p{number}" for number in range(9)), author="someone")
    names = [f"due{number}" for number in range(due)]
    load(loads, *names, day=2, created_at=NOW + NEXT - timedelta(hours=24), author="someone")
    planned(loads, HOUR)
    extracted(loads, HOUR, left=[left()])
    found = planned(loads, HOUR + NEXT)
    assert [look.why for look in found] == [AGAIN, *[CONTROL] * controls, *["024h"] * due]
    assert len(whys(found)) == len(found)


def test_of_nothing_else_in_the_subreddit_there_is_no_proof_and_of_what_is_not_stored_nothing_to_prove(
    loads: Loads,
) -> None:
    load(loads, "lost", subreddit="rust", author="someone")
    load(loads, "p", created_at=NOW + NEXT - timedelta(hours=24))
    planned(loads, HOUR)
    extracted(loads, HOUR, left=[left(), left("t3_unknown")])
    assert whys(planned(loads, HOUR + NEXT)) == {"t3_p": "024h"}


def test_it_is_asked_for_until_it_was_and_for_two_days_at_most(loads: Loads) -> None:
    controls = [f"p{number}" for number in range(5)]
    load(loads, "old", "lost", *controls, author="someone")
    planned(loads, HOUR)
    old = left("t3_old", absent_at=NOW + NEXT - timedelta(hours=48))
    extracted(loads, HOUR, left=[left(), old])
    assert whys(planned(loads, HOUR + NEXT)) == {"t3_lost": AGAIN} | {f"t3_{name}": CONTROL for name in controls}
    # No extract: the run was killed. The controls are chosen anew.
    newer = [f"q{number}" for number in range(5)]
    load(loads, *newer, day=2, author="someone")
    assert whys(planned(loads, HOUR + 2 * NEXT)) == {"t3_lost": AGAIN} | {f"t3_{name}": CONTROL for name in newer}


def test_what_is_absent_and_due_for_another_reason_is_asked_for_once(loads: Loads) -> None:
    swept = replace(LOOKS, sweep=1)
    load(loads, "lost", created_at=NOW + NEXT - timedelta(hours=24))
    load(loads, "p", author="someone")
    planned(loads, HOUR, swept)
    extracted(loads, HOUR, left=[left()], looks=swept)
    found = planned(loads, HOUR + NEXT, swept)
    assert [(look.fullname, look.why) for look in found] == [("t3_lost", AGAIN), ("t3_p", SWEEP)]


def test_much_is_asked_for_again_beside_as_much_more(loads: Loads) -> None:
    """Of a subreddit alone, 200 with 5 controls would be three requests of 2."""
    lost = [f"lost{number}" for number in range(200)]
    load(loads, *lost, *(f"p{number}" for number in range(50)), author="someone")
    planned(loads, HOUR)
    extracted(loads, HOUR, left=[left(f"t3_{name}") for name in lost])
    found = planned(loads, HOUR + NEXT)
    assert Counter(look.why for look in found) == {AGAIN: 200, CONTROL: 15}


class Answering:
    """Returns all that is asked for, but for an error for some; remembers what it was asked for."""

    def __init__(self, broken: Iterable[str] = ()) -> None:
        self._broken = {*broken}
        self.asked: list[list[str]] = []

    def info(self, fullnames: Sequence[str]) -> list[tuple[str, Observation]]:
        self.asked.append([*fullnames])
        if not self._broken.isdisjoint(fullnames):
            raise RedditError("HTTP 500")
        return [(name, Observation({"kind": "t3", "data": payload(name[3:])}, NOW)) for name in fullnames]


def dealt(looks: Sequence[Look], most: int, broken: Iterable[str] = ()) -> tuple[Refresh, list[list[str]]]:
    """What is left, and what each request asked for."""
    client = Answering(broken)
    refresh = LOOKS.planned([*map(str, looks)], missed=0, waiting=0, most_requests=most, notice_share=5)
    assert len(list(refresh.observations(client))) == refresh.coverage.done  # type: ignore[arg-type]
    return refresh, client.asked


@given(again=st.integers(0, 300), aged=st.integers(0, 300), swept=st.integers(0, 300), most=st.integers(1, 8))
def test_what_is_asked_for_again_is_dealt_evenly_and_nothing_but_the_sweep_is_dropped(
    again: int, aged: int, swept: int, most: int
) -> None:
    repeated = [left(f"t3_again{number}") for number in range(again)]
    others = [Look(f"t3_aged{number}", "024h", iso(LONG_AGO)) for number in range(aged)]
    others += [Look(f"t3_swept{number}", SWEEP, iso(LONG_AGO)) for number in range(swept)]
    looks = [*repeated, *others]
    requests = min(-(-len(looks) // 100), most)
    # Without a control an answer is none.
    assume(not again or len(others) >= requests)
    refresh, asked = dealt(looks, most)
    assert len(asked) == requests
    assert all(len(names) <= 100 for names in asked)
    once = Counter(name for names in asked for name in names) + Counter(look.fullname for look in refresh.left)
    assert set(once.values()) <= {1}
    assert {look.fullname for look in looks if look.why != SWEEP} <= once.keys()
    shares = [sum(name.startswith("t3_again") for name in names) for names in asked]
    assert max(shares, default=0) - min(shares, default=0) <= 1
    if len(others) >= 5 * requests:
        assert all(len(names) - share >= 5 for names, share in zip(asked, shares, strict=True))


def test_one_id_that_cannot_be_read_is_found_by_halves_and_defers_no_other() -> None:
    looks = [Look(f"t3_{number}", "024h", iso(LONG_AGO)) for number in range(250)]
    refresh, asked = dealt(looks, 100, broken=["t3_77"])
    assert refresh.left == [looks[77]]
    assert refresh.coverage.done == 249
    # It is among 83, 41, 21, 11, 5, 2 and 1, which but for the first are asked for with another half each.
    assert len(asked) == 3 + 2 * 6


class Broken(Posts):
    """Breaks off each response with one of the posts in it."""

    def info(self, fullnames: list[str]) -> Iterable[dict[str, Any]]:
        if "t3_p77" in fullnames:
            raise ConnectionError
        return super().info(fullnames)


def test_one_id_that_breaks_a_response_off_defers_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prawcore.sessions.time.sleep", lambda _: None)
    monkeypatch.setattr("prawcore.rate_limit.time.sleep", lambda _: None)
    looks = [Look(f"t3_p{number}", "024h", iso(LONG_AGO)) for number in range(1, 151)]
    refresh = LOOKS.planned([*map(str, looks)], missed=0, waiting=0, most_requests=100, notice_share=5)
    server = RedditServer(Broken(150))
    client = make_client(server.start(), [])
    try:
        found = list(refresh.observations(client))
    finally:
        client.close()
        server.shutdown()
        server.server_close()
    assert refresh.left == [looks[76]]
    assert {one.child["data"]["name"] for one in found} == {look.fullname for look in looks} - {"t3_p77"}  # type: ignore[index]


def test_halves_take_no_more_requests_than_a_run_has() -> None:
    looks = [Look(f"t3_{number}", "024h", iso(LONG_AGO)) for number in range(250)]
    refresh, asked = dealt(looks, 4, broken=["t3_77"])
    assert (len(asked), len(refresh.left)) == (4, 41)


def test_without_reddit_nothing_is_asked_for_in_halves() -> None:
    looks = [Look(f"t3_{number}", "024h", iso(LONG_AGO)) for number in range(350)]
    client = Answering(broken=[look.fullname for look in looks])
    refresh = LOOKS.planned([*map(str, looks)], missed=0, waiting=0, most_requests=100, notice_share=5)
    with pytest.raises(RedditError, match="could not be read: HTTP 500"):
        list(refresh.observations(client))  # type: ignore[arg-type]
    assert [len(names) for names in client.asked] == [88, 88, 87]


class Cut(Posts):
    """Cuts the response short that one id is requested in: to so many posts, the last ones."""

    shown = 100

    def info(self, fullnames: list[str]) -> Iterable[dict[str, Any]]:
        known = [one for one in super().info(fullnames) if one["name"] != "t3_p1"]
        return known[-self.shown :] if "t3_p1" in fullnames else known


@pytest.mark.parametrize(("others", "shown", "is_gone"), [(2900, 10, False), (2900, 95, True), (6, 2, False)])
def test_one_answer_of_many_that_is_cut_short_shows_of_nothing_that_it_is_gone(
    others: int, shown: int, *, is_gone: bool
) -> None:
    again = left("t3_p1", absent_at=datetime(2005, 6, 1), group=0)  # noqa: DTZ001
    looks = [Look(f"t3_p{number + 2}", SWEEP, iso(LONG_AGO), 0) for number in range(others)]
    most = -(-others // 100)
    refresh = LOOKS.planned([*map(str, [again, *looks])], missed=0, waiting=0, most_requests=most, notice_share=5)
    content = Cut(others + 1)
    content.shown = shown
    server = RedditServer(content)
    client = make_client(server.start(), [])
    try:
        assert list(refresh.observations(client))
    finally:
        client.close()
        server.shutdown()
        server.server_close()
    assert not refresh.notices.is_suspicious
    assert (refresh.notices.gone, refresh.left) == ((["t3_p1"], []) if is_gone else ([], [again]))
