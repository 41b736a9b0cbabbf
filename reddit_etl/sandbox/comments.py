"""The invented comments: nested, edited, hidden, deleted, removed, with scores that move.

A comment is a pure function of its subreddit, its post, its number and the hour at which it is looked at.
"""

from functools import lru_cache
from html import escape
from typing import Any

from reddit_etl.sandbox.arrivals import scramble
from reddit_etl.sandbox.posts import Subreddit
from reddit_etl.sandbox.shapes import COMMENT_FIELDS
from reddit_etl.sandbox.texts import (
    COMMENT_LIMIT,
    DELETED,
    EDIT,
    LONG_COMMENTS,
    PARAGRAPH,
    REMARKS,
    REMOVED,
    SUBJECTS,
    VERBS,
)

LONG_SHARE = 10  # Of 4096 comments, those at Reddit's limit of characters.
AUTHOR_FIELDS = ("author_fullname", "author_flair_richtext", "author_flair_type", "author_patreon_flair")


class Thread:
    """The comments of one post in one hour, by their numbers from 0 to `count - 1`."""

    def __init__(self, subreddit: Subreddit, number: int, hour: int) -> None:
        """`number` is the post's, `hour` is in seconds since 1970."""
        self.subreddit, self.number, self.hour = subreddit, number, hour
        self.post = subreddit.post(number, hour)
        self.arrivals = subreddit.arrivals(number)
        self.count: int = self.post["num_comments"]
        # The author of the post comments on it too, also where the post itself was deleted.
        self.asker = subreddit.draft(number).author

    def comment_id(self, comment: int) -> str:
        """Its id, without `t1_`."""
        return self.subreddit.comment_id(self.number, comment)

    def parent_name(self, comment: int) -> str:
        """The fullname of what the comment replies to."""
        parent = self.arrivals.parent(comment)
        return self.post["name"] if parent < 0 else f"t1_{self.comment_id(parent)}"

    def shows(self, comment: int) -> bool:
        """Whether it has been created and has not vanished."""
        return 0 <= comment < self.count and not self.arrivals.gone(comment, self.hour)

    def _age(self, comment: int) -> int:
        """Whole hours."""
        return (self.hour - self.arrivals.created(comment)) // 3600

    def payload(self, comment: int) -> dict[str, Any]:
        """What Reddit would show of the comment, with the fields that every endpoint sends."""
        dice = scramble(self.arrivals.dice(comment))
        created, age = self.arrivals.created(comment), self._age(comment)
        comment_id, author, body = self.comment_id(comment), self._author(dice), _body(dice)
        score = _score(dice, age)
        pinned = comment == 0 and dice & 7 == 0
        payload = COMMENT_FIELDS | {
            "archived": self.post["archived"],
            "author": author,
            "author_fullname": f"t2_{author.removeprefix('user_')}",
            "body": body,
            "collapsed": score < -5,
            "collapsed_reason": "comment score below threshold" if score < -5 else None,
            "collapsed_reason_code": "LOW_SCORE" if score < -5 else None,
            "controversiality": int(dice >> 60 == 0),
            "created": float(created),
            "created_utc": float(created),
            "distinguished": None,
            "edited": False,
            "id": comment_id,
            "is_submitter": author == self.asker,
            "link_id": self.post["name"],
            "locked": self.post["locked"],
            "name": f"t1_{comment_id}",
            "parent_id": self.parent_name(comment),
            "permalink": f"{self.post['permalink']}{comment_id}/",
            "removal_reason": None,
            "replies": "",
            "score": score,
            "score_hidden": age < 1,
            "stickied": False,
            "subreddit": self.subreddit.name,
            "subreddit_id": self.post["subreddit_id"],
            "subreddit_name_prefixed": self.post["subreddit_name_prefixed"],
            "ups": score,
        }
        payload |= PINNED if pinned else _fate(payload, dice, age)
        if payload["author"] == DELETED:
            payload = {name: value for name, value in payload.items() if name not in AUTHOR_FIELDS}
        payload["body_html"] = f'<div class="md"><p>{escape(payload["body"], quote=False)}</p>\n</div>'
        return payload

    def _author(self, dice: int) -> str:
        return self.asker if dice >> 28 & 15 == 0 else f"user_{(dice >> 32 & 0xFFFF) % 5000}"

    def listed(self, comment: int) -> dict[str, Any]:
        """Its payload with what a subreddit's listing adds about the post."""
        post = self.post
        return self.payload(comment) | {
            "link_author": post["author"],
            "link_permalink": f"https://www.reddit.com{post['permalink']}",
            "link_title": post["title"],
            "link_url": post["url"],
            "num_comments": post["num_comments"],
            "over_18": post["over_18"],
            "quarantine": False,
        }


# A moderators' bot is the first under some posts.
PINNED = {
    "author": "AutoModerator",
    "author_fullname": "t2_automoderator",
    "body": "Please read the rules before you comment. I am a bot & this was done automatically.",
    "distinguished": "moderator",
    "is_submitter": False,
    "locked": True,
    "stickied": True,
}


def _body(dice: int) -> str:
    kind = dice & 0xFFF
    if kind < LONG_SHARE:
        return LONG_COMMENTS[kind % len(LONG_COMMENTS)]
    verb, subject = VERBS[dice >> 12 & 7], SUBJECTS[(dice >> 15 & 15) % len(SUBJECTS)]
    remark = REMARKS[(dice >> 19 & 31) % len(REMARKS)]
    return f"{PARAGRAPH if kind < 0x400 else ''}I {verb} my {subject} too, {remark}"


def _score(dice: int, age: int) -> int:
    """1 in the first hour, while Reddit hides it; then towards a few points, thousands or below zero."""
    if age < 1:
        return 1
    luck = ((dice >> 40 & 0xFFF) + 1) / 4096
    fame = int(1.5 / luck) + ((dice >> 36) % 7 - 3) * (age % 3)
    return 1 + (-fame if dice >> 52 & 15 == 0 else fame) * age // (age + 6)


def _fate(payload: dict[str, Any], dice: int, age: int) -> dict[str, Any]:
    """What a deletion, a removal or an edit changes, hours after the comment was made."""
    fate = scramble(dice) & 0x3FF
    if fate < 25 and age >= 3:
        gone = {"collapsed": True, "collapsed_reason": None, "collapsed_reason_code": "DELETED", "is_submitter": False}
        return gone | {"author": DELETED, "body": DELETED}
    if fate < 45 and age >= 2:
        who = {"author": DELETED, "is_submitter": False} if fate % 2 else {}
        return who | {"body": REMOVED, "removal_reason": "legal" if fate == 44 else None}
    if fate < 65 and age >= 5:
        return {"author": DELETED, "is_submitter": False}  # The account was deleted, the text stays.
    if fate < 70:
        return {"distinguished": "moderator"}
    if fate < 120 and age >= 1:
        return {"edited": payload["created_utc"] + 600, "body": payload["body"][: COMMENT_LIMIT - len(EDIT)] + EDIT}
    return {}


@lru_cache(maxsize=64)
def thread(subreddit: Subreddit, number: int, hour: int) -> Thread:
    """The thread, kept for a while: one answer asks for many comments of few posts."""
    return Thread(subreddit, number, hour)
