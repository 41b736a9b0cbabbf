"""The stack's own network: the zones of its subnets, chosen once, and ECS's right to make network interfaces."""

from collections.abc import Mapping

from batch.aws import using
from batch.terminal import say
from reddit_etl.errors import ConfigurationError

ZONES = "Zones"
# The parameter's value for a stack without a network of its own.
NONE = "none,none,none"
SUBNETS = 3
# Zones without Fargate, or without Fargate on ARM, by their IDs: their names differ from account to account. From ECS's
# Developer Guide, "Supported Regions for Amazon ECS on AWS Fargate" and "Amazon ECS task definitions for 64-bit ARM
# workloads"; where an older edition leaves out more, so does this.
UNFIT = {"use1-az3", "usw1-az2", "cac1-az3", "cac1-az4", "apne1-az3", "cnn1-az3", "cnn1-az4"}
ECS = "ecs.amazonaws.com"


def zones() -> str:
    """The zones for the subnets, as the stack's parameter. If only two qualify, one has two of the subnets."""
    with using("ec2") as ec2:
        found = ec2.describe_availability_zones()["AvailabilityZones"]
    fit = sorted(
        zone["ZoneName"]
        for zone in found
        # Local zones and those of Wavelength have no Redshift, and some no Fargate.
        if zone["State"] == "available" and zone["ZoneType"] == "availability-zone" and zone["ZoneId"] not in UNFIT
    )
    if len(fit) < 2:
        raise ConfigurationError(
            f"{ec2.meta.region_name} has fewer than two availability zones with Fargate on ARM: pass your own network "
            "with --set VpcId=… and --set SubnetIds=…, or choose another region"
        )
    return ",".join((fit * 2)[:SUBNETS])


def check_unmoved(kept: Mapping[str, str], values: Mapping[str, str]) -> None:
    """Raises ConfigurationError for a change that CloudFormation would begin and AWS then refuse."""
    if kept.get("Warehouse") == values["Warehouse"] == "serverless" and kept["VpcId"] != values["VpcId"]:
        raise ConfigurationError(
            f"--set VpcId={values['VpcId'] or '(none)'}: the stack's warehouse cannot move to another VPC: keep "
            f"{kept['VpcId'] or 'that of the stack'}, or deploy another stack with --stack"
        )
    own = kept and not kept["SubnetIds"] and not values["SubnetIds"]
    if own and kept.get(ZONES, values[ZONES]) != values[ZONES]:
        raise ConfigurationError(f"--set {ZONES}={values[ZONES]}: subnets cannot move, they are in {kept[ZONES]}")


def ensure_ecs_role() -> None:
    """Create ECS's service-linked role, which an account lacks until it uses ECS. Without the right to, print how."""
    try:
        with using("iam") as iam:
            if iam.list_roles(PathPrefix=f"/aws-service-role/{ECS}/")["Roles"]:
                return
            iam.create_service_linked_role(AWSServiceName=ECS)
        say("role        ECS's service-linked role created: this account never used ECS")
    except ConfigurationError:
        command = f"aws iam create-service-linked-role --aws-service-name {ECS}"
        say(f"role        cannot check ECS's service-linked role; if Batch reports it missing, run `{command}`")
