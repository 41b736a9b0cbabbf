"""The invented posts: every kind that Reddit has, with scores that move and comments that arrive from hour to hour.

A post is a pure function of its subreddit, its number and the hour at which it is looked at.
"""

import random
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple
from zlib import crc32

from reddit_etl.sandbox.arrivals import Arrivals, scramble
from reddit_etl.sandbox.shapes import KINDS, SHAPES
from reddit_etl.sandbox.texts import DELETED, EDIT, FLAIRS, PARAGRAPH, REMARKS, REMOVED, SUBJECTS, VERBS

EPOCH = int(datetime(2020, 1, 1, tzinfo=UTC).timestamp())
LONG_EVERY = 400  # One text in so many posts is longer than a warehouse's column: a whole listing has two or three.
BASE36 = "0123456789abcdefghijklmnopqrstuvwxyz"
SEED_BITS = 32
DAY = 24 * 3600
HUGE = "huge_example"


class Draft(NamedTuple):
    """What of a post never changes, and the dice to go on with."""

    kind: str
    author: str
    title: str
    fame: int
    dice: random.Random


@dataclass(frozen=True)
class Subreddit:
    """A subreddit in which a post arrives every `interval` seconds and has at most `most_comments` comments."""

    name: str

    most_comments = 2000
    comment_seconds = 4 * DAY  # A post's comments arrive within this time.

    @property
    def seed(self) -> int:
        """32 bits, a checksum of the name; part of every id."""
        return crc32(self.name.encode())

    @property
    def interval(self) -> int:
        """Seconds from post to post, on average: 240 to 1,199."""
        return 240 + self.seed % 960

    def created(self, number: int) -> int:
        """When the post is created, in seconds since 1970."""
        return EPOCH + number * self.interval + random.Random(self.seed + number).randrange(self.interval)  # noqa: S311

    def newest(self, hour: int) -> int:
        """The number of the newest post created before the hour."""
        number = (hour - EPOCH) // self.interval
        while self.created(number) >= hour:
            number -= 1
        return number

    def post_id(self, number: int) -> str:
        """Its id, without `t3_`."""
        return base36(((number + 1) << SEED_BITS) | self.seed)

    def comment_id(self, number: int, comment: int) -> str:
        """At most 13 digits until the year 2099, as `most_comments` numbers are set aside for each post."""
        return base36(((number + 1) * self.most_comments + comment) << SEED_BITS | self.seed)

    def draft(self, number: int) -> Draft:
        """What of the post is the same in every hour."""
        dice = random.Random(self.seed * 31 + number)  # noqa: S311
        kind = "self" if number % LONG_EVERY == 0 else dice.choice(KINDS)
        author = f"user_{dice.randrange(5000)}"
        title = f"{dice.choice(VERBS).capitalize()} my {dice.choice(SUBJECTS)} {dice.choice(REMARKS)}"
        return Draft(kind, author, title, int(dice.paretovariate(1.1) * 8) % 40000, dice)

    def comment_total(self, luck: float) -> int:
        """How many comments a post has in the end, from a number between 0 and 1: 1 at 0.5, 10 at 0.1, 125 at 0.01."""
        return min(self.most_comments, int(luck**-1.05)) - 1

    def arrivals(self, number: int) -> Arrivals:
        """When its comments arrive."""
        return _arrivals(self, number)

    def post(self, number: int, hour: int) -> dict[str, Any]:
        """What Reddit would show of the post in that hour."""
        draft = self.draft(number)
        arrivals = self.arrivals(number)
        dice, created = draft.dice, arrivals.begin
        age = max(0, hour - created) // 3600
        score = int(draft.fame * age / (age + 6)) + dice.randrange(-3, 4) * (age % 5)
        text = PARAGRAPH * dice.randrange(1, 6)
        if number % LONG_EVERY == 0:
            text += "All of it, " + "ünïcödé " * 9000
        fate = dice.random()
        payload = self._identity(number, draft, created)
        payload |= {
            "score": score,
            "ups": max(0, score),
            "downs": 0,
            "upvote_ratio": round(min(1.0, 0.5 + dice.random() / 2 + age / 5000), 2),
            "num_comments": arrivals.count(hour),
            "num_crossposts": 0,
            "is_self": False,
            "is_video": False,
            "over_18": dice.random() < 0.03,
            "spoiler": dice.random() < 0.03,
            "locked": dice.random() < 0.05 and age > 72,
            "stickied": False,
            "archived": age > 4380,
            "pinned": False,
            "hidden": False,
            "saved": False,
            "link_flair_text": dice.choice(FLAIRS),
            "link_flair_richtext": [],
            "removed_by_category": None,
            "distinguished": None,
            "thumbnail": "default",
            "media": None,
            "gildings": {},
            "all_awardings": [],
            "gallery_data": None,
        }
        payload |= SHAPES[draft.kind](self.name, payload["id"], text, self.post_id(max(0, number - 1)))
        return payload | _fate(payload, fate, age)

    def _identity(self, number: int, draft: Draft, created: int) -> dict[str, Any]:
        """Names, author, text fields and times, as they are for a post without a text."""
        post_id = self.post_id(number)
        permalink = f"/r/{self.name}/comments/{post_id}/{'_'.join(draft.title.lower().split()[:4])}/"
        return {
            "id": post_id,
            "name": f"t3_{post_id}",
            "subreddit": self.name,
            "subreddit_id": f"t5_{base36(self.seed)}",
            "subreddit_name_prefixed": f"r/{self.name}",
            "subreddit_type": "public",
            "subreddit_subscribers": 10_000 + self.seed % 1_000_000,
            "title": draft.title,
            "author": draft.author,
            "author_fullname": f"t2_{draft.author[5:]}",
            "created": float(created),
            "created_utc": float(created),
            "edited": False,
            "selftext": "",
            "selftext_html": None,
            "domain": f"self.{self.name}",
            "url": f"https://www.reddit.com{permalink}",
            "permalink": permalink,
        }


class HugeSubreddit(Subreddit):
    """`huge_example`: one post a day, at midnight, with 50,000 comments within the hour, the last before 01:00."""

    most_comments = 50_000
    comment_seconds = 3500

    @property
    def interval(self) -> int:
        """A day, in seconds."""
        return DAY

    def created(self, number: int) -> int:
        """Midnight, in seconds since 1970."""
        return EPOCH + number * DAY

    def comment_total(self, luck: float) -> int:  # noqa: ARG002
        """50,000, for every post."""
        return self.most_comments


def named(name: str) -> Subreddit:
    """The subreddit of that name, in whatever case it is written."""
    lower = name.lower()
    return HugeSubreddit(lower) if lower == HUGE else Subreddit(lower)


@lru_cache(maxsize=4096)
def _arrivals(subreddit: Subreddit, number: int) -> Arrivals:
    seed = scramble(subreddit.seed << 32 | number)
    total = subreddit.comment_total(((seed & 0xFFFF) + 1) / 65536)
    return Arrivals(seed, subreddit.created(number), total, subreddit.comment_seconds)


def _fate(payload: dict[str, Any], fate: float, age: int) -> dict[str, Any]:
    """What a deletion, of the post or of the account, a removal or an edit changes, hours after the post was made."""
    is_self = payload["is_self"]
    if fate < 0.02 and age >= 3:
        gone = {"author": DELETED, "author_fullname": None, "removed_by_category": "deleted"}
        return gone | ({"selftext": DELETED} if is_self else {})
    if fate < 0.05 and age >= 2:
        return {"removed_by_category": "moderator", "selftext": REMOVED if is_self else ""}
    if fate < 0.15 and is_self and age >= 1:
        return {"edited": payload["created_utc"] + 3600, "selftext": payload["selftext"] + EDIT}
    if 0.15 <= fate < 0.17 and age >= 5:
        return {"author": DELETED, "author_fullname": None}  # The account was deleted, the post stays.
    return {}


def base36(number: int) -> str:
    """The number in Reddit's digits, 0-9 and a-z."""
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = BASE36[digit] + digits
    return digits or "0"
