from pathlib import Path

from reddit_etl.entities import ENTITIES
from reddit_etl.warehouse.dictionary import dictionary
from reddit_etl.warehouse.tables import tables

DOCUMENT = Path(__file__).parents[1] / "docs" / "data-dictionary.md"


def test_the_document_is_what_the_entities_say():
    assert DOCUMENT.read_text() == dictionary() + "\n", "run `make docs`"


def test_every_column_of_every_table_is_in_it_with_its_type_and_sentence():
    lines = dictionary().splitlines()
    for entity in ENTITIES.values():
        for table in tables(entity):
            assert f"## {table.path}" in lines
            for column in table.columns:
                assert [line for line in lines if line.startswith(f"| `{column.name}` | {column.type.sql} | ")]
                assert [line for line in lines if line.endswith(f" | {column.doc} |")]


def test_every_line_of_a_table_has_its_four_cells():
    rows = [line for line in dictionary().splitlines() if line.startswith("|")]
    assert rows
    assert {line.count("|") for line in rows} == {5}
