"""The stack's parameters: those of the last deployment, what is passed now, and what follows from both.

They are checked before anything is created: CloudFormation would refuse them halfway, or the job after all is done.
"""

import json
import re
import secrets
from collections.abc import Mapping
from typing import Any

from batch import network, schedule
from reddit_etl.errors import ConfigurationError
from reddit_etl.sources.selection import checked_limit, checked_listings, checked_subreddits

EMAIL = re.compile(r"|[^@\s]+@[^@\s]+\.[^@\s]+")
# Set by the deployment itself.
IMAGE, CODE, SECRET, SNAPSHOT = OWN = ("ImageUri", "CodeVersion", "RedditSecretArn", "FinalSnapshot")
ALARM_HOURS = "HoursWithoutSuccess"
MAINTENANCE = "MaintenanceSchedule"
DAY = 24


def complete(
    name: str, declared: Mapping[str, Mapping[str, Any]], kept: Mapping[str, str], given: Mapping[str, str]
) -> dict[str, str]:
    """Every parameter of the template, except three of OWN. Raises ConfigurationError, which names the parameter."""
    unknown = sorted(set(given) - set(declared) | set(given) & set(OWN))
    if unknown:
        names = ", ".join(sorted(set(declared) - set(OWN)))
        raise ConfigurationError(f"--set {unknown[0]}: the stack's parameters are {names}")
    values = {name: str(about["DefaultValue"]) for name, about in declared.items() if "DefaultValue" in about}
    values |= {name: value for name, value in kept.items() if name in declared}
    values |= given
    _check(values, declared)
    plan = schedule.parse(values["Schedule"])
    if "Schedule" in given and ALARM_HOURS not in given:
        # That of an hourly schedule would always be active with a daily one.
        values[ALARM_HOURS] = str(plan.alarm_hours())
    elif int(values[ALARM_HOURS]) <= plan.gap:
        raise ConfigurationError(
            f"--set {ALARM_HOURS}={values[ALARM_HOURS]}: {plan.text} leaves {plan.gap:g} hours between two runs, "
            f"so that alarm would always be active: pass {plan.alarm_hours()}"
        )
    if (gap := schedule.parse(values[MAINTENANCE]).gap) > DAY:
        raise ConfigurationError(
            f"--set {MAINTENANCE}={values[MAINTENANCE]}: it leaves {gap:g} hours between two runs, so that deleted "
            "content could stay for more than 48 hours: run it at least once a day"
        )
    network.check_unmoved(kept, values)
    # These two are chosen when the network or the warehouse is created, and stay as long as that does.
    if not values["SubnetIds"] and values[network.ZONES] == network.NONE:
        values[network.ZONES] = network.zones()
    if SNAPSHOT not in kept or kept["Warehouse"] != "serverless" == values["Warehouse"]:
        values[SNAPSHOT] = f"{name}-{secrets.token_hex(4)}"
    return values


def _check(values: Mapping[str, str], declared: Mapping[str, Mapping[str, Any]]) -> None:
    for name, about in declared.items():
        allowed = about.get("ParameterConstraints", {}).get("AllowedValues")
        if allowed and values[name] not in allowed:
            raise ConfigurationError(f"--set {name}={values[name]}: pass {', '.join(allowed)}")
        if about["ParameterType"] == "Number" and not re.fullmatch(r"[0-9]{1,9}", values[name]):
            raise ConfigurationError(f"--set {name}={values[name]}: pass a whole number")
    checked_subreddits(_names(values, "Subreddits"))
    checked_listings(_names(values, "Listings"))
    checked_limit(int(values["Limit"]))
    if "@" in values["WarehouseUrl"]:
        raise ConfigurationError("--set WarehouseUrl has a login: put it into a secret, and --set WarehouseSecretArn")
    if not EMAIL.fullmatch(values["AlarmEmail"]):
        raise ConfigurationError(f"--email {values['AlarmEmail']}: pass one address, like me@example.com")


def _names(values: Mapping[str, str], name: str) -> object:
    try:
        return json.loads(values[name])
    except ValueError:
        raise ConfigurationError(f"--set {name}={values[name]}: pass a JSON list of names") from None
