"""What a COPY says: the grammar of it."""

from dataclasses import dataclass, field

from tests.standins.redshift_text import Lexeme, joined, lexemes, syntax_error, words_of
from tests.standins.redshift_wire import Refusal

# Options, of which Parquet goes with STATUPDATE only.
_OPTIONS = words_of("""
    blanksasnull compupdate dateformat emptyasnull gzip maxerror noload region statupdate timeformat truncatecolumns
""")


@dataclass
class Copy:
    """What a COPY says."""

    table: str
    columns: list[str] = field(default_factory=list)
    source: str = ""
    role: str = ""
    format: str = ""
    manifest: bool = False
    options: set[str] = field(default_factory=set)


def is_copy(sql: str) -> bool:
    return next((piece.low for piece in lexemes(sql) if piece.kind != "space"), "") == "copy"


def parsed(sql: str) -> Copy:
    """COPY table [(columns)] FROM 's3://…' authorization [format] [options], in any order after the source."""
    words = [piece for piece in lexemes(sql) if piece.kind != "space"][::-1]
    words.pop()
    copy = Copy(table=_table(words))
    if words and words[-1].text == "(":
        copy.columns = _names(words)
    _take(words, "from")
    copy.source = _string(words)
    if not copy.source.startswith("s3://"):
        raise Refusal("COPY reads from S3 only", state="42601")
    while words:
        _option(copy, words)
    if not copy.role:
        raise Refusal("COPY needs credentials", state="42601")
    if copy.format == "parquet" and copy.options:
        raise Refusal(f"{min(copy.options).upper()} argument is not supported for PARQUET based COPY")
    if copy.format not in ("parquet", "json"):
        raise Refusal("only PARQUET and JSON are known to the stand-in")
    return copy


def _option(copy: Copy, words: list[Lexeme]) -> None:
    match (word := words.pop()).low:
        case "with":
            pass
        case "iam_role":
            copy.role = _string(words)
        case "credentials":
            copy.role = _role(words)
        case "format":
            _skip(words, "as")
        case "parquet":
            copy.format = "parquet"
        case "json":
            copy.format = "json"
            _skip(words, "as")
            if _string(words) != "auto":
                raise Refusal("the stand-in knows JSON 'auto' only")
        case "manifest":
            copy.manifest = True
        case option if option in _OPTIONS:
            _skip(words, "as")
            _skip_value(words)
            copy.options |= {option} - {"statupdate"}
        case _:
            raise syntax_error(word.text)


def _role(words: list[Lexeme]) -> str:
    _skip(words, "as")
    name, _, role = _string(words).partition("=")
    if name != "aws_iam_role":
        raise Refusal("the stand-in knows roles only")
    return role


def _table(words: list[Lexeme]) -> str:
    name = [_pop(words)]
    while words and words[-1].text == ".":
        name += [words.pop(), _pop(words)]
    return joined(name)


def _names(words: list[Lexeme]) -> list[str]:
    words.pop()
    found = []
    while True:
        found.append(_pop(words).text.strip('"').lower())
        if (mark := _pop(words).text) == ")":
            return found
        if mark != ",":
            raise syntax_error(mark)


def _pop(words: list[Lexeme]) -> Lexeme:
    if not words:
        raise Refusal("syntax error at end of input", state="42601")
    return words.pop()


def _take(words: list[Lexeme], word: str) -> None:
    if (piece := _pop(words)).low != word:
        raise syntax_error(piece.text)


def _skip(words: list[Lexeme], word: str) -> None:
    if words and words[-1].low == word:
        words.pop()


def _skip_value(words: list[Lexeme]) -> None:
    if words and (words[-1].kind in ("string", "number") or words[-1].low in ("on", "off", "true", "false")):
        words.pop()


def _string(words: list[Lexeme]) -> str:
    if (piece := _pop(words)).kind != "string" or "\\" in piece.text:
        raise syntax_error(piece.text)
    return piece.text[1:-1].replace("''", "'")
