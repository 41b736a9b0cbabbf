"""The doctor's Parquet file for Redshift: as the transformation writes it today, and held against what COPY reads."""

import textwrap
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import duckdb
import pytest

from reddit_etl.entities import POSTS, schema
from reddit_etl.entities.schema import Column, Entity, Origin
from reddit_etl.errors import WarehouseError
from reddit_etl.warehouse.redshift import probe as redshift_probe
from reddit_etl.warehouse.redshift.probe import COLUMNS, REPEATED, ROWS, SAMPLES
from tests.standins.payloads import json_lines
from tests.standins.transformed import transformed

PROBE = "doctor/probe.json"
WHOLE = """\
SELECT
  COUNT(CASE WHEN sample LIKE 'high%' AND words = 'Grüße, 日本語 🎉' OR sample LIKE 'low%' AND words = 'it''s' \
OR sample LIKE 'none%' AND words IS NULL THEN 1 END),
  COUNT(CASE WHEN sample LIKE 'high%' AND whole = 2147483647 OR sample LIKE 'low%' AND whole = -2147483648 \
OR sample LIKE 'none%' AND whole IS NULL THEN 1 END),
  COUNT(CASE WHEN sample LIKE 'high%' AND large = 9223372036854775807 \
OR sample LIKE 'low%' AND large = -9223372036854775807 OR sample LIKE 'none%' AND large IS NULL THEN 1 END),
  COUNT(CASE WHEN sample LIKE 'high%' AND ratio = 0.75 OR sample LIKE 'low%' AND ratio = -1024.5 \
OR sample LIKE 'none%' AND ratio IS NULL THEN 1 END),
  COUNT(CASE WHEN sample LIKE 'high%' AND flag = True OR sample LIKE 'low%' AND flag = False \
OR sample LIKE 'none%' AND flag IS NULL THEN 1 END),
  COUNT(CASE WHEN sample LIKE 'high%' AND observed_at = '2099-12-31 23:59:59.999999' \
OR sample LIKE 'low%' AND observed_at = '2005-06-23 00:00:00.000001' \
OR sample LIKE 'none%' AND observed_at IS NULL THEN 1 END)
FROM probe"""


def records() -> Iterator[dict[str, object]]:
    for number in range(REPEATED):
        for place, (sample, values) in enumerate(SAMPLES.items()):
            row = dict(zip(COLUMNS, (f"{sample}{number}", *values), strict=True))
            seen = row["observed_at"]
            yield row | {
                "observed_at": seen and str(seen).replace(" ", "T") + "Z",
                "listing": "probe",
                "place": number * len(SAMPLES) + place,
            }


def written(folder: Path) -> Path:
    """The same rows as the transformation writes them."""
    extra = {"listing": schema.varchar(64), "place": schema.INTEGER}
    columns = [
        Column(name, kind, Origin.OBSERVATION, "", curated=name in COLUMNS) for name, kind in (COLUMNS | extra).items()
    ]
    probe = Entity(name="probes", kind="t0", key="sample", sort="observed_at", columns=tuple(columns))
    output = folder / "written.parquet"
    inputs = [json_lines(folder / "probe.jsonl.gz", records())]
    assert transformed(entity=probe, inputs=inputs, output=output) == (ROWS,) * 3
    return output


def described(path: Path) -> list[list[tuple[Any, ...]]]:
    """All that the file says of its columns and how they are stored, and its rows; not who wrote it."""
    with duckdb.connect() as connection:
        return [
            connection.execute(sql, [str(path)]).fetchall()
            for sql in (
                "SELECT name, type, repetition_type, converted_type, logical_type FROM parquet_schema(?)",
                "SELECT path_in_schema, type, encodings, compression FROM parquet_metadata(?)",
                "SELECT * FROM read_parquet(?) ORDER BY sample",
            )
        ]


def test_the_file_is_what_the_transformation_writes(tmp_path):
    kept = tmp_path / "kept.parquet"
    kept.write_bytes(redshift_probe.FILE)
    today = written(tmp_path)
    lines = "\n".join(f'    "{line}"' for line in textwrap.wrap(b64encode(today.read_bytes()).decode(), 112))
    assert described(kept) == described(today), f"FILE of redshift_probe.py is to be:\n{lines}"


def test_there_is_a_column_of_each_type():
    kinds = {kind for kind in vars(schema).values() if isinstance(kind, schema.Type)}
    texts = [kind for kind in COLUMNS.values() if kind.max_bytes]
    assert {*COLUMNS.values()} == kinds | {*texts}
    assert texts


def test_what_copy_read_is_compared_value_by_value(redshift_loads, redshift_server):
    redshift_loads.warehouse.check(entity=POSTS, lake=redshift_loads.lake, folder="doctor")
    assert WHOLE in redshift_server.statements
    [created] = [text for text in redshift_server.statements if text.startswith("CREATE TEMPORARY TABLE probe")]
    assert created == (
        "CREATE TEMPORARY TABLE probe (sample VARCHAR(16), words VARCHAR(64), whole INTEGER, large BIGINT, "
        "ratio DOUBLE PRECISION, flag BOOLEAN, observed_at TIMESTAMP)"
    )


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("* REPLACE (observed_at::TIMESTAMP_NS AS observed_at)", "observed_at (TIMESTAMP)"),
        ("* REPLACE (replace(words, 'ü', 'Ã¼') AS words)", "words (VARCHAR(64))"),
        ("* REPLACE (coalesce(whole, 0) AS whole, large - 1 AS large)", "whole (INTEGER), large (BIGINT)"),
        ("* REPLACE (NULL::DOUBLE AS ratio, NOT flag AS flag)", "ratio (DOUBLE PRECISION), flag (BOOLEAN)"),
    ],
    ids=["time", "text", "numbers", "flag"],
)
def test_a_column_that_copy_reads_wrong_is_named(redshift_loads, tmp_path, monkeypatch, change, named):
    """The file stands for COPY: one that says something else than the rows do is one that COPY reads wrong."""
    altered = tmp_path / "altered.parquet"
    with duckdb.connect() as connection:
        connection.read_parquet(str(written(tmp_path))).create_view("probe")
        connection.execute(f"COPY (SELECT {change} FROM probe) TO ? (FORMAT parquet, COMPRESSION zstd)", [str(altered)])
    monkeypatch.setattr(redshift_probe, "FILE", altered.read_bytes())
    with pytest.raises(WarehouseError, match=r"^WAREHOUSE_URL: COPY read other values than s3://.* lists") as caught:
        redshift_loads.warehouse.check(entity=POSTS, lake=redshift_loads.lake, folder="doctor")
    assert f"in the columns {named}: load nothing" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_file_of_an_earlier_version_is_left_alone(redshift_loads):
    for name in ("probe.parquet", "_copy.json"):
        redshift_loads.lake.create(f"doctor/{name}", b"earlier")
    for _ in range(2):
        redshift_loads.warehouse.check(entity=POSTS, lake=redshift_loads.lake, folder="doctor")
    assert redshift_loads.lake.read("doctor/probe.parquet") == b"earlier"


def test_another_file_in_its_place_is_an_error(redshift_loads):
    key = f"doctor/{sha256(redshift_probe.FILE).hexdigest()[:12]}/probe.parquet"
    redshift_loads.lake.create(key, b"another")
    with pytest.raises(WarehouseError, match=f"{key} is not what was put there: remove it"):
        redshift_loads.warehouse.check(entity=POSTS, lake=redshift_loads.lake, folder="doctor")
