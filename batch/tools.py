"""The programs that the commands call, docker and git: every call of another program goes through `run`."""

import os
import subprocess

from batch.errors import DeployError
from reddit_etl.errors import ConfigurationError

LONGEST = 300


def run(*command: str, stdin: str | None = None, show: bool = False) -> str:
    """Its standard output. With `show` all of its output goes to the terminal as it comes, and nothing is given.

    What is secret is given on standard input: a command line is for everybody on the machine to see.
    """
    try:
        done = subprocess.run(  # noqa: S603
            command,
            # Without a terminal of its own it asks nobody, and a Ctrl-C still reaches it.
            stdin=subprocess.DEVNULL if stdin is None else None,
            input=stdin,
            stdout=None if show else subprocess.PIPE,
            stderr=None if show else subprocess.PIPE,
            env={name: value for name, value in os.environ.items() if not name.startswith(("REDDIT_", "WAREHOUSE_"))},
            text=True,
            check=False,
        )
    except FileNotFoundError as error:
        raise ConfigurationError(f"{command[0]} is not installed: install it, or put it on the PATH") from error
    except PermissionError as error:
        raise ConfigurationError(f"{command[0]} may not be run: {error.strerror}") from error
    if done.returncode:
        said = " ".join((done.stderr or "").split())[-LONGEST:]
        raise DeployError(f"{' '.join(command[:2])} ended with {done.returncode}{': ' if said else ''}{said}")
    return done.stdout or ""
