"""What an error of Redshift's means: to wait and try again, to mend a setting or a right, or to give up."""

import re

from sqlalchemy.exc import DBAPIError, OperationalError

from reddit_etl.errors import ConfigurationError, WarehouseError
from reddit_etl.warehouse.tables import SCHEMA

CANCELLED = "57014"  # A statement that ran out of its time.
ROLE_REFUSALS = ("not authorized to assume", "S3ServiceException:Access", "AccessDenied", "Access Denied")
# What another load of the same posts, or a lock held for long, makes of a transaction; PostgreSQL's own codes beside.
CONFLICTS = ("40001", "40P01", "55P03")
# Redshift gives these no code of their own: error 1023, and its like for definitions.
CONFLICT_WORDS = ("erializable isolation violation", "conflict with concurrent transaction")
# Two first loads at once: both find the schema, a table or a column missing, and one comes second.
MADE_MEANWHILE = ("42P06", "42P07", "42701", "23505")
# What is said of a login that did not come about, and what to do.
LOGIN_FIXES = {
    "authentication failed": "login refused: correct user and password in the URL, or the job's role",
    "could not translate host name": "no such host: copy the endpoint from Redshift's console",
    'database ".*" does not exist': "no such database: name one that exists at the URL's end",
}
TLS_WORDS = ("support SSL", "certificate")
# What a right is missing for, by the words of the refusal.
GRANTS = {
    "permission denied for database": f"grant this user CREATE on the database, or make schema {SCHEMA} for it",
    "permission denied for schema": f"grant this user USAGE and CREATE on schema {SCHEMA}",
    "permission denied to create temporary": "grant this user TEMPORARY on the database",
    "must be owner": f"let this user own the tables of schema {SCHEMA}: ALTER TABLE … OWNER TO",
    "": f"grant this user ALL on the tables of schema {SCHEMA}",
}


class PassingError(WarehouseError):
    """The whole transaction may succeed if it is tried again."""


class LostError(PassingError):
    """The warehouse does not answer."""


def code_of(error: DBAPIError) -> str | None:
    """The SQLSTATE of a driver's error, such as `57014`; None if the server sent none."""
    return getattr(error.orig, "pgcode", None)


def meaning(error: DBAPIError, *, place: str, copy_role: str) -> WarehouseError | ConfigurationError:
    """What the driver's error means for the load. Its text holds no password."""
    code = code_of(error)
    text = " ".join(str(error.orig).split())[:500]
    said = f"{place}: {text}"
    if any(refusal in text for refusal in ROLE_REFUSALS):
        fix = "let the role read the lake, and Redshift assume it: attach it to the namespace or cluster"
        return ConfigurationError(f"REDSHIFT_COPY_ROLE: {copy_role}: {text}: {fix}")
    if code == "42501":
        return ConfigurationError(f"{said}: {next(fix for words, fix in GRANTS.items() if words in text)}")
    if code == "42804":
        return ConfigurationError(f"{said}: a column of schema {SCHEMA} has another type: change it back")
    has_no_code = code is None and isinstance(error, OperationalError)
    if has_no_code and (fixes := [fix for words, fix in LOGIN_FIXES.items() if re.search(words, text)]):
        return ConfigurationError(f"{place}: {fixes[0]}")
    if has_no_code and any(words in text for words in TLS_WORDS):
        return ConfigurationError(f"{said}: name Redshift itself, and its authority's certificate if sslrootcert does")
    if error.connection_invalidated or has_no_code:
        return LostError(said)
    is_conflict = code in (*CONFLICTS, *MADE_MEANWHILE) or any(word in text for word in CONFLICT_WORDS)
    return PassingError(said) if is_conflict else WarehouseError(said)
