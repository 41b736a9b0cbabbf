"""The stores of a game of chaos, and what may happen to them: in a folder, or on stand-ins for AWS."""

import gzip
import os
import random
import secrets
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from multiprocessing import Pipe
from pathlib import Path
from typing import Any, NamedTuple

import boto3
import duckdb
import psycopg2

from tests.aws import LOGIN
from tests.standins.postgres import postgres
from tests.standins.redshift import DATABASE, OWNER, ROLE, redshift
from tests.standins.s3 import ENVIRONMENT, KEYS, moto_server


class Stores(ABC):
    """A lake and a warehouse."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    environment: dict[str, str]

    @abstractmethod
    def objects(self) -> Iterator[tuple[str, bytes]]:
        """The keys and the content of all objects of the lake, in every version."""

    @abstractmethod
    def lose(self, key: str) -> None:
        """Remove an object of the lake."""

    @abstractmethod
    def remove_warehouse(self, dice: random.Random) -> None:
        """Nothing is left of it; in a folder at times the log of its changes."""

    @abstractmethod
    def keep_copy(self, name: str) -> None:
        """Copy the warehouse, while nothing else uses it."""

    @abstractmethod
    def restore_copy(self, dice: random.Random) -> None:
        """Let a copy take the place of the warehouse, if there is any."""

    @abstractmethod
    def remove_copies(self) -> None:
        """As who makes them has to."""

    @abstractmethod
    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a query of the warehouse."""

    @abstractmethod
    def warehouse_bytes(self) -> Iterator[tuple[str, bytes]]:
        """The files of the warehouse."""

    def texts(self) -> Iterator[tuple[str, bytes]]:
        """All that is stored, by where: as it is, and with what is compressed in it."""
        for key, content in self.objects():
            yield key, content + self._inflated(key, content)
        for path in self.folder.glob("log*"):
            yield path.name, path.read_bytes()
        yield from self.warehouse_bytes()

    def _inflated(self, key: str, content: bytes) -> bytes:
        if key.endswith(".gz"):
            return gzip.decompress(content)
        if not key.endswith(".parquet"):
            return b""
        path = self.folder / "read.parquet"
        path.write_bytes(content)
        with duckdb.connect(config={"threads": 1}) as connection:
            return repr(connection.read_parquet(str(path), hive_partitioning=False).fetchall()).encode()


class Local(Stores):
    """A lake in a folder, and DuckDB."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.lake = folder / "lake"
        self.warehouse = folder / "warehouse.duckdb"
        self.log = folder / "warehouse.duckdb.wal"
        self.environment = {"LAKE_URL": str(self.lake), "WAREHOUSE_URL": f"duckdb:///{self.warehouse}"}

    def objects(self) -> Iterator[tuple[str, bytes]]:
        for path in sorted(self.lake.rglob("*")):
            if path.is_file():
                yield str(path.relative_to(self.lake)), path.read_bytes()

    def lose(self, key: str) -> None:
        (self.lake / key).unlink()

    def remove_warehouse(self, dice: random.Random) -> None:
        self.warehouse.unlink(missing_ok=True)
        if dice.random() < 0.7:
            self.log.unlink(missing_ok=True)

    def keep_copy(self, name: str) -> None:
        if self.warehouse.exists() and not self.log.exists():
            shutil.copy(self.warehouse, self.folder / f"copy-{name}")

    def restore_copy(self, dice: random.Random) -> None:
        if copies := sorted(self.folder.glob("copy-*")):
            Path(shutil.copy(dice.choice(copies), self.folder / "new")).replace(self.warehouse)
            if dice.random() < 0.7:
                self.log.unlink(missing_ok=True)

    def remove_copies(self) -> None:
        for path in self.folder.glob("copy-*"):
            path.unlink()

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.warehouse), read_only=True) as connection:
            return connection.sql(sql).fetchall()

    def warehouse_bytes(self) -> Iterator[tuple[str, bytes]]:
        # A folder for what does not fit into memory, too.
        for path in self.folder.rglob("*warehouse.duckdb*"):
            if path.is_file():
                yield path.name, path.read_bytes()


class Servers(NamedTuple):
    """The stand-ins for AWS, in a process of their own."""

    s3: str
    postgres: Path
    redshift: str


@contextmanager
def servers() -> Iterator[Servers]:
    """They are served by another process, so that this one can fork."""
    here, there = Pipe()
    child = os.fork()
    if not child:
        here.close()
        with moto_server() as s3, postgres() as folder, redshift(folder, s3_url=s3) as warehouse:
            there.send(Servers(s3, folder, warehouse.url))
            with suppress(EOFError):
                there.recv()
        os._exit(0)
    there.close()
    try:
        yield here.recv()
    finally:
        here.close()
        with suppress(ProcessLookupError):
            os.waitpid(child, 0)


class Aws(Stores):
    """A lake in a bucket that keeps versions, and Redshift."""

    def __init__(self, folder: Path, at: Servers) -> None:
        super().__init__(folder)
        self._postgres = at.postgres
        self.bucket = f"lake-{secrets.token_hex(6)}"
        self.environment = (
            LOGIN
            | ENVIRONMENT
            | {
                "AWS_ENDPOINT_URL": at.s3,
                "LAKE_URL": f"s3://{self.bucket}/reddit",
                "WAREHOUSE_URL": at.redshift,
                "REDSHIFT_COPY_ROLE": ROLE,
            }
        )
        self._s3: Any = boto3.client("s3", endpoint_url=at.s3, **KEYS)
        self._s3.create_bucket(Bucket=self.bucket)
        self._s3.put_bucket_versioning(Bucket=self.bucket, VersioningConfiguration={"Status": "Enabled"})
        self.remove_copies()
        self._run("DROP SCHEMA IF EXISTS reddit CASCADE")

    def objects(self) -> Iterator[tuple[str, bytes]]:
        for page in self._s3.get_paginator("list_object_versions").paginate(Bucket=self.bucket):
            for one in page.get("Versions", ()):
                which = {"Bucket": self.bucket, "Key": one["Key"], "VersionId": one["VersionId"]}
                yield one["Key"].removeprefix("reddit/"), self._s3.get_object(**which)["Body"].read()

    def lose(self, key: str) -> None:
        # A delete marker would keep the object as an older version, which is up to the bucket's lifecycle.
        answer = self._s3.list_object_versions(Bucket=self.bucket, Prefix=f"reddit/{key}")
        for one in answer.get("Versions", ()):
            self._s3.delete_object(Bucket=self.bucket, Key=one["Key"], VersionId=one["VersionId"])

    def remove_warehouse(self, dice: random.Random) -> None:  # noqa: ARG002
        self._disconnect()
        self._run("DROP SCHEMA IF EXISTS reddit CASCADE")

    def keep_copy(self, name: str) -> None:
        self._disconnect()
        self._run(f"DROP DATABASE IF EXISTS copy_{name}", "postgres")
        self._run(f"CREATE DATABASE copy_{name} TEMPLATE {DATABASE}", "postgres")

    def restore_copy(self, dice: random.Random) -> None:
        if copies := self._copies():
            self._disconnect()
            self._run(f"DROP DATABASE {DATABASE}", "postgres")
            self._run(f"CREATE DATABASE {DATABASE} TEMPLATE {dice.choice(copies)}", "postgres")
            self._run(f"GRANT CREATE ON DATABASE {DATABASE} TO {OWNER}", "postgres")

    def remove_copies(self) -> None:
        for name in self._copies():
            self._run(f"DROP DATABASE {name}", "postgres")

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return self._run(sql)

    def warehouse_bytes(self) -> Iterator[tuple[str, bytes]]:
        self._disconnect()
        self._run("CHECKPOINT")
        for path in (self._postgres / "data" / "base").rglob("*"):
            if path.is_file():
                yield str(path.relative_to(self._postgres)), path.read_bytes()

    def _copies(self) -> list[str]:
        found = self._run(r"SELECT datname FROM pg_database WHERE datname LIKE 'copy\_%' ORDER BY 1", "postgres")
        return [name for (name,) in found]

    def _disconnect(self) -> None:
        self._run(
            f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{DATABASE}'", "postgres"
        )

    def _run(self, sql: str, database: str = DATABASE) -> list[tuple[Any, ...]]:
        connection = psycopg2.connect(
            host=str(self._postgres), user="postgres", dbname=database, client_encoding="UTF8"
        )
        with closing(connection), connection.cursor() as cursor:
            connection.autocommit = True
            cursor.execute(sql)
            return cursor.fetchall() if cursor.description else []
