"""An attempt at a task: the lake it writes to, the entity and the hour."""

import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from reddit_etl.clock import Clock, iso
from reddit_etl.entities.schema import Entity
from reddit_etl.lake.base import Lake
from reddit_etl.lake.layout import hour_text
from reddit_etl.lake.successors import Filter

TIME = "%Y%m%dT%H%M%S"


def new_name(clock: Clock, *, replaces: str = "") -> str:
    """A unique name, of the time and eight random hex digits, like 20261123T040506-1a2b3c4d.

    What is written anew has the time of what it `replaces` in it too, for it holds what was read then.
    """
    read = f"-{origin(replaces):{TIME}}" if replaces else ""
    return f"{clock():{TIME}}-{secrets.token_hex(4)}{read}"


def began(name: str) -> datetime:
    """When an attempt of this name began; 1970 for a name of another form."""
    return _time(name.partition("-")[0])


def origin(name: str) -> datetime:
    """When the attempt began that wrote first what this one has written anew; else when this one began."""
    return _time(name.rpartition("-")[2]) if name.count("-") > 1 else began(name)


def _time(text: str) -> datetime:
    try:
        return datetime.strptime(text, TIME)  # noqa: DTZ007
    except ValueError:
        return datetime(1970, 1, 1)  # noqa: DTZ001


@dataclass(frozen=True)
class Attempt:
    """`name` is unique; the attempt writes below prefixes with that name."""

    lake: Lake
    entity: Entity
    hour: datetime
    name: str
    clock: Clock
    tombstones: Callable[[], Iterable[str]] | None = None
    """The keys of all tombstones, if they need not be listed again."""
    may_be: Filter = lambda _: True
    """See `successors.Filter`. What was replaced after the receipts were listed is missing, and then looked for."""

    def header(self) -> dict[str, Any]:
        """The fields that every receipt has; call it when the work is done."""
        return {
            "entity": self.entity.name,
            "hour": hour_text(self.hour),
            "attempt": self.name,
            "committed_at": iso(self.clock()),
        }
