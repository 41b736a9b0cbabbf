"""The CloudFormation stack: made, updated, removed, and watched while that goes on."""

import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from batch.errors import DeployError, asking
from batch.terminal import say, waiting
from reddit_etl.aws import client
from reddit_etl.errors import ConfigurationError

TEMPLATE = Path(__file__).parent / "stack.yaml"
# CloudFormation takes no longer one by itself, and on the first deployment there is no bucket to put it into.
LONGEST_TEMPLATE = 51_200
INTERVAL = 2.0
# By this a stack, a repository and a secret are known as this project's.
TAG = {"Key": "project", "Value": "reddit-etl"}
# Stacks that never were: a first creation that failed, or one that was proposed and not carried out.
STILLBORN = {"ROLLBACK_COMPLETE", "REVIEW_IN_PROGRESS"}
STUCK = {
    "ROLLBACK_FAILED": "run `make destroy`, then deploy again",
    "DELETE_FAILED": "run `make destroy`, then deploy again",
    "CREATE_FAILED": "run `make destroy`, then deploy again",
    "UPDATE_FAILED": "continue the update's rollback in CloudFormation's console, then deploy again",
    "UPDATE_ROLLBACK_FAILED": "continue the update's rollback in CloudFormation's console, then deploy again",
}
# The other resources end with such words once one has failed.
CONSEQUENCE = re.compile(r"cancelled|the following resource\(s\) failed", re.IGNORECASE)


def template(path: Path = TEMPLATE) -> str:
    """Its text, without the comments, which count too."""
    lines = path.read_text().splitlines()
    text = "\n".join(line for line in lines if line.strip() and not line.lstrip().startswith("#")) + "\n"
    if len(text.encode()) > LONGEST_TEMPLATE:
        raise DeployError(
            f"{path.name} has {len(text.encode()):,} bytes, and CloudFormation takes {LONGEST_TEMPLATE:,}"
        )
    return text


class Stack:
    """One stack by its name, or by its ID once it is known: only that finds it after its end."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._aws = client("cloudformation", place="CloudFormation")
        self._id = name
        self._told: set[str] = set()

    def describe(self) -> dict[str, Any] | None:
        with asking("CloudFormation"):
            try:
                found: dict[str, Any] = self._aws.describe_stacks(StackName=self._id)["Stacks"][0]
            except ClientError as error:
                if "does not exist" in str(error):
                    return None
                raise
            return found

    def check_own(self) -> None:
        """Raises ConfigurationError for somebody's own stack: to change it would remove all that it has."""
        found = self.describe()
        if found and found["StackStatus"] != "DELETE_COMPLETE" and TAG not in found.get("Tags", []):
            raise ConfigurationError(f"the stack {self.name} is not one of this project: give another name by --stack")

    def is_there(self) -> bool:
        found = self.describe()
        return found is not None and found["StackStatus"] not in {"DELETE_COMPLETE", *STILLBORN}

    def outputs(self) -> dict[str, str]:
        found = self.describe() or {}
        return {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", [])}

    def last_outputs(self) -> dict[str, str]:
        """Those of the newest stack of this name that was removed; CloudFormation remembers it for 90 days."""
        with asking("CloudFormation"):
            for page in self._aws.get_paginator("list_stacks").paginate(StackStatusFilter=["DELETE_COMPLETE"]):
                for entry in page["StackSummaries"]:
                    if entry["StackName"] == self.name:
                        gone = Stack(self.name)
                        gone._id = entry["StackId"]
                        return gone.outputs()
        return {}

    def names(self, kind: str) -> list[str]:
        """What the resources of a type are called."""
        with asking("CloudFormation"):
            pages = self._aws.get_paginator("list_stack_resources").paginate(StackName=self._id)
            found = [entry for page in pages for entry in page["StackResourceSummaries"]]
        return [entry["PhysicalResourceId"] for entry in found if entry["ResourceType"] == kind]

    def values(self) -> dict[str, str]:
        """The parameters of the last deployment."""
        found = (self.describe() or {}) if self.is_there() else {}
        return {entry["ParameterKey"]: entry["ParameterValue"] for entry in found.get("Parameters", [])}

    def defaults(self, text: str) -> dict[str, str | None]:
        """The template's parameters."""
        with asking("CloudFormation"):
            found = self._aws.get_template_summary(TemplateBody=text)
        return {entry["ParameterKey"]: entry.get("DefaultValue") for entry in found["Parameters"]}

    def choices(self, text: str) -> dict[str, list[str]]:
        """The values that a parameter of the template can have, where it lists them."""
        with asking("CloudFormation"):
            found = self._aws.get_template_summary(TemplateBody=text)
        listed = {entry["ParameterKey"]: entry.get("ParameterConstraints", {}) for entry in found["Parameters"]}
        return {name: about["AllowedValues"] for name, about in listed.items() if about.get("AllowedValues")}

    def deploy(self, text: str, given: Mapping[str, str]) -> bool:
        """Whether anything had to be changed. Parameters that are not given stay as they are."""
        before = self._settled()
        kept = self.values()
        parameters: list[dict[str, Any]] = []
        for name, default in self.defaults(text).items():
            if name in given:
                parameters.append({"ParameterKey": name, "ParameterValue": given[name]})
            elif name in kept:
                parameters.append({"ParameterKey": name, "UsePreviousValue": True})
            elif default is None:
                raise ConfigurationError(f"the stack's parameter {name} has no value: give --set {name}=…")
            else:
                parameters.append({"ParameterKey": name, "ParameterValue": default})
        change = self._aws.update_stack if before else self._aws.create_stack
        extra = {} if before else {"OnFailure": "ROLLBACK"}
        self._mark()
        with asking("CloudFormation"):
            try:
                made = change(
                    StackName=self.name,
                    TemplateBody=text,
                    Parameters=parameters,
                    Capabilities=["CAPABILITY_IAM"],
                    Tags=[TAG],
                    # Else each creation that fails would leave an empty bucket behind.
                    RetainExceptOnCreate=True,
                    **extra,
                )
            except ClientError as error:
                if "No updates are to be performed" in str(error):
                    return False
                if error.response["Error"]["Code"] == "ValidationError":
                    # A value that the template's own rules refuse, mostly.
                    text = " ".join(error.response["Error"]["Message"].split())
                    raise ConfigurationError(f"CloudFormation: {text}: give another value by --set") from error
                raise
        self._id = made["StackId"]
        self._wait("is updated" if before else "is made")
        return True

    def remove(self) -> bool:
        """Whether there was one."""
        found = self.describe()
        if not found or found["StackStatus"] == "DELETE_COMPLETE":
            return False
        self._id = found["StackId"]
        self._mark()
        with asking("CloudFormation"):
            self._aws.delete_stack(StackName=self._id)
        self._wait("is removed")
        return True

    def _settled(self) -> bool:
        """Wait for what is under way, clear away what never was. Whether there is a stack to update."""
        found = self.describe()
        if not found or found["StackStatus"] == "DELETE_COMPLETE":
            return False
        status = found["StackStatus"]
        if status in STUCK:
            raise DeployError(f"stack {self.name} is {status}: {STUCK[status]}")
        if status in STILLBORN:
            say(f"stack       {self.name} is {status}: its first creation did not succeed; what is left of it goes")
            self.remove()
            self._id = self.name
            return False
        if status.endswith("_IN_PROGRESS"):
            say(f"stack       {self.name} is {status}: waiting for the end of that first")
            self._id = found["StackId"]
            self._mark()
            while (self.describe() or {"StackStatus": ""})["StackStatus"].endswith("_IN_PROGRESS"):
                waiting(f"  {status} …")
                time.sleep(INTERVAL)
            self._id = self.name
            return self._settled()
        return True

    def _events(self) -> Iterator[dict[str, Any]]:
        """Those not told yet, in their order."""
        new = []
        with asking("CloudFormation"):
            try:
                for page in self._aws.get_paginator("describe_stack_events").paginate(StackName=self._id):
                    fresh = [event for event in page["StackEvents"] if event["EventId"] not in self._told]
                    new += fresh
                    if len(fresh) < len(page["StackEvents"]):
                        break
            except ClientError as error:
                if "does not exist" not in str(error):
                    raise
        self._told |= {event["EventId"] for event in new}
        yield from reversed(new)

    def _mark(self) -> None:
        """What has happened until now is no news."""
        for _ in self._events():
            pass

    def _wait(self, done: str) -> None:
        reason = ""
        begun = time.monotonic()
        while True:
            status = (self.describe() or {"StackStatus": "DELETE_COMPLETE"})["StackStatus"]
            for event in self._events():
                why = " ".join(event.get("ResourceStatusReason", "").split())
                failed = event["ResourceStatus"].endswith("_FAILED")
                say(
                    f"  {event['ResourceStatus']:<28}{event['LogicalResourceId']}{': ' + why if failed and why else ''}"
                )
                if failed and why and not reason and not CONSEQUENCE.search(why):
                    reason = f"{event['LogicalResourceId']} ({event['ResourceType']}): {why}"
            if not status.endswith("_IN_PROGRESS"):
                break
            waiting(f"  {status} {time.monotonic() - begun:.0f} s")
            time.sleep(INTERVAL)
        if status not in {"CREATE_COMPLETE", "UPDATE_COMPLETE", "DELETE_COMPLETE"}:
            raise DeployError(f"stack {self.name} ended as {status}: {reason or 'its events in the console say why'}")
        say(f"stack       {self.name} {done}")
