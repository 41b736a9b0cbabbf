"""The transformation of one hour, on DuckDB and on Spark: `python -m benchmarks.transformation [RECORDS …]`.

Spark runs the Glue job's script on this machine, in a heap of fixed size. It needs what `make test` installs; without,
only DuckDB is measured. Prints a Markdown table.
"""

import argparse
import gzip
import hashlib
import json
import re
import tempfile
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from batch import prices
from benchmarks.memory import LISTING, Usage, environment, expect, measured, sandbox, subreddits, where
from benchmarks.memory import measure as measure_module
from reddit_etl.entities import POSTS
from reddit_etl.transform.sql import definition
from tests.standins.spark import SCRIPT, spark_environment

RECORDS = (100_000, 1_000_000)
OBJECT_ROWS = 100_000  # Of an input, unless there are fewer records.
HEAP = "1g"
# One worker of Glue has 4 vCPU; the stack's job has two of them, and is billed for a minute at least.
GLUE_VCPU, GLUE_DPU, GLUE_LEAST = 8, prices.DPUS, 60
DUCKDB_VCPU, DUCKDB_GB = 0.25, 0.5
POST_ID = re.compile(rb'"post_id":"(\w+)"')


def inputs(folder: Path, records: int) -> str:
    """Make a lake with so many records, in equal objects; gives the key of a manifest.

    The sandbox's posts are read once, and more are copies of them with ids of their own.
    """
    rows = min(records, OBJECT_ROWS)
    with sandbox() as url:
        measure_module(["benchmarks.extraction", url, *subreddits(rows)], folder, url)
    lines = b"".join(gzip.decompress(path.read_bytes()) for path in sorted((folder / "lake/raw").rglob("*.gz")))
    expect(rows, lines.count(b"\n"))
    entries = []
    for number in range(records // rows):
        key = f"raw/copy-{number:04}.jsonl.gz"
        content = gzip.compress(POST_ID.sub(rb'"post_id":"\g<1>%03d"' % number, lines), compresslevel=1)
        (folder / "lake" / key).write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        entries.append({"key": key, "bytes": len(content), "sha256": digest, "rows": rows})
    manifest = {
        "entity": POSTS.name,
        "definition": definition(POSTS),
        "inputs": entries,
        "output": "curated/spark/",
        "report": "report.json",
    }
    (folder / "lake" / "manifest.json").write_text(json.dumps(manifest))
    return "manifest.json"


def by_duckdb(folder: Path, manifest: str, records: int) -> Usage:
    module = ["benchmarks.transform_duckdb", str(folder / "lake"), manifest]
    usage, output = measure_module(module, folder, "")
    expect(records, int(output))
    return usage


def by_spark(folder: Path, manifest: str, records: int) -> Usage:
    """Java is the measured process, and Python its child, as on Glue."""
    home = Path(str(find_spec("pyspark").origin)).parent  # type: ignore[union-attr]
    scratch = folder / "scratch"
    scratch.mkdir()
    command = [str(home / "bin" / "spark-submit"), "--master", "local[2]", "--driver-memory", HEAP]
    for option in ("spark.ui.enabled=false", "spark.driver.bindAddress=127.0.0.1", f"spark.local.dir={scratch}"):
        command += ["--conf", option]
    command += [str(SCRIPT), "--lake", str(folder / "lake"), "--manifest", manifest]
    variables = environment() | spark_environment(scratch) | {"SPARK_HOME": str(home), "TMPDIR": str(scratch)}
    del variables["PYSPARK_SUBMIT_ARGS"], variables["SPARK_LOCAL_DIRS"]
    usage, _ = measured(command, folder, variables)
    expect(records, json.loads((folder / "lake" / "report.json").read_text())["observations"])
    return usage


def duckdb_dollars(usage: Usage) -> float:
    """Of a container that does nothing else: a quarter of a CPU takes four times the seconds."""
    price = DUCKDB_VCPU * prices.FARGATE_CPU + DUCKDB_GB * prices.FARGATE_MEMORY
    return usage.cpu / DUCKDB_VCPU / 3600 * price


def glue_dollars(usage: Usage) -> float:
    """If Spark uses all of Glue's CPUs."""
    return max(GLUE_LEAST, usage.cpu / GLUE_VCPU) / 3600 * GLUE_DPU * prices.GLUE


def row(engine: str, records: int, usage: Usage, dollars: float) -> str:
    per_million = dollars * 1_000_000 / records
    return (
        f"| {engine} | {records:,} | {usage.wall:.0f} | {usage.cpu:.0f} | {usage.peak:.0f} "
        f"| {dollars:.4f} | {per_million:.4f} |"
    )


def table(sizes: Sequence[int] = RECORDS) -> Iterator[str]:
    has_spark = bool(find_spec("pyspark"))
    spark = f", Spark {version('pyspark')} with a heap of {HEAP}" if has_spark else ", Spark is not installed"
    yield f"{where()}{spark}"
    yield ""
    yield "| | records | wall s | CPU s | peak MB | $ | $ a million |"
    yield "|---|---:|---:|---:|---:|---:|---:|"
    for records in sizes:
        with tempfile.TemporaryDirectory(prefix="benchmark-") as name:
            folder = Path(name)
            manifest = inputs(folder, records)
            usage = by_duckdb(folder, manifest, records)
            yield row("DuckDB", records, usage, duckdb_dollars(usage))
            if has_spark:
                usage = by_spark(folder, manifest, records)
                yield row("Spark", records, usage, glue_dollars(usage))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.transformation", description=__doc__)
    parser.add_argument("records", type=int, nargs="*", default=RECORDS, help=f"in steps of {LISTING:,}")
    for line in table(parser.parse_args().records):
        print(line, flush=True)


if __name__ == "__main__":
    main()
