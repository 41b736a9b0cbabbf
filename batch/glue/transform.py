"""The transformation on Spark: the script of the AWS Glue job.

Its arguments are the lake and the key of a manifest, which names the records to read, where the Parquet objects go and
where the report of them goes. Or it names folders of Parquet objects, and the tombstones whose rows they are to lose;
or Parquet objects that are to become one.
Only the report says what counts: each execution writes to a folder of its own, and the last one to end well is the one
that is reported.

It reaches the lake through Spark's own file systems, so `s3://` and a folder are the same to it. What it knows of the
entities comes with the library of `batch/glue/library.py`.
"""

import argparse
import json
import math
import secrets
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import unquote, urlsplit

from py4j.protocol import Py4JJavaError
from pyspark import StorageLevel
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession

from reddit_etl.entities import ENTITIES, forgotten
from reddit_etl.entities.schema import Entity
from reddit_etl.errors import TransformError
from reddit_etl.transform.sql import (
    copies_sql,
    count_sql,
    definition,
    kept_sql,
    merged_sql,
    merging_definition,
    named_sql,
    rewriting_definition,
    touched_sql,
    transform_sql,
)

SETTINGS = {
    "spark.sql.session.timeZone": "UTC",
    # A time has no zone here, in the SQL text and in Parquet.
    "spark.sql.timestampType": "TIMESTAMP_NTZ",
    # A value that does not fit is an error, as in DuckDB, and not NULL.
    "spark.sql.ansi.enabled": "true",
    "spark.sql.files.ignoreCorruptFiles": "false",
    "spark.sql.files.ignoreMissingFiles": "false",
}
# The one form of a time in the lake; anything else in its place is an error.
TIME_FORMAT = "yyyy-MM-dd'T'HH:mm:ss.SSSSSS'Z'"
# Athena and Redshift like files of about this size.
FILE_BYTES = 128 << 20
# Of the bytes of gzip JSON lines the same rows took 0.35 to 0.82 as Parquet with zstd; the fewer, the more.
PARQUET_SHARE = 0.8
OBJECTS_AT_ONCE = 8
LONGEST_REASON = 500
ANOTHER_VERSION = "the library of this Glue job is of another version than the pipeline: deploy again"


class Files:
    """The lake's objects as Hadoop's file systems give them."""

    def __init__(self, spark: SparkSession, lake: str) -> None:
        self._lake = lake.rstrip("/")
        self._jvm: Any = spark._jvm
        self._configuration: Any = spark._jsc.hadoopConfiguration()

    def url(self, key: str) -> str:
        """The URL of the object of that key."""
        return f"{self._lake}/{key}"

    def _at(self, key: str) -> tuple[Any, Any]:
        path = self._jvm.org.apache.hadoop.fs.Path(self.url(key))
        return path.getFileSystem(self._configuration), path

    def read(self, key: str) -> bytes:
        """The whole content of a small object."""
        system, path = self._at(key)
        stream = system.open(path)
        try:
            return bytes(self._jvm.org.apache.commons.io.IOUtils.toByteArray(stream))
        finally:
            stream.close()

    def write(self, key: str, content: bytes) -> None:
        """Put a small object, in place of one that is there."""
        system, path = self._at(key)
        stream = system.create(path, True)
        stream.write(bytearray(content))
        stream.close()

    def path(self, key: str) -> str:
        """The object's path, without scheme and host."""
        return str(self._at(key)[1].toUri().getPath())

    def size(self, key: str) -> int:
        """Its size in bytes."""
        system, path = self._at(key)
        return int(system.getFileStatus(path).getLen())

    def measured(self, key: str) -> tuple[int, str]:
        """Size and SHA-256 of an object, which is streamed and never held."""
        system, path = self._at(key)
        stream = system.open(path)
        try:
            digest = self._jvm.org.apache.commons.codec.digest.DigestUtils.sha256Hex(stream)
        finally:
            stream.close()
        return self.size(key), digest


def run(spark: SparkSession, lake: str, manifest_key: str) -> None:
    """Do what the manifest says."""
    for name, value in SETTINGS.items():
        spark.conf.set(name, value)
    files = Files(spark, lake)
    manifest = json.loads(files.read(manifest_key))
    work = _merged if "parts" in manifest else _rewritten if "folders" in manifest else _transformed
    report = work(spark, files, manifest)
    files.write(manifest["report"], json.dumps(report, indent=1).encode())


def _transformed(spark: SparkSession, files: Files, manifest: dict[str, Any]) -> dict[str, object]:
    """The report of a transformation."""
    entity = ENTITIES.get(manifest["entity"])
    if not entity or definition(entity) != manifest["definition"]:
        raise TransformError(ANOTHER_VERSION)
    _verify(files, manifest["inputs"])
    # Kept on disk, because it is read several times, and because it is parsed whole then: left to itself, Spark parses
    # no column that nobody asks for, and sees no fault in it.
    records = _read(spark, files, entity, manifest["inputs"])
    records.persist(StorageLevel.DISK_ONLY).createOrReplaceTempView("records")
    [(read, observed)] = spark.sql(count_sql(entity)).collect()
    objects: list[dict[str, object]] = []
    if read:
        size = sum(entry["bytes"] for entry in manifest["inputs"])
        folder = f"{manifest['output']}{secrets.token_hex(4)}/"
        _write(spark, entity, files.url(folder), number_of_files(size, observed / read))
        objects = _written(spark, files, folder)
    return {"definition": manifest["definition"], "records": read, "observations": observed, "objects": objects}


def _rewritten(spark: SparkSession, files: Files, manifest: dict[str, Any]) -> dict[str, object]:
    """The report of a rewriting: the folders from which tombstones take anything, and what is left of each."""
    if rewriting_definition(ENTITIES.values()) != manifest["definition"]:
        raise TransformError(ANOTHER_VERSION)
    columns = "entity string, id string, kind string, moment string"
    spark.createDataFrame(manifest["tombstones"], columns).selectExpr(
        "entity", "id", "kind", "to_timestamp_ntz(moment) AS moment"
    ).createOrReplaceTempView("tombstones")
    spark.sql(forgotten.summary_sql("tombstones")).persist(StorageLevel.MEMORY_AND_DISK).createOrReplaceTempView(
        "named"
    )
    wanted = {
        (entity, key) for entity in ENTITIES.values() for key in _named(spark, files, entity, manifest["folders"])
    }
    rewritten = []
    for number, (folder, to) in enumerate(zip(manifest["folders"], manifest["to"], strict=True)):
        entity = ENTITIES[folder["entity"]]
        if any((entity, key) in wanted for key in folder["keys"]):
            columns_there = _store(entity, _stored(spark, files, folder["keys"]))
            [(rows,)] = spark.sql(touched_sql(entity)).collect()
            if rows:
                place = f"{to}{secrets.token_hex(4)}/"
                size = sum(files.size(key) for key in folder["keys"])
                kept = spark.sql(kept_sql(entity, columns_there)).repartition(max(1, math.ceil(size / FILE_BYTES)))
                kept.write.parquet(files.url(place), mode="errorifexists", compression="zstd")
                digests = [files.measured(key)[1] for key in folder["keys"]]
                objects = _written(spark, files, place)
                rewritten.append({"folder": number, "rows": rows, "objects": objects, "digests": digests})
    return {"definition": manifest["definition"], "rewritten": rewritten}


def _merged(spark: SparkSession, files: Files, manifest: dict[str, Any]) -> dict[str, object]:
    """The report of a merging: what became of all parts."""
    if merging_definition(ENTITIES.values()) != manifest["definition"]:
        raise TransformError(ANOTHER_VERSION)
    merged = []
    for parts, to in zip(manifest["parts"], manifest["to"], strict=True):
        entity = ENTITIES[parts["entity"]]
        _verify(files, parts["objects"])
        stored = _stored(spark, files, [entry["key"] for entry in parts["objects"]])
        stored.createOrReplaceTempView("stored")
        [(rows, observations)] = spark.sql(count_sql(entity, "stored")).collect()
        place = f"{to}{secrets.token_hex(4)}/"
        kept = spark.sql(merged_sql(entity, stored.columns, has_copies=rows > observations))
        kept.repartition(1).write.parquet(files.url(place), mode="errorifexists", compression="zstd")
        merged.append(_written(spark, files, place))
    return {"definition": manifest["definition"], "merged": merged}


def _named(spark: SparkSession, files: Files, entity: Entity, folders: Sequence[dict[str, Any]]) -> set[str]:
    """The keys of the entity's objects that have a row which tombstones name; reads the columns with ids alone."""
    keys = {files.path(key): key for folder in folders if folder["entity"] == entity.name for key in folder["keys"]}
    if not keys:
        return set()
    ids = ", ".join(f"{column} string" for column in forgotten.links(entity))
    reader = spark.read.schema(ids).options(__globPaths__="false", recursiveFileLookup="true")
    stored = reader.parquet(*map(files.url, keys.values()))
    stored.selectExpr("*", "_metadata.file_path AS file").createOrReplaceTempView("stored")
    return {keys[unquote(urlsplit(file).path)] for (file,) in spark.sql(named_sql(entity, "DISTINCT file")).collect()}


def _stored(spark: SparkSession, files: Files, keys: Sequence[str]) -> DataFrame:
    reader = spark.read.options(__globPaths__="false", recursiveFileLookup="true")
    return reader.parquet(*map(files.url, keys))


def _store(entity: Entity, rows: DataFrame) -> list[str]:
    """Let `stored` be these rows; gives the columns that they have."""
    missing = [column for column in entity.curated if column.name not in rows.columns]
    rows.selectExpr(
        "*", *(f"CAST(NULL AS {column.type.spark}) AS {column.name}" for column in missing)
    ).createOrReplaceTempView("stored")
    return list(rows.columns)


def _verify(files: Files, inputs: Sequence[dict[str, Any]]) -> None:
    with ThreadPoolExecutor(OBJECTS_AT_ONCE) as pool:
        found = pool.map(files.measured, [entry["key"] for entry in inputs])
        for entry, measured in zip(inputs, found, strict=True):
            if measured != (entry["bytes"], entry["sha256"]):
                raise TransformError(f"{entry['key']} does not match its receipt: its checksum differs")


def _read(spark: SparkSession, files: Files, entity: Entity, inputs: Sequence[dict[str, Any]]) -> DataFrame:
    """The records of just these objects."""
    reader = spark.read.schema(", ".join(f"{column.name} {column.type.spark}" for column in entity.record))
    options = {
        "mode": "FAILFAST",
        "encoding": "UTF-8",
        "lineSep": "\n",
        "timestampNTZFormat": TIME_FORMAT,
        # A key is a name and no pattern, and `dt=…` in it is no column.
        "__globPaths__": "false",
        "recursiveFileLookup": "true",
    }
    return reader.options(**options).json([files.url(entry["key"]) for entry in inputs])


def number_of_files(input_bytes: int, kept: float) -> int:
    """How many files to write, when this share of the records is kept."""
    return max(1, math.ceil(input_bytes * kept * PARQUET_SHARE / FILE_BYTES))


def _write(spark: SparkSession, entity: Entity, url: str, number: int) -> None:
    spark.sql(copies_sql(entity)).createOrReplaceTempView("copies")
    rows = spark.sql(transform_sql(entity))
    declared = [(column.name, column.type.spark) for column in entity.curated]
    if rows.dtypes != declared:
        odd = [f"{name} {kind}" for name, kind in rows.dtypes if (name, kind) not in declared]
        raise TransformError(f"the SQL gives other columns than {entity.name} declares: {', '.join(odd)}")
    rows.repartition(number).write.parquet(url, mode="errorifexists", compression="zstd")


def _written(spark: SparkSession, files: Files, folder: str) -> list[dict[str, object]]:
    """What is in the folder, read again."""
    stored = _stored(spark, files, [folder])
    counts = stored.groupBy("_metadata.file_name").count().collect()
    objects = []
    for name, rows in sorted((row[0], row[1]) for row in counts):
        size, digest = files.measured(folder + name)
        objects.append({"key": folder + name, "bytes": size, "sha256": digest, "rows": rows})
    return objects


def reason(error: PySparkException | Py4JJavaError) -> str:
    """One line of a Java error: what its innermost cause says."""
    cause = getattr(error, "java_exception", None) or getattr(error, "_origin", None)
    while cause is not None and cause.getCause() is not None:
        cause = cause.getCause()
    return " ".join(str(error if cause is None else cause.toString()).split())[:LONGEST_REASON]


def main(arguments: Sequence[str]) -> None:
    """Glue adds arguments of its own, which are left alone."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--lake", required=True)
    parser.add_argument("--manifest", required=True)
    given, _ = parser.parse_known_args(arguments)
    spark = SparkSession.builder.appName("reddit-etl").getOrCreate()
    try:
        run(spark, given.lake, given.manifest)
    except (PySparkException, Py4JJavaError) as error:
        # Glue shows the message as the run's, and Java's is a page long.
        raise TransformError(reason(error)) from error
    finally:
        spark.catalog.clearCache()


if __name__ == "__main__":
    main(sys.argv[1:])
