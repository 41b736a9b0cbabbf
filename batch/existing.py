"""A warehouse that is there already (`Warehouse=url`): whether the job can reach it, and what its owner must allow."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from batch.errors import asking
from batch.terminal import say
from batch.warehouse import IDLE, RIGHTS, user_of
from reddit_etl.aws import client
from reddit_etl.errors import ConfigurationError

REGION = re.compile(r"\.([a-z]{2}(?:-[a-z]+)+-\d)\.redshift(?:-serverless)?\.amazonaws\.com(?:\.cn)?$")


class Place(NamedTuple):
    name: str
    public: bool
    vpcs: set[str]


def check(values: Mapping[str, str], region: str) -> None:
    """What can be known before anything is made; raises ConfigurationError."""
    if values["Warehouse"] != "url":
        return
    elsewhere = REGION.search(urlsplit(values["WarehouseUrl"]).hostname or "")
    if elsewhere and elsewhere[1] != region:
        raise ConfigurationError(
            f"--set WarehouseUrl is in {elsewhere[1]}, the stack would be in {region}: COPY reads "
            f"Parquet files of its own region only, so set AWS_DEFAULT_REGION={elsewhere[1]}"
        )
    place = _workgroup(values) if values["RedshiftWorkgroup"] else _cluster(values)
    if not place or place.public or not place.vpcs:
        return
    vpcs = " or ".join(sorted(place.vpcs))
    if not values["VpcId"]:
        raise ConfigurationError(
            f"{place.name} is private in {vpcs}: let the job run there, by --set VpcId={vpcs} and --set SubnetIds=… "
            "of subnets with a way to Reddit"
        )
    if values["VpcId"] not in place.vpcs:
        say(f"warehouse   {place.name} is private in {vpcs}: {values['VpcId']}, where the job runs, needs a way to it")


def _workgroup(values: Mapping[str, str]) -> Place:
    name = values["RedshiftWorkgroup"]
    serverless = client("redshift-serverless", place="Redshift Serverless")
    with asking("Redshift Serverless"):
        try:
            found: dict[str, Any] = serverless.get_workgroup(workgroupName=name)["workgroup"]
        except serverless.exceptions.ResourceNotFoundException:
            raise ConfigurationError(f"--set RedshiftWorkgroup={name}: there is none in this region") from None
    if found["workgroupArn"] != values["RedshiftWorkgroupArn"]:
        raise ConfigurationError(f"--set RedshiftWorkgroupArn: that of {name} is {found['workgroupArn']}")
    endpoints = found.get("endpoint", {}).get("vpcEndpoints", [])
    return Place(name, found.get("publiclyAccessible", False), {endpoint["vpcId"] for endpoint in endpoints})


def _cluster(values: Mapping[str, str]) -> Place | None:
    name = values["RedshiftCluster"]
    if not name:
        return None
    redshift = client("redshift", place="Redshift")
    with asking("Redshift"):
        try:
            [found] = redshift.describe_clusters(ClusterIdentifier=name)["Clusters"]
        except redshift.exceptions.ClusterNotFoundFault:
            raise ConfigurationError(f"--set RedshiftCluster={name}: there is none in this region") from None
    return Place(name, found.get("PubliclyAccessible", False), {found["VpcId"]} if "VpcId" in found else set())


def tell(outputs: Mapping[str, str], values: Mapping[str, str]) -> None:
    """What is its owner's to allow: without it the first load fails."""
    if values["Warehouse"] != "url":
        return
    say("warehouse   yours; its owner must allow this, if it is not allowed yet:")
    say(f"  its security group: port 5439 (or its own) from {outputs['JobSecurityGroup']}")
    reads = f"s3://{outputs['Bucket']}/lake/curated/ and lake/doctor/"
    if values["CopyRoleArn"]:
        say(f"  {values['CopyRoleArn']}: to read {reads} and to list the bucket")
    else:
        say(f"  {outputs['CopyRole']}: attach it to the warehouse, which reads {reads} by it")
    if values["WarehouseSecretArn"]:
        say(f"  the secret's user: GRANT {RIGHTS} ON DATABASE … TO …;")
    else:
        user, database = user_of(outputs["JobRole"]), urlsplit(values["WarehouseUrl"]).path.lstrip("/")
        say(f"  CREATE USER {user} PASSWORD DISABLE; ALTER USER {user} SESSION TIMEOUT {IDLE};")
        say(f"  GRANT {RIGHTS} ON DATABASE {database} TO {user};")
