"""The load's SQL as a whole text for a small entity; tests/test_warehouse.py runs it."""

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
  loaded_at TIMESTAMP
);
COMMENT ON COLUMN reddit.load_audit.load_id IS 'The transformation that was loaded.';
COMMENT ON COLUMN reddit.load_audit.entity IS 'What was loaded: posts or comments.';
COMMENT ON COLUMN reddit.load_audit.hour IS 'The run''s UTC hour.';
COMMENT ON COLUMN reddit.load_audit.rows_staged IS 'Rows that arrived.';
COMMENT ON COLUMN reddit.load_audit.rows_inserted IS 'Rows that were new.';
COMMENT ON COLUMN reddit.load_audit.rows_updated IS 'Rows that replaced an older state.';
COMMENT ON COLUMN reddit.load_audit.rows_stale IS 'Rows that were not newer; their observations are kept.';
COMMENT ON COLUMN reddit.load_audit.loaded_at IS 'When the load was committed.'"""


def test_redshift_is_told_where_the_rows_lie():
    first, *_ = tables.create(tables.tables(THINGS)[0], storage=True)
    assert first.endswith("\n)\nDISTSTYLE KEY DISTKEY (thing_id) SORTKEY (observed_at)")
    assert [table.storage for table in tables.tables(POSTS)] == [
        "DISTSTYLE KEY DISTKEY (post_id) SORTKEY (created_at)",
        "DISTSTYLE KEY DISTKEY (post_id) SORTKEY (observed_at)",
        "DISTSTYLE ALL SORTKEY (loaded_at)",
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


def test_the_newest_staged_row_per_key_is_kept():
    assert ";\n".join(upsert.deduplicate(THINGS)) == (
        """\
CREATE TEMPORARY TABLE singled AS
SELECT thing_id, colour, is_warm, score, text_truncated, observed_at
FROM (
  SELECT thing_id, colour, is_warm, score, text_truncated, observed_at, \
ROW_NUMBER() OVER (PARTITION BY thing_id ORDER BY observed_at DESC) AS age
  FROM staged
) AS ranked
WHERE age = 1;
DELETE FROM staged;
INSERT INTO staged (thing_id, colour, is_warm, score, text_truncated, observed_at) \
SELECT thing_id, colour, is_warm, score, text_truncated, observed_at FROM singled;
DROP TABLE singled"""
    )


def test_doubles_and_null_keys_are_counted():
    assert upsert.count_doubles(THINGS) == ("SELECT COUNT(*) - COUNT(DISTINCT thing_id) FROM staged")
    assert upsert.null_keys(THINGS) == "SELECT COUNT(*) FROM staged WHERE thing_id IS NULL OR observed_at IS NULL"


def test_times_outside_reddit_s_years_are_counted():
    assert upsert.misdated(2027) == (
        "SELECT COUNT(*) FROM staged WHERE observed_at < '2005-01-01' OR observed_at >= '2028-01-01'"
    )
    # The year 10000 is not a literal that every warehouse reads.
    assert upsert.misdated(10000).endswith("observed_at >= '9999-01-01'")


def test_new_observations_are_kept():
    assert (
        upsert.observe(THINGS)
        == """\
INSERT INTO reddit.thing_metrics (thing_id, score, observed_at)
SELECT seen.thing_id, seen.score, seen.observed_at
FROM (
  SELECT thing_id, score, observed_at, \
ROW_NUMBER() OVER (PARTITION BY thing_id, observed_at ORDER BY thing_id, score, observed_at) AS copy_number
  FROM staged
) AS seen
LEFT JOIN reddit.thing_metrics AS known ON known.thing_id = seen.thing_id AND known.observed_at = seen.observed_at
WHERE seen.copy_number = 1 AND known.thing_id IS NULL"""
    )


def test_a_late_observation_may_be_the_first():
    assert ";\n".join([upsert.earliest(THINGS), *upsert.backdate(THINGS)]) == (
        """\
CREATE TEMPORARY TABLE earliest AS
SELECT thing_id, MIN(observed_at) AS observed_at
FROM staged
GROUP BY thing_id;
UPDATE reddit.things SET first_observed_at = earliest.observed_at
FROM earliest
WHERE reddit.things.thing_id = earliest.thing_id AND earliest.observed_at < reddit.things.first_observed_at;
DROP TABLE earliest"""
    )


def test_what_is_not_newer_leaves_the_staging_table():
    assert (
        upsert.drop_stale(THINGS)
        == """\
DELETE FROM staged
USING reddit.things
WHERE reddit.things.thing_id = staged.thing_id AND reddit.things.observed_at >= staged.observed_at"""
    )


def test_what_will_be_updated_is_counted():
    assert upsert.count_known(THINGS) == (
        "SELECT COUNT(*) FROM staged JOIN reddit.things ON reddit.things.thing_id = staged.thing_id"
    )


def test_the_merge_is_within_redshift_s_grammar():
    """MERGE INTO target USING table ON equality, then both clauses, without a condition of their own."""
    assert (
        upsert.merge(THINGS)
        == """\
MERGE INTO reddit.things
USING staged ON reddit.things.thing_id = staged.thing_id
WHEN MATCHED THEN UPDATE SET
  colour = staged.colour,
  is_warm = staged.is_warm,
  score = staged.score,
  text_truncated = staged.text_truncated,
  observed_at = staged.observed_at
WHEN NOT MATCHED THEN INSERT \
(thing_id, colour, is_warm, score, text_truncated, observed_at, first_observed_at)
VALUES (staged.thing_id, staged.colour, staged.is_warm, staged.score, staged.text_truncated, staged.observed_at, \
staged.observed_at)"""
    )


def test_the_audit_binds_its_values():
    assert upsert.audit("%s") == (
        "INSERT INTO reddit.load_audit "
        "(load_id, entity, hour, rows_staged, rows_inserted, rows_updated, rows_stale, loaded_at) "
        "VALUES (%s, %s, %s, %s, %s, %s, %s, %s)"
    )
    assert upsert.find_audit("?") == (
        "SELECT rows_staged, rows_inserted, rows_updated, rows_stale FROM reddit.load_audit WHERE load_id = ?"
    )
