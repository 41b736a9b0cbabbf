"""What a run did, gathered from the receipts of its tasks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from reddit_etl.lake.receipts import Loaded, Summary


@dataclass(frozen=True)
class EntityFacts:
    """One entity's part of an hour."""

    name: str
    extracts: Mapping[str, Summary]
    """By title, such as `r/python new`."""
    load: Loaded

    @property
    def records(self) -> int:
        """The sum over the extracts, before duplicates are removed."""
        return sum(extracted.records for extracted in self.extracts.values())

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
    """All of the hour was done before."""
    entities: Sequence[EntityFacts]
    requests: int
    """What this run asked of Reddit."""
    seconds: float
    caught_up: Sequence[Loaded] = field(default=())
    """Loads of earlier hours."""
    reloaded: Mapping[str, int] = field(default_factory=dict)
    """Rows that the warehouse had lost, by hour."""
    stores: Mapping[str, str] = field(default_factory=dict)
    """Where the data is: lake, catalog, warehouse."""
    query: str = ""
    """A command to go on with."""
