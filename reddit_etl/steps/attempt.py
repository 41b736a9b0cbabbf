"""An attempt at a task: the lake it writes to, the entity and the hour."""

import secrets
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Self

from reddit_etl.clock import Clock, iso
from reddit_etl.entities.schema import Entity
from reddit_etl.lake.base import Lake
from reddit_etl.lake.layout import hour_text


def new_name(clock: Clock) -> str:
    """A unique name, of the time and eight random hex digits, like 20261123T040506-1a2b3c4d."""
    return f"{clock():%Y%m%dT%H%M%S}-{secrets.token_hex(4)}"


@dataclass(frozen=True)
class Attempt:
    """`name` is unique; the attempt writes below prefixes with that name."""

    lake: Lake
    entity: Entity
    hour: datetime
    name: str
    clock: Clock

    def header(self) -> dict[str, Any]:
        """The fields that every receipt has; call it when the work is done."""
        return {
            "entity": self.entity.name,
            "hour": hour_text(self.hour),
            "attempt": self.name,
            "committed_at": iso(self.clock()),
        }

    def of(self, entity: Entity, hour: datetime) -> Self:
        """An attempt of the same task, with a name of its own, at the objects of another hour."""
        return replace(self, entity=entity, hour=hour, name=new_name(self.clock))
