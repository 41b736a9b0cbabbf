"""Adding a column is one line in one file: the line of CONTRIBUTING.md, on a copy of the library."""

import json
import os
import subprocess
import sys

import duckdb
import pytest

from tests import PROJECT
from tests.contributing import carry_out, changes

# Instead of the page's example, which may be a column by now.
NAME = "award_count"

# From a payload to the warehouse, with whichever library is on the path.
PASS = """
import json, sys
from pathlib import Path

from reddit_etl.lake import open_lake
from reddit_etl.transform import open_transform
from reddit_etl.warehouse import open_warehouse
from reddit_etl.warehouse.base import Load
from reddit_etl.warehouse.dictionary import dictionary
from reddit_etl.entities import POSTS
from reddit_etl.lake.jsonl import JsonLines
from reddit_etl.entities.record import to_record

folder, name, column = Path(sys.argv[1]), *sys.argv[2:]
observation = {"observed_at": f"2026-11-23T{name}:00:00.000000Z", "source": "sandbox", "listing": "a-new-1", "place": 1}
lake = open_lake(str(folder / "lake"))
with JsonLines(lake, f"raw/{name}.jsonl.gz") as lines:
    lines.write(to_record(POSTS, json.loads(sys.stdin.read()), observation).values)
done = open_transform("duckdb")(entity=POSTS, lake=lake, inputs=lines.entries(), prefix=f"curated/{name}/")
counts = open_warehouse(f"duckdb:///{folder / 'warehouse.duckdb'}").load(
    Load(POSTS, load_id=name, hour=name, lake=lake, objects=done.objects, columns={})
)
print(json.dumps([counts.inserted, counts.updated, column in dictionary()]))
"""


@pytest.fixture
def copy(tmp_path):
    """The library with one line more."""
    carry_out("Add a column", tmp_path, num_crossposts=NAME)
    return tmp_path


def run(library, folder, name, post):
    done = subprocess.run(
        [sys.executable, "-P", "-c", PASS, str(folder), name, NAME],
        input=json.dumps({"kind": "t3", "data": post}),
        env=os.environ | {"PYTHONPATH": str(library)},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_line_in_the_entity_brings_the_column_to_parquet_and_to_a_warehouse_that_is_there(tmp_path, copy):
    [(path, [line])] = changes(copy).items()
    assert path == "reddit_etl/entities/posts.py"
    assert line.startswith(f'+         Column("{NAME}", INTEGER, ')

    post = {"id": "abc", "created_utc": 1580515200, "score": 1, NAME: 5}
    assert run(PROJECT, tmp_path, "01", post) == [1, 0, False]
    assert run(copy, tmp_path, "02", post | {NAME: 6}) == [0, 1, True]
    assert run(copy, tmp_path, "03", post | {"id": "def", NAME: "7"}) == [1, 0, True]
    # What was extracted before the line, or comes from a process that has not got it, still loads.
    assert run(PROJECT, tmp_path, "04", post | {"id": "ghi"}) == [1, 0, False]

    with duckdb.connect() as connection:
        parquet = {
            name: connection.read_parquet(str(tmp_path / f"lake/curated/{name}/*.parquet")).columns
            for name in ("01", "02")
        }
        connection.execute(f"ATTACH '{tmp_path / 'warehouse.duckdb'}' AS warehouse (READ_ONLY)")
        posts = connection.execute(f"SELECT post_id, {NAME} FROM warehouse.reddit.posts ORDER BY 1").fetchall()
        metrics = connection.execute(
            f"SELECT hour(observed_at), {NAME} FROM warehouse.reddit.post_metrics ORDER BY 1"
        ).fetchall()
        kind = connection.execute(
            f"SELECT data_type, comment FROM duckdb_columns() WHERE table_name = 'posts' AND column_name = '{NAME}'"
        ).fetchall()
    at = parquet["01"].index("is_self")
    assert parquet["02"] == [*parquet["01"][:at], NAME, *parquet["01"][at:]]
    assert posts == [("abc", 6), ("def", 7), ("ghi", None)]
    assert metrics == [(1, None), (2, 6), (3, 7), (4, None)]
    assert kind == [("INTEGER", "How often it was crossposted.")]
