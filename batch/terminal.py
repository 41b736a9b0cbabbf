"""How the commands speak: a line for what has happened, and on a terminal a last line for what is waited for."""

import sys

from reddit_etl.errors import ConfigurationError

_waiting = ""


def say(line: str = "") -> None:
    clear()
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def waiting(line: str) -> None:
    """Replaces the last such line; elsewhere than on a terminal nothing is said until something happens."""
    global _waiting  # noqa: PLW0603
    if sys.stdout.isatty():
        clear()
        sys.stdout.write(line)
        sys.stdout.flush()
        _waiting = line


def clear() -> None:
    """The line of what was waited for goes."""
    global _waiting  # noqa: PLW0603
    if _waiting:
        sys.stdout.write("\r\x1b[K")
        _waiting = ""


def confirm(question: str, *, yes: bool, answer: str = "y") -> bool:
    """Whether a person agrees. Without one to ask, only `--yes` does."""
    if yes:
        return True
    if not sys.stdin.isatty():
        raise ConfigurationError("nobody is there to answer: give --yes, or YES=1 to make")
    try:
        return input(f"{question} ").strip().lower() == answer.lower()
    except EOFError:
        say()
        return False
