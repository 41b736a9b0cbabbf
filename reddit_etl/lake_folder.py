"""A lake in a folder of this machine."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import smart_open

from reddit_etl.errors import LakeError
from reddit_etl.lake import Lake


class FolderLake(Lake):
    def __init__(self, folder: Path) -> None:
        self.folder = folder.expanduser().absolute()
        self.url = str(self.folder)

    @contextmanager
    def open_new(self, key: str) -> Iterator[IO[bytes]]:
        path = self.folder / key
        partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
        with self._failures(key):
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                with smart_open.open(str(partial), "wb", compression="disable") as stream:
                    yield stream
                    _to_disk(stream)
                partial.replace(path)
            finally:
                with suppress(FileNotFoundError):
                    partial.unlink()

    @contextmanager
    def open(self, key: str) -> Iterator[IO[bytes]]:
        with self._failures(key), smart_open.open(str(self.folder / key), "rb", compression="disable") as stream:
            yield stream

    def create(self, key: str, content: bytes) -> bool:
        path = self.folder / key
        partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
        with self._failures(key):
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                with partial.open("xb") as stream:
                    stream.write(content)
                    _to_disk(stream)
                # A link to a name that exists fails, which a rename would not.
                os.link(partial, path)
            except FileExistsError:
                return False
            finally:
                with suppress(FileNotFoundError):
                    partial.unlink()
        return True

    def read(self, key: str) -> bytes | None:
        with self._failures(key):
            try:
                return (self.folder / key).read_bytes()
            except FileNotFoundError:
                return None

    def keys(self, prefix: str) -> Iterator[str]:
        with self._failures(prefix):
            for path in sorted((self.folder / prefix).rglob("*")):
                if path.is_file() and not path.name.startswith("."):
                    yield path.relative_to(self.folder).as_posix()

    def local_file(self, key: str, scratch: Path) -> Path:  # noqa: ARG002
        path = self.folder / key
        if not path.is_file():
            raise LakeError(f"{path} is gone, though a receipt lists it")
        return path

    @contextmanager
    def _failures(self, key: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise LakeError(f"LAKE_URL: {self.folder / key}: {error.strerror or error}") from error


def _to_disk(stream: IO[bytes]) -> None:
    """What a receipt lists must outlive a power cut."""
    stream.flush()
    os.fsync(stream.fileno())
