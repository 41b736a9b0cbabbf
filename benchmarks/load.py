"""Loads of Parquet files, one after the other in one process: `python -m benchmarks.load WAREHOUSE FILE…`.

Prints for each load its CPU in seconds, the new rows and the updated ones.
"""

import json
import resource
import sys
from hashlib import sha256
from pathlib import Path

from reddit_etl.entities import POSTS
from reddit_etl.lake.folder import FolderLake
from reddit_etl.lake.receipts import DataObject
from reddit_etl.warehouse.base import Load
from reddit_etl.warehouse.duckdb import DuckDBWarehouse, duckdb


def main(warehouse: DuckDBWarehouse, paths: list[Path]) -> list[tuple[float, int, int]]:
    found = []
    for path in paths:
        content = path.read_bytes()
        [(rows,)] = duckdb.sql(f"SELECT count(*) FROM '{path}'").fetchall()
        entry = DataObject(path.name, len(content), sha256(content).hexdigest(), rows)
        before = _cpu()
        counts = warehouse.load(Load(POSTS, path.name, "2026-11-23T12", FolderLake(path.parent), [entry], columns={}))
        found.append((_cpu() - before, counts.inserted, counts.updated))
    return found


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    print(json.dumps(main(DuckDBWarehouse(Path(sys.argv[1])), [Path(name) for name in sys.argv[2:]])))
