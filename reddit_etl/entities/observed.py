"""What all entities have: when and from where it was observed, whether a text was cut, and Reddit's own removal."""

from reddit_etl.entities.schema import BOOLEAN, INTEGER, TIMESTAMP, Column, Origin, varchar

OBSERVED = (
    Column("text_truncated", BOOLEAN, Origin.OBSERVATION, "Whether a text was longer than its column, and cut."),
    Column("first_observed_at", TIMESTAMP, Origin.WAREHOUSE, "When the pipeline first observed it."),
    Column("observed_at", TIMESTAMP, Origin.OBSERVATION, "When the page with this state was fetched.", required=True),
    Column("source", varchar(16), Origin.OBSERVATION, "`reddit`, or `sandbox` for invented data."),
    Column("listing", varchar(64), Origin.OBSERVATION, "The extract that read it.", curated=False),
    Column("place", INTEGER, Origin.OBSERVATION, "Its position in that extract, from 1.", curated=False),
)

REMOVED_BY_REDDIT = ("[ removed by reddit", "]")
"""How a text begins and ends that Reddit itself has put in place of another, while the author may still be shown.

As in `[ Removed by Reddit ]` (DenverCoder1/unedit-for-reddit#82), `[ Removed by reddit in response to a copyright
notice. ]` and `[ Removed by Reddit on account of violating the [content policy](/help/contentpolicy). ]`.
"""
