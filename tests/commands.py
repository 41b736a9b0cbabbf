"""The project's commands as real processes, forked from a server that has already imported their libraries.

This saves most of a second a command; arguments, environment, signals, output and exit code are those of a process that
Python starts. `python -m tests.commands SOCKET` is the server; it ends with its standard input.
"""

import json
import os
import random
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from select import select
from typing import IO, Any

from tests import PROJECT

# What the commands import, without what reads settings as it is imported: Luigi and the project's own.
LIBRARIES = ("boto3", "duckdb", "jsonschema", "praw", "requests", "smart_open.s3", "sqlalchemy_redshift", "tenacity")


class Command:
    """A running command, with the part of `subprocess.Popen` that tests use."""

    def __init__(self, words: Sequence[str], *, cwd: Path, env: Mapping[str, str], stderr: int | None) -> None:
        self.args = words
        self.returncode: int | None = None
        self._server = socket.socket(socket.AF_UNIX)
        self._server.connect(_server())
        ends = [os.pipe(), os.pipe()]
        given = [ends[0][1], ends[0][1] if stderr == subprocess.STDOUT else ends[1][1]]
        request = json.dumps({"words": words, "cwd": str(cwd), "environment": dict(env)}).encode()
        socket.send_fds(self._server, [len(request).to_bytes(4, "big")], given)
        self._server.sendall(request)
        self.stdout, self.stderr = (os.fdopen(read, encoding="utf-8", errors="replace") for read, _ in ends)
        for _, write in ends:
            os.close(write)
        self._answers: IO[str] = self._server.makefile()
        self.pid = int(self._answers.readline())

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            if not select([self._server], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
            self.returncode = int(self._answers.readline())
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def close(self) -> None:
        self.wait()
        for end in (self.stdout, self.stderr, self._answers, self._server):
            end.close()


def start(*words: str, cwd: Path = PROJECT, env: Mapping[str, str] | None = None, stderr: int | None = None) -> Command:
    """`python` with these arguments: `-m` and a module, or `-c` and a text. Its output is small, or is read at once."""
    return Command(words, cwd=cwd, env=os.environ if env is None else env, stderr=stderr)


def run(*words: str, cwd: Path = PROJECT, env: Mapping[str, str] | None = None) -> "subprocess.CompletedProcess[str]":
    command = start(*words, cwd=cwd, env=env)
    read = {command.stdout: "", command.stderr: ""}
    open_ends = list(read)
    while open_ends:
        for end in select(open_ends, [], [])[0]:
            part = os.read(end.fileno(), 65536).decode(errors="replace")
            read[end] += part
            if not part:
                open_ends.remove(end)
    command.wait()
    command.close()
    return subprocess.CompletedProcess(words, command.wait(), read[command.stdout], read[command.stderr])


@cache
def _server() -> str:
    """The path of the socket of a server that ends with this process."""
    path = f"{tempfile.mkdtemp(prefix='commands-')}/socket"
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.commands", path],
        cwd=PROJECT,
        env={name: os.environ[name] for name in ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR") if name in os.environ},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        # Python looks at what these are once, and those of the commands are pipes.
        stderr=subprocess.STDOUT,
    )
    assert process.stdout
    assert process.stdout.readline() == b"ready\n"
    return path


def serve(path: str) -> dict[str, Any]:
    """The server's loop. Returns only in a forked process: the command that it is to run."""
    for library in LIBRARIES:
        __import__(library)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while sys.stdin not in select([listener, sys.stdin], [], [])[0]:
            connection, _ = listener.accept()
            if not os.fork():
                listener.close()
                return _forked(connection)
            connection.close()
    Path(path).unlink()
    Path(path).parent.rmdir()
    os._exit(0)


def _forked(connection: socket.socket) -> dict[str, Any]:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    # A shell has what it starts in the background ignore SIGINT, which all processes of the tests inherit.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    size, given, _, _ = socket.recv_fds(connection, 4, 2)
    text = b""
    while len(text) < int.from_bytes(size, "big"):
        text += connection.recv(65536)
    child = os.fork()
    if child:
        # Reports the command's process id and exit code.
        for end in given:
            os.close(end)
        connection.sendall(f"{child}\n".encode())
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        with suppress(OSError):
            connection.sendall(f"{code}\n".encode())
        os._exit(0)
    connection.close()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, end in enumerate(given, start=1):
        os.dup2(end, number)
        os.close(end)
    request: dict[str, Any] = json.loads(text)
    return request


def become(words: list[str], cwd: str, environment: Mapping[str, str]) -> None:
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    random.seed()
    kind, program, *arguments = words
    sys.argv = [kind, *arguments]
    sys.path.insert(0, cwd if kind == "-m" else "")
    if kind == "-m":
        runpy.run_module(program, run_name="__main__", alter_sys=True)
    else:
        exec(program, {"__name__": "__main__"})


if __name__ == "__main__":
    # At the top level, where Python handles what the command raises.
    become(**serve(sys.argv[1]))
