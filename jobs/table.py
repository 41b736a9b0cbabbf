"""Rows as aligned text, for a terminal."""

import unicodedata
from collections.abc import Iterator, Sequence

WIDEST = 60
"""Columns of the terminal that a value may take."""
JOINER = "\u200d"
"""Joins two emoji into one, as wide as the first."""
EMOJI = "\ufe0f"
"""After a character that can be shown as text or as an emoji, for the emoji, which is wide."""
SKINS = range(0x1F3FB, 0x1F400)
"""Colour the emoji before them."""


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Rows as aligned text, one line per row; a value that is too wide is cut, and what is not printable is escaped."""
    lines = [[_cell(value) for value in row] for row in (columns, *rows)]
    widths = [max(width(line[n]) for line in lines) for n in range(len(columns))]
    lines.insert(1, ["-" * wide for wide in widths])
    return "\n".join(
        "  ".join(text + " " * (wide - width(text)) for text, wide in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def width(text: str) -> int:
    """How many columns of a terminal a text takes."""
    return len(text) if text.isascii() else sum(wide for _, wide in _measured(text))


def fitting(text: str, columns: int) -> str:
    """As much of the beginning of a text as fits in columns of a terminal."""
    taken, left = "", columns
    for part, wide in _measured(text):
        left -= wide
        if left < 0:
            break
        taken += part
    return taken


def _cell(value: object) -> str:
    text = "NULL" if value is None else " ".join(str(value).split())
    if not text.isprintable():
        # Among them are the sequences by which a text could control the terminal, and those that change its direction.
        text = "".join(c if c.isprintable() or c == JOINER else c.encode("unicode_escape").decode() for c in text)
    return text if width(text) <= WIDEST else f"{fitting(text, WIDEST - 1)}…"


def _measured(text: str) -> Iterator[tuple[str, int]]:
    """The characters, each with the columns that it adds to those before it.

    The library wcwidth does the same for more scripts, and takes 6 MB of the image.
    """
    before, wide = "", 0
    for character in text:
        if JOINER in (before, character) or unicodedata.category(character) in ("Mn", "Me"):
            wide = 1 if character == EMOJI and wide == 1 else 0
        elif ord(character) in SKINS and before:
            wide = 0
        else:
            wide = 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1
        yield character, wide
        before = character
