"""One attempt at one task: what it writes to, and for which hour."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from reddit_etl.clock import Clock, iso
from reddit_etl.entities.schema import Entity
from reddit_etl.lake.base import Lake
from reddit_etl.lake.layout import hour_text


@dataclass(frozen=True)
class Attempt:
    """`name` is one that no other attempt has; what it writes is below a prefix of that name."""

    lake: Lake
    entity: Entity
    hour: datetime
    name: str
    clock: Clock

    def header(self) -> dict[str, Any]:
        """What every receipt says; to be asked when the work is done."""
        return {
            "entity": self.entity.name,
            "hour": hour_text(self.hour),
            "attempt": self.name,
            "committed_at": iso(self.clock()),
        }
