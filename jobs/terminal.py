"""A terminal that a person watches: log lines, and below them one line that is redrawn in place."""

import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

from jobs.table import fitting, width

INTERVAL = 0.2
"""Seconds from one drawing to the next."""
ECHO = 2
"""Columns behind the line for `^C`, which the terminal itself writes."""
COLUMNS = 80
"""Of a terminal that does not know its size."""


def can_redraw(stream: TextIO) -> bool:
    """Whether it is a terminal that can write over what it shows."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


class Terminal(logging.StreamHandler[TextIO]):
    """Writes log lines above the line, which a thread of its own draws.

    `text` gives the line. To draw it takes no control sequences: spaces and the next text are written over it. It is
    written to the file descriptor itself, so that what a closed terminal refuses is not left in a buffer.
    """

    def __init__(self, stream: TextIO, text: Callable[[], str]) -> None:
        super().__init__(stream)
        self._text = text
        self._descriptor = stream.fileno()
        self._is_on = False
        self._ended = threading.Event()
        self._drawn = 0  # Columns.
        self._thread = threading.Thread(target=self._redraw, name="progress", daemon=True)

    def show(self) -> None:
        """Draw the line, and again and again from now on."""
        if self._is_on or self._ended.is_set():
            return
        self._is_on = True
        if not self._thread.is_alive():
            self._thread.start()
        self._draw_alone()

    def hide(self) -> None:
        """Remove the line until it is shown again."""
        with self.hidden():
            self._is_on = False

    def close(self) -> None:
        """Remove the line for good. `logging` does this when the process ends."""
        self._ended.set()
        self.hide()
        super().close()

    @contextmanager
    def hidden(self) -> Iterator[None]:
        """Remove the line while the block writes to the same terminal."""
        self.acquire()
        try:
            self._write(self._erased())
            yield
        finally:
            self.release()

    def emit(self, record: logging.LogRecord) -> None:
        """Write a log line in place of the line, and the line below it."""
        self._write(self._erased())
        super().emit(record)
        self._draw()

    def _redraw(self) -> None:
        # They are the main thread's, which may hold them off.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
        while not self._ended.wait(INTERVAL):
            self._draw_alone()

    def _draw_alone(self) -> None:
        self.acquire()
        try:
            self._draw()
        finally:
            self.release()

    def _draw(self) -> None:
        if not self._is_on or self._is_in_background():
            return
        # The line must not reach the end of the row, where it would be wrapped.
        text = fitting(self._text(), self._columns() - ECHO - 1)
        erased = self._erased()
        self._drawn = width(text)
        self._write(erased + text)

    def _erased(self) -> str:
        """What removes the line."""
        if not self._drawn:
            return ""
        columns = min(self._drawn + ECHO, self._columns() - 1)
        self._drawn = 0
        return f"\r{' ' * columns}\r"

    def _columns(self) -> int:
        # It may have been resized.
        with suppress(OSError):
            return os.get_terminal_size(self._descriptor).columns or COLUMNS
        return COLUMNS

    def _is_in_background(self) -> bool:
        """Whether another command, or the shell, has the terminal at the moment."""
        with suppress(OSError):
            return os.tcgetpgrp(self._descriptor) != os.getpgrp()
        return False

    def _write(self, text: str) -> None:
        try:
            if text:
                os.write(self._descriptor, text.encode(self.stream.encoding, errors="replace"))
        except OSError:
            # The terminal was closed.
            self._is_on = False
