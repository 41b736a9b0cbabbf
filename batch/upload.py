"""The Glue job's script and library, in the bucket, under a digest of both: a running job never sees them change."""

import hashlib
from typing import Any

from botocore.exceptions import ClientError

from batch.errors import asking
from batch.glue.library import PROJECT, library
from batch.terminal import say
from reddit_etl.aws import client

SCRIPT = "glue_transform.py"
LIBRARY = "library.zip"


def files() -> dict[str, bytes]:
    return {SCRIPT: (PROJECT / "batch" / "glue" / "transform.py").read_bytes(), LIBRARY: library()}


def code_version() -> str:
    digest = hashlib.sha256()
    for name, content in files().items():
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:16]


def upload(bucket: str) -> None:
    s3 = client("s3", place="S3")
    with asking("S3"):
        new = [item for item in files().items() if not _has(s3, bucket, _key(item[0]))]
        for name, content in new:
            s3.put_object(Bucket=bucket, Key=_key(name), Body=content)
    say(f"code        s3://{bucket}/{_key('')} {'is there' if not new else 'has ' + ' and '.join(n for n, _ in new)}")


def _key(name: str) -> str:
    return f"code/{code_version()}/{name}"


def _has(s3: Any, bucket: str, key: str) -> bool:
    try:
        s3.head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
            return False
        raise
    return True
