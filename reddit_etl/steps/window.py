"""What of the warehouse has reached an age since the plan before: a part of a table, which is read in order."""

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from reddit_etl.clock import iso, moment


@dataclass(frozen=True)
class Window:
    """The posts or comments that reached an age, in hours, between two plans.

    They were created from `begin` to `end`: after `before`, or they were first observed from `late_begin` to
    `late_end`, as they were loaded late. Of those created at `begin`, they are the ones whose id is greater than `key`.
    """

    entity: str
    age: int
    begin: datetime
    end: datetime
    before: datetime
    late_begin: datetime
    late_end: datetime
    key: str = ""

    @classmethod
    def read(cls, text: str) -> Self:
        """From its text in a plan. Raises ValueError."""
        entity, age, *times, key = text.split(" ")
        begin, end, before, late_begin, late_end = map(moment, times)
        return cls(entity, int(age), begin, end, before, late_begin, late_end, key)

    def __str__(self) -> str:
        times = (self.begin, self.end, self.before, self.late_begin, self.late_end)
        return " ".join([self.entity, str(self.age), *map(iso, times), self.key])

    @property
    def values(self) -> tuple[object, ...]:
        """What the statement of `warehouse.due.of_age` binds, but for the source."""
        return (self.begin, self.end, self.begin, self.key, self.before, self.late_begin, self.late_end)
