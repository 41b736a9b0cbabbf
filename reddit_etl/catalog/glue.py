"""The Glue Data Catalog's entry of an entity's curated rows: what Athena and other readers of the lake go by.

The table has a partition per transformation, whose location is the folder of the one attempt that its receipt lists.
So a reader sees an attempt whole, or the one before it, and never what another attempt left behind.

A table or view of one of our names that does not bear our mark is somebody's own, and never written. One that bears
the mark of another lake is left to that one: each would take the other's partitions.

Nothing is ever dropped from the table: older partitions may hold a column that the definition has lost. What it
gained comes last, though any place would do: Athena finds Parquet's columns by name, in the table and in partitions.
"""

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random

from reddit_etl import aws
from reddit_etl.catalog.tables import MARK, Definition, latest_view, metrics_view, storage, table_input
from reddit_etl.entities.schema import Entity
from reddit_etl.errors import CatalogError, ConfigurationError
from reddit_etl.lake.base import Lake
from reddit_etl.lake.receipts import DataObject

RIGHTS = ", ".join(
    f"glue:{verb}{thing}"
    for thing, verbs in {
        "Database": "Get Create",
        "Table": "Get Create Update",
        "Partition": "Get Create Update",
    }.items()
    for verb in verbs.split()
)
FIXES = {
    "AccessDeniedException": f"give this role {RIGHTS} on the catalog, the database and its tables",
    "GlueEncryptionException": "let this role use the KMS key that the catalog is encrypted with",
}
# Somebody else was quicker, or is at it: then look again.
RACES = ("AlreadyExistsException", "ConcurrentModificationException")


def _is_race(error: BaseException) -> bool:
    return isinstance(error, ClientError) and aws.code_of(error) in RACES


class Catalog:
    """A database of the Glue Data Catalog, by its name."""

    def __init__(self, database: str = "reddit_lake") -> None:
        if not re.fullmatch(r"[a-z0-9_]{1,255}", database):
            raise ConfigurationError(
                f"GLUE_DATABASE: {database!r}: Athena takes lower-case letters, digits and underscores only"
            )
        self.database = database
        self._place = f"GLUE_DATABASE: {database}"
        self._client = aws.client("glue", setting=self._place)

    def prepare(self, *, entity: Entity, lake: Lake) -> None:
        """Create the database, the table and the views, or bring them up to the definition.

        Raises CatalogError, and ConfigurationError if a name is taken.
        """
        described = {"Name": self.database, "Description": "What a pipeline keeps of Reddit in its lake."}
        url = _s3_url(lake)
        views = latest_view(entity, self.database, url), metrics_view(entity, self.database, url)
        definitions = (table_input(entity, url), *views)
        with aws.failures(self._place, CatalogError, FIXES):
            self._settle(
                read=lambda: self._client.get_database(Name=self.database)["Database"],
                create=lambda: self._client.create_database(DatabaseInput=described),
            )
            # Before the first is written, so that none of them is left beside another's.
            for wanted in definitions:
                with suppress(self._client.exceptions.EntityNotFoundException):
                    self._check_ours(self._stored(wanted), wanted)
            for wanted in definitions:
                self._settle_table(wanted)

    def publish(
        self, *, entity: Entity, lake: Lake, hour: datetime, selection: str, objects: Sequence[DataObject]
    ) -> str | None:
        """Let readers see just these objects as the hour's and the selection's; gives their folder's URL.

        Without objects there is nothing to see, and nothing is done. Raises CatalogError.
        """
        url = _s3_url(lake)
        if not objects:
            return None
        folders = {entry.key.rpartition("/")[0] for entry in objects}
        if len(folders) > 1:
            raise CatalogError(
                f"{self._place}: one partition cannot be in several folders: {', '.join(sorted(folders))}"
            )
        values = [f"{hour:%Y-%m-%d}", f"{hour:%H}", selection]
        location = f"{url}/{folders.pop()}/"
        wanted = {"Values": values, "StorageDescriptor": storage(entity, location)}
        table = {"DatabaseName": self.database, "TableName": entity.name}
        with aws.failures(self._place, CatalogError, FIXES):
            self._settle(
                read=lambda: self._client.get_partition(**table, PartitionValues=values)["Partition"],
                create=lambda: self._client.create_partition(**table, PartitionInput=wanted),
                update=lambda stored: self._update_partition(table, stored, wanted),
            )
        return location

    def _settle(
        self,
        *,
        read: Callable[[], Definition],
        create: Callable[[], object],
        update: Callable[[Definition], object] = lambda _: None,
    ) -> None:
        """Create what is not there, else update it; look again if another run came between."""

        def once() -> None:
            try:
                stored = read()
            except self._client.exceptions.EntityNotFoundException:
                create()
            else:
                update(stored)

        Retrying(
            retry=retry_if_exception(_is_race), stop=stop_after_attempt(5), wait=wait_random(0.05, 0.3), reraise=True
        )(once)

    def _settle_table(self, wanted: Definition) -> None:
        def update(stored: Definition) -> None:
            # Once more: it may have come in between.
            self._check_ours(stored, wanted)
            merged = _merged(stored, wanted)
            if not _says(stored, merged):
                self._client.update_table(DatabaseName=self.database, TableInput=merged)

        self._settle(
            read=lambda: self._stored(wanted),
            create=lambda: self._client.create_table(DatabaseName=self.database, TableInput=wanted),
            update=update,
        )

    def _stored(self, wanted: Definition) -> Definition:
        """The table or view of that name."""
        found: Definition = self._client.get_table(DatabaseName=self.database, Name=wanted["Name"])["Table"]
        return found

    def _check_ours(self, stored: Definition, wanted: Definition) -> None:
        name, url = f"{self._place}.{wanted['Name']}", wanted["Parameters"][MARK]
        theirs = stored.get("Parameters", {}).get(MARK)
        if theirs is None:
            raise ConfigurationError(f"{name} is not this pipeline's: name another database")
        if theirs != url:
            raise ConfigurationError(f"{name} is of the lake {theirs}, and LAKE_URL is {url}: name another database")

    def _update_partition(self, table: dict[str, str], stored: Definition, wanted: Definition) -> None:
        if not _says(stored, wanted):
            self._client.update_partition(**table, PartitionValueList=wanted["Values"], PartitionInput=wanted)


def _merged(stored: Definition, wanted: Definition) -> Definition:
    """What is wanted, with what others keep with the table, and the columns that only older partitions have."""
    parameters = stored.get("Parameters", {}) | wanted["Parameters"]
    described = wanted["StorageDescriptor"]
    if wanted["TableType"] == "EXTERNAL_TABLE":
        columns = {column["Name"]: column for column in stored.get("StorageDescriptor", {}).get("Columns", ())}
        columns |= {column["Name"]: column for column in described["Columns"]}
        described = described | {"Columns": list(columns.values())}
    return wanted | {"Parameters": parameters, "StorageDescriptor": described}


def _says(stored: Any, wanted: Any) -> bool:
    """Whether it is stored as wanted; Glue adds fields of its own, and leaves empty ones out."""
    if isinstance(wanted, dict):
        return all(_says((stored or {}).get(name), value) for name, value in wanted.items())
    if isinstance(wanted, list):
        return len(stored or []) == len(wanted) and all(map(_says, stored or [], wanted))
    return bool(stored == wanted)


def _s3_url(lake: Lake) -> str:
    if not lake.url.startswith("s3://"):
        raise ConfigurationError(f"GLUE_DATABASE is set, but LAKE_URL is not s3://…: {lake.url}: Athena reads S3 only")
    return lake.url
