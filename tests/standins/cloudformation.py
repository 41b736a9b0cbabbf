"""CloudFormation on loopback: its API over HTTP, for stacks that `template.py` resolves and `resources.py` makes."""

import secrets
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from tests.standins.resources import Client, make, unmake
from tests.standins.template import ACCOUNT, REGION, Resolved, load, refusal


class Refused(Exception):
    """An answer with the code ValidationError."""


@dataclass
class Stack:
    id: str
    resolved: Resolved
    tags: list[dict[str, str]]
    statuses: list[str]
    """Each is seen once; the last stays."""
    events: list[dict[str, str]] = field(default_factory=list)
    made: Resolved | None = None
    """What there is in moto: that of the creation, as an update makes nothing there."""


class CloudFormation:
    """The service, and what a test may have it do."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.stacks: dict[str, Stack] = {}
        """By ID; the newest of a name is the last."""
        self.asked: list[str] = []
        self.is_slow = True
        """Whether an operation is in progress when it is looked at first."""
        self.failure: tuple[str, str] | None = None
        """A resource that cannot be created, and why."""

    def answer(self, _method: str, _path: str, body: bytes) -> tuple[int, str]:
        asked = dict(parse_qsl(body.decode()))
        action = asked["Action"]
        self.asked.append(action)
        try:
            result = getattr(self, action)(asked)
        except Refused as error:
            error_of = f"<Error><Code>ValidationError</Code><Message>{escape(str(error))}</Message></Error>"
            return 400, f"<ErrorResponse>{error_of}</ErrorResponse>"
        return 200, f"<{action}Response><{action}Result>{xml(result)}</{action}Result></{action}Response>"

    def find(self, name: str) -> Stack:
        """By name, if it was not deleted, or by ID."""
        for stack in reversed(self.stacks.values()):
            if stack.id == name or (stack.resolved.stack == name and stack.statuses[-1] != "DELETE_COMPLETE"):
                return stack
        raise Refused(f"Stack with id {name} does not exist")

    def GetTemplateSummary(self, asked: dict[str, str]) -> dict[str, Any]:
        declared = load(asked["TemplateBody"])["Parameters"]
        return {
            "Parameters": [
                {"ParameterKey": name, "ParameterType": about["Type"]}
                | ({"DefaultValue": about["Default"]} if "Default" in about else {})
                | {"ParameterConstraints": {"AllowedValues": about.get("AllowedValues", [])}}
                for name, about in declared.items()
            ]
        }

    def DescribeStacks(self, asked: dict[str, str]) -> dict[str, Any]:
        stack = self.find(asked["StackName"])
        status = stack.statuses.pop(0) if len(stack.statuses) > 1 else stack.statuses[0]
        outputs = stack.resolved.outputs if status.startswith(("CREATE_C", "UPDATE_", "DELETE_")) else {}
        described = {
            "StackId": stack.id,
            "StackName": stack.resolved.stack,
            "StackStatus": status,
            "Tags": stack.tags,
            "Parameters": [{"ParameterKey": k, "ParameterValue": v} for k, v in stack.resolved.values.items()],
            "Outputs": [{"OutputKey": k, "OutputValue": v} for k, v in outputs.items()],
        }
        return {"Stacks": [described]}

    def CreateStack(self, asked: dict[str, str]) -> dict[str, Any]:
        name, resolved = asked["StackName"], _resolved(asked, secrets.token_hex(6))
        tags = [{"Key": k, "Value": v} for k, v in members(asked, "Tags", "Key", "Value").items()]
        stack_id = f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/{name}/{resolved.suffix}"
        stack = self.stacks[stack_id] = Stack(stack_id, resolved, tags, self._statuses("CREATE"))
        if self.failure:
            resource, reason = self.failure
            stack.statuses = ["CREATE_IN_PROGRESS", "ROLLBACK_IN_PROGRESS", "ROLLBACK_COMPLETE"]
            self._tell(stack, asked, "Topic", "CREATE_FAILED", "Resource creation cancelled")
            self._tell(stack, asked, resource, "CREATE_FAILED", reason)
            reason = f"The following resource(s) failed to create: [{resource}, Topic]."
            self._tell(stack, asked, name, "ROLLBACK_IN_PROGRESS", reason)
        else:
            make(resolved, self.client)
            stack.made = resolved
            self._tell(stack, asked, "Bucket", "CREATE_COMPLETE")
            self._tell(stack, asked, name, "CREATE_COMPLETE")
        return {"StackId": stack.id}

    def UpdateStack(self, asked: dict[str, str]) -> dict[str, Any]:
        stack = self.find(asked["StackName"])
        before, after = stack.resolved, _resolved(asked, stack.resolved.suffix)
        if (before.text, before.values) == (after.text, after.values):
            raise Refused("No updates are to be performed.")
        stack.resolved, stack.statuses = after, self._statuses("UPDATE")
        self._tell(stack, asked, before.stack, "UPDATE_COMPLETE")
        return {"StackId": stack.id}

    def DeleteStack(self, asked: dict[str, str]) -> dict[str, Any]:
        stack = self.find(asked["StackName"])
        self._unmake(stack)
        stack.statuses = self._statuses("DELETE")
        self._tell(stack, asked, stack.resolved.stack, "DELETE_COMPLETE")
        return {}

    def DescribeStackEvents(self, asked: dict[str, str]) -> dict[str, Any]:
        return {"StackEvents": self.find(asked["StackName"]).events[::-1]}

    def ListStacks(self, _: dict[str, str]) -> dict[str, Any]:
        gone = [stack for stack in self.stacks.values() if stack.statuses[-1] == "DELETE_COMPLETE"]
        summaries = [{"StackId": s.id, "StackName": s.resolved.stack, "StackStatus": s.statuses[-1]} for s in gone]
        return {"StackSummaries": summaries[::-1]}

    def clear(self) -> None:
        """Delete what was made."""
        for stack in self.stacks.values():
            self._unmake(stack)

    def _statuses(self, operation: str) -> list[str]:
        return [f"{operation}_IN_PROGRESS"] * self.is_slow + [f"{operation}_COMPLETE"]

    def _unmake(self, stack: Stack) -> None:
        if stack.made:
            unmake(stack.made, self.client)
        stack.made = None

    def _tell(self, stack: Stack, asked: dict[str, str], resource: str, status: str, reason: str = "") -> None:
        event = {
            "EventId": str(len(stack.events)),
            "ClientRequestToken": asked["ClientRequestToken"],
            "LogicalResourceId": resource,
            "ResourceType": stack.resolved.kinds.get(resource, "AWS::CloudFormation::Stack"),
            "ResourceStatus": status,
        }
        stack.events.append(event | ({"ResourceStatusReason": reason} if reason else {}))


def _resolved(asked: dict[str, str], suffix: str) -> Resolved:
    values = members(asked, "Parameters", "ParameterKey", "ParameterValue")
    resolved = Resolved(asked["TemplateBody"], asked["StackName"], values, suffix)
    if error := refusal(resolved):
        raise Refused(error)
    return resolved


def members(asked: dict[str, str], name: str, key: str, value: str) -> dict[str, str]:
    """A list of pairs in a request."""
    keys = (f"{name}.member.{number}" for number in range(1, len(asked)))
    return {asked[f"{k}.{key}"]: asked.get(f"{k}.{value}", "") for k in keys if f"{k}.{key}" in asked}


def xml(value: Any) -> str:
    if isinstance(value, dict):
        return "".join(f"<{key}>{xml(entry)}</{key}>" for key, entry in value.items())
    if isinstance(value, list):
        return "".join(f"<member>{xml(entry)}</member>" for entry in value)
    return escape(str(value))
