"""Reddit's credentials: from the environment into Secrets Manager, and nowhere else.

They are no parameter of the stack, no argument of a program, and in no message.
"""

import json
import os
from collections.abc import Mapping
from typing import Any

from batch.aws import TAG, check_owner, using
from batch.terminal import say
from reddit_etl.errors import ConfigurationError
from reddit_etl.sources.selection import check_clean, check_user_agent

NAMES = ("REDDIT_CLIENT_ID", "REDDIT_CLIENT_SECRET", "REDDIT_USER_AGENT")
RECOVERY_DAYS = 7  # In which a deleted secret can be restored.


def read(name: str, environment: Mapping[str, str] = os.environ) -> dict[str, str] | None:
    """The environment's credentials, or None to keep those of the secret. Raises ConfigurationError without either."""
    found = look_up(name)
    values = {variable: environment.get(variable, "") for variable in NAMES}
    missing = [variable for variable, value in values.items() if not value.strip()]
    if len(missing) == len(NAMES) and found and "DeletedDate" not in found:
        return None
    if missing:
        raise ConfigurationError(f"{', '.join(missing)} missing: set Reddit's credentials, {', '.join(NAMES)}")
    check_clean(values)
    check_user_agent(values["REDDIT_USER_AGENT"])
    return values


def look_up(name: str) -> dict[str, Any] | None:
    """The secret's description. Raises ConfigurationError for one that this project did not create."""
    with using("secretsmanager") as manager:
        try:
            found = dict(manager.describe_secret(SecretId=name))
        except manager.exceptions.ResourceNotFoundException:
            return None
    check_owner(f"the secret {name}", found.get("Tags", []))
    return found


def store(name: str, values: Mapping[str, str] | None) -> str:
    """The secret's ARN. It gets these values, or keeps those that it has."""
    found, text = look_up(name), json.dumps(values)
    with using("secretsmanager") as manager:
        if not found:
            made = manager.create_secret(
                Name=name, SecretString=text, Description="Credentials of a Reddit app", Tags=[TAG]
            )
            say(f"secret      {name} created")
            return str(made["ARN"])
        if "DeletedDate" in found:
            manager.restore_secret(SecretId=name)
        if values and manager.get_secret_value(SecretId=name).get("SecretString") != text:
            manager.put_secret_value(SecretId=name, SecretString=text)
            say(f"secret      {name} updated; the next run uses it")
        else:
            say(f"secret      {name} unchanged")
        return str(found["ARN"])


def delete(name: str) -> bool:
    """Whether there was one to delete."""
    found = look_up(name)
    if not found or "DeletedDate" in found:
        return False
    with using("secretsmanager") as manager:
        manager.delete_secret(SecretId=name, RecoveryWindowInDays=RECOVERY_DAYS)
    return True
