"""Curated objects that are gone or damaged, made again from the raw ones.

What a receipt lists is never overwritten. A successor receipt, created once for the attempt that was lost, says which
attempt stands in its place.
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
    """What stands for the lost objects; made under the name of `attempt`, unless another run has done so before.

    Raises what the transformation raises, for one if the raw objects are gone too.
    """
    name = f"{task.receipt_name}-{lost.attempt}"
    target = ReceiptTarget(task.hour, receipt_key("successor", task.entity.name, task.hour, name), Successor)
    if not target.exists():
        log.warning("curated objects are made again from raw", extra=task.log_fields() | {"reason": reason})
        made = task.work(attempt)
        values = {field.name: getattr(made, field.name) for field in fields(Transformed)}
        target.commit(Successor(**values, replaces=lost.attempt, reason=reason))
    found = target.read()
    if catalog := resources.catalog():
        publish(attempt, catalog, found)
    return found
