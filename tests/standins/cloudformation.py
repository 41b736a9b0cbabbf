"""CloudFormation on loopback: moto's, with the types of resources that it lacks or makes only half of.

moto resolves parameters, conditions and references, and keeps the order. Each type of `cloudformation_types.py` is made
by calling the API of its own service, with the properties by the names and types that botocore's model of that service
has: one that the service would not take is an error here too. moto knows nothing of Redshift Serverless; of that the
requests are checked, and no more.

`python -m tests.standins.cloudformation` serves until its standard input ends.
"""

import logging
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import boto3
from botocore.validate import validate_parameters

from tests.standins.cloudformation_types import ITSELF, KINDS, REGION, SERVICE_ROLE, Call, Kind, Properties, shaped
from tests.standins.s3 import PROJECT

KEYS = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
TEMPLATE = PROJECT / "batch" / "stack.yaml"
# What the deployment gives.
GIVEN = {
    "ImageUri": "123456789012.dkr.ecr.us-east-1.amazonaws.com/reddit-etl:0.1.0-0123456789ab",
    "CodeVersion": "0123456789abcdef",
    "RedditSecretArn": "arn:aws:secretsmanager:us-east-1:123456789012:secret:reddit-etl/reddit-AbCdEf",
    # With one of them twice, as where a region has two that will do.
    "Zones": "us-east-1d,us-east-1b,us-east-1b",
    "FinalSnapshot": "reddit-etl-20261123t040500",
}


@dataclass
class Deployment:
    """A stack of the template."""

    url: str
    name: str
    outputs: dict[str, str] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        return boto3.client(service, endpoint_url=self.url, region_name=REGION, **KEYS)

    def deploy(self, **parameters: str) -> None:
        """Make it, or change it to these parameters."""
        change = (
            self.client("cloudformation").update_stack if self.outputs else self.client("cloudformation").create_stack
        )
        change(
            StackName=self.name,
            TemplateBody=TEMPLATE.read_text(),
            Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in (GIVEN | parameters).items()],
            Capabilities=["CAPABILITY_IAM"],
        )
        [stack] = self.client("cloudformation").describe_stacks(StackName=self.name)["Stacks"]
        assert stack["StackStatus"] in ("CREATE_COMPLETE", "UPDATE_COMPLETE"), stack
        self.outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}

    def definition(self) -> dict[str, Any]:
        """The job definition, as Batch finds it by the name that is submitted."""
        [found] = self.client("batch").describe_job_definitions(
            jobDefinitionName=self.outputs["JobDefinition"], status="ACTIVE"
        )["jobDefinitions"]
        return dict(found)

    def environment(self) -> dict[str, str]:
        """What the job's container is told."""
        return {entry["name"]: entry["value"] for entry in self.definition()["containerProperties"]["environment"]}

    def statements(self, role: str) -> list[dict[str, Any]]:
        """What a role, by its name or its ARN, may do."""
        iam, name = self.client("iam"), role.rpartition("/")[2]
        names = iam.list_role_policies(RoleName=name)["PolicyNames"]
        documents = [iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"] for policy in names]
        assert not iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
        return [statement for document in documents for statement in document["Statement"]]


@contextmanager
def cloudformation() -> Iterator[str]:
    """The URL of an empty account."""
    command = [sys.executable, "-W", "ignore", "-m", "tests.standins.cloudformation"]
    with subprocess.Popen(command, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout and process.stdin
        url = process.stdout.readline().strip()
        assert url, "moto's server did not start"
        yield url
        process.stdin.close()


def ask(url: str, service: str, operation: str, properties: Properties) -> Properties:
    client: Any = boto3.client(service, endpoint_url=url, region_name=REGION, **KEYS)
    shape = client.meta.service_model.operation_model(operation).input_shape
    parameters = shaped(properties, shape, operation)
    if service == "redshift-serverless":
        validate_parameters(parameters, shape)
        return {}
    [method] = [python for python, api in client.meta.method_to_api_mapping.items() if api == operation]
    answer: Properties = getattr(client, method)(**parameters)
    return answer


def carried_out(url: str, kind: Kind, calls: Iterator[Call], name: str) -> str:
    """Make the calls; gives the resource's name, as the service answers it."""
    for operation, parameters in calls:
        named = {key: name if value == ITSELF else value for key, value in parameters.items()}
        answered: Any = ask(url, kind.service, operation, named)
        for key in kind.answered.split("."):
            answered = answered.get(key, {})
        name = answered or name
    return name


def type_of(kind: Kind, name: str, url: Callable[[], str]) -> type[Any]:
    """The class by which moto makes resources of a type."""
    from moto.core.common_models import CloudFormationModel  # noqa: PLC0415

    class Resource(CloudFormationModel):
        # moto takes a service's name from it.
        __module__ = "tests.standins.cloudformation"

        def __init__(self, name: str, properties: Properties) -> None:
            self.physical_resource_id = name
            self.properties = properties

        @staticmethod
        def cloudformation_name_type() -> str:
            return kind.named

        @staticmethod
        def cloudformation_type() -> str:
            return name

        @classmethod
        def has_cfn_attr(cls, attr: str) -> bool:
            return any(known.split(".")[0] == attr for known, _ in kind.attributes)

        def get_cfn_attribute(self, attribute: str) -> str:
            return dict(kind.attributes)[attribute].format(self.physical_resource_id)

        def is_created(self) -> bool:
            return True

        @classmethod
        def create_from_cloudformation_json(
            cls, resource_name: str, cloudformation_json: Any, *_: str, **__: Any
        ) -> Any:
            properties = cloudformation_json["Properties"]
            if "." in kind.named:
                resource_name = reduce(dict.__getitem__, kind.named.split("."), properties)
            return cls(carried_out(url(), kind, kind.make(resource_name, properties), resource_name), properties)

        @classmethod
        def update_from_cloudformation_json(cls, original_resource: Any, cloudformation_json: Any, **_: Any) -> Any:
            found, properties = original_resource.physical_resource_id, cloudformation_json["Properties"]
            before = original_resource.properties if kind.changes_only else {}
            changed = {key: value for key, value in properties.items() if before.get(key) != value}
            calls = (kind.change or kind.make)(found, changed)
            return cls(carried_out(url(), kind, calls, found), properties)

        @classmethod
        def delete_from_cloudformation_json(cls, resource_name: str, *_: Any, **__: str) -> None:
            carried_out(url(), kind, kind.remove(resource_name, {}), resource_name)

    return Resource


def read_as_aws() -> None:
    """Let moto take `Workgroup.Endpoint.Address` for the name of one attribute, and no value for no entry of a list.

    And `!Condition` for the name of another condition; moto takes it for an unknown function, which never holds. And
    name only the resources that were made, and not those whose condition does not hold.
    """
    from moto.cloudformation import parsing  # noqa: PLC0415
    from moto.cloudformation.models import CloudFormationBackend  # noqa: PLC0415

    describe: Any = CloudFormationBackend.describe_stack_resources
    clean: Any = parsing.clean_json
    hold: Any = parsing.parse_condition

    def whole(value: Any, resources: Any) -> Any:
        if isinstance(value, dict) and len(value.get("Fn::GetAtt", ())) > 2:
            resource, *names = value["Fn::GetAtt"]
            value = {"Fn::GetAtt": [resource, ".".join(names)]}
        made = clean(value, resources)
        return [entry for entry in made if entry is not None] if isinstance(value, list) else made

    def holds(condition: Any, *known: Any) -> Any:
        if isinstance(condition, dict):
            [(operator, values)] = condition.items()
            named = [{"Condition": v["Fn::Condition"]} if "Fn::Condition" in v else v for v in values]
            condition = {operator: named}
        return hold(condition, *known)

    def described(*asked: Any) -> Any:
        stack, resources = describe(*asked)
        return stack, [resource for resource in resources if resource is not None]

    CloudFormationBackend.describe_stack_resources = described  # type: ignore[method-assign]
    parsing.clean_json = whole
    parsing.parse_condition = holds


def tell(_: object, exception: BaseException, **__: object) -> None:
    traceback.print_exception(exception)


def serve() -> None:
    import moto.batch.models  # noqa: PLC0415
    import moto.iam.models  # noqa: PLC0415
    import moto.s3.models  # noqa: F401, PLC0415
    from flask import got_request_exception  # noqa: PLC0415
    from moto.moto_server.threaded_moto_server import ThreadedMotoServer  # noqa: PLC0415

    # Requests are the client's to tell.
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    # What fails here would be a mere 500 there.
    got_request_exception.connect(tell)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    url = "http://{}:{}".format(*server.get_host_and_port())
    # moto finds the types among the classes that are alive; of two of one name it takes the later.
    types = [type_of(kind, name, lambda: url) for name, kind in KINDS.items()]
    read_as_aws()
    role = SERVICE_ROLE.rpartition("/")[2]
    Deployment(url, "").client("iam").create_role(RoleName=role, AssumeRolePolicyDocument="{}")
    sys.stdout.write(f"{url}\n")
    sys.stdout.flush()
    sys.stdin.read()
    types.clear()


if __name__ == "__main__":
    serve()
