"""PostgreSQL as the warehouse of docs/another-warehouse.md, as fixtures."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from reddit_etl.lake.folder import FolderLake
from tests import PROJECT
from tests.standins.loads import LOADED_AT, Loads
from tests.standins.postgres import postgres

EXAMPLE = PROJECT / "docs" / "examples" / "postgresql"


@dataclass
class Database:
    folder: Path
    """Of the server's socket."""
    name: str = "reddit"

    @property
    def url(self) -> str:
        """With an address of this machine, as a user's has it; the driver connects to the socket that is named last."""
        return f"postgresql://postgres@127.0.0.1/{self.name}?host={self.folder}"

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Run SQL as another client; gives the rows."""
        with closing(psycopg2.connect(self.url)) as connection, connection.cursor() as cursor:
            connection.autocommit = True
            cursor.execute(sql)
            return cursor.fetchall() if cursor.description else []


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[Database]:
    with postgres() as folder:
        Database(folder, "postgres").rows("CREATE DATABASE reddit ENCODING 'UTF8' LOCALE 'C' TEMPLATE template0")
        yield Database(folder)


@pytest.fixture
def database(postgresql_server: Database) -> Database:
    """An empty one."""
    postgresql_server.rows("DROP SCHEMA IF EXISTS reddit CASCADE")
    return postgresql_server


@pytest.fixture
def postgresql_loads(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Loads:
    monkeypatch.syspath_prepend(EXAMPLE)
    warehouse = import_module("reddit_etl_postgresql").PostgreSQLWarehouse(database.url, clock=lambda: LOADED_AT)
    return Loads(tmp_path, warehouse, FolderLake(tmp_path / "lake"), database.rows)
