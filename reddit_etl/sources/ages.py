"""Ages in hours as they are written in names, plans and receipts: `024h`, and lists such as `024h.168h`."""

from collections.abc import Iterable

AGES = r"\d{3,4}h(?:\.\d{3,4}h)*"
"""A list as a regular expression."""


def age_text(age: int) -> str:
    """`024h` for 24."""
    return f"{age:03d}h"


def ages_text(ages: Iterable[int]) -> str:
    """`024h.168h`: each once, ascending; empty for none."""
    return ".".join(map(age_text, sorted(set(ages))))


def ages_of(text: str) -> tuple[int, ...]:
    """The ages in a text that `ages_text` or `age_text` has written. Raises ValueError."""
    return tuple(int(age.removesuffix("h")) for age in text.split(".")) if text else ()
