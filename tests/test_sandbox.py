"""The sandbox Reddit: what it holds, and that PRAW itself can talk to it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Any

import praw
import pytest
import requests
from prawcore.exceptions import Forbidden, NotFound, Redirect, ResponseException

from reddit_etl import sandbox
from reddit_etl.entities import POSTS
from reddit_etl.entities.record import Record, to_record
from reddit_etl.sandbox.content import CAP, InventedReddit, Subreddit
from reddit_etl.sandbox.server import ALLOWED, WINDOW, Listing, RedditServer
from reddit_etl.sources.client import RedditClient

HOUR = datetime.fromisoformat("2026-11-23T04:00")
DEFAULTS = ("python", "dataengineering", "aws")
PROJECT = Path(__file__).parents[1]
AGENT = "linux:reddit-etl-tests:1.0 (by /u/somebody)"


class SettableClock:
    def __init__(self) -> None:
        self.now = HOUR + timedelta(minutes=17)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock()


@pytest.fixture
def server(clock: SettableClock) -> Iterator[RedditServer]:
    with RedditServer(InventedReddit(clock)) as made:
        made.start()
        yield made
        made.shutdown()


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as made:
        made.trust_env = False
        yield made


@pytest.fixture
def reddit(server: RedditServer, session: requests.Session) -> praw.Reddit:
    """PRAW as anybody would use it."""
    return praw.Reddit(
        client_id="an-id",
        client_secret="a-secret",
        user_agent=AGENT,
        oauth_url=server.url,
        reddit_url=server.url,
        check_for_updates=False,
        requestor_kwargs={"session": session},
    )


@pytest.fixture
def token(server: RedditServer, session: requests.Session) -> dict[str, str]:
    """The header that an API request needs."""
    answer = session.post(
        f"{server.url}/api/v1/access_token",
        auth=("an-id", "a-secret"),
        data={"grant_type": "client_credentials"},
        timeout=10,
    )
    return {"authorization": f"bearer {answer.json()['access_token']}"}


def posts(subreddit: str = "python", listing: str = "new", *, hour: datetime = HOUR) -> list[dict[str, Any]]:
    found = InventedReddit(lambda: hour).listing(subreddit, listing)
    assert isinstance(found, Listing)
    shown = [found.post(place) for place in range(len(found.ids))]
    assert [post["id"] for post in shown] == found.ids
    return shown


def kind(post: dict[str, Any]) -> str:
    if "crosspost_parent" in post:
        return "crosspost"
    if "poll_data" in post:
        return "poll"
    if post.get("is_gallery"):
        return "gallery"
    if post["is_video"]:
        return "video"
    if post.get("post_hint") == "image":
        return "image"
    return "self" if post["is_self"] else "link"


# What it holds


def test_an_hour_holds_the_same_posts_whenever_and_wherever_it_is_asked() -> None:
    here = posts()
    assert posts(hour=HOUR + timedelta(minutes=59)) == here
    script = """
import json
from datetime import datetime
from reddit_etl.sandbox.content import InventedReddit
found = InventedReddit(lambda: datetime(2026, 11, 23, 4)).listing("python", "new")
print(json.dumps([found.post(place) for place in range(len(found.ids))]))
"""
    there = subprocess.run(
        [sys.executable, "-c", script], cwd=PROJECT, env={"PYTHONHASHSEED": "7"}, capture_output=True, check=True
    )
    assert json.loads(there.stdout) == here


def test_a_subreddits_name_is_one_in_whatever_case() -> None:
    assert posts("PyThOn") == posts("python")


@pytest.mark.parametrize("subreddit", [*DEFAULTS, "a1", "u_somebody"])
def test_a_listing_holds_every_kind_of_post_and_every_fate(subreddit: str) -> None:
    shown = posts(subreddit)
    assert {kind(post) for post in shown} == {"self", "link", "image", "gallery", "video", "poll", "crosspost"}
    assert any(post["author"] == "[deleted]" and post["removed_by_category"] == "deleted" for post in shown)
    assert any(post["selftext"] == "[deleted]" for post in shown)
    assert any(post["selftext"] == "[removed]" and post["removed_by_category"] == "moderator" for post in shown)
    accounts = [post for post in shown if post["author"] == "[deleted]" and post["removed_by_category"] is None]
    assert accounts
    assert not any(post["selftext"] in ("[deleted]", "[removed]") for post in accounts)
    assert any(post["edited"] is False for post in shown)
    assert any(
        post["edited"] and post["created_utc"] < post["edited"] <= HOUR.replace(tzinfo=UTC).timestamp()
        for post in shown
    )
    assert {flag for flag in ("over_18", "spoiler", "locked") if any(post[flag] for post in shown)} == {
        "over_18",
        "spoiler",
        "locked",
    }


@pytest.mark.parametrize("subreddit", [*DEFAULTS, "a1", "u_somebody"])
def test_a_listing_holds_text_of_every_trying_sort(subreddit: str) -> None:
    shown = posts(subreddit)
    titles, texts = "\n".join(post["title"] for post in shown), [post["selftext"] for post in shown]
    # Emoji beyond the first plane, RTL, quotes, backslashes, tabs, markup.
    assert all(sort in titles for sort in ("🎉", "👩🏽‍💻", "עם", "مرحبا", '"never', "\\", "\t", "<b>", "日本語"))
    assert any("\n\n" in text and "\r\n" in text for text in texts)
    assert max(len(text.encode()) for text in texts) > 65_535


def test_the_pipeline_reads_every_post_and_cuts_the_long_ones() -> None:
    outcomes = [to_record(POSTS, {"kind": "t3", "data": post}, {}) for name in DEFAULTS for post in posts(name)]
    records = [outcome for outcome in outcomes if isinstance(outcome, Record)]
    assert len(records) == len(outcomes) == 3 * CAP
    assert not any(record.cleaned for record in records)
    assert 3 <= sum(bool(record.values["text_truncated"]) for record in records) <= 9


def test_from_hour_to_hour_posts_arrive_and_scores_move() -> None:
    before = {post["id"]: post for post in posts()}
    after = {post["id"]: post for post in posts(hour=HOUR + timedelta(hours=1))}
    arrived, gone = after.keys() - before.keys(), before.keys() - after.keys()
    assert 1 <= len(arrived) <= 15
    assert len(gone) == len(arrived)
    begin = HOUR.replace(tzinfo=UTC).timestamp()
    assert all(begin <= after[post_id]["created_utc"] < begin + 3600 for post_id in arrived)
    kept = before.keys() & after.keys()
    assert sum(before[post_id]["score"] != after[post_id]["score"] for post_id in kept) > len(kept) / 3
    assert sum(before[post_id]["num_comments"] != after[post_id]["num_comments"] for post_id in kept) > 10
    # What does not change with time stays.
    for post_id in kept:
        for name in ("title", "created_utc", "subreddit", "url", "link_flair_text", "over_18", "permalink"):
            assert before[post_id][name] == after[post_id][name]


def test_a_post_grows_old_without_changing_what_it_is() -> None:
    place = Subreddit("python")
    begin = int(HOUR.replace(tzinfo=UTC).timestamp())
    fixed = ("id", "title", "url", "domain", "is_self", "link_flair_text", "over_18", "spoiler", "created_utc")
    for number in range(place.newest(begin) - 50, place.newest(begin)):
        ages = [place.post(number, begin + 3600 * hours) for hours in (0, 24, 71, 72, 73, 74, 75, 76, 77, 5000)]
        assert len({tuple(post[name] for name in fixed) for post in ages}) == 1


def test_posts_of_the_current_hour_are_not_shown_before_it_is_over() -> None:
    begin = HOUR.replace(tzinfo=UTC).timestamp()
    assert all(post["created_utc"] < begin for post in posts())


def test_new_is_in_the_order_of_time() -> None:
    times = [post["created_utc"] for post in posts()]
    assert times == sorted(times, reverse=True)


def test_the_other_listings_order_the_same_posts_otherwise() -> None:
    new = [post["id"] for post in posts()]
    for listing in ("hot", "top", "rising", "controversial"):
        other = [post["id"] for post in posts(listing=listing)]
        assert sorted(other) == sorted(new)
        assert other != new
    scores = [post["score"] for post in posts(listing="top")]
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize("subreddit", [*DEFAULTS, "a1"])
def test_a_listing_never_holds_more_than_reddits_cap(subreddit: str) -> None:
    assert len(posts(subreddit)) == CAP == 1000


def test_before_its_first_post_a_subreddit_is_empty() -> None:
    assert posts(hour=datetime.fromisoformat("2019-12-31")) == []
    assert 0 < len(posts(hour=datetime.fromisoformat("2020-01-01T06:00"))) < 100


def test_ids_are_unique_over_many_subreddits_and_fit_reddits_form() -> None:
    hour = int(HOUR.replace(tzinfo=UTC).timestamp())
    places = [Subreddit(f"{name}_{number}") for name in ("r", "some_long_subreddit") for number in range(1000)]
    ids = list(
        chain.from_iterable(
            [place.post_id(number) for number in range(place.newest(hour) - 9, place.newest(hour) + 1)]
            for place in places
        )
    )
    assert len(set(ids)) == len(ids) == 20_000
    assert all(len(post_id) <= 13 and post_id.isalnum() and post_id.islower() for post_id in ids)
    far = int(datetime(2099, 12, 31, tzinfo=UTC).timestamp())
    assert max(len(place.post_id(place.newest(far))) for place in places) <= 13


def test_a_crosspost_names_an_older_post_that_there_is() -> None:
    shown = {post["name"]: post for post in posts()}
    *crossposts, _ = [post for post in shown.values() if kind(post) == "crosspost"]
    assert len(crossposts) > 50
    for post in crossposts:
        parent = shown[post["crosspost_parent"]]
        assert parent["created_utc"] < post["created_utc"]
        assert parent["permalink"].startswith(post["url"])


# Over HTTP


def test_pages_follow_each_other_to_the_cap(
    server: RedditServer, session: requests.Session, token: dict[str, str]
) -> None:
    found: list[str] = []
    after: str | None = None
    for _ in range(10):
        answer = session.get(
            f"{server.url}/r/python/new",
            params={"limit": 100} | ({"after": after} if after else {}),
            headers=token,
            timeout=10,
        ).json()
        assert answer["kind"] == "Listing"
        assert {child["kind"] for child in answer["data"]["children"]} == {"t3"}
        found += [child["data"]["id"] for child in answer["data"]["children"]]
        after = answer["data"]["after"]
    assert after is None
    assert found == [post["id"] for post in posts()]


@pytest.mark.parametrize(("asked", "given"), [(None, 25), (1, 1), (100, 100), (1024, 100)])
def test_a_page_holds_what_was_asked_for_and_never_more_than_a_hundred(
    server: RedditServer, session: requests.Session, token: dict[str, str], asked: int | None, given: int
) -> None:
    params = {} if asked is None else {"limit": asked}
    answer = session.get(f"{server.url}/r/python/new.json", params=params, headers=token, timeout=10).json()
    assert len(answer["data"]["children"]) == given
    assert answer["data"]["after"] == answer["data"]["children"][-1]["data"]["name"]


def test_every_answer_tells_the_rate_limit(
    server: RedditServer, session: requests.Session, token: dict[str, str]
) -> None:
    for used in (2, 3):
        headers = session.get(f"{server.url}/r/python/new", headers=token, timeout=10).headers
        assert int(headers["x-ratelimit-used"]) == used
        assert float(headers["x-ratelimit-remaining"]) == ALLOWED - used
        assert WINDOW - 10 < int(headers["x-ratelimit-reset"]) <= WINDOW


def test_the_rate_limit_begins_anew_with_each_window(
    server: RedditServer, session: requests.Session, token: dict[str, str]
) -> None:
    server.used = ALLOWED
    server.opened -= WINDOW + 1
    headers = session.get(f"{server.url}/r/python/new", headers=token, timeout=10).headers
    assert int(headers["x-ratelimit-used"]) == 1
    assert int(headers["x-ratelimit-reset"]) == WINDOW


@pytest.mark.parametrize("headers", [{}, {"authorization": "bearer guessed"}, {"authorization": "basic YTpi"}])
def test_without_a_token_nothing_is_given(
    server: RedditServer, session: requests.Session, token: dict[str, str], headers: dict[str, str]
) -> None:
    assert token
    for path in ("/r/python/new", "/api/info?id=t3_a"):
        answer = session.get(server.url + path, headers=headers, timeout=10)
        assert answer.status_code == 401


def test_a_token_takes_a_login_and_reddits_grant(server: RedditServer, session: requests.Session) -> None:
    url = f"{server.url}/api/v1/access_token"
    grant = {"grant_type": "client_credentials"}
    assert session.post(url, data=grant, timeout=10).status_code == 401
    assert session.post(url, data=grant, auth=("", ""), timeout=10).status_code == 401
    other = session.post(url, data={"grant_type": "password"}, auth=("a", "b"), timeout=10)
    assert other.json() == {"error": "unsupported_grant_type"}
    given = session.post(url, data=grant, auth=("a", "b"), timeout=10).json()
    assert set(given) == {"access_token", "token_type", "expires_in", "scope"}


def test_what_is_not_there_is_not_found(server: RedditServer, session: requests.Session, token: dict[str, str]) -> None:
    for path in ("/r/python/best", "/r/../etc/new", "/", "/r/python"):
        assert session.get(server.url + path, headers=token, timeout=10).status_code == 404
    assert session.post(f"{server.url}/api/submit", headers=token, timeout=10).status_code == 404


def test_the_server_listens_on_loopback_alone(server: RedditServer) -> None:
    assert server.server_address[0] == "127.0.0.1"
    assert server.url == f"http://127.0.0.1:{server.server_port}"


# With PRAW


def test_praw_lists_posts_as_its_own_objects(reddit: praw.Reddit) -> None:
    submissions = list(reddit.subreddit("python").new(limit=150))
    expected = posts()[:150]
    assert [submission.id for submission in submissions] == [post["id"] for post in expected]
    for submission, post in zip(submissions, expected, strict=True):
        assert submission.title == post["title"]
        assert submission.score == post["score"]
        assert submission.subreddit.display_name == "python"
        assert submission.author == (None if post["author"] == "[deleted]" else post["author"])


def test_praw_finds_the_end_of_a_listing_by_itself(reddit: praw.Reddit, server: RedditServer) -> None:
    assert len(list(reddit.subreddit("python").hot(limit=None))) == CAP
    assert server.used == 11


def test_praw_finds_posts_by_their_ids(reddit: praw.Reddit, server: RedditServer, clock: SettableClock) -> None:
    listed = list(chain(reddit.subreddit("python").new(limit=150), reddit.subreddit("aws").new(limit=3)))
    used = server.used
    clock.now += timedelta(hours=5)
    found = list(reddit.info(fullnames=[submission.fullname for submission in listed]))
    assert server.used == used + 2
    assert [submission.id for submission in found] == [submission.id for submission in listed]
    assert [submission.subreddit for submission in found] == [submission.subreddit for submission in listed]
    # As they are by now.
    assert [submission.score for submission in found] != [submission.score for submission in listed]
    # Posts that have left the listings are found all the same.
    clock.now += timedelta(days=400)
    assert len(list(reddit.info(fullnames=[submission.fullname for submission in listed]))) == len(listed)


def test_praw_is_given_nothing_for_ids_that_are_not_there(reddit: praw.Reddit) -> None:
    [newest] = reddit.subreddit("python").new(limit=1)
    place = Subreddit("python")
    number = (int(newest.id, 36) >> 32) - 1
    assert place.post_id(number) == newest.id
    absent = [
        f"t3_{place.post_id(number + 1)}",  # Not yet.
        f"t3_{place.post_id(-1)}",
        f"t3_{Subreddit('never_listed_by_any_test').post_id(number)}",
        "t3_0",
        "t3_zzzzzzzzzzzzz",
        "t3_²",
        "t3_../x",
        f"t1_{newest.id}",
        f"t5_{newest.id}",
    ]
    assert [found.id for found in reddit.info(fullnames=[*absent, newest.fullname])] == [newest.id]


@pytest.mark.parametrize(
    ("subreddit", "error", "status", "reason"),
    [
        ("private_example", Forbidden, 403, "private"),
        ("banned_example", NotFound, 404, "banned"),
        ("unknown_example", Redirect, 302, None),
    ],
)
def test_refused_subreddits_are_refused_as_reddit_does(
    reddit: praw.Reddit, subreddit: str, error: type[ResponseException], status: int, reason: str | None
) -> None:
    with pytest.raises(error) as caught:
        list(reddit.subreddit(subreddit).new(limit=1))
    assert caught.value.response.status_code == status
    assert caught.value.response.json().get("reason") == reason
    assert isinstance(caught.value, Redirect) == (status == 302)
    if isinstance(caught.value, Redirect):
        assert caught.value.path == "/subreddits/search"


# As a process


def test_it_starts_in_a_thread_and_serves_the_pipelines_client(clock: SettableClock) -> None:
    client = RedditClient(
        client_id="sandbox", client_secret="sandbox", user_agent=AGENT, url=sandbox.start(clock=clock), clock=clock
    )
    got = list(client.listing("python", "new", limit=250))
    client.close()
    assert [entry.child for entry in got] == [{"kind": "t3", "data": post} for post in posts()[:250]]
    assert client.requests == 4


def test_it_runs_as_a_process_of_its_own_and_says_what_it_is(session: requests.Session) -> None:
    command = [sys.executable, "-m", "reddit_etl.sandbox", "--port", "0"]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        said = process.stdout.readline()
        try:
            assert said.startswith("sandbox Reddit with invented posts: REDDIT_URL=http://127.0.0.1:")
            assert session.get(said.strip().partition("=")[2] + "/r/python/new", timeout=10).status_code == 401
        finally:
            process.terminate()
