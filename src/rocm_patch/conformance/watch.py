"""One process of a test program, watched: its progress read, its limits kept, its end understood.

Limits are CPU time of the process and its children, so that a busy machine makes no
test fail; one that only sleeps is ended after a longer time on the clock. Knows
GoogleTest's progress; not what is tested or where results are kept.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import subprocess
import time
from collections.abc import Callable, Sequence
from typing import IO

import attrs
import psutil

from rocm_patch.conformance import gtest
from rocm_patch.conformance.results import TEXT_CHARACTERS, Outcome

#: A process may take so many times its limit on the clock, and at least so long.
CLOCK_FACTOR = 20
CLOCK_SECONDS = 600
#: One that has used less than this by then waits for ever; one that used more was kept from running.
_ASLEEP_SECONDS = 2
_POLL_SECONDS = 0.5
#: What one test prints is kept to this; programs may print without end.
_KEPT = 4 * TEXT_CHARACTERS


@attrs.frozen
class Ended:
    """How one test ended, with what it printed where it did not pass."""

    name: str
    outcome: Outcome
    seconds: float
    text: str


@attrs.frozen
class Watched:
    """What a process did: tests that ended, its exit code, and whether it was ended by a limit."""

    tests: tuple[Ended, ...]
    code: int
    #: "", "test" or "binary": the limit that was met.
    limit: str
    cpu_seconds: float
    #: The last of what it printed outside any test.
    tail: str


@attrs.define
class _State:
    heard: Callable[[Ended], None]
    tests: list[Ended] = attrs.field(factory=list)
    current: str = ""
    began_cpu: float = 0.0
    began_clock: float = 0.0
    printed: str = ""
    pending: str = ""

    def line(self, line: str, cpu: float) -> None:
        said = gtest.read_line(line)
        if isinstance(said, gtest.Begin):
            self.current, self.printed = said.name, ""
            self.began_cpu, self.began_clock = cpu, time.monotonic()
        elif isinstance(said, gtest.End) and said.name == self.current:
            text = "" if said.outcome == "passed" else self.printed
            self.end(said.outcome, max(cpu - self.began_cpu, 0.0), text)
        else:
            self.printed = (self.printed + line + "\n")[-_KEPT:]

    def end(self, outcome: Outcome, seconds: float, text: str) -> None:
        ended = Ended(self.current, outcome, round(seconds, 3), _shortened(text))
        self.tests.append(ended)
        self.current, self.printed = "", ""
        self.heard(ended)


def watch(
    command: Sequence[str],
    *,
    test_seconds: float,
    binary_seconds: float,
    heard: Callable[[Ended], None],
) -> Watched:
    """Run a command to its end or to a limit; `heard` is told each test as it ends.

    A test that was running when the process died has crashed; when a limit ended the
    process, it has timed out (limit of a test) or has no result (limit of the binary).
    """
    state = _State(heard)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        stream = process.stdout
        assert stream is not None  # noqa: S101  it was asked for
        limit, cpu = _follow(process, stream, state, test_seconds, binary_seconds)
        if limit:
            process.kill()
        rest = stream.read().decode(errors="replace") if not limit else ""
        for line in (state.pending + rest).splitlines():
            state.line(line, cpu)
        code = process.wait()
    if state.current and limit == "test":
        state.end("timed-out", cpu - state.began_cpu, state.printed)
    elif state.current and not limit:
        state.end("crashed", cpu - state.began_cpu, f"{state.printed}the process ended with {code}")
    return Watched(tuple(state.tests), code, limit, cpu, _shortened(state.printed))


def _follow(
    process: subprocess.Popen[bytes],
    stream: IO[bytes],
    state: _State,
    test_seconds: float,
    binary_seconds: float,
) -> tuple[str, float]:
    """Read until the process has closed its output or met a limit; give the limit and the CPU time."""
    cpu, started = 0.0, time.monotonic()
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        while True:
            ready = selector.select(_POLL_SECONDS)
            cpu = max(cpu, cpu_seconds(process.pid))
            if ready:
                data = os.read(stream.fileno(), 1 << 16)
                if not data:
                    return "", cpu
                lines = (state.pending + data.decode(errors="replace")).split("\n")
                state.pending = lines.pop()[-_KEPT:]
                for line in lines:
                    state.line(line, cpu)
            now = time.monotonic()
            used = cpu - state.began_cpu
            if state.current and now - state.began_clock > _clock(test_seconds):
                return ("test" if used < _ASLEEP_SECONDS else "binary"), cpu
            if state.current and used > test_seconds:
                return "test", cpu
            if cpu > binary_seconds or now - started > _clock(binary_seconds):
                return "binary", cpu


def _clock(seconds: float) -> float:
    return max(CLOCK_SECONDS, CLOCK_FACTOR * seconds)


def cpu_seconds(pid: int) -> float:
    """Give the CPU time of a process and all below it, those that have ended included."""
    total = 0.0
    with contextlib.suppress(psutil.NoSuchProcess):
        root = psutil.Process(pid)
        for one in [root, *root.children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                times = one.cpu_times()
                total += times.user + times.system
                total += getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)
    return total


def _shortened(text: str) -> str:
    """Keep the beginning and the end of a long text."""
    text = text.strip()
    if len(text) <= TEXT_CHARACTERS:
        return text
    half = TEXT_CHARACTERS // 2
    return f"{text[:half]}\n[...]\n{text[-half:]}"
