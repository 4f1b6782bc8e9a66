"""How fetching tells what it does: a bar with an estimate on a terminal, plain lines elsewhere, or nothing.

Knows names and byte counts. Knows nothing of addresses, hashes or archives.
"""

from __future__ import annotations

import sys
import threading
import time
from typing import Protocol, TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)


class Ui(Protocol):
    """What fetching reports to. Called from several threads."""

    def start(self, total: int, count: int) -> None:
        """Begin: `total` bytes in `count` items are to be fetched."""

    def advance(self, count: int) -> None:
        """Count fetched bytes; negative where bytes turned out useless."""

    def note(self, text: str) -> None:
        """Say one line (a provider failed, another run is waited for)."""

    def done(self, name: str, how: str) -> None:
        """Say that an item is there: fetched, cached."""

    def stop(self) -> None:
        """End; always called after `start`."""


class Silent:
    """Reports nothing."""

    def start(self, total: int, count: int) -> None:
        """Ignore."""

    def advance(self, count: int) -> None:
        """Ignore."""

    def note(self, text: str) -> None:
        """Ignore."""

    def done(self, name: str, how: str) -> None:
        """Ignore."""

    def stop(self) -> None:
        """Ignore."""


class Lines:
    """Plain lines: one when it starts, one every `every` seconds, one at the end. For logs."""

    def __init__(self, stream: TextIO | None = None, *, every: float = 10.0) -> None:
        """Write to `stream`, by default standard error."""
        self.stream = stream
        self.every = every
        self._lock = threading.Lock()
        self._total = self._got = self._count = self._items = 0
        self._began = self._said = 0.0

    def _say(self, text: str) -> None:
        print(text, file=self.stream or sys.stderr, flush=True)

    def start(self, total: int, count: int) -> None:
        """Say what is to come."""
        self._total, self._count, self._got, self._items = total, count, 0, 0
        self._began = self._said = time.monotonic()
        self._say(f"fetching {count} file(s), {_mib(total)}")

    def advance(self, count: int) -> None:
        """Count, and say where it stands if enough time has passed."""
        with self._lock:
            self._got += count
            now = time.monotonic()
            if now - self._said < self.every:
                return
            self._said = now
            rate = self._got / max(now - self._began, 1e-6)
            left = f", about {max(self._total - self._got, 0) / rate:.0f} s left" if rate > 0 else ""
            self._say(f"  {_mib(self._got)} of {_mib(self._total)} at {_mib(rate)}/s{left}")

    def note(self, text: str) -> None:
        """Say it."""
        self._say(f"  {text}")

    def done(self, name: str, how: str) -> None:
        """Say it while few items are fetched; 600 packages would hide what matters."""
        with self._lock:
            self._items += 1
        if self._count <= 40:  # noqa: PLR2004 - one screen of lines
            self._say(f"  {name}: {how}")

    def stop(self) -> None:
        """Say what was done in which time."""
        took = time.monotonic() - self._began
        self._say(f"fetched {self._items} file(s), {_mib(self._got)} in {took:.1f} s")


class Bar:
    """One bar over all bytes with rate and remaining time. For terminals."""

    def __init__(self, console: Console) -> None:
        """Draw on `console`."""
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(binary_units=True),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=console,
        )
        self._task = TaskID(0)
        self._items = self._count = 0
        self._lock = threading.Lock()

    def start(self, total: int, count: int) -> None:
        """Show the bar."""
        self._count, self._items = count, 0
        self._task = self._progress.add_task(f"fetching 0/{count}", total=total or None)
        self._progress.start()

    def advance(self, count: int) -> None:
        """Move the bar."""
        self._progress.advance(self._task, count)

    def note(self, text: str) -> None:
        """Print above the bar."""
        self._progress.console.print(text, style="yellow", markup=False, highlight=False)

    def done(self, name: str, how: str) -> None:
        """Count the item in the bar's label."""
        del name, how
        with self._lock:
            self._items += 1
            self._progress.update(self._task, description=f"fetching {self._items}/{self._count}")

    def stop(self) -> None:
        """Leave the finished bar on the screen."""
        self._progress.stop()


def default_ui() -> Ui:
    """Give a bar on a terminal, plain lines elsewhere; both on standard error."""
    console = Console(stderr=True)
    return Bar(console) if console.is_terminal else Lines()


def _mib(count: float) -> str:
    return f"{count / 2**20:.1f} MiB"
