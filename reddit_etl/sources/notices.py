"""What is concluded from posts and comments that Reddit does not return: gone, or not known yet.

Reddit leaves out what was deleted, and also what is in a private subreddit, and at times what it fails to find. So an
absent thing is asked for again in a later hour. It is gone if it is absent then, too, while others of its subreddit
and, in the same response, any others are returned.
"""

import logging
from collections import Counter
from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from reddit_etl.clock import moment
from reddit_etl.entities import ENTITIES
from reddit_etl.entities.record import kind_of
from reddit_etl.sources.look import Look

if TYPE_CHECKING:
    from reddit_etl.sources.client import Observation

log = logging.getLogger(__name__)

CONTROLS = 5
"""Others in a request that asks again, and others of the same subreddit in the plan: one may have been deleted, too."""
# So many are not all gone at once; Reddit has answered with an empty list while it was failing.
MANY = 10
CONTENT = {
    entity.kind: {str(one.origin) for one in entity.payload if one.names_author or one.name == entity.sort}
    for entity in ENTITIES.values()
}
"""The fields of a payload with content, by kind: when it was created, and the author if the entity has one."""
APART = timedelta(hours=1)
"""Between the two answers without it."""


@dataclass
class _Answer:
    """When it was received, and of what it was not asked for again, by group, how much was asked for and was absent."""

    at: datetime | None
    asked: Counter[int | None] = field(default_factory=Counter)
    absent: Counter[int | None] = field(default_factory=Counter)


class Notices:
    """The answers of one run. `share` is how many percent may be newly absent before nothing is concluded."""

    def __init__(self, share: int) -> None:
        self.absent: list[str] = []
        """Absent for the first time: to be asked for again."""
        self.gone: list[str] = []
        self.left: list[Look] = []
        """Absent for the second time, and to be asked for once more."""
        self.unclear = 0
        """Absent for the second time, with all others of the subreddit."""
        self.is_suspicious = False
        self._share = share
        self._asked: Counter[int | None] = Counter()
        self._returned: Counter[int | None] = Counter()
        self._first: list[Look] = []
        self._second: list[tuple[Look, _Answer]] = []

    def add(self, looks: Sequence[Look], returned: Collection[str], at: datetime | None) -> None:
        """Add an answer: what was asked for, the full names that were returned, and when; None if nothing was."""
        answer = _Answer(at)
        for look in looks:
            answer.asked[look.group] += not look.absent_at
            if look.fullname in returned:
                self._returned[look.group] += 1
            elif not look.absent_at:
                answer.absent[look.group] += 1
                self._first.append(look)
            else:
                self._second.append((look, answer))
        # Also what was asked for nothing of the first time: `+=` would drop its zero.
        self._asked.update(answer.asked)

    def conclude(self) -> None:
        """Decide, after the last answer."""
        silent = {group for group in self._asked if group is not None and not self._returned[group]}
        absent = sum(look.group not in silent for look in self._first)
        asked = _number(self._asked, silent)
        self.is_suspicious = self._is_much(absent, asked)
        if self.is_suspicious:
            what = "so much is absent at once that nothing is concluded from it: see NOTICE_SHARE"
            log.warning(what, extra={"absent": absent, "asked": asked})
            self.left += [look for look, _ in self._second]
            return
        # Of a whole subreddit that is absent there will be no conclusion in the next hour either.
        private = {group for group in silent if self._asked[group] >= MANY}
        self.absent = [look.fullname for look in self._first if look.group not in private]
        for look, answer in self._second:
            absent, asked = _number(answer.absent, silent), _number(answer.asked, silent)
            # One answer of many may have been cut short, which is not much of all.
            is_cut = self._is_much(absent, asked) or 2 * absent > asked
            if look.group is None or look.group in silent:
                self.unclear += 1
            elif is_cut or answer.at is None or answer.at - moment(str(look.absent_at)) < APART:
                self.left.append(look)
            else:
                self.gone.append(look.fullname)

    def _is_much(self, absent: int, asked: int) -> bool:
        return absent >= MANY and 100 * absent > self._share * asked


def _number(counts: Counter[int | None], silent: Set[int | None]) -> int:
    return sum(count for group, count in counts.items() if group not in silent)


def is_evidence(looks: Sequence[Look], found: "Mapping[str, Observation]") -> bool:
    """False for an answer that may be incomplete: with none of the others, or with nothing of many."""
    others = [look for look in looks if not look.absent_at]
    if any(look.fullname in found and has_content(found[look.fullname]) for look in others):
        return True
    return len(others) == len(looks) < MANY


def has_content(one: "Observation") -> bool:
    """Whether it is more than an id. All of Reddit's payloads have `CONTENT`; the author may be `[deleted]`."""
    data = one.child.get("data") if isinstance(one.child, dict) else None
    wanted = CONTENT.get(kind_of(one.child) or "")
    return isinstance(data, dict) and wanted is not None and wanted <= data.keys()
