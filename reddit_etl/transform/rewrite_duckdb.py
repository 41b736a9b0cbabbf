"""Curated objects without what tombstones take, on DuckDB, inside the process, one object at a time."""

import hashlib
import json
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import duckdb

from reddit_etl import duck
from reddit_etl.entities import forgotten
from reddit_etl.entities.schema import Entity
from reddit_etl.errors import DamagedObjectError, TransformError
from reddit_etl.lake.base import Lake
from reddit_etl.lake.receipts import DataObject
from reddit_etl.lake.tombstones import Tombstone
from reddit_etl.transform.base import Folder, Rewritten
from reddit_etl.transform.sql import kept_sql, named_sql, touched_sql

TOMBSTONES = {"entity": "VARCHAR", "id": "VARCHAR", "kind": "VARCHAR", "moment": "TIMESTAMP"}
# A row group is held in memory until it is written; DuckDB's own default is 122,880 rows of any size.
PARQUET = "FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE_BYTES 8_000_000"


def rewrite(lake: Lake, folders: Iterable[Folder], tombstones: Sequence[Tombstone]) -> Iterator[Rewritten]:
    """See `TransformEngine`. Holds the tombstones in memory. Goes on after an object that cannot be read."""
    errors = []
    with _connection(tombstones) as (connection, scratch):
        for folder in folders:
            with tempfile.TemporaryDirectory(dir=scratch) as place:
                try:
                    done = _rewritten(connection, lake, folder, Path(place))
                except TransformError as error:
                    errors.append(error)
                    continue
                if done:
                    yield done
    if errors:
        raise errors[0]


def touched(lake: Lake, entity: Entity, keys: Iterable[str], tombstones: Sequence[Tombstone]) -> Iterator[str]:
    """The objects from which something would be taken. Raises `TransformError`, `LakeError`."""
    with _connection(tombstones) as (connection, scratch):
        for key in keys:
            with tempfile.TemporaryDirectory(dir=scratch) as place:
                if Stored(connection, entity, lake.existing_file(key, Path(place))).touched():
                    yield key


@contextmanager
def _connection(tombstones: Sequence[Tombstone]) -> Iterator[tuple[duckdb.DuckDBPyConnection, Path]]:
    """A database in which `named` is what the tombstones name, and a folder for scratch files."""
    try:
        with (
            tempfile.TemporaryDirectory(prefix="rewrite-") as scratch,
            duck.connect(scratch=Path(scratch)) as connection,
            duck.interruptible(),
        ):
            _name(connection, tombstones, Path(scratch))
            yield connection, Path(scratch)
    except duckdb.Error as error:
        raise TransformError(f"TRANSFORM_ENGINE duckdb: {str(error).splitlines()[0]}") from error


def _name(connection: duckdb.DuckDBPyConnection, tombstones: Sequence[Tombstone], scratch: Path) -> None:
    path = scratch / "tombstones.json"
    # DuckDB takes a minute for as many bound values as a file of them takes a second.
    path.write_text("".join(json.dumps(asdict(one)) + "\n" for one in tombstones))
    connection.read_json(duck.exactly(path), format="newline_delimited", columns=TOMBSTONES).create_view("tombstones")
    connection.execute(f"CREATE TABLE named AS {forgotten.summary_sql('tombstones')}")


def _rewritten(connection: duckdb.DuckDBPyConnection, lake: Lake, folder: Folder, scratch: Path) -> Rewritten | None:
    """None if nothing is taken."""
    try:
        try:
            files = [Stored(connection, folder.entity, lake.existing_file(key, scratch)) for key in folder.keys]
            rows = sum(file.touched() for file in files)
            if not rows:
                return None
            # Before anything is written: another process may remove them at any time.
            digests = tuple(file.digest() for file in files)
            return Rewritten(folder, rows, tuple(_objects(lake, folder, files, scratch)), digests)
        except duckdb.Error as error:
            lake.check_there(folder.keys)
            what = f"{lake.url}/{folder.keys[0]}: {str(error).splitlines()[0]}: if it is damaged, restore or remove it"
            raise TransformError(f"TRANSFORM_ENGINE duckdb: {what}") from error
    except DamagedObjectError:
        return Rewritten(folder, 0, (), ())


def _objects(lake: Lake, folder: Folder, files: Sequence["Stored"], scratch: Path) -> Iterator[DataObject]:
    for number, file in enumerate(files):
        output = scratch / "kept.parquet"
        if rows := file.keep(output, scratch / "nothing.parquet"):
            yield lake.add_file(output, f"{folder.to}part-{number:05}.parquet", rows)


class Stored:
    """A file of curated rows, of this version or of an older one."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, entity: Entity, file: Path) -> None:
        self._connection = connection
        self._entity = entity
        self._file = file

    def digest(self) -> str:
        """The SHA-256 of the file. Raises DamagedObjectError if it was removed meanwhile."""
        try:
            with self._file.open("rb") as stream:
                return hashlib.file_digest(stream, "sha256").hexdigest()
        except FileNotFoundError as error:
            raise DamagedObjectError(f"{self._file} is missing", key=str(self._file)) from error

    def touched(self) -> int:
        """How many rows lose something."""
        self._view(self._file)
        if not self._connection.execute(f"{named_sql(self._entity, '1')} LIMIT 1").fetchall():
            return 0
        [(rows,)] = self._connection.execute(touched_sql(self._entity)).fetchall()
        return int(rows)

    def keep(self, output: Path, nothing: Path) -> int:
        """Write what is left; gives how many rows that is. `nothing` is a path for an empty file."""
        columns = self._view(self._file)
        self._connection.execute(
            f"COPY (SELECT {', '.join(columns)} FROM stored LIMIT 0) TO ? ({PARQUET})", [str(nothing)]
        )
        # Of a single file DuckDB knows which columns have no NULL, and declares that they can have none.
        self._view(self._file, nothing)
        self._connection.execute(f"COPY ({kept_sql(self._entity, columns)}) TO ? ({PARQUET})", [str(output)])
        [(rows,)] = self._connection.read_parquet(duck.exactly(output)).aggregate("count(*)").fetchall()
        return int(rows)

    def _view(self, *files: Path) -> list[str]:
        """Let `stored` be the rows of files; gives the columns of the first."""
        paths: Any = [duck.exactly(file) for file in files]
        rows = self._connection.read_parquet(paths, hive_partitioning=False)
        missing = [column for column in self._entity.curated if column.name not in rows.columns]
        more = "".join(f", CAST(NULL AS {column.type.sql}) AS {column.name}" for column in missing)
        rows.project(f"*{more}").create_view("stored", replace=True)
        return rows.columns
