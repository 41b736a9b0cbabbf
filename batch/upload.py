"""The Glue job's script and library, in the bucket, under a digest of both: a running job never sees them change."""

import hashlib

from batch.aws import using
from batch.glue.library import PROJECT, library
from batch.terminal import say

SCRIPT = "glue_transform.py"
LIBRARY = "library.zip"


def files() -> dict[str, bytes]:
    """The content of both files, by their name in the bucket."""
    return {SCRIPT: (PROJECT / "batch" / "glue" / "transform.py").read_bytes(), LIBRARY: library()}


def code_version() -> str:
    """The first 16 hex digits of a SHA-256 digest over names and contents."""
    digest = hashlib.sha256()
    for name, content in files().items():
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:16]


def upload(bucket: str) -> None:
    """Idempotent."""
    folder = f"code/{code_version()}"
    with using("s3") as s3:
        for name, content in files().items():
            s3.put_object(Bucket=bucket, Key=f"{folder}/{name}", Body=content)
    say(f"code        uploaded to s3://{bucket}/{folder}/")
