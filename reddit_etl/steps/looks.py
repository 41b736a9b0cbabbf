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
    """The looks of an hour, as they are found.

    Most are kept as their text in the plan alone, so that tens of thousands of them take few megabytes.
    """

    def __init__(self, asked: Asked, left: Iterable[Look]) -> None:
        """`left` are those that the last plan had, or that were found absent by it."""
        self._asked = asked
        due = [replace(look, group=None) for look in left if look.why != CONTROL]
        self._left = {look.fullname: look for look in due if self._is_in_time(look)}
        self._asked.missed += len(due) - len(self._left)
        self._aged: list[str] = []
        self._swept: list[str] = []
        self._names = {*self._left}
        """Of all but the sweep."""
        self._groups: dict[Place, int] = {}
        self._counts: Counter[int | None] = Counter()
        """By group, what is not asked for again."""

    def planned(self, refresh: Refresh) -> list[str]:
        """Each id once: to ask for it again, for the greatest age that it has reached, or for the sweep.

        What the warehouse no longer has is not asked for again, and neither is what nothing else of the same subreddit
        can be asked for with: its absence would prove nothing.
        """
        most = refresh.most_requests * IDS
        self._find_aged(refresh, most - len(self._left))
        self._find_swept(refresh, most)
        self._locate()
        again = [look for look in self._left.values() if look.absent_at and look.group is not None]
        others = [str(look) for look in self._left.values() if not look.absent_at]
        controls = self._controls(again)
        room = max(0, most - len(again) - len(controls) - len(others) - len(self._aged))
        others = [*map(str, controls), *others, *self._aged, *self._swept[:room]]
        self._counts.update(look.group for look in chain(again, controls))
        again = [look for look in again if others and self._counts[look.group] > 1]
        return [*map(str, sorted(again, key=_in_order)), *others]

    def _is_in_time(self, look: Look) -> bool:
        if look.absent_at:
            return moment(look.absent_at) > self._asked.until - REACH
        return look.age is None or self._asked.is_in_time(look.created_at, look.age)

    def _find_aged(self, refresh: Refresh, most: int) -> None:
        for entity, age, one in self._asked.due(product(ENTITIES.values(), refresh.ages), most):
            look = self._look(entity, one, age_text(age))
            known = self._left.get(look.fullname)
            if known and not known.absent_at:
                del self._left[known.fullname]
            elif look.fullname in self._names:
                continue
            self._names.add(look.fullname)
            self._counts[look.group] += 1
            self._aged.append(str(look))

    def _find_swept(self, refresh: Refresh, most: int) -> None:
        for entity in ENTITIES.values() if refresh.sweep else ():
            room = max(0, most - len(self._left) - len(self._aged) - len(self._swept))
            for one in self._asked.in_turn(entity, refresh.sweep, room):
                look = self._look(entity, one, SWEEP)
                if look.fullname not in self._names:
                    self._counts[look.group] += 1
                    self._swept.append(str(look))

    def _look(self, entity: Entity, one: Known, why: str) -> Look:
        group = None if one.subreddit is None else self._group(Place(entity.name, one.subreddit))
        return Look(f"{entity.kind}_{one.key}", why, one.created_at, group)

    def _group(self, place: Place) -> int:
        return self._groups.setdefault(place, len(self._groups))

    def _locate(self) -> None:
        """Find the subreddits of those that come from the last plan."""
        for entity in ENTITIES.values():
            prefix = f"{entity.kind}_"
            names = [name for name in self._left if name.startswith(prefix)]
            for one in self._asked.by_id(entity, (name.removeprefix(prefix) for name in names)):
                group = self._look(entity, one, SWEEP).group
                look = self._left[f"{prefix}{one.key}"] = replace(self._left[f"{prefix}{one.key}"], group=group)
                self._counts[group] += not look.absent_at

    def _controls(self, again: Sequence[Look]) -> list[Look]:
        """What to ask for beside the others, so that there are `CONTROLS` of each subreddit and in each request."""
        counts, others = self._counts.copy(), len(self._left) - len(again) + len(self._aged) + len(self._swept)
        wanted = {look.group for look in again}
        if all(counts[group] >= CONTROLS for group in wanted) and _suffice(len(again), others):
            return []
        taken = self._names | {text.partition(" ")[0] for text in self._swept}
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
        while spare and not _suffice(len(again), others + len(controls)):
            controls.append(spare.pop(0))
        return controls


def _suffice(again: int, others: int) -> bool:
    """Whether so many others are enough for the requests in which so many are asked for again."""
    return not again or others >= CONTROLS * -(-(again + others) // IDS)


def _in_order(look: Look) -> tuple[str, str]:
    return look.created_at, look.fullname
