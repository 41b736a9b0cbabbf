"""A listing of a subreddit as a source."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from reddit_etl.entities import ENTITIES
from reddit_etl.entities.schema import Entity
from reddit_etl.sources.selection import LISTINGS, NEWEST_FIRST, checked_limit, checked_listings, checked_subreddits

if TYPE_CHECKING:
    from reddit_etl.sources import Source
    from reddit_etl.sources.client import Observation, RedditClient

# Only user profiles may have a dash in their name, so the last two dashes are the separators.
NAME = re.compile(r"(?P<subreddit>[\w-]+)-(?P<listing>[a-z]+)-(?P<limit>\d+)", re.ASCII)

# Reddit's listings end at about 1,000 items; one that ends far below is complete.
NEARLY_FULL = 0.9


@dataclass(frozen=True)
class Listing:
    """At most `limit` items of one listing of one subreddit."""

    subreddit: str
    listing: str
    limit: int

    @classmethod
    def parse(cls, name: str) -> Self | None:
        """The listing of that name; None if it has another form. Raises ConfigurationError for invalid parts."""
        found = NAME.fullmatch(name)
        if not found:
            return None
        [subreddit], [listing] = checked_subreddits([found["subreddit"]]), checked_listings([found["listing"]])
        return cls(subreddit, listing, checked_limit(int(found["limit"])))

    @property
    def name(self) -> str:
        """See `Source`."""
        return f"{self.subreddit}-{self.listing}-{self.limit}"

    @property
    def title(self) -> str:
        """See `Source`."""
        return f"r/{self.subreddit} {self.listing}"

    @property
    def entity(self) -> Entity:
        """See `Source`."""
        return ENTITIES[LISTINGS[self.listing]]

    @property
    def parts(self) -> Sequence["Source"]:
        """See `Source`."""
        return ()

    @property
    def is_newest_first(self) -> bool:
        """See `Source`."""
        return self.listing in NEWEST_FIRST

    @property
    def has_past(self) -> bool:
        """See `Source`."""
        return False

    @property
    def expected(self) -> int:
        """See `Source`."""
        return self.limit

    def is_full(self, seen: int) -> bool:
        """See `Source`."""
        return seen >= NEARLY_FULL * self.limit

    def facts(self) -> Mapping[str, object]:
        """See `Source`."""
        return {"subreddit": self.subreddit, "listing": self.listing, "limit": self.limit}

    def observations(self, client: "RedditClient") -> Iterator["Observation"]:
        """See `RedditClient.listing`."""
        return client.listing(self.subreddit, self.listing, limit=self.limit)
