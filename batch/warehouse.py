"""The Redshift Serverless workgroup of the stack: its grants, its monthly limit, and how to query it.

The grants are run as the administrator through the Data API, which needs neither access to the VPC nor the password.
"""

from collections.abc import Iterator, Mapping

from batch.aws import DeployError, pause, using
from batch.terminal import say

DATABASE = "reddit"
SCHEMA = "reddit"
# The warehouse's own role for those who read.
READERS = "reddit_reader"
# And that of the daily job, which changes the tables of the hourly one and creates none.
MAINTENANCE = "reddit_maintenance"
RIGHTS = "CREATE, TEMPORARY"
# Seconds until Redshift ends the idle session of a job that was killed, and with it the lock of its load.
IDLE = 300
RUNNING = {"SUBMITTED", "PICKED", "STARTED"}


def user_of(role: str) -> str:
    """The database user that an IAM role logs in as. A role's name has no quotes in it."""
    return f'"IAMR:{role}"'


def statements(job: str, maintenance: str, reader: str | None) -> Iterator[str]:
    """The grants of every deployment. All are idempotent but CREATE USER and CREATE ROLE."""
    user = user_of(job)
    yield f"CREATE USER {user} PASSWORD DISABLE"
    yield f"ALTER USER {user} SESSION TIMEOUT {IDLE}"
    yield f"GRANT {RIGHTS} ON DATABASE {DATABASE} TO {user}"
    # The job would create it too, but a grant needs it before.
    yield f"CREATE SCHEMA IF NOT EXISTS {SCHEMA} AUTHORIZATION {user}"
    yield f"CREATE ROLE {READERS}"
    yield f"GRANT USAGE ON SCHEMA {SCHEMA} TO ROLE {READERS}"
    # A scoped permission: on existing and future tables, whoever creates them.
    yield f"GRANT SELECT FOR TABLES IN SCHEMA {SCHEMA} TO ROLE {READERS}"
    yield from maintaining(maintenance, DATABASE)
    if reader:
        yield f"CREATE USER {user_of(reader)} PASSWORD DISABLE"
        yield f"GRANT ROLE {READERS} TO {user_of(reader)}"


def maintaining(role: str, database: str) -> Iterator[str]:
    """The grants of the daily job, once the schema exists.

    VACUUM needs the ownership of a table or the right of that name, which only a role of the warehouse can be given.
    """
    user = user_of(role)
    yield f"CREATE USER {user} PASSWORD DISABLE"
    yield f"ALTER USER {user} SESSION TIMEOUT {IDLE}"
    yield f"GRANT TEMPORARY ON DATABASE {database} TO {user}"
    yield f"CREATE ROLE {MAINTENANCE}"
    yield f"GRANT USAGE ON SCHEMA {SCHEMA} TO ROLE {MAINTENANCE}"
    yield f"GRANT SELECT, INSERT, UPDATE, DELETE FOR TABLES IN SCHEMA {SCHEMA} TO ROLE {MAINTENANCE}"
    yield f"GRANT VACUUM TO ROLE {MAINTENANCE}"
    yield f"GRANT ROLE {MAINTENANCE} TO {user}"


def grant(outputs: Mapping[str, str]) -> None:
    """Idempotent."""
    secret = _administrator(outputs)
    for sql in statements(outputs["JobRole"], outputs["MaintenanceRole"], outputs.get("ReaderRole")):
        error = _error_of(sql, workgroup=outputs["Workgroup"], secret=secret)
        if error and not (sql.startswith(("CREATE USER", "CREATE ROLE")) and "already exists" in error):
            raise DeployError(f"the warehouse rejects {sql}: {error}")
    say(f"access      granted to both jobs in workgroup {outputs['Workgroup']}")


def limit(outputs: Mapping[str, str]) -> None:
    """Set the RPU-hours per month; CloudFormation has no type for it. Idempotent."""
    hours = int(outputs["RedshiftRpuHours"])
    usage = {"resourceArn": outputs["WorkgroupArn"], "usageType": "serverless-compute"}
    with using("redshift-serverless") as serverless:
        found = serverless.list_usage_limits(**usage)["usageLimits"]
        # There is one for each period and action.
        ours = [one for one in found if (one["period"], one["breachAction"]) == ("monthly", "deactivate")]
        if not ours:
            serverless.create_usage_limit(**usage, amount=hours, period="monthly", breachAction="deactivate")
        elif ours[0]["amount"] != hours:
            serverless.update_usage_limit(usageLimitId=ours[0]["usageLimitId"], amount=hours)
    say(f"limit       {hours} RPU-hours per month; after that the warehouse rejects queries until the next month")


def explain_queries(outputs: Mapping[str, str]) -> None:
    """Print how a person queries it."""
    workgroup, reader, secret = outputs["Workgroup"], outputs.get("ReaderRole"), _administrator(outputs)
    who = f"as the role {reader} (federated user)" if reader else "grant analysts access with --set ReaderRole=…"
    say(f"query       Query Editor v2: workgroup {workgroup}, database {DATABASE}; {who}")
    say(f"  the administrator's password is in the secret {secret}; from the command line:")
    login = "" if reader else f" --secret-arn '{secret}'"
    options = f"--workgroup-name {workgroup} --database {DATABASE}{login}"
    say(f"  aws redshift-data execute-statement {options} --sql 'SELECT count(*) FROM {SCHEMA}.posts'")


def _administrator(outputs: Mapping[str, str]) -> str:
    """The ARN of the administrator's secret, which Redshift manages."""
    with using("redshift-serverless") as serverless:
        return str(serverless.get_namespace(namespaceName=outputs["Namespace"])["namespace"]["adminPasswordSecretArn"])


def _error_of(sql: str, *, workgroup: str, secret: str) -> str:
    """Run the statement; its error, if it fails."""
    with using("redshift-data") as data:
        started = data.execute_statement(WorkgroupName=workgroup, Database=DATABASE, SecretArn=secret, Sql=sql)
        while (state := data.describe_statement(Id=started["Id"]))["Status"] in RUNNING:
            pause()
    return "" if state["Status"] == "FINISHED" else " ".join(str(state.get("Error") or state["Status"]).split())
