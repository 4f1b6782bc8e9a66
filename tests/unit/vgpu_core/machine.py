"""Drives vgpu-step: sets registers, runs one instruction, reads registers back.

Knows the tool's line protocol (vgpu/core/tests/step.cpp) and nothing of semantics.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from tests.unit.vgpu_core.table import hexadecimal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LANES = 32


class MachineFaultError(Exception):
    """The instruction faulted; the text is the fault's kind and first line."""


class Machine:
    """One vgpu-step process."""

    def __init__(self, tool: Path) -> None:
        """Start the tool."""
        self.process = subprocess.Popen(
            [str(tool)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def close(self) -> None:
        """End the tool."""
        if self.process.stdin and self.process.stdout:
            self.process.stdin.close()
            self.process.stdout.close()
        self.process.wait(timeout=10)

    def ask(self, commands: Sequence[str]) -> list[int]:
        """Send one request; the numbers that its gets gave."""
        if not self.process.stdin or not self.process.stdout:
            raise RuntimeError
        self.process.stdin.write(";".join(commands) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if "fault: " in line:
            raise MachineFaultError(line.split("fault: ", 1)[1].strip())
        return [int(word, 16) for word in line.split()]

    def step(
        self,
        words: list[int],
        *,
        vgprs: Mapping[int, Sequence[int]] | None = None,
        scalars: Mapping[int, int] | None = None,
        read: Sequence[str],
        wave: int = 32,
        extra: Sequence[str] = (),
        play: bool = False,
    ) -> list[int]:
        """Run one instruction on a fresh wave; `play` runs several, to s_endpgm."""
        commands = [f"wave {wave}"]
        commands += [f"v {n} " + " ".join(f"{x:x}" for x in lanes) for n, lanes in (vgprs or {}).items()]
        commands += [f"s {slot} {value:x}" for slot, value in (scalars or {}).items()]
        commands += [*extra, ("play " if play else "run ") + hexadecimal(words)]
        return self.ask([*commands, *(f"get {what}" for what in read)])
