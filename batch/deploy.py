"""`python -m batch deploy`: from a checkout and a login to a run that succeeded. Running it again updates."""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from batch import existing, image, linked_role, network, schedule, secret, upload, warehouse
from batch.errors import DeployError, asking
from batch.follow import MISCONFIGURED, follow, submit
from batch.prices import Use, told
from batch.schedule import Schedule
from batch.stack import Stack, template
from batch.terminal import confirm, say
from reddit_etl.aws import client
from reddit_etl.errors import ConfigurationError
from reddit_etl.sources.selection import checked_limit, checked_listings, checked_subreddits

# As ECR and Redshift's snapshots want it too: no hyphen at the end, nor two together.
NAME = re.compile(r"(?=.{3,39}$)[a-z][a-z0-9]*(-[a-z0-9]+)*")
EMAIL = re.compile(r"|[^@\s]+@[^@\s]+\.[^@\s]+")
INTERRUPTED = 130
# Parameters that the deployment itself gives.
IMAGE, CODE, SECRET, SNAPSHOT = OWN = ("ImageUri", "CodeVersion", "RedditSecretArn", "FinalSnapshot")
WATCH = "HoursWithoutSuccess"


@dataclass(frozen=True)
class Wish:
    """What a person asks for."""

    name: str
    values: Mapping[str, str]
    """Parameters of the stack."""
    yes: bool = False
    image: str | None = None
    """One that is pushed already."""
    run: bool = True


def deploy(wish: Wish, environment: Mapping[str, str] = os.environ) -> int:
    """Gives the exit code."""
    check_name(wish.name)
    if not wish.image:
        image.check_docker()
    account, region = identity()
    credentials, secret_name = secret.given(environment), f"{wish.name}/reddit"
    stack, text = Stack(wish.name), template()
    stack.check_own()
    image.check_own(wish.name)
    secret.check_own(secret_name)
    secret.check(secret_name, credentials)
    kept = stack.values()
    values = _values(kept, stack.defaults(text), wish.values)
    _check(values, stack.choices(text))
    plan = schedule.parse(values["Schedule"])
    given = dict(wish.values) | _watched(plan, wish.values, values) | _chosen_once(wish.name, kept, values)
    network.check_stays(kept, values)
    say(f"account     {account}, {region}, stack {wish.name}")
    existing.check(values, region)
    _tell_costs(plan, values)
    if kept.get("Warehouse") == "serverless" != values["Warehouse"]:
        say("warehouse   the one of this stack goes, with its data; Redshift keeps its last snapshot for 30 days")
    if not confirm("Deploy? [y/N]", yes=wish.yes):
        say("nothing is deployed")
        return 1
    own = {
        IMAGE: wish.image or _image(wish.name, values),
        SECRET: secret.stored(secret_name, credentials),
        CODE: upload.code_version(),
    }
    if not kept:
        linked_role.ensure()
    # A Glue job of the new version must find its code, and the first time there is nowhere to put it before.
    bucket = stack.outputs().get("Bucket")
    if bucket:
        upload.upload(bucket)
    if not stack.deploy(text, given | own):
        say(f"stack       {wish.name} is as it should be, nothing to change")
    outputs = stack.outputs()
    if outputs["Bucket"] != bucket:
        upload.upload(outputs["Bucket"])
    # First, as a limit that is reached refuses the grants too.
    warehouse.limit(outputs)
    warehouse.grant(outputs)
    warehouse.tell(outputs)
    existing.tell(outputs, values)
    email = values["AlarmEmail"]
    told_to = f"to {email}, once the mail of AWS is answered" if email else "to nobody: give --email, or EMAIL to make"
    say(f"alarms      {told_to}")
    return _first_run(wish.name, outputs) if wish.run else 0


def check_name(name: str) -> None:
    if not NAME.fullmatch(name):
        raise ConfigurationError(
            f"--stack {name!r}: lower-case letters, digits and hyphens, 39 at most, 3 at least, a letter first"
        )


def identity() -> tuple[str, str]:
    """The account and the region; raises ConfigurationError without a login."""
    sts = client("sts", place="AWS")
    with asking("AWS"):
        account = sts.get_caller_identity()["Account"]
    return str(account), str(sts.meta.region_name)


def _values(kept: Mapping[str, str], defaults: Mapping[str, str | None], given: Mapping[str, str]) -> dict[str, str]:
    """All that the stack will be told, except what the deployment itself gives."""
    unknown = sorted(set(given) - set(defaults) | set(given) & set(OWN))
    if unknown:
        names = ", ".join(sorted(set(defaults) - set(OWN)))
        raise ConfigurationError(f"--set {unknown[0]}: the stack's parameters are {names}")
    known = {name: value for name, value in defaults.items() if value is not None}
    return known | dict(kept) | dict(given)


def _chosen_once(name: str, kept: Mapping[str, str], values: Mapping[str, str]) -> dict[str, str]:
    """What is chosen when a network or a warehouse is made, and stays as long as that does."""
    chosen = {}
    if not values["SubnetIds"] and values[network.ZONES] == network.NONE:
        chosen[network.ZONES] = network.zones()
    if SNAPSHOT not in kept or kept["Warehouse"] != "serverless" == values["Warehouse"]:
        chosen[SNAPSHOT] = f"{name}-{datetime.now(UTC):%Y%m%d%H%M%S}"
    return chosen


def _check(values: Mapping[str, str], choices: Mapping[str, list[str]]) -> None:
    """What CloudFormation would refuse when half is made, or the job when all is."""
    checked_subreddits(_names(values, "Subreddits"))
    checked_listings(_names(values, "Listings"))
    if not re.fullmatch(r"[0-9]{1,9}", values["Limit"]):
        raise ConfigurationError(f"--limit {values['Limit']}: give a whole number")
    checked_limit(int(values["Limit"]))
    for name, listed in choices.items():
        if values[name] not in listed:
            raise ConfigurationError(f"--set {name}={values[name]}: give {', '.join(listed)}")
    if "@" in values["WarehouseUrl"]:
        raise ConfigurationError("--set WarehouseUrl holds a login: put it into a secret, and --set WarehouseSecretArn")
    if not EMAIL.fullmatch(values["AlarmEmail"]):
        raise ConfigurationError(f"--email {values['AlarmEmail']}: give one address, like me@example.com")


def _names(values: Mapping[str, str], name: str) -> object:
    try:
        return json.loads(values[name])
    except ValueError:
        raise ConfigurationError(f"--set {name}={values[name]}: write a JSON list of names") from None


def _watched(plan: Schedule, given: Mapping[str, str], values: Mapping[str, str]) -> dict[str, str]:
    """What fits a new schedule, unless it is given too: that of hourly runs would always ring with daily ones."""
    if "Schedule" in given and WATCH not in given:
        return {WATCH: str(plan.watch())}
    if _number(values, WATCH) <= plan.gap:
        raise ConfigurationError(
            f"--set {WATCH}={values[WATCH]}: {plan.text} leaves {plan.gap:g} hours between two runs, "
            f"so that alarm would always ring: give {plan.watch()}"
        )
    return {}


def _number(values: Mapping[str, str], name: str) -> float:
    # As CloudFormation writes one; Python's float would take nan.
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", values[name]):
        raise ConfigurationError(f"--set {name}={values[name]}: give a number")
    return float(values[name])


def _image(name: str, values: Mapping[str, str]) -> str:
    # DuckDB is only in the image that needs it. With Spot the stack asks for x86.
    target = image.BATCH if values["TransformEngine"] == "glue" else image.LOCAL
    return image.published(name, target=target, machine=image.X86 if values["Spot"] == "yes" else image.ARM)


def _tell_costs(plan: Schedule, values: Mapping[str, str]) -> None:
    own = values["Warehouse"] == "serverless"
    use = Use(
        runs=plan.runs,
        vcpu=_number(values, "Vcpu"),
        memory_gb=_number(values, "Memory") / 1024,
        spot=values["Spot"] == "yes",
        glue=values["TransformEngine"] == "glue",
        redshift=own,
        rpus=_number(values, "RedshiftCapacity"),
        rpu_hours=_number(values, "RedshiftRpuHours"),
        public=values["PublicIp"] == "yes",
    )
    say(f"costs       in USD a month with {plan.text}, by the list prices of us-east-1 without the free tiers:")
    for line in told(use):
        say(f"  {line}")
    if not own:
        say("  your own warehouse apart")
    if plan.gap < 1:
        say("schedule    more than one run an hour: the later ones find the hour done")


def _first_run(name: str, outputs: Mapping[str, str]) -> int:
    hour = datetime.now(UTC)
    job_id = submit(queue=outputs["JobQueue"], definition=outputs["JobDefinition"], name=name, hour=hour)
    say(f"run         of {hour:%Y-%m-%dT%H} UTC is submitted: job {job_id}")
    try:
        job = follow(job_id, log_group=outputs["LogGroup"])
    except KeyboardInterrupt:
        say(f"run         goes on without you; `make status STACK={name}` tells how it is")
        return INTERRUPTED
    if job.status == "SUCCEEDED":
        say(f"run         SUCCEEDED; the data is in s3://{outputs['Bucket']}")
        return 0
    message = f"the run failed, {job.end}"
    raise ConfigurationError(message) if job.exit_code == MISCONFIGURED else DeployError(message)
