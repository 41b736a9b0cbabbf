"""An attempt at a task: the lake it writes to, the entity and the hour."""

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from reddit_etl.clock import Clock, iso
from reddit_etl.entities.schema import Entity
from reddit_etl.lake.base import Lake
from reddit_etl.lake.layout import hour_text


def new_name(clock: Clock) -> str:
    """A unique name, of the time and eight random hex digits, like 20261123T040506-1a2b3c4d."""
    return f"{clock():%Y%m%dT%H%M%S}-{secrets.token_hex(4)}"


def began(name: str) -> datetime:
    """When an attempt of this name began; 1970 for a name of another form."""
    try:
        return datetime.strptime(name.partition("-")[0], "%Y%m%dT%H%M%S")  # noqa: DTZ007
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

    def header(self) -> dict[str, Any]:
        """The fields that every receipt has; call it when the work is done."""
        return {
            "entity": self.entity.name,
            "hour": hour_text(self.hour),
            "attempt": self.name,
            "committed_at": iso(self.clock()),
        }
