"""The looks of an hour: which posts and comments are due for another one, and which others show that Reddit answers."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import chain, product
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
        due = [replace(look, group=None) for look in left if look.why != CONTROL]
        self._due = {look.fullname: look for look in due if self._is_in_time(look)}
        self._asked.missed += len(due) - len(self._due)
        self._groups: dict[Place, int] = {}

    def planned(self, refresh: Refresh) -> list[Look]:
        """Each id once: to ask for it again, for the greatest age that it has reached, or for the sweep.

        What the warehouse no longer has is not asked for again, and neither is what nothing else of the same subreddit
        can be asked for with: its absence would prove nothing.
        """
        most = refresh.most_requests * IDS
        for entity, age, one in self._asked.due(product(ENTITIES.values(), refresh.ages), most - len(self._due)):
            look = self._look(entity, one, age_text(age))
            if look.fullname not in self._due or not self._due[look.fullname].absent_at:
                self._due[look.fullname] = look
        swept = self._swept(refresh)
        self._locate()
        again = [look for look in self._due.values() if look.absent_at and look.group is not None]
        aged = [look for look in self._due.values() if not look.absent_at]
        controls = self._controls(again, [*aged, *swept])
        room = max(0, most - len(again) - len(controls) - len(aged))
        others = [*controls, *sorted(aged, key=_in_order), *swept[:room]]
        counts = Counter(look.group for look in chain(again, others))
        again = [look for look in again if others and counts[look.group] > 1]
        return [*sorted(again, key=_in_order), *others]

    def _is_in_time(self, look: Look) -> bool:
        if look.absent_at:
            return moment(look.absent_at) > self._asked.until - REACH
        return look.age is None or self._asked.is_in_time(look.created_at, look.age)

    def _look(self, entity: Entity, one: Known, why: str) -> Look:
        group = None if one.subreddit is None else self._group(Place(entity.name, one.subreddit))
        return Look(f"{entity.kind}_{one.key}", why, one.created_at, group)

    def _group(self, place: Place) -> int:
        return self._groups.setdefault(place, len(self._groups))

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
            names = [name for name, look in self._due.items() if look.group is None and name.startswith(prefix)]
            for one in self._asked.by_id(entity, (name.removeprefix(prefix) for name in names)):
                group = self._look(entity, one, SWEEP).group
                name = f"{prefix}{one.key}"
                self._due[name] = replace(self._due[name], group=group)

    def _controls(self, again: Sequence[Look], others: Sequence[Look]) -> list[Look]:
        """What to ask for beside the others, so that there are `CONTROLS` of each subreddit and in each request."""
        counts = Counter(look.group for look in others)
        wanted = {look.group for look in again}
        if all(counts[group] >= CONTROLS for group in wanted) and _suffice(len(again), len(others)):
            return []
        taken = self._due.keys() | {look.fullname for look in others}
        controls: list[Look] = []
        spare: list[Look] = []
        for entity in ENTITIES.values():
            places = [place for place, group in self._groups.items() if group in wanted]
            subreddits = [place.subreddit for place in places if place.entity == entity.name]
            for one in self._asked.most_recent(entity, subreddits):
                look = self._look(entity, one, CONTROL)
                if look.fullname not in taken:
                    (controls if counts[look.group] < CONTROLS else spare).append(look)
                    counts[look.group] += 1
        while spare and not _suffice(len(again), len(others) + len(controls)):
            controls.append(spare.pop(0))
        return controls


def _suffice(again: int, others: int) -> bool:
    """Whether so many others are enough for the requests in which so many are asked for again."""
    return not again or others >= CONTROLS * -(-(again + others) // IDS)


def _in_order(look: Look) -> tuple[str, str]:
    return look.created_at, look.fullname
