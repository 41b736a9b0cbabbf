"""The job's rights in a warehouse that the stack made: its role may make the schema, and nothing else.

Said by the warehouse's administrator through the Data API, which needs neither a way into the VPC nor the password.
"""

import time
from collections.abc import Mapping
from typing import Any

from batch.errors import DeployError, asking
from batch.terminal import say, waiting
from reddit_etl.aws import client

DATABASE = "reddit"
INTERVAL = 1.0
LIVE = {"SUBMITTED", "PICKED", "STARTED"}


def grant(outputs: Mapping[str, str]) -> None:
    """Said again, it changes nothing. A warehouse that the stack did not make is its owner's to open."""
    if "Workgroup" not in outputs:
        return
    serverless = client("redshift-serverless", place="Redshift Serverless")
    with asking("Redshift Serverless"):
        secret = serverless.get_namespace(namespaceName=outputs["Namespace"])["namespace"]["adminPasswordSecretArn"]
    # The name of a role's user. A role's name has no quotes in it.
    user = f'"IAMR:{outputs["JobRole"]}"'
    for sql, fine in (
        (f"CREATE USER {user} PASSWORD DISABLE", "already exists"),
        (f"GRANT CREATE, TEMPORARY ON DATABASE {DATABASE} TO {user}", None),
    ):
        error = _ran(sql, workgroup=outputs["Workgroup"], secret=secret)
        if error and not (fine and fine in error):
            raise DeployError(f"the warehouse refuses {sql}: {error}")
    say(f"warehouse   {outputs['Workgroup']} lets the job in")


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
