"""Convert the JSON values that Reddit sends to the values of typed columns.

Each function takes a JSON value other than null and returns the column's JSON value, or None if Reddit's value stands
for a missing one. It raises ValueError for an invalid value. Reddit's types have changed over the years: a time may be
a float, an int or text; a flag may be the text "False"; a number may be text.
"""

import math
import re
from datetime import UTC, datetime
from functools import lru_cache

from reddit_etl.clock import iso

INT32 = range(-(2**31), 2**31)
INT64 = range(-(2**63), 2**63)
# 2005 to 2099: Reddit opened in June 2005.
TIMES = range(1104537600, 4102444800)
FLAGS = {True: True, False: False, "True": True, "False": False, "true": True, "false": False}
ID = re.compile(r"(?:t[1-6]_)?([0-9a-z]{1,13})")


def text(value: object) -> str:
    """Any string."""
    if not isinstance(value, str):
        raise ValueError("is not text")
    return value


def integer(value: object, allowed: range = INT32) -> int:
    """A whole number, also as a float or as text."""
    if type(value) is int and value in allowed:
        return value
    number = double(value)
    try:
        # Above 2**53 a float cannot represent every whole number.
        exact = int(value) if isinstance(value, int | str) else number
    except ValueError:
        exact = number
    if int(exact) != exact or int(exact) not in allowed:
        raise ValueError("is not a whole number in range")
    return int(exact)


def bigint(value: object) -> int:
    """A whole number of 64 bits."""
    return integer(value, INT64)


def double(value: object) -> float:
    """A finite number, also as text."""
    if type(value) is float and math.isfinite(value):
        return value
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
    """A flag, also as text."""
    if not isinstance(value, bool | str) or value not in FLAGS:
        raise ValueError("is neither true nor false")
    return FLAGS[value]


def timestamp(value: object) -> str:
    """A Unix time in seconds, as the lake stores times."""
    seconds = double(value)
    whole = int(seconds)
    if whole not in TIMES:
        raise ValueError("is not a time in Reddit's years")
    if whole == seconds:
        # The format of `iso`, in a third of its time.
        hours, rest = divmod(whole, 3600)
        minutes, rest = divmod(rest, 60)
        return f"{_hour(hours)}:{minutes:02}:{rest:02}.000000Z"
    return iso(datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None))


@lru_cache
def _hour(hours: int) -> str:
    """So many hours after the beginning of 1970, like `2026-11-23T04`."""
    return datetime.fromtimestamp(hours * 3600, UTC).strftime("%Y-%m-%dT%H")


def edited(value: object) -> str | None:
    """The time of an edit. None for False, never edited, and True, edited before Reddit recorded the time."""
    return None if isinstance(value, bool | str) and value in FLAGS else timestamp(value)


def author(value: object) -> str | None:
    """A name; None for a deleted account."""
    return None if value == "[deleted]" else text(value)


def identifier(value: object) -> str:
    """A base-36 id, without its prefix such as `t3_`."""
    found = ID.fullmatch(text(value))
    if not found:
        raise ValueError("is not a base-36 id")
    return found[1]


def parent_comment(value: object) -> str | None:
    """The id of a comment; None for the id of a post, the parent of a comment at the top level."""
    return None if text(value).startswith("t3_") else identifier(value)


def presence(value: object) -> bool:
    """Whether there is a value that is not empty."""
    return value not in (False, "", {}, [])


PLAIN: dict[object, type] = {text: str, boolean: bool}
"""The functions above that return JSON values of a type unchanged."""
