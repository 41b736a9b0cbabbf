"""The commands' output, a line for each step, and the question before anything is changed."""

import sys

from reddit_etl.errors import ConfigurationError


def say(line: str = "") -> None:
    """Write the line to standard output at once, even if that is a pipe."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def confirm(question: str, *, yes: bool, answer: str = "y") -> bool:
    """Whether the user agrees. Without a terminal, only `--yes` does."""
    if yes:
        return True
    if not sys.stdin.isatty():
        raise ConfigurationError("no terminal for the confirmation: pass --yes, or YES=1 to make")
    try:
        return input(f"{question} ").strip().lower() == answer.lower()
    except EOFError:
        say()
        return False
