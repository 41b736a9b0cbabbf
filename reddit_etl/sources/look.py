"""Another look at one known post or comment, as plans and receipts have it."""

from dataclasses import dataclass
from typing import Self

from reddit_etl.sources.ages import ages_of

SWEEP = "sweep"
AGAIN = "again"
CONTROL = "control"


@dataclass(frozen=True, slots=True)
class Look:
    """A post or comment that is due: its id with the prefix of its kind, such as `t3_abc`, and why.

    `why` is the age, such as `024h`, or `sweep`, `again` or `control`; times are in the lake's format.
    """

    fullname: str
    why: str
    created_at: str
    group: int | None = None
    """The same number for all of the plan that are of one entity and one subreddit. A number, because the subreddit may
    be a person's profile."""
    absent_at: str | None = None
    """For `again`: the latest moment at which Reddit can first have left it out."""

    @classmethod
    def read(cls, text: str) -> Self:
        """From its text in a receipt; those of older versions end after the third part. Raises ValueError."""
        fullname, why, created_at, *more = text.split(" ")
        if len(more) > 2:
            raise ValueError("is not a look")
        group, absent_at = (*more, None, None)[:2]
        return cls(fullname, why, created_at, None if group is None else int(group), absent_at)

    def __str__(self) -> str:
        parts = (self.fullname, self.why, self.created_at, self.group, self.absent_at)
        return " ".join(str(part) for part in parts if part is not None)

    @property
    def age(self) -> int | None:
        """In hours; None for one that is due for another reason."""
        return None if self.why in (SWEEP, AGAIN, CONTROL) else ages_of(self.why)[0]
