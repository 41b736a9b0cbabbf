"""The daily job: what was taken back on Reddit leaves every store, in time, and what the settings say stays."""

import logging
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from batch.warehouse import maintaining
from jobs import resources
from jobs.declarations import declared
from jobs.table import table
from reddit_etl.clock import iso, moment
from reddit_etl.entities import COMMENTS, POSTS
from reddit_etl.errors import WarehouseError
from reddit_etl.lake import tombstones
from reddit_etl.lake.folder import FolderLake
from reddit_etl.lake.layout import tombstones_key
from reddit_etl.lake.tombstones import Kind, Tombstone
from reddit_etl.sandbox.answers import Listing, Refusal
from reddit_etl.warehouse.duckdb import DuckDBWarehouse
from reddit_etl.warehouse.redshift.login import read_login
from reddit_etl.warehouse.redshift.warehouse import RedshiftWarehouse
from tests import NO_LOOKS, PROJECT
from tests.conftest import Pipeline
from tests.standins.loads import LOADED_AT, Loads
from tests.standins.marked import MarkedReddit, mark
from tests.standins.payloads import MINUTE, NOON, post
from tests.standins.redshift import DATABASE, GUEST, ROLE, Login, Redshift
from tests.test_forget import places_of

FIRST, SECOND, DAILY = "2026-11-23T04", "2026-11-23T05", "2026-11-23T06"
BOTH = ["new", "comments"]
TASK_FAILED = 30
MISCONFIGURED = 78


@pytest.fixture
def reddit(pipeline: Pipeline) -> MarkedReddit:
    """Two posts, one of them with three comments."""
    made = MarkedReddit()
    for id_ in "ab":
        made.add_post(id_)
    for number in (1, 2, 3):
        made.add_comment(f"c{number}", "b")
    pipeline.server.content = made
    return made


def kinds(pipeline: Pipeline) -> dict[str, Kind]:
    hour = datetime.fromisoformat(f"{DAILY}:00")
    return {one.id: one.kind for one in tombstones.read(FolderLake(pipeline.lake), tombstones_key(hour, "noticed"))}


def ended(caplog: pytest.LogCaptureFixture) -> int:
    """How often the line was logged that the alarm counts."""
    return sum(record.getMessage() == "maintenance complete" for record in caplog.records)


def test_what_was_deleted_is_gone_after_the_daily_job_and_each_run_of_it_is_counted(
    pipeline: Pipeline, reddit: MarkedReddit, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    assert pipeline.run(FIRST, listings=BOTH, limit=100) == 0
    reddit.posts["a"] |= {"selftext": "[deleted]", "author": "[deleted]", "removed_by_category": "deleted"}
    assert pipeline.run(SECOND, listings=BOTH, limit=100) == 0
    assert places_of(mark(POSTS, "a"), pipeline.folder)
    assert pipeline.maintain(DAILY) == 0
    assert places_of(mark(POSTS, "a"), pipeline.folder) == []
    assert places_of(mark(POSTS, "b"), pipeline.folder)
    # What has a deadline is done first.
    done = [record.getMessage() for record in caplog.records]
    assert done.index("forgotten") < done.index("retained") < done.index("maintenance complete")
    assert ended(caplog) == 1
    files = pipeline.files()
    assert pipeline.maintain(DAILY) == 0
    assert (pipeline.files(), ended(caplog)) == (files, 2)


@pytest.mark.usefixtures("reddit")
def test_a_row_that_is_left_out_of_a_load_is_in_the_report_and_in_the_log(
    pipeline: Pipeline, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    hour = datetime.fromisoformat(f"{FIRST}:00")
    ones = [Tombstone("posts", "a", Kind.REQUEST, iso(hour + timedelta(hours=1)))]
    tombstones.put(FolderLake(pipeline.lake), hour - timedelta(hours=1), "request-1", ones)
    assert pipeline.run(FIRST, listings=["new"], limit=100) == 0
    report = capsys.readouterr().out
    assert re.search(r"^  posts +2 .*\n  new +1\n  updated +0\n  not newer +0\n  deleted +1 left out$", report, re.M)
    assert [vars(one)["forgotten"] for one in caplog.records if one.getMessage() == "loaded"] == [1]


@pytest.mark.usefixtures("reddit")
def test_a_daily_job_that_failed_is_not_counted(
    pipeline: Pipeline, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO)
    assert pipeline.run(FIRST, listings=BOTH, limit=100) == 0

    def unavailable(*_: object) -> Any:
        raise WarehouseError("unavailable")

    with monkeypatch.context() as patch:
        patch.setattr(DuckDBWarehouse, "forget", unavailable)
        assert pipeline.maintain(DAILY) == TASK_FAILED
    assert ended(caplog) == 0
    assert pipeline.maintain(DAILY) == 0
    assert ended(caplog) == 1


@pytest.mark.parametrize("forget_removed", ["yes", "no"])
def test_what_moderators_removed_is_forgotten_only_if_the_setting_says_so(
    pipeline: Pipeline, reddit: MarkedReddit, monkeypatch: pytest.MonkeyPatch, forget_removed: str
) -> None:
    monkeypatch.setenv("FORGET_REMOVED", forget_removed)
    assert pipeline.run(FIRST, listings=BOTH, limit=100) == 0
    reddit.posts["a"] |= {"selftext": "[removed]", "removed_by_category": "moderator"}
    # Reddit shows no author of the one, but of the other.
    reddit.comments["c1"] |= {"body": "[removed]", "author": "[deleted]"}
    reddit.comments["c2"] |= {"body": "[removed]"}
    reddit.comments["c3"] |= {"body": "[deleted]", "author": "[deleted]"}
    assert pipeline.run(SECOND, listings=BOTH, limit=100) == 0
    assert pipeline.maintain(DAILY) == 0
    if forget_removed == "yes":
        assert kinds(pipeline) == dict.fromkeys(("a", "c1", "c2"), Kind.REMOVED) | {"c3": Kind.DELETED}
        assert places_of(f"{mark(COMMENTS, 'c2')}body", pipeline.lake) == []
    else:
        assert kinds(pipeline) == {"c1": Kind.ACCOUNT, "c3": Kind.DELETED}
        for entity, id_, text in ((POSTS, "a", "selftext"), (COMMENTS, "c1", "body"), (COMMENTS, "c2", "author")):
            assert places_of(f"{mark(entity, id_)}{text}", pipeline.lake)
    assert places_of(f"{mark(COMMENTS, 'c1')}author", pipeline.lake) == []
    assert places_of(mark(COMMENTS, "c3"), pipeline.lake) == []


@pytest.mark.parametrize(
    "text",
    [
        "[ Removed by Reddit ]",
        "[ Removed by reddit in response to a copyright notice. ]",
        "[ Removed by Reddit on account of violating the [content policy](/help/contentpolicy). ]",
    ],
)
def test_what_reddit_itself_removed_is_forgotten_though_its_author_is_shown(
    pipeline: Pipeline, reddit: MarkedReddit, text: str
) -> None:
    assert pipeline.run(FIRST, listings=BOTH, limit=100) == 0
    reddit.posts["a"] |= {"selftext": text}
    reddit.comments["c1"] |= {"body": text}
    reddit.comments["c2"] |= {"body": f"{text} was all that was left"}
    assert pipeline.run(SECOND, listings=BOTH, limit=100) == 0
    assert pipeline.maintain(DAILY) == 0
    assert kinds(pipeline) == dict.fromkeys(("a", "c1"), Kind.REMOVED)
    assert places_of(f"{mark(COMMENTS, 'c1')}body", pipeline.lake) == []


def test_an_author_who_was_shown_again_is_forgotten_again(
    pipeline: Pipeline, reddit: MarkedReddit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when moderators approve a comment that they removed, and the account is deleted later."""
    monkeypatch.setenv("FORGET_REMOVED", "no")
    comment = reddit.comments["c1"]
    shown = {"author": comment["author"], "body": comment["body"]}
    hidden = {"author": "[deleted]", "body": "[removed]"}
    for day, gone in ((23, hidden), (24, {"author": "[deleted]"})):
        comment |= shown
        assert pipeline.run(f"2026-11-{day}T04", listings=BOTH, limit=100) == 0
        assert places_of(shown["author"], pipeline.lake)
        comment |= gone
        assert pipeline.run(f"2026-11-{day}T05", listings=BOTH, limit=100) == 0
        assert pipeline.maintain(f"2026-11-{day}T06") == 0
        assert places_of(shown["author"], pipeline.lake) == []


@pytest.mark.parametrize(("hour", "setting"), [("2004-11-23T04", None), (DAILY, "maybe")])
def test_a_wrong_hour_or_setting_ends_it_before_anything_is_done(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, hour: str, setting: str | None
) -> None:
    if setting:
        monkeypatch.setenv("FORGET_REMOVED", setting)
    assert pipeline.maintain(hour) == MISCONFIGURED
    assert not pipeline.lake.exists()


@pytest.mark.usefixtures("reddit")
def test_a_request_is_carried_out_where_there_is_only_luigi_s_command_line(pipeline: Pipeline) -> None:
    assert pipeline.run(FIRST, listings=BOTH, limit=100) == 0
    assert pipeline.request("t3_a") == 0
    assert places_of(mark(POSTS, "a"), pipeline.folder) == []
    assert places_of(mark(POSTS, "b"), pipeline.folder)
    assert pipeline.request("a") == MISCONFIGURED


# How long it takes at the worst: deleted just after a look, and noticed just after the daily job.


class Unlisted(MarkedReddit):
    """Whose listings have no post `old`, which can still be asked for by its id."""

    def listing(self, subreddit: str, listing: str) -> Listing | Refusal:
        shown = super().listing(subreddit, listing)
        assert isinstance(shown, Listing)
        ids = [id_ for id_ in shown.ids if id_ != "old"]
        return Listing(ids, lambda index: self.posts[ids[index]] if shown.kind == "t3" else self.comments[ids[index]])


# The sweep has just had its turn for the post, as its id says: the next is 20 hours later.
START = datetime(2026, 11, 20, 10)  # noqa: DTZ001
HOUR = timedelta(hours=1)


@pytest.mark.slow
@pytest.mark.parametrize(("how", "hours"), [(Kind.DELETED, 43), (Kind.GONE, 44)])
def test_the_last_byte_is_gone_as_early_as_the_page_says(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, how: Kind, hours: int
) -> None:
    for name, value in default_looks().items():
        monkeypatch.setenv(name, value)
    reddit = MarkedReddit()
    created = (START - timedelta(days=30)).replace(tzinfo=UTC).timestamp()
    for id_ in ("old", *"abcdefgh"):
        reddit.add_post(id_, created_utc=created)
    pipeline.server.content = reddit

    def run(hour: datetime) -> None:
        assert pipeline.run(f"{hour:%Y-%m-%dT%H}", listings=["new"], limit=100) == 0

    def is_noticed() -> bool:
        if how is Kind.GONE:
            return any("t3_old" in receipt["gone"] for receipt in pipeline.receipts("extract-*refresh-*.json"))  # type: ignore[operator]
        return pipeline.rows("SELECT 1 FROM reddit.posts WHERE post_id = 'old' AND selftext = '[deleted]'") != []

    run(START)
    deleted_at = moment(str(pipeline.receipts("extract-posts-*.json")[0]["committed_at"]))
    pipeline.server.content = Unlisted(reddit.posts, reddit.comments)
    if how is Kind.GONE:
        del reddit.posts["old"]
    else:
        reddit.posts["old"] |= {"selftext": "[deleted]", "author": "[deleted]", "removed_by_category": "deleted"}
    hour = START
    while not is_noticed():
        hour += HOUR
        run(hour)
    # The daily job was an hour ago. The runs until the next one find nothing new.
    run(hour + 22 * HOUR)
    hour += 23 * HOUR
    assert places_of(mark(POSTS, "old"), pipeline.lake)
    assert pipeline.maintain(f"{hour:%Y-%m-%dT%H}") == 0
    assert places_of(mark(POSTS, "old"), pipeline.folder) == []
    [receipt] = pipeline.receipts("forget-*.json")
    assert moment(str(receipt["gone_at"])) - deleted_at == hours * HOUR
    assert f"| {hours} hours |" in (PROJECT / "docs" / "deletions.md").read_text()


@pytest.mark.slow
def test_the_page_s_example_is_what_the_sandbox_gives(
    make_pipeline: Callable[..., Pipeline], monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (PROJECT / "docs" / "deletions.md").read_text()
    hours = re.findall(r"^\$ make run HOUR=(\S+)$", page, re.MULTILINE)
    [daily] = re.findall(r"jobs Maintenance --hour (\S+)$", page, re.MULTILINE)
    [(sql, shown)] = re.findall(r'^\$ \S+ -m jobs query "(.+)"\n(.+?)^```', page, re.MULTILINE | re.DOTALL)
    for name, value in default_looks().items():
        monkeypatch.setenv(name, value)
    pipeline = make_pipeline()
    for hour in hours:
        assert pipeline.run(hour, subreddits=["python", "dataengineering", "aws"], listings=BOTH, limit=1000) == 0
    assert pipeline.maintain(daily) == 0
    columns, rows = resources.warehouse().query(sql, limit=100)
    assert table(columns, rows) == shown.rstrip()


def default_looks() -> dict[str, str]:
    """What is looked at again, if nothing is set."""
    return {one.name.upper(): one.metadata["default"] for one in declared() if one.name.upper() in NO_LOOKS}


# In the warehouse the job has a user of its own.


def grant(server: Redshift, *, but: str = "no such") -> str:
    """Gives another user the grants of a deployment, in PostgreSQL's words; returns its URL."""
    for statement in maintaining("maintenance", DATABASE):
        if not statement.startswith(("CREATE USER", "ALTER USER", but)):
            words = statement.replace("FOR TABLES IN", "ON ALL TABLES IN").replace('"IAMR:maintenance"', GUEST)
            words = words.replace("GRANT VACUUM", "GRANT MAINTAIN ON ALL TABLES IN SCHEMA reddit")
            server.rows(words.replace("TO ROLE", "TO").replace("GRANT ROLE", "GRANT"))
    server.users["maintenance"] = Login("s3cret", GUEST)
    return server.url_of("maintenance")


@pytest.fixture
def granted(redshift_server: Redshift) -> Iterator[Redshift]:
    """A warehouse in which the role of the daily job is made, and removed afterwards."""
    yield redshift_server
    redshift_server.rows(f"REVOKE TEMPORARY ON DATABASE {DATABASE} FROM {GUEST}")
    redshift_server.rows("DROP OWNED BY reddit_maintenance; DROP ROLE reddit_maintenance")
    del redshift_server.users["maintenance"]


def daily(url: str) -> RedshiftWarehouse:
    login = read_login(url, workgroup=None, cluster=None)
    return RedshiftWarehouse(login, copy_role=ROLE, clock=lambda: LOADED_AT, pause=lambda _: None)


def test_the_grants_of_a_deployment_are_enough_to_forget_what_another_user_loaded(
    redshift_loads: Loads, granted: Redshift
) -> None:
    redshift_loads.load(post("a"), post("b"))
    lake, key = redshift_loads.lake, tombstones_key(NOON, "noticed")
    tombstones.put(lake, NOON, "noticed", [Tombstone("posts", "a", Kind.DELETED, iso(NOON + MINUTE))])
    storage = "SELECT pg_relation_filenode('reddit.posts'), pg_relation_filenode('reddit.post_metrics')"
    [before] = granted.rows(storage)
    done = daily(grant(granted)).forget(lake, key)
    assert done
    assert (done.removed, done.erased_at) == (1, LOADED_AT)
    assert redshift_loads.rows("SELECT post_id FROM reddit.posts") == [("b",)]
    [after] = granted.rows(storage)
    assert not set(before) & set(after), "what was deleted is still in the files"


def test_a_table_that_the_user_may_not_vacuum_does_not_pass_for_erased(
    redshift_loads: Loads, granted: Redshift
) -> None:
    redshift_loads.load(post("a"), post("b"))
    lake, key = redshift_loads.lake, tombstones_key(NOON, "noticed")
    tombstones.put(lake, NOON, "noticed", [Tombstone("posts", "a", Kind.DELETED, iso(NOON + MINUTE))])
    with pytest.raises(WarehouseError, match="for this user: grant it VACUUM by a role"):
        daily(grant(granted, but="GRANT VACUUM")).forget(lake, key)
    assert redshift_loads.rows("SELECT erased_at FROM reddit.forget_audit") == [(None,)]
    done = redshift_loads.warehouse.forget(lake, key)
    assert done
    assert done.erased_at == LOADED_AT
