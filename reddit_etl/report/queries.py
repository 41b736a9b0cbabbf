"""The queries of the report's page: aggregates alone, in the SQL that DuckDB and Redshift share.

No title, author, text or id leaves a query. A `?` is a bound value.
"""

from itertools import pairwise

from reddit_etl.entities import COMMENTS, POSTS
from reddit_etl.entities.forgotten import PROFILE
from reddit_etl.entities.schema import Entity
from reddit_etl.report.state import PROFILES
from reddit_etl.warehouse.tables import SCHEMA

LEAST = 5
"""Posts that a number computed from scores is of."""
BANDS = (0, 1, 2, 3, 6, 12, 24, 48, 72, 168)
"""Ages in hours at which scores are compared: from one of these to the next, exclusive."""
NAMELESS = "no subreddit"
# A profile's name is an author's; all profiles are one.
NAME = (
    f"CASE WHEN {{0}}.subreddit IS NULL THEN '{NAMELESS}' "
    f"WHEN LOWER(SUBSTRING({{0}}.subreddit, 1, {len(PROFILE)})) = '{PROFILE}' THEN '{PROFILES}' "
    f"ELSE {{0}}.subreddit END"
)
CREATED = "{0}.source = ? AND {0}.created_at >= ? AND {0}.created_at < ?"


def per_hour(entity: Entity) -> str:
    """The number created by subreddit and hour. Binds the source and the range."""
    return f"""\
SELECT name, hour, COUNT(*)
FROM (
  SELECT {NAME.format("e")} AS name, DATE_TRUNC('hour', e.created_at) AS hour
  FROM {SCHEMA}.{entity.name} AS e
  WHERE {CREATED.format("e")}
) AS created
GROUP BY name, hour
ORDER BY name, hour"""


def kinds() -> str:
    """The number of posts by subreddit and type. Binds the same."""
    return f"""\
SELECT name, post_type, COUNT(*)
FROM (
  SELECT {NAME.format("p")} AS name, COALESCE(p.post_type, 'unknown') AS post_type
  FROM {SCHEMA}.{POSTS.name} AS p
  WHERE {CREATED.format("p")}
) AS created
GROUP BY name, post_type
ORDER BY name, post_type"""


def trees() -> str:
    """Posts, those with comments, and comments counted and stored, by subreddit.

    Binds the source and the begin of the range for the comments, which are not older than their posts; then the source
    and the range for the posts.
    """
    return f"""\
SELECT name, COUNT(*), SUM(CASE WHEN stored > 0 THEN 1 ELSE 0 END), SUM(num_comments), SUM(stored)
FROM (
  SELECT {NAME.format("p")} AS name, p.num_comments, COALESCE(c.stored, 0) AS stored
  FROM {SCHEMA}.{POSTS.name} AS p
  LEFT JOIN (
    SELECT post_id, COUNT(*) AS stored
    FROM {SCHEMA}.{COMMENTS.name}
    WHERE source = ? AND created_at >= ?
    GROUP BY post_id
  ) AS c ON c.post_id = p.post_id
  WHERE {CREATED.format("p")}
) AS posts
GROUP BY name
ORDER BY name"""


TOMBSTONES = f"SELECT entity, kind, COUNT(*) FROM {SCHEMA}.tombstones GROUP BY entity, kind ORDER BY entity, kind"


def _aged() -> str:
    """The last observation of each post in each band of ages. Binds source and range, and the begin once more."""
    bands = " ".join(f"WHEN age < {end} THEN {begin}" for begin, end in pairwise(BANDS))
    return f"""\
WITH observed AS (
  SELECT p.post_id, {NAME.format("p")} AS name, p.created_at, m.score,
    (EXTRACT(EPOCH FROM m.observed_at) - EXTRACT(EPOCH FROM p.created_at)) / 3600.0 AS age
  FROM {SCHEMA}.{POSTS.metrics_table} AS m
  JOIN {SCHEMA}.{POSTS.name} AS p ON p.post_id = m.post_id
  WHERE {CREATED.format("p")} AND m.observed_at >= ? AND m.score IS NOT NULL
),
banded AS (
  SELECT post_id, name, created_at, score, age, CASE {bands} END AS band
  FROM observed
  WHERE age >= 0 AND age < {BANDS[-1]}
),
numbered AS (
  SELECT post_id, name, created_at, score, age, band,
    ROW_NUMBER() OVER (PARTITION BY post_id, band ORDER BY age DESC) AS place
  FROM banded
),
aged AS (SELECT post_id, name, created_at, score, age, band FROM numbered WHERE place = 1)"""


def ages() -> str:
    """How many posts of each subreddit were observed in each band of ages. Binds the same."""
    return f"{_aged()}\nSELECT band, COUNT(*) FROM aged GROUP BY name, band ORDER BY band"


def rises(share: int) -> str:
    """The median score by age of the part of each subreddit that had the most at an equal age, and of the rest.

    Binds the same, and the band in which they are compared.
    """
    return f"""\
{_aged()},
ranked AS (
  SELECT post_id, NTILE({share}) OVER (PARTITION BY name ORDER BY score DESC, post_id) AS part
  FROM aged
  WHERE band = ?
)
SELECT name, is_fastest, band, COUNT(*), AVG(CAST(age AS DOUBLE PRECISION)),
  PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY score)
FROM (
  SELECT aged.name, CASE WHEN ranked.part = 1 THEN 1 ELSE 0 END AS is_fastest, aged.band, aged.age, aged.score
  FROM aged
  JOIN ranked ON ranked.post_id = aged.post_id
) AS developed
GROUP BY name, is_fastest, band
HAVING COUNT(*) >= {LEAST}
ORDER BY name, is_fastest, band"""


def best() -> str:
    """By subreddit and hour of the day, the sum of the places among the subreddit's posts at an equal age, each 0 to 1.

    A place is the share of the posts with a lower score and half of those with the same, so the average of all posts
    is 0.5. docs/ask-your-data.md has the same query for ages of 24 to 48 hours. Binds the same as `rises`.
    """
    return f"""\
{_aged()},
placed AS (
  SELECT name, EXTRACT(HOUR FROM created_at) AS hour_of_day,
    CUME_DIST() OVER (PARTITION BY name ORDER BY score)
      - CAST(COUNT(*) OVER (PARTITION BY name, score) AS DOUBLE PRECISION)
        / COUNT(*) OVER (PARTITION BY name) / 2 AS place
  FROM aged
  WHERE band = ?
)
SELECT name, hour_of_day, COUNT(*), SUM(CAST(place AS DOUBLE PRECISION))
FROM placed
GROUP BY name, hour_of_day
ORDER BY name, hour_of_day"""
