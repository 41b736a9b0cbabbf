"""Which posts are due for another look, asked of the warehouse."""

from reddit_etl.warehouse.tables import SCHEMA


def due_posts(placeholder: str) -> str:
    """Posts with comments that were created in a window, with the moment; `placeholder` marks a bound value.

    Bound are, in this order: the source, the begin and the end of the window, what was due when it was last asked (a
    moment of creation), and the begin and the end of the hours that have been loaded since.
    """
    return f"""\
SELECT post_id, created_at
FROM {SCHEMA}.posts
WHERE source = {placeholder} AND num_comments > 0
  AND created_at > {placeholder} AND created_at <= {placeholder}
  AND (created_at > {placeholder} OR (first_observed_at >= {placeholder} AND first_observed_at < {placeholder}))
ORDER BY created_at, post_id"""
