"""Curated objects that are gone or damaged, made again from the raw ones.

What a receipt lists is never overwritten. A successor receipt, created once for the attempt that was lost, says which
attempt stands in its place.
"""

import logging
from dataclasses import fields

from jobs import resources
from jobs.receipts import ReceiptTarget
from jobs.transform import TransformPosts
from reddit_etl.lake.layout import receipt_key
from reddit_etl.lake.receipts import Successor, Transformed

log = logging.getLogger(__name__)


def successor(task: TransformPosts, lost: Transformed, attempt: str, reason: str) -> Transformed:
    """What stands for the lost objects; made under the name of `attempt`, unless another run has done so before.

    Raises what the transformation raises, for one if the raw objects are gone too.
    """
    name = f"{task.name}-{lost.attempt}"
    target = ReceiptTarget(receipt_key("successor", task.entity.name, task.hour, name), Successor)
    if not target.exists():
        log.warning("curated objects are made again from raw", extra=task.log_fields() | {"reason": reason})
        made = task.work(attempt)
        values = {field.name: getattr(made, field.name) for field in fields(Transformed)}
        target.commit(Successor(**values, replaces=lost.attempt, reason=reason))
    found = target.read()
    if catalog := resources.catalog():
        catalog.publish(
            entity=task.entity, lake=resources.lake(), hour=task.hour, selection=task.name, objects=found.objects
        )
    return found
