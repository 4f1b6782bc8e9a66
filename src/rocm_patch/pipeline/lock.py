"""One run at a time in a work folder, and no leftovers of a run that was killed.

The lock is the kernel's (flock), so a killed run never leaves it behind. What a
killed run does leave is its compilers: every program a run starts carries the run's
mark in its environment, and whoever takes the lock next ends those that still live,
since they would write into the same files.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import sys
import time
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil

from rocm_patch.errors import BusyError
from rocm_patch.trylock import held

#: The variable that marks each program of a run.
RUN_VARIABLE = "ROCM_PATCH_RUN"
_POLL_S = 0.2
_LEFTOVER_S = 10.0


class WorkLock:
    """The exclusive right to write in a work folder, as a context manager.

    `wait_s` is how long to wait for another run: 0 asks once, None waits for ever.
    BusyError names the holder's process, start and command.
    """

    def __init__(
        self, folder: Path, *, wait_s: float | None = 0.0, say: Callable[[str], None] | None = None
    ) -> None:
        """Prepare; nothing is locked before `with`."""
        self._path = folder / "lock"
        self._folder = folder
        self._wait_s = wait_s
        self._say = say
        self._descriptor: int | None = None
        self.run_id = uuid.uuid4().hex

    def __enter__(self) -> WorkLock:  # noqa: PYI034 - typing.Self needs Python 3.11
        """Take the lock, end a dead run's leftovers, write down who holds it."""
        self._folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            self._take(descriptor)
            before = _holder(descriptor)
            if before.get("run"):
                end_leftovers(str(before["run"]))
            content = {
                "pid": os.getpid(),
                "run": self.run_id,
                "since": time.strftime("%F %T"),
                "command": _command(),
            }
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps(content).encode(), 0)
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        # Everything started from here on carries the mark.
        os.environ[RUN_VARIABLE] = self.run_id
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go; the file stays, empty, so that two waiting runs lock the same inode."""
        os.environ.pop(RUN_VARIABLE, None)
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = None

    def _take(self, descriptor: int) -> None:
        limit = None if self._wait_s is None else time.monotonic() + self._wait_s
        told = False
        while True:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            holder = _holder(descriptor)
            who = _who(holder)
            if limit is not None and time.monotonic() >= limit:
                raise BusyError(
                    f"another run works in {self._folder}",
                    cause=f"the lock is held by {who}",
                    step="wait for it to end (or give --wait), or end that process; what it has done is kept",
                )
            if not told and self._say is not None:
                self._say(f"waiting for {who}")
                told = True
            time.sleep(_POLL_S)


def reading(folder: Path) -> AbstractContextManager[bool]:
    """Keep runs out of a work folder while it is read; gives False where one works there already."""
    return held(folder / "lock", shared=True)


def _who(holder: dict[str, Any]) -> str:
    since, command = holder.get("since", "?"), holder.get("command", "?")
    return f"process {holder.get('pid', '?')} (since {since}: {command})"


def _command() -> str:
    return " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])[:200]


def _holder(descriptor: int) -> dict[str, Any]:
    content = os.pread(descriptor, 4096, 0)
    with contextlib.suppress(ValueError):
        loaded = json.loads(content)
        if isinstance(loaded, dict):
            return loaded
    return {}


def marked_processes(run_id: str) -> list[psutil.Process]:
    """Give the living processes that carry a run's mark, this process left out."""
    wanted = f"{RUN_VARIABLE}={run_id}".encode()
    found = []
    for process in psutil.process_iter():
        if process.pid == os.getpid():
            continue
        # Read raw: psutil decodes every variable of every process, which is slow.
        with contextlib.suppress(OSError, psutil.Error):
            environment = Path(f"/proc/{process.pid}/environ").read_bytes()
            if wanted in environment.split(b"\0"):
                found.append(process)
    return found


def end_leftovers(run_id: str) -> int:
    """Kill what a dead run left running, wait until it is gone, say how many there were."""
    ended = 0
    limit = time.monotonic() + _LEFTOVER_S
    # Twice at least: a process can be between fork and exec when it is first looked for.
    while (leftovers := marked_processes(run_id)) and time.monotonic() < limit:
        for process in leftovers:
            with contextlib.suppress(psutil.Error):
                process.kill()
                ended += 1
        psutil.wait_procs(leftovers, timeout=1.0)
    return ended
