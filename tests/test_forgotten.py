"""What tombstones take from a row: case by case, and in SQL as in Python."""

import random
from collections import Counter
from dataclasses import astuple
from datetime import datetime, timedelta
from pathlib import Path
from string import ascii_lowercase
from typing import Any

import duckdb
import pytest

from reddit_etl import duck
from reddit_etl.clock import iso
from reddit_etl.entities import COMMENTS, ENTITIES, POSTS, forgotten
from reddit_etl.entities.record import Record, to_record
from reddit_etl.entities.schema import Entity
from reddit_etl.lake.tombstones import Kind, Tombstone
from tests.standins.payloads import MINUTE, NOON, json_lines
from tests.test_comments import recorded
from tests.test_real_input import _dumps, _listings, _odd

Row = dict[str, object]
WHOLE = [kind for kind in Kind if kind is not Kind.ACCOUNT]
LATER = NOON + MINUTE


def tombstone(
    id_: str = "a", kind: Kind = Kind.DELETED, *, entity: Entity = POSTS, moment: datetime = NOON
) -> Tombstone:
    return Tombstone(entity.name, id_, kind, iso(moment))


def row(entity: Entity = POSTS, *, seen: datetime = NOON, **fields: object) -> Row:
    """A raw record whose content is there."""
    values: Row = {column.name: None for column in entity.record} | {"subreddit": "python", "author": "x"}
    if entity is POSTS:
        values |= {"post_id": "a", "title": "t", "selftext": "s", "url": "/r/u_y/t/", "domain": "self.u_y"}
    else:
        values |= {"comment_id": "c", "post_id": "a", "body": "b", "permalink": "/r/python/comments/a/title/c/"}
    return values | {"observed_at": iso(seen), "listing": "python-new-100", "place": 1} | fields


def by_sql(entity: Entity, rows: list[Row], tombstones: list[Tombstone], folder: Path) -> list[Row | None]:
    """What `kept_sql` leaves of each row."""
    columns = [column.name for column in entity.record]
    numbered = [one | {"place": number} for number, one in enumerate(rows)]
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE tombstones (entity VARCHAR, id VARCHAR, kind VARCHAR, moment TIMESTAMP)")
        if tombstones:
            values = [[one.entity, one.id, one.kind, one.moment] for one in tombstones]
            connection.executemany("INSERT INTO tombstones VALUES (?, ?, ?, ?)", values)
        connection.read_json(
            duck.exactly(json_lines(folder / "rows.jsonl.gz", numbered)),
            format="newline_delimited",
            columns={column.name: column.type.sql for column in entity.record},
        ).create("rows")
        summary = f"({forgotten.summary_sql('tombstones')})"
        sql = forgotten.kept_sql(entity, rows="rows", summary=summary, columns=columns)
        found = {values["place"]: values for values in _dicts(connection, sql)}
        # As DuckDB reads them: floats and times of the records in SQL's types.
        read = {values["place"]: values for values in _dicts(connection, "SELECT * FROM rows")}
    return [
        None
        if number not in found
        else numbered[number] | {name: None for name in columns if found[number][name] != read[number][name]}
        for number in range(len(rows))
    ]


def _dicts(connection: duckdb.DuckDBPyConnection, sql: str) -> list[dict[str, Any]]:
    answer = connection.execute(sql)
    names = [name for name, *_ in answer.description or ()]
    return [dict(zip(names, values, strict=True)) for values in answer.fetchall()]


def left(entity: Entity, one: Row, tombstones: list[Tombstone], folder: Path) -> Row | None:
    """What is left of a row, by both; of the columns, those that were cleared alone."""
    [found] = by_sql(entity, [one | {"place": 0}], tombstones, folder)
    kept = forgotten.kept(entity, map(astuple, tombstones))(one)
    assert (found and found | {"place": 1}) == kept
    return kept and {name: value for name, value in kept.items() if value != one[name]}


@pytest.mark.parametrize("kind", WHOLE)
def test_what_was_observed_up_to_the_moment_is_dropped_and_what_is_there_later_kept(kind, tmp_path):
    assert left(POSTS, row(), [tombstone(kind=kind)], tmp_path) is None
    assert left(POSTS, row(seen=NOON - MINUTE), [tombstone(kind=kind)], tmp_path) is None
    assert left(POSTS, row(seen=LATER), [tombstone(kind=kind)], tmp_path) == {}
    assert left(POSTS, row(), [tombstone("b", kind=kind)], tmp_path) == {}
    assert left(COMMENTS, row(COMMENTS), [tombstone("c", kind=kind, entity=COMMENTS)], tmp_path) is None


def test_ids_of_posts_and_of_comments_are_apart(tmp_path):
    assert left(COMMENTS, row(COMMENTS), [tombstone("c")], tmp_path) == {}
    assert left(POSTS, row(), [tombstone("a", entity=COMMENTS)], tmp_path) == {}


@pytest.mark.parametrize(
    ("entity", "fields"),
    [
        (POSTS, {"removed_by_category": "deleted"}),
        (POSTS, {"removed_by_category": "moderator"}),
        (POSTS, {"selftext": "[deleted]"}),
        (POSTS, {"selftext": "[removed]"}),
        (POSTS, {"selftext": "[ Removed by reddit in response to a copyright notice. ]"}),
        (COMMENTS, {"body": "[deleted]"}),
        (COMMENTS, {"body": "[removed]"}),
        (COMMENTS, {"body": "[ Removed by Reddit ]"}),
    ],
    ids=lambda value: getattr(value, "name", str(value)),
)
def test_a_later_row_that_shows_that_it_is_gone_is_dropped_only_if_it_is_named(entity, fields, tmp_path):
    gone = row(entity, seen=LATER, **fields)
    own = str(gone[entity.key])
    assert left(entity, gone, [tombstone(own, entity=entity)], tmp_path) is None
    assert left(entity, gone, [tombstone(own, Kind.ACCOUNT, entity=entity)], tmp_path) == {}
    assert left(entity, gone, [], tmp_path) == {}


def test_an_account_takes_the_name_from_what_was_observed_up_to_the_moment(tmp_path):
    account = [tombstone(kind=Kind.ACCOUNT)]
    assert left(POSTS, row(), account, tmp_path) == {"author": None}
    assert left(POSTS, row(seen=LATER), account, tmp_path) == {}
    comment = [tombstone("c", Kind.ACCOUNT, entity=COMMENTS)]
    assert left(COMMENTS, row(COMMENTS), comment, tmp_path) == {"author": None}


@pytest.mark.parametrize("subreddit", ["u_x", "U_x"])
def test_in_a_profile_the_subreddit_is_a_name_too(subreddit, tmp_path):
    account = [tombstone(kind=Kind.ACCOUNT)]
    assert left(POSTS, row(subreddit=subreddit), account, tmp_path) is None
    # As long as the account is missing.
    assert left(POSTS, row(subreddit=subreddit, seen=LATER, author=None), account, tmp_path) is None
    assert left(POSTS, row(subreddit=subreddit, seen=LATER), account, tmp_path) == {}
    assert left(POSTS, row(subreddit=subreddit), [tombstone("b", Kind.ACCOUNT)], tmp_path) == {}
    below = row(COMMENTS, subreddit=subreddit)
    assert left(COMMENTS, below, account, tmp_path) is None
    assert left(COMMENTS, below | {"observed_at": iso(LATER)}, account, tmp_path) is None
    assert left(COMMENTS, below, [tombstone()], tmp_path) is None
    # If the account goes too, later, nobody notices: the post is not looked at any more.
    assert left(COMMENTS, below | {"observed_at": iso(LATER)}, [tombstone()], tmp_path) is None
    assert left(COMMENTS, below, [tombstone("c", Kind.ACCOUNT, entity=COMMENTS)], tmp_path) is None


def test_what_shows_another_post_is_cleared_whenever_it_was_observed(tmp_path):
    """Reddit keeps a deleted post's title in the URLs of its comments."""
    for seen in (NOON, LATER):
        assert left(COMMENTS, row(COMMENTS, seen=seen), [tombstone()], tmp_path) == {"permalink": None}
        crosspost = row(crosspost_parent_id="b", seen=seen)
        assert left(POSTS, crosspost, [tombstone("b")], tmp_path) == {"url": None, "domain": None}
    # The text of the post stays, so its title does.
    assert left(COMMENTS, row(COMMENTS), [tombstone(kind=Kind.ACCOUNT)], tmp_path) == {}


@pytest.mark.parametrize(
    ("url", "domain", "cleared"),
    [
        ("/r/u_y/comments/b/t/", "self.u_y", {"url": None, "domain": None}),
        ("https://www.reddit.com/user/y/comments/b/t/", "self.U_y", {"url": None, "domain": None}),
        ("/r/python/comments/b/t/", "self.python", {}),
    ],
)
def test_of_an_account_a_crosspost_forgets_what_may_hold_its_name(url, domain, cleared, tmp_path):
    crosspost = row(crosspost_parent_id="b", url=url, domain=domain)
    assert left(POSTS, crosspost, [tombstone("b", Kind.ACCOUNT)], tmp_path) == cleared


def test_a_row_that_shows_that_it_is_gone_again_is_kept_to_be_noticed():
    """A warehouse knows that the content came back after a tombstone."""
    with duckdb.connect() as connection:
        connection.execute(
            "CREATE TABLE r AS SELECT 'a' AS post_id, 'u' AS subreddit, 'x' AS author, NULL AS crosspost_parent_id, "
            "'[deleted]' AS selftext, NULL::VARCHAR AS removed_by_category, TIMESTAMP '2026-01-02' AS observed_at"
        )
        for is_back, expected in ((0, []), (1, [("a",)])):
            summary = (
                "(SELECT 'posts' AS entity, 'a' AS id, TIMESTAMP '2026-01-01' AS taken_at, "
                f"NULL::TIMESTAMP AS account_at, {is_back} AS is_back)"
            )
            sql = forgotten.kept_sql(POSTS, rows="r", summary=summary, columns=["post_id"])
            assert connection.execute(sql).fetchall() == expected


@pytest.mark.parametrize("entity", ENTITIES.values(), ids=ENTITIES.keys())
def test_sql_and_python_agree_on_generated_rows(entity, tmp_path):
    chance = random.Random(7)
    letters = ascii_lowercase
    ids = [None, *letters]
    reddits = ["[ Removed by Reddit ]", "[ REMOVED BY REDDIT İ]", "[ Removed by Reddit ] s", "[ Removed by Reddi]", ""]
    texts = [None, "s", "[deleted]", "[removed]", *reddits]
    choices: dict[str, list[object]] = {
        entity.key: [*letters],
        "subreddit": [None, "python", "u_x", "U_x", "ux"],
        "author": [None, "x"],
        "post_id": ids,
        "crosspost_parent_id": ids,
        "selftext": texts,
        "body": texts,
        "removed_by_category": [None, "deleted", "moderator"],
        "url": [None, "/r/python/t/", "/r/U_x/t/", "/user/x/t/"],
        "domain": [None, "self.python", "self.u_x"],
        "permalink": [None, "/r/python/t/", "/r/u_x/t/", "/user/X/t/"],
    }
    names = {column.name for column in entity.record}

    def generated() -> Row:
        drawn = {name: chance.choice(values) for name, values in choices.items() if name in names}
        return row(entity, seen=NOON + chance.randrange(5) * MINUTE, **drawn)

    outcomes: Counter[str] = Counter()
    for _ in range(20):
        rows = [generated() for _ in range(300)]
        tombstones = [
            tombstone(
                chance.choice(letters),
                chance.choice(list(Kind)),
                entity=chance.choice(list(ENTITIES.values())),
                moment=NOON + chance.randrange(5) * MINUTE,
            )
            for _ in range(8)
        ]
        outcomes += compare(entity, rows, tombstones, tmp_path)
    cleared = {"author", "permalink"} if entity is COMMENTS else {"author", "url", "domain"}
    assert set(outcomes) == {"dropped", "kept", *cleared}
    assert min(outcomes.values()) > 25


def compare(entity: Entity, rows: list[Row], tombstones: list[Tombstone], folder: Path) -> Counter[str]:
    """Both over the rows; counts what became of them."""
    left_of = forgotten.kept(entity, map(astuple, tombstones))
    expected = [left_of(one | {"place": number}) for number, one in enumerate(rows)]
    assert by_sql(entity, rows, tombstones, folder) == expected
    outcomes: Counter[str] = Counter()
    for one, kept in zip(rows, expected, strict=True):
        changed = kept is not None and [name for name in kept if name != "place" and kept[name] != one[name]]
        outcomes.update(["dropped"] if kept is None else changed or ["kept"])
    return outcomes


def test_sql_and_python_agree_on_recorded_rows(real, tmp_path):
    fetch = {"source": "reddit", "listing": "x", "place": 1}
    children = [child for source in (_odd, _listings, _dumps) for child in source(real)]
    posts = (to_record(POSTS, child, fetch) for child in children)
    for entity, records in (
        (POSTS, [one.values for one in posts if isinstance(one, Record)]),
        (COMMENTS, recorded(real)),
    ):
        rows = [one | {"observed_at": iso(NOON + timedelta(seconds=n))} for n, one in enumerate(records)]
        assert len(rows) > 500
        chance = random.Random(7)
        tombstones = [
            Tombstone(name, str(one[column]), chance.choice(list(Kind)), iso(NOON + timedelta(seconds=len(rows) // 2)))
            for one in chance.sample(rows, len(rows) // 20)
            for column, name in forgotten.links(entity).items()
            if one[column]
        ]
        outcomes = compare(entity, rows, tombstones, tmp_path)
        assert outcomes["dropped"] and outcomes["kept"] and outcomes["author"]
