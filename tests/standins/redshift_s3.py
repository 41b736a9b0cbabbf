"""COPY from S3, as Redshift reads it: Parquet by position and strictly by type, JSON lines by name."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import boto3
import duckdb
from botocore.exceptions import BotoCoreError, ClientError

from tests.standins.redshift_copy import Copy
from tests.standins.redshift_wire import Refusal

_TIME = "timestamp without time zone"

# What stands in a Parquet file's schema for each type of a column.
_PARQUET = {
    "smallint": ("INT32", "INT_16"),
    "integer": ("INT32", None),
    "bigint": ("INT64", None),
    "real": ("FLOAT", None),
    "double precision": ("DOUBLE", None),
    "boolean": ("BOOLEAN", None),
    "character varying": ("BYTE_ARRAY", "UTF8"),
    _TIME: ("INT64", "TIMESTAMP_MICROS"),
    "date": ("INT32", "DATE"),
}
_SIGNED = {"INT_32": None, "INT_64": None}

_BATCH = 1000


@dataclass(frozen=True)
class Column:
    name: str
    type: str
    length: int | None


class Source:
    """S3 as a COPY sees it."""

    def __init__(self, url: str, forbidden: Iterable[str] = ()) -> None:
        self._forbidden = frozenset(forbidden)
        self._s3 = boto3.client(
            "s3",
            endpoint_url=url,
            region_name="us-east-1",
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
        )

    def rows(self, copy: Copy, columns: list[Column]) -> Iterator[bytes]:
        """The rows as PostgreSQL's COPY takes them from its standard input."""
        try:
            yield from self._rows(copy, columns)
        except (ClientError, BotoCoreError) as error:
            raise _s3_error(str(error), 500, type(error).__name__, copy.source) from error

    def _rows(self, copy: Copy, columns: list[Column]) -> Iterator[bytes]:
        with TemporaryDirectory() as folder:
            for number, url in enumerate(self._objects(copy)):
                bucket, key = _parts(url)
                path = Path(folder) / str(number)
                self._s3.download_file(bucket, key, str(path))
                read = _parquet if copy.format == "parquet" else _json
                for batch in read(path, url, columns):
                    yield "".join(_line(row, columns, url) for row in batch).encode()
                path.unlink()

    def _objects(self, copy: Copy) -> list[str]:
        bucket, key = _parts(copy.source)
        if not copy.manifest:
            # What is not a manifest is the beginning of names.
            self._check_right(bucket, copy.source)
            found = self._s3.list_objects_v2(Bucket=bucket, Prefix=key).get("Contents", [])
            if not found:
                raise Refusal(f"The specified S3 prefix '{key}' does not exist", state="XX000")
            return [f"s3://{bucket}/{entry['Key']}" for entry in found]
        if self._size(copy.source) is None:
            raise _no_such_key(copy.source)
        try:
            manifest = json.loads(self._s3.get_object(Bucket=bucket, Key=key)["Body"].read())
            entries = manifest["entries"]
            return [entry["url"] for entry in entries if self._is_there(copy, entry)]
        except (ValueError, KeyError, TypeError) as error:
            raise Refusal("Manifest file is not in correct json format", state="XX000", detail=repr(error)) from error

    def _is_there(self, copy: Copy, entry: dict[str, Any]) -> bool:
        size = self._size(entry["url"])
        if size is None:
            if entry.get("mandatory"):
                raise _no_such_key(entry["url"])
            return False
        if copy.format == "parquet":
            said = entry.get("meta", {}).get("content_length")
            if said is None:
                raise Refusal("File entry does not have 'meta' key.", state="XX000", detail="code: 15003")
            if said != size:
                raise _spectrum(f"content_length says {said}, the object has {size} bytes", entry["url"], 15001)
        return True

    def _size(self, url: str) -> int | None:
        bucket, key = _parts(url)
        self._check_right(bucket, url)
        try:
            return int(self._s3.head_object(Bucket=bucket, Key=key)["ContentLength"])
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                return None
            raise

    def _check_right(self, bucket: str, url: str) -> None:
        if bucket in self._forbidden:
            raise _s3_error("Access Denied", 403, "AccessDenied", url)


def _parts(url: str) -> tuple[str, str]:
    bucket, _, key = url.removeprefix("s3://").partition("/")
    return bucket, key


def _parquet(path: Path, url: str, columns: list[Column]) -> Iterator[list[tuple[Any, ...]]]:
    with duckdb.connect(config={"threads": 1}) as connection:
        name = [str(path)]
        try:
            schema = connection.execute(
                "SELECT name, type, converted_type, num_children, logical_type FROM parquet_schema(?)", name
            ).fetchall()
        except duckdb.Error as error:
            raise _spectrum("File is not a Parquet file", url) from error
        found = schema[1:]
        if any(children for *_, children, _ in found):
            raise _spectrum("nested columns need SUPER", url)
        if len(found) != len(columns):
            raise _spectrum(
                f"Unmatched number of columns between table and file. Table columns: {len(columns)}, "
                f"Data columns: {len(found)}",
                url,
            )
        misread = set()
        for column, (written, physical, converted, _, logical) in zip(columns, found, strict=True):
            if (physical, converted, column.type) == ("INT64", None, _TIME) and (logical or "").startswith("Timestamp"):
                misread.add(written)
            elif (physical, _SIGNED.get(converted, converted)) != _PARQUET.get(column.type):
                raise _spectrum(
                    f"incompatible Parquet schema for column '{column.name}'. Column type: {column.type}, "
                    f"Parquet schema: {physical} {converted or ''}",
                    url,
                )
        # Whoever writes a time with a logical type only, in nanoseconds, finds it tens of thousands of years later, and
        # no error: https://github.com/apache/arrow/issues/38000.
        values = ", ".join(
            f'make_timestamp(epoch_ns("{written}"))' if written in misread else f'"{written}"' for written, *_ in found
        )
        # As PostgreSQL reads it, and a number to its last digit.
        connection.execute(f"SELECT COLUMNS(*)::VARCHAR FROM (SELECT {values} FROM read_parquet(?))", name)
        while rows := connection.fetchmany(_BATCH):
            yield rows


def _json(path: Path, url: str, columns: list[Column]) -> Iterator[list[tuple[Any, ...]]]:
    text, decoder, rows = path.read_text().strip(), json.JSONDecoder(), []
    while text:
        try:
            value, end = decoder.raw_decode(text)
            rows.append(tuple(_text(value.get(column.name)) for column in columns))
            if any(map(_is_too_long, rows[-1], columns)):
                raise _load_error("String length exceeds DDL length", url)
        except (ValueError, AttributeError) as error:
            raise _load_error("Invalid JSONPath format", url) from error
        text = text[end:].lstrip()
    yield rows


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value)


def _line(row: Iterable[str | None], columns: list[Column], url: str) -> str:
    return "\t".join(map(_field, row, columns, [url] * len(columns))) + "\n"


def _field(value: str | None, column: Column, url: str) -> str:
    if value is None:
        return r"\N"
    if _is_too_long(value, column):
        raise _spectrum(
            f"The length of the data column {column.name} is longer than the length defined in the table. "
            f"Table: {column.length}, Data: {len(value.encode())}",
            url,
            15001,
        )
    for plain, escaped in (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r")):
        value = value.replace(plain, escaped)
    return value


def _is_too_long(value: str | None, column: Column) -> bool:
    return value is not None and column.length is not None and len(value.encode()) > column.length


def _spectrum(what: str, url: str, code: int = 15007) -> Refusal:
    line = "-" * 47
    detail = (
        f"{line}\n  error:  Spectrum Scan Error\n  code:      {code}\n  context:   {what}, File name: {url}\n{line}"
    )
    return Refusal("Spectrum Scan Error", state="XX000", detail=detail)


def _s3_error(what: str, status: int, code: str, url: str) -> Refusal:
    text = f"S3ServiceException:{what},Status {status},Error {code},Rid 0,ExtRid 0,CanRetry 1"
    return Refusal(text, state="XX000", detail=f"context: Failed to open S3 object {url}")


def _no_such_key(url: str) -> Refusal:
    return _s3_error("The specified key does not exist.", 404, "NoSuchKey", url)


def _load_error(what: str, url: str) -> Refusal:
    return Refusal(
        "Load into table failed.  Check 'stl_load_errors' system table for details.",
        state="XX000",
        detail=f"{what}: {url}",
    )
