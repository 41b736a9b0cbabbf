"""COPY from S3 as Redshift reads it: Parquet by a manifest, by position, and strictly by type."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import duckdb
from botocore.exceptions import BotoCoreError, ClientError

from tests.standins.redshift_sql import syntax_error
from tests.standins.redshift_wire import Refusal
from tests.standins.s3 import KEYS

# As sqlalchemy-redshift writes it. Redshift takes more formats, and takes no other options with Parquet.
_GRAMMAR = re.compile(
    r"\s*COPY\s+(?P<table>\w+)\s+FROM\s+'s3://(?P<bucket>[^/']+)/(?P<key>[^']+)'\s+WITH\s+CREDENTIALS\s+AS\s+"
    r"'aws_iam_role=(?P<role>[^']+)'\s+FORMAT\s+AS\s+PARQUET\s+MANIFEST\s*",
    re.IGNORECASE,
)
_TIME = "timestamp without time zone"
# What stands in a Parquet file's schema for each type of a column.
_PARQUET = {
    "integer": ("INT32", None),
    "bigint": ("INT64", None),
    "double precision": ("DOUBLE", None),
    "boolean": ("BOOLEAN", None),
    "character varying": ("BYTE_ARRAY", "UTF8"),
    _TIME: ("INT64", "TIMESTAMP_MICROS"),
}
_SIGNED = {"INT_32": None, "INT_64": None}


@dataclass(frozen=True)
class Column:
    name: str
    type: str
    length: int


@dataclass(frozen=True)
class Copy:
    table: str
    bucket: str
    key: str
    role: str


def is_copy(sql: str) -> bool:
    return sql.lstrip()[:5].upper() == "COPY "


def parsed(sql: str) -> Copy:
    found = _GRAMMAR.fullmatch(sql)
    if not found:
        raise syntax_error(sql)
    return Copy(**found.groupdict())


def to_csv(copy: Copy, columns: list[Column], folder: Path, s3_url: str) -> Path:
    """Write the rows to a CSV file in the folder, for PostgreSQL's COPY; the caller deletes it."""
    s3 = boto3.client("s3", endpoint_url=s3_url, **KEYS)
    scratch = folder / f"copy-{uuid4().hex}"
    scratch.mkdir()
    target = folder / f"{scratch.name}.csv"
    try:
        with duckdb.connect(config={"threads": 1}) as connection:
            selects = [_select(connection, path, url, columns) for path, url in _files(s3, copy, scratch)]
            if selects:
                values = " UNION ALL ".join(selects)
                connection.execute(f"COPY ({values}) TO '{target}' (FORMAT csv, HEADER false, FORCE_QUOTE *)")
            else:
                target.write_text("")
    except (ClientError, BotoCoreError) as error:
        raise s3_error(str(error), 500, type(error).__name__, f"s3://{copy.bucket}/{copy.key}") from error
    finally:
        for path in scratch.iterdir():
            path.unlink()
        scratch.rmdir()
    return target


def _files(s3: Any, copy: Copy, scratch: Path) -> Iterator[tuple[Path, str]]:
    """The objects that the manifest lists, each as a file, with its URL."""
    try:
        manifest = json.loads(_content(s3, copy.bucket, copy.key))
        entries = [(entry["url"], entry.get("mandatory"), entry.get("meta", {})) for entry in manifest["entries"]]
    except (ValueError, KeyError, TypeError) as error:
        raise Refusal("Manifest file is not in correct json format", state="XX000", detail=repr(error)) from error
    for number, (url, mandatory, meta) in enumerate(entries):
        try:
            content = _content(s3, *url.removeprefix("s3://").split("/", 1))
        except Refusal:
            if mandatory:
                raise
            continue
        if "content_length" not in meta:
            raise Refusal("File entry does not have 'meta' key.", state="XX000", detail="code: 15003")
        if meta["content_length"] != len(content):
            difference = f"content_length says {meta['content_length']}, the object has {len(content)} bytes"
            raise _spectrum(difference, url, 15001)
        path = scratch / str(number)
        path.write_bytes(content)
        yield path, url


def _content(s3: Any, bucket: str, key: str) -> bytes:
    try:
        content: bytes = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    except s3.exceptions.NoSuchKey as error:
        raise s3_error("The specified key does not exist.", 404, "NoSuchKey", f"s3://{bucket}/{key}") from error
    return content


def _select(connection: duckdb.DuckDBPyConnection, path: Path, url: str, columns: list[Column]) -> str:
    """A query for the rows of a Parquet file. Raises Refusal if its schema or lengths do not fit the columns."""
    try:
        _, *found = connection.execute(
            "SELECT name, type, converted_type, num_children, logical_type FROM parquet_schema(?)", [str(path)]
        ).fetchall()
    except duckdb.Error as error:
        raise _spectrum("File is not a Parquet file", url) from error
    if any(children for *_, children, _ in found):
        raise _spectrum("nested columns need SUPER", url)
    if len(found) != len(columns):
        counts = f"Table columns: {len(columns)}, Data columns: {len(found)}"
        raise _spectrum(f"Unmatched number of columns between table and file. {counts}", url)
    values = []
    for column, (written, physical, converted, _, logical) in zip(columns, found, strict=True):
        name = f'"{written}"'
        if (physical, converted, column.type) == ("INT64", None, _TIME) and str(logical).startswith("Timestamp"):
            # Whoever writes a time with a logical type only, in nanoseconds, finds it tens of thousands of years later,
            # and no error: https://github.com/apache/arrow/issues/38000.
            name = f"make_timestamp(epoch_ns({name}))"
        elif (physical, _SIGNED.get(converted, converted)) != _PARQUET.get(column.type):
            what = f"Column type: {column.type}, Parquet schema: {physical} {converted or ''}"
            raise _spectrum(f"incompatible Parquet schema for column '{column.name}'. {what}", url)
        values.append(name)
    rows = f"read_parquet('{path}')"
    texts = [(column, value) for column, value in zip(columns, values, strict=True) if column.length]
    lengths = connection.execute(f"SELECT {', '.join(f'max(strlen({value}))' for _, value in texts) or 1} FROM {rows}")
    for (column, _), longest in zip(texts, lengths.fetchall()[0], strict=False):
        if (longest or 0) > column.length:
            what = f"data column {column.name} is longer than the length defined in the table"
            raise _spectrum(f"The length of the {what}. Table: {column.length}, Data: {longest}", url, 15001)
    return f"SELECT {', '.join(f'{value} AS c{number}' for number, value in enumerate(values))} FROM {rows}"


def _spectrum(what: str, url: str, code: int = 15007) -> Refusal:
    line = "-" * 47
    context = f"  code:      {code}\n  context:   {what}, File name: {url}\n{line}"
    return Refusal("Spectrum Scan Error", state="XX000", detail=f"{line}\n  error:  Spectrum Scan Error\n{context}")


def s3_error(what: str, status: int, code: str, url: str) -> Refusal:
    text = f"S3ServiceException:{what},Status {status},Error {code},Rid 0,ExtRid 0,CanRetry 1"
    return Refusal(text, state="XX000", detail=f"context: Failed to open S3 object {url}")
