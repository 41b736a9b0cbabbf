"""One transformation on DuckDB, as the job does it: `python -m benchmarks.transform_duckdb FOLDER MANIFEST`.

The manifest is one of the Glue job's script, so that both engines get the same. Prints the number of observations.
"""

import json
import sys
from pathlib import Path

from reddit_etl.entities import ENTITIES
from reddit_etl.lake.folder import FolderLake
from reddit_etl.lake.receipts import DataObject
from reddit_etl.transform.duckdb import DuckDBTransform


def main(folder: str, manifest: str) -> int:
    lake = FolderLake(Path(folder))
    asked = json.loads(lake.read(manifest) or b"")
    inputs = [DataObject(**entry) for entry in asked["inputs"]]
    done = DuckDBTransform()(entity=ENTITIES[asked["entity"]], lake=lake, inputs=inputs, prefix="curated/duckdb/")
    return done.observations


if __name__ == "__main__":
    print(main(*sys.argv[1:]))
