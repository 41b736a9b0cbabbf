"""What tombstones take from the lines of raw and rejected objects."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import astuple

import msgspec

from reddit_etl.entities import ENTITIES
from reddit_etl.entities.forgotten import kept
from reddit_etl.entities.schema import Entity
from reddit_etl.lake.rewrite import Change
from reddit_etl.lake.tombstones import Tombstone

# The ids in a path: of a post, and of a comment below it.
PATH = re.compile(r"/comments/([0-9a-z]+)(?:/[^/?#]*/([0-9a-z]+))?", re.IGNORECASE)


def of_records(entity: Entity, tombstones: Sequence[Tombstone]) -> Change:
    """For records of the entity."""
    left_of = kept(entity, map(astuple, tombstones))

    def change(line: bytes) -> bytes | None:
        record = msgspec.json.decode(line)
        left = left_of(record)
        if left is record:
            return line
        return None if left is None else msgspec.json.encode(left)

    return change


def of_rejects(tombstones: Sequence[Tombstone]) -> Change:
    """For rejects: they hold whole payloads with posts and comments nested in them, so one that names any is dropped.

    By an id, a name such as `t3_abc`, or a path, wherever it stands, and whenever it was observed. Another text that
    happens to be an id costs a reject.
    """
    kinds = {entity.name: entity.kind for entity in ENTITIES.values()}
    names = {one.id for one in tombstones} | {f"{kinds[one.entity]}_{one.id}" for one in tombstones}

    def change(line: bytes) -> bytes | None:
        # The writer was Python's own, which reads what others refuse: half of a surrogate pair, NaN.
        return None if any(text in names for text in _texts(json.loads(line))) else line

    return change


def _texts(value: object) -> Iterator[str]:
    """All texts that may name something, also in the texts that are paths."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, str):
            yield one
            for post, comment in PATH.findall(one):
                yield f"t3_{post}"
                yield f"t1_{comment}"
        elif isinstance(one, dict):
            waiting += [*one, *one.values()]
        elif isinstance(one, list):
            waiting += one
