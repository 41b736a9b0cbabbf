"""The tables' and the load's SQL for a small entity.

tests/test_warehouse_redshift.py has a whole load; tests/test_warehouse.py runs it on both warehouses.
"""

from reddit_etl.entities import POSTS
from reddit_etl.entities.schema import INTEGER, Column
from reddit_etl.warehouse import tables, upsert
from tests.standins.payloads import THINGS

WHOLE = """\
CREATE TABLE reddit.things (
  thing_id VARCHAR(8),
  colour VARCHAR(6),
  is_warm BOOLEAN,
  score INTEGER,
  text_truncated BOOLEAN,
  first_observed_at TIMESTAMP,
  observed_at TIMESTAMP
);
COMMENT ON COLUMN reddit.things.thing_id IS 'Its id.';
COMMENT ON COLUMN reddit.things.colour IS 'Its colour; NULL if it hasn''t any.';
COMMENT ON COLUMN reddit.things.is_warm IS 'Whether it is warm.';
COMMENT ON COLUMN reddit.things.score IS 'Its score.';
COMMENT ON COLUMN reddit.things.text_truncated IS 'Whether a text was cut.';
COMMENT ON COLUMN reddit.things.first_observed_at IS 'When it was first seen.';
COMMENT ON COLUMN reddit.things.observed_at IS 'When it was like this.';
CREATE TABLE reddit.thing_metrics (
  thing_id VARCHAR(8),
  score INTEGER,
  observed_at TIMESTAMP
);
COMMENT ON COLUMN reddit.thing_metrics.thing_id IS 'Its id.';
COMMENT ON COLUMN reddit.thing_metrics.score IS 'Its score.';
COMMENT ON COLUMN reddit.thing_metrics.observed_at IS 'When it was like this.';
CREATE TABLE reddit.load_audit (
  load_id VARCHAR(256),
  entity VARCHAR(64),
  hour VARCHAR(16),
  rows_staged BIGINT,
  rows_inserted BIGINT,
  rows_updated BIGINT,
  rows_stale BIGINT,
  rows_forgotten BIGINT,
  loaded_at TIMESTAMP
);
COMMENT ON COLUMN reddit.load_audit.load_id IS 'The transformation that was loaded.';
COMMENT ON COLUMN reddit.load_audit.entity IS 'What was loaded: posts or comments.';
COMMENT ON COLUMN reddit.load_audit.hour IS 'The run''s UTC hour.';
COMMENT ON COLUMN reddit.load_audit.rows_staged IS 'Rows that arrived.';
COMMENT ON COLUMN reddit.load_audit.rows_inserted IS 'Rows that were new.';
COMMENT ON COLUMN reddit.load_audit.rows_updated IS 'Rows that replaced an older state.';
COMMENT ON COLUMN reddit.load_audit.rows_stale IS 'Rows that were not newer; their observations are kept.';
COMMENT ON COLUMN reddit.load_audit.rows_forgotten IS 'Rows that were left out, as tombstones name them.';
COMMENT ON COLUMN reddit.load_audit.loaded_at IS 'When the load was committed.';
CREATE TABLE reddit.tombstones (
  entity VARCHAR(64),
  id VARCHAR(16),
  kind VARCHAR(16),
  moment TIMESTAMP,
  object VARCHAR(256)
);
COMMENT ON COLUMN reddit.tombstones.entity IS 'What it names: posts or comments.';
COMMENT ON COLUMN reddit.tombstones.id IS 'The id of what is forgotten.';
COMMENT ON COLUMN reddit.tombstones.kind IS 'Why: deleted, removed, gone, request; or account, which takes the \
author''s name alone.';
COMMENT ON COLUMN reddit.tombstones.moment IS 'What was observed up to then is forgotten. \
If it is named again for the same reason, the last moment.';
COMMENT ON COLUMN reddit.tombstones.object IS 'The object of the lake that it was copied from.';
CREATE TABLE reddit.forget_audit (
  object VARCHAR(256),
  tombstones BIGINT,
  rows_removed BIGINT,
  rows_cleared BIGINT,
  taken_at TIMESTAMP,
  erased_at TIMESTAMP
);
COMMENT ON COLUMN reddit.forget_audit.object IS 'The object of the lake whose tombstones were copied.';
COMMENT ON COLUMN reddit.forget_audit.tombstones IS 'How many it has.';
COMMENT ON COLUMN reddit.forget_audit.rows_removed IS 'Rows that were removed with this object and those of the same \
`taken_at`.';
COMMENT ON COLUMN reddit.forget_audit.rows_cleared IS 'Rows from which a name or a URL was removed, counted in the \
same way.';
COMMENT ON COLUMN reddit.forget_audit.taken_at IS 'When they were removed from the tables.';
COMMENT ON COLUMN reddit.forget_audit.erased_at IS 'When no byte of them was left in the tables'' storage.'"""


def test_redshift_is_told_where_the_rows_lie():
    first, *_ = tables.create(tables.tables(THINGS)[0], storage=True)
    assert first.endswith("\n)\nDISTSTYLE KEY DISTKEY (thing_id) SORTKEY (observed_at)")
    assert [table.storage for table in tables.tables(POSTS)] == [
        "DISTSTYLE KEY DISTKEY (post_id) SORTKEY (created_at)",
        "DISTSTYLE KEY DISTKEY (post_id) SORTKEY (observed_at)",
        "DISTSTYLE ALL SORTKEY (loaded_at)",
        "DISTSTYLE ALL SORTKEY (entity, id)",
        "DISTSTYLE ALL SORTKEY (taken_at)",
    ]


def test_the_tables_are_made_with_a_comment_on_every_column():
    statements = [text for table in tables.tables(THINGS) for text in tables.create(table, storage=False)]
    assert ";\n".join(statements) == WHOLE


def test_a_gained_column_is_added_alone():
    things, *_ = tables.tables(THINGS)
    assert tables.add_column(things, Column("weight", INTEGER, "weight", "Reddit's guess.")) == [
        "ALTER TABLE reddit.things ADD COLUMN weight INTEGER",
        "COMMENT ON COLUMN reddit.things.weight IS 'Reddit''s guess.'",
    ]


def test_times_outside_reddit_s_years_are_counted():
    assert "observed_at < '2005-01-01' OR observed_at >= '2028-01-01'" in upsert.examine(THINGS, 2027)
    # The year 10000 is not a literal that every warehouse reads.
    assert "observed_at >= '9999-01-01'" in upsert.examine(THINGS, 10000)


def test_of_copies_one_row_is_kept():
    assert (
        upsert.single(THINGS)
        == """\
CREATE TEMPORARY TABLE singled AS
SELECT thing_id, colour, is_warm, score, text_truncated, observed_at
FROM (
  SELECT thing_id, colour, is_warm, score, text_truncated, observed_at,
    ROW_NUMBER() OVER (PARTITION BY thing_id, observed_at ORDER BY thing_id, score, observed_at) AS copy_number
  FROM staged
) AS ranked
WHERE copy_number = 1"""
    )


def test_columns_of_others_are_kept_beside_a_newer_state():
    others = ["mine", 'odd "name" %']
    assert upsert.arrive(THINGS, "staged", others).startswith(
        """\
CREATE TEMPORARY TABLE arrived AS
SELECT seen.thing_id, seen.newest, seen.earliest,
  stored.observed_at AS stored_newest, stored.first_observed_at AS stored_earliest, stored."mine" AS other_0, \
stored."odd ""name"" %" AS other_1
"""
    )
    new, newer = upsert.insert(THINGS, "singled", others)
    assert '"' not in new
    assert new.endswith("WHERE arrived.stored_newest IS NULL")
    assert (
        newer
        == """\
INSERT INTO reddit.things (thing_id, colour, is_warm, score, text_truncated, observed_at, first_observed_at, "mine", \
"odd ""name"" %")
SELECT seen.thing_id, seen.colour, seen.is_warm, seen.score, seen.text_truncated, seen.observed_at,
  CASE WHEN arrived.stored_earliest < arrived.earliest THEN arrived.stored_earliest ELSE arrived.earliest END, \
arrived.other_0, arrived.other_1
FROM singled AS seen
JOIN arrived ON arrived.thing_id = seen.thing_id AND arrived.newest = seen.observed_at
WHERE arrived.stored_newest < arrived.newest"""
    )


def test_the_columns_of_others_are_found():
    found = [("things", "score"), ("things", "mine"), ("thing_metrics", "other"), ("things", "first_observed_at")]
    assert tables.others(THINGS, found) == ["mine"]
