"""Register one transformation's rows in the catalog, so that Athena sees them."""

from typing import TYPE_CHECKING

from reddit_etl.lake import successors
from reddit_etl.lake.layout import selection_of
from reddit_etl.lake.receipts import Published, Transformed
from reddit_etl.steps.attempt import Attempt

if TYPE_CHECKING:
    from reddit_etl.catalog.glue import Catalog


def publish(attempt: Attempt, catalog: "Catalog", transformed: Transformed) -> Published:
    """Call it after the transformation's receipt is written, so that readers never see part of its rows.

    Raises CatalogError.
    """
    catalog.prepare(entity=attempt.entity, lake=attempt.lake)
    location = catalog.publish(
        entity=attempt.entity,
        lake=attempt.lake,
        hour=attempt.hour,
        selection=selection_of(transformed.extracts),
        objects=successors.transformed(attempt.lake, transformed).objects,
    )
    return Published(**attempt.header(), location=location)
