"""`python -m batch deploy`: from a checkout and a login to a run that succeeded. Running it again updates."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime

from batch import existing, image, network, parameters, prices, run, schedule, secret, stack, upload, warehouse
from batch.aws import DeployError, using
from batch.terminal import confirm, say
from reddit_etl.errors import ConfigurationError

# As ECR and Redshift's snapshots require too: no hyphen at the end, nor two together.
NAME = re.compile(r"(?=.{3,39}$)[a-z][a-z0-9]*(-[a-z0-9]+)*")
INTERRUPTED = 130


def log_in(name: str) -> str:
    """The region, after a check of the login and the stack's name."""
    if not NAME.fullmatch(name):
        raise ConfigurationError(
            f"--stack {name!r}: pass 3 to 39 lower-case letters, digits and single hyphens, a letter first"
        )
    with using("sts") as sts:
        account, region = sts.get_caller_identity()["Account"], str(sts.meta.region_name)
    say(f"account     {account}, {region}, stack {name}")
    return region


def deploy(
    name: str,
    given: Mapping[str, str],
    *,
    yes: bool = False,
    image_uri: str | None = None,
    first_run: bool = True,
) -> int:
    """The exit code. `given` are parameters of the stack; those that are not given stay as they are."""
    if not image_uri:
        image.check_docker()
    region = log_in(name)
    before, text = stack.look_up(name), stack.template()
    image.check_repository(name)
    credentials = secret.read(f"{name}/reddit")
    values = parameters.complete(name, stack.declared(text), before.parameters, given)
    if values["Warehouse"] == "url":
        existing.check(values, region)
    _print_plan(before.parameters, values)
    if not confirm("Deploy? [y/N]", yes=yes):
        say("cancelled: nothing is deployed")
        return 1
    values[parameters.IMAGE] = image_uri or _publish(name, values)
    values[parameters.SECRET] = secret.store(f"{name}/reddit", credentials)
    values[parameters.CODE] = upload.code_version()
    if not before.exists:
        network.ensure_ecs_role()
    # A Glue job of the new version must find its code. Before the first deployment there is no bucket for it.
    bucket = before.outputs.get("Bucket")
    if bucket:
        upload.upload(bucket)
    stack.apply(name, text, values)
    outputs = stack.look_up(name).outputs
    if outputs["Bucket"] != bucket:
        upload.upload(outputs["Bucket"])
    if "Workgroup" in outputs:
        # First, as the grants are rejected too once a limit is reached.
        warehouse.limit(outputs)
        warehouse.grant(outputs)
        warehouse.explain_queries(outputs)
    else:
        existing.explain_access(outputs, values)
    email = values["AlarmEmail"]
    say(f"alarms      {f'to {email}, once it confirms the subscription' if email else 'no subscribers: pass --email'}")
    return _first_runs(name, outputs) if first_run else 0


def _publish(name: str, values: Mapping[str, str]) -> str:
    # Only the image with DuckDB can transform in the container. With Spot the stack asks for x86.
    target = image.BATCH if values["TransformEngine"] == "glue" else image.LOCAL
    target = image.REPORT if values["DailyReport"] == "yes" else target
    return image.publish(name, target=target, machine=image.X86 if values["Spot"] == "yes" else image.ARM)


def _print_plan(kept: Mapping[str, str], values: Mapping[str, str]) -> None:
    plan = schedule.parse(values["Schedule"])
    say(f"costs       estimated USD per month with {plan.text}, at us-east-1 list prices without free tiers:")
    for line in prices.estimate(values, plan.runs):
        say(f"  {line}")
    if plan.gap < 1:
        say("schedule    more than one run per hour: the later ones find the hour complete")
    if kept.get("Warehouse") == "serverless" != values["Warehouse"]:
        say("warehouse   that of this stack is deleted with its data; Redshift keeps its last snapshot for a day")


def _first_runs(name: str, outputs: Mapping[str, str]) -> int:
    """The hourly job, then the daily one, which needs the warehouse's tables."""
    code = _first_run("run", outputs["JobDefinition"], name, outputs)
    return code or _first_run("maintenance", outputs["MaintenanceDefinition"], name, outputs)


def _first_run(title: str, definition: str, name: str, outputs: Mapping[str, str]) -> int:
    hour = f"{datetime.now(UTC):%Y-%m-%dT%H}"
    # Jobs are called like their definitions, as the schedules do it.
    job_id = run.submit(queue=outputs["JobQueue"], definition=definition, name=definition, hour=hour)
    say(f"{title:<12}{hour} UTC submitted: job {job_id}")
    try:
        job = run.follow(job_id, log_group=outputs["LogGroup"])
    except KeyboardInterrupt:
        say(f"{title:<12}continues in AWS; see `make status STACK={name}`")
        return INTERRUPTED
    if job["status"] == "SUCCEEDED":
        say(f"{title:<12}SUCCEEDED; the data is in s3://{outputs['Bucket']}")
        return 0
    message = f"the {title} failed, {run.outcome(job)}"
    code = job.get("container", {}).get("exitCode")
    raise ConfigurationError(message) if code == run.MISCONFIGURED else DeployError(message)
