"""`python -m batch destroy`: deletes what was deployed. The data stays unless `--with-data` is passed."""

from typing import Any

from batch import image, secret, stack
from batch.aws import DeployError, using
from batch.deploy import log_in
from batch.terminal import confirm, say


def destroy(name: str, *, with_data: bool, yes: bool) -> int:
    """The exit code."""
    log_in(name)
    found = stack.look_up(name)
    image.check_repository(name)
    secret.look_up(f"{name}/reddit")
    bucket = found.outputs.get("Bucket") or stack.last_bucket(name)
    if "Workgroup" in found.outputs:
        say("warehouse   is deleted with the stack; Redshift keeps its last snapshot for a day")
    if with_data and bucket:
        say(f"data        s3://{bucket} and every version of every object in it are deleted for good")
        agreed = confirm("Type the bucket's name to continue:", yes=yes, answer=bucket)
    else:
        say(f"data        {f's3://{bucket} is kept' if bucket else 'no bucket found'}")
        agreed = confirm("Delete the stack, its images and its secret? [y/N]", yes=yes)
    if not agreed:
        say("cancelled: nothing is deleted")
        return 1
    if found.status == stack.DELETED:
        say(f"stack       {name} not found")
    else:
        stack.delete(found)
    say(f"repository  {name} {'deleted with its images' if image.delete(name) else 'not found'}")
    restore = f"deleted; a deployment with credentials restores it for {secret.RECOVERY_DAYS} days"
    say(f"secret      {name}/reddit {restore if secret.delete(f'{name}/reddit') else 'not found'}")
    if with_data and bucket:
        say(f"data        s3://{bucket} {'deleted' if _delete(bucket) else 'not found'}")
    elif bucket:
        say(f"data        s3://{bucket} is kept; `make destroy ARGS=--with-data` deletes it too")
    return 0


def _delete(bucket: str) -> bool:
    """Whether there was one."""
    with using("s3") as s3:
        try:
            _empty(s3, bucket)
            s3.delete_bucket(Bucket=bucket)
        except s3.exceptions.NoSuchBucket:
            return False
    return True


def _empty(s3: Any, bucket: str) -> None:
    # Not boto3's resource: it overlooks what DeleteObjects could not delete.
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        found = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        if found:
            objects = [{"Key": entry["Key"], "VersionId": entry["VersionId"]} for entry in found]
            answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True})
            for error in answer.get("Errors", []):
                raise DeployError(f"S3: {error['Key']} is not deleted: {error['Code']} {error.get('Message', '')}")
    for page in s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket):
        for entry in page.get("Uploads", []):
            s3.abort_multipart_upload(Bucket=bucket, Key=entry["Key"], UploadId=entry["UploadId"])
