"""The transformation on DuckDB, inside the process, in memory that does not grow with the records.

Each batch of inputs is parsed and shaped at once, into a scratch file that is put into the lake as it is, since hardly
ever is an observation there twice. If one is, the copies are looked for in the narrow columns of all records, among one
part of the keys at a time, and the batches are shaped once more without them.

In scratch space are the shaped batches, on S3 one batch of inputs, and if there are copies all records as Parquet with
zstd, about half the size of the inputs in gzip.
"""

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb

from reddit_etl import duck
from reddit_etl.entities.schema import Entity
from reddit_etl.errors import TransformError
from reddit_etl.lake.base import Lake
from reddit_etl.lake.receipts import DataObject
from reddit_etl.lake.tombstones import Tombstone
from reddit_etl.transform import merge_duckdb, rewrite_duckdb
from reddit_etl.transform.base import Folder, Merged, Parts, Rewritten, Transformation
from reddit_etl.transform.sql import copies_sql, count_sql, transform_sql

# A record's texts come to 82 kB, and a character to six bytes at most as JSON writes it. Twice this is the reader's
# buffer.
LONGEST_LINE = 1 << 20
# A row group is held in memory until it is written; DuckDB's own default is 122,880 rows of any size.
PARQUET = "FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE_BYTES 8_000_000"
# Inputs of a batch, in gzip: of posts about 450,000, which come to an object of 60 MB.
BATCH_BYTES = 128 << 20
# Copies are looked for among so many records at once.
PART_ROWS = 250_000
# Rows that wait in memory for the files of their parts; DuckDB's own 524,288 took 100 MB.
WAITING_ROWS = 8192


class DuckDBTransform:
    """See `TransformEngine`."""

    def __call__(self, *, entity: Entity, lake: Lake, inputs: Sequence[DataObject], prefix: str) -> Transformation:
        """Writes an object for each batch of inputs."""
        if not inputs:
            return Transformation(0, 0, ())
        objects = []
        try:
            with (
                tempfile.TemporaryDirectory(prefix="transform-") as folder,
                duck.connect(scratch=Path(folder)) as connection,
                duck.interruptible(),
            ):
                records = Records(connection, entity, Path(folder))
                for files in _files(lake, inputs, folder):
                    records.shape(files)
                read, observed = records.count()
                if observed < read:
                    for files in _files(lake, inputs, folder):
                        records.parse(files)
                    records.find_copies()
                for number, (output, rows) in enumerate(records.shaped()):
                    objects.append(lake.add_file(output, f"{prefix}part-{number:05}.parquet", rows))
        except duckdb.Error as error:
            lake.check_there(entry.key for entry in inputs)
            raise TransformError(f"TRANSFORM_ENGINE duckdb: {str(error).splitlines()[0]}") from error
        return Transformation(read, observed, tuple(objects))

    def rewrite(
        self,
        *,
        lake: Lake,
        folders: Iterable[Folder],
        tombstones: Sequence[Tombstone],
        prefix: str,  # noqa: ARG002
    ) -> Iterator[Rewritten]:
        """See `TransformEngine`. One folder after the other, as they are asked for."""
        return rewrite_duckdb.rewrite(lake, folders, tombstones)

    def merge(self, *, lake: Lake, all_parts: Iterable[Parts], prefix: str) -> Iterator[Merged]:  # noqa: ARG002
        """See `TransformEngine`. One after the other, as they are asked for."""
        return merge_duckdb.merge(lake, all_parts)

    def check(self) -> str:
        """The scratch space is all that it needs."""
        with tempfile.TemporaryDirectory(prefix="transform-") as folder:
            return f"DuckDB runs in this process, with scratch files in {Path(folder).parent}"


def batches(inputs: Sequence[DataObject]) -> Iterator[list[DataObject]]:
    """The inputs in their order, as many together as `BATCH_BYTES` allow, and at least one."""
    batch: list[DataObject] = []
    for entry in inputs:
        if batch and sum(other.bytes for other in batch) + entry.bytes > BATCH_BYTES:
            yield batch
            batch = []
        batch.append(entry)
    yield batch


def _files(lake: Lake, inputs: Sequence[DataObject], scratch: str) -> Iterator[list[Path]]:
    """The files of each batch, which are there until the next one is asked for."""
    for batch in batches(inputs):
        with tempfile.TemporaryDirectory(dir=scratch) as place:
            yield [lake.verified_file(entry, Path(place)) for entry in batch]


class Records:
    """The records of one transformation, in scratch files, one for each batch of inputs."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, entity: Entity, scratch: Path) -> None:
        self._connection = connection
        self._entity = entity
        self._scratch = scratch
        self._shaped: list[tuple[Path, int]] = []
        self._parsed: list[Path] = []
        connection.execute(f"SET partitioned_write_flush_threshold = {WAITING_ROWS}")
        connection.execute("CREATE TABLE copies (listing VARCHAR, place BIGINT)")

    def shape(self, files: Sequence[Path]) -> None:
        """Take a batch of files of JSON lines, and shape it as if no record in it were a copy."""
        path = self._scratch / f"shaped-{len(self._shaped):05}.parquet"
        self._read_lines(files)
        self._shaped.append((path, self._copy(transform_sql(self._entity), path)))

    def count(self) -> tuple[int, int]:
        """Once all batches are shaped; gives the numbers of records and of observations."""
        read = observed = 0
        for _ in self._parts("", [path for path, _ in self._shaped]):
            [(records, observations)] = self._connection.execute(count_sql(self._entity)).fetchall()
            read, observed = read + records, observed + observations
        return read, observed

    def parse(self, files: Sequence[Path]) -> None:
        """Take a batch once more, if there are copies."""
        path = self._scratch / f"parsed-{len(self._parsed):05}.parquet"
        self._read_lines(files)
        self._copy("FROM records", path)
        self._parsed.append(path)

    def find_copies(self) -> None:
        """Once all batches are parsed."""
        self._connection.execute("CREATE TABLE all_copies (listing VARCHAR, place BIGINT)")
        for _ in self._parts(", listing, place", self._parsed):
            self._connection.execute(f"INSERT INTO all_copies {copies_sql(self._entity)}")

    def shaped(self) -> Iterator[tuple[Path, int]]:
        """The curated rows of each batch that has any, as a file that is there until the next one is asked for."""
        if not self._parsed:
            yield from ((path, rows) for path, rows in self._shaped if rows)
            return
        output, nothing = self._scratch / "shaped.parquet", self._scratch / "nothing.parquet"
        self._view("records", *self._parsed)
        self._copy("FROM records LIMIT 0", nothing)
        for path in self._parsed:
            # Of a single file DuckDB knows which columns have no NULL, and declares that they can have none.
            self._view("records", path, nothing)
            # Only this batch's, for they are held in memory.
            self._connection.execute(
                "CREATE OR REPLACE TABLE copies AS "
                "SELECT listing, place FROM all_copies SEMI JOIN records USING (listing, place)"
            )
            if rows := self._copy(transform_sql(self._entity), output):
                yield output, rows
            path.unlink()

    def _read_lines(self, files: Sequence[Path]) -> None:
        """Let the view `records` be the records of the files."""
        # Before 2.0.1, DuckDB's type hints leave out that it takes a list.
        paths: Any = [duck.exactly(file) for file in files]
        self._connection.read_json(
            paths,
            format="newline_delimited",
            compression="gzip",
            columns={column.name: column.type.sql for column in self._entity.record},
            maximum_object_size=LONGEST_LINE,
            # Else folders of the lake's own path, such as `score=7`, would be read as columns.
            hive_partitioning=False,
        ).create_view("records", replace=True)

    def _parts(self, more: str, files: Sequence[Path]) -> Iterator[None]:
        """Let the view `records` be the times of one part of the keys after the other, with `more` columns."""
        with tempfile.TemporaryDirectory(dir=self._scratch) as name:
            folder = Path(name, "keys")
            parts = 1 + sum(rows for _, rows in self._shaped) // PART_ROWS
            self._view("records", *files)
            self._connection.execute(
                f"COPY (SELECT {self._entity.key}, observed_at{more}, hash({self._entity.key}) % {parts} AS part "
                "FROM records) TO ? (FORMAT parquet, ROW_GROUP_SIZE 8192, PARTITION_BY (part))",
                [str(folder)],
            )
            for part in sorted(folder.iterdir()):
                self._view("records", *part.iterdir())
                yield

    def _view(self, name: str, *files: Path) -> None:
        paths: Any = [duck.exactly(file) for file in files]
        self._connection.read_parquet(paths, hive_partitioning=False).create_view(name, replace=True)

    def _copy(self, query: str, path: Path) -> int:
        """Write a query's rows; gives how many are in the file."""
        self._connection.execute(f"COPY ({query}) TO ? ({PARQUET})", [str(path)])
        [(rows,)] = self._connection.read_parquet(duck.exactly(path)).aggregate("count(*)").fetchall()
        return int(rows)
