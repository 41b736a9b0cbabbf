"""The looks of an hour: which posts and comments are due for another one, and which others show that Reddit answers."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

from reddit_etl.clock import moment
from reddit_etl.entities import ENTITIES
from reddit_etl.entities.schema import Entity
from reddit_etl.sources import IDS
from reddit_etl.sources.ages import age_text
from reddit_etl.sources.look import CONTROL, SWEEP, Look
from reddit_etl.sources.notices import CONTROLS
from reddit_etl.sources.refresh import Refresh
from reddit_etl.steps.asked import REACH, Asked, Known


class Place(NamedTuple):
    """Where a post or comment is: what is true of one is likely to be true of all, such as being private."""

    entity: str
    subreddit: str


class Looks:
    """The looks of an hour, as they are found."""

    def __init__(self, asked: Asked, left: Iterable[Look]) -> None:
        """`left` are those that the last plan had, or that were found absent by it."""
        self._asked = asked
        due = [look for look in left if look.why != CONTROL]
        self._due = {look.fullname: look for look in due if self._is_in_time(look)}
        self._places: dict[str, Place] = {}
        self.missed = len(due) - len(self._due)

    def planned(self, refresh: Refresh) -> list[Look]:
        """Each id once: to ask for it again, for the greatest age that it has reached, or for the sweep.

        What the warehouse no longer has is not asked for again, and neither is what nothing else of the same subreddit
        can be asked for with: its absence would prove nothing.
        """
        for entity in ENTITIES.values():
            for age in sorted(refresh.ages):
                self._add(entity, self._asked.of_age(entity, age), age_text(age))
        swept = self._swept(refresh)
        self._locate()
        again = [look for look in self._due.values() if look.absent_at and look.fullname in self._places]
        aged = [look for look in self._due.values() if not look.absent_at]
        controls = self._controls(again, [*aged, *swept])
        room = max(0, refresh.most_requests * IDS - len(again) - len(controls) - len(aged))
        others = [*controls, *sorted(aged, key=_in_order), *swept[:room]]
        counts = Counter(self._places.get(look.fullname) for look in [*again, *others])
        again = [look for look in again if others and counts[self._places[look.fullname]] > 1]
        return self._grouped([*sorted(again, key=_in_order), *others])

    def _is_in_time(self, look: Look) -> bool:
        if look.absent_at:
            return moment(look.absent_at) > self._asked.until - REACH
        return look.age is None or self._asked.is_in_time(look.created_at, look.age)

    def _add(self, entity: Entity, found: Iterable[Known], why: str) -> None:
        for one in found:
            look = self._look(entity, one, why)
            if look.fullname not in self._due or not self._due[look.fullname].absent_at:
                self._due[look.fullname] = look

    def _look(self, entity: Entity, one: Known, why: str) -> Look:
        look = Look(f"{entity.kind}_{one.key}", why, one.created_at)
        if one.subreddit is not None:
            self._places[look.fullname] = Place(entity.name, one.subreddit)
        return look

    def _swept(self, refresh: Refresh) -> list[Look]:
        swept: list[Look] = []
        for entity in ENTITIES.values() if refresh.sweep else ():
            most = max(0, refresh.most_requests * IDS - len(self._due) - len(swept))
            found = (self._look(entity, one, SWEEP) for one in self._asked.in_turn(entity, refresh.sweep, most))
            swept += [look for look in found if look.fullname not in self._due]
        return swept

    def _locate(self) -> None:
        """Find the subreddits of those that come from the last plan."""
        for entity in ENTITIES.values():
            prefix = f"{entity.kind}_"
            names = [name for name in self._due if name.startswith(prefix) and name not in self._places]
            for one in self._asked.by_id(entity, (name.removeprefix(prefix) for name in names)):
                self._look(entity, one, SWEEP)

    def _controls(self, again: Sequence[Look], others: Sequence[Look]) -> list[Look]:
        """What to ask for beside the others, so that there are `CONTROLS` of each subreddit and in each request."""
        counts = Counter(self._places.get(look.fullname) for look in others)
        wanted = {self._places[look.fullname] for look in again}
        if all(counts[place] >= CONTROLS for place in wanted) and _suffice(len(again), len(others)):
            return []
        taken = self._due.keys() | {look.fullname for look in others}
        controls: list[Look] = []
        spare: list[Look] = []
        for entity in ENTITIES.values():
            subreddits = [place.subreddit for place in wanted if place.entity == entity.name]
            for one in self._asked.most_recent(entity, subreddits):
                look = self._look(entity, one, CONTROL)
                place = self._places[look.fullname]
                if look.fullname not in taken:
                    (controls if counts[place] < CONTROLS else spare).append(look)
                    counts[place] += 1
        while spare and not _suffice(len(again), len(others) + len(controls)):
            controls.append(spare.pop(0))
        return controls

    def _grouped(self, looks: Sequence[Look]) -> list[Look]:
        """With a number for each place, in the order of the looks."""
        numbers: dict[Place, int] = {}
        grouped = []
        for look in looks:
            place = self._places.get(look.fullname)
            group = None if place is None else numbers.setdefault(place, len(numbers))
            grouped.append(replace(look, group=group))
        return grouped


def _suffice(again: int, others: int) -> bool:
    """Whether so many others are enough for the requests in which so many are asked for again."""
    return not again or others >= CONTROLS * -(-(again + others) // IDS)


def _in_order(look: Look) -> tuple[str, str]:
    return look.created_at, look.fullname
