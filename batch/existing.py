"""An externally managed warehouse (`Warehouse=url`): whether the job can reach it, and what its owner must allow."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from batch.aws import using
from batch.terminal import say
from batch.warehouse import IDLE, RIGHTS, SCHEMA, maintaining, user_of
from reddit_etl.errors import ConfigurationError

REGION = re.compile(r"\.([a-z]{2}(?:-[a-z]+)+-\d)\.redshift(?:-serverless)?\.amazonaws\.com(?:\.cn)?$")


def check(values: Mapping[str, str], region: str) -> None:
    """Raises ConfigurationError if the job could not reach it, as far as that shows before anything is created."""
    host = REGION.search(urlsplit(values["WarehouseUrl"]).hostname or "")
    if host and host[1] != region:
        raise ConfigurationError(
            f"--set WarehouseUrl: the warehouse is in {host[1]}, the stack in {region}, and COPY reads Parquet files "
            f"of its own region only: set AWS_DEFAULT_REGION={host[1]}"
        )
    name, private = values["RedshiftWorkgroup"] or values["RedshiftCluster"], set()
    if values["RedshiftWorkgroup"]:
        private = _vpcs_of_workgroup(name, values["RedshiftWorkgroupArn"])
    elif name:
        private = _vpcs_of_cluster(name)
    vpcs = " or ".join(sorted(private))
    if private and not values["VpcId"]:
        raise ConfigurationError(
            f"{name} is private in {vpcs}: run the job there, with --set VpcId={vpcs} and --set SubnetIds=… of subnets "
            "that can reach Reddit"
        )
    if private and values["VpcId"] not in private:
        say(f"warehouse   {name} is private in {vpcs}: {values['VpcId']}, where the job runs, needs a route to it")


def _vpcs_of_workgroup(name: str, arn: str) -> set[str]:
    """Where it is private; empty for a public one."""
    with using("redshift-serverless") as serverless:
        try:
            found: dict[str, Any] = serverless.get_workgroup(workgroupName=name)["workgroup"]
        except serverless.exceptions.ResourceNotFoundException:
            raise ConfigurationError(f"--set RedshiftWorkgroup={name}: not found in this region") from None
    if found["workgroupArn"] != arn:
        raise ConfigurationError(f"--set RedshiftWorkgroupArn: that of {name} is {found['workgroupArn']}")
    endpoints = [] if found.get("publiclyAccessible") else found.get("endpoint", {}).get("vpcEndpoints", [])
    return {endpoint["vpcId"] for endpoint in endpoints}


def _vpcs_of_cluster(name: str) -> set[str]:
    """Where it is private; empty for a public one."""
    with using("redshift") as redshift:
        try:
            [found] = redshift.describe_clusters(ClusterIdentifier=name)["Clusters"]
        except redshift.exceptions.ClusterNotFoundFault:
            raise ConfigurationError(f"--set RedshiftCluster={name}: not found in this region") from None
    return set() if found.get("PubliclyAccessible") or "VpcId" not in found else {found["VpcId"]}


def explain_access(outputs: Mapping[str, str], values: Mapping[str, str]) -> None:
    """Print what its owner must allow: without it the first load fails."""
    say("warehouse   externally managed, not modified; its owner must allow, unless already done:")
    say(f"  its security group: port 5439 (or its own) from {outputs['JobSecurityGroup']}")
    reads = f"s3://{outputs['Bucket']}/lake/curated/ and lake/doctor/"
    if values["CopyRoleArn"]:
        say(f"  {values['CopyRoleArn']}: read {reads} and list the bucket")
    else:
        say(f"  {outputs['CopyRole']}: attach it to the warehouse, which reads {reads} with it")
    if values["WarehouseSecretArn"]:
        say(f"  the secret's user: GRANT {RIGHTS} ON DATABASE … TO …;")
    else:
        user, database = user_of(outputs["JobRole"]), urlsplit(values["WarehouseUrl"]).path.lstrip("/")
        say(f"  CREATE USER {user} PASSWORD DISABLE; ALTER USER {user} SESSION TIMEOUT {IDLE};")
        say(f"  GRANT {RIGHTS} ON DATABASE {database} TO {user};")
        # The job would create it too, but the grants to the daily one need it before.
        say(f"  CREATE SCHEMA IF NOT EXISTS {SCHEMA} AUTHORIZATION {user};")
        for statement in maintaining(outputs["MaintenanceRole"], database):
            say(f"  {statement};")
