"""Reddit's credentials: from the environment into Secrets Manager, and nowhere else.

They are no parameter of the stack, no argument of a program, and in no message.
"""

import json
from collections.abc import Mapping
from typing import Any

from batch.errors import asking
from batch.stack import TAG
from batch.terminal import say
from reddit_etl.aws import client
from reddit_etl.errors import ConfigurationError
from reddit_etl.sources.selection import check_clean, check_user_agent

NAMES = ("REDDIT_CLIENT_ID", "REDDIT_CLIENT_SECRET", "REDDIT_USER_AGENT")
# So long a secret that was removed can be had back.
RECOVERY_DAYS = 7
MISSING = f"Reddit's credentials are missing: set {', '.join(NAMES)}"


def given(environment: Mapping[str, str]) -> dict[str, str] | None:
    """What the environment holds, if it holds any; raises ConfigurationError if only some."""
    values = {name: environment.get(name, "") for name in NAMES}
    missing = [name for name, value in values.items() if not value.strip()]
    if len(missing) == len(NAMES):
        return None
    if missing:
        raise ConfigurationError(f"{' and '.join(missing)} missing: set all of {', '.join(NAMES)}, or none to keep")
    check_clean(values)
    check_user_agent(values["REDDIT_USER_AGENT"])
    return values


def check_own(name: str) -> None:
    """Raises ConfigurationError for somebody's own secret of that name."""
    found = _find(client("secretsmanager", place="Secrets Manager"), name)
    if found and TAG not in found.get("Tags", []):
        raise ConfigurationError(f"the secret {name} is not one of this project: give another name by --stack")


def check(name: str, values: Mapping[str, str] | None) -> None:
    """Before anything is made: a run needs credentials from somewhere."""
    found = _find(client("secretsmanager", place="Secrets Manager"), name)
    if not values and (not found or "DeletedDate" in found):
        raise ConfigurationError(MISSING)


def stored(name: str, values: Mapping[str, str] | None) -> str:
    """The ARN of the secret, which holds the values if there are any, else what it held."""
    manager = client("secretsmanager", place="Secrets Manager")
    found = _find(manager, name)
    with asking("Secrets Manager"):
        if found and "DeletedDate" in found:
            manager.restore_secret(SecretId=name)
        if not values:
            if not found:
                raise ConfigurationError(MISSING)
            say(f"secret      {name} is kept as it is")
            return str(found["ARN"])
        text = json.dumps(values)
        if not found:
            made = manager.create_secret(Name=name, SecretString=text, Description="Login of a Reddit app", Tags=[TAG])
            say(f"secret      {name} is made")
            return str(made["ARN"])
        if manager.get_secret_value(SecretId=name).get("SecretString") == text:
            say(f"secret      {name} holds these credentials")
        else:
            manager.put_secret_value(SecretId=name, SecretString=text)
            say(f"secret      {name} has the new credentials; the next run uses them")
        return str(found["ARN"])


def removed(name: str) -> bool:
    """Whether there was one to remove."""
    manager = client("secretsmanager", place="Secrets Manager")
    found = _find(manager, name)
    if not found or "DeletedDate" in found:
        return False
    with asking("Secrets Manager"):
        manager.delete_secret(SecretId=name, RecoveryWindowInDays=RECOVERY_DAYS)
    return True


def _find(manager: Any, name: str) -> dict[str, Any] | None:
    with asking("Secrets Manager"):
        try:
            return dict(manager.describe_secret(SecretId=name))
        except manager.exceptions.ResourceNotFoundException:
            return None
