"""Adding a column is one line in one file: shown on a copy of the library."""

import difflib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from tests import PROJECT

POSTS = Path("reddit_etl/entities/posts.py")
BEFORE = '        Column("is_self", BOOLEAN, "is_self"'
LINE = '        Column("num_crossposts", INTEGER, "num_crossposts", "How often it was crossposted.", metric=True),\n'

# From a payload to the warehouse, with whichever library is on the path.
PASS = """
import json, sys
from pathlib import Path

from reddit_etl.lake import open_lake
from reddit_etl.transform import open_transform
from reddit_etl.warehouse import open_warehouse
from reddit_etl.warehouse.dictionary import dictionary
from reddit_etl.entities import POSTS
from reddit_etl.lake.jsonl import JsonLines
from reddit_etl.entities.record import to_record

folder, name = Path(sys.argv[1]), sys.argv[2]
observation = {"observed_at": f"2026-11-23T{name}:00:00.000000Z", "source": "sandbox", "listing": "a-new-1", "place": 1}
lake = open_lake(str(folder / "lake"))
with JsonLines(lake, f"raw/{name}.jsonl.gz") as lines:
    lines.write(to_record(POSTS, json.loads(sys.stdin.read()), observation).values)
done = open_transform("duckdb")(entity=POSTS, lake=lake, inputs=lines.entries(), prefix=f"curated/{name}/")
counts = open_warehouse(f"duckdb:///{folder / 'warehouse.duckdb'}").load(
    entity=POSTS, load_id=name, hour=name, lake=lake, objects=done.objects, columns={}
)
print(json.dumps([counts.inserted, counts.updated, "num_crossposts" in dictionary()]))
"""


@pytest.fixture
def copy(tmp_path):
    """The library with one line more."""
    shutil.copytree(PROJECT / "reddit_etl", tmp_path / "reddit_etl", ignore=shutil.ignore_patterns("__pycache__"))
    source = (tmp_path / POSTS).read_text()
    assert source.count(BEFORE) == 1
    (tmp_path / POSTS).write_text(source.replace(BEFORE, LINE + BEFORE))
    return tmp_path


def run(library, folder, name, post):
    done = subprocess.run(
        [sys.executable, "-P", "-c", PASS, str(folder), name],
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
    before, after = ((folder / POSTS).read_text().splitlines() for folder in (PROJECT, copy))
    changed = [line for line in difflib.ndiff(before, after) if not line.startswith("  ")]
    assert changed == [f"+ {LINE.rstrip()}"]

    post = {"id": "abc", "created_utc": 1580515200, "score": 1, "num_crossposts": 5}
    assert run(PROJECT, tmp_path, "01", post) == [1, 0, False]
    assert run(copy, tmp_path, "02", post | {"num_crossposts": 6}) == [0, 1, True]
    assert run(copy, tmp_path, "03", post | {"id": "def", "num_crossposts": "7"}) == [1, 0, True]
    # What was extracted before the line, or comes from a process that has not got it, still loads.
    assert run(PROJECT, tmp_path, "04", post | {"id": "ghi"}) == [1, 0, False]

    with duckdb.connect() as connection:
        parquet = {
            name: connection.read_parquet(str(tmp_path / f"lake/curated/{name}/*.parquet")).columns
            for name in ("01", "02")
        }
        connection.execute(f"ATTACH '{tmp_path / 'warehouse.duckdb'}' AS warehouse (READ_ONLY)")
        posts = connection.execute("SELECT post_id, num_crossposts FROM warehouse.reddit.posts ORDER BY 1").fetchall()
        metrics = connection.execute(
            "SELECT hour(observed_at), num_crossposts FROM warehouse.reddit.post_metrics ORDER BY 1"
        ).fetchall()
        kind = connection.execute(
            "SELECT data_type, comment FROM duckdb_columns() "
            "WHERE table_name = 'posts' AND column_name = 'num_crossposts'"
        ).fetchall()
    at = parquet["01"].index("is_self")
    assert parquet["02"] == [*parquet["01"][:at], "num_crossposts", *parquet["01"][at:]]
    assert posts == [("abc", 6), ("def", 7), ("ghi", None)]
    assert metrics == [(1, None), (2, 6), (3, 7), (4, None)]
    assert kind == [("INTEGER", "How often it was crossposted.")]
