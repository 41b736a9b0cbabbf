"""The Glue Data Catalog's entry of an entity's curated rows, for Athena and other readers of the lake.

The table has a partition per transformation, whose location is the folder of the one attempt that its receipt lists.
So a reader sees all of an attempt, or the previous one, and never what another attempt left behind.

A table or view that has one of our names but not our mark belongs to another tool and is never modified. Neither is one
with the mark of another lake: each lake would replace the other's partitions.

Columns are never dropped from the table, since older partitions may have a column that was removed from the definition.
New ones are appended; the order does not matter, since Athena finds Parquet columns by name.
"""

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random

from reddit_etl import aws
from reddit_etl.catalog import partitions
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
    "AccessDeniedException": f"grant this role {RIGHTS} on the catalog, the database and its tables",
    "GlueEncryptionException": "grant this role the use of the KMS key of the catalog",
}
MERGING_FIXES = FIXES | {
    "AccessDeniedException": "grant this role glue:BatchUpdatePartition and glue:BatchDeletePartition in addition"
}
NOTHING = "curated/_nothing/"
"""A folder that never has objects."""
# Another client was faster or is at work: read again.
RACES = ("AlreadyExistsException", "ConcurrentModificationException")


def _is_race(error: BaseException) -> bool:
    return isinstance(error, ClientError) and aws.code_of(error) in RACES


class Catalog:
    """A database of the Glue Data Catalog, by its name."""

    def __init__(self, database: str = "reddit_lake") -> None:
        if not re.fullmatch(r"[a-z0-9_]{1,255}", database):
            raise ConfigurationError(
                f"GLUE_DATABASE: {database!r}: Athena allows lower-case letters, digits and underscores only"
            )
        self.database = database
        self._setting = f"GLUE_DATABASE: {database}"
        self._client = aws.client("glue", setting=self._setting)

    def prepare(self, *, entity: Entity, lake: Lake) -> None:
        """Create or update the database, the table and the views.

        Raises CatalogError, and ConfigurationError if a name is taken.
        """
        described = {"Name": self.database, "Description": "A Reddit data lake."}
        url = _s3_url(lake)
        views = latest_view(entity, self.database, url), metrics_view(entity, self.database, url)
        definitions = (table_input(entity, url), *views)
        with aws.failures(self._setting, CatalogError, FIXES):
            self._settle(
                read=lambda: self._client.get_database(Name=self.database)["Database"],
                create=lambda: self._client.create_database(DatabaseInput=described),
            )
            # All are checked before the first is written, so that a conflict leaves none behind.
            for wanted in definitions:
                with suppress(self._client.exceptions.EntityNotFoundException):
                    self._check_ours(self._stored(wanted), wanted)
            for wanted in definitions:
                self._settle_table(wanted)

    def publish(
        self,
        *,
        entity: Entity,
        lake: Lake,
        hour: datetime,
        selection: str,
        objects: Sequence[DataObject],
        instead_of: Sequence[tuple[datetime, str]] = (),
    ) -> str | None:
        """Make these objects the partition of the hour and selection; returns the URL of their folder.

        `instead_of` are hours and selections whose partitions end, as their rows are in these objects. Without objects
        it does nothing. Raises CatalogError.
        """
        url = _s3_url(lake)
        if not objects:
            return None
        folders = {entry.key.rpartition("/")[0] for entry in objects}
        if len(folders) > 1:
            raise CatalogError(
                f"{self._setting}: a partition cannot be in several folders: {', '.join(sorted(folders))}"
            )
        values = _values(hour, selection)
        location = f"{url}/{folders.pop()}/"
        wanted = {"Values": values, "StorageDescriptor": storage(entity, location)}
        table = {"DatabaseName": self.database, "TableName": entity.name}
        with aws.failures(self._setting, CatalogError, MERGING_FIXES):
            others = [_values(*one) for one in instead_of]
            partitions.take_over(self._client, table, others, wanted, storage(entity, f"{url}/{NOTHING}"))
        with aws.failures(self._setting, CatalogError, FIXES):
            self._settle(
                read=lambda: self._client.get_partition(**table, PartitionValues=values)["Partition"],
                create=lambda: self._client.create_partition(**table, PartitionInput=wanted),
                update=lambda stored: self._update_partition(table, stored, wanted),
            )
        return location

    def location(self, *, entity: Entity, hour: datetime, selection: str) -> str | None:
        """Where the partition of the hour and selection points to, a URL; None if there is none.

        Raises CatalogError.
        """
        table = {"DatabaseName": self.database, "TableName": entity.name}
        with aws.failures(self._setting, CatalogError, FIXES):
            try:
                found = self._client.get_partition(**table, PartitionValues=_values(hour, selection))
            except self._client.exceptions.EntityNotFoundException:
                return None
        return str(found["Partition"]["StorageDescriptor"]["Location"])

    def _settle(
        self,
        *,
        read: Callable[[], Definition],
        create: Callable[[], object],
        update: Callable[[Definition], object] = lambda _: None,
    ) -> None:
        """Create what does not exist, else update it; start again if another run interferes."""

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
            # Once more, since it may have been created in the meantime.
            self._check_ours(stored, wanted)
            merged = _merged(stored, wanted)
            if not _matches(stored, merged):
                self._client.update_table(DatabaseName=self.database, TableInput=merged)

        self._settle(
            read=lambda: self._stored(wanted),
            create=lambda: self._client.create_table(DatabaseName=self.database, TableInput=wanted),
            update=update,
        )

    def _stored(self, wanted: Definition) -> Definition:
        """The stored table or view of that name."""
        found: Definition = self._client.get_table(DatabaseName=self.database, Name=wanted["Name"])["Table"]
        return found

    def _check_ours(self, stored: Definition, wanted: Definition) -> None:
        name, url = f"{self._setting}.{wanted['Name']}", wanted["Parameters"][MARK]
        theirs = stored.get("Parameters", {}).get(MARK)
        if theirs is None:
            raise ConfigurationError(f"{name} belongs to another tool: use another database")
        if theirs != url:
            raise ConfigurationError(
                f"{name} belongs to the lake {theirs}, but LAKE_URL is {url}: use another database"
            )

    def _update_partition(self, table: dict[str, str], stored: Definition, wanted: Definition) -> None:
        if not _matches(stored, wanted):
            self._client.update_partition(**table, PartitionValueList=wanted["Values"], PartitionInput=wanted)


def _values(hour: datetime, selection: str) -> list[str]:
    return [f"{hour:%Y-%m-%d}", f"{hour:%H}", selection]


def _merged(stored: Definition, wanted: Definition) -> Definition:
    """The wanted definition, with the stored parameters of other tools and the columns of older partitions."""
    parameters = stored.get("Parameters", {}) | wanted["Parameters"]
    described = wanted["StorageDescriptor"]
    if wanted["TableType"] == "EXTERNAL_TABLE":
        columns = {column["Name"]: column for column in stored.get("StorageDescriptor", {}).get("Columns", ())}
        columns |= {column["Name"]: column for column in described["Columns"]}
        described = described | {"Columns": list(columns.values())}
    return wanted | {"Parameters": parameters, "StorageDescriptor": described}


def _matches(stored: Any, wanted: Any) -> bool:
    """Whether the stored definition has all that is wanted; Glue adds fields, and omits empty ones."""
    if isinstance(wanted, dict):
        return all(_matches((stored or {}).get(name), value) for name, value in wanted.items())
    if isinstance(wanted, list):
        return len(stored or []) == len(wanted) and all(map(_matches, stored or [], wanted))
    return bool(stored == wanted)


def _s3_url(lake: Lake) -> str:
    if not lake.url.startswith("s3://"):
        raise ConfigurationError(
            f"GLUE_DATABASE is set, but LAKE_URL is {lake.url}: use s3://…, since Athena reads only S3"
        )
    return lake.url
