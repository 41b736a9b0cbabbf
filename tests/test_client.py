"""What the client makes of Reddit's answers, good and bad, over real HTTP."""

import gzip
import json
import logging
import math
import os
import socket
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from itertools import count, repeat
from pathlib import Path

import pytest

from reddit_etl.errors import ConfigurationError, RedditError
from reddit_etl.sources.client import Observation, RedditClient
from reddit_etl.sources.verdict import Unavailable
from tests.standins.reddit import (
    Act,
    Posts,
    ScriptedReddit,
    after,
    answer,
    child,
    page,
    reset,
    reset_midway,
    stall,
    stall_midway,
    with_headers,
)

SECRET = "s3cr3t-of-the-test"
AGENT = "linux:reddit-etl-tests:1.0 (by /u/somebody)"
MOMENT = datetime.fromisoformat("2026-11-23T04:05:06")
HTML = "<!doctype html><html><body>whoa there, pardner!</body></html>"
BACK_OFF = [2.0, 4.0, 8.0, 16.0, 32.0]


class TickingClock:
    """A minute later each time it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self) -> datetime:
        self.asked += 1
        return MOMENT + timedelta(minutes=self.asked)


@pytest.fixture(autouse=True)
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that prawcore meant to sleep."""
    napped: list[float] = []
    monkeypatch.setattr("prawcore.sessions.time.sleep", napped.append)
    monkeypatch.setattr("prawcore.rate_limit.time.sleep", napped.append)
    return napped


@pytest.fixture
def reddit() -> Iterator[ScriptedReddit]:
    with ScriptedReddit() as server:
        yield server


@pytest.fixture
def waits() -> list[float]:
    """The seconds that the client meant to wait."""
    return []


@pytest.fixture
def client(reddit: ScriptedReddit, waits: list[float]) -> Iterator[RedditClient]:
    made = make_client(reddit.url, waits)
    yield made
    made.close()


def make_client(
    url: str, waits: list[float], announced: Callable[[float, str], object] = lambda *_: None
) -> RedditClient:
    return RedditClient(
        client_id="an-id",
        client_secret=SECRET,
        user_agent=AGENT,
        url=url,
        clock=TickingClock(),
        sleep=waits.append,
        waits=announced,
    )


def read(client: RedditClient, limit: int = 1000) -> list[Observation]:
    return list(client.listing("python", "new", limit=limit))


def ids(observations: list[Observation]) -> list[str]:
    return [observation.child["data"]["id"] for observation in observations]  # type: ignore[index]


def newest(count: int, of: int) -> list[str]:
    return [f"p{number}" for number in range(of, of - count, -1)]


# Requests


@pytest.mark.parametrize("count", [1, 99, 100, 101, 250, 1000])
def test_the_first_n_posts_cost_a_request_per_hundred_and_one_token(
    reddit: ScriptedReddit, client: RedditClient, count: int
) -> None:
    reddit.content = Posts(1500)
    assert ids(read(client, limit=count)) == newest(count, of=1500)
    assert len(reddit.pages) == math.ceil(count / 100)
    assert len(reddit.logins) == 1
    assert client.requests == len(reddit.asked) == math.ceil(count / 100) + 1


@pytest.mark.parametrize("count", [1, 99, 100, 101, 250, 1000])
def test_a_listing_that_holds_n_posts_costs_no_request_for_its_end(
    reddit: ScriptedReddit, client: RedditClient, count: int
) -> None:
    reddit.content = Posts(count)
    assert len(read(client, limit=1000)) == count
    assert client.requests == math.ceil(count / 100) + 1


def test_beyond_reddits_cap_nothing_is_asked_for(reddit: ScriptedReddit, client: RedditClient) -> None:
    reddit.content = Posts(1500)
    assert len(read(client, limit=2000)) == 1000
    assert client.requests == 11


def test_an_empty_listing_costs_one_page(client: RedditClient) -> None:
    assert read(client) == []
    assert client.requests == 2


def test_pages_follow_each_other_by_the_name_of_the_last_post(reddit: ScriptedReddit, client: RedditClient) -> None:
    reddit.content = Posts(300)
    read(client, limit=250)
    assert [request.path for request in reddit.pages] == ["/r/python/new"] * 3
    assert [request.query for request in reddit.pages] == [
        {"limit": "100", "raw_json": "1"},
        {"limit": "100", "raw_json": "1", "after": "t3_p201"},
        {"limit": "50", "raw_json": "1", "after": "t3_p101"},
    ]


def test_one_token_serves_all_listings_of_a_client(reddit: ScriptedReddit, client: RedditClient) -> None:
    reddit.content = Posts(5)
    for listing in ("new", "hot", "top"):
        assert len(list(client.listing("python", listing, limit=10))) == 5
    assert [request.path for request in reddit.pages] == ["/r/python/new", "/r/python/hot", "/r/python/top"]
    assert client.requests == 4


def test_a_page_is_asked_for_only_when_the_one_before_was_taken(reddit: ScriptedReddit, client: RedditClient) -> None:
    reddit.content = Posts(300)
    listing = client.listing("python", "new", limit=300)
    assert reddit.asked == []
    for _ in range(100):
        next(listing)
    assert len(reddit.pages) == 1
    next(listing)
    assert len(reddit.pages) == 2


def test_stickies_that_come_with_a_page_are_given_and_cost_no_request(
    reddit: ScriptedReddit, client: RedditClient
) -> None:
    reddit.content = Posts(1000)
    with_stickies = [child(2001, stickied=True), child(2002, stickied=True)]
    with_stickies += [child(number) for number in range(1000, 900, -1)]
    reddit.script(pages=[answer(200, page(with_stickies, after="t3_p901"))])
    got = ids(read(client, limit=1000))
    assert got == ["p2001", "p2002", *newest(998, of=1000)]
    assert client.requests == 11


def test_posts_that_arrive_while_pages_are_read_double_some_and_lose_none(
    reddit: ScriptedReddit, client: RedditClient
) -> None:
    """Reddit itself answers relative to `after`; a cached page may yet begin higher up."""
    reddit.content = posts = Posts(200)
    higher_up = page([child(number) for number in range(103, 3, -1)], after="t3_p4")
    reddit.script(pages=[None, answer(200, higher_up), after(lambda: posts.arrive(3))])
    got = ids(read(client, limit=1000))
    assert sorted(set(got)) == sorted(newest(200, of=200))
    assert len(got) == 203


def test_a_listing_that_goes_round_in_circles_is_left(reddit: ScriptedReddit, client: RedditClient) -> None:
    reddit.script(pages=repeat(answer(200, page([child(1), child(2)], after="t3_p1"))))
    assert ids(read(client)) == ["p1", "p2", "p1", "p2"]
    assert len(reddit.pages) == 2


def test_an_empty_page_without_a_next_one_ends_the_listing(reddit: ScriptedReddit, client: RedditClient) -> None:
    reddit.script(pages=repeat(answer(200, page([]))))
    assert read(client) == []
    assert len(reddit.pages) == 1


def test_what_lies_behind_an_empty_page_is_read(reddit: ScriptedReddit, client: RedditClient) -> None:
    pages = [page([child(1)], after="t3_p1"), page([], after="t3_p2"), page([child(3)])]
    reddit.script(pages=[answer(200, body) for body in pages])
    assert ids(read(client)) == ["p1", "p3"]


def test_empty_pages_without_end_end_the_listing(reddit: ScriptedReddit, client: RedditClient) -> None:
    reddit.script(pages=(answer(200, page([], after=f"t3_p{number}")) for number in count()))
    assert read(client) == []
    assert len(reddit.pages) == 3


def test_a_compressed_answer_is_read_whole(reddit: ScriptedReddit, client: RedditClient) -> None:
    body = gzip.compress(json.dumps(page([child(number) for number in range(100)])).encode())
    reddit.script(pages=repeat(answer(200, body, {"content-encoding": "gzip"})))
    assert [len(read(client)) for _ in range(3)] == [100, 100, 100]


def test_an_answer_that_drips_is_given_up_at_the_deadline(
    client: RedditClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reddit_etl.sources.requestor.DEADLINE", -1.0)
    with pytest.raises(RedditError, match="ReadTimeout"):
        read(client)


def test_an_answer_without_measure_is_not_kept(client: RedditClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reddit_etl.sources.requestor.LARGEST", 10)
    with pytest.raises(RedditError, match="ContentDecodingError"):
        read(client)


def test_observed_at_is_the_moment_of_the_page_by_the_clock_that_was_given(
    reddit: ScriptedReddit, client: RedditClient
) -> None:
    reddit.content = Posts(250)
    # A page that had to be asked for twice was observed once.
    reddit.script(pages=[None, answer(429), None])
    got = read(client)
    assert [entry.observed_at for entry in got] == [
        MOMENT + timedelta(minutes=1 + place // 100) for place in range(250)
    ]


def test_reddit_is_told_who_asks(reddit: ScriptedReddit, client: RedditClient) -> None:
    read(client)
    assert all(request.agent.startswith(AGENT) for request in reddit.asked)
    assert len(reddit.asked) == 2


# Faults that pass


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504, 520, 522])
def test_three_server_errors_in_a_row_resume_the_same_page(
    reddit: ScriptedReddit, client: RedditClient, waits: list[float], status: int
) -> None:
    reddit.content = Posts(250)
    reddit.script(pages=[None, *[answer(status, HTML)] * 3])
    assert ids(read(client)) == newest(250, of=250)
    first, *again, last = [request.query.get("after") for request in reddit.pages]
    assert (first, again, last) == (None, ["t3_p151"] * 4, "t3_p51")
    assert waits == [2.0]
    assert client.requests == 1 + 3 + 3


def test_a_server_error_that_names_a_time_is_waited_for(
    reddit: ScriptedReddit, client: RedditClient, waits: list[float]
) -> None:
    reddit.content = Posts(1)
    reddit.script(pages=[answer(503, HTML, {"retry-after": "30"})] * 3)
    assert len(read(client)) == 1
    assert waits == [30.0]


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "7.5"}, 7.5),
        ({"x-ratelimit-reset": "42"}, 42.0),
        ({"x-ratelimit-remaining": "0.0", "x-ratelimit-used": "100", "x-ratelimit-reset": "42"}, 42.0),
        ({"retry-after": "7", "x-ratelimit-reset": "42"}, 7.0),
        ({"retry-after": "soon", "x-ratelimit-reset": "42"}, 42.0),
        ({}, 2.0),
        ({"retry-after": "Mon, 23 Nov 2026 04:00:00 GMT"}, 2.0),
        ({"retry-after": "-1"}, 2.0),
        ({"retry-after": ""}, 2.0),
        ({"retry-after": "nan"}, 2.0),
        ({"retry-after": "1e400"}, 2.0),
        ({"x-ratelimit-reset": "abc"}, 2.0),
        ({"retry-after": "86400"}, 600.0),
        ({"x-ratelimit-reset": "1e9"}, 600.0),
    ],
)
def test_too_many_requests_waits_as_told_and_never_longer_than_ten_minutes(
    reddit: ScriptedReddit, client: RedditClient, waits: list[float], headers: dict[str, str], wait: float
) -> None:
    reddit.content = Posts(150)
    reddit.script(pages=[None, answer(429, HTML, headers)])
    assert ids(read(client)) == newest(150, of=150)
    assert waits == [wait]
    assert client.requests == 1 + 2 + 1


def test_too_many_requests_for_ever_ends_in_an_error(
    reddit: ScriptedReddit, client: RedditClient, waits: list[float]
) -> None:
    reddit.script(pages=repeat(answer(429, HTML)))
    with pytest.raises(RedditError, match=r"^/r/python/new: HTTP 429$"):
        read(client)
    assert waits == BACK_OFF
    assert client.requests == 1 + 6


def test_server_errors_for_ever_end_in_an_error(
    reddit: ScriptedReddit, client: RedditClient, waits: list[float]
) -> None:
    reddit.script(pages=repeat(answer(503, HTML)))
    with pytest.raises(RedditError, match=r"^/r/python/new: HTTP 503$"):
        read(client)
    assert waits == BACK_OFF
    # prawcore asks three times before we wait.
    assert client.requests == 1 + 6 * 3


@pytest.mark.parametrize(
    ("fault", "waited"),
    [
        (answer(500, HTML), 2.0),
        (answer(503), 2.0),
        (answer(429), 2.0),
        (answer(429, HTML, {"retry-after": "9"}), 9.0),
        (answer(200, HTML), 2.0),
        (answer(200, '{"access_token": "abc'), 2.0),
        (answer(200, ""), 2.0),
        (answer(200, "null"), 2.0),
        (answer(200, []), 2.0),
        (answer(200, {}), 2.0),
        (answer(200, {"access_token": "abc", "expires_in": "soon", "scope": "*"}), 2.0),
    ],
)
def test_a_token_endpoint_out_of_order_is_asked_again(
    reddit: ScriptedReddit, client: RedditClient, waits: list[float], fault: Act, waited: float
) -> None:
    reddit.content = Posts(1)
    reddit.script(logins=[fault, fault])
    assert len(read(client)) == 1
    assert waits == [waited, waited if waited == 9.0 else 4.0]
    assert (len(reddit.logins), len(reddit.pages)) == (3, 1)


@pytest.mark.parametrize("fault", [reset, reset_midway, stall, stall_midway])
def test_a_connection_to_the_token_endpoint_that_breaks_is_made_again(
    reddit: ScriptedReddit, client: RedditClient, monkeypatch: pytest.MonkeyPatch, fault: Act
) -> None:
    monkeypatch.setattr("reddit_etl.sources.requestor.TIMEOUT", 0.2)
    reddit.content = Posts(1)
    reddit.script(logins=[fault])
    assert len(read(client)) == 1
    assert (len(reddit.logins), len(reddit.pages)) == (2, 1)


def test_a_token_that_expires_midway_is_replaced_by_one_new_token(
    reddit: ScriptedReddit, client: RedditClient, waits: list[float]
) -> None:
    reddit.content = Posts(250)
    reddit.script(pages=[None, after(reddit.tokens.clear)])
    assert ids(read(client)) == newest(250, of=250)
    assert [request.query.get("after") for request in reddit.pages] == [None, "t3_p151", "t3_p151", "t3_p51"]
    assert len(reddit.logins) == 2
    assert waits == []


@pytest.mark.parametrize("fault", [stall, stall_midway])
def test_silence_on_a_connection_ends_at_the_deadline_and_is_asked_again(
    reddit: ScriptedReddit, client: RedditClient, monkeypatch: pytest.MonkeyPatch, waits: list[float], fault: Act
) -> None:
    monkeypatch.setattr("reddit_etl.sources.requestor.TIMEOUT", 0.2)
    reddit.content = Posts(250)
    reddit.script(pages=[None, *[fault] * 3])
    assert ids(read(client)) == newest(250, of=250)
    assert client.requests == 1 + 3 + 3
    assert waits == [2.0]


CUT_JSON = '{"kind": "Listing", "data": {"after": null, "children": [{"kind": "t3", "da'

BROKEN = {
    "the connection is reset": (reset, 3),
    "the connection is reset in the body": (reset_midway, 3),
    "the body is shorter than announced": (answer(200, CUT_JSON, missing=100), 3),
    "the JSON is cut": (answer(200, CUT_JSON), 1),
    "the page is HTML": (answer(200, HTML), 1),
    "the page is empty": (answer(200), 1),
    "there is no content": (answer(204), 1),
    "gzip is announced and does not come": (answer(200, CUT_JSON, {"content-encoding": "gzip"}), 1),
}


@pytest.mark.parametrize(("fault", "tries"), BROKEN.values(), ids=BROKEN)
def test_a_broken_page_is_asked_for_again(
    reddit: ScriptedReddit, client: RedditClient, waits: list[float], fault: Act, tries: int
) -> None:
    reddit.content = Posts(250)
    reddit.script(pages=[None, *[fault] * tries])
    assert ids(read(client)) == newest(250, of=250)
    assert client.requests == 1 + 3 + tries
    assert waits == [2.0]


@pytest.mark.parametrize(("fault", "tries"), BROKEN.values(), ids=BROKEN)
def test_a_page_that_stays_broken_ends_in_an_error(
    reddit: ScriptedReddit, client: RedditClient, waits: list[float], fault: Act, tries: int
) -> None:
    reddit.script(pages=repeat(fault))
    with pytest.raises(RedditError, match="r/python/new: ") as caught:
        read(client)
    assert "\n" not in str(caught.value)
    assert waits == BACK_OFF
    assert client.requests == 1 + 6 * tries


def test_a_host_where_nothing_listens_ends_in_an_error(waits: list[float]) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        client = make_client(f"http://127.0.0.1:{bound.getsockname()[1]}", waits)
        with pytest.raises(RedditError, match=r"r/python/new: no response \(ConnectionError\)"):
            read(client)
        client.close()
    assert waits == BACK_OFF


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        "null",
        '"text"',
        "7",
        {"data": None},
        {"data": []},
        {"data": {}},
        {"data": {"children": None}},
        {"data": {"children": {}}},
        {"message": "Internal Server Error", "error": 500},
    ],
)
def test_an_answer_that_is_no_listing_is_asked_for_again_and_then_an_error(
    reddit: ScriptedReddit, client: RedditClient, waits: list[float], body: object
) -> None:
    reddit.content = Posts(1)
    reddit.script(pages=[answer(200, body)])
    assert len(read(client)) == 1
    assert waits == [2.0]
    reddit.script(pages=repeat(answer(200, body)))
    with pytest.raises(RedditError, match=r"^r/python/new: the response is not a listing$"):
        read(client)


@pytest.mark.parametrize("cursor", [None, "", 7, False, {}, []])
def test_an_after_that_is_no_name_ends_the_listing(
    reddit: ScriptedReddit, client: RedditClient, cursor: object
) -> None:
    reddit.script(pages=[answer(200, {"data": {"children": [child(1)], "after": cursor}})])
    assert ids(read(client)) == ["p1"]
    assert len(reddit.pages) == 1


UTF_8 = {"content-type": "application/json; charset=UTF-8"}


@pytest.mark.parametrize("headers", [UTF_8, {}], ids=["UTF-8", "no type"])
@pytest.mark.parametrize("odd", [{"title": "\ud83d"}, {"ups": 2**64 + 1}, {"ups": "7"}], ids=ascii)
def test_children_are_given_as_they_came(
    reddit: ScriptedReddit, client: RedditClient, odd: dict[str, object], headers: dict[str, str]
) -> None:
    children = [None, 7, "text", [], {}, {"kind": "t1", "data": {"id": "c1"}}, {"kind": "t3", "data": odd}, child(1)]
    reddit.script(pages=[answer(200, page(children), headers)])
    assert [entry.child for entry in read(client)] == children


@pytest.mark.parametrize("encoding", ["utf-8", "iso-8859-1"])
def test_a_page_is_read_in_the_encoding_that_it_names(
    reddit: ScriptedReddit, client: RedditClient, encoding: str
) -> None:
    body = json.dumps(page([child(1, title="ä")]), ensure_ascii=False).encode(encoding)
    reddit.script(pages=[answer(200, body, {"content-type": f"application/json; charset={encoding}"})])
    assert [entry.child for entry in read(client)] == [child(1, title="ä")]


# Rate limit headers


@pytest.mark.parametrize("name", ["x-ratelimit-remaining", "x-ratelimit-used", "x-ratelimit-reset"])
@pytest.mark.parametrize("value", ["abc", "", "-1", "3.0", "nan", "1e400", "1e30", None])
def test_malformed_rate_limit_headers_disturb_nothing(
    reddit: ScriptedReddit, client: RedditClient, naps: list[float], name: str, value: str | None
) -> None:
    reddit.content = Posts(250)
    reddit.script(pages=[with_headers({name: value})] * 3)
    assert ids(read(client)) == newest(250, of=250)
    assert client.requests == 4
    assert all(nap <= 10 for nap in naps)


def test_a_used_up_rate_limit_waits_for_the_next_window_and_never_longer_than_ten_minutes(
    reddit: ScriptedReddit, client: RedditClient, naps: list[float]
) -> None:
    reddit.content = Posts(300)
    used_up = {"x-ratelimit-remaining": "0.0", "x-ratelimit-used": "1000"}
    reddit.script(
        pages=[
            with_headers(used_up | {"x-ratelimit-reset": "42"}),
            with_headers(used_up | {"x-ratelimit-reset": "1e9"}),
        ]
    )
    assert len(read(client)) == 300
    assert naps == [pytest.approx(42, abs=1), pytest.approx(600, abs=1)]


def test_each_wait_is_announced_with_its_reason(reddit: ScriptedReddit) -> None:
    announced: list[tuple[int, str]] = []
    client = make_client(reddit.url, [], lambda seconds, reason: announced.append((round(seconds), reason)))
    reddit.content = Posts(300)
    used_up = {"x-ratelimit-remaining": "0.0", "x-ratelimit-used": "1000", "x-ratelimit-reset": "42"}
    lost = [answer(429, HTML, {"retry-after": "7"}), answer(200, "{")]
    reddit.script(pages=[None, *lost, with_headers(used_up)])
    assert len(read(client)) == 300
    limit = "Reddit's rate limit"
    assert announced == [(7, limit), (4, "another attempt"), (42, limit)]
    client.close()


# Refusals

REFUSALS = {
    "private": (answer(403, {"reason": "private", "message": "Forbidden", "error": 403}), "private"),
    "quarantined": (answer(403, {"reason": "quarantined", "message": "Forbidden", "error": 403}), "quarantined"),
    "without a reason or a message": (answer(403, {"error": 403}), "forbidden"),
    "without a reason": (answer(403, {"message": "Forbidden", "error": 403}), "forbidden"),
    "with a reason of null": (answer(403, {"reason": None, "message": "Forbidden", "error": 403}), "forbidden"),
    "with a reason to mislead": (answer(403, {"reason": "../x\ny " + "z" * 99}), "___x_y_" + "z" * 25),
    "with a login's header": (
        answer(403, {"reason": "private"}, {"www-authenticate": 'Basic realm="reddit"'}),
        "private",
    ),
    "banned": (answer(404, {"reason": "banned", "message": "Not Found", "error": 404}), "banned"),
    "not found": (answer(404, {"message": "Not Found", "error": 404}), "not_found"),
    "not found in HTML": (answer(404, HTML), "not_found"),
    "legal": (answer(451, HTML), "legal"),
    "unknown": (answer(302, "", {"location": "https://oauth.reddit.com/subreddits/search.json?q=pyt"}), "unknown"),
    "unknown by path": (answer(302, "", {"location": "/subreddits/search?q=pyt"}), "unknown"),
}


@pytest.mark.parametrize(("refusal", "verdict"), REFUSALS.values(), ids=REFUSALS)
def test_a_refused_subreddit_gets_its_verdict_at_once(
    reddit: ScriptedReddit, client: RedditClient, waits: list[float], refusal: Act, verdict: str
) -> None:
    reddit.script(pages=[refusal])
    with pytest.raises(Unavailable) as caught:
        read(client)
    assert caught.value.verdict == verdict
    assert waits == []
    assert client.requests == 2
    # The client serves the next subreddit.
    reddit.content = Posts(3)
    assert len(read(client)) == 3


def test_a_subreddit_refused_midway_gives_what_it_gave_before(reddit: ScriptedReddit, client: RedditClient) -> None:
    reddit.content = Posts(250)
    reddit.script(pages=[None, answer(403, {"reason": "private"})])
    listing = client.listing("python", "new", limit=1000)
    assert ids([next(listing) for _ in range(100)]) == newest(100, of=250)
    with pytest.raises(Unavailable, match="private"):
        next(listing)


REFUSED_LOGINS = {
    "401": answer(401, {"message": "Unauthorized", "error": 401}),
    "401 as in 2015": answer(401, {"error": 401}),
    "401 in the words of OAuth": answer(401, {"error": "invalid_client", "error_description": "who?"}),
    "400 in the words of OAuth": answer(400, {"error": "unauthorized_client"}),
}


@pytest.mark.parametrize("refusal", REFUSED_LOGINS.values(), ids=REFUSED_LOGINS)
def test_refused_credentials_end_the_run_at_once_and_name_the_settings(
    reddit: ScriptedReddit,
    client: RedditClient,
    waits: list[float],
    caplog: pytest.LogCaptureFixture,
    refusal: Act,
) -> None:
    caplog.set_level(logging.DEBUG)
    reddit.script(logins=repeat(refusal))
    with pytest.raises(ConfigurationError, match=r"^REDDIT_CLIENT_ID, REDDIT_CLIENT_SECRET: Reddit rejected") as caught:
        read(client)
    assert waits == []
    assert client.requests == 1
    assert "\n" not in str(caught.value)
    told = "".join(traceback.format_exception(caught.value)) + caplog.text
    assert SECRET not in told
    assert "Reddit rejected them" in told


ODD_LOGINS = {
    "200 with an error": answer(200, {"error": "invalid_grant"}),
    "200 with an error that passes": answer(200, {"error": "temporarily_unavailable"}),
    "200 with an error of several lines": answer(200, {"error": "too many\nrequests"}),
    "401 in HTML": answer(401, HTML, {"www-authenticate": 'Basic realm="reddit"'}),
    "401 without a body": answer(401),
    "401 cut off": answer(401, '{"message": "Unauthorized", "err'),
    "401 that breaks off": answer(401, '{"message": "Unauthorized", "error": 401}', missing=9),
    "400": answer(400, {"message": "Bad Request", "error": 400}),
    "403": answer(403, {"message": "Forbidden", "error": 403}),
    "403 without a body": answer(403),
    "404": answer(404, {"message": "Not Found", "error": 404}),
    "a redirect to a page that is not there": answer(302, "", {"location": "/not/there"}),
}


@pytest.mark.parametrize("fault", ODD_LOGINS.values(), ids=ODD_LOGINS)
def test_an_odd_answer_to_a_login_is_asked_again_and_then_no_fault_of_the_settings(
    reddit: ScriptedReddit, client: RedditClient, waits: list[float], fault: Act
) -> None:
    reddit.content = Posts(3)
    reddit.script(logins=[fault, fault])
    assert len(read(client)) == 3
    other = make_client(reddit.url, waits)
    reddit.script(logins=repeat(fault))
    with pytest.raises(RedditError, match=r"api/v1/access_token: |no response") as caught:
        read(other)
    assert type(caught.value) is not Unavailable
    assert "\n" not in str(caught.value)
    other.close()


EXPIRED = answer(401, {"message": "Unauthorized", "error": 401})


@pytest.mark.parametrize(
    "faults", [[answer(503), answer(503), EXPIRED], [answer(503), EXPIRED] * 3, [EXPIRED] * 7], ids=len
)
def test_a_token_that_expires_again_or_after_server_errors_is_replaced(
    reddit: ScriptedReddit, client: RedditClient, faults: list[Act]
) -> None:
    reddit.content = Posts(250)
    reddit.script(pages=[None, *faults, None, *faults])
    assert ids(read(client)) == newest(250, of=250)


@pytest.mark.parametrize("header", [None, "Basic", 'Basic realm="reddit"', 'Bearer error="invalid_token"'])
def test_tokens_that_are_refused_for_ever_end_in_an_error(
    reddit: ScriptedReddit, client: RedditClient, waits: list[float], header: str | None
) -> None:
    refusal = answer(401, {"message": "Unauthorized"}, {"www-authenticate": header} if header else {})
    reddit.script(pages=repeat(refusal))
    with pytest.raises(RedditError, match=r"^/r/python/new: HTTP 401$"):
        read(client)
    assert waits == BACK_OFF
    assert len(reddit.logins) == len(reddit.pages) == 6 * 3


def test_a_login_refused_after_one_that_went_well_is_asked_again(
    reddit: ScriptedReddit, client: RedditClient, waits: list[float]
) -> None:
    reddit.content = Posts(250)
    reddit.script(pages=[None, EXPIRED], logins=[None, REFUSED_LOGINS["401"]])
    assert ids(read(client)) == newest(250, of=250)
    assert waits == [2.0]
    reddit.script(pages=[EXPIRED], logins=repeat(REFUSED_LOGINS["401"]))
    with pytest.raises(RedditError, match="api/v1/access_token: "):
        read(client)


UNREADABLE_REFUSALS = {
    "403 without a body": answer(403),
    "403 in HTML cut off": answer(403, HTML[:40]),
    "403 in JSON cut off": answer(403, '{"reason": "priv'),
    "403 in JSON of another kind": answer(403, [1]),
    "403 in HTML that breaks off": answer(403, HTML, missing=9),
    "404 in HTML cut off": answer(404, HTML[:40]),
}


@pytest.mark.parametrize("fault", UNREADABLE_REFUSALS.values(), ids=UNREADABLE_REFUSALS)
def test_a_refusal_that_is_not_understood_is_asked_again(
    reddit: ScriptedReddit, client: RedditClient, fault: Act
) -> None:
    reddit.content = Posts(3)
    reddit.script(pages=[fault, fault])
    assert len(read(client)) == 3
    reddit.script(pages=repeat(fault))
    with pytest.raises(RedditError, match="r/python/new: ") as caught:
        read(client)
    assert type(caught.value) is not Unavailable


def test_a_client_that_is_blocked_after_it_was_served_asks_again(
    reddit: ScriptedReddit, client: RedditClient, waits: list[float]
) -> None:
    reddit.content = Posts(250)
    reddit.script(pages=[None, answer(403, HTML)])
    assert ids(read(client)) == newest(250, of=250)
    assert waits == [2.0]


def test_no_recorded_error_is_taken_for_a_wrong_setting(reddit: ScriptedReddit, real: Path) -> None:
    """Each as the answer to every page, and as the answer to every login."""
    recorded = [json.loads(path.read_text()) for path in sorted((real / "errors").glob("*.json"))]
    assert len(recorded) > 100
    blamed = []
    for error in recorded:
        faults = repeat(answer(error["status"], error["body"]))
        for scripts in ({"pages": faults}, {"logins": faults}):
            reddit.script(**scripts)
            client = make_client(reddit.url, [])
            try:
                read(client)
            except ConfigurationError as caught:
                blamed.append((*scripts, error["status"], error["body"], str(caught).split(":")[0]))
            except RedditError as caught:
                assert "\n" not in str(caught)
            client.close()
    settings = "REDDIT_CLIENT_ID, REDDIT_CLIENT_SECRET"
    assert blamed == [
        ("logins", 401, body, settings) for body in ({"message": "Unauthorized", "error": 401}, {"error": 401})
    ]


def test_a_blocked_user_agent_ends_the_run_and_names_the_setting(
    reddit: ScriptedReddit, client: RedditClient, waits: list[float]
) -> None:
    reddit.script(pages=repeat(answer(403, HTML)))
    with pytest.raises(ConfigurationError, match=r"^REDDIT_USER_AGENT: .*/r/python/new"):
        read(client)
    assert waits == []
    assert client.requests == 2


def test_a_user_agent_blocked_at_the_login_is_not_taken_for_wrong_credentials(
    reddit: ScriptedReddit, client: RedditClient
) -> None:
    reddit.script(logins=repeat(answer(403, HTML)))
    with pytest.raises(ConfigurationError, match=r"^REDDIT_USER_AGENT: .*/api/v1/access_token"):
        read(client)
    assert client.requests == 1


ODD = {
    "a redirect elsewhere": answer(302, "", {"location": "https://www.reddit.com/login/?dest=x"}),
    "a redirect to nowhere": answer(302),
    "a see other": answer(303, "", {"location": "/elsewhere"}),
    "a malformed request": answer(400, {"message": "Bad Request", "error": 400}),
    "a malformed request in HTML": answer(400, HTML),
    "a malformed request with a reason": answer(400, {"reason": "BAD", "explanation": "so", "fields": ["a"]}),
    "a malformed request with odd fields": answer(400, {"reason": "BAD", "fields": ["a", "b"]}),
    "a malformed request as a list": answer(400, [1, 2]),
    "a special error": answer(415, [1, 2]),
    "a teapot": answer(418, HTML),
}


@pytest.mark.parametrize("fault", ODD.values(), ids=ODD)
def test_an_odd_status_is_an_error_of_one_line_that_names_the_page(
    reddit: ScriptedReddit, client: RedditClient, fault: Act
) -> None:
    reddit.script(pages=repeat(fault))
    with pytest.raises(RedditError, match="r/python/new: ") as caught:
        read(client)
    assert type(caught.value) is not Unavailable
    assert "\n" not in str(caught.value)


# What lies around on the machine


@pytest.fixture
def nowhere() -> Iterator[str]:
    """A port of this machine at which nothing answers."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{bound.getsockname()[1]}"


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"])
def test_a_proxy_does_not_stand_between_us_and_our_own_machine(
    reddit: ScriptedReddit, client: RedditClient, monkeypatch: pytest.MonkeyPatch, nowhere: str, name: str
) -> None:
    for other in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv(name, f"http://{nowhere}")
    reddit.content = Posts(3)
    assert len(read(client)) == 3
    assert client.requests == 2


def test_a_netrc_does_not_replace_the_token(
    reddit: ScriptedReddit, client: RedditClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    reddit.content = Posts(3)
    assert len(read(client)) == 3
    assert client.requests == 2


PRAW_SETTINGS = {
    "client_id": "other",
    "client_secret": "other",
    "user_agent": "other:other:1 (by /u/other)",
    "username": "other",
    "password": "other",
    "refresh_token": "other",
    "redirect_uri": "http://127.0.0.1:1",
    "check_for_updates": "yes",
}


def test_variables_meant_for_praw_change_nothing(
    reddit: ScriptedReddit, monkeypatch: pytest.MonkeyPatch, waits: list[float]
) -> None:
    monkeypatch.setenv("praw_site", "other")
    for name, value in PRAW_SETTINGS.items():
        monkeypatch.setenv(f"praw_{name}", value)
    reddit.content = Posts(3)
    client = make_client(reddit.url, waits)
    assert len(read(client)) == 3
    client.close()
    assert client.requests == 2
    assert {request.agent.split(" prawcore")[0].split(" PRAW")[0] for request in reddit.asked} == {AGENT}


def test_a_stray_praw_ini_changes_nothing(reddit: ScriptedReddit, tmp_path: Path, nowhere: str) -> None:
    """In a process of its own: PRAW reads the file once a process."""
    hosts = {"oauth_url": f"http://{nowhere}", "reddit_url": f"http://{nowhere}"}
    odd = {"timeout": "soon", "ratelimit_seconds": "soon", "window_size": "wide"}
    lines = [f"{name}={value}" for name, value in (PRAW_SETTINGS | hosts | odd).items()]
    stray = "\n".join(["[DEFAULT]", *lines])
    (tmp_path / "praw.ini").write_text(stray)
    (tmp_path / ".config").mkdir()
    (tmp_path / ".config" / "praw.ini").write_text(stray)
    reddit.content = Posts(150)
    script = f"""
from reddit_etl.sources.client import RedditClient
client = RedditClient(client_id="an-id", client_secret="a-secret", user_agent={AGENT!r}, url={reddit.url!r})
print(len(list(client.listing("python", "new", limit=1000))), client.requests)
"""
    environment = {name: value for name, value in os.environ.items() if name != "XDG_CONFIG_HOME"}
    environment |= {"HOME": str(tmp_path), "PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout == "150 3\n", done.stderr
    assert {request.agent.split(" prawcore")[0].split(" PRAW")[0] for request in reddit.asked} == {AGENT}
