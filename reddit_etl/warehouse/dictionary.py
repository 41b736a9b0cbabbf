"""The data dictionary, made from the entities: docs/data-dictionary.md."""

from collections.abc import Iterator

from reddit_etl.entities import ENTITIES
from reddit_etl.entities.schema import Column, Origin, Sql
from reddit_etl.warehouse.tables import tables


def dictionary() -> str:
    """Markdown with a table per table of the warehouse."""
    return "\n".join(_lines())


def _lines() -> Iterator[str]:
    yield "# Data dictionary"
    yield ""
    yield "Made by `make docs` from the entities in `reddit_etl/entities/`. All times are UTC."
    every = {table.path: table for entity in ENTITIES.values() for table in tables(entity)}
    for table in every.values():
        yield from ("", f"## {table.path}", "", "| column | type | from | meaning |", "|---|---|---|---|")
        for column in table.columns:
            yield f"| `{column.name}` | {column.type.sql} | {_origin(column)} | {column.doc} |"


def _origin(column: Column) -> str:
    if isinstance(column.origin, Origin):
        return column.origin.value
    return "the transformation" if isinstance(column.origin, Sql) else f"`{column.origin}`"
