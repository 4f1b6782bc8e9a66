"""Run one program of a step: its output to the log and a watcher, its whole group ended with us.

Knows argument lists, logs and exit codes; nothing of steps or components.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

from rocm_patch.commands import recorded
from rocm_patch.errors import BuildError, MissingToolError

_TAIL_LINES = 20
#: The first complaints of a log say more than its end: builds go on for a while after them.
_COMPLAINT = re.compile(r"CMake Error|^FAILED: |: (fatal )?error: |^ERROR: |^error: ")
_FIRST_LINES = 12
_LINES_AFTER = 3
_GRACE_S = 10.0


class StepLog:
    """A step's log for one run; the last `keep` of them stay."""

    def __init__(self, folder: Path, step: str, *, keep: int = 10) -> None:
        """Open a new log and drop the oldest."""
        folder.mkdir(parents=True, exist_ok=True)
        stamp = time.strftime("%Y%m%dT%H%M%S")
        self.path = folder / f"{step}-{stamp}-{os.getpid()}.log"
        self._stream = self.path.open("a", encoding="utf-8", buffering=1)
        logs = sorted(folder.glob(f"{step}-[0-9]*T*.log"), key=lambda path: path.stat().st_mtime_ns)
        for old in logs[:-keep]:
            old.unlink(missing_ok=True)

    def line(self, text: str) -> None:
        """Write one line."""
        self._stream.write(f"{text}\n")

    def __enter__(self) -> StepLog:  # noqa: PYI034 - typing.Self needs Python 3.11
        """Give the log."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file, with the reason where it ends by an error."""
        if value is not None:
            self.line(f"-- ended by {type(value).__name__}: {value}")
        self._stream.close()


class FirstComplaints:
    """Keeps the first lines of a program's output that complain, with what follows each."""

    def __init__(self) -> None:
        """Start with none."""
        self._kept: list[str] = []
        self._follow = 0

    def see(self, line: str) -> None:
        """Look at one line."""
        if len(self._kept) >= _FIRST_LINES:
            return
        if _COMPLAINT.search(line):
            self._follow = _LINES_AFTER + 1
        if self._follow and line.strip():
            self._kept.append(line)
            self._follow -= 1

    def lines(self) -> list[str]:
        """Give what was kept, set off from the log's end."""
        return ["first complaints:", *self._kept, "end of the log:"] if self._kept else []


def call(
    argv: Sequence[str],
    *,
    log: StepLog,
    what: str,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    watch: Callable[[str], None] | None = None,
    next_step: str = "",
) -> None:
    """Run a program to its end. BuildError with the log's last lines where it fails.

    `env` is the whole environment of the program. `watch` sees each line of its output.
    On any exception, Ctrl-C included, the program and what it started are ended first.
    """
    log.line(f"$ {shlex.join(argv)}")
    tail: deque[str] = deque(maxlen=_TAIL_LINES)
    first = FirstComplaints()
    try:
        # Its own session: Ctrl-C comes to us alone and we end the whole group in order.
        process = subprocess.Popen(
            list(argv),
            cwd=cwd,
            env=None if env is None else dict(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise MissingToolError(
            f"{argv[0]} cannot be started for: {what}",
            cause=str(error),
            step=f"install the program {argv[0]} and run again; what is done stays done",
        ) from error
    with process, recorded(argv, log=str(log.path)) as entry:
        try:
            for raw in process.stdout or ():
                line = raw.decode(errors="replace").rstrip("\n")
                log.line(line)
                tail.append(line)
                entry.line(line)
                first.see(line)
                if watch is not None:
                    watch(line)
            code = entry.code = process.wait()
        except BaseException:
            _end_group(process)
            raise
    if code != 0:
        raise BuildError(
            f"{what} failed",
            cause=_exit_text(argv[0], code),
            detail=[*first.lines(), *tail, f"whole log: {log.path}"],
            step=next_step
            or "read the log, mend the cause and run the same command again; what is done stays done",
        )


def _exit_text(program: str, code: int) -> str:
    if code < 0:
        return f"{program} was ended by {signal.Signals(-code).name}" + (
            " (often: out of memory; give fewer --jobs)" if -code == signal.SIGKILL else ""
        )
    return f"{program} ended with exit code {code}"


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """Ask the group to stop, as Ctrl-C does (ninja removes half-written outputs), then make it."""
    for number, grace in ((signal.SIGINT, _GRACE_S), (signal.SIGKILL, _GRACE_S)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=grace)
            break
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
