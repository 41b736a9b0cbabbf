"""The CloudFormation stack: created, updated or deleted, with its events printed meanwhile."""

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from batch.aws import TAG, DeployError, check_owner, pause, using
from batch.terminal import say
from reddit_etl.errors import ConfigurationError

TEMPLATE = Path(__file__).parent / "stack.yaml"
DELETED = "DELETE_COMPLETE"
# A first creation that failed, or one that was proposed and not carried out.
NEVER_CREATED = {"ROLLBACK_COMPLETE", "REVIEW_IN_PROGRESS"}
DESTROY = "run `make destroy`, then deploy again"
ROLL_BACK = "continue the update rollback in the CloudFormation console, then deploy again"
STUCK = dict.fromkeys(("CREATE_FAILED", "ROLLBACK_FAILED", "DELETE_FAILED"), DESTROY)
STUCK |= dict.fromkeys(("UPDATE_FAILED", "UPDATE_ROLLBACK_FAILED"), ROLL_BACK)
# The reasons of resources that fail only because another one did.
CONSEQUENCE = re.compile(r"cancelled|the following resource\(s\) failed", re.IGNORECASE)


@dataclass(frozen=True)
class Stack:
    """A stack as it was when it was looked up. `id` finds it even after its deletion."""

    name: str
    id: str
    status: str
    parameters: Mapping[str, str]
    outputs: Mapping[str, str]

    @property
    def exists(self) -> bool:
        """Whether it can be updated. False if it is deleted, or if its first creation failed or was not executed."""
        return self.status != DELETED and self.status not in NEVER_CREATED


def template() -> str:
    """As it is sent: without its lines of comment, since CloudFormation takes 51,200 bytes."""
    lines = TEMPLATE.read_text().splitlines(keepends=True)
    return "".join(line for line in lines if not line.lstrip().startswith("#"))


def declared(text: str) -> dict[str, dict[str, Any]]:
    """The template's parameters: name -> ParameterType, DefaultValue if any, ParameterConstraints."""
    with using("cloudformation") as aws:
        return {about["ParameterKey"]: about for about in aws.get_template_summary(TemplateBody=text)["Parameters"]}


def look_up(name: str) -> Stack:
    """By name or ID. Raises ConfigurationError for a stack that this project did not create."""
    with using("cloudformation") as aws:
        try:
            found = aws.describe_stacks(StackName=name)["Stacks"][0]
        except ClientError as error:
            if "does not exist" not in str(error):
                raise
            return Stack(name, name, DELETED, {}, {})
    status = found["StackStatus"]
    if status != DELETED:
        check_owner(f"the stack {name}", found.get("Tags", []))
    kept = () if status in NEVER_CREATED else found.get("Parameters", [])
    return Stack(
        name=found["StackName"],
        id=found["StackId"],
        status=status,
        parameters={entry["ParameterKey"]: entry["ParameterValue"] for entry in kept},
        outputs={entry["OutputKey"]: entry["OutputValue"] for entry in found.get("Outputs", [])},
    )


def last_bucket(name: str) -> str | None:
    """The bucket of the newest deleted stack of this name; CloudFormation lists it for 90 days."""
    with using("cloudformation") as aws:
        for page in aws.get_paginator("list_stacks").paginate(StackStatusFilter=[DELETED]):
            for entry in page["StackSummaries"]:
                if entry["StackName"] == name:
                    return look_up(entry["StackId"]).outputs.get("Bucket")
    return None


def apply(name: str, text: str, values: Mapping[str, str]) -> None:
    """Create the stack, or update it to this template and these parameters."""
    before, token = _settled(look_up(name)), secrets.token_hex(8)
    with using("cloudformation") as aws:
        try:
            made = (aws.update_stack if before.exists else aws.create_stack)(
                StackName=name,
                TemplateBody=text,
                Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()],
                Capabilities=["CAPABILITY_IAM"],
                Tags=[TAG],
                # Otherwise each failed creation would leave an empty bucket behind.
                RetainExceptOnCreate=True,
                ClientRequestToken=token,
            )
        except ClientError as error:
            if "No updates are to be performed" in str(error):
                say(f"stack       {name} is up to date")
                return
            if error.response["Error"]["Code"] == "ValidationError":
                # Mostly a value that one of the template's rules refuses.
                reason = " ".join(error.response["Error"]["Message"].split())
                raise ConfigurationError(f"CloudFormation: {reason}: pass another value with --set") from error
            raise
    _follow(name, made["StackId"], token)
    say(f"stack       {name} {'updated' if before.exists else 'created'}")


def delete(stack: Stack) -> None:
    """Delete the stack and wait until that is done. Raises DeployError if a resource cannot be deleted."""
    token = secrets.token_hex(8)
    with using("cloudformation") as aws:
        aws.delete_stack(StackName=stack.id, ClientRequestToken=token)
    _follow(stack.name, stack.id, token)
    say(f"stack       {stack.name} deleted")


def _settled(stack: Stack) -> Stack:
    """The stack once it can be created or updated: nothing is in progress, and a failed creation is deleted."""
    if stack.status in STUCK:
        raise DeployError(f"stack {stack.name} is {stack.status}: {STUCK[stack.status]}")
    if stack.status in NEVER_CREATED:
        say(f"stack       {stack.name} is {stack.status}: its creation failed, deleting what is left of it")
        delete(stack)
        return look_up(stack.name)
    if stack.status.endswith("_IN_PROGRESS"):
        say(f"stack       {stack.name} is {stack.status}: waiting until that is done")
        while look_up(stack.id).status.endswith("_IN_PROGRESS"):
            pause()
        return _settled(look_up(stack.name))
    return stack


def _follow(name: str, stack_id: str, token: str) -> None:
    """Print the events of the operation with this token until it ends. Raises DeployError with the first failure."""
    seen: set[str] = set()
    first = ""
    with using("cloudformation") as aws:
        events = aws.get_paginator("describe_stack_events")
        while True:
            status = look_up(stack_id).status
            new: list[dict[str, Any]] = []
            for page in events.paginate(StackName=stack_id):
                fresh = [event for event in page["StackEvents"] if event.get("ClientRequestToken") == token]
                fresh = [event for event in fresh if event["EventId"] not in seen]
                new += fresh
                if len(fresh) < len(page["StackEvents"]):
                    break
            for event in reversed(new):
                seen.add(event["EventId"])
                resource, state = event["LogicalResourceId"], event["ResourceStatus"]
                reason = " ".join(event.get("ResourceStatusReason", "").split()) if state.endswith("_FAILED") else ""
                say(f"  {state:<28}{resource}{': ' if reason else ''}{reason}")
                if reason and not first and not CONSEQUENCE.search(reason):
                    first = f"{resource} ({event['ResourceType']}): {reason}"
            if not status.endswith("_IN_PROGRESS"):
                break
            pause()
    if status not in {"CREATE_COMPLETE", "UPDATE_COMPLETE", DELETED}:
        raise DeployError(f"stack {name} ended as {status}: {first or 'see its events in the CloudFormation console'}")
