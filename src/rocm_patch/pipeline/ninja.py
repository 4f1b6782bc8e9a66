"""Progress inside a ninja build: its status lines, its plan, its log, weighed by seconds.

Ninja counts edges; an edge may be a link of one second or a kernel of three minutes.
Here each edge has its expected seconds, so the share and the time left mean something.
Knows ninja's texts and seconds, nothing of what is compiled.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import attrs

#: What NINJA_STATUS is set to: finished, total, then ninja's own text.
STATUS = "@rp %f %t @ "
_STATUS_RE = re.compile(r"^@rp (\d+) (\d+) @ (.*)$")
#: A guess needs this much work behind it before it outweighs the rates.
_TRUSTED_S = 60.0
#: start, end, mtime, output, hash of the command.
_LOG_FIELDS = 5


@attrs.frozen
class Edge:
    """One finished edge: how many are done, of how many, and what ninja calls it."""

    done: int
    total: int
    text: str

    @property
    def output(self) -> str:
        """Give the file that the edge makes, as CMake's texts end with it."""
        return self.text.rpartition(" ")[2]


def parse_status(line: str) -> Edge | None:
    """Read one line of ninja's output; None where it is a compiler's."""
    match = _STATUS_RE.match(line)
    if match is None:
        return None
    return Edge(done=int(match[1]), total=int(match[2]), text=match[3])


def parse_log(content: str) -> dict[str, float]:
    """Read .ninja_log: seconds by output, the last entry of each counting.

    Lines that do not fit (a torn last line after a kill) are passed over. Entries that
    share start, end and command made several files at once: the first stands for all.
    """
    seconds: dict[str, float] = {}
    seen: dict[tuple[str, ...], str] = {}
    for line in content.splitlines():
        fields = line.split("\t")
        if len(fields) != _LOG_FIELDS or not (fields[0].isdigit() and fields[1].isdigit()):
            continue
        start, end, output, command = int(fields[0]), int(fields[1]), fields[3], fields[4]
        if end < start:
            continue
        first = seen.setdefault((fields[0], fields[1], command), output)
        seconds[output] = (end - start) / 1000 if first == output else 0.0
    return seconds


def new_entries(log: Path, offset: int) -> dict[str, float]:
    """Give what a run has added to .ninja_log since it had `offset` bytes.

    Ninja rewrites the log when it has grown much: then the whole counts as new.
    """
    if not log.is_file():
        return {}
    content = log.read_bytes()
    if offset > len(content) or (offset and content[offset - 1 : offset] != b"\n"):
        offset = 0
    return parse_log(content[offset:].decode(errors="replace"))


def clock(seconds: float) -> str:
    """Write a span as h:mm:ss."""
    whole = max(0, round(seconds))
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


class Progress:
    """How far a build is, by expected seconds of its edges.

    `expected` gives core seconds by edge text; `jobs` how many run at once.
    """

    def __init__(self, expected: Mapping[str, float], jobs: int, *, now: Callable[[], float]) -> None:
        """Start the clock."""
        self._expected = dict(expected)
        self._total = sum(expected.values())
        self._done = 0.0
        self._jobs = jobs
        self._now = now
        self._start = now()
        self.count = 0
        self.total = len(expected)
        self.last = ""

    def finish(self, edge: Edge) -> None:
        """Count one finished edge."""
        self._done += self._expected.pop(edge.text, 0.0)
        self.count = edge.done
        self.total = edge.total
        self.last = edge.output

    @property
    def share(self) -> float:
        """Give the finished share of the work, 0 to 1."""
        if self._total <= 0:
            return self.count / self.total if self.total else 1.0
        return min(1.0, self._done / self._total)

    @property
    def left_s(self) -> float:
        """Give the expected seconds of wall time left.

        Starts with the rates and moves to what this run really does (a warm compiler
        cache, a busy machine) as work gets done.
        """
        left = max(0.0, self._total - self._done)
        elapsed = self._now() - self._start
        by_rates = left / self._jobs
        if elapsed <= 0 or self._done <= 0:
            return by_rates
        by_run = left * elapsed / self._done
        trust = min(1.0, elapsed / _TRUSTED_S)
        return by_run * trust + by_rates * (1.0 - trust)

    def line(self) -> str:
        """Give the state in one line."""
        elapsed = self._now() - self._start
        return (
            f"{self.count}/{self.total}  {self.share:4.0%}  elapsed {clock(elapsed)}"
            f"  left about {clock(self.left_s)}  {self.last}"
        ).rstrip()
