"""Redshift on loopback: PostgreSQL behind a server that speaks its protocol and keeps Redshift's rules.

    with postgres() as folder, redshift(folder, s3_url=…) as warehouse:
        create_engine(warehouse.url)

Takes users by their passwords, COPY from S3 with the roles it is told, and fails on demand.
"""

import re
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock, Thread
from typing import Any
from urllib.parse import quote

import psycopg2

from tests.standins.redshift_conversation import (
    CONFLICT,
    DATABASE,
    DEFINITION_CONFLICT,
    GUEST,
    OWNER,
    TIMEOUT,
    Conversation,
    Drop,
    Fault,
    Login,
)
from tests.standins.redshift_statements import VERSION
from tests.standins.redshift_wire import Lost, Peer, Refusal

__all__ = [
    "CONFLICT",
    "DEFINITION_CONFLICT",
    "GUEST",
    "OWNER",
    "ROLE",
    "TIMEOUT",
    "Drop",
    "Login",
    "Refusal",
    "redshift",
]

ROLE = "arn:aws:iam::123456789012:role/copy"

_BANNER = (
    f"PostgreSQL {VERSION} on i686-pc-linux-gnu, compiled by GCC gcc (GCC) 3.4.2 20041017 (Red Hat 3.4.2-6.fc3), "
    "Redshift 1.0.117891"
)

# PostgreSQL finds its own version() by number, so it has to give up its name.
_SETUP = f"""
SET allow_system_table_mods = on;
UPDATE pg_proc SET proname = 'postgresql_version'
WHERE proname = 'version' AND pronamespace = 'pg_catalog'::regnamespace;
CREATE FUNCTION pg_catalog.version() RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT '{_BANNER}'::text $$;
CREATE FUNCTION pg_catalog.getdate() RETURNS timestamp LANGUAGE sql STABLE AS
$$ SELECT date_trunc('second', now() AT TIME ZONE 'UTC') $$;
CREATE ROLE {OWNER} LOGIN;
CREATE ROLE {GUEST} LOGIN;
GRANT CREATE ON DATABASE {DATABASE} TO {OWNER};
"""


@dataclass
class _Planned:
    pattern: re.Pattern[str]
    fault: Fault
    times: int


@dataclass
class Redshift:
    folder: Path
    s3_url: str | None
    roles: tuple[str, ...]
    users: dict[str, Login] = field(default_factory=lambda: {"loader": Login("s3cret")})
    forbidden: set[str] = field(default_factory=set)
    """Buckets that the roles may not read."""
    statements: list[str] = field(default_factory=list)
    """What clients sent, the driver's BEGIN and COMMIT among it."""

    def __post_init__(self) -> None:
        self._planned: list[_Planned] = []
        self._lock = Lock()
        self._clients: list[Peer] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._serve()

    @property
    def url(self) -> str:
        return self.url_of("loader")

    def url_of(self, user: str, password: str | None = None) -> str:
        secret = self.users[user].password if password is None else password
        login = f"{quote(user, safe='')}:{quote(secret, safe='')}"
        return f"redshift+psycopg2://{login}@127.0.0.1:{self.port}/{DATABASE}?sslmode=disable"

    def fail(self, pattern: str, fault: Fault, times: int = 1) -> None:
        """Let the next statements that the pattern is found in fail. A login is `LOGIN user`."""
        with self._lock:
            self._planned.append(_Planned(re.compile(pattern, re.IGNORECASE), fault, times))

    @property
    def unspent(self) -> list[str]:
        """The patterns of the faults that are still to come."""
        return [planned.pattern.pattern for planned in self._planned]

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """What PostgreSQL itself answers, with every right."""
        return _ask(self.folder, DATABASE, sql)

    def reset(self) -> None:
        """As it was in the beginning, but for the users."""
        self.disconnect()
        with self._lock:
            self._planned.clear()
        self.statements.clear()
        schemas = "SELECT nspname FROM pg_namespace WHERE nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema'"
        for (schema,) in self.rows(schemas):
            self.rows(f'DROP SCHEMA "{schema}" CASCADE')
        self.rows("CREATE SCHEMA public")

    def disconnect(self) -> None:
        """Break every connection, and wait for PostgreSQL to have rolled back."""
        for client in list(self._clients):
            client.close()
        self.rows(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            f"WHERE datname = '{DATABASE}' AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )

    @contextmanager
    def down(self) -> Iterator[None]:
        """Nobody listens."""
        self._stop()
        self.disconnect()
        try:
            yield
        finally:
            self._listener = socket.create_server(("127.0.0.1", self.port))
            self._serve()

    def close(self) -> None:
        self._stop()
        for client in list(self._clients):
            client.close()

    def _stop(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self) -> None:
        Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            Thread(target=self._talk, args=(Peer(connection),), daemon=True).start()

    def _talk(self, client: Peer) -> None:
        self._clients.append(client)
        try:
            Conversation(self, client).run()
        except Lost:
            return
        finally:
            client.close()
            self._clients.remove(client)

    def fault_of(self, text: str) -> Fault | None:
        with self._lock:
            for planned in self._planned:
                if planned.pattern.search(text):
                    planned.times -= 1
                    if not planned.times:
                        self._planned.remove(planned)
                    return planned.fault
        return None


def _ask(folder: Path, database: str, sql: str) -> list[tuple[Any, ...]]:
    with closing(psycopg2.connect(host=str(folder), user="postgres", dbname=database)) as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute(sql)
        return cursor.fetchall() if cursor.description else []


@contextmanager
def redshift(folder: Path, s3_url: str | None = None, roles: tuple[str, ...] = (ROLE,)) -> Iterator[Redshift]:
    """A Redshift before the PostgreSQL whose socket is in the folder; what is in it already is kept."""
    if not _ask(folder, "postgres", f"SELECT 1 FROM pg_database WHERE datname = '{DATABASE}'"):
        _ask(folder, "postgres", f"CREATE DATABASE {DATABASE}")
        _ask(folder, DATABASE, _SETUP)
    warehouse = Redshift(folder, s3_url, roles)
    try:
        yield warehouse
    finally:
        warehouse.close()
