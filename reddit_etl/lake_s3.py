"""A lake in an S3 bucket."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import smart_open
from botocore.exceptions import ClientError

from reddit_etl import aws
from reddit_etl.errors import LakeError
from reddit_etl.lake import Lake

# The smallest part that S3 takes. Each open object holds one part in memory; smart_open's default is 50 MiB.
PART_BYTES = 5 * 1024 * 1024
ABSENT = ("404", "NoSuchKey")
RIGHTS = "give this role s3:GetObject, s3:PutObject, s3:AbortMultipartUpload and s3:ListBucket on it"
FIXES = {
    "403": RIGHTS,
    "AccessDenied": RIGHTS,
    "NoSuchBucket": "create the bucket, or name the one that exists",
    "PermanentRedirect": "the bucket is in another region, set AWS_DEFAULT_REGION to it",
    "301": "the bucket is in another region, set AWS_DEFAULT_REGION to it",
    "AuthorizationHeaderMalformed": "the bucket is in another region, set AWS_DEFAULT_REGION to it",
    "ParamValidationError": "name a bucket as S3 allows it",
}
# What S3 answers if the object is there, or if another writer of it is at work.
TAKEN = ("PreconditionFailed", "412", "ConditionalRequestConflict")


class S3Lake(Lake):
    def __init__(self, *, bucket: str, prefix: str) -> None:
        self.bucket = bucket
        self.prefix = f"{prefix}/" if prefix else ""
        self.url = f"s3://{bucket}/{prefix}".rstrip("/")
        self._client = aws.client("s3", place=f"LAKE_URL: {self.url}")

    @contextmanager
    def open_new(self, key: str) -> Iterator[IO[bytes]]:
        # smart_open aborts the upload when an exception leaves its block.
        with self._failures(key), self._opened(key, "wb", min_part_size=PART_BYTES) as stream:
            yield stream

    def _opened(self, key: str, mode: str, **options: object) -> Any:
        return smart_open.open(
            f"s3://{self.bucket}/{self.prefix}{key}",
            mode,
            compression="disable",
            transport_params={"client": self._client, **options},
        )

    def create(self, key: str, content: bytes) -> bool:
        with self._failures(key):
            try:
                self._client.put_object(
                    Bucket=self.bucket,
                    Key=self.prefix + key,
                    Body=content,
                    IfNoneMatch="*",
                    ContentType="application/json",
                )
            except ClientError as error:
                stored = self.read(key) if error.response["Error"]["Code"] in TAKEN else None
                if stored is None:
                    raise
                # boto3 repeats a request whose answer was lost, and then finds what the first one put.
                return stored == content
        return True

    def read(self, key: str) -> bytes | None:
        with self._failures(key):
            try:
                content: bytes = self._client.get_object(Bucket=self.bucket, Key=self.prefix + key)["Body"].read()
            except ClientError as error:
                if error.response["Error"]["Code"] in ABSENT:
                    return None
                raise
            return content

    def sizes(self, prefix: str) -> Iterator[tuple[str, int]]:
        with self._failures(prefix):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=self.prefix + prefix
            )
            for page in pages:
                for entry in page.get("Contents", ()):
                    yield entry["Key"].removeprefix(self.prefix), entry["Size"]

    def local_file(self, key: str, scratch: Path) -> Path:
        path = scratch / key.replace("/", "_")
        with self._failures(key), self._opened(key, "rb") as stream, path.open("wb") as copy:
            shutil.copyfileobj(stream, copy)
        return path

    @contextmanager
    def _failures(self, key: str) -> Iterator[None]:
        place = f"LAKE_URL: s3://{self.bucket}/{self.prefix}{key}"
        try:
            with aws.failures(place, LakeError, FIXES):
                yield
        except (OSError, ValueError) as error:
            # smart_open hands on what S3 answered as the cause of an OSError or a ValueError.
            if isinstance(error.__cause__, ClientError):
                with aws.failures(place, LakeError, FIXES):
                    raise error.__cause__ from error
            if isinstance(error, ValueError):
                raise
            raise LakeError(f"{place}: {' '.join(str(error).split())}") from error
