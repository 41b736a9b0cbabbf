"""Partitions whose rows are merged: one takes over what others had."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

from reddit_etl.catalog.tables import Definition
from reddit_etl.errors import CatalogError

# The most partitions in one request.
UPDATED_AT_ONCE = 100
DELETED_AT_ONCE = 25


def take_over(
    client: Any, table: dict[str, str], others: Sequence[list[str]], wanted: Definition, nothing: Definition
) -> None:
    """Let the partition `wanted` have the rows of others, by one request, and remove those.

    Does nothing if there are none of them. `others` are their values, `nothing` describes a folder without objects.
    Glue does not say that the request is atomic. Raises CatalogError, and boto3's errors.
    """
    ending = [values for values in others if _exists(client, table, values)]
    if not ending:
        return
    if not _exists(client, table, wanted["Values"]):
        with suppress(client.exceptions.AlreadyExistsException):
            client.create_partition(**table, PartitionInput=wanted | {"StorageDescriptor": nothing})
    inputs = [wanted, *({"Values": values, "StorageDescriptor": nothing} for values in ending)]
    for batch in _batches(inputs, UPDATED_AT_ONCE):
        entries = [{"PartitionValueList": one["Values"], "PartitionInput": one} for one in batch]
        _check(client.batch_update_partition(**table, Entries=entries), table)
    for named in _batches([{"Values": values} for values in ending], DELETED_AT_ONCE):
        _check(client.batch_delete_partition(**table, PartitionsToDelete=named), table)


def _exists(client: Any, table: dict[str, str], values: list[str]) -> bool:
    try:
        client.get_partition(**table, PartitionValues=values)
    except client.exceptions.EntityNotFoundException:
        return False
    return True


def _check(answer: dict[str, Any], table: dict[str, str]) -> None:
    """The answer to the whole request is 200 even if nothing was done."""
    for error in answer.get("Errors", ()):
        detail = error.get("ErrorDetail", {})
        # Another run was faster.
        if detail.get("ErrorCode") != "EntityNotFoundException":
            place = f"GLUE_DATABASE: {table['DatabaseName']}.{table['TableName']}"
            raise CatalogError(f"{place}: {detail.get('ErrorCode')}: {detail.get('ErrorMessage')}")


def _batches(found: Sequence[Definition], most: int) -> Iterator[Sequence[Definition]]:
    for begin in range(0, len(found), most):
        yield found[begin : begin + most]
