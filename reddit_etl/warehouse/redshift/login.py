"""Where Redshift is, and who logs in."""

import re
import select
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import psycopg2
from psycopg2 import extensions
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from reddit_etl import aws
from reddit_etl.errors import ConfigurationError, WarehouseError
from reddit_etl.loopback import is_loopback
from reddit_etl.warehouse import REDSHIFT

PORT = 5439
FORM = f"write {REDSHIFT}user:password@host:{PORT}/database, the user and password only without IAM"
# Names as SQLAlchemy reads them from a URL: whatever else it took for one may be half of a password.
HOST = re.compile(r"[a-z0-9][a-z0-9.-]*|[0-9a-f:]+", re.ASCII | re.IGNORECASE)
DATABASE = re.compile(r"[\w$-]+")
VERIFIED = ("verify-full", "verify-ca")
# What this machine's own Redshift, a stand-in, may be asked for beside.
UNVERIFIED = ("require", "prefer", "allow", "disable")
OPTIONS = ("sslmode", "sslrootcert")
FIXES = {
    "AccessDeniedException": "grant this role redshift-serverless:GetCredentials on the workgroup",
    "AccessDenied": "grant this role redshift:GetClusterCredentialsWithIAM on the database",
    "ResourceNotFoundException": "name a workgroup that exists in this region",
    "ClusterNotFound": "name a cluster that exists in this region",
    "ClusterNotFoundFault": "name a cluster that exists in this region",
}
LOGIN_DEADLINE = 30.0  # Seconds for each step of the login.
# Its steps have states that psycopg2 gives no names, so what comes after them is told.
LOGGED_IN = (extensions.STATUS_READY, extensions.STATUS_BEGIN, extensions.STATUS_PREPARED)
# A server that vanished is noticed after two minutes, not after the two hours that Linux takes by itself.
ALIVE = {"keepalives_idle": 60, "keepalives_interval": 10, "keepalives_count": 6}


@dataclass(frozen=True)
class Login:
    """A validated URL; with a workgroup or a cluster, the AWS identity of the process logs in.

    TLS is verified with Redshift's own certificates, unless the host is this machine.
    """

    url: URL
    workgroup: str | None = None
    cluster: str | None = None

    @property
    def place(self) -> str:
        """The URL without user, password and options."""
        return f"{REDSHIFT}{self.url.host}:{self.url.port}/{self.url.database}"

    def add_credentials(self, _dialect: object, _record: object, _arguments: object, keywords: dict[str, Any]) -> None:
        """SQLAlchemy's `do_connect`: complete what the driver is called with."""
        keywords |= ALIVE
        if self.workgroup:
            place = f"REDSHIFT_WORKGROUP: {self.workgroup}"
            with aws.failures(place, WarehouseError, FIXES):
                answer = aws.client("redshift-serverless", setting=place).get_credentials(
                    workgroupName=self.workgroup, dbName=self.url.database
                )
            keywords |= {"user": answer["dbUser"], "password": answer["dbPassword"]}
        elif self.cluster:
            place = f"REDSHIFT_CLUSTER: {self.cluster}"
            with aws.failures(place, WarehouseError, FIXES):
                answer = aws.client("redshift", setting=place).get_cluster_credentials_with_iam(
                    ClusterIdentifier=self.cluster, DbName=self.url.database
                )
            keywords |= {"user": answer["DbUser"], "password": answer["DbPassword"]}


def read_login(text: str, *, workgroup: str | None, cluster: str | None) -> Login:
    """From the settings' values. Raises ConfigurationError, which repeats nothing of the URL."""
    try:
        url = make_url(text)
        port = url.port
    except (ArgumentError, ValueError) as error:
        raise ConfigurationError(f"WAREHOUSE_URL is not valid: {FORM}") from error
    if not unquote(text).isprintable():
        raise ConfigurationError("WAREHOUSE_URL holds a character that cannot be printed, maybe written like %00")
    if port is not None and not 0 < port < 1 << 16:
        raise ConfigurationError(f"WAREHOUSE_URL has a port that there is not: Redshift's own is {PORT}")
    if not url.host or not url.database:
        raise ConfigurationError(f"WAREHOUSE_URL names no {'database' if url.host else 'host'}: {FORM}")
    if text.count("@") > 1 or not HOST.fullmatch(url.host) or not DATABASE.fullmatch(url.database):
        raise ConfigurationError(f"WAREHOUSE_URL is not valid: {FORM}; in a password write @ as %40, / as %2F")
    if workgroup and cluster:
        raise ConfigurationError("REDSHIFT_WORKGROUP and REDSHIFT_CLUSTER are both set: set the one to log in to")
    by_iam = bool(workgroup or cluster)
    if by_iam and (url.username or url.password):
        other = f"REDSHIFT_{'WORKGROUP' if workgroup else 'CLUSTER'}"
        raise ConfigurationError(f"WAREHOUSE_URL holds a login, and {other} is set: use one of them")
    if not by_iam and not (url.username and url.password):
        raise ConfigurationError(
            "WAREHOUSE_URL has no user and password: add them, or set REDSHIFT_WORKGROUP or REDSHIFT_CLUSTER"
        )
    # An option that is given twice is a tuple.
    if set(url.query) - set(OPTIONS) or not all(isinstance(value, str) for value in url.query.values()):
        raise ConfigurationError(f"WAREHOUSE_URL has an option that is not taken: {' and '.join(OPTIONS)} are, once")
    mode = url.query.get("sslmode", VERIFIED[0])
    if mode not in VERIFIED + UNVERIFIED:
        raise ConfigurationError("WAREHOUSE_URL: there is no such sslmode: leave it out")
    if mode not in VERIFIED and not is_loopback(url.host):
        raise ConfigurationError("WAREHOUSE_URL: sslmode weakens TLS: leave it out, the certificate is verified then")
    return Login(url.set(port=port or PORT), workgroup, cluster)


def wait(connection: Any) -> None:
    """Wait for the server where Python hears signals: within libpq a SIGTERM would wait for the end of a COPY."""
    while (state := connection.poll()) != extensions.POLL_OK:
        reading, writing = ([connection], []) if state == extensions.POLL_READ else ([], [connection])
        deadline = None if connection.status in LOGGED_IN else LOGIN_DEADLINE
        if not any(select.select(reading, writing, [], deadline)):
            raise psycopg2.OperationalError(f"no answer within {LOGIN_DEADLINE:.0f} s")


extensions.set_wait_callback(wait)
