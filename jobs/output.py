"""Where rows are written: standard output, or a file that appears whole."""

import io
import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from reddit_etl.errors import ConfigurationError, EtlError
from reddit_etl.paths import expanded


class Stopped(Exception):
    """The reader of standard output closed it."""


class Output:
    """A stream of bytes whose errors name it: whoever reads the rows takes an OSError for one of the warehouse."""

    def __init__(self, stream: BinaryIO, name: str, *, encoding: str = "utf-8") -> None:
        self._stream, self._name = stream, name
        self.encoding = encoding
        """What can be shown there, for text that a person reads."""
        self.has_failed = False

    def write(self, part: bytes) -> None:
        """Raises EtlError, or `Stopped`."""
        try:
            self._stream.write(part)
        except OSError as error:
            raise self._meaning(error) from None

    def flush(self) -> None:
        """Raises EtlError, or `Stopped`."""
        try:
            self._stream.flush()
        except OSError as error:
            raise self._meaning(error) from None

    def _meaning(self, error: OSError) -> Exception:
        self.has_failed = True
        return Stopped() if isinstance(error, BrokenPipeError) else EtlError(f"{self._name}: {error.strerror}")


@contextmanager
def standard() -> Iterator[Output]:
    """Standard output. If its reader has closed it, the block ends there without an error."""
    stdout = sys.stdout.buffer
    # With PYTHONUNBUFFERED, as in the image, each row would be a write of its own, which may write only a part of it.
    stream = io.BufferedWriter(stdout) if isinstance(stdout, io.RawIOBase) else stdout
    out = Output(stream, "standard output", encoding=sys.stdout.encoding)
    try:
        yield out
        out.flush()
    except Stopped:
        return
    finally:
        if out.has_failed:
            # Otherwise Python reports the same error again when it exits.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(stream, io.BufferedWriter) and stream is not stdout:
            # Else it would close standard output.
            stream.detach()


@contextmanager
def appearing(name: str) -> Iterator[Path]:
    """A new path, for a file that takes the place of `name` once the block has ended, and is removed if it fails.

    Raises ConfigurationError if there can be no such file.
    """
    # A link stays a link.
    path = Path(os.path.realpath(expanded("--output", name)))
    if path.exists() and not path.is_file():
        raise ConfigurationError(f"--output: {name} is not a file: name a file")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise ConfigurationError(f"--output: {path.parent} is not a folder that can be written to: make it first")
    new = path.with_name(f".{path.name}.{secrets.token_hex(4)}.new")
    try:
        yield new
        new.replace(path)
    except OSError as error:
        raise EtlError(f"--output: {name}: {error.strerror}") from error
    finally:
        new.unlink(missing_ok=True)


@contextmanager
def opened(path: Path, name: str) -> Iterator[Output]:
    """The new file at `path`, for what is to be `name`."""
    with path.open("xb", buffering=1 << 20) as file:
        yield Output(file, f"--output: {name}")
