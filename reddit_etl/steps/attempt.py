"""An attempt at a task: the lake it writes to, the entity and the hour."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from reddit_etl.clock import Clock, iso
from reddit_etl.entities.schema import Entity
from reddit_etl.lake.base import Lake
from reddit_etl.lake.layout import hour_text


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
