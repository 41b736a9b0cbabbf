"""The Parquet file that the doctor lets Redshift copy, and the SQL that compares what was copied with what is in it.

The file is what the transformation on DuckDB writes for a column of each type. It is kept here as a constant, since the
image for Redshift has no DuckDB; tests/test_redshift_probe.py compares it with the writer's file of today.
"""

from base64 import b64decode
from collections.abc import Mapping
from hashlib import sha256

import sqlalchemy as sa

from reddit_etl.entities.schema import BIGINT, BOOLEAN, DOUBLE, INTEGER, TIMESTAMP, Type, varchar
from reddit_etl.errors import WarehouseError
from reddit_etl.lake.base import Lake
from reddit_etl.lake.receipts import DataObject
from reddit_etl.warehouse.redshift import copy

COLUMNS: Mapping[str, Type] = {
    "sample": varchar(16),
    "words": varchar(64),
    "whole": INTEGER,
    "large": BIGINT,
    "ratio": DOUBLE,
    "flag": BOOLEAN,
    "observed_at": TIMESTAMP,
}
# The values of the columns after the first, which has the sample's name and a number.
SAMPLES: Mapping[str, tuple[object, ...]] = {
    "high": ("Grüße, 日本語 🎉", 2**31 - 1, 2**63 - 1, 0.75, True, "2099-12-31 23:59:59.999999"),
    "low": ("it's", -(2**31), 1 - 2**63, -1024.5, False, "2005-06-23 00:00:00.000001"),
    "none": (None, None, None, None, None, None),
}
# As often as it takes for the writer to make dictionaries of columns, as it does in the files of a load.
REPEATED = 4
ROWS = REPEATED * len(SAMPLES)
FILE = b64decode(
    "UEFSMRUAFdwBFYwBLBUYFQAVBhUGAAAotS/9IG7tAQBUAgIAAAAYAQUAAABoaWdoMAQAAABsb3cwbm9uZTAxMTEyMjIzMzMKAIAIyAcIA0RAPkAY"
    "IALy7Uk6BbMJFQQVRhVYTBUEFQAAACi1L/0gIxkBABcAAABHcsO8w59lLCDml6XmnKzoqp4g8J+OiQQAAABpdCdzFQAVjgEVOiwVGBUEFQYVBgAA"
    "KLUv/SBHpQAAYCEAAABB2wYAAUGqAAIAQCQ34AIVBBUQFSJMFQQVAAAAKLUv/SAIQQAA////fwAAAIAVABWOARU6LBUYFQQVBhUGAAAotS/9IEel"
    "AABgIQAAAEHbBgABQaoAAgBAJDfgAhUEFSAVMkwVBBUAAAAotS/9IBCBAAD/////////fwEAAAAAAACAFQAVjgEVOiwVGBUEFQYVBgAAKLUv/SBH"
    "pQAAYCEAAABB2wYAAUGqAAIAQCQ34AIVBBUgFTJMFQQVAAAAKLUv/SAQgQAAAAAAAAAA6D8AAAAAAAKQwBUAFY4BFTosFRgVBBUGFQYAACi1L/0g"
    "R6UAAGAhAAAAQdsGAAFBqgACAEAkN+ACFQAVTBUwLBUYFQAVBhUGAAAotS/9ICZ9AABIIQAAAEHbBgBVAQA34AIVBBUgFTJMFQQVAAAAKLUv/SAQ"
    "gQAA/78D3SaTDgAB4NVdKvoDABUAFY4BFTosFRgVBBUGFQYAACi1L/0gR6UAAGAhAAAAQdsGAAFBqgACAEAkN+ACFUAcHAAAHBwAABwcAAAAAQgA"
    "AAAAAoAASAAAAAICAAACAgAQAAAQAAAoAAMAAAAVQBwcAAAcHAAAHBwAAAAAgAgAgABAAAJAAAAAQEAAUAAAABAAIAAEAEAAACAAIBVAHBwAABwc"
    "AAAcHAAAAAEEAAAARAAACBAAAAAEBABAAAAgAAAoAEAAAAIAAgACFUAcHAAAHBwAABwcAAAAAEAQAABAIAAEAACAAAgAQAAACCACAABAAAAAwAAQ"
    "AgAVQBwcAAAcHAAAHBwAAAAACIAAIAIAAAoAAAAQAAIAAACACAgAAAQBAAEAAAIBABUCGYw1ABgNZHVja2RiX3NjaGVtYRUOABUMJQIYBnNhbXBs"
    "ZSUAABUMJQIYBXdvcmRzJQAAFQIlAhgFd2hvbGUlIgAVBCUCGAVsYXJnZSUkABUKJQIYBXJhdGlvABUAJQIYBGZsYWcAFQQlAhgLb2JzZXJ2ZWRf"
    "YXQlFEyMEhwsAAAAAAAWGBkcGXwmABwVDBkVABkYBnNhbXBsZRUMFhgWggIWsgEmCDwYBW5vbmUzGAVoaWdoMBYAKAVub25lMxgFaGlnaDAREQAZ"
    "HBUAFQAVAgAAACYAHBUMGRUEGRgFd29yZHMVDBYYFpICFtABJqwCJroBHBgEaXQncxgXR3LDvMOfZSwg5pel5pys6KqeIPCfjokWCBYEGARpdCdz"
    "GBdHcsO8w59lLCDml6XmnKzoqp4g8J+OiRERABksFQQVABUCABUAFQQVAgAW9AgVXgAAJgAcFQIZFQQZGAV3aG9sZRUMFhgW3AEWmgEmxgMmigMc"
    "GAT///9/GAQAAACAFggWBBgE////fxgEAAAAgBERABksFQQVABUCABUAFQQVAgAW0gkVXgAAJgAcFQQZFQQZGAVsYXJnZRUMFhgW7AEWqgEm8AQm"
    "pAQcGAj/////////fxgIAQAAAAAAAIAWCBYEGAj/////////fxgIAQAAAAAAAIAREQAZLBUEFQAVAgAVABUEFQIAFrAKFV4AACYAHBUKGRUEGRgF"
    "cmF0aW8VDBYYFuwBFqoBJpoGJs4FHBgIAAAAAAAA6D8YCAAAAAAAApDAFggWBBgIAAAAAAAA6D8YCAAAAAAAApDAEREWAAAZLBUEFQAVAgAVABUE"
    "FQIAFo4LFV4AACYAHBUAGRUAGRgEZmxhZxUMFhgWbhZSJvgGPBgBARgBABYIKAEBGAEAEREAGRwVABUAFQIAAAAmABwVBBkVBBkYC29ic2VydmVk"
    "X2F0FQwWGBbsARaqASaWCCbKBxwYCP+/A90mkw4AGAgB4NVdKvoDABYIFgQYCP+/A90mkw4AGAgB4NVdKvoDABERABksFQQVABUCABUAFQQVAgAW"
    "7AsVXgAAFqIMFhgmCBbsCAAoKER1Y2tEQiB2ZXJzaW9uIHYyLjAuMSAoYnVpbGQgOGQ3ODExNGU5MCkZfBwAABwAABwAABwAABwAABwAABwAAABq"
    "AwAAUEFSMQ=="
)


def put(lake: Lake, folder: str) -> str:
    """Put the file and its manifest into the lake, where another version's are left alone; gives the manifest's URL."""
    key = f"{folder}/{sha256(FILE).hexdigest()[:12]}/probe.parquet"
    if not lake.create(key, FILE):
        raise WarehouseError(f"{lake.url}/{key} is not what was put there: remove it")
    return str(copy.put_manifest(lake, [DataObject(key, len(FILE), "", ROWS)]))


def check(connection: sa.Connection, manifest: str, *, role: str) -> None:
    """Copy the file as a load copies its own, and compare each column. Raises `WarehouseError`."""
    columns = ", ".join(f"{name} {kind.sql}" for name, kind in COLUMNS.items())
    connection.exec_driver_sql(f"CREATE TEMPORARY TABLE probe ({columns})")
    copy.copy(connection, "probe", manifest, role=role)
    [counts] = connection.exec_driver_sql(count_equal()).fetchall()
    _, *compared = COLUMNS.items()
    wrong = [f"{name} ({kind.sql})" for (name, kind), count in zip(compared, counts, strict=True) if count != ROWS]
    if wrong:
        raise WarehouseError(
            f"WAREHOUSE_URL: COPY read other values than {manifest} lists, in the columns {', '.join(wrong)}: load "
            "nothing into this warehouse, and report it with this line"
        )


def count_equal() -> str:
    """Counts, for each column after the first, the rows in which it has the file's value."""
    _, *names = COLUMNS
    conditions = [
        " OR ".join(_equal(sample, name, values[number]) for sample, values in SAMPLES.items())
        for number, name in enumerate(names)
    ]
    counts = ",\n".join(f"  COUNT(CASE WHEN {condition} THEN 1 END)" for condition in conditions)
    return f"SELECT\n{counts}\nFROM probe"


def _equal(sample: str, name: str, value: object) -> str:
    if isinstance(value, str):
        text = value.replace("'", "''")
        return f"sample LIKE '{sample}%' AND {name} = '{text}'"
    return f"sample LIKE '{sample}%' AND {name} {'IS NULL' if value is None else f'= {value}'}"
