"""Redshift's APIs on loopback, as far as a deployment uses them: a workgroup's limits, and the Data API."""

import json
from typing import Any


class Serverless:
    def __init__(self) -> None:
        self.statements: list[dict[str, Any]] = []
        self.limits: list[dict[str, Any]] = []
        self.workgroups: dict[str, dict[str, Any]] = {}
        """Of others, by name."""

    def answer(self, _method: str, _path: str, body: bytes) -> tuple[int, str]:
        asked = json.loads(body)
        if "namespaceName" in asked:
            return 200, json.dumps({"namespace": {"adminPasswordSecretArn": "arn:secret"}})
        if "workgroupName" in asked:
            found = self.workgroups.get(asked["workgroupName"])
            lacking = {"__type": "ResourceNotFoundException", "message": "no"}
            return (200, json.dumps({"workgroup": found})) if found else (400, json.dumps(lacking))
        if "amount" in asked:
            kept = [limit for limit in self.limits if limit["usageLimitId"] != asked.get("usageLimitId")]
            [changed] = [limit for limit in self.limits if limit not in kept] or [{"usageLimitId": str(len(kept))}]
            self.limits = [*kept, changed | asked]
            return 200, json.dumps({"usageLimit": self.limits[-1]})
        if "usageType" in asked:
            return 200, json.dumps({"usageLimits": self.limits})
        if "Sql" in asked:
            self.statements.append(asked)
            return 200, json.dumps({"Id": str(len(self.statements) - 1)})
        sql = self.statements[int(asked["Id"])]["Sql"]
        # Each user and role is there already the second time.
        again = sum(statement["Sql"] == sql for statement in self.statements) > 1
        if again and sql.startswith(("CREATE USER", "CREATE ROLE")):
            return 200, json.dumps({"Id": asked["Id"], "Status": "FAILED", "Error": "ERROR: it already exists"})
        return 200, json.dumps({"Id": asked["Id"], "Status": "FINISHED"})
