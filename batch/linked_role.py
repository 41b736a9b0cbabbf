"""The role by which ECS, and so Batch, makes network interfaces. An account has it once it has used ECS."""

from batch.errors import asking
from batch.terminal import say
from reddit_etl.aws import client
from reddit_etl.errors import ConfigurationError

SERVICE = "ecs.amazonaws.com"
PATH = f"/aws-service-role/{SERVICE}/"


def ensure() -> None:
    """Make it if it is missing. Without the right to look, a hint must do: mostly it is there."""
    iam = client("iam", place="IAM")
    try:
        with asking("IAM"):
            if iam.list_roles(PathPrefix=PATH)["Roles"]:
                return
            iam.create_service_linked_role(AWSServiceName=SERVICE)
        say("role        ECS's service-linked role is made: it was never used in this account")
    except ConfigurationError:
        command = f"aws iam create-service-linked-role --aws-service-name {SERVICE}"
        say(f"role        whether ECS has its service-linked role is not known: if Batch lacks it, `{command}`")
