"""The instruction table of vgpu/isa as Python data, and encodings of single instructions.

Reads the rows of vgpu/isa/opcodes/*.def; knows nothing of what instructions do.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

OPCODES = Path(__file__).parents[3] / "vgpu" / "isa" / "opcodes"
ROW = re.compile(r"^INST\((.*)\)$", re.MULTILINE)
VGPR = 256  # operand code of v0
VCC, EXEC, NULL = 106, 126, 125


@dataclass(frozen=True)
class Row:
    """One instruction: encoding, opcode, operand types (`_` where there is none), flags."""

    fmt: str
    opcode: int
    name: str
    dst: str
    sdst: str
    src: tuple[str, ...]
    mem: str
    flags: frozenset[str]


def read_rows() -> dict[str, Row]:
    """All rows by mnemonic."""
    rows: dict[str, Row] = {}
    for path in sorted(OPCODES.glob("*.def")):
        for match in ROW.finditer(path.read_text(encoding="utf-8")):
            cells = [cell.strip() for cell in match.group(1).split(",")]
            fmt, opcode, name, dst, sdst, s0, s1, s2, mem, flags = cells
            sources = tuple(s for s in (s0, s1, s2) if s != "_")
            parts = frozenset(flag.strip() for flag in flags.split("|"))
            rows[name] = Row(fmt, int(opcode, 16), name, dst, sdst, sources, mem, parts)
    return rows


ROWS = read_rows()
VOP3_BASE = {"VOPC": 0, "VOP2": 0x100, "VOP1": 0x180, "VOP3": 0, "VOP3B": 0}


@dataclass(frozen=True)
class Mods:
    """Modifiers of the 64-bit vector encodings; bit i of a mask is source i."""

    neg: int = 0
    absolute: int = 0
    clamp: bool = False
    omod: int = 0
    op_sel: int = 0
    op_sel_hi: int = 0


def vop3(name: str, dst: int, sources: list[int], mods: Mods | None = None, sdst: int = VCC) -> list[int]:
    """The 64-bit encoding of a vector instruction; sources are 9-bit operand codes."""
    row = ROWS[name]
    mods = mods or Mods()
    codes = [*sources, 0, 0, 0][:3]
    word1 = codes[0] | codes[1] << 9 | codes[2] << 18 | mods.neg << 29
    if row.fmt == "VOP3P":
        word0 = 0x33 << 26 | row.opcode << 16 | dst | mods.clamp << 15 | mods.op_sel << 11
        word0 |= mods.absolute << 8 | (mods.op_sel_hi >> 2) << 14
        return [word0, word1 | (mods.op_sel_hi & 3) << 27]
    word0 = 0x35 << 26 | (row.opcode + VOP3_BASE[row.fmt]) << 16 | dst | mods.clamp << 15
    word0 |= sdst << 8 if row.sdst != "_" else mods.absolute << 8 | mods.op_sel << 11
    return [word0, word1 | mods.omod << 27]


def vop1_word(name: str, dst: int, src0: int) -> int:
    """The 32-bit encoding of a one-source vector instruction."""
    return 0x3F << 25 | dst << 17 | ROWS[name].opcode << 9 | src0


def vop2_word(name: str, dst: int, src0: int, vsrc1: int) -> int:
    """The 32-bit encoding of a two-source vector instruction; vsrc1 is a VGPR number."""
    return ROWS[name].opcode << 25 | dst << 17 | vsrc1 << 9 | src0


def dpp16(name: str, dst: int, src0: int, ctrl: int, *, bound: bool = False, fi: bool = False) -> list[int]:
    """v_mov-like VOP1 with DPP16; all rows and banks on."""
    return [vop1_word(name, dst, 250), src0 | ctrl << 8 | fi << 18 | bound << 19 | 0xFF << 24]


def sdwa1(
    name: str, dst: int, src0: int, *, dst_sel: int, unused: int, src_sel: int, sext: bool = False
) -> list[int]:
    """VOP1 with SDWA; src0 is a VGPR number."""
    return [vop1_word(name, dst, 249), src0 | dst_sel << 8 | unused << 11 | src_sel << 16 | sext << 19]


def scalar(name: str, dst: int, sources: list[int]) -> list[int]:
    """SOP1, SOP2 or SOPC."""
    row = ROWS[name]
    if row.fmt == "SOP1":
        return [0x17D << 23 | dst << 16 | row.opcode << 8 | sources[0]]
    if row.fmt == "SOPC":
        return [0x17E << 23 | row.opcode << 16 | sources[1] << 8 | sources[0]]
    return [2 << 30 | row.opcode << 23 | dst << 16 | sources[1] << 8 | sources[0]]


def ds(name: str, dst: int, addr: int, data: int = 0, *, data1: int = 0, offset: int = 0) -> list[int]:
    """An LDS instruction; all operands are VGPR numbers."""
    return [0x36 << 26 | ROWS[name].opcode << 18 | offset, dst << 24 | data1 << 16 | data << 8 | addr]


def far_memory(name: str, dst: int, addr: int, data: int, *, glc: bool = False, offset: int = 0) -> list[int]:
    """A FLAT or GLOBAL instruction with a 64-bit VGPR address."""
    segment = {"FLAT": 0, "SCRATCH": 1, "GLOBAL": 2}[ROWS[name].fmt]
    word0 = 0x37 << 26 | ROWS[name].opcode << 18 | glc << 16 | segment << 14 | (offset & 0xFFF)
    return [word0, dst << 24 | NULL << 16 | data << 8 | addr]


def buffer(
    name: str,
    data: int,
    addr: int,
    *,
    offen: bool = False,
    idxen: bool = False,
    glc: bool = False,
    offset: int = 0,
) -> list[int]:
    """A MUBUF instruction; the resource is in s[4:7], soffset is 0."""
    opcode = ROWS[name].opcode
    word0 = 0x38 << 26 | opcode << 18 | glc << 14 | idxen << 13 | offen << 12 | offset
    return [word0, 128 << 24 | 1 << 16 | data << 8 | addr]


def scratch(name: str, dst: int, addr: int, data: int, *, offset: int = 0) -> list[int]:
    """A SCRATCH instruction whose offset is in a VGPR."""
    return far_memory(name, dst, addr, data, offset=offset)


def typed_buffer(name: str, data: int, addr: int, code: int, *, offset: int = 0) -> list[int]:
    """An MTBUF instruction with a format; offen, the resource is in s[4:7], soffset is 0."""
    opcode = ROWS[name].opcode
    word0 = 0x3A << 26 | code << 19 | (opcode & 7) << 16 | 1 << 12 | offset
    return [word0, 128 << 24 | (opcode >> 3) << 21 | 1 << 16 | data << 8 | addr]


def sopk(name: str, dst: int, simm: int) -> list[int]:
    """A scalar instruction with a 16-bit constant."""
    return [0xB << 28 | ROWS[name].opcode << 23 | dst << 16 | (simm & 0xFFFF)]


def sopp(name: str, simm: int = 0) -> list[int]:
    """A program control instruction."""
    return [0x17F << 23 | ROWS[name].opcode << 16 | (simm & 0xFFFF)]


def smem(
    name: str, sdata: int, sbase: int, *, soffset: int = NULL, offset: int = 0, glc: bool = False
) -> list[int]:
    """A scalar memory instruction; sbase is an even SGPR number."""
    word0 = 0x3D << 26 | ROWS[name].opcode << 18 | glc << 16 | sdata << 6 | sbase >> 1
    return [word0, soffset << 25 | (offset & 0x1FFFFF)]


def hexadecimal(words: list[int]) -> str:
    """Words as vgpu-step wants them."""
    return " ".join(f"{word & 0xFFFFFFFF:x}" for word in words)
