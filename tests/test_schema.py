import pytest

from reddit_etl.entities import ENTITIES, POSTS, values
from reddit_etl.entities.schema import INTEGER, Column, Origin, varchar
from tests.standins.payloads import THINGS


def names(columns):
    return [column.name for column in columns]


def test_each_reader_of_an_entity_gets_its_columns_in_the_declared_order():
    assert names(THINGS.payload) == ["thing_id", "colour", "score", "tint"]
    assert names(THINGS.record) == [
        "thing_id",
        "colour",
        "score",
        "tint",
        "text_truncated",
        "observed_at",
        "listing",
        "place",
    ]
    assert names(THINGS.curated) == ["thing_id", "colour", "is_warm", "score", "text_truncated", "observed_at"]
    assert names(THINGS.table) == [
        "thing_id",
        "colour",
        "is_warm",
        "score",
        "text_truncated",
        "first_observed_at",
        "observed_at",
    ]
    assert names(THINGS.metrics) == ["thing_id", "score", "observed_at"]
    assert THINGS.metrics_table == "thing_metrics"


@pytest.mark.parametrize("entity", ENTITIES.values(), ids=ENTITIES.keys())
def test_an_entity_holds_together(entity):
    by_name = {column.name: column for column in entity.columns}
    assert len(by_name) == len(entity.columns), "a name is declared twice"
    assert by_name[entity.key].required
    assert by_name["observed_at"].required
    for name in ("listing", "place"):
        assert by_name[name].origin is Origin.OBSERVATION, "the transformation breaks ties by it"
    assert all(column.doc.endswith(".") and "|" not in column.doc for column in entity.columns)
    assert all(name == name.lower() and name.isidentifier() for name in by_name)


def test_text_is_as_wide_as_redshift_can_hold_at_most():
    widths = [column.type.max_bytes for column in POSTS.columns if column.type.max_bytes]
    assert max(widths) == 65535


def test_a_column_is_read_by_its_type_unless_it_says_how():
    assert Column("n", INTEGER, "n", "A number.").read is values.integer
    assert Column("n", varchar(9), "n", "An id.", cast=values.identifier).read is values.identifier


def test_no_sentence_about_a_column_needs_quoting_beyond_its_quotes():
    """A backslash means something in Redshift's literals, and nothing in DuckDB's."""
    assert [column.name for entity in ENTITIES.values() for column in entity.columns if "\\" in column.doc] == []
