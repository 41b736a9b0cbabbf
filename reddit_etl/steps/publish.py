"""The catalog's entry for one transformation's rows: what makes them visible to Athena."""

from typing import TYPE_CHECKING

from reddit_etl.lake.layout import selection_of
from reddit_etl.lake.receipts import Published, Transformed
from reddit_etl.steps.attempt import Attempt

if TYPE_CHECKING:
    from reddit_etl.catalog.glue import Catalog


def publish(attempt: Attempt, catalog: "Catalog", transformed: Transformed) -> Published:
    """To be done after the transformation's receipt, so that readers never see half of its rows.

    Raises CatalogError.
    """
    catalog.prepare(entity=attempt.entity, lake=attempt.lake)
    location = catalog.publish(
        entity=attempt.entity,
        lake=attempt.lake,
        hour=attempt.hour,
        selection=selection_of(transformed.extracts),
        objects=transformed.objects,
    )
    return Published(**attempt.header(), location=location)
