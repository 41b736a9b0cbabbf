"""The data lake: objects and receipts, in a folder or in an S3 bucket."""

from typing import TYPE_CHECKING, Literal

from reddit_etl.errors import ConfigurationError
from reddit_etl.paths import expanded

if TYPE_CHECKING:
    from reddit_etl.lake.base import Lake


def kind_of_lake(url: str) -> Literal["s3", "folder"]:
    """Raises ConfigurationError for anything else."""
    scheme, colon, rest = url.partition(":")
    host = rest.removeprefix("//").partition("/")[0]
    if url and (not colon or "/" in scheme):
        return "folder"
    if "@" in host or ":" in host:
        raise ConfigurationError("LAKE_URL contains credentials: remove them, they come from AWS's own settings")
    if scheme == "s3" and rest.startswith("//") and host:
        # In S3 they are part of a key; Hadoop's paths, which Glue uses, drop them.
        if {"", ".", ".."} & set(rest.rstrip("/").split("/")[3:]):
            raise ConfigurationError("LAKE_URL has //, /. or /.. in its prefix, which Glue cannot read: remove them")
        return "s3"
    # Not repeated here: it may hold a password.
    raise ConfigurationError("LAKE_URL is not valid: use s3://bucket/prefix or a folder")


def open_lake(url: str, *, copies: int = 0) -> "Lake":
    """The lake at `s3://bucket[/prefix]`, or in a folder. Raises ConfigurationError."""
    if kind_of_lake(url) == "s3":
        # boto3 takes 25 MB of memory, which a local lake does not need.
        from reddit_etl.lake.s3 import S3Lake  # noqa: PLC0415

        # `copies` are bytes of what is put on S3 that are kept as local files until they are read.
        bucket, _, prefix = url.removeprefix("s3://").partition("/")
        return S3Lake(bucket=bucket, prefix=prefix.strip("/"), copies=copies)
    from reddit_etl.lake.folder import FolderLake  # noqa: PLC0415

    return FolderLake(expanded("LAKE_URL", url))
