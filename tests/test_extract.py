"""One listing from a Reddit on loopback into a lake in a folder."""

import gzip
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import repeat
from pathlib import Path

import pytest
from urllib3.exceptions import ProtocolError

from reddit_etl.clock import iso
from reddit_etl.entities import POSTS
from reddit_etl.errors import ConfigurationError, LakeError, RedditError
from reddit_etl.lake.base import Lake, Stored
from reddit_etl.lake.folder import FolderLake
from reddit_etl.lake.index import Receipts
from reddit_etl.lake.layout import receipt_key
from reddit_etl.lake.receipts import DataObject, Extracted
from reddit_etl.sources import full_name
from reddit_etl.sources.client import RedditClient
from reddit_etl.sources.listing import Listing
from reddit_etl.steps.attempt import Attempt
from reddit_etl.steps.extract import extract
from tests.standins.reddit import Act, Posts, ScriptedReddit, answer, child, page, reset

HOUR = datetime.fromisoformat("2026-11-23T04:00")
MOMENT = HOUR + timedelta(minutes=17)
LONE = "\ud83d"


def clock() -> datetime:
    return MOMENT


def created(number: int) -> str:
    """When the stand-in's post of that number was made."""
    return iso(HOUR + timedelta(minutes=number))


@pytest.fixture(autouse=True)
def _no_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prawcore.sessions.time.sleep", lambda _: None)


@pytest.fixture
def reddit() -> Iterator[ScriptedReddit]:
    with ScriptedReddit() as server:
        yield server


@pytest.fixture
def client(reddit: ScriptedReddit) -> Iterator[RedditClient]:
    made = RedditClient(
        client_id="an-id",
        client_secret="a-secret",
        user_agent="linux:reddit-etl-tests:1.0 (by /u/somebody)",
        url=reddit.url,
        clock=clock,
        sleep=lambda _: None,
    )
    yield made
    made.close()


@pytest.fixture
def lake(tmp_path: Path) -> FolderLake:
    return FolderLake(tmp_path / "lake")


def run(
    client: RedditClient,
    lake: Lake,
    *,
    hour: datetime = HOUR,
    subreddit: str = "python",
    listing: str = "new",
    limit: int = 1000,
    progress: Callable[[int], object] = lambda _: None,
) -> Extracted:
    return extract(
        Attempt(lake, POSTS, hour, "an-attempt", clock),
        Listing(subreddit, listing, limit),
        source="sandbox",
        client=client,
        past=Receipts(lake, hour - timedelta(hours=48), hour - timedelta(hours=1)),
        progress=progress,
    )


def commit(lake: Lake, receipt: Extracted, hour: datetime) -> None:
    name = full_name(Listing(receipt.subreddit, receipt.listing, receipt.limit).name, receipt.source)
    assert lake.create(receipt_key("extract", "posts", hour, name), receipt.to_json())


def rows(lake: Lake, entries: tuple[DataObject, ...], scratch: Path) -> list[dict[str, object]]:
    """The lines of objects, which must be what their entries say."""
    lines: list[dict[str, object]] = []
    for entry in entries:
        path = lake.verified_file(entry, scratch)
        assert path.stat().st_size == entry.bytes
        with gzip.open(path, "rt", encoding="utf-8", newline="\n") as stream:
            found = [json.loads(line) for line in stream]
        assert len(found) == entry.rows
        lines += found
    return lines


def files(lake: FolderLake) -> list[str]:
    """All that is in the lake's folder, hidden files too."""
    return sorted(str(path.relative_to(lake.folder)) for path in lake.folder.rglob("*") if path.is_file())


def test_each_post_becomes_a_record_in_the_order_of_the_listing(
    reddit: ScriptedReddit, client: RedditClient, lake: FolderLake, tmp_path: Path
) -> None:
    reddit.content = Posts(250)
    receipt = run(client, lake)
    records = rows(lake, receipt.objects, tmp_path)
    assert [record["post_id"] for record in records] == [f"p{number}" for number in range(250, 0, -1)]
    assert [record["place"] for record in records] == list(range(1, 251))
    assert {(record["source"], record["listing"], record["observed_at"]) for record in records} == {
        ("sandbox", "sandbox.python-new-1000", iso(MOMENT))
    }
    assert set(records[0]) == {column.name for column in POSTS.record}


def test_the_receipt_says_what_was_done(
    reddit: ScriptedReddit, client: RedditClient, lake: FolderLake, tmp_path: Path
) -> None:
    reddit.content = Posts(250)
    receipt = run(client, lake, limit=200)
    key = "raw/posts/dt=2026-11-23/hr=04/an-attempt/sandbox.python-new-200.jsonl.gz"
    assert receipt == Extracted(
        entity="posts",
        hour="2026-11-23T04",
        attempt="an-attempt",
        committed_at=iso(MOMENT),
        subreddit="python",
        listing="new",
        limit=200,
        source="sandbox",
        verdict="ok",
        requests=3,
        records=200,
        rejects=0,
        objects=receipt.objects,
        rejected=(),
        oldest=created(51),
        newest=created(250),
    )
    assert [entry.key for entry in receipt.objects] == [key]
    assert files(lake) == [key]
    assert len(rows(lake, receipt.objects, tmp_path)) == 200


def test_oldest_and_newest_are_found_in_a_listing_of_any_order(
    reddit: ScriptedReddit, client: RedditClient, lake: FolderLake
) -> None:
    for order in ([3, 1, 4, 2], [4, 3, 2, 1], [1, 2, 3, 4], [2, 4, 1, 3]):
        reddit.script(pages=[answer(200, page([child(number) for number in order]))])
        receipt = run(client, lake, listing="hot")
        assert (receipt.oldest, receipt.newest) == (created(1), created(4))


def test_requests_are_counted_for_each_listing_of_a_client(
    reddit: ScriptedReddit, client: RedditClient, lake: FolderLake
) -> None:
    reddit.content = Posts(150)
    assert run(client, lake, subreddit="python").requests == 3
    assert run(client, lake, subreddit="aws").requests == 2


def test_progress_is_told_of_each_child(reddit: ScriptedReddit, client: RedditClient, lake: FolderLake) -> None:
    reddit.script(pages=[answer(200, page([child(1), None, child(2)]))])
    steps: list[int] = []
    run(client, lake, progress=steps.append)
    assert steps == [1, 1, 1]


# Rejects


def test_records_and_rejects_add_up_to_what_reddit_sent(
    reddit: ScriptedReddit, client: RedditClient, lake: FolderLake, tmp_path: Path
) -> None:
    first = [child(9), None, child(8, id=None), {"kind": "t1", "data": {"id": "c"}}, child(7, created_utc="then")]
    second = [child(6, id="no id"), 17, child(5), {"kind": "t3"}, child(4, id="")]
    reddit.script(pages=[answer(200, page(first, after="t3_p7")), answer(200, page(second))])
    receipt = run(client, lake)
    assert (receipt.records, receipt.rejects) == (2, 8)
    assert receipt.reasons == {
        "not a t3": 4,
        "id is missing": 1,
        "created_utc is not a number": 1,
        "id is not a base-36 id": 2,
    }
    records = rows(lake, receipt.objects, tmp_path)
    rejects = rows(lake, receipt.rejected, tmp_path)
    assert [record["post_id"] for record in records] == ["p9", "p5"]
    # A place is counted for a reject, too.
    assert [record["place"] for record in records] == [1, 8]
    assert [reject["payload"] for reject in rejects] == [*first[1:], *second[:2], *second[3:]]
    assert all(set(reject) == {"reason", "payload"} for reject in rejects)
    assert sum(receipt.reasons.values()) == len(rejects)
    assert [entry.key for entry in receipt.rejected] == [
        "rejected/posts/dt=2026-11-23/hr=04/an-attempt/sandbox.python-new-1000.jsonl.gz"
    ]
    assert (receipt.oldest, receipt.newest) == (created(5), created(9))


def test_a_rejected_payload_is_kept_to_the_letter(
    reddit: ScriptedReddit, client: RedditClient, lake: FolderLake, tmp_path: Path
) -> None:
    odd = child(
        1,
        id=None,
        title=f"half of a pair {LONE}, NUL \0, \u2028, שלום, 🎉",
        score=2**70,
        upvote_ratio=0.1,
        secure_media={"deep": [None, True, {"": ""}]},
    )
    reddit.script(pages=[answer(200, page([odd]))])
    receipt = run(client, lake)
    [reject] = rows(lake, receipt.rejected, tmp_path)
    assert reject["payload"] == odd
    assert receipt.objects == ()


def test_values_that_were_cleaned_or_cut_are_counted(
    reddit: ScriptedReddit, client: RedditClient, lake: FolderLake, tmp_path: Path
) -> None:
    children = [
        child(1, title=f"a {LONE} b", author="nul\0"),
        child(2, title="c \0"),
        child(3, score="many"),
        child(4, selftext="ü" * 40_000),
        child(5, selftext="x" * 70_000, title=f"{LONE}"),
        child(6),
    ]
    reddit.script(pages=[answer(200, page(children))])
    receipt = run(client, lake)
    assert receipt.rejects == 0
    assert receipt.cleaned == {"title": 3, "author": 1, "score": 1}
    assert receipt.truncated == 2
    records = {record["post_id"]: record for record in rows(lake, receipt.objects, tmp_path)}
    assert (records["p1"]["title"], records["p1"]["author"]) == ("a \ufffd b", "nul")
    assert records["p3"]["score"] is None
    assert records["p4"]["selftext"] == "ü" * 32_767
    assert [records[f"p{number}"]["text_truncated"] for number in range(1, 7)] == [False] * 3 + [True] * 2 + [False]


def test_a_post_met_twice_while_pages_shift_is_recorded_both_times(
    reddit: ScriptedReddit, client: RedditClient, lake: FolderLake, tmp_path: Path
) -> None:
    """The transformation keeps the newest observation; here nothing is lost."""
    reddit.script(
        pages=[
            answer(200, page([child(4), child(3)], after="t3_p3")),
            answer(200, page([child(3), child(2), child(1)])),
        ]
    )
    receipt = run(client, lake)
    records = rows(lake, receipt.objects, tmp_path)
    assert [record["post_id"] for record in records] == ["p4", "p3", "p3", "p2", "p1"]
    assert [record["place"] for record in records] == [1, 2, 3, 4, 5]


# Nothing half-done


@pytest.mark.parametrize(
    "fault",
    [reset, answer(503), answer(429), answer(200, "<html>"), answer(401), answer(403, "<html>")],
)
def test_an_error_in_mid_listing_leaves_nothing_behind(
    reddit: ScriptedReddit, client: RedditClient, lake: FolderLake, fault: Act
) -> None:
    # Both objects are open when it comes.
    first = answer(200, page([None, *(child(number) for number in range(200, 100, -1))], after="t3_p101"))
    reddit.script(pages=[first, *repeat(fault, 20)])
    with pytest.raises(RedditError):
        run(client, lake)
    assert len(reddit.pages) > 1
    assert files(lake) == []


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, MemoryError, SystemExit])
def test_an_interruption_in_mid_listing_leaves_nothing_behind(
    reddit: ScriptedReddit, client: RedditClient, lake: FolderLake, interruption: type[BaseException]
) -> None:
    reddit.script(pages=[answer(200, page([None, *(child(number) for number in range(100))]))])
    taken: list[int] = []
    open_files: list[list[str]] = []

    def interrupt(step: int) -> None:
        taken.append(step)
        if len(taken) == 50:
            open_files.append(files(lake))
            raise interruption

    with pytest.raises(interruption):
        run(client, lake, progress=interrupt)
    # What was there meanwhile was hidden, and is gone.
    assert len(open_files[0]) == 2
    assert all("/." in name and name.endswith(".partial") for name in open_files[0])
    assert files(lake) == []


def test_a_lake_that_cannot_be_written_is_an_error_before_the_second_page(
    reddit: ScriptedReddit, client: RedditClient, tmp_path: Path
) -> None:
    (tmp_path / "lake").write_text("a file where the folder should be")
    reddit.content = Posts(500)
    with pytest.raises((LakeError, ConfigurationError), match="LAKE_URL"):
        run(client, FolderLake(tmp_path / "lake"))
    assert len(reddit.pages) == 1


def test_a_listing_without_posts_has_a_receipt_of_zeros_and_no_object(client: RedditClient, lake: FolderLake) -> None:
    receipt = run(client, lake)
    assert (receipt.records, receipt.rejects, receipt.requests, receipt.verdict) == (0, 0, 2, "ok")
    assert (receipt.objects, receipt.rejected) == ((), ())
    assert (receipt.oldest, receipt.newest, receipt.gap) == (None, None, None)
    assert files(lake) == []


# Verdicts


@pytest.mark.parametrize(
    ("refusal", "verdict"),
    [
        (answer(403, {"reason": "private", "message": "Forbidden"}), "private"),
        (answer(404, {"reason": "banned", "message": "Not Found"}), "banned"),
        (answer(302, "", {"location": "/subreddits/search.json?q=python"}), "unknown"),
        (answer(451), "legal"),
    ],
)
def test_a_refused_subreddit_has_a_receipt_with_the_verdict_and_no_object(
    reddit: ScriptedReddit, client: RedditClient, lake: FolderLake, refusal: Act, verdict: str
) -> None:
    reddit.script(pages=[refusal])
    receipt = run(client, lake)
    assert (receipt.verdict, receipt.records, receipt.requests, receipt.objects) == (verdict, 0, 2, ())
    assert files(lake) == []


def test_a_subreddit_refused_in_mid_listing_keeps_what_was_read(
    reddit: ScriptedReddit, client: RedditClient, lake: FolderLake, tmp_path: Path
) -> None:
    reddit.content = Posts(250)
    reddit.script(pages=[None, None, answer(403, {"reason": "private"})])
    receipt = run(client, lake)
    assert (receipt.verdict, receipt.records, receipt.requests) == ("private", 200, 4)
    assert len(rows(lake, receipt.objects, tmp_path)) == 200
    assert (receipt.oldest, receipt.newest) == (created(51), created(250))


# Gaps


def seen(
    client: RedditClient,
    lake: Lake,
    reddit: ScriptedReddit,
    posts: int,
    *,
    hours_before: int = 1,
    subreddit: str = "python",
    listing: str = "new",
    limit: int = 100,
) -> None:
    """An earlier run that found so many posts."""
    reddit.content = Posts(posts)
    then = HOUR - timedelta(hours=hours_before)
    commit(lake, run(client, lake, hour=then, subreddit=subreddit, listing=listing, limit=limit), then)


def test_a_listing_that_ends_before_the_last_one_began_is_a_gap(
    reddit: ScriptedReddit, client: RedditClient, lake: FolderLake, caplog: pytest.LogCaptureFixture
) -> None:
    seen(client, lake, reddit, 50)
    reddit.content = Posts(200)
    receipt = run(client, lake, limit=100)
    # Posts 51 to 100 were never shown.
    assert receipt.gap == (created(50), created(101))
    assert "items missed" in caplog.text


@pytest.mark.parametrize("now", [50, 120, 149, 150])
def test_a_listing_that_reaches_what_was_seen_is_no_gap(
    reddit: ScriptedReddit, client: RedditClient, lake: FolderLake, now: int
) -> None:
    seen(client, lake, reddit, 51)
    reddit.content = Posts(now)
    assert run(client, lake, limit=100).gap is None


def test_the_first_run_of_a_listing_has_no_gap(reddit: ScriptedReddit, client: RedditClient, lake: FolderLake) -> None:
    reddit.content = Posts(500)
    assert run(client, lake, limit=100).gap is None


def test_a_listing_that_came_to_its_end_is_no_gap_though_what_was_seen_is_gone(
    reddit: ScriptedReddit, client: RedditClient, lake: FolderLake
) -> None:
    """A moderator may have removed all the posts of yesterday."""
    seen(client, lake, reddit, 50)
    reddit.content = posts = Posts(100)
    del posts.posts[40:]
    receipt = run(client, lake, limit=100)
    assert (receipt.oldest, receipt.gap) == (created(61), None)


def test_rejects_count_where_a_listing_is_asked_whether_it_was_full(
    reddit: ScriptedReddit, client: RedditClient, lake: FolderLake
) -> None:
    seen(client, lake, reddit, 50)
    reddit.script(pages=[answer(200, page([*[None] * 80, *(child(number) for number in range(200, 180, -1))]))])
    assert run(client, lake, limit=100).gap == (created(50), created(181))


@pytest.mark.parametrize("other", [{"subreddit": "aws"}, {"listing": "hot"}, {"hours_before": -1}])
def test_only_the_same_listing_of_hours_before_is_compared(
    reddit: ScriptedReddit, client: RedditClient, lake: FolderLake, other: dict[str, object]
) -> None:
    seen(client, lake, reddit, 50, **other)  # type: ignore[arg-type]
    reddit.content = Posts(200)
    assert run(client, lake, limit=100).gap is None


@pytest.mark.parametrize("listing", ["hot", "top", "rising", "controversial"])
def test_a_listing_that_is_not_by_time_has_no_gap(
    reddit: ScriptedReddit, client: RedditClient, lake: FolderLake, listing: str
) -> None:
    seen(client, lake, reddit, 50, listing=listing)
    reddit.content = Posts(200)
    assert run(client, lake, listing=listing, limit=100).gap is None


def test_hours_in_which_nothing_was_shown_do_not_hide_a_gap(
    reddit: ScriptedReddit, client: RedditClient, lake: FolderLake
) -> None:
    seen(client, lake, reddit, 50, hours_before=48)
    reddit.script(pages=[answer(403, {"reason": "private"})])
    seen(client, lake, reddit, 0, hours_before=2)
    seen(client, lake, reddit, 0, hours_before=1)
    reddit.content = Posts(200)
    assert run(client, lake, limit=100).gap == (created(50), created(101))


@pytest.mark.parametrize(("hours_before", "limit"), [(60, 100), (24 * 300, 100), (1, 1000), (1, 10)])
def test_a_gap_is_found_after_any_pause_and_whatever_the_limit_was(
    reddit: ScriptedReddit, client: RedditClient, lake: FolderLake, hours_before: int, limit: int
) -> None:
    seen(client, lake, reddit, 50, hours_before=hours_before, limit=limit)
    reddit.content = Posts(200)
    assert run(client, lake, limit=100).gap == (created(50), created(101))
    # What was read of another listing says nothing.
    assert run(client, lake, limit=100, listing="comments").gap is None


def test_a_listing_cut_off_by_a_refusal_before_it_reached_what_was_seen_is_a_gap(
    reddit: ScriptedReddit, client: RedditClient, lake: FolderLake
) -> None:
    seen(client, lake, reddit, 50, limit=1000)
    reddit.content = Posts(400)
    reddit.script(pages=[None, answer(403, {"reason": "private"})])
    assert run(client, lake).gap == (created(50), created(301))


class Unreadable(FolderLake):
    """Takes objects, and gives none back."""

    error: Exception
    lists = True
    asked = 0

    def read(self, key: str) -> bytes | None:  # noqa: ARG002
        self.asked += 1
        raise self.error

    def stored(self, prefix: str) -> Iterator[Stored]:
        if self.lists:
            yield from super().stored(prefix)
        else:
            self.asked += 1
            raise self.error


@pytest.mark.parametrize("lists", [True, False], ids=["read", "listed"])
@pytest.mark.parametrize(
    "error",
    [
        LakeError("LAKE_URL: s3://some-bucket: the answer broke off"),
        ConfigurationError("LAKE_URL: s3://some-bucket: AccessDenied"),
        ProtocolError("Connection broken"),
        KeyError("Body"),
        RecursionError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_earlier_receipts_that_cannot_be_read_cost_a_warning_and_not_the_listing(  # noqa: PLR0917
    reddit: ScriptedReddit,
    client: RedditClient,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    lists: bool,
) -> None:
    lake = Unreadable(tmp_path / "lake")
    lake.error, lake.lists = error, lists
    for hours in (1, 2):
        key = receipt_key("extract", "posts", HOUR - timedelta(hours=hours), "sandbox.python-new-100")
        assert lake.create(key, b"{}")
    reddit.content = Posts(200)
    receipt = run(client, lake, limit=100)
    assert (receipt.records, receipt.gap) == (100, None)
    assert [record.message for record in caplog.records] == ["gap check failed"]
    # A lake that does not answer is not asked again.
    assert lake.asked == 1


@pytest.mark.parametrize("damaged", [b"", b"{", b"[]", b"\xff", b'{"newest": 5}', b"[" * 100_000])
def test_a_damaged_receipt_is_passed_over(
    reddit: ScriptedReddit,
    client: RedditClient,
    lake: FolderLake,
    damaged: bytes,
) -> None:
    seen(client, lake, reddit, 50, hours_before=2)
    assert lake.create(receipt_key("extract", "posts", HOUR - timedelta(hours=1), "sandbox.python-new-100"), damaged)
    reddit.content = Posts(200)
    assert run(client, lake, limit=100).gap == (created(50), created(101))


def test_a_receipt_of_odd_values_is_passed_over(reddit: ScriptedReddit, client: RedditClient, lake: FolderLake) -> None:
    seen(client, lake, reddit, 50, hours_before=2)
    reddit.content = Posts(60)
    then = HOUR - timedelta(hours=1)
    commit(lake, replace(run(client, lake, hour=then, limit=100), newest=5), then)  # type: ignore[arg-type]
    reddit.content = Posts(200)
    assert run(client, lake, limit=100).gap == (created(50), created(101))
