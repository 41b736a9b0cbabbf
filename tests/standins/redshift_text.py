"""Redshift's SQL, as text, made into PostgreSQL's: strings, quoted names, and what CREATE TABLE says of distribution.

Redshift is PostgreSQL 8.0 here: a backslash in a string escapes, there are no E'' strings, and quoted names fold.
"""

import re
from dataclasses import dataclass, field

from sqlalchemy_redshift.dialect import RESERVED_WORDS

from tests.standins.redshift_wire import Refusal

_LEXEME = re.compile(
    r"""(?P<comment>--[^\n]*|/\*.*?\*/)
      | (?P<name>"(?:[^"]|"")+")
      | (?P<string>(?P<prefix>\b(?:[EBXN]|U&))?'(?:[^'\\]|''|\\.)*')
      | (?P<word>[^\W\d][\w$]*)
      | (?P<number>\d[\w.]*)
      | (?P<space>\s+)
      | (?P<mark>.)""",
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)


@dataclass(frozen=True)
class Lexeme:
    kind: str
    text: str

    @property
    def low(self) -> str:
        """For comparison with a keyword; quoted, it is none."""
        return self.text.lower() if self.kind == "word" else self.text


@dataclass
class Layout:
    """What CREATE TABLE says of distribution, order and encoding."""

    style: str = ""
    distribution: list[str] = field(default_factory=list)
    order: list[str] = field(default_factory=list)


def words_of(text: str) -> frozenset[str]:
    return frozenset(text.split())


def syntax_error(text: str) -> Refusal:
    return Refusal(f'syntax error at or near "{text}"', state="42601")


def lexemes(sql: str) -> list[Lexeme]:
    """The text in pieces, without its comments, such that PostgreSQL understands each."""
    found = []
    for match in _LEXEME.finditer(sql):
        kind, text = str(match.lastgroup), match.group()
        if match["string"]:
            kind = "string"
            if match["prefix"]:
                raise Refusal(f'type "{match["prefix"].lower()}" does not exist', state="42704")
            if "\\" in text:
                text = f" E{text}"
        elif kind == "comment":
            kind, text = "space", " "
        elif kind == "name":
            text = text.lower()
        elif kind == "mark" and text in "'\"$":
            raise syntax_error(text)
        found.append(Lexeme(kind, text))
    while found and (found[-1].kind == "space" or found[-1].text == ";"):
        found.pop()
    return found


def joined(pieces: list[Lexeme]) -> str:
    return "".join(piece.text for piece in pieces)


def unquoted_reserved(pieces: list[Lexeme]) -> set[str]:
    """Words that Redshift keeps to itself, and PostgreSQL does not; after a dot every word will do."""
    before = [Lexeme("mark", ""), *pieces]
    return {piece.low for last, piece in zip(before, pieces, strict=False) if last.text != "."} & RESERVED_WORDS


def without_layout(pieces: list[Lexeme]) -> tuple[list[Lexeme], Layout]:
    """CREATE TABLE without what is Redshift's own: in the column list, and from its end to the query or the end."""
    layout, kept = Layout(), []
    reader = _Words(pieces)
    depth, column, listed = 0, "", False
    while (piece := reader.next()) is not None:
        inside = depth == 1 and not listed
        after = depth == 0 and any(p.text == "(" or p.low == "table" for p in kept)
        if piece.text == "(":
            depth += 1
        elif piece.text == ")":
            depth -= 1
            listed = listed or depth == 0
        if inside and kept and _last(kept) in "(,":
            column = piece.text.strip('"').lower()
        elif inside and piece.low in ("distkey", "sortkey"):
            (layout.distribution if piece.low == "distkey" else layout.order).append(column)
            continue
        elif inside and piece.low == "encode":
            reader.take("word")
            continue
        elif after and piece.low == "as":
            return [*kept, piece, *reader.rest()], layout
        elif after and _last(kept) != "table" and _table_attribute(piece.low, reader, layout):
            continue
        elif _is_most(piece, kept):
            piece = Lexeme("number", "65535")
        kept.append(piece)
    return kept, layout


def _table_attribute(word: str, reader: "_Words", layout: Layout) -> bool:
    match word:
        case "diststyle":
            layout.style = reader.take("word").low
            if layout.style not in ("auto", "even", "key", "all"):
                raise syntax_error(layout.style)
        case "distkey":
            layout.distribution += reader.names()
        case "sortkey" if reader.peek().low == "auto":
            reader.next_solid()
        case "sortkey":
            layout.order += reader.names()
        case "compound" | "interleaved" if reader.peek().low == "sortkey":
            pass
        case "encode" | "backup":
            if reader.take("word").low not in ("auto", "yes", "no"):
                raise syntax_error(word)
        case _:
            return False
    return True


def _is_most(piece: Lexeme, kept: list[Lexeme]) -> bool:
    """The MAX of VARCHAR(MAX)."""
    before = [one.low for one in kept if one.kind != "space"][-2:]
    return piece.low == "max" and before[1:] == ["("] and before[0] in ("varchar", "varying", "nvarchar")


def _last(kept: list[Lexeme]) -> str:
    return next((piece.low for piece in reversed(kept) if piece.kind != "space"), "")


class _Words:
    """Reads pieces one after the other."""

    def __init__(self, pieces: list[Lexeme]) -> None:
        self._pieces, self._at = pieces, 0

    def next(self) -> Lexeme | None:
        if self._at == len(self._pieces):
            return None
        self._at += 1
        return self._pieces[self._at - 1]

    def next_solid(self) -> Lexeme:
        while (piece := self.next()) is not None:
            if piece.kind != "space":
                return piece
        raise Refusal("syntax error at end of input", state="42601")

    def peek(self) -> Lexeme:
        at = self._at
        try:
            return self.next_solid()
        finally:
            self._at = at

    def take(self, kind: str) -> Lexeme:
        piece = self.next_solid()
        if piece.kind != kind:
            raise syntax_error(piece.text)
        return piece

    def names(self) -> list[str]:
        """A list in parentheses."""
        if (opening := self.next_solid()).text != "(":
            raise syntax_error(opening.text)
        found = []
        while True:
            found.append(self.next_solid().text.strip('"').lower())
            mark = self.next_solid().text
            if mark == ")":
                return found
            if mark != ",":
                raise syntax_error(mark)

    def rest(self) -> list[Lexeme]:
        return self._pieces[self._at :]
