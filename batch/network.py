"""Where the stack's own network is: the zones of its subnets, chosen once. Neither they nor a warehouse can move."""

from collections.abc import Mapping

from batch.errors import asking
from reddit_etl.aws import client
from reddit_etl.errors import ConfigurationError

ZONES = "Zones"
# The parameter of a stack that has no network of its own.
NONE = "none,none,none"
SUBNETS = 3
# Zones without Fargate, or without Fargate on ARM, by their IDs: their names differ from account to account. From ECS's
# Developer Guide, "Supported Regions for Amazon ECS on AWS Fargate" and "Amazon ECS task definitions for 64-bit ARM
# workloads"; where an older edition leaves out more, so does this.
UNFIT = {"use1-az3", "usw1-az2", "cac1-az3", "cac1-az4", "apne1-az3", "cnn1-az3", "cnn1-az4"}


def zones() -> str:
    """The zones for the subnets, as the stack's parameter: of two that will do, one has two of the subnets."""
    ec2 = client("ec2", place="EC2")
    with asking("EC2"):
        found = ec2.describe_availability_zones()["AvailabilityZones"]
    fit = sorted(
        zone["ZoneName"]
        for zone in found
        # Local zones and those of Wavelength have no Redshift, and some no Fargate.
        if zone["State"] == "available" and zone["ZoneType"] == "availability-zone" and zone["ZoneId"] not in UNFIT
    )
    if len(fit) < 2:
        raise ConfigurationError(
            f"{ec2.meta.region_name} has fewer than two availability zones with Fargate on ARM: give your own network "
            "by --set VpcId=… and --set SubnetIds=…, or take another region"
        )
    return ",".join((fit * 2)[:SUBNETS])


def check_stays(kept: Mapping[str, str], values: Mapping[str, str]) -> None:
    """Raises ConfigurationError for a change that CloudFormation would begin and AWS refuse in its midst."""
    if kept.get("Warehouse") == values["Warehouse"] == "serverless" and kept["VpcId"] != values["VpcId"]:
        raise ConfigurationError(
            f"--set VpcId={values['VpcId'] or '(none)'}: the stack's warehouse stays in the VPC that it was made in, "
            f"{kept['VpcId'] or 'that of the stack'}: give that one, or deploy another stack by --stack"
        )
    own = kept and not kept["SubnetIds"] and not values["SubnetIds"]
    if own and kept.get(ZONES, values[ZONES]) != values[ZONES]:
        raise ConfigurationError(f"--set {ZONES}={values[ZONES]}: subnets do not move, they stay in {kept[ZONES]}")
