"""`python -m batch destroy`: removes what was deployed. The data stays, unless it is asked for by name."""

from typing import Any

from batch import image, secret
from batch.deploy import check_name, identity
from batch.errors import DeployError, asking
from batch.stack import Stack
from batch.terminal import confirm, say, waiting
from reddit_etl.aws import client


def destroy(name: str, *, with_data: bool, yes: bool) -> int:
    """Gives the exit code."""
    check_name(name)
    account, region = identity()
    stack = Stack(name)
    stack.check_own()
    image.check_own(name)
    secret.check_own(f"{name}/reddit")
    outputs = stack.outputs()
    bucket = outputs.get("Bucket") or stack.last_outputs().get("Bucket")
    say(f"account     {account}, {region}, stack {name}")
    if "Workgroup" in outputs:
        say("warehouse   goes with the stack; Redshift keeps its last snapshot for 30 days")
    if with_data and bucket:
        say(f"data        s3://{bucket} and all versions of all that is in it are removed for good")
        agreed = confirm("Type the bucket's name to go on:", yes=yes, answer=bucket)
    else:
        say(f"data        {f's3://{bucket} stays' if bucket else 'no bucket is known'}")
        agreed = confirm("Remove the stack, its images and its secret? [y/N]", yes=yes)
    if not agreed:
        say("nothing is removed")
        return 1
    if not stack.remove():
        say(f"stack       {name} is not there")
    say(f"repository  {name} {'is removed with its images' if image.removed(name) else 'is not there'}")
    what = f"is removed; for {secret.RECOVERY_DAYS} days a deployment with the credentials takes it up"
    say(f"secret      {name}/reddit {what if secret.removed(f'{name}/reddit') else 'is not there'}")
    if with_data and bucket:
        say(f"data        s3://{bucket} {'is removed' if _removed(bucket) else 'is not there'}")
    elif bucket:
        say(f"data        s3://{bucket} is kept; `make destroy ARGS=--with-data` removes it too")
    return 0


def _removed(bucket: str) -> bool:
    """Whether there was one."""
    s3 = client("s3", place="S3")
    with asking("S3"):
        try:
            _empty(s3, bucket)
            s3.delete_bucket(Bucket=bucket)
        except s3.exceptions.NoSuchBucket:
            return False
    return True


def _empty(s3: Any, bucket: str) -> None:
    gone = 0
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        objects = [
            {"Key": entry["Key"], "VersionId": entry["VersionId"]}
            for kind in ("Versions", "DeleteMarkers")
            for entry in page.get(kind, [])
        ]
        if objects:
            answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True})
            for error in answer.get("Errors", []):
                raise DeployError(f"S3: {error['Key']} is not removed: {error['Code']} {error.get('Message', '')}")
        gone += len(objects)
        waiting(f"  {gone:,} objects are removed")
    for page in s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket):
        for entry in page.get("Uploads", []):
            s3.abort_multipart_upload(Bucket=bucket, Key=entry["Key"], UploadId=entry["UploadId"])
