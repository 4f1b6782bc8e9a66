"""Bind libvgpu-isa.so (vgpu/isa/audit/capi.h) and give its answers as records.

Knows the C interface and its JSON; what a rule means is decided in the library.
"""

from __future__ import annotations

import ctypes
import functools
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from rocm_patch.errors import MissingToolError

NAME = "libvgpu-isa.so"
API_VERSION = 1
WAVE_SIZES = (32, 64)


@attrs.frozen
class RuleInfo:
    """A rule that the library checks: its name, the source it follows, one line of what it finds."""

    name: str
    source: str
    summary: str


@attrs.frozen
class Finding:
    """One breach of a rule; `offset` counts bytes from the start of the code."""

    rule: str
    offset: int
    text: str


@attrs.frozen
class Loop:
    """The code between a backward branch at `last` and its target `first` (byte offsets)."""

    first: int
    last: int
    inner: bool
    instructions: int
    valu: int
    fma: int
    mix: Mapping[str, int]

    @property
    def fma_share(self) -> float:
        """Give the fused multiply-adds among the vector ALU instructions, 0 to 1."""
        return self.fma / self.valu if self.valu else 0.0


@attrs.frozen
class CodeReport:
    """What is known of one function: counts by kind, breaches, loops."""

    instructions: int
    illegal: int
    mix: Mapping[str, int]
    findings: tuple[Finding, ...]
    loops: tuple[Loop, ...]

    @property
    def inner_loops(self) -> tuple[Loop, ...]:
        """Give the loops that hold no other loop."""
        return tuple(loop for loop in self.loops if loop.inner)


class Library:
    """The loaded library. Its functions may be called from several threads."""

    def __init__(self, path: Path) -> None:
        """Load it; MissingToolError where it is absent or made for another version of this module."""
        try:
            self._c = ctypes.CDLL(str(path))
        except OSError as error:
            raise MissingToolError(
                f"{path} cannot be loaded", cause=str(error), step="install rocm-patch again"
            ) from error
        for name in ("vgpu_isa_rules", "vgpu_isa_table", "vgpu_isa_audit", "vgpu_isa_disassemble"):
            # A c_char_p result would be copied and its address lost: it could not be freed.
            getattr(self._c, name).restype = ctypes.c_void_p
        for name in ("vgpu_isa_audit", "vgpu_isa_disassemble"):
            getattr(self._c, name).argtypes = (ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint)
        self._c.vgpu_isa_free.argtypes = (ctypes.c_void_p,)
        self._c.vgpu_isa_free.restype = None
        self._c.vgpu_isa_version.restype = ctypes.c_uint32
        version = self._c.vgpu_isa_version()
        if version != API_VERSION:
            raise MissingToolError(
                f"{path} does not fit",
                cause=f"it offers interface {version}, this rocm-patch needs {API_VERSION}",
                step="install rocm-patch again",
            )
        self.path = path

    def _text(self, address: int | None) -> str:
        if address is None:
            raise MemoryError
        try:
            return ctypes.string_at(address).decode("utf-8")
        finally:
            self._c.vgpu_isa_free(address)

    def rules(self) -> tuple[RuleInfo, ...]:
        """List the rules in the order they are checked."""
        return tuple(RuleInfo(**row) for row in json.loads(self._text(self._c.vgpu_isa_rules())))

    def table(self) -> list[dict[str, Any]]:
        """Give the instruction table: op, format, opcode, operand widths in dwords, flags."""
        rows: list[dict[str, Any]] = json.loads(self._text(self._c.vgpu_isa_table()))
        return rows

    def audit(self, code: bytes | memoryview, wave: int = 32) -> CodeReport:
        """Check the machine code of one function, whose waves have `wave` lanes (32 or 64)."""
        data = bytes(code)
        row = json.loads(self._text(self._c.vgpu_isa_audit(data, len(data), _checked(wave))))
        return CodeReport(
            instructions=row["instructions"],
            illegal=row["illegal"],
            mix=row["mix"],
            findings=tuple(Finding(**one) for one in row["findings"]),
            loops=tuple(Loop(**one) for one in row["loops"]),
        )

    def disassemble(self, code: bytes | memoryview, wave: int = 32) -> list[tuple[int, int, str]]:
        """Give (byte offset, length in bytes, text) of each instruction; text is 'illegal' for none."""
        data = bytes(code)
        lines = self._text(self._c.vgpu_isa_disassemble(data, len(data), _checked(wave))).splitlines()
        parts = (line.split(" ", 2) for line in lines)
        return [(int(offset, 16), int(length), text) for offset, length, text in parts]


def _checked(wave: int) -> int:
    if wave not in WAVE_SIZES:
        raise ValueError(f"waves of gfx1010 have 32 or 64 lanes, not {wave}")
    return wave


def library_path() -> Path:
    """Give the library's path: $ROCM_PATCH_ISA_LIBRARY, or beside this package where it was installed."""
    override = os.environ.get("ROCM_PATCH_ISA_LIBRARY")
    path = Path(override) if override else Path(__file__).resolve().parent.parent / "_vgpu" / NAME
    if not path.is_file():
        raise MissingToolError(
            f"{NAME} is not built",
            cause=f"{path} does not exist",
            step="install rocm-patch as a wheel; or in a checkout: cmake -S vgpu -B BUILD && "
            f"cmake --build BUILD --target vgpu-isa, then set ROCM_PATCH_ISA_LIBRARY=BUILD/isa/{NAME}",
        )
    return path


@functools.cache
def _loaded(path: Path) -> Library:
    return Library(path)


def load() -> Library:
    """Load the library once; MissingToolError where it is not there."""
    return _loaded(library_path())
