"""Drives vgpu-step: sets registers, runs one instruction, reads registers back.

Knows the tool's line protocol (vgpu/core/tests/step.cpp) and nothing of semantics.
"""

from __future__ import annotations

import os
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

    def __init__(self, tool: Path, host: str) -> None:
        """Start the tool with the handlers built for `host`: portable, avx2 or avx512."""
        self.process = subprocess.Popen(
            [str(tool)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
            env={**os.environ, "VGPU_HOST_ISA": host},
        )

    def close(self) -> None:
        """End the tool."""
        if self.process.stdin and self.process.stdout:
            self.process.stdin.close()
            self.process.stdout.close()
        self.process.wait(timeout=10)

    def host(self) -> str:
        """Give the build of the handlers in use: one that this machine cannot run is passed over."""
        return self._answer("get host").strip()

    def ask(self, commands: Sequence[str]) -> list[int]:
        """Send one request; the numbers that its gets gave."""
        line = self._answer(";".join(commands))
        if "fault: " in line:
            raise MachineFaultError(line.split("fault: ", 1)[1].strip())
        return [int(word, 16) for word in line.split()]

    def _answer(self, request: str) -> str:
        if not self.process.stdin or not self.process.stdout:
            raise RuntimeError
        self.process.stdin.write(request + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline()

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
