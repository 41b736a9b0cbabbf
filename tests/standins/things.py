"""A small entity, whose SQL fits on a screen."""

from reddit_etl.entities.schema import BOOLEAN, INTEGER, TIMESTAMP, Column, Entity, Origin, Sql, varchar

THINGS = Entity(
    name="things",
    kind="t9",
    key="thing_id",
    sort="observed_at",
    columns=(
        Column("thing_id", varchar(8), "id", "Its id.", required=True),
        Column("colour", varchar(6), "color", "Its colour; NULL if it hasn't any."),
        Column("is_warm", BOOLEAN, Sql("tint = 'red'"), "Whether it is warm."),
        Column("score", INTEGER, "score", "Its score.", metric=True),
        Column("tint", varchar(8), "tint", "What it looks like.", curated=False),
        Column("text_truncated", BOOLEAN, Origin.OBSERVATION, "Whether a text was cut."),
        Column("first_observed_at", TIMESTAMP, Origin.WAREHOUSE, "When it was first seen."),
        Column("observed_at", TIMESTAMP, Origin.OBSERVATION, "When it was like this.", required=True),
        Column("listing", varchar(64), Origin.OBSERVATION, "Where it was read.", curated=False),
        Column("place", INTEGER, Origin.OBSERVATION, "Its place there.", curated=False),
    ),
)
