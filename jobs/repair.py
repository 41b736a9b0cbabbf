"""Rebuild curated objects that are missing or damaged from the raw ones.

What a receipt lists is never overwritten. A successor receipt, created once per lost attempt, records the attempt that
replaces it.
"""

import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from jobs import resources
from jobs.transform import Transform
from reddit_etl.errors import LakeError
from reddit_etl.lake import successors
from reddit_etl.lake.base import Lake
from reddit_etl.lake.inventory import Place
from reddit_etl.lake.layout import curated_prefix, hour_text, listing_key, source_selection
from reddit_etl.lake.receipts import Compacted, DataObject, Successor, Transformed
from reddit_etl.steps.attempt import Attempt, new_name
from reddit_etl.steps.publish import publish
from reddit_etl.transform.base import Parts

log = logging.getLogger(__name__)


def successor(task: Transform, lost: Transformed, attempt: Attempt, reason: str) -> Transformed:
    """The receipt of the replacement, which is made by `attempt` unless there is one.

    Raises what the transformation raises, such as for missing raw objects.
    """
    key = lost.objects[0].key
    found = successors.read(attempt.lake, key)
    if not found:
        log.warning("rebuilding curated objects from raw", extra=task.log_fields() | {"reason": reason})
        place = Place.parse(key)
        if place and place.selection != source_selection(str(place.selection)):
            at = replace(attempt, hour=place.hour)
            objects = _merged_again(task, place, at)
        else:
            at, objects = attempt, task.work(attempt).objects
        # As the transformation has them today.
        columns = {column.name: column.type.sql for column in attempt.entity.curated}
        rebuilt = Successor(**at.header(), replaces=lost.attempt, objects=objects, reason=reason, columns=columns)
        found = successors.put(attempt.lake, key, rebuilt)
    standing = successors.transformed(attempt.lake, successors.replaced(lost, found))
    if catalog := resources.catalog():
        publish(attempt, catalog, standing)
    return standing


def _merged_again(task: Transform, place: Place, attempt: Attempt) -> tuple[DataObject, ...]:
    """What the objects of several hours become that were merged at a place; those made for it are left over."""
    lake = attempt.lake
    objects: list[DataObject] = []
    for hour in sorted(set(_hours(lake, place))):
        other = replace(attempt, hour=hour, name=new_name(attempt.clock))
        objects += Transform(hour=hour, extracts=task.extracts).work(other).objects
    if not objects:
        return ()
    to = curated_prefix(place.entity, place.hour, str(place.selection), attempt.name)
    prefix = f"curated/_merge/{hour_text(place.hour)}/{attempt.name}/"
    parts = Parts(attempt.entity, tuple(objects), to)
    [merged] = resources.transform().merge(lake=lake, all_parts=[parts], prefix=prefix)
    return merged.objects


def _hours(lake: Lake, place: Place) -> Iterator[datetime]:
    """The hours whose objects were merged at a place, some of them several times."""
    selection = str(place.selection)
    if selection == source_selection(selection):
        yield place.hour
        return
    key = listing_key(place.entity, place.hour, selection)
    content = lake.read(key)
    if content is None:
        raise LakeError(f"{lake.url}/{key} is missing: restore it")
    for source in filter(None, map(Place.parse, Compacted.from_json(content, key=key).replaces)):
        yield from _hours(lake, source)
