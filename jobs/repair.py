"""Rebuild curated objects that are missing or damaged from the raw ones.

What a receipt lists is never overwritten. A successor receipt, created once per lost attempt, records the attempt that
replaces it.
"""

import logging
from dataclasses import fields

from jobs import resources
from jobs.task import ReceiptTarget
from jobs.transform import Transform
from reddit_etl.lake.layout import receipt_key
from reddit_etl.lake.receipts import Successor, Transformed
from reddit_etl.steps.attempt import Attempt
from reddit_etl.steps.publish import publish

log = logging.getLogger(__name__)


def successor(task: Transform, lost: Transformed, attempt: Attempt, reason: str) -> Transformed:
    """The receipt of the replacement, which is made by `attempt` unless another run has made one before.

    Raises what the transformation raises, such as for missing raw objects.
    """
    name = f"{task.receipt_name}-{lost.attempt}"
    target = ReceiptTarget(task.hour, receipt_key("successor", task.entity.name, task.hour, name), Successor)
    if not target.exists():
        log.warning("rebuilding curated objects from raw", extra=task.log_fields() | {"reason": reason})
        made = task.work(attempt)
        values = {field.name: getattr(made, field.name) for field in fields(Transformed)}
        target.commit(Successor(**values, replaces=lost.attempt, reason=reason))
    found = target.read()
    if catalog := resources.catalog():
        publish(attempt, catalog, found)
    return found
