"""Local copies of small objects that this process has put into the lake, so that its next task need not get them."""

import tempfile
from contextlib import suppress
from itertools import count
from pathlib import Path


class Copies:
    """Files of no more than `most` bytes in all, the oldest of which make room. Each copy is taken once.

    They are in the scratch space, and are removed when the process ends. Without room there, nothing is kept.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._files: dict[str, tuple[Path, int]] = {}
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._numbers = count()

    def keep(self, key: str, content: bytes) -> None:
        """Keep a copy of the object of that key, in place of an older one."""
        self.drop(key)
        if len(content) > self._most:
            return
        with suppress(OSError):
            self._folder = self._folder or tempfile.TemporaryDirectory(prefix="reddit-etl-", ignore_cleanup_errors=True)
            path = Path(self._folder.name, str(next(self._numbers)))
            self._files[key] = path, len(content)
            try:
                path.write_bytes(content)
            except OSError:
                self.drop(key)
                raise
            while sum(size for _, size in self._files.values()) > self._most:
                self.drop(next(iter(self._files)))

    def drop(self, key: str) -> None:
        """Remove the copy, if there is one."""
        path, _ = self._files.pop(key, (None, 0))
        if path:
            path.unlink(missing_ok=True)

    def take(self, key: str, target: Path) -> bool:
        """Move the copy to a path. False: there is none."""
        path, _ = self._files.pop(key, (None, 0))
        with suppress(OSError):
            if path:
                path.replace(target)
                return True
        return False
