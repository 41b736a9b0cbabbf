"""Which posts are due for another look, asked of the warehouse."""

from reddit_etl.warehouse.tables import SCHEMA

DUE_POSTS = f"""\
SELECT post_id, created_at
FROM {SCHEMA}.posts
WHERE source = ? AND num_comments > 0
  AND created_at > ? AND created_at <= ?
  AND (created_at > ? OR (first_observed_at >= ? AND first_observed_at < ?))
ORDER BY created_at, post_id"""
"""Posts with comments that were created in a window, with the moment.

Bound are, in this order: the source, the begin and the end of the window, what was due when it was last asked (a moment
of creation), and the begin and the end of the hours that have been loaded since.
"""
