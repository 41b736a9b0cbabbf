"""Rebuild curated objects that are missing or damaged from the raw ones.

What a receipt lists is never overwritten. A successor receipt, created once per lost attempt, records the attempt that
replaces it.
"""

import logging

from jobs import resources
from jobs.transform import Transform
from reddit_etl.lake import successors
from reddit_etl.lake.receipts import Successor, Transformed
from reddit_etl.steps.attempt import Attempt
from reddit_etl.steps.publish import publish

log = logging.getLogger(__name__)


def successor(task: Transform, lost: Transformed, attempt: Attempt, reason: str) -> Transformed:
    """The receipt of the replacement, which is made by `attempt` unless there is one.

    Raises what the transformation raises, such as for missing raw objects.
    """
    key = lost.objects[0].key
    found = successors.read(attempt.lake, key)
    if not found:
        log.warning("rebuilding curated objects from raw", extra=task.log_fields() | {"reason": reason})
        made = task.work(attempt)
        rebuilt = Successor(
            **attempt.header(), replaces=lost.attempt, objects=made.objects, reason=reason, columns=made.columns
        )
        found = successors.put(attempt.lake, key, rebuilt)
    standing = successors.transformed(attempt.lake, successors.replaced(lost, found))
    if catalog := resources.catalog():
        publish(attempt, catalog, standing)
    return standing
