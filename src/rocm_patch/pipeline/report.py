"""What a person sees while a build runs: lines, and one moving line where there is a terminal.

Knows text and time, nothing of what is reported.
"""

from __future__ import annotations

import shutil
import sys
import time
from typing import TextIO

#: Seconds between two lines of progress where there is no terminal.
PLAIN_EVERY_S = 30.0
_TTY_EVERY_S = 0.5


class Reporter:
    """Writes to stderr, so that stdout stays for results."""

    def __init__(self, stream: TextIO | None = None, *, every_s: float | None = None) -> None:
        """Find out whether the stream is a terminal."""
        self._stream = stream if stream is not None else sys.stderr
        self._tty = self._stream.isatty()
        self._every = every_s if every_s is not None else (_TTY_EVERY_S if self._tty else PLAIN_EVERY_S)
        self._next = 0.0
        self._moving = False

    def say(self, text: str) -> None:
        """Write a line that stays."""
        self._clear()
        self._stream.write(f"{text}\n")
        self._stream.flush()

    def progress(self, text: str, *, last: bool = False) -> None:
        """Show a state that the next one replaces; not more often than is readable."""
        now = time.monotonic()
        if now < self._next and not last:
            return
        self._next = now + self._every
        if self._tty:
            width = shutil.get_terminal_size().columns - 1
            self._stream.write(f"\r\x1b[K{text[:width]}")
            self._moving = True
        else:
            self._stream.write(f"{text}\n")
        self._stream.flush()

    def due(self) -> bool:
        """Say whether a state would be shown now (so that it need not be computed for nothing)."""
        return time.monotonic() >= self._next

    def _clear(self) -> None:
        if self._moving:
            self._stream.write("\r\x1b[K")
            self._moving = False


def size(count: float) -> str:
    """Write bytes for people."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= scale:
            return f"{count / scale:.1f} {unit}"
    return f"{int(count)} B"
