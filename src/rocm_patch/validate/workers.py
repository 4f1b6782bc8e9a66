"""Processes that run the suite's tests, one at a time each, and survive none of their crashes.

A worker is `PYTHON -m pytest` with the suite's feed plugin (tests/gpu/feed.py): test ids go
in on one pipe, JSON lines come back on another. The end of the pipe or silence beyond
the limit is the verdict on the test that was running. Knows the protocol, not the tests.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from rocm_patch.errors import ValidationError

if TYPE_CHECKING:
    from typing_extensions import Self

_SHELL_SIGNAL = 128
#: A process in the sysroot dies with the thread that started it, and the runner's threads come and go.
_SPAWNER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spawner")
#: Bytes of a process's own output that are kept with a crash.
TAIL = 8000
#: Seconds that a process has to end by itself after its last test: the virtual card writes its statistics
#: then, and on a busy machine torch takes its time to go.
GRACE = 60.0
#: A line of pytest's own progress, which says nothing of the test.
_PROGRESS = re.compile(r"[.FEsxX]*\s*(?:\[ *\d+%\])?")


class GoneError(Exception):
    """The process ended instead of answering; holds how and its last words."""

    def __init__(self, how: str, words: str) -> None:
        super().__init__(how)
        self.how = how
        self.words = words


class HungError(Exception):
    """No answer within the limit."""


@attrs.define
class Command:
    """How a worker is started: the Python with torch, the suite's folder, pytest's options."""

    python: str
    suite: Path
    options: Sequence[str] = ()
    environment: dict[str, str] = attrs.field(factory=dict)

    def words(self, messages: int, orders: int) -> list[str]:
        """Give the argument list."""
        settings = ["-c", str(self.suite / "pytest.ini"), "--rootdir", str(self.suite)]
        # A GPU fault is told on the process's own stderr, which must reach the log: Python's is captured.
        quiet = [
            "-q",
            "--no-header",
            "--capture=sys",
            "-p",
            "feed",
            f"--feed-fd={messages}",
            f"--feed-orders={orders}",
        ]
        return [self.python, "-m", "pytest", *settings, *quiet, *self.options, str(self.suite)]

    def variables(self) -> dict[str, str]:
        """Give the environment: the suite's folder on Python's path, no byte code written into it."""
        path = os.pathsep.join(p for p in (str(self.suite), os.environ.get("PYTHONPATH", "")) if p)
        return os.environ | {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"} | self.environment

    def start(self, messages: int, orders: int) -> tuple[list[str], Mapping[str, str], Path]:
        """Give argument list, environment and folder of a new process."""
        return self.words(messages, orders), self.variables(), self.suite


class Worker:
    """One process; use as a context manager, so that it never outlives the run."""

    def __init__(self, command: Command, log: Path) -> None:
        self.command = command
        self.log = log
        self.buffer = b""
        #: Length of the log when the start or the test that runs began: what is before is others'.
        self.before = 0
        self.process: subprocess.Popen[bytes] | None = None
        self.pipe = -1
        self.orders = -1

    def start(self, limit: float) -> dict[str, Any]:
        """Start the process and give its `collected` message; GoneError or HungError where none comes."""
        self.stop()
        self.buffer = b""
        self._mark()
        self.pipe, theirs = os.pipe()
        orders, self.orders = os.pipe()
        try:
            words, variables, folder = self.command.start(theirs, orders)
            with self.log.open("ab") as log:
                self.process = _SPAWNER.submit(
                    subprocess.Popen[bytes],
                    words,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    pass_fds=(theirs, orders),
                    cwd=folder,
                    env=variables,
                    start_new_session=True,
                ).result()
        except OSError as error:
            raise ValidationError(
                f"{self.command.python} cannot be started",
                cause=str(error),
                step="name the Python that has torch: --python /path/to/python",
            ) from error
        finally:
            os.close(theirs)
            os.close(orders)
        return self._receive(limit)

    def run(self, test: str, limit: float) -> dict[str, Any]:
        """Run one test and give its `finished` message."""
        if self.process is None:
            raise GoneError("was not started", "")
        self._mark()
        try:
            os.write(self.orders, test.encode() + b"\n")
        except BrokenPipeError:
            raise self._gone() from None
        return self._receive(limit)

    def _receive(self, limit: float) -> dict[str, Any]:
        until = time.monotonic() + limit
        while b"\n" not in self.buffer:
            left = until - time.monotonic()
            if left <= 0 or not select.select([self.pipe], [], [], left)[0]:
                raise HungError
            data = os.read(self.pipe, 1 << 16)
            if not data:
                raise self._gone()
            self.buffer += data
        line, _, self.buffer = self.buffer.partition(b"\n")
        message: dict[str, Any] = json.loads(line)
        return message

    def _gone(self) -> GoneError:
        code = self.process.wait() if self.process is not None else 0
        if code > _SHELL_SIGNAL and code - _SHELL_SIGNAL in set(signal.Signals):
            code = _SHELL_SIGNAL - code  # what stands between (a sysroot's way in) says 128 + N for signal N
        how = f"ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        return GoneError(how, self.last_words())

    def _mark(self) -> None:
        self.before = self.log.stat().st_size if self.log.is_file() else 0

    def last_words(self) -> str:
        """Give the end of what the process wrote since its start or the test began: faults are told there."""
        if not self.log.is_file():
            return ""
        text = self.log.read_bytes()[self.before :][-TAIL:].decode(errors="replace")
        return "\n".join(line for line in text.splitlines() if not _PROGRESS.fullmatch(line))

    def stop(self) -> None:
        """End the process and what it started; an idle one is let go first."""
        process, self.process = self.process, None
        if self.orders >= 0:
            os.close(self.orders)  # the end of the orders is the end of its loop
            self.orders = -1
        if process is not None:
            # The group is this worker's own (start_new_session), so nothing else is met.
            with contextlib.suppress(ProcessLookupError):
                try:
                    process.wait(GRACE)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
        if self.pipe >= 0:
            os.close(self.pipe)
            self.pipe = -1

    def kill(self) -> None:
        """End a process that hangs, at once."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
        self.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
