"""The invented posts: every kind that Reddit has, scores that move and posts that arrive from hour to hour.

A post is a pure function of its subreddit, its number and the hour at which it is looked at.
"""

import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from zlib import crc32

from reddit_etl.clock import Clock, hour_of
from reddit_etl.sandbox.server import Listing, Refusal

EPOCH = int(datetime(2020, 1, 1, tzinfo=UTC).timestamp())
CAP = 1000
LONG_EVERY = 400  # One text in so many posts is longer than a warehouse's column: a whole listing has two or three.
BASE36 = "0123456789abcdefghijklmnopqrstuvwxyz"
FULLNAME = re.compile(r"t3_([0-9a-z]{1,13})")

REFUSED = {
    "private_example": Refusal(403, reason="private"),
    "banned_example": Refusal(404, reason="banned"),
    "unknown_example": Refusal(302, location="/subreddits/search.json?q=unknown_example"),
}

KINDS = ("self", "self", "self", "link", "link", "image", "image", "gallery", "video", "poll", "crosspost")
SUBJECTS = ("pipeline", "cat", "query planner", "backup", "bicycle", "sourdough", "compiler", "telescope", "chess bot")
VERBS = ("fixed", "lost", "built", "broke", "measured", "rewrote", "understood", "rescued")
REMARKS = (
    "at last",
    "and nobody noticed 🎉👩🏽‍💻",
    'so I said "never again"',
    "עם טקסט מימין לשמאל",
    "with C:\\temp\\ in it \\",
    "مرحبا بالعالم",
    "in\ttwo columns",
    "— naïve façade, 日本語",
    "& <b>not</b> HTML",
    "ok? 1 < 2",
)
PARAGRAPH = "I have thought about this.\n\n* first, it works\r\n* second, it is small\n\n> they said it cannot be\n\n"
FLAIRS = (None, None, "Discussion", "Help", "Show & Tell 🛠")


@dataclass(frozen=True)
class Subreddit:
    """A place where a post arrives every `interval` seconds."""

    name: str

    @property
    def seed(self) -> int:
        return crc32(self.name.encode())

    @property
    def interval(self) -> int:
        return 240 + self.seed % 960

    def created(self, number: int) -> int:
        return EPOCH + number * self.interval + random.Random(self.seed + number).randrange(self.interval)  # noqa: S311

    def newest(self, hour: int) -> int:
        """The number of the newest post created before the hour."""
        number = (hour - EPOCH) // self.interval
        while self.created(number) >= hour:
            number -= 1
        return number

    def post_id(self, number: int) -> str:
        return _base36(((number + 1) << 32) | self.seed)

    def post(self, number: int, hour: int) -> dict[str, Any]:
        """What Reddit would show of the post in that hour."""
        dice = random.Random(self.seed * 31 + number)  # noqa: S311
        post_id = self.post_id(number)
        created = self.created(number)
        age = max(0, hour - created) // 3600
        long = number % LONG_EVERY == 0
        kind = "self" if long else dice.choice(KINDS)
        author = f"user_{dice.randrange(5000)}"
        title = f"{dice.choice(VERBS).capitalize()} my {dice.choice(SUBJECTS)} {dice.choice(REMARKS)}"
        fame = int(dice.paretovariate(1.1) * 8) % 40000
        score = int(fame * age / (age + 6)) + dice.randrange(-3, 4) * (age % 5)
        text = PARAGRAPH * dice.randrange(1, 6) + (("All of it, " + "ünïcödé " * 9000) if long else "")
        fate = dice.random()
        permalink = f"/r/{self.name}/comments/{post_id}/{'_'.join(title.lower().split()[:4])}/"
        payload: dict[str, Any] = {
            "id": post_id,
            "name": f"t3_{post_id}",
            "subreddit": self.name,
            "subreddit_id": f"t5_{_base36(self.seed)}",
            "subreddit_name_prefixed": f"r/{self.name}",
            "subreddit_type": "public",
            "subreddit_subscribers": 10_000 + self.seed % 1_000_000,
            "title": title,
            "author": author,
            "author_fullname": f"t2_{author[5:]}",
            "created": float(created),
            "created_utc": float(created),
            "edited": False,
            "selftext": "",
            "selftext_html": None,
            "domain": f"self.{self.name}",
            "url": f"https://www.reddit.com{permalink}",
            "permalink": permalink,
            "score": score,
            "ups": max(0, score),
            "downs": 0,
            "upvote_ratio": round(min(1.0, 0.5 + dice.random() / 2 + age / 5000), 2),
            "num_comments": int(fame * age / (age + 12) / 7),
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
        payload |= SHAPES[kind](self, post_id, text, number)
        if fate < 0.02 and age >= 3:
            payload |= {"author": "[deleted]", "author_fullname": None, "removed_by_category": "deleted"}
            payload |= {"selftext": "[deleted]"} if payload["is_self"] else {}
        elif fate < 0.05 and age >= 2:
            payload |= {"removed_by_category": "moderator", "selftext": "[removed]" if payload["is_self"] else ""}
        elif fate < 0.15 and payload["is_self"] and age >= 1:
            payload |= {"edited": float(created + 3600), "selftext": payload["selftext"] + "\n\nEdit: typo."}
        return payload


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = BASE36[digit] + digits
    return digits or "0"


def _page(url: str, domain: str, **more: object) -> dict[str, object]:
    return {"url": url, "domain": domain, **more}


Shape = Callable[[Subreddit, str, str, int], dict[str, Any]]

SHAPES: dict[str, Shape] = {
    "self": lambda _, __, text, ___: {"is_self": True, "selftext": text},
    "link": lambda _, post_id, __, ___: _page(
        f"https://blog.example.com/{post_id}?q=ä", "blog.example.com", post_hint="link"
    ),
    "image": lambda _, post_id, __, ___: _page(f"https://i.redd.it/{post_id}.jpg", "i.redd.it", post_hint="image"),
    "gallery": lambda _, post_id, __, ___: _page(
        f"https://www.reddit.com/gallery/{post_id}",
        "reddit.com",
        is_gallery=True,
        gallery_data={"items": [{"media_id": f"{post_id}{n}", "id": n} for n in range(3)]},
        media_metadata={f"{post_id}{n}": {"status": "valid", "e": "Image", "m": "image/jpg"} for n in range(3)},
    ),
    "video": lambda _, post_id, __, ___: _page(
        f"https://v.redd.it/{post_id}",
        "v.redd.it",
        is_video=True,
        post_hint="hosted:video",
        media={"reddit_video": {"duration": 30, "fallback_url": f"https://v.redd.it/{post_id}/DASH_720.mp4"}},
    ),
    "poll": lambda _, __, text, ___: {
        "is_self": True,
        "selftext": text,
        "poll_data": {"options": [{"id": "1", "text": "tabs"}, {"id": "2", "text": "spaces"}], "total_vote_count": 42},
    },
    "crosspost": lambda place, _, __, number: _page(
        f"/r/{place.name}/comments/{place.post_id(max(0, number - 1))}/",
        f"self.{place.name}",
        crosspost_parent=f"t3_{place.post_id(max(0, number - 1))}",
        crosspost_parent_list=[{"id": place.post_id(max(0, number - 1))}],
    ),
}

ORDERS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "hot": lambda post: post["score"] + post["created_utc"] / 3600,
    "top": lambda post: post["score"],
    "rising": lambda post: post["score"] / (1 + post["num_comments"]),
    "controversial": lambda post: -post["upvote_ratio"],
}


class InventedReddit:
    """The content of the sandbox at the hour that its clock shows."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def _hour(self) -> int:
        return int(hour_of(self._clock()).replace(tzinfo=UTC).timestamp())

    def listing(self, subreddit: str, listing: str) -> Listing | Refusal:
        name = subreddit.lower()
        if name in REFUSED:
            return REFUSED[name]
        return _ordered(Subreddit(name), listing, self._hour())

    def info(self, fullnames: list[str]) -> Iterator[dict[str, Any]]:
        """Posts by their `t3_` names, those that are not found left out.

        Found are posts of subreddits of which this process has served a listing before: the 13 digits of an id have
        room for a checksum of the subreddit's name, which may be 21 letters long, and not for the name.
        """
        hour = self._hour()
        for match in filter(None, map(FULLNAME.fullmatch, fullnames)):
            packed = int(match[1], 36)
            place, number = _KNOWN.get(packed & 0xFFFFFFFF), (packed >> 32) - 1
            if place and 0 <= number <= place.newest(hour):
                yield place.post(number, hour)


# By checksum, the subreddits that were listed.
_KNOWN: dict[int, Subreddit] = {}


@lru_cache(maxsize=4)
def _ordered(place: Subreddit, listing: str, hour: int) -> Listing:
    _KNOWN[place.seed] = place
    newest = place.newest(hour)
    numbers = range(newest, max(-1, newest - CAP), -1)
    if listing == "new":
        return Listing([place.post_id(number) for number in numbers], lambda n: place.post(numbers[n], hour))
    posts = sorted((place.post(number, hour) for number in numbers), key=ORDERS[listing], reverse=True)
    return Listing([post["id"] for post in posts], posts.__getitem__)
