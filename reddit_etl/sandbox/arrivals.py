"""The comments of a post as bare numbers: when each arrives and what it replies to.

Every function is arithmetic on the post's seed and the comment's number, so that nothing is stored and any comment of
any post can be computed alone.
"""

from dataclasses import dataclass

MASK = (1 << 64) - 1
TOP_LEVEL = int(0.4 * 65536)  # This share replies to the post itself,
CONVERSATION = int(0.7 * 65536)  # the share up to here to the comment just before, the rest to any earlier one.
VANISHING = int(0.005 * 65536)  # This share disappears without a trace.
DELAY = 30  # Seconds between a post and its first comment, at least.
VANISHED_AFTER = 3 * 3600  # Seconds.


def scramble(number: int) -> int:
    """64 bits that look random, from any integer (the finalizer of SplitMix64)."""
    number = (number + 0x9E3779B97F4A7C15) & MASK
    number = ((number ^ number >> 30) * 0xBF58476D1CE4E5B9) & MASK
    number = ((number ^ number >> 27) * 0x94D049BB133111EB) & MASK
    return number ^ number >> 31


@dataclass(frozen=True, slots=True)
class Arrivals:
    """The comments 0 to `total - 1` of a post, in the order in which they are created.

    `begin` is when the post was created, in seconds since 1970; its comments arrive within `duration` seconds, half of
    them in the first quarter.
    """

    seed: int
    begin: int
    total: int
    duration: int

    def dice(self, number: int) -> int:
        """64 random bits: 16 each for the moment, the kind of parent, which parent, and whether it vanishes."""
        return scramble(self.seed ^ number * 0xD1342543DE82EF95)

    @property
    def end(self) -> int:
        """When the last one is created, at the latest."""
        return self.begin + DELAY + self.duration

    def created(self, number: int) -> int:
        """When the comment is created, in seconds since 1970; never before an earlier number."""
        share = (number + (self.dice(number) & 0xFFFF) / 65536) / self.total
        return self.begin + DELAY + int(self.duration * share * share)

    def count(self, moment: int) -> int:
        """How many were created before the moment."""
        age = moment - self.begin - DELAY
        if age <= 0:
            return 0
        found = min(self.total, int(self.total * (age / self.duration) ** 0.5))
        while found < self.total and self.created(found) < moment:
            found += 1
        while found and self.created(found - 1) >= moment:
            found -= 1
        return found

    def parent(self, number: int) -> int:
        """The earlier comment that it replies to, -1 for the post. Nothing replies to one that vanishes."""
        dice = self.dice(number)
        kind = dice >> 16 & 0xFFFF
        if number == 0 or kind < TOP_LEVEL:
            return -1
        earlier = number - 1 if kind < CONVERSATION else number * (dice >> 32 & 0xFFFF) >> 16
        return self.parent(earlier) if self.vanishes(earlier) else earlier

    def vanishes(self, number: int) -> bool:
        """Whether it will be gone once, though the post's `num_comments` goes on counting it."""
        return self.dice(number) >> 48 < VANISHING

    def gone(self, number: int, moment: int) -> bool:
        """Whether it has vanished by that moment, which it does three hours after its creation."""
        return self.vanishes(number) and moment - self.created(number) >= VANISHED_AFTER
