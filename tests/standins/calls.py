"""A recorder of the AWS calls that are made, and the rights in IAM that each of them needs."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from reddit_etl import aws
from tests.standins.policies import Right
from tests.standins.template import ACCOUNT, REGION

Call = tuple[str, str, dict[str, Any]]
S3 = {
    "PutObject": "s3:PutObject",
    "CreateMultipartUpload": "s3:PutObject",
    "UploadPart": "s3:PutObject",
    "CompleteMultipartUpload": "s3:PutObject",
    "AbortMultipartUpload": "s3:AbortMultipartUpload",
    "DeleteObject": "s3:DeleteObject",
    "GetObject": "s3:GetObject",
    "HeadObject": "s3:GetObject",
    "ListObjectsV2": "s3:ListBucket",
    "ListObjectVersions": "s3:ListBucketVersions",
    "ListMultipartUploads": "s3:ListBucketMultipartUploads",
}


class Recorder:
    """The clients that it watches tell it of each call."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    def watch(self, client: Any) -> Any:
        client.meta.events.register("provide-client-params.*.*", self._record)
        return client

    def client(self, *arguments: Any, **options: Any) -> Any:
        """As boto3 makes it."""
        return self.watch(boto3.client(*arguments, **options))

    def watch_all(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Every client that the project's own code makes from now on."""
        make = aws.client
        monkeypatch.setattr(aws, "client", lambda service, **chosen: self.watch(make(service, **chosen)))

    def _record(self, params: dict[str, Any], model: Any, **_: object) -> None:
        self.calls.append((model.service_model.service_name, model.name, dict(params)))

    def rights(self) -> set[Right]:
        return {right for call in self.calls for right in rights_of(*call)}


def rights_of(service: str, operation: str, p: dict[str, Any]) -> Iterator[Right]:
    """By the service authorization reference. An operation that is not known here is an error."""
    if service == "s3" and operation == "DeleteObjects":
        for named in p["Delete"]["Objects"]:
            place = f"arn:aws:s3:::{p['Bucket']}/{named['Key']}"
            yield "s3:DeleteObject", place
            if "VersionId" in named:
                yield "s3:DeleteObjectVersion", place
    elif service == "s3":
        bucket, action = f"arn:aws:s3:::{p['Bucket']}", S3[operation]
        yield action, f"{bucket}/{p['Key']}" if "Key" in p else bucket
        if action == "s3:GetObject":
            # Else an object that is absent is a 403.
            yield "s3:ListBucket", bucket
    elif service == "glue":
        yield from (
            (f"glue:{operation}", f"arn:aws:glue:{REGION}:{ACCOUNT}:{place}") for place in _places(operation, p)
        )
    elif service == "iam":
        yield f"iam:{operation}", f"arn:aws:iam::{ACCOUNT}:role/{p['RoleName']}"
    elif service == "redshift-serverless":
        yield f"{service}:{operation}", f"arn:aws:{service}:{REGION}:{ACCOUNT}:workgroup/{p['workgroupName']}"
    elif service == "redshift":
        database = f"dbname:{p['ClusterIdentifier']}/{p['DbName']}"
        yield f"{service}:{operation}", f"arn:aws:{service}:{REGION}:{ACCOUNT}:{database}"
    else:
        raise AssertionError(f"the rights of {service}:{operation} are not known here")


def _places(operation: str, p: dict[str, Any]) -> Iterator[str]:
    """Of Glue: the job, or the table and all that is above it."""
    if "JobName" in p:
        yield f"job/{p['JobName']}"
        return
    yield "catalog"
    database = p["Name"] if operation == "GetDatabase" else p["DatabaseName"]
    yield f"database/{database}"
    if operation != "GetDatabase":
        yield f"table/{database}/{p.get('TableName') or p.get('TableInput', p)['Name']}"
