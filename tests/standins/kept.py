"""The rows that a warehouse must hold, by what was read, what Reddit served then, and the tombstones of the lake."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from reddit_etl.clock import moment
from reddit_etl.entities import COMMENTS, ENTITIES, POSTS
from reddit_etl.entities.schema import Entity
from reddit_etl.lake.layout import RECEIPT, TOMBSTONES
from tests.standins.fates import ACCOUNT, BLANKED, Fate, World
from tests.standins.marked import mark
from tests.standins.stores import Stores

Rows = set[tuple[Any, ...]]
Seen = dict[tuple[str, str], set[int]]
Latest = dict[tuple[str, str], int]
"""By the name of the entity and the id."""
COLUMNS = {
    POSTS: "post_id, observed_at, score, author, url",
    COMMENTS: "comment_id, observed_at, score, author, permalink",
}


@dataclass
class Expected:
    """The rows of an entity."""

    states: Rows = field(default_factory=set)
    observations: Rows = field(default_factory=set)
    others: Rows = field(default_factory=set)
    """Observations that may be there, too: that something that came back was gone once more for a while."""


def observed(world: World, content: Mapping[str, bytes]) -> Seen:
    """The ticks at which extracts that have a receipt have read each post and comment, and not rejected it."""
    seen: Seen = {}
    for entity, id_, tick in _observed(world, content):
        seen.setdefault((entity.name, id_), set()).add(tick)
    return seen


def tombstones(world: World, content: Mapping[str, bytes]) -> tuple[Latest, Latest]:
    """Up to which tick each post and comment is taken, and the author's name of each."""
    taken: Latest = {}
    accounts: Latest = {}
    for key, text in content.items():
        for name, id_, kind, at, *_ in json.loads(text)["tombstones"] if key.startswith(TOMBSTONES) else ():
            last = accounts if kind == ACCOUNT else taken
            last[name, id_] = max(last.get((name, id_), -1), world.latest(moment(at)))
    return taken, accounts


def wrong_rows(world: World, stores: Stores, content: Mapping[str, bytes], seen: Seen) -> Iterator[str]:
    """How the tables differ from what is expected. `content` are the objects of the lake by key."""
    named = tombstones(world, content)
    for entity in (POSTS, COMMENTS):
        fates = [fate for fate in world.fates if fate.entity is entity]
        expected = Expected()
        for fate in fates:
            _expect(expected, world, fate, sorted(seen.get(fate.key, ())), named)
        yield from _differences(entity, expected, stores)


def _observed(world: World, content: Mapping[str, bytes]) -> Iterator[tuple[Entity, str, int]]:
    for key, text in content.items():
        found = RECEIPT.fullmatch(key)
        if not found or found["step"] != "extract":
            continue
        receipt = json.loads(text)
        tick = world.tick(moment(receipt["committed_at"]))
        if receipt["listing"]:
            entity = ENTITIES[found["entity"]]
            names = [f"{entity.kind}_{fate.id}" for fate in world.listed(entity, tick)]
        elif found["entity"] == POSTS.name:
            plan = json.loads(content[key.replace("/extract-", "/plan-")])
            left = {one.partition(" ")[0] for one in receipt["left"]}
            names = [one.partition(" ")[0] for one in plan["due"] if one.partition(" ")[0] not in left]
        else:
            continue
        kinds = {entity.kind: entity for entity in ENTITIES.values()}
        for kind, _, id_ in (name.partition("_") for name in names):
            if world.is_read(kinds[kind], id_, tick):
                yield kinds[kind], id_, tick


def _expect(expected: Expected, world: World, fate: Fate, ticks: Iterable[int], named: tuple[Latest, Latest]) -> None:
    """As deletions.md says. `named` is what `tombstones` gives."""
    taken, accounts = named
    post = (POSTS.name, fate.post)
    in_post = fate.entity is COMMENTS
    left = []
    for tick in ticks:
        state, at = fate.state(tick), world.times[tick]
        has_author = state not in ("deleted", ACCOUNT)
        is_dropped = taken.get(fate.key, -1) >= tick
        if fate.profile:
            account = accounts.get(fate.key, -1)
            is_dropped |= account >= tick or (account >= 0 and not has_author)
            is_dropped |= in_post and (post in taken or post in accounts)
        if is_dropped:
            continue
        row = (fate.id, at, tick)
        if fate.key in taken and state in BLANKED:
            expected.others.add(row)
            continue
        expected.observations.add(row)
        is_named = has_author and accounts.get(fate.key, -1) < tick
        left.append((*row, f"{mark(fate.entity, fate.id)}author" if is_named else None, _shown(fate, post in taken)))
    if left:
        expected.states.add(left[-1])


def _shown(fate: Fate, is_taken: bool) -> str | None:
    """The column that may show content of a post."""
    slug = f"/r/python/comments/{fate.post}/{mark(POSTS, fate.post)}slug/"
    if fate.entity is COMMENTS:
        return None if is_taken else f"{slug}{fate.id}/"
    if fate.post:
        return None if is_taken else slug
    return f"{mark(POSTS, fate.id)}url"


def _differences(entity: Entity, expected: Expected, stores: Stores) -> Iterator[str]:
    key, metrics = entity.key, f"reddit.{entity.metrics_table}"
    states = stores.rows(f"SELECT {COLUMNS[entity]} FROM reddit.{entity.name}")
    observations = stores.rows(f"SELECT {key}, observed_at, score FROM {metrics}")
    for table, found, wanted, more in (
        (entity.name, states, expected.states, set()),
        (entity.metrics_table, observations, expected.observations, expected.others),
    ):
        missing, surplus = wanted - set(found), set(found) - wanted - more
        if len(found) != len(set(found)):
            yield f"{table}: {len(found) - len(set(found))} rows doubled"
        for what, rows in (("missing", missing), ("surplus", surplus)):
            if rows:
                yield f"{table}: {len(rows)} {what} of {len(wanted)}, such as {sorted(rows, key=repr)[:3]}"
    first = f"SELECT {key}, MIN(observed_at) AS earliest FROM {metrics} GROUP BY {key}"
    sql = f"SELECT s.{key} FROM reddit.{entity.name} s JOIN ({first}) m ON m.{key} = s.{key}"
    if misdated := stores.rows(f"{sql} WHERE s.first_observed_at <> m.earliest"):
        yield f"{entity.name}: {len(misdated)} with a wrong first_observed_at, such as {sorted(misdated)[:3]}"
