"""Register one transformation's rows in the catalog, so that Athena sees them."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from reddit_etl.lake import successors
from reddit_etl.lake.inventory import Place
from reddit_etl.lake.layout import selection_of
from reddit_etl.lake.receipts import Published, Transformed
from reddit_etl.steps.attempt import Attempt

if TYPE_CHECKING:
    from reddit_etl.catalog.glue import Catalog


def publish(
    attempt: Attempt,
    catalog: "Catalog",
    transformed: Transformed,
    *,
    instead_of: Sequence[tuple[datetime, str]] = (),
) -> Published:
    """Call it after the transformation's receipt is written, so that readers never see part of its rows.

    Objects that were merged with those of other hours have one partition, in place of those of the hours and selections
    `instead_of`. Raises CatalogError.
    """
    catalog.prepare(entity=attempt.entity, lake=attempt.lake)
    standing = successors.transformed(attempt.lake, transformed)
    objects = standing.objects
    own = attempt.hour, selection_of(transformed.extracts)
    place = Place.parse(objects[0].key) if objects else None
    at = (place.hour, str(place.selection)) if place else own
    location = catalog.publish(
        entity=attempt.entity,
        lake=attempt.lake,
        hour=at[0],
        selection=at[1],
        objects=objects,
        instead_of=[one for one in dict.fromkeys((own, *instead_of)) if one != at],
    )
    later = successors.transformed(attempt.lake, standing)
    if later.attempt != standing.attempt:
        # Another run has replaced them meanwhile, and its entry may be the older one.
        return publish(attempt, catalog, later, instead_of=[*instead_of, at])
    return Published(**attempt.header(), location=location)
