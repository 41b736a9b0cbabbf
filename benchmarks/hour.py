"""The transformation and the load of an hour in one process: `python -m benchmarks.hour`.

Reads what `inputs.json` lists of the folder `lake` in the working directory, loads it into `warehouse.duckdb`
there, and prints the number of rows that were new and of those that replaced others.
"""

import json
from pathlib import Path

from reddit_etl.entities import POSTS
from reddit_etl.lake.folder import FolderLake
from reddit_etl.lake.receipts import DataObject
from reddit_etl.transform import open_transform
from reddit_etl.warehouse import open_warehouse
from reddit_etl.warehouse.base import Load


def main() -> None:
    lake = FolderLake(Path("lake"))
    inputs = [DataObject(**entry) for entry in json.loads(Path("inputs.json").read_text())]
    number = len(list(Path("lake").glob("curated-*")))
    done = open_transform("duckdb")(entity=POSTS, lake=lake, inputs=inputs, prefix=f"curated-{number}/")
    counts = open_warehouse("duckdb:///warehouse.duckdb").load(
        Load(POSTS, f"{number}", "2026-11-23T12", lake, done.objects, columns={})
    )
    print(json.dumps([counts.inserted, counts.updated]))


if __name__ == "__main__":
    main()
