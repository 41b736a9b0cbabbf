"""A DuckDB file written anew, so that no byte of removed rows is left.

DuckDB keeps deleted rows in the file: after DELETE, CHECKPOINT and VACUUM all of their texts could still be read in it.
What COPY FROM DATABASE writes into a new file has none. It keeps the tables, views, indexes, sequences, macros and
comments of others too.
"""

import os
import secrets
import shutil
from datetime import datetime
from pathlib import Path

import duckdb

from reddit_etl import duck
from reddit_etl.warehouse import forget
from reddit_etl.warehouse.tables import SCHEMA

SUFFIX = ".rewritten"


def rewrite(connection: duckdb.DuckDBPyConnection, path: Path, *, scratch: Path, now: datetime) -> None:
    """Replace the file by a new one of the same content, in which `forget_audit` notes that nothing is left.

    `connection` has the file attached as `warehouse`, and nobody else has it open. Does nothing if nothing is due, as
    when another process did it. Takes as much space beside the file for a while. Who opens the path has the old file or
    the new one, and has to compare which one it was; see `DuckDBFile`.
    """
    file = path.resolve()
    _remove_left(file, scratch)
    [(due, until)] = connection.execute(forget.COUNT_DUE).fetchall()
    if not due:
        return
    # From here on its log is empty: DuckDB must not write one for the old file when it is closed.
    connection.execute("CHECKPOINT warehouse")
    new = file.with_name(f".{file.name}.{secrets.token_hex(4)}{SUFFIX}")
    try:
        text = str(new).replace("'", "''")
        connection.execute(f"ATTACH '{text}' AS rewritten (ROW_GROUP_SIZE {duck.ROW_GROUP})")
        connection.execute("COPY FROM DATABASE warehouse TO rewritten")
        connection.execute(forget.erased(f"rewritten.{SCHEMA}.forget_audit"), [now, until])
        connection.execute("DETACH rewritten")
        status = file.stat()
        os.chown(new, status.st_uid, status.st_gid)
        shutil.copymode(file, new)
        new.replace(file)
        _to_disk(file.parent)
    finally:
        for left in (new, new.with_name(f"{new.name}.wal")):
            left.unlink(missing_ok=True)


def _remove_left(file: Path, scratch: Path) -> None:
    """What a killed process left: files that were not finished, and rows that did not fit into memory."""
    for left in file.parent.iterdir():
        if left.name.startswith(f".{file.name}.") and SUFFIX in left.suffixes:
            left.unlink(missing_ok=True)
    if scratch.is_dir():
        for left in scratch.iterdir():
            left.unlink(missing_ok=True)


def _to_disk(folder: Path) -> None:
    """Else the old file may be there again after a power failure."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
