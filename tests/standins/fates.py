"""What happens to the marked posts and comments of a Reddit over time, and what no store may hold at the end."""

import random
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from reddit_etl.entities import COMMENTS, POSTS
from reddit_etl.entities.schema import Entity
from reddit_etl.sandbox.answers import Listing, Refusal
from tests.standins.marked import MarkedReddit, mark

LIVE, DELETED, REMOVED, VANISHED, ACCOUNT = "live", "deleted", "removed", "vanished", "account"
BLANKED = (DELETED, REMOVED)
GONE = (*BLANKED, VANISHED)
SHOWN = {POSTS: 14, COMMENTS: 18}
"""How many of the newest a listing shows; older ones can be asked for by their ids alone."""
FIRST = {POSTS: 12, COMMENTS: 14}
BORN = {POSTS: 2, COMMENTS: 3}
CHANGES, RETURNS = 0.07, 0.15
MALFORMED = 0.03


@dataclass
class Fate:
    """One post or comment. Its state is that of the last tick of `states` that is not later."""

    entity: Entity
    id: str
    born: int
    post: str = ""
    """Of a comment, its post; of a crosspost, the original."""
    profile: str = ""
    """The post in whose author's profile it is."""
    is_listed: bool = True
    """Whether listings show it once it is deleted or removed."""
    states: dict[int, str] = field(default_factory=dict)
    malformed: set[int] = field(default_factory=set)
    """The ticks at which its payload lacks what every record needs."""

    def state(self, tick: int) -> str:
        return self.states[max(one for one in self.states if one <= tick)]

    @property
    def key(self) -> tuple[str, str]:
        return self.entity.name, self.id


class Served(MarkedReddit):
    """Whose listings show the newest alone."""

    shown: dict[str, list[str]]

    def listing(self, subreddit: str, listing: str) -> Listing | Refusal:  # noqa: ARG002
        entity, things = (COMMENTS, self.comments) if listing == "comments" else (POSTS, self.posts)
        ids = self.shown[entity.name]
        return Listing(ids, lambda index: things[ids[index]], entity.kind)


class World:
    """The posts and comments at each of some ticks. From the tick `settled` on nothing happens."""

    def __init__(self, dice: random.Random, times: list[datetime], settled: int) -> None:
        self.times = times
        self.fates: list[Fate] = []
        self._dice = dice
        self._at = {time: tick for tick, time in enumerate(times)}
        for tick in range(settled):
            for fate in self.fates:
                self._change(fate, tick)
            for entity in (POSTS, COMMENTS):
                for _ in range((BORN if tick else FIRST)[entity]):
                    self.fates.append(self._new(entity, tick))

    def tick(self, time: datetime) -> int:
        return self._at[time]

    def latest(self, time: datetime) -> int:
        """The last tick that is not later; -1 if all are."""
        return max((tick for tick, one in enumerate(self.times) if one <= time), default=-1)

    def is_read(self, entity: Entity, id_: str, tick: int) -> bool:
        """Whether Reddit returns it, and a record can be made of it."""
        [fate] = [fate for fate in self.fates if fate.key == (entity.name, id_)]
        return fate.state(tick) != VANISHED and tick not in fate.malformed

    def _new(self, entity: Entity, tick: int) -> Fate:
        posts = [fate for fate in self.fates if fate.entity is POSTS]
        fate = Fate(entity, f"1{len(self.fates):05x}", tick, is_listed=self._dice.random() < 0.5)
        fate.states[tick] = LIVE
        if entity is COMMENTS:
            post = self._dice.choice(posts)
            fate.post, fate.profile = post.id, post.profile
        elif posts and self._dice.random() < 0.15:
            fate.post = self._dice.choice([post for post in posts if not post.post] or posts).id
        elif self._dice.random() < 0.1:
            fate.profile = fate.id
        return fate

    def _change(self, fate: Fate, tick: int) -> None:
        """What cannot be noticed does not happen: of a profile, or of what was rejected alone, nothing vanishes."""
        state, dice = fate.state(tick), self._dice
        if state == LIVE and dice.random() < CHANGES:
            which = [DELETED, REMOVED, ACCOUNT]
            fate.states[tick] = dice.choice(which if fate.profile or fate.malformed else [*which, VANISHED])
        elif state in GONE and dice.random() < RETURNS:
            fate.states[tick] = LIVE
        elif state == LIVE and dice.random() < MALFORMED:
            fate.malformed.add(tick)
            fate.is_listed = True

    def content(self, tick: int) -> Served:
        """What Reddit serves at a tick."""
        made = Served()
        made.shown = {entity.name: [fate.id for fate in self.listed(entity, tick)] for entity in (POSTS, COMMENTS)}
        for fate in self._there(tick):
            self._serve(made, fate, tick)
        return made

    def listed(self, entity: Entity, tick: int) -> list[Fate]:
        """What its listing shows, newest first."""
        there = [fate for fate in self._there(tick) if fate.entity is entity]
        return [one for one in there[::-1] if one.is_listed or one.state(tick) not in BLANKED][: SHOWN[entity]]

    def _there(self, tick: int) -> list[Fate]:
        return [fate for fate in self.fates if fate.born <= tick and fate.state(tick) != VANISHED]

    def _serve(self, made: Served, fate: Fate, tick: int) -> None:
        state = fate.state(tick)
        created = (self.times[fate.born] - timedelta(minutes=5)).replace(tzinfo=UTC).timestamp()
        fields: dict[str, Any] = {"score": tick, "created_utc": None if tick in fate.malformed else created}
        if fate.profile:
            fields["subreddit"] = profile(fate.profile)
        if state in (DELETED, ACCOUNT):
            fields["author"] = "[deleted]"
        if state in BLANKED:
            fields |= {"selftext" if fate.entity is POSTS else "body": f"[{state}]"}
        if fate.entity is COMMENTS:
            made.add_comment(fate.id, fate.post, **fields)
            return
        if state in BLANKED:
            fields["removed_by_category"] = {DELETED: "deleted", REMOVED: "moderator"}[state]
        if fate.post:
            fields |= {"url": f"/r/python/comments/{fate.post}/{mark(POSTS, fate.post)}slug/", "domain": "self.python"}
            fields |= {"crosspost_parent": f"t3_{fate.post}"}
            if original := made.posts.get(fate.post):
                fields["crosspost_parent_list"] = [original]
        made.add_post(fate.id, **fields)

    def forbidden(self, known: Collection[tuple[str, str]]) -> Iterator[str]:
        """The texts of what is gone after the last tick, which no store may hold.

        `known` is what was ever stored as a row: nobody asks for others, of which crossposts and comments show the URL.
        """
        for fate in (fate for fate in self.fates if fate.key in known):
            state = fate.state(len(self.times))
            if state in GONE:
                yield mark(fate.entity, fate.id)
            elif state == ACCOUNT:
                yield f"{mark(fate.entity, fate.id)}author"
                if fate.profile == fate.id:
                    yield profile(fate.id)

    def gone(self) -> list[Fate]:
        return [fate for fate in self.fates if fate.state(len(self.times)) in GONE]


def profile(post_id: str) -> str:
    """The subreddit of the profile of a post's author."""
    return f"u_profile-of-{post_id}-"
