"""A lake in a local folder."""

import errno
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import IO

from reddit_etl.errors import ConfigurationError, LakeError
from reddit_etl.lake.base import Lake, Stored
from reddit_etl.lake.layout import FOLDERS

FIXES: dict[int | None, str] = {
    errno.EACCES: "grant this user read and write permission",
    errno.EPERM: "grant this user read and write permission",
    errno.EROFS: "use a folder that is writable",
    errno.EEXIST: "it is a file, use a folder",
    errno.ENOTDIR: "it is a file, use a folder",
}

PARTIAL = ".partial"
"""The end of the name of a file that is being written."""


TRIES = 10


class FolderLake(Lake):
    """Objects are files below the folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.expanduser().absolute()
        self.url = str(self.folder)

    def _path(self, key: str) -> Path:
        if ".." in key.split("/"):
            raise ConfigurationError(f"LAKE_URL: {key!r} is outside of the lake: use names without ..")
        return self.folder / key

    @contextmanager
    def open_new(self, key: str) -> Iterator[IO[bytes]]:
        """See `Lake`."""
        path = self._path(key)
        partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}{PARTIAL}")
        with self._failures(key):
            try:
                with _opened(partial) as stream:
                    yield stream
                    _to_disk(stream)
                partial.replace(path)
            finally:
                with suppress(FileNotFoundError):
                    partial.unlink()

    def create(self, key: str, content: bytes, *, media_type: str = "") -> bool:  # noqa: ARG002
        """See `Lake`."""
        path = self._path(key)
        partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}{PARTIAL}")
        with self._failures(key):
            try:
                with _opened(partial) as stream:
                    stream.write(content)
                    _to_disk(stream)
                # Unlike a rename, a link fails if the name exists.
                os.link(partial, path)
            except FileExistsError:
                return path.read_bytes() == content
            finally:
                with suppress(FileNotFoundError):
                    partial.unlink()
        return True

    def read(self, key: str) -> bytes | None:
        """See `Lake`."""
        with self._failures(key):
            try:
                return self._path(key).read_bytes()
            except FileNotFoundError:
                return None

    def stored(self, prefix: str) -> Iterator[Stored]:
        """See `Lake`."""
        with self._failures(prefix):
            for path in _files(self.folder / prefix):
                try:
                    status = path.stat()
                except FileNotFoundError:  # Removed meanwhile.
                    continue
                # Tools for backups set the time of modification, but none can set this one.
                at = datetime.fromtimestamp(status.st_ctime, UTC).replace(tzinfo=None)
                yield Stored(path.relative_to(self.folder).as_posix(), status.st_size, at)

    def keys_between(self, first: str, last: str) -> Iterator[str]:
        """See `Lake`."""
        with self._failures(first):
            for path in _files(self.folder / first.partition("/")[0], self.folder / first, self.folder / last):
                key = path.relative_to(self.folder).as_posix()
                if first <= key < last:
                    yield key

    def folders(self, prefix: str) -> list[str]:
        """See `Lake`."""
        with self._failures(prefix):
            try:
                return [path.name for path in (self.folder / prefix).iterdir() if path.is_dir()]
            except FileNotFoundError:
                return []

    def local_file(self, key: str, scratch: Path) -> Path:  # noqa: ARG002
        """See `Lake`."""
        path = self._path(key)
        with self._failures(key):
            path.stat()
        return path

    def remove(self, keys: Iterable[str]) -> int:
        """See `Lake`."""
        removed = 0
        for key in keys:
            path = self._path(key)
            with self._failures(key), suppress(FileNotFoundError):
                size = path.stat().st_size
                path.unlink()
                removed += size
                self._remove_empty(path.parent)
        return removed

    def _remove_empty(self, folder: Path) -> None:
        """Else the folders of days without objects would be searched for ever."""
        with suppress(OSError):  # There are other objects in it.
            while folder != self.folder:
                folder.rmdir()
                folder = folder.parent

    def remove_unfinished(self, before: datetime) -> int:
        """See `Lake`."""
        removed = 0
        with self._failures(""):
            # `os.walk` skips a folder that another run removes meanwhile.
            walks = chain(*(os.walk(self.folder / folder) for folder in FOLDERS))
            names = (Path(folder, name) for folder, _, files in walks for name in files)
            for path in (one for one in names if one.name.startswith(".") and one.name.endswith(PARTIAL)):
                with suppress(FileNotFoundError):
                    if path.stat().st_mtime < before.replace(tzinfo=UTC).timestamp():
                        path.unlink()
                        removed += 1
        return removed

    @contextmanager
    def _failures(self, key: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            message = f"LAKE_URL: {self.folder / key}: {error.strerror or error}"
            if error.errno in FIXES:
                raise ConfigurationError(f"{message}: {FIXES[error.errno]}") from error
            raise LakeError(message) from error


def _files(folder: Path, first: Path | None = None, last: Path | None = None) -> Iterator[Path]:
    """All files, in order, without those in folders that are completely outside of the bounds.

    Unlike `rglob`, it raises an error for a folder that may not be read.
    """
    try:
        paths = sorted(folder.iterdir())
    except FileNotFoundError:
        return
    for path in paths:
        depth = len(path.parts)
        if (first and path.parts < first.parts[:depth]) or (last and path.parts > last.parts[:depth]):
            continue
        if path.is_dir():
            yield from _files(path, first, last)
        elif not path.name.startswith("."):
            yield path


def _opened(path: Path) -> IO[bytes]:
    """A new file. Its folder may be removed between the two steps, as it is empty."""
    for _ in range(TRIES):
        path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            return path.open("xb")
    return path.open("xb")


def _to_disk(stream: IO[bytes]) -> None:
    """What a receipt lists must survive a power failure."""
    stream.flush()
    os.fsync(stream.fileno())
