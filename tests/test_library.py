"""The package as other programs use it: installed from its wheel, by its page, on Reddit's good and bad answers."""

import configparser
import json
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

import reddit_etl
from jobs.reference import reference
from reddit_etl import ConfigurationError, RedditClient, Unavailable, sandbox
from reddit_etl.clock import utc_now
from tests import PROJECT
from tests.standins.reddit import Posts, ScriptedReddit, answer, child, page

PAGE = (PROJECT / "docs" / "library.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.+?)^```", PAGE, re.MULTILINE | re.DOTALL)
LOGIN = {"client_id": "an-id", "client_secret": "a-secret", "user_agent": "linux:library-test:1.0 (by /u/somebody)"}


@pytest.fixture
def server() -> Iterator[ScriptedReddit]:
    with ScriptedReddit(Posts(250)) as started:
        yield started


@pytest.fixture
def reddit(server: ScriptedReddit) -> Iterator[RedditClient]:
    with RedditClient(**LOGIN, url=server.url) as client:
        yield client


def test_posts_are_typed_records_in_the_order_of_the_listing(reddit: RedditClient) -> None:
    before = utc_now().replace(tzinfo=UTC)
    posts = list(reddit.posts("Python", limit=150))
    assert [post["post_id"] for post in posts] == [f"p{n}" for n in range(250, 100, -1)]
    first = posts[0]
    assert (first["score"], first["upvote_ratio"], first["is_self"]) == (250, 0.75, True)
    assert first["created_at"] == datetime(2026, 11, 23, 4, tzinfo=UTC) + timedelta(minutes=250)
    assert before <= first["observed_at"] <= utc_now().replace(tzinfo=UTC)
    assert first["edited_at"] is None
    assert not {"listing", "place", "source"} & first.keys()


def test_a_page_is_requested_when_it_is_needed(server: ScriptedReddit, reddit: RedditClient) -> None:
    posts = reddit.posts("python")
    assert reddit.requests == 0
    assert len(list(islice(posts, 100))) == 100
    assert (reddit.requests, len(server.pages)) == (2, 1)  # With the login.
    next(posts)
    assert len(server.pages) == 2


def test_a_post_that_is_on_two_pages_is_given_once(server: ScriptedReddit, reddit: RedditClient) -> None:
    first, second = page([child(3), child(2)], after="t3_p2"), page([child(2), child(1)])
    server.script(pages=[answer(200, first), answer(200, second)])
    assert [post["post_id"] for post in reddit.posts("python")] == ["p3", "p2", "p1"]


def test_what_is_not_a_post_is_left_out_with_a_warning(
    server: ScriptedReddit, reddit: RedditClient, caplog: pytest.LogCaptureFixture
) -> None:
    children = [child(2), {"kind": "t5", "data": {}}, child(1, created_utc="yesterday"), child(0)]
    server.script(pages=[answer(200, page(children))])
    assert [post["post_id"] for post in reddit.posts("python")] == ["p2", "p0"]
    assert [record.getMessage() for record in caplog.records] == [
        "a payload is left out: not a t3",
        "a payload is left out: created_utc is not a number",
    ]


def test_comments_come_from_a_subreddit_and_from_a_post() -> None:
    with RedditClient(**sandbox.login()) as reddit:
        newest = list(reddit.comments("python", limit=120))
        assert len(newest) == 120
        assert newest == sorted(newest, key=lambda comment: comment["created_at"], reverse=True)
        top = max(reddit.posts("python", listing="top"), key=lambda post: post["num_comments"])
        for name in (top["post_id"], f"t3_{top['post_id']}"):
            comments = list(reddit.comments_on(name))
            assert len(comments) == len({comment["comment_id"] for comment in comments}) > 0
            assert {comment["post_id"] for comment in comments} == {top["post_id"]}


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (
            lambda reddit: reddit.posts("r/python"),
            "subreddit is 'r/python': use 2 to 21 letters, digits, _, without r/",
        ),
        (
            lambda reddit: reddit.posts("python", limit=1001),
            "limit is 1001: use 1 to 1000, Reddit's maximum per listing",
        ),
        (lambda reddit: reddit.comments("python", limit=0), "limit is 0: use 1 to 1000, Reddit's maximum per listing"),
        (
            lambda reddit: reddit.posts("python", listing="comments"),
            "listing is 'comments': use new, hot, top, rising, controversial",
        ),
        (
            lambda reddit: reddit.comments_on("a/b"),
            "post_id is 'a/b': use the id in the URL of the post, such as 1abcde",
        ),
        (
            lambda _: RedditClient(**LOGIN | {"user_agent": "me"}),
            "user_agent must look like: linux:my-app:1.0 (by /u/my-reddit-name)",
        ),
    ],
)
def test_a_wrong_argument_is_refused_at_once(
    server: ScriptedReddit, reddit: RedditClient, call: Any, said: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        call(reddit)
    assert str(caught.value) == said
    assert server.asked == []


def test_a_subreddit_that_cannot_be_read_is_unavailable(server: ScriptedReddit, reddit: RedditClient) -> None:
    server.script(pages=[answer(403, {"reason": "private", "message": "Forbidden", "error": 403})])
    with pytest.raises(Unavailable) as caught:
        next(reddit.posts("python"))
    assert caught.value.verdict == "private"


# ---- The package


def test_importing_the_package_loads_no_library() -> None:
    code = "import reddit_etl, sys, json; print(json.dumps([*sys.modules]))"
    loaded = json.loads(subprocess.check_output([sys.executable, "-S", "-c", code], cwd=PROJECT, text=True))
    assert {name.partition(".")[0] for name in loaded} - {"reddit_etl", "__main__"} <= sys.stdlib_module_names
    assert {name for name in loaded if name.startswith("reddit_etl")} == {"reddit_etl"}
    # Each of these takes longer than all the rest.
    assert not {"typing", "importlib.metadata"} & {*loaded}


def test_all_that_is_named_is_there_and_nothing_else() -> None:
    assert all(getattr(reddit_etl, name) for name in reddit_etl.__all__)
    named = re.findall(r"`(\w+)`", PAGE.partition("## What is stable\n")[2].partition("imported from")[0])
    assert sorted(named) == sorted(reddit_etl.__all__)
    with pytest.raises(AttributeError, match=r"^module 'reddit_etl' has no attribute 'Reddit'$"):
        reddit_etl.__getattr__("Reddit")


def test_the_reference_of_the_page_is_made_from_the_docstrings() -> None:
    assert PAGE.endswith(f"## Reference\n\n{reference()}\n"), "python -m jobs reference"


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new environment with the project's wheel; the other libraries are this one's, read from where they are."""
    folder = tmp_path_factory.mktemp("fresh")
    source = folder / "source"
    source.mkdir()
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(PROJECT / name, source)
    for name in ("jobs", "reddit_etl"):
        shutil.copytree(PROJECT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    build = [*pip, "wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(folder), str(source)]
    subprocess.run(build, check=True, capture_output=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "env")], check=True)
    [wheel] = folder.glob("reddit_etl-*.whl")
    python = folder / "env" / "bin" / "python"
    install = [*pip, "--python", str(python), "install", "--no-deps", "--no-index", "--no-compile", str(wheel)]
    subprocess.run(install, check=True)
    [packages] = (folder / "env" / "lib").glob("python*/site-packages")
    # Python reads no further .pth files there, among them that of the project's own editable install.
    (packages / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder


def ran(fresh: Path, *words: str, code: int = 0, **settings: str) -> tuple[str, str]:
    """What a command of the fresh environment prints, started in a folder of its own."""
    command = [str(fresh / "env" / "bin" / words[0]), *words[1:]]
    bare = {"PATH": "/usr/bin:/bin", "HOME": str(fresh)} | settings
    done = subprocess.run(command, cwd=fresh / "env", env=bare, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    return done.stdout, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_a_snippet_of_the_page_runs_from_the_wheel(fresh: Path, block: str) -> None:
    settings = {f"REDDIT_{name}".upper(): value for name, value in LOGIN.items()}
    printed, warned = ran(fresh, "python", "-W", "error", "-c", block, **settings)
    assert warned == ""
    assert bool(printed) is ("print" in block)
    if block == BLOCKS[0]:
        assert len(block.splitlines()) == 5
        assert printed.count("\n") == 100


@pytest.mark.slow
def test_the_wheel_describes_itself(fresh: Path) -> None:
    code = "import json; from importlib.metadata import metadata; print(json.dumps(metadata('reddit-etl').json))"
    described = json.loads(ran(fresh, "python", "-c", code)[0])
    config = configparser.ConfigParser()
    config.read(PROJECT / "setup.cfg")
    assert described["summary"] == config["metadata"]["description"]
    assert described["description"].strip() == (PROJECT / "README.md").read_text().strip()
    assert described["description_content_type"] == "text/markdown"
    assert described["license"] == "MIT"
    assert "LICENSE" in described["license_file"]
    assert described["requires_python"] == ">=3.11"
    assert {"Typing :: Typed", "Programming Language :: Python :: 3.13"} <= set(described["classifier"])


@pytest.mark.slow
def test_the_wheel_has_the_types_the_version_and_the_command(fresh: Path) -> None:
    code = "import reddit_etl; print(reddit_etl.__version__, reddit_etl.__path__[0])"
    version, folder = ran(fresh, "python", "-c", code)[0].split()
    assert f"\nversion = {version}\n" in (PROJECT / "setup.cfg").read_text()
    assert Path(folder).is_relative_to(fresh)
    assert (Path(folder) / "py.typed").is_file()
    assert ran(fresh, "reddit-etl", "--help")[0].startswith("usage: reddit-etl ")
    _, said = ran(fresh, "reddit-etl", "query", "SELECT 1", code=78)
    assert "run in a folder with the project's luigi.cfg, or set LUIGI_CONFIG_PATH" in said
