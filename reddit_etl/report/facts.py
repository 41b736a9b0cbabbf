"""The facts of a run, collected from the receipts of its tasks."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime

from reddit_etl.lake.receipts import Loaded, Summary


@dataclass(frozen=True)
class EntityFacts:
    """One entity in one hour."""

    name: str
    extracts: Mapping[str, Summary]
    """By title, such as `r/python new`."""
    loads: Sequence[Loaded]
    """Those of this run. An hour has one of the listings, one of the looks, and one of the trees if any are read."""
    earlier: AbstractSet[str] = frozenset()
    """The titles of the extracts that an earlier run read, such as one of the same hour with other subreddits."""
    earlier_loads: Sequence[Loaded] = ()
    """Those of earlier runs."""

    @property
    def records(self) -> int:
        """The sum over the extracts, before duplicates are removed."""
        return sum(extracted.records for extracted in self.extracts.values())

    @property
    def earlier_records(self) -> int:
        """The same of the extracts that an earlier run read."""
        return sum(extracted.records for title, extracted in self.extracts.items() if title in self.earlier)

    @property
    def counts(self) -> tuple[int, int, int]:
        """Observations of what was new, that updated an older state, and that were not newer than what was stored.

        What an earlier run has loaded is not newer in this one.
        """
        return (
            sum(load.inserted for load in self.loads),
            sum(load.updated for load in self.loads),
            sum(load.stale for load in self.loads) + sum(load.rows for load in self.earlier_loads),
        )

    @property
    def rejects(self) -> int:
        """Payloads that were not converted to a record, summed over the extracts."""
        return sum(extracted.rejects for extracted in self.extracts.values())


@dataclass(frozen=True)
class Facts:
    """One run."""

    hour: datetime
    source: str
    was_complete: bool
    """Whether the hour was complete before the run."""
    entities: Sequence[EntityFacts]
    requests: int
    """Requests that this run sent to Reddit."""
    seconds: float
    caught_up: Sequence[Loaded] = field(default=())
    """Loads of earlier hours."""
    reloaded: Mapping[tuple[str, datetime], int] = field(default_factory=dict)
    """The number of reloaded rows that were missing in the warehouse, by entity and hour."""
    stores: Mapping[str, str] = field(default_factory=dict)
    """The URLs of lake, catalog and warehouse."""
    query: str = ""
    """A command to query the warehouse."""
