"""The report as one HTML page: without scripts and without anything that a browser would fetch."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from reddit_etl.report.text import SANDBOX

NONE = "\N{EN DASH}"
"""A cell without a value."""
TIME = "%Y-%m-%d %H:%M"
NARROW = 3
"""Columns that fit on a phone. A wider table scrolls sideways where it does not fit."""
LONG = 40
"""Rows beyond which a table is shown only when the reader opens it."""


def printable(text: object) -> object:
    """With another character for each that cannot be seen, or that changes the order of what follows."""
    if not isinstance(text, str) or isinstance(text, Markup):
        return text
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


@dataclass(frozen=True)
class Table:
    """Rows of texts and numbers. The first column names the row; a column without any value is left out."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    texts: int = 1
    """So many of the first columns are texts, the others are numbers."""
    is_folded: bool = False
    """Whether it is shown only when the reader opens it."""

    def cells(self, row: Sequence[str]) -> list[str]:
        """Those of the columns that are shown, of a row or of the columns' names."""
        return [cell for n, cell in enumerate(row) if any(one[n] != NONE for one in self.rows)]

    @property
    def is_long(self) -> bool:
        """Whether it would fill a screen."""
        return len(self.rows) > LONG

    @property
    def is_wide(self) -> bool:
        """Whether a phone may be too narrow for it."""
        return len(self.cells(self.columns)) > NARROW


@dataclass(frozen=True)
class Part:
    """A section of the page."""

    name: str
    """Unique in the page, for links."""
    title: str
    text: str
    plots: Sequence[str] = ()
    """SVG elements; empty ones are left out."""
    tables: Sequence[Table] = ()
    """Those without rows are left out."""


@dataclass(frozen=True)
class Fact:
    """A number at the top of the page."""

    name: str
    value: str
    note: str
    is_bad: bool = False


@dataclass(frozen=True)
class Page:
    """The content of the page. All texts are escaped as they are written."""

    first: datetime
    last: datetime
    made_at: datetime
    source: str
    stores: dict[str, str]
    facts: Sequence[Fact]
    notices: Sequence[str]
    """What a reader should know before all else."""
    state: list[Part]
    collection: list[Part] = field(default_factory=list)

    def html(self) -> str:
        """The whole file."""
        environment = Environment(
            loader=PackageLoader("reddit_etl.report", ""),
            autoescape=True,
            finalize=printable,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        source = SANDBOX if self.source == "sandbox" else "Reddit"
        return environment.get_template("page.html.jinja").render(page=self, source=source, time=TIME)
