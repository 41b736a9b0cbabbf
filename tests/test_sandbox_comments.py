"""The sandbox's comments: listings, trees, stubs, and that PRAW itself can walk them."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from threading import Event
from typing import Any

import praw
import pytest
import requests

from reddit_etl import sandbox
from reddit_etl.sandbox.answers import Listing, Thing, Tree
from reddit_etl.sandbox.comments import thread
from reddit_etl.sandbox.content import CAP, InventedReddit, know
from reddit_etl.sandbox.posts import HUGE, Subreddit, named
from reddit_etl.sandbox.server import RedditServer

HOUR = datetime.fromisoformat("2026-11-23T04:00")
SECOND = int(HOUR.replace(tzinfo=UTC).timestamp())
PROJECT = Path(__file__).parents[1]
DEFAULTS = ("python", "dataengineering", "aws")
# What an endpoint adds to a comment, or leaves out.
OF_TREES = {"depth", "replies"}
OF_LISTINGS = {"link_author", "link_permalink", "link_title", "link_url", "num_comments", "over_18", "quarantine"}


class Api:
    """A client that has logged in."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.session = requests.Session()
        self.session.trust_env = False
        login = {"auth": ("an-id", "a-secret"), "data": {"grant_type": "client_credentials"}}
        token = self.session.post(f"{url}/api/v1/access_token", timeout=10, **login).json()["access_token"]
        self.session.headers["authorization"] = f"bearer {token}"

    def get(self, path: str, *, status: int = 200, **params: object) -> Any:
        answer = self.session.get(self.url + path, params=params, timeout=30, allow_redirects=False)
        assert answer.status_code == status, answer.text
        return answer.json()

    def more(self, link: str, children: list[str], **fields: object) -> list[Thing]:
        form = {"link_id": link, "children": ",".join(children), "api_type": "json"} | fields
        answer = self.session.post(f"{self.url}/api/morechildren", data=form, timeout=30).json()
        assert answer["json"]["errors"] == []
        return answer["json"]["data"]["things"]

    def tree(self, path: str, **params: object) -> list[Thing]:
        """All things of a tree's answer, flat."""
        _, comments = self.get(path, **params)
        return list(flat(comments["data"]["children"]))


class Walk:
    """A whole tree, read with as few requests as a client can: stubs pooled to 100 ids, threads continued."""

    def __init__(self, api: Api, post_id: str) -> None:
        self.seen: Counter[str] = Counter()
        self.continued: list[str] = []
        self.stubs = 0
        waiting: list[str] = []
        asked: set[str] = set()
        self.take(api.tree(f"/comments/{post_id}", limit=500), waiting)
        while waiting or self.continued:
            if waiting:
                batch, waiting = waiting[:100], waiting[100:]
                self.take(api.more(f"t3_{post_id}", batch), waiting)
            else:
                parent = self.continued.pop()
                assert parent not in asked
                asked.add(parent)
                self.seen[parent] -= 1  # It is shown again, above its replies.
                self.take(api.tree(f"/comments/{post_id}", comment=parent, limit=500), waiting)

    def take(self, things: list[Thing], waiting: list[str]) -> None:
        for entry in things:
            data = entry["data"]
            if entry["kind"] == "t1":
                self.seen[data["id"]] += 1
                continue
            self.stubs += 1
            waiting += data["children"]
            if not data["children"]:
                assert (data["id"], data["name"], data["count"]) == ("_", "t1__", 0)
                self.continued.append(data["parent_id"].removeprefix("t1_"))


def flat(things: list[Thing]) -> Iterator[Thing]:
    for entry in things:
        yield entry
        if entry["kind"] == "t1" and entry["data"]["replies"]:
            yield from flat(entry["data"]["replies"]["data"]["children"])


def payloads(things: list[Thing]) -> list[dict[str, Any]]:
    return [entry["data"] for entry in things if entry["kind"] == "t1"]


def plain(payload: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in payload.items() if name not in OF_TREES | OF_LISTINGS}


def listed(subreddit: str, *, hour: datetime = HOUR) -> list[dict[str, Any]]:
    found = InventedReddit(lambda: hour).listing(subreddit, "comments")
    assert isinstance(found, Listing)
    shown = [found.post(index) for index in range(len(found.ids))]
    assert [comment["id"] for comment in shown] == found.ids
    return shown


def every_comment(subreddit: Subreddit, number: int, second: int = SECOND) -> dict[str, dict[str, Any]]:
    """All that a post's tree must hold, by id, without its shape."""
    found = thread(subreddit, number, second)
    shown = [found.payload(comment) for comment in range(found.count) if found.shows(comment)]
    return {comment["id"]: comment for comment in shown}


def largest(subreddit: str) -> tuple[Subreddit, int]:
    """The post with the most comments of those in `new`."""
    found = named(subreddit)
    newest = found.newest(SECOND)
    return found, max(range(newest - 999, newest + 1), key=lambda number: found.arrivals(number).count(SECOND))


@pytest.fixture
def server() -> Iterator[RedditServer]:
    know([*DEFAULTS, HUGE])
    with RedditServer(InventedReddit(lambda: HOUR)) as made:
        made.start()
        yield made
        made.shutdown()


@pytest.fixture
def api(server: RedditServer) -> Iterator[Api]:
    made = Api(server.url)
    with made.session:
        yield made


# What it holds


def test_a_comment_is_the_same_in_every_answer_of_an_hour(api: Api) -> None:
    shown = listed("python")
    of_one_post = [comment for comment in shown if comment["link_id"] == shown[0]["link_id"]]
    post_id, ids = shown[0]["link_id"].removeprefix("t3_"), [comment["id"] for comment in of_one_post]
    tree = {comment["id"]: comment for comment in payloads(api.tree(f"/comments/{post_id}", limit=500))}
    more = {comment["id"]: comment for comment in payloads(api.more(f"t3_{post_id}", ids[:100]))}
    info = {entry["data"]["id"]: entry["data"] for entry in api.get("/api/info", id=f"t1_{ids[0]}")["data"]["children"]}
    assert len(of_one_post) > 1
    for comment in of_one_post:
        others = [answer[comment["id"]] for answer in (tree, more, info) if comment["id"] in answer]
        assert len(others) >= 2
        assert all(plain(other) == plain(comment) for other in others)
    assert tree[ids[0]].keys() - info[ids[0]].keys() == {"depth"} == more[ids[0]].keys() - info[ids[0]].keys()
    assert of_one_post[0].keys() - info[ids[0]].keys() == OF_LISTINGS


def test_an_hour_holds_the_same_comments_in_another_process_that_has_listed_nothing() -> None:
    subreddit, number = largest("aws")
    script = f"""
import json
from datetime import datetime
from reddit_etl.sandbox.content import InventedReddit, know
know(["aws"])
reddit = InventedReddit(lambda: datetime(2026, 11, 23, 4, 59))
tree = reddit.tree("{subreddit.post_id(number)}", limit=500, subreddit=None, comment=None)
print(json.dumps([tree.post, tree.comments]))
"""
    there = subprocess.run(
        [sys.executable, "-c", script], cwd=PROJECT, env={"PYTHONHASHSEED": "7"}, capture_output=True, check=True
    )
    know(["aws"])
    here = InventedReddit(lambda: HOUR).tree(subreddit.post_id(number), limit=500, subreddit=None, comment=None)
    assert isinstance(here, Tree)
    assert json.loads(there.stdout) == [here.post, here.comments]
    assert len(payloads(list(flat(here.comments)))) > 100


def test_the_listing_holds_the_newest_comments_of_all_posts() -> None:
    subreddit = named("dataengineering")
    newest = subreddit.newest(SECOND)
    every: dict[str, dict[str, Any]] = {}
    for number in range(newest - 1500, newest + 1):
        every |= every_comment(subreddit, number)
    moments = sorted((comment["created_utc"] for comment in every.values()), reverse=True)
    shown = listed("dataengineering")
    assert [comment["created_utc"] for comment in shown] == moments[:CAP]
    assert len({comment["id"] for comment in shown} & every.keys()) == CAP == 1000


def test_before_its_first_comments_a_subreddit_has_none() -> None:
    assert listed("python", hour=datetime.fromisoformat("2019-12-31")) == []
    assert 0 < len(listed("python", hour=datetime.fromisoformat("2020-01-01T12:00"))) < CAP


@pytest.mark.parametrize("subreddit", DEFAULTS)
def test_a_post_counts_the_comments_of_its_tree_and_a_few_that_have_vanished(subreddit: str) -> None:
    found = named(subreddit)
    newest = found.newest(SECOND)
    missing = []
    for number in range(newest - 999, newest + 1):
        shown = every_comment(found, number)
        missing.append(found.post(number, SECOND)["num_comments"] - len(shown))
        assert all(
            comment["parent_id"].removeprefix("t1_") in shown or comment["parent_id"] == comment["link_id"]
            for comment in shown.values()
        )
    assert min(missing) == 0
    assert 1 <= sum(count > 0 for count in missing) < 50


def test_a_listing_holds_every_fate_of_a_comment() -> None:
    shown = list(chain.from_iterable(listed(subreddit) for subreddit in DEFAULTS))
    fates = Counter(
        (comment["author"] == "[deleted]", comment["body"] if comment["body"] in ("[deleted]", "[removed]") else "text")
        for comment in shown
    )
    assert all(fates[fate] for fate in [(True, "[deleted]"), (True, "[removed]"), (False, "[removed]"), (True, "text")])
    assert not fates[False, "[deleted]"]
    assert fates[False, "text"] > 0.9 * len(shown)
    assert not any("author_fullname" in comment for comment in shown if comment["author"] == "[deleted]")
    edited = [comment for comment in shown if comment["edited"]]
    assert all(comment["created_utc"] < comment["edited"] < SECOND for comment in edited)
    assert len(edited) > 30
    for flag in ("is_submitter", "stickied", "locked", "collapsed", "controversiality", "distinguished"):
        assert {bool(comment[flag]) for comment in shown} == {True, False}, flag
    assert {comment["collapsed_reason"] for comment in shown} == {None, "comment score below threshold"}
    for comment in shown:
        assert comment["created_utc"] < SECOND
        assert comment["score_hidden"] == (comment["created_utc"] > SECOND - 3600)
        assert comment["score"] == 1 or not comment["score_hidden"]


def test_comments_hold_text_of_every_sort_within_reddits_limit() -> None:
    found = thread(named(HUGE), named(HUGE).newest(SECOND), SECOND)
    bodies = [found.payload(comment)["body"] for comment in range(8000)]
    text = "\n".join(body for body in bodies if len(body) < 1000)
    assert all(sort in text for sort in ("🎉", "👩🏽‍💻", "עם", "مرحبا", '"never', "\\", "\t", "<b>", "日本語", "\r\n"))
    assert max(map(len, bodies)) == 10_000
    assert max(len(body.encode()) for body in bodies) == 40_000
    long = sum(len(body) > 9000 for body in bodies)
    assert 200 < len(bodies) / long < 800


def test_comments_are_counted_as_they_arrive() -> None:
    for subreddit, number in (largest("aws"), (named("aws"), largest("aws")[1] + 1)):
        arrivals = subreddit.arrivals(number)
        moments = [arrivals.created(comment) for comment in range(arrivals.total)]
        assert moments == sorted(moments)
        for moment in range(arrivals.begin - 7200, arrivals.end + 7200, 7200):
            assert arrivals.count(moment) == sum(created < moment for created in moments)


def test_from_hour_to_hour_comments_arrive_and_scores_move() -> None:
    before, after = ({c["id"]: c for c in listed("python", hour=HOUR + timedelta(hours=n))} for n in (0, 1))
    arrived = [comment for comment_id, comment in after.items() if comment_id not in before]
    assert arrived
    assert all(SECOND <= comment["created_utc"] < SECOND + 3600 for comment in arrived)
    kept = before.keys() & after.keys()
    assert sum(before[each]["score"] != after[each]["score"] for each in kept) > len(kept) / 4
    for each in kept:
        for name in ("created_utc", "parent_id", "link_id", "permalink", "link_title", "stickied"):
            assert before[each][name] == after[each][name]


@pytest.mark.parametrize("hours", [-4, -3, 0, 19])
def test_at_any_hour_the_newest_post_of_the_huge_example_has_50_000_comments(hours: int) -> None:
    second = SECOND + 3600 * hours
    subreddit = named("Huge_Example")
    assert subreddit.post(subreddit.newest(second), second)["num_comments"] == 50_000
    assert 3600 <= second - subreddit.created(subreddit.newest(second)) <= 24 * 3600


def test_ids_fit_reddits_form_and_belong_to_one_comment() -> None:
    subreddits = [named(name) for name in (*DEFAULTS, "a1", HUGE)]
    numbers = [(s, post, comment) for s in subreddits for post in (0, 1, 2, 99) for comment in range(s.most_comments)]
    ids = {subreddit.comment_id(post, comment) for subreddit, post, comment in numbers}
    assert len(ids) == len(numbers)
    far = int(datetime(2099, 12, 31, tzinfo=UTC).timestamp())
    quick = min((named(f"r{n}") for n in range(2000)), key=lambda subreddit: subreddit.interval)
    for subreddit in (*subreddits, quick):
        assert len(subreddit.comment_id(subreddit.newest(far), subreddit.most_comments - 1)) <= 13
        assert subreddit.arrivals(subreddit.newest(far)).total <= subreddit.most_comments


# Over HTTP


def test_pages_of_comments_follow_each_other_to_the_cap(api: Api, server: RedditServer) -> None:
    found: list[str] = []
    after: str | None = ""
    for _ in range(10):
        data = api.get("/r/python/comments", limit=100, after=after)["data"]
        assert {child["kind"] for child in data["children"]} == {"t1"}
        found += [child["data"]["id"] for child in data["children"]]
        after = data["after"]
        assert after in (None, f"t1_{found[-1]}")
    assert after is None
    assert found == [comment["id"] for comment in listed("python")]
    assert server.requests == {"/r/python/comments": 10}


@pytest.mark.parametrize(("name", "status"), [("private", 403), ("banned", 404), ("unknown", 302)])
def test_refused_subreddits_give_no_comments(api: Api, name: str, status: int) -> None:
    expected = api.get(f"/r/{name}_example/new", status=status)
    assert api.get(f"/r/{name}_example/comments", status=status) == expected
    assert api.get(f"/r/{name}_example/comments/abc", status=status) == expected


@pytest.mark.parametrize(("limit", "given"), [(None, 200), (1, 1), (300, 300), (500, 500), (2048, 500)])
def test_a_tree_holds_what_was_asked_for_and_never_more_than_500(api: Api, limit: int | None, given: int) -> None:
    post_id = named(HUGE).post_id(named(HUGE).newest(SECOND))
    params = {} if limit is None else {"limit": limit}
    (post,), things = (page["data"]["children"] for page in api.get(f"/comments/{post_id}", **params))
    assert (post["kind"], post["data"]["id"], post["data"]["num_comments"]) == ("t3", post_id, 50_000)
    shown = list(flat(things))
    assert len(payloads(shown)) == given
    depths = {post["data"]["name"]: -1}
    for entry in shown:  # Parents come before their replies.
        data = entry["data"]
        assert depths[data["parent_id"]] == data["depth"] - 1
        if entry["kind"] == "t1":
            depths[data["name"]] = data["depth"]
            assert data["depth"] < 10
        else:
            assert (data["name"], data["id"]) == (f"t1_{data['id']}", data["children"][0])
            assert data["count"] >= len(data["children"])
    left = sum(entry["data"]["count"] for entry in shown if entry["kind"] == "more")
    assert 50_000 - 50 < given + left <= 50_000  # But for the few that have vanished.


def test_a_tree_has_many_addresses_and_a_comment_is_the_root_of_its_own(api: Api) -> None:
    subreddit, number = largest("python")
    post_id = subreddit.post_id(number)
    whole = api.get(f"/comments/{post_id}")
    for path in (f"/comments/{post_id}/.json", f"/r/python/comments/{post_id}/a_slug/", f"/comments/{post_id}.json"):
        assert api.get(path) == whole
    root = next(c for c in payloads(list(flat(whole[1]["data"]["children"]))) if c["depth"] == 1 and c["replies"])
    below = api.get(f"/comments/{post_id}/_/{root['id']}")
    assert api.get(f"/comments/{post_id}", comment=root["id"], context=0) == below
    [top] = below[1]["data"]["children"]
    assert top["data"] | {"replies": None} == root | {"depth": 0, "replies": None}
    # Asked for together, a comment and its reply are each given once.
    pair = [root["id"], root["replies"]["data"]["children"][0]["data"]["id"]]
    given = Counter(comment["id"] for comment in payloads(api.more(f"t3_{post_id}", pair)))
    assert (given.keys() >= set(pair), max(given.values())) == (True, 1)
    shown = payloads(list(flat([top])))
    assert {comment["parent_id"].removeprefix("t1_") for comment in shown[1:]} <= {comment["id"] for comment in shown}


@pytest.mark.slow
def test_a_post_of_50_000_comments_is_read_whole_in_as_few_requests_as_there_can_be(
    api: Api, server: RedditServer
) -> None:
    number = named(HUGE).newest(SECOND)
    walk = Walk(api, named(HUGE).post_id(number))
    found = thread(named(HUGE), number, SECOND)
    expected = [found.comment_id(comment) for comment in range(50_000) if found.shows(comment)]
    assert walk.seen == Counter(expected)
    assert 49_000 < len(expected) < 50_000
    assert 50 < server.requests["/comments"] < 200
    # 100 comments each, but for those that continue a thread and for the ids that have vanished.
    assert server.requests["/api/morechildren"] <= (50_000 - 500) / 100 + 5
    assert walk.stubs > 5000
    assert server.refused == 0


def test_an_answer_holds_100_comments_with_those_below_them_and_stubs_for_the_rest(api: Api) -> None:
    subreddit, number = named(HUGE), named(HUGE).newest(SECOND)
    post_id = subreddit.post_id(number)
    rest = max((e["data"] for e in api.tree(f"/comments/{post_id}") if e["kind"] == "more"), key=lambda m: m["count"])
    for asked in (rest["children"][:100], rest["children"][:150]):
        things = api.more(f"t3_{post_id}", asked)
        given = [entry["data"]["id"] for entry in things if entry["kind"] == "t1"]
        stubs = [entry["data"] for entry in things if entry["kind"] == "more"]
        assert len(given) == len(set(given)) == 100
        assert set(given) - set(asked)
        assert all(comment["replies"] == "" for comment in payloads(things))
        last = things[-1]["data"]
        assert (last["parent_id"], last["depth"]) == (f"t3_{post_id}", 0)
        assert [each for each in asked if each not in given] == last["children"]
        assert any(stub["depth"] > 0 for stub in stubs)
    alone = api.more(f"t3_{post_id}", rest["children"][:100], limit_children="true")
    assert {comment["id"] for comment in payloads(alone)} <= set(rest["children"][:100])
    assert {entry["data"]["depth"] for entry in alone if entry["kind"] == "more"} == {1}


def test_a_stub_answers_nothing_if_its_comments_have_vanished(api: Api) -> None:
    found = thread(named(HUGE), named(HUGE).newest(SECOND), SECOND)
    vanished = [found.comment_id(comment) for comment in range(found.count) if not found.shows(comment)]
    assert 100 < len(vanished) < 500
    assert api.more(found.post["name"], vanished[:100]) == []
    shown = [comment_id for stub in stubs(api, found.post["id"]) for comment_id in stub["children"]]
    assert set(vanished) & set(shown)


def stubs(api: Api, post_id: str) -> list[dict[str, Any]]:
    return [entry["data"] for entry in api.tree(f"/comments/{post_id}", limit=500) if entry["kind"] == "more"]


class Holding(InventedReddit):
    """Holds the answer to the first request for more comments back until it is released."""

    def __init__(self) -> None:
        super().__init__(lambda: HOUR)
        know([HUGE])
        self.asked, self.released = Event(), Event()

    def more(self, link: str, children: list[str], *, only_these: bool) -> Any:
        if not self.asked.is_set():
            self.asked.set()
            assert self.released.wait(timeout=30)
        return super().more(link, children, only_these=only_these)


def test_two_requests_for_more_at_once_are_refused(server: RedditServer, api: Api) -> None:
    server.content = content = Holding()
    link, child = f"t3_{named(HUGE).post_id(named(HUGE).newest(SECOND))}", [named(HUGE).comment_id(2000, 1)]
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(Api(server.url).more, link, child)
        assert content.asked.wait(timeout=30)
        answer = api.get("/api/morechildren", status=429, link_id=link, children=child[0], api_type="json")
        assert answer == {"message": "Too Many Requests", "error": 429}
        content.released.set()
        first.result(timeout=30)
    assert (server.requests["/api/morechildren"], server.refused) == (2, 1)
    api.more(link, child)
    assert server.refused == 1


def test_info_mixes_kinds_and_keeps_their_order(api: Api) -> None:
    found = thread(named(HUGE), named(HUGE).newest(SECOND), SECOND)
    vanished = next(comment for comment in range(found.count) if not found.shows(comment))
    newest = listed("aws")[0]
    later = named("aws").comment_id(named("aws").newest(SECOND) + 1, 0)
    never = Subreddit("never_named_by_any_test").comment_id(1, 0)
    asked = [
        newest["name"],
        f"t1_{found.comment_id(vanished)}",
        newest["link_id"],
        "t1_zz",
        f"t1_{later}",
        f"t1_{never}",
    ]
    given = api.get("/api/info", id=",".join([*asked, f"t1_{found.comment_id(3)}", "t1_zzzzzzzzzzzzz", "t5_1"]))
    assert [(child["kind"], child["data"]["name"]) for child in given["data"]["children"]] == [
        ("t1", newest["name"]),
        ("t3", newest["link_id"]),
        ("t1", f"t1_{found.comment_id(3)}"),
    ]


def test_what_is_not_there_is_not_found(api: Api) -> None:
    python = named("python")
    newest = python.newest(SECOND)
    absent = [python.post_id(newest + 1), Subreddit("never_named_by_any_test").post_id(newest), "0", "zzzzzzzzzzzzz"]
    for post_id in absent:
        assert api.get(f"/comments/{post_id}", status=404) == {"message": "Not Found", "error": 404}
        api.get("/api/morechildren", status=403, link_id=f"t3_{post_id}", children="a", api_type="json")
    (subreddit, number), other = largest("python"), listed("aws")[0]["id"]
    post_id = subreddit.post_id(number)
    late = subreddit.comment_id(number, subreddit.arrivals(number).total)
    for comment_id in (other, late, "0"):
        assert api.get(f"/comments/{post_id}", comment=comment_id)[1]["data"]["children"] == []
    assert api.more(f"t3_{post_id}", [other, late, "", "?"]) == []
    # Reddit answers for its own pages where a client does not ask for JSON.
    assert "json" not in api.get("/api/morechildren", link_id=f"t3_{post_id}", children=other)


def test_a_tree_is_found_once_its_subreddit_was_named() -> None:
    first, second = Subreddit("named_by_hand"), Subreddit("named_in_a_path")
    api = Api(sandbox.start(clock=lambda: HOUR))
    with api.session:
        api.get(f"/comments/{first.post_id(7)}", status=404)
        sandbox.know(["Named_By_Hand"])
        api.get(f"/comments/{first.post_id(7)}")
        api.get(f"/comments/{second.post_id(7)}", status=404)
        api.get(f"/r/{second.name}/comments/{second.post_id(7)}")
        api.get(f"/comments/{second.post_id(7)}")


# With PRAW


@pytest.fixture
def reddit(server: RedditServer) -> Iterator[praw.Reddit]:
    """PRAW as anybody would use it."""
    with requests.Session() as session:
        session.trust_env = False
        yield praw.Reddit(
            client_id="an-id",
            client_secret="a-secret",
            user_agent="linux:reddit-etl-tests:1.0 (by /u/somebody)",
            oauth_url=server.url,
            reddit_url=server.url,
            check_for_updates=False,
            requestor_kwargs={"session": session},
        )


def test_praw_replaces_every_stub_of_a_tree(reddit: praw.Reddit, server: RedditServer) -> None:
    subreddit, number = largest("python")
    expected = every_comment(subreddit, number)
    submission = reddit.submission(subreddit.post_id(number))
    assert submission.comments.replace_more(limit=None) == []
    found = submission.comments.list()
    assert sorted(comment.id for comment in found) == sorted(expected)
    assert len(found) > 1500
    assert server.requests["/api/morechildren"] > 15
    assert server.requests["/comments"] > 1  # Threads were continued.
    for comment in found:
        wanted = expected[comment.id]
        assert comment.author == (None if wanted["author"] == "[deleted]" else wanted["author"])
        assert (comment.body, comment.score, comment.parent_id) == (
            wanted["body"],
            wanted["score"],
            wanted["parent_id"],
        )


def test_praw_lists_comments_as_its_own_objects(reddit: praw.Reddit) -> None:
    found = list(reddit.subreddit("python").comments(limit=150))
    expected = listed("python")[:150]
    assert [(comment.id, comment.link_title) for comment in found] == [(c["id"], c["link_title"]) for c in expected]
