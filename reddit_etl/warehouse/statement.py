"""Statements as text: a query is one, and the places of its bound values."""

import re

from reddit_etl.errors import WarehouseError

NOTHING = "query: there is no statement in it"
SEVERAL = "query: use one statement, not several"

# White space, comments, and what ends a statement.
EMPTY = re.compile(r"(?:\s|;|--[^\n]*|/\*.*?\*/)*", re.DOTALL)
QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
# What makes it hard to tell where a quote ends.
OBSCURE = ("--", "/*", "\\", "$")
# In a statement of the pipeline's own: a quoted name, or the place of a value.
PLACE = re.compile(r"\"[^\"]*\"|\?")


def single(sql: str) -> str:
    """The statement without the semicolon that ends it. Raises WarehouseError for none, or what may be several.

    For a server that runs all statements of a text: a semicolon that could be in a text or between two statements is
    refused.
    """
    if EMPTY.fullmatch(sql):
        raise WarehouseError(NOTHING)
    statement = sql.strip().rstrip(";")
    if ";" in QUOTED.sub("", statement) or (";" in statement and any(mark in statement for mark in OBSCURE)):
        raise WarehouseError(f"{SEVERAL}; in a text write CHR(59) for a semicolon")
    return statement


def with_percent(sql: str) -> str:
    """A statement of the pipeline's own, whose places of bound values are `?`, for drivers that write `%s`."""
    return PLACE.sub(lambda found: "%s" if found[0] == "?" else found[0].replace("%", "%%"), sql)
