"""ministack: an emulator of S3, Glue and Athena that others wrote, as a second witness beside tests/standins/athena.py.

It runs queries with DuckDB, in DuckDB's dialect. It knows Glue's tables, but no views; and of partitions only the
folders below the table's location, whatever location the catalog gives them.

It pins its own botocore, so it lives in an environment of its own, which `make` installs.
"""

import os
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

PROJECT = Path(__file__).parents[2]
# The interpreter that has it.
PYTHON = Path(os.environ.get("ATHENA_EMULATOR", PROJECT / ".venv-athena" / "bin" / "python"))

# It ends with the test, even one that was killed: then its standard input ends.
SERVER = """\
import os, runpy, sys, threading
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
sys.argv = ["ministack"]
runpy.run_module("ministack", run_name="__main__")
"""


@contextmanager
def ministack() -> Iterator[str]:
    """The URL of one in which there is nothing yet."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            "PATH": os.defpath,
            "TMPDIR": folder,
            "S3_DATA_DIR": folder,
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(_free_port()),
            "SERVICES": "s3,glue,athena",
            "ATHENA_ENGINE": "duckdb",
        }
        with subprocess.Popen(
            [PYTHON, "-c", SERVER],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            assert process.stdin
            assert process.stdout
            said = []
            for line in process.stdout:
                said.append(line)
                if "Running on http" in line:
                    break
            else:
                raise AssertionError(f"ministack did not start: {''.join(said)}")
            # What it goes on to say must not fill the pipe.
            Thread(target=process.stdout.read, daemon=True).start()
            yield f"http://127.0.0.1:{environment['GATEWAY_PORT']}"
            process.stdin.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
