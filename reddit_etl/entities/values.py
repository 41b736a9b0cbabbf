"""From the JSON values that Reddit sends to the values of typed columns.

Each function takes one non-null JSON value and gives the column's JSON value, or None where Reddit's value means
"nothing". It raises ValueError for a value that it cannot read. Reddit's types have changed over the years: a time
may be a float, an int or text; a flag may be the text "False"; a number may be text.
"""

import math
import re
from datetime import UTC, datetime

from reddit_etl.clock import iso

INT32 = range(-(2**31), 2**31)
INT64 = range(-(2**63), 2**63)
# Reddit opened in June 2005; nothing on it is older, and no clock of it runs past 2100.
TIMES = range(1104537600, 4102444800)
FLAGS = {True: True, False: False, "True": True, "False": False, "true": True, "false": False}
ID = re.compile(r"(?:t[1-6]_)?([0-9a-z]{1,13})")


def text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("is not text")
    return value


def integer(value: object, allowed: range = INT32) -> int:
    number = double(value)
    try:
        # Beyond 2**53 a float is no longer every whole number.
        exact = int(value) if isinstance(value, int | str) else number
    except ValueError:
        exact = number
    if int(exact) != exact or int(exact) not in allowed:
        raise ValueError("is not a whole number in range")
    return int(exact)


def bigint(value: object) -> int:
    return integer(value, INT64)


def double(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("is not a number")
    try:
        number = float(value)
    except (ValueError, OverflowError):
        raise ValueError("is not a number") from None
    if not math.isfinite(number):
        raise ValueError("is not a finite number")
    return number


def boolean(value: object) -> bool:
    if not isinstance(value, bool | str) or value not in FLAGS:
        raise ValueError("is neither true nor false")
    return FLAGS[value]


def timestamp(value: object) -> str:
    seconds = double(value)
    if int(seconds) not in TIMES:
        raise ValueError("is not a time in Reddit's years")
    return iso(datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None))


def edited(value: object) -> str | None:
    """False: never edited. True: edited in the years when Reddit kept no time of it."""
    return None if isinstance(value, bool | str) and value in FLAGS else timestamp(value)


def author(value: object) -> str | None:
    return None if value == "[deleted]" else text(value)


def identifier(value: object) -> str:
    """A base-36 id, without the `t3_` or the like that names its kind."""
    found = ID.fullmatch(text(value))
    if not found:
        raise ValueError("is not a base-36 id")
    return found[1]


def parent_comment(value: object) -> str | None:
    """The id of a comment; None for that of a post, below which a comment at the top stands."""
    return None if text(value).startswith("t3_") else identifier(value)


def presence(value: object) -> bool:
    """Whether anything is there, whatever it holds."""
    return value not in (False, "", {}, [])
