"""A CloudFormation template resolved in Python: parameters, conditions, rules, references and functions.

What it does not know is an error. cfn-lint checks the same template against the schemas of AWS, so here a property is
taken as it is.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import yaml

from tests.standins.s3 import ENVIRONMENT, PROJECT

TEMPLATE = PROJECT / "batch" / "stack.yaml"
REGION = ENVIRONMENT["AWS_DEFAULT_REGION"]
ACCOUNT = "123456789012"
NO_VALUE = object()
ARNS = {
    "AWS::Batch::ComputeEnvironment": f"arn:aws:batch:{REGION}:{ACCOUNT}:compute-environment/{{}}",
    "AWS::Batch::JobQueue": f"arn:aws:batch:{REGION}:{ACCOUNT}:job-queue/{{}}",
    "AWS::IAM::Role": f"arn:aws:iam::{ACCOUNT}:role/{{}}",
    "AWS::KMS::Key": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{{}}",
    "AWS::Logs::LogGroup": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{{}}:*",
    "AWS::S3::Bucket": "arn:aws:s3:::{}",
    "AWS::SNS::Topic": f"arn:aws:sns:{REGION}:{ACCOUNT}:{{}}",
    "AWS::SQS::Queue": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{{}}",
}
# What Ref gives where that is not the name.
REFERENCES = {
    kind: ARNS[kind] for kind in ("AWS::Batch::ComputeEnvironment", "AWS::Batch::JobQueue", "AWS::SNS::Topic")
}
REFERENCES["AWS::SQS::Queue"] = f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{{}}"
ATTRIBUTES = {
    ("AWS::SQS::Queue", "QueueName"): "{}",
    ("AWS::RedshiftServerless::Workgroup", "Workgroup.WorkgroupArn"): (
        f"arn:aws:redshift-serverless:{REGION}:{ACCOUNT}:workgroup/{{}}"
    ),
    ("AWS::RedshiftServerless::Workgroup", "Workgroup.Endpoint.Address"): (
        f"{{}}.{ACCOUNT}.{REGION}.redshift-serverless.amazonaws.com"
    ),
} | {(kind, "Arn"): arn for kind, arn in ARNS.items()}


class _Loader(yaml.CSafeLoader):
    """Reads the short forms of the functions as the long ones."""


def _function(loader: Any, name: str, node: Any) -> dict[str, Any]:
    kinds = {"scalar": loader.construct_scalar, "sequence": loader.construct_sequence}
    value = kinds.get(node.id, loader.construct_mapping)(node, **({} if node.id == "scalar" else {"deep": True}))
    if name == "GetAtt":
        value = value.split(".", 1)
    return {name if name in ("Ref", "Condition") else f"Fn::{name}": value}


_Loader.add_multi_constructor("!", _function)


@cache
def load(text: str) -> dict[str, Any]:
    """The template with its functions in their long form."""
    return dict(yaml.load(text, _Loader))


@dataclass
class Resolved:
    """A stack of a template: what each function of it gives, with these parameters."""

    text: str
    stack: str
    parameters: Mapping[str, str]
    suffix: str = "0123456789ab"
    """Of the names that AWS makes up. They stay when a stack is updated."""

    def __post_init__(self) -> None:
        self.template = load(self.text)
        declared = self.template["Parameters"]
        assert not set(self.parameters) - set(declared), f"no parameter is called {set(self.parameters)}"
        defaults = {name: about["Default"] for name, about in declared.items() if "Default" in about}
        self.values = {name: str((defaults | dict(self.parameters)).get(name, "")) for name in declared}
        assert set(declared) == {*defaults, *self.parameters}, "a parameter has no value"
        self.kinds = {name: about["Type"] for name, about in self.template["Resources"].items() if self._stands(about)}
        self.resources = {
            name: self.resolve(self.template["Resources"][name].get("Properties", {})) for name in self.kinds
        }
        self.outputs = {
            name: self.resolve(about["Value"])
            for name, about in self.template["Outputs"].items()
            if self._stands(about)
        }

    def _stands(self, about: Mapping[str, Any]) -> bool:
        return "Condition" not in about or self.holds(about["Condition"])

    def holds(self, condition: str) -> bool:
        return bool(self.resolve(self.template["Conditions"][condition]))

    def broken_rules(self) -> list[str]:
        """The descriptions of the assertions that fail."""
        return [
            assertion["AssertDescription"]
            for rule in self.template["Rules"].values()
            if self.resolve(rule.get("RuleCondition", True))
            for assertion in rule["Assertions"]
            if not self.resolve(assertion["Assert"])
        ]

    def of_kind(self, kind: str) -> dict[str, dict[str, Any]]:
        """The properties of the resources of a type, by their physical names."""
        return {self.name(resource): self.resources[resource] for resource, of in self.kinds.items() if of == kind}

    def name(self, resource: str) -> str:
        """What a resource is called in its service."""
        kind, properties = self.kinds[resource], self.template["Resources"][resource].get("Properties", {})
        own = ("Name", f"{kind.rpartition('::')[2]}Name")
        found = next((properties[key] for key in own if key in properties), None)
        if kind == "AWS::Glue::Database":
            found = properties["DatabaseInput"]["Name"]
        made = f"{self.stack}-{resource}-{self.suffix}"
        return str(self.resolve(found)) if found else made.lower() if resource == "Bucket" else made

    def resolve(self, value: Any) -> Any:
        """The value without functions. Numbers that are parameters are text, as CloudFormation has them."""
        if isinstance(value, list):
            return [made for made in map(self.resolve, value) if made is not NO_VALUE]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            [(function, given)] = value.items()
            if function in ("Ref", "Condition") and isinstance(given, str):
                return self._ref(given) if function == "Ref" else self.holds(given)
            if function.startswith("Fn::"):
                return self._call(function.removeprefix("Fn::"), given)
        made = {key: self.resolve(entry) for key, entry in value.items()}
        return {key: entry for key, entry in made.items() if entry is not NO_VALUE}

    def _ref(self, name: str) -> Any:
        pseudo = {"Region": REGION, "AccountId": ACCOUNT, "StackName": self.stack, "Partition": "aws"}
        if name.startswith("AWS::"):
            return NO_VALUE if name == "AWS::NoValue" else pseudo[name.removeprefix("AWS::")]
        if name in self.values:
            value = self.values[name]
            return value.split(",") if self.template["Parameters"][name]["Type"] == "CommaDelimitedList" else value
        return REFERENCES.get(self.kinds[name], "{}").format(self.name(name))

    def _attribute(self, resource: str, attribute: str) -> str:
        return ATTRIBUTES[self.kinds[resource], attribute].format(self.name(resource))

    def _call(self, function: str, given: Any) -> Any:
        if function == "If":
            condition, yes, no = given
            return self.resolve(yes if self.holds(condition) else no)
        if function == "GetAtt":
            return self._attribute(*given)
        if function == "Sub":
            return self._sub(*given) if isinstance(given, list) else self._sub(given, {})
        known = self.resolve(given)
        functions = {
            "Equals": lambda: known[0] == known[1],
            "Not": lambda: not known[0],
            "And": lambda: all(known),
            "Or": lambda: any(known),
            "Contains": lambda: known[1] in known[0],
            "Select": lambda: known[1][int(known[0])],
            "Split": lambda: known[1].split(known[0]),
        }
        return functions[function]()

    def _sub(self, text: str, own: dict[str, Any]) -> str:
        first, *rest = text.split("${")
        for part in rest:
            name, _, after = part.partition("}")
            found = self.resolve(own[name]) if name in own else self._ref_or_attribute(name)
            first += f"{found}{after}"
        return first

    def _ref_or_attribute(self, name: str) -> Any:
        resource, dot, attribute = name.partition(".")
        return self._attribute(resource, attribute) if dot else self._ref(name)


def refusal(stack: Resolved) -> str | None:
    """Why CloudFormation would take no such parameters."""
    for name, about in stack.template["Parameters"].items():
        value = stack.values[name]
        if not re.fullmatch(about.get("AllowedPattern", ".*"), value):
            return f"Parameter {name} failed to satisfy constraint: must match pattern {about['AllowedPattern']}"
        if "AllowedValues" in about and value not in map(str, about["AllowedValues"]):
            return f"Parameter '{name}' must be one of AllowedValues"
        if about["Type"] == "Number" and not about.get("MinValue", 0) <= float(value) <= about.get("MaxValue", 1e9):
            return f"Parameter '{name}' must be a number between MinValue and MaxValue"
    return next(iter(stack.broken_rules()), None)
