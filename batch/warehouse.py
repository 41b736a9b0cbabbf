"""A warehouse that the stack made: who may do what in it, how it is asked, and how much it may cost a month.

The rights are granted by the warehouse's administrator through the Data API, which needs neither a way into the VPC nor
the password.
"""

import time
from collections.abc import Iterator, Mapping
from typing import Any

from batch.errors import DeployError, asking
from batch.terminal import say, waiting
from reddit_etl.aws import client

DATABASE = "reddit"
SCHEMA = "reddit"
# The warehouse's own role for those who read.
READERS = "reddit_reader"
RIGHTS = "CREATE, TEMPORARY"
# Seconds. A job that is killed leaves its session, and the lock of its load, until Redshift ends the session.
IDLE = 300
INTERVAL = 1.0
LIVE = {"SUBMITTED", "PICKED", "STARTED"}
EXISTS = "already exists"


def user_of(role: str) -> str:
    """The user that an IAM role logs in as. A role's name has no quotes in it."""
    return f'"IAMR:{role}"'


def statements(job: str, reader: str | None) -> Iterator[str]:
    """What the administrator says at each deployment. Only CREATE USER and CREATE ROLE fail when said again."""
    user = user_of(job)
    yield f"CREATE USER {user} PASSWORD DISABLE"
    yield f"ALTER USER {user} SESSION TIMEOUT {IDLE}"
    yield f"GRANT {RIGHTS} ON DATABASE {DATABASE} TO {user}"
    # The job would make it too; but what is to be read must be there before it can be granted.
    yield f"CREATE SCHEMA IF NOT EXISTS {SCHEMA} AUTHORIZATION {user}"
    yield f"CREATE ROLE {READERS}"
    yield f"GRANT USAGE ON SCHEMA {SCHEMA} TO ROLE {READERS}"
    # A scoped permission: on the tables that there are and on those to come, whoever makes them.
    yield f"GRANT SELECT FOR TABLES IN SCHEMA {SCHEMA} TO ROLE {READERS}"
    if reader:
        yield f"CREATE USER {user_of(reader)} PASSWORD DISABLE"
        yield f"GRANT ROLE {READERS} TO {user_of(reader)}"


def grant(outputs: Mapping[str, str]) -> None:
    """Idempotent. A warehouse that the stack did not make is its owner's to open."""
    if "Workgroup" not in outputs:
        return
    secret = _secret(outputs)
    for sql in statements(outputs["JobRole"], outputs.get("ReaderRole")):
        error = _ran(sql, workgroup=outputs["Workgroup"], secret=secret)
        if error and not (sql.startswith(("CREATE USER", "CREATE ROLE")) and EXISTS in error):
            raise DeployError(f"the warehouse refuses {sql}: {error}")
    say(f"warehouse   {outputs['Workgroup']} lets the job in")


def limit(outputs: Mapping[str, str]) -> None:
    """The RPU-hours a month; CloudFormation has no type for it. Idempotent."""
    if "Workgroup" not in outputs:
        return
    arn, hours = outputs["WorkgroupArn"], int(float(outputs["RedshiftRpuHours"]))
    what = {"resourceArn": arn, "usageType": "serverless-compute"}
    serverless = client("redshift-serverless", place="Redshift Serverless")
    with asking("Redshift Serverless"):
        found = serverless.list_usage_limits(**what)["usageLimits"]
        # One for each period and action.
        mine = [one for one in found if (one["period"], one["breachAction"]) == ("monthly", "deactivate")]
        if not mine:
            serverless.create_usage_limit(**what, amount=hours, period="monthly", breachAction="deactivate")
        elif mine[0]["amount"] != hours:
            serverless.update_usage_limit(usageLimitId=mine[0]["usageLimitId"], amount=hours)
    say(f"limit       {hours} RPU-hours a month, then the warehouse takes no queries until the next month")


def tell(outputs: Mapping[str, str]) -> None:
    """How a person asks it."""
    if "Workgroup" not in outputs:
        return
    workgroup, reader, secret = outputs["Workgroup"], outputs.get("ReaderRole"), _secret(outputs)
    who = f"as the role {reader} (federated user)" if reader else "--set ReaderRole=… lets a role of analysts in"
    say(f"ask it      Query Editor v2: workgroup {workgroup}, database {DATABASE}; {who}")
    say(f"  its administrator logs in by the secret {secret}; without the console:")
    login = "" if reader else f" --secret-arn '{secret}'"
    place = f"--workgroup-name {workgroup} --database {DATABASE}{login}"
    say(f"  aws redshift-data execute-statement {place} --sql 'SELECT count(*) FROM {SCHEMA}.posts'")


def _secret(outputs: Mapping[str, str]) -> str:
    """The ARN of the administrator's, which Redshift keeps."""
    serverless = client("redshift-serverless", place="Redshift Serverless")
    with asking("Redshift Serverless"):
        return str(serverless.get_namespace(namespaceName=outputs["Namespace"])["namespace"]["adminPasswordSecretArn"])


def _ran(sql: str, *, workgroup: str, secret: str) -> str:
    """What went wrong, if anything did."""
    data = client("redshift-data", place="Redshift's Data API")
    with asking("Redshift's Data API"):
        started = data.execute_statement(WorkgroupName=workgroup, Database=DATABASE, SecretArn=secret, Sql=sql)
        state: dict[str, Any] = {"Status": "SUBMITTED"}
        while state["Status"] in LIVE:
            state = data.describe_statement(Id=started["Id"])
            if state["Status"] in LIVE:
                waiting("  the warehouse wakes up …")
                time.sleep(INTERVAL)
    return "" if state["Status"] == "FINISHED" else " ".join(str(state.get("Error") or state["Status"]).split())
