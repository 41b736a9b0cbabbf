"""What a warehouse holds of the rows of one transformation."""

from dataclasses import dataclass, fields
from typing import Any

from reddit_etl.warehouse.checksum import Total

NOTHING = Total(0, 0, 0)


@dataclass(frozen=True)
class Held:
    """Beside each other: what arrived from the lake, and what the warehouse holds of it."""

    arrived: Total = NOTHING
    """The observations that arrived, without what is forgotten."""
    forgotten: int = 0
    """Observations that are left out, as tombstones name them."""
    observed: Total = NOTHING
    """The same ones in the table of observations."""
    keys: int = 0
    """How many posts or comments arrived."""
    states: int = 0
    """How many rows the table of newest states has for them."""
    older: int = 0
    """States that are older than what arrived."""
    misdated: int = 0
    """States that were first observed later than what arrived."""
    unobserved: int = 0
    """States that are not in the table of observations."""
    newest: Total = NOTHING
    """Of what arrived, the rows that are the newest state."""
    stored: Total = NOTHING
    """The same ones in the table of newest states."""

    @property
    def is_equal(self) -> bool:
        """Whether the warehouse holds all that arrived, as it arrived."""
        pairs = (self.arrived, self.keys, self.newest), (self.observed, self.states, self.stored)
        return pairs[0] == pairs[1] and not (self.older or self.misdated or self.unobserved)

    def plus(self, other: "Held") -> "Held":
        """Of other rows of the same transformation."""
        sums: dict[str, Any] = {}
        for field in fields(Held):
            one, two = getattr(self, field.name), getattr(other, field.name)
            sums[field.name] = one.plus(two) if isinstance(one, Total) else one + two
        return Held(**sums)
