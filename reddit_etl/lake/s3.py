"""A lake in an S3 bucket."""

import io
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from itertools import chain, groupby
from pathlib import Path
from typing import IO, Any

import smart_open
import smart_open.s3
from botocore.exceptions import ClientError

from reddit_etl import aws
from reddit_etl.errors import ConfigurationError, LakeError
from reddit_etl.lake.base import Lake, Stored
from reddit_etl.lake.copies import Copies
from reddit_etl.lake.layout import FOLDERS

# The smallest part that S3 takes. Each open object holds one part in memory; smart_open's default is 50 MiB.
PART_BYTES = 5 * 1024 * 1024
SMALL = PART_BYTES  # Bytes; what is smaller goes in one request.
CHUNK = 1 << 20  # Bytes of an object that are read at a time.
RIGHTS = "grant this role s3:GetObject, s3:PutObject, s3:AbortMultipartUpload and s3:ListBucket on it"
DELETE_RIGHTS = "grant this role s3:ListBucketVersions, s3:DeleteObject and s3:DeleteObjectVersion on it"
ABORT_RIGHTS = "grant this role s3:ListBucketMultipartUploads and s3:AbortMultipartUpload on it"
DELETED_AT_ONCE = 1000  # The most keys in one request.
PARTITION = 3  # Zone, entity and day: the parts of a key that objects to be removed together have in common.
FIXES = {
    "AccessDenied": RIGHTS,
    "NoSuchBucket": "create the bucket, or use an existing one",
    "PermanentRedirect": "the bucket is in another region, set AWS_DEFAULT_REGION to it",
    "AuthorizationHeaderMalformed": "the bucket is in another region, set AWS_DEFAULT_REGION to it",
    "ParamValidationError": "use a valid name of a bucket",
}
# Error codes if the object exists, or if it is being written by another client.
TAKEN = ("PreconditionFailed", "ConditionalRequestConflict")
# Idempotent operations, with the fields that every response has. If the response that began an upload is lost, another
# upload is begun and completed; a part replaces itself.
REPEATABLE = {
    "GetObject": ("ETag", "ContentLength"),
    "ListObjectsV2": ("IsTruncated",),
    "PutObject": ("ETag",),
    "CreateMultipartUpload": ("UploadId",),
    "UploadPart": ("ETag",),
    "CompleteMultipartUpload": ("ETag",),
    "ListObjectVersions": ("IsTruncated",),
    "DeleteObjects": (),
}

# Its own retries log tracebacks, and wait a minute for an upload that was completed.
smart_open.s3.RETRY.exceptions = []
smart_open.s3.RETRY.client_error_codes = []


class _Beginning(io.BytesIO):
    """Buffers what is written while it is small; then passes it on to the upload that `begin` opens."""

    def __init__(self, begin: Callable[[], IO[bytes]]) -> None:
        super().__init__()
        self._begin = begin
        self._upload: IO[bytes] | None = None

    @property
    def is_handed_on(self) -> bool:
        """Whether there is an upload."""
        return self._upload is not None

    def write(self, chunk: Any) -> int:
        """Write all of the chunk."""
        if self._upload:
            return self._upload.write(chunk)
        written = super().write(chunk)
        if self.tell() >= SMALL:
            self._upload = self._begin()
            self._upload.write(self.getvalue())
            self.truncate(0)
        return written


class S3Lake(Lake):
    """Objects are below a prefix of a bucket."""

    def __init__(self, *, bucket: str, prefix: str, copies: int = 0) -> None:
        """With `copies`, so many bytes of what it puts are kept as local files until they are read."""
        self.bucket = bucket
        self.prefix = f"{prefix}/" if prefix else ""
        self.url = f"s3://{bucket}/{prefix}".rstrip("/")
        self._copies = Copies(copies)
        self._client = aws.client("s3", setting=f"LAKE_URL: {self.url}", repeatable=REPEATABLE)

    @contextmanager
    def open_new(self, key: str) -> Iterator[IO[bytes]]:
        """See `Lake`."""
        with self._failures(key), ExitStack() as stack:
            content = _Beginning(lambda: stack.enter_context(self._upload(key)))
            yield content
            if not content.is_handed_on:
                # One request instead of the three of a multipart upload.
                self._client.put_object(Bucket=self.bucket, Key=self.prefix + key, Body=content.getvalue())
                self._copies.keep(key, content.getvalue())

    @contextmanager
    def _upload(self, key: str) -> Iterator[IO[bytes]]:
        """A multipart upload. smart_open aborts it if the block raises an exception."""
        self._copies.drop(key)
        url = f"s3://{self.bucket}/{self.prefix}{key}"
        options = {"client": self._client, "min_part_size": PART_BYTES}
        opened = smart_open.open(url, "wb", compression="disable", transport_params=options)
        try:
            with opened as stream:
                yield stream
        except BaseException:
            # If the upload could not be aborted either, it would be completed as far as it got when Python deletes it.
            stream.close = lambda: None  # type: ignore[method-assign]
            raise

    def create(self, key: str, content: bytes, *, media_type: str = "application/json") -> bool:
        """See `Lake`."""
        with self._failures(key):
            try:
                self._client.put_object(
                    Bucket=self.bucket,
                    Key=self.prefix + key,
                    Body=content,
                    IfNoneMatch="*",
                    ContentType=media_type,
                )
            except ClientError as error:
                stored = self.read(key) if aws.code_of(error) in TAKEN else None
                if stored is None:
                    raise
                # A retry after a lost response finds the object that the first request created.
                return stored == content
        return True

    def read(self, key: str) -> bytes | None:
        """See `Lake`."""
        content = io.BytesIO()
        with self._failures(key):
            try:
                self._copy(key, content)
            except ClientError as error:
                if aws.code_of(error) == "NoSuchKey":
                    return None
                raise
        return content.getvalue()

    def _copy(self, key: str, target: IO[bytes]) -> None:
        def once() -> None:
            target.seek(0)
            target.truncate()
            answer = self._client.get_object(Bucket=self.bucket, Key=self.prefix + key)
            for chunk in aws.chunks(answer["Body"], CHUNK):
                target.write(chunk)

        aws.retrying(aws.BrokenAnswer)(once)

    def stored(self, prefix: str) -> Iterator[Stored]:
        """See `Lake`."""
        with self._failures(prefix):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=self.prefix + prefix
            )
            for page in pages:
                for entry in page.get("Contents", ()):
                    at = entry["LastModified"].astimezone(UTC).replace(tzinfo=None)
                    yield Stored(entry["Key"].removeprefix(self.prefix), entry["Size"], at)

    def keys_between(self, first: str, last: str) -> Iterator[str]:
        """See `Lake`."""
        folder = first.partition("/")[0]
        with self._failures(first):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=f"{self.prefix}{folder}/", StartAfter=self.prefix + first
            )
            for key in (entry["Key"].removeprefix(self.prefix) for page in pages for entry in page.get("Contents", ())):
                if key >= last:
                    return
                yield key

    def folders(self, prefix: str) -> list[str]:
        """See `Lake`."""
        with self._failures(prefix):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=self.prefix + prefix, Delimiter="/"
            )
            found = (entry["Prefix"] for page in pages for entry in page.get("CommonPrefixes", ()))
            return [path.removeprefix(self.prefix + prefix).rstrip("/") for path in found]

    def local_file(self, key: str, scratch: Path) -> Path:
        """See `Lake`."""
        path = scratch / key.replace("/", "_")
        if self._copies.take(key, path):
            return path
        with self._failures(key), path.open("wb") as copy:
            self._copy(key, copy)
        return path

    def remove(self, keys: Iterable[str]) -> int:
        """See `Lake`. A delete marker hides older versions, so versions are removed by their ids, markers too."""
        removed = 0
        for _, group in groupby(sorted(set(keys)), key=lambda key: key.split("/")[:PARTITION]):
            wanted = {self.prefix + key for key in group}
            for key in wanted:
                self._copies.drop(key.removeprefix(self.prefix))
            # One listing for many objects of a day.
            prefix = _common(f"{key.rpartition('/')[0]}/" for key in wanted)
            with self._failures(prefix.removeprefix(self.prefix), DELETE_RIGHTS):
                found = [one for one in self._versions(prefix) if one["Key"] in wanted]
                removed += sum(one.get("Size", 0) for one in found)
                for begin in range(0, len(found), DELETED_AT_ONCE):
                    self._delete(found[begin : begin + DELETED_AT_ONCE])
        return removed

    def _versions(self, prefix: str) -> Iterator[dict[str, Any]]:
        """All versions and delete markers below a prefix of the bucket."""
        pages = self._client.get_paginator("list_object_versions").paginate(Bucket=self.bucket, Prefix=prefix)
        for page in pages:
            yield from page.get("Versions", ())
            yield from page.get("DeleteMarkers", ())

    def _delete(self, versions: list[dict[str, Any]]) -> None:
        named = [{"Key": one["Key"], "VersionId": one["VersionId"]} for one in versions]
        answer = self._client.delete_objects(Bucket=self.bucket, Delete={"Objects": named, "Quiet": True})
        # The answer to the whole request is 200 even if nothing was removed.
        for error in answer.get("Errors", ()):
            place = f"LAKE_URL: s3://{self.bucket}/{error.get('Key')}: {error.get('Code')}"
            if error.get("Code") == "AccessDenied":
                raise ConfigurationError(f"{place}: {DELETE_RIGHTS}")
            raise LakeError(f"{place}: {error.get('Message')}")

    def remove_unfinished(self, before: datetime) -> int:
        """See `Lake`."""
        moment = before.replace(tzinfo=UTC)
        removed = 0
        with self._failures("", ABORT_RIGHTS):
            pages = self._client.get_paginator("list_multipart_uploads")
            found = (pages.paginate(Bucket=self.bucket, Prefix=self.prefix + folder) for folder in FOLDERS)
            for upload in (upload for page in chain(*found) for upload in page.get("Uploads", ())):
                if upload["Initiated"] < moment:
                    self._client.abort_multipart_upload(
                        Bucket=self.bucket, Key=upload["Key"], UploadId=upload["UploadId"]
                    )
                    removed += 1
        return removed

    @contextmanager
    def _failures(self, key: str, rights: str = RIGHTS) -> Iterator[None]:
        fixes = FIXES | {"AccessDenied": rights}
        with aws.failures(f"LAKE_URL: s3://{self.bucket}/{self.prefix}{key}", LakeError, fixes):
            try:
                yield
            except ValueError as error:
                # smart_open hands on what S3 answered as the cause.
                if isinstance(error.__cause__, ClientError):
                    raise error.__cause__ from error
                raise


def _common(texts: Iterable[str]) -> str:
    """What all begin with, up to a character."""
    *_, last = ordered = sorted(texts)
    first = ordered[0]
    length = next((n for n, pair in enumerate(zip(first, last, strict=False)) if pair[0] != pair[1]), len(first))
    return first[:length]
