"""Wall time, CPU time and peak memory of a step, also across runs that were killed.

CPU time of finished programs is the kernel's count; a sampler thread looks at the
living ones, for the peak of memory (the sum of resident sizes over this process and
all below it: shared pages count for each) and for a note on disk that survives a
kill. bubblewrap ends without waiting for what ran in it, so the kernel's count never
gets that: what vanishes is taken as the sampler last saw it, short by at most the
CPU time of one pause. Knows nothing of steps.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from pathlib import Path
from types import TracebackType

import attrs
import psutil

from rocm_patch.pipeline.digest import atomic_write

_FIRST_S = 0.2
_LONGEST_S = 3.0
_NOTE_S = 15.0


@attrs.frozen
class Usage:
    """What a piece of work cost: seconds of wall and CPU time, bytes at its peak, number of attempts."""

    wall_s: float = 0.0
    cpu_s: float = 0.0
    peak_bytes: int = 0
    attempts: int = 1

    def after(self, earlier: Usage) -> Usage:
        """Add an attempt that was broken off before this one."""
        return Usage(
            wall_s=self.wall_s + earlier.wall_s,
            cpu_s=self.cpu_s + earlier.cpu_s,
            peak_bytes=max(self.peak_bytes, earlier.peak_bytes),
            attempts=self.attempts + earlier.attempts,
        )


def _own_cpu() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _living() -> tuple[int, float]:
    """Give the resident bytes of this process and all below it, and the CPU time of those below."""
    own = psutil.Process()
    memory = own.memory_info().rss
    cpu = 0.0
    for process in own.children(recursive=True):
        with contextlib.suppress(psutil.Error), process.oneshot():
            memory += process.memory_info().rss
            times = process.cpu_times()
            cpu += times.user + times.system + times.children_user + times.children_system
    return memory, cpu


class Meter:
    """Measures what happens inside its `with`; `usage` holds the sum with earlier, killed attempts.

    `note` is a file that keeps what the attempts so far have cost; it goes away when
    the caller calls `forget` after the step's mark is written.
    """

    def __init__(self, note: Path) -> None:
        """Read what earlier attempts left."""
        self._note = note
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._start = self._cpu = 0.0
        self._seen = self._lost = 0.0
        self._peak = 0
        self.earlier = Usage(attempts=0)
        with contextlib.suppress(OSError, ValueError, TypeError):
            self.earlier = Usage(**json.loads(note.read_bytes()))
        self.usage = self.earlier

    def __enter__(self) -> Meter:  # noqa: PYI034 - typing.Self needs Python 3.11
        """Start the clock and the sampler."""
        self._start = time.monotonic()
        self._cpu = _own_cpu()
        self._thread = threading.Thread(target=self._sample, name="meter", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop, and keep the note: only a written mark makes it needless."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        self.usage = self._so_far(_living()[1])
        self._write()

    def forget(self) -> None:
        """Drop the note of attempts."""
        self._note.unlink(missing_ok=True)

    def _so_far(self, living_cpu: float) -> Usage:
        seen = _own_cpu() - self._cpu + living_cpu
        # A sum that falls: programs ended whose time nobody was given.
        self._lost += max(0.0, self._seen - seen)
        self._seen = seen
        now = Usage(
            wall_s=time.monotonic() - self._start,
            cpu_s=seen + self._lost,
            peak_bytes=self._peak,
        )
        return now.after(self.earlier)

    def _write(self) -> None:
        # A full disk must not hide the error that it will cause elsewhere.
        with contextlib.suppress(OSError):
            atomic_write(self._note, json.dumps(attrs.asdict(self.usage)).encode())

    def _sample(self) -> None:
        pause = _FIRST_S
        noted = 0.0
        while True:
            memory, cpu = _living()
            self._peak = max(self._peak, memory)
            self.usage = self._so_far(cpu)
            if time.monotonic() - noted > _NOTE_S:
                self._write()
                noted = time.monotonic()
            if self._stop.wait(pause):
                return
            pause = min(pause * 1.5, _LONGEST_S)
