"""The trees below posts, read over HTTP from the sandbox and from scripted answers."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import pytest

from reddit_etl.entities import COMMENTS
from reddit_etl.entities.record import Record, to_record
from reddit_etl.errors import RedditError
from reddit_etl.sandbox.comments import thread
from reddit_etl.sandbox.content import InventedReddit, know
from reddit_etl.sandbox.posts import named
from reddit_etl.sandbox.server import RedditServer
from reddit_etl.sources.client import Observation, RedditClient
from reddit_etl.sources.tree import Due, Trees
from tests.standins.reddit import ScriptedReddit, answer, page

MOMENT = datetime.fromisoformat("2026-11-23T04:17")
CREATED = "2026-11-22T04:00:00.000000Z"


def make_client(url: str) -> RedditClient:
    return RedditClient(
        client_id="an-id",
        client_secret="a-secret",
        user_agent="linux:reddit-etl-tests:1.0 (by /u/somebody)",
        url=url,
        clock=lambda: MOMENT,
        sleep=lambda _: None,
    )


@pytest.fixture(autouse=True)
def _no_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prawcore.sessions.time.sleep", lambda _: None)


@pytest.fixture
def sandbox() -> Iterator[RedditServer]:
    know(["huge_example"])
    server = RedditServer(InventedReddit(lambda: MOMENT))
    server.start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def reddit() -> Iterator[ScriptedReddit]:
    with ScriptedReddit() as server:
        yield server


def read(server: RedditServer, *posts: Due | str, most_requests: int = 10_000) -> tuple[Trees, list[Observation]]:
    due = [post if isinstance(post, Due) else Due(post, 24, CREATED) for post in posts]
    trees = Trees((24,)).planned(due, missed=0, waiting=0, most_requests=most_requests)
    client = make_client(server.url)
    try:
        return trees, list(trees.observations(client))
    finally:
        client.close()


def shown_comments(post_id: str) -> int:
    """How many comments of the huge post the sandbox gives at that moment."""
    hour = int(MOMENT.replace(minute=0, tzinfo=UTC).timestamp())
    subreddit = named("huge_example")
    found = thread(subreddit, subreddit.newest(hour), hour)
    assert found.post["id"] == post_id
    return sum(map(found.shows, range(found.count)))


def ids(observations: list[Observation]) -> list[str]:
    return [observation.child["data"]["id"] for observation in observations]  # type: ignore[index]


def comment(name: str, parent: str = "t3_p1", replies: object = "", **more: object) -> dict[str, Any]:
    data = {"id": name, "link_id": "t3_p1", "parent_id": parent, "body": "b", "created_utc": 1795406400.0}
    return {"kind": "t1", "data": data | {"replies": replies, "score": 1} | more}


def more(*children: str, parent: str = "t3_p1") -> dict[str, Any]:
    first = children[0] if children else "_"
    data = {"id": first, "name": f"t1_{first}", "parent_id": parent, "count": len(children), "children": [*children]}
    return {"kind": "more", "data": data}


def tree(*children: object, num_comments: int = 0) -> list[dict[str, Any]]:
    post = {"kind": "t3", "data": {"id": "p1", "num_comments": num_comments}}
    return [page([post]), page(list(children))]


def things(*children: object) -> dict[str, Any]:
    return {"json": {"errors": [], "data": {"things": list(children)}}}


@pytest.mark.slow
def test_fifty_thousand_comments_are_read_once_each_in_few_requests(sandbox: RedditServer) -> None:
    client = make_client(sandbox.url)
    [newest] = client.listing("huge_example", "new", limit=1)
    post = newest.child["data"]  # type: ignore[index]
    shown = shown_comments(post["id"])
    sandbox.requests.clear()
    trees, observations = read(sandbox, post["id"])
    found = ids(observations)
    assert len(found) == len(set(found)) == trees.coverage.fetched == shown > 49_000
    assert trees.coverage.num_comments == post["num_comments"] == 50_000
    assert (trees.coverage.done, trees.left) == (1, [])
    # No request is spent on one stub alone, and 100 comments come with a request, at most.
    assert sandbox.requests["/api/morechildren"] + sandbox.requests["/comments"] <= 1.25 * shown / 100
    assert sandbox.refused == 0


@pytest.mark.slow
def test_what_the_requests_do_not_suffice_for_is_gone_on_with_from_there(sandbox: RedditServer) -> None:
    client = make_client(sandbox.url)
    listed = chain(client.listing("huge_example", "new", limit=1), client.listing("python", "new", limit=2))
    posts = [one.child["data"]["id"] for one in listed]  # type: ignore[index]
    _, observations = read(sandbox, *posts[1:])
    left, found = [Due(post, 24, CREATED) for post in posts], list[str]()
    runs = 0
    while left:
        runs += 1
        trees, part = read(sandbox, *left, most_requests=100)
        found += ids(part)
        assert trees.left != left
        left = left_by(trees)
    assert runs > 4
    assert set(found) > set(ids(observations))
    assert len(set(found)) == shown_comments(posts[0]) + len(set(ids(observations)))
    # Where a thread is gone on with, the comment above comes once more.
    assert len(found) - len(set(found)) < len(found) / 100


def left_by(trees: Trees) -> list[Due]:
    """As the next hour reads it; a receipt is JSON."""
    return [Due.read(one) for one in json.loads(json.dumps(trees.facts()))["left"]]


def test_nested_comments_stubs_and_deep_threads_are_each_read_once(reddit: ScriptedReddit) -> None:
    deep = comment("c", "t1_b", page([more(parent="t1_c")]))
    first = tree(comment("a", replies=page([comment("b", "t1_a", page([deep]))])), more("d", "e"), num_comments=7)
    below = tree(comment("c", "t1_b", page([comment("f", "t1_c"), more("g", parent="t1_f")])))
    reddit.script(
        pages=[answer(200, first), answer(200, below)],
        logins=[None, answer(200, things(comment("d"), comment("e"))), answer(200, things(comment("g", "t1_f")))],
    )
    trees, observations = read(reddit, "p1")
    assert sorted(ids(observations)) == ["a", "b", "c", "d", "e", "f", "g"]
    assert trees.coverage == type(trees.coverage)(due=1, done=1, fetched=7, num_comments=7)
    assert [(asked.method, asked.path) for asked in reddit.asked[1:]] == [
        ("GET", "/comments/p1"),
        ("POST", "/api/morechildren"),
        ("GET", "/comments/p1"),
        ("POST", "/api/morechildren"),
    ]
    assert reddit.pages[1].query["comment"] == "c"
    assert all(observation.observed_at == MOMENT for observation in observations)


def test_a_stub_named_again_by_a_full_answer_is_asked_for_again_and_an_empty_one_is_counted(
    reddit: ScriptedReddit,
) -> None:
    reddit.script(
        pages=[answer(200, tree(more("a", "b", "x")))],
        logins=[
            None,
            answer(200, things(comment("a"), more("b", "x"))),
            answer(200, things(comment("b"), more("x"))),
            # Nothing new comes with it, so it is not asked for once more.
            answer(200, things(more("x"))),
        ],
    )
    trees, observations = read(reddit, "p1")
    assert ids(observations) == ["a", "b"]
    assert (trees.coverage.fetched, trees.coverage.stubs_left, trees.coverage.done) == (2, 1, 1)
    assert len(reddit.logins) == 4


def test_ids_of_many_stubs_share_a_request_and_never_more_than_a_hundred_do(reddit: ScriptedReddit) -> None:
    names = [f"c{number}" for number in range(250)]
    stubs = [more(name, parent=f"t1_x{name}") for name in names]
    given = [comment(name) for name in names]
    forms = [answer(200, things(*given[begin : begin + 100])) for begin in (0, 100, 200)]
    reddit.script(pages=[answer(200, tree(*stubs))], logins=[None, *forms])
    _, observations = read(reddit, "p1")
    assert ids(observations) == names
    assert len(reddit.logins) == 1 + 3


def test_a_post_that_is_no_longer_given_is_counted_and_the_others_are_read(reddit: ScriptedReddit) -> None:
    gone = answer(404, {"message": "Not Found", "error": 404})
    private = answer(403, {"reason": "private", "message": "Forbidden"})
    reddit.script(pages=[gone, answer(200, tree(comment("a"), num_comments=1)), private])
    trees, observations = read(reddit, "p1", "p2", "p3")
    assert ids(observations) == ["a"]
    assert (trees.coverage.done, trees.coverage.unavailable, trees.left) == (1, 2, [])


def test_a_thread_that_is_no_longer_given_leaves_the_others_of_its_post(reddit: ScriptedReddit) -> None:
    gone = answer(404, {"message": "Not Found", "error": 404})
    deep = answer(200, tree(comment("a"), comment("b"), more(parent="t1_a"), more(parent="t1_b")))
    reddit.script(pages=[deep, gone, answer(200, tree(comment("b", replies=page([comment("c", "t1_b")]))))])
    trees, observations = read(reddit, "p1")
    assert ids(observations) == ["a", "b", "c"]
    assert (trees.coverage.done, trees.coverage.unavailable, trees.coverage.stubs_left) == (1, 0, 1)


def test_a_tree_that_fails_is_left_for_later_and_three_in_a_row_fail_the_extract(reddit: ScriptedReddit) -> None:
    broken = [answer(200, {"kind": "Listing"})] * 6
    reddit.script(pages=[*broken, answer(200, tree(comment("a"))), *broken])
    trees, observations = read(reddit, "p1", "p2", "p3")
    assert ids(observations) == ["a"]
    assert [due.post_id for due in trees.left] == ["p1", "p3"]
    reddit.script(pages=broken * 3)
    with pytest.raises(RedditError, match="not a post with its comments"):
        read(reddit, "p1", "p2", "p3")


def test_posts_that_always_fail_do_not_keep_the_others_from_being_read(reddit: ScriptedReddit) -> None:
    broken = [answer(200, {"kind": "Listing"})] * 6
    reddit.script(pages=[*broken * 2, answer(200, tree(comment("a"))), *broken * 3])
    trees, observations = read(reddit, "p1", "p2", "p3", "p4", "p5", "p6", "p7")
    assert ids(observations) == ["a"]
    # The last was not requested.
    assert [(one.post_id, one.failed) for one in left_by(trees)] == [
        *[(post_id, True) for post_id in ("p1", "p2", "p4", "p5", "p6")],
        ("p7", False),
    ]
    # Nothing else is due: it is known that they fail.
    reddit.script(pages=broken * 3)
    again, _ = read(reddit, *left_by(trees)[:4])
    assert left_by(again) == left_by(trees)[:4]


def test_a_refusal_of_two_at_once_is_waited_out(reddit: ScriptedReddit) -> None:
    busy = answer(429, {"message": "Too Many Requests", "error": 429})
    reddit.script(pages=[answer(200, tree(more("a")))], logins=[None, busy, answer(200, things(comment("a")))])
    _, observations = read(reddit, "p1")
    assert ids(observations) == ["a"]


@pytest.mark.parametrize("child", [None, {"kind": "t3", "data": {"id": "p1"}}, {"kind": "t1", "data": None}, "text"])
def test_what_is_no_comment_is_observed_to_be_rejected(reddit: ScriptedReddit, child: object) -> None:
    reddit.script(pages=[answer(200, tree(child, comment("a")))])
    _, observations = read(reddit, "p1")
    outcomes = [to_record(COMMENTS, observation.child, {}) for observation in observations]
    assert [isinstance(outcome, Record) for outcome in outcomes] == [False, True]


def recorded_trees(real: Path) -> list[Path]:
    def is_tree(path: Path) -> bool:
        body = json.loads(path.read_text())
        children = body[1]["data"]["children"] if isinstance(body, list) and len(body) == 2 else []
        return bool(children) and {child["kind"] for child in children} <= {"t1", "more"}

    return [path for path in sorted(real.glob("listings/*.json")) if ".meta" not in path.suffixes and is_tree(path)]


def named_ids(things: list[Any]) -> tuple[set[str], set[str]]:
    """The ids of the comments in a recorded answer and of its stubs, by a walk of its own."""
    comments, stubs = set[str](), set[str]()
    for one in things:
        if one["kind"] == "t1":
            comments.add(one["data"]["id"])
            replies = one["data"]["replies"]
            inner = named_ids(replies["data"]["children"]) if replies else (set(), set())
            comments |= inner[0]
            stubs |= inner[1]
        elif one["kind"] == "more":
            stubs.update(one["data"]["children"])
    return comments, stubs


def test_recorded_trees_give_exactly_their_ids_and_count_each_stub(real: Path, reddit: ScriptedReddit) -> None:
    paths = recorded_trees(real)
    assert len(paths) > 5
    for path in paths:
        body = json.loads(path.read_text())
        comments, stubs = named_ids(body[1]["data"]["children"])
        # What the stubs and deep threads lead to was not recorded.
        empty = repeat(answer(200, things()))
        reddit.script(pages=chain([answer(200, body)], repeat(answer(200, tree()))), logins=chain([None], empty))
        trees, observations = read(reddit, body[0]["data"]["children"][0]["data"]["id"])
        found = ids(observations)
        assert (len(found), set(found)) == (len(comments), comments), path.name
        assert trees.coverage.stubs_left == len(stubs - comments), path.name
