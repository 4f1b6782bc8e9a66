"""Ask LLVM's assembler which instructions gfx1010 has, compare with our table, and write test vectors.

Every value of every opcode field is given to `llvm-mc --disassemble -mcpu=gfx1010`
with several settings of the other fields. What LLVM names must be what the table
names, in the same encodings, and nothing else; operand widths are in the vectors. Needs the
sysroot (for LLVM) and libvgpu-isa.so; opcodes/*.def is kept by hand and only checked.

    ROCM_PATCH_ISA_LIBRARY=BUILD/isa/libvgpu-isa.so python vgpu/isa/tools/probe.py [--vectors OUT]
"""

from __future__ import annotations

import argparse
import itertools
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from rocm_patch.isa.library import load
from rocm_patch.sysroot import Sysroot

BATCH = 4000
MARK = "s_nop 0x7abc"
MARK_WORD = 0xBF807ABC
VGPR = 256
NULL = 0x7D
SDWA_NO_SELECT, SDWA_NO_UNUSED = 7, 3
#: Graphics only: known to LLVM, deliberately not in the table.
LEFT_OUT = re.compile(r"v_interp_")
FLAGS = {"VOP3": 1 << 0, "SDWA": 1 << 1, "DPP": 1 << 2, "CLAMP": 1 << 3, "OMOD": 1 << 4, "IMGD16": 1 << 50}
#: The flag that a form stands for; "base" and "glc" stand for none.
FORM_FLAGS = {
    "e64": "VOP3",
    "sdwa": "SDWA",
    "dpp16": "DPP",
    "clamp": "CLAMP",
    "omod": "OMOD",
    "d16": "IMGD16",
}
IMAGE_2D, IMAGE_3D, IMAGE_2D_MSAA = 1, 2, 6
IMAGE_GET_RESINFO, IMAGE_CMPSWAP = 0x0E, 0x10
IMAGE_ATOMICS = (0x0F, 0x1F)
#: Image opcodes looked at closely, one of a family; true for an atomic with a comparand.
IMAGE_DETAILS = {
    op: op == IMAGE_CMPSWAP for op in (0, 1, 2, 8, 0x0E, 0x10, 0x11, 0x20, 0x22, 0x2A, 0x40, 0x60, 0xA2)
}


class Case(NamedTuple):
    """One encoding to ask about: where it belongs, and its words."""

    format: str
    opcode: int
    form: str
    words: tuple[int, ...]


def scalar_cases() -> Iterator[Case]:
    """Give SOP* and SMEM encodings; unused fields must be zero for LLVM, so zeros are tried as well."""
    for op in range(0x60):
        yield Case("SOP2", op, "base", (0x80000000 | op << 23 | 8 << 16 | 16 << 8 | 4,))
    for op, dst in itertools.product(range(0x1D), (8, 0, NULL)):
        # s_version 0x1234 is no version: LLVM prints known ones by name, others as they are
        yield Case("SOPK", op, "base", (0xB0000000 | op << 23 | dst << 16 | 0x1234,))
        yield Case("SOPK", op, "base", (0xB0000000 | op << 23 | dst << 16 | 0x1234, 0x55667788))
    for op, dst, src in itertools.product(range(0x100), (8, 0), (4, 0)):
        yield Case("SOP1", op, "base", (0xBE800000 | dst << 16 | op << 8 | src,))
    for op in range(0x80):
        yield Case("SOPC", op, "base", (0xBF000000 | op << 16 | 16 << 8 | 4,))
        for simm in (0x12, 0):
            yield Case("SOPP", op, "base", (0xBF800000 | op << 16 | simm,))
    for op, data, base, offset in itertools.product(
        range(0x100), (16, 0), (8, 0), ((NULL << 25) | 0x1234, 0)
    ):
        for form, glc in (("base", 0), ("glc", 1 << 16)):
            yield Case("SMEM", op, form, (0xF4000000 | op << 18 | glc | data << 6 | base >> 1, offset))


def vop_cases() -> Iterator[Case]:
    """Give VOP1, VOP2 and VOPC with their SDWA and DPP forms."""
    sdwa = 4 | 6 << 8 | 6 << 16 | 6 << 24
    compare = 4 | 6 << 16 | 6 << 24
    dpp16, dpp8 = 4 | 0x1B << 8 | 0xFF << 24, 4 | 0xFAC688 << 8
    for op in range(0x100):
        head = 0x7E000000 | op << 9
        for dst, src in itertools.product((8, 0), (VGPR + 4, 4, 0)):
            yield Case("VOP1", op, "base", (head | dst << 17 | src,))
        yield Case("VOP1", op, "sdwa", (head | 8 << 17 | 249, sdwa & 0xFFFFFF))
        yield Case("VOP1", op, "dpp16", (head | 8 << 17 | 250, dpp16))
        yield Case("VOP1", op, "dpp8", (head | 8 << 17 | 233, dpp8))
        head = 0x7C000000 | op << 17 | 6 << 9
        yield Case("VOPC", op, "base", (head | VGPR + 4,))
        yield Case("VOPC", op, "sdwa", (head | 249, compare))
        yield Case("VOPC", op, "dpp16", (head | 250, dpp16))
    for op in range(0x3E):
        head = op << 25 | 8 << 17 | 6 << 9
        yield Case("VOP2", op, "base", (head | VGPR + 4,))
        yield Case("VOP2", op, "base", (head | VGPR + 4, 0x11223344))
        yield Case("VOP2", op, "sdwa", (head | 249, sdwa))
        yield Case("VOP2", op, "dpp16", (head | 250, dpp16))
        yield Case("VOP2", op, "dpp8", (head | 233, dpp8))


def vop3_cases() -> Iterator[Case]:
    """Give VOP3 and VOP3P; sources are tried as vector, scalar and absent ones."""
    a, b, c = VGPR + 4, VGPR + 6, VGPR + 10
    sources = [
        (8, a, b, c), (8, a, b, 12), (8, a, b, 0), (8, a, 16, 12), (8, a, 16, 0), (8, 4, 16, 0),
        (8, a, 0, 0), (0, a, b, 0), (0, a, 0, 0), (0x7E, a, b, 0), (0, 0, 0, 0),
    ]  # fmt: skip
    for op, (dst, s0, s1, s2) in itertools.product(range(0x400), sources):
        word, rest = 0xD4000000 | op << 16 | dst, s2 << 18 | s1 << 9 | s0
        format_, opcode = vop3_place(op)
        form = "base" if format_ == "VOP3" else "e64"
        yield Case(format_, opcode, form, (word, rest))
        yield Case(format_, opcode, "clamp", (word | 1 << 15, rest))
        yield Case(format_, opcode, "omod", (word, rest | 1 << 27))
    for op, (dst, s0, s1, s2), high in itertools.product(range(0x80), sources, (0, 1 << 14)):
        word, rest = 0xCC000000 | op << 16 | dst | high, s2 << 18 | s1 << 9 | s0 | 3 << 27
        yield Case("VOP3P", op, "base", (word, rest))
        yield Case("VOP3P", op, "clamp", (word | 1 << 15, rest))


def vop3_place(op: int) -> tuple[str, int]:
    """Give the row that an opcode of VOP3's space belongs to."""
    for base, count, name in ((0x180, 0x80, "VOP1"), (0x100, 0x40, "VOP2"), (0, 0x100, "VOPC")):
        if base <= op < base + count:
            return name, op - base
    return "VOP3", op


def memory_cases() -> Iterator[Case]:
    """Give DS, FLAT, buffer and image encodings."""
    for op, gds in itertools.product(range(0x100), (0, 1 << 17)):
        for dst, addr, data0, data1 in itertools.product((8, 0), (4, 0), (6, 0), (10, 0)):
            fields = dst << 24 | data1 << 16 | data0 << 8 | addr
            for offset in (0x0201, 0):
                yield Case("DS", op, "base", (0xD8000000 | op << 18 | gds | offset, fields))
    for op, (segment, name) in itertools.product(range(0x80), enumerate(("FLAT", "SCRATCH", "GLOBAL"))):
        for (form, glc), dst, data in itertools.product((("base", 0), ("glc", 1 << 16)), (8, 0), (6, 0)):
            head = 0xDC000000 | op << 18 | segment << 14 | 0x12 | glc
            yield Case(name, op, form, (head, dst << 24 | NULL << 16 | data << 8 | 4))
    for op, (form, glc) in itertools.product(range(0x100), (("base", 0), ("glc", 1 << 14))):
        head = 0xE0000000 | op << 18 | glc
        yield Case("MUBUF", op, form, (head | 0x1012, 0x14040604))
        yield Case("MUBUF", op, form, (head, 0))
    for op in range(0x10):
        yield Case("MTBUF", op, "base", (0xE8B01012 | (op & 7) << 16, 0x14040604 | (op >> 3) << 21))
    for op in range(0x100):
        yield from image_cases(op)
    yield Case("EXP", 0, "base", (0xF800000F, 0x04030201))


def image(
    op: int, first: int = 0, second: int = 0, *, dim: int = IMAGE_2D, scattered: int = 0, resource: int = 4
) -> tuple[int, ...]:
    """Give the words of an image instruction; two components where `first` has no mask."""
    mask = 0 if first & 0xF00 else 3
    head = 0xF0000000 | (op & 0x7F) << 18 | op >> 7 | mask << 8 | dim << 3 | scattered << 1 | first
    fields = resource << 16 | 16 << 8 | 4 | second
    return (head, fields, 0x14131211, 0x18171615, 0x1C1B1A19)[: 2 + scattered]


def image_cases(op: int) -> Iterator[Case]:
    """Give the forms of an image opcode. Only some take a sampler: a field of zero suits all."""
    yield Case("MIMG", op, "base", image(op))
    yield Case("MIMG", op, "glc", image(op, 1 << 13))
    yield Case("MIMG", op, "a16", image(op, 0, 1 << 30))
    yield Case("MIMG", op, "d16", image(op, 0, 1 << 31))
    yield Case("MIMG", op, "3d", image(op, dim=IMAGE_3D))
    if op != IMAGE_GET_RESINFO:  # its address is one register, for which LLVM has no scattered form
        for words in (3, 2, 1):  # most first: the longest address takes all of them
            yield Case("MIMG", op, "nsa", image(op, dim=IMAGE_3D, scattered=words))


def image_details() -> Iterator[Case]:
    """Give image encodings that LLVM reads as the card does (see docs/records/isa-decoder.md)."""
    for op, pair in IMAGE_DETAILS.items():
        atomic = IMAGE_ATOMICS[0] <= op <= IMAGE_ATOMICS[1]
        masks = (3, 15) if pair else (0, 1, 2, 3, 5) if atomic else range(16)
        for mask, tfe in itertools.product(masks, (0, 1 << 16)):
            if mask != 0:
                yield Case("MIMG", op, "detail", image(op, mask << 8 | tfe))
        for bit in (7, 12, 13, 15, 16, 17, 25):
            yield Case("MIMG", op, "detail", image(op, 1 << bit))
        for dim in range(IMAGE_2D_MSAA):
            yield Case("MIMG", op, "detail", image(op, dim=dim))
            yield Case("MIMG", op, "detail", image(op, 0, 1 << 30, dim=dim))
        for resource in (0, 24, 27, 29):
            yield Case("MIMG", op, "detail", image(op, resource=resource))
    for op in (0, 8, 0x20, 0x22):
        for mask in range(1, 16):
            yield Case("MIMG", op, "detail", image(op, mask << 8, 1 << 31))
        yield Case("MIMG", op, "detail", image(op, 0x203B180 | 3 << 16, 3 << 30))


def detail_cases() -> Iterator[Case]:
    """Give encodings that exercise operands and modifiers, for the vectors alone."""
    for code in range(0x100):
        if code not in (233, 234, 249, 250):
            yield Case("VOP1", 1, "detail", (0x7E100200 | code, 0x40490FDB))
            yield Case("SOP1", 3, "detail", (0xBE880300 | code, 0x40490FDB))
            yield Case("VOP3", 0x14B, "detail", (0xD54B0008, 0x04280C00 | code, 0x40490FDB))
    for literal in (0, 5, 64, 65, 0xFFFFFFF0, 0xFFFFFFEF, 0x3F800000, 0x3E22F983, 0x3C00, 0xB800):
        for word in (0x7E1002FF, 0x7E1006FF, 0x7E10A8FF, 0x7E10A0FF, 0xBE8804FF):
            yield Case("VOP1", 1, "detail", (word, literal))
    for i in range(64):
        yield Case("SOPK", 0x12, "detail", (0xB9080000 | i * 997,))
        yield Case("SOPP", 0x0C, "detail", (0xBF8C0000 | i * 1021,))
        yield Case("SOPP", 0x10, "detail", (0xBF900000 | i,))
        yield Case("SOPP", 0x23, "detail", (0xBFA30000 | i * 1021,))
        yield Case("DS", 0x35, "detail", (0xD8D40000 | i * 1021, 0x08000004))
    for ctrl in (*range(0, 0x100, 17), *range(0x100, 0x170)):
        yield Case("VOP2", 3, "detail", (0x06100CFA, 0xA5000004 | ctrl << 8 | (ctrl & 3) << 18))
    for select in range(0x80):
        if select & 7 != SDWA_NO_SELECT and select >> 3 & 3 != SDWA_NO_UNUSED:
            yield Case(
                "VOP2", 3, "detail", (0x06100CF9, 4 | (select & 0x1F) << 8 | (select % 7) << 16 | 6 << 24)
            )
        yield Case("MTBUF", 0, "detail", (0xE8001012 | select << 19, 0x14040604))
    for bits in range(0x20):
        yield Case("VOP3", 0x14B, "detail", (0xD54B0008 | bits << 8, 0x0428_0D04 | bits << 27))
        yield Case("VOP3P", 0x0E, "detail", (0xCC0E0008 | bits << 8, 0x0428_0D04 | bits << 27))
        yield Case("VOP3P", 0x20, "detail", (0xCC200008 | bits << 8, 0x0428_0D04 | bits << 27))
        yield Case("GLOBAL", 12, "detail", (0xDC308000 | bits << 9 | (bits & 3) << 16, 0x08140004))
    yield from image_details()


def llvm_mc(root: Sysroot) -> list[str]:
    """Give the path of llvm-mc inside the sysroot, as the start of a command."""
    return ["/" + str(max(root.path.glob("usr/lib/llvm-*/bin/llvm-mc")).relative_to(root.path))]


def disassemble(root: Sysroot, mc: Sequence[str], cases: Iterable[Case]) -> list[str]:
    """Give LLVM's text for each case, or "" where it names no instruction or an invalid one."""
    cases = list(cases)
    if len(cases) > BATCH:
        parts = (cases[i : i + BATCH] for i in range(0, len(cases), BATCH))
        return [text for part in parts for text in disassemble(root, mc, part)]
    lines = "".join(f"{_bytes(case.words)}\n{_bytes((MARK_WORD,))}\n" for case in cases)
    command = root.command([*mc, "--disassemble", "-arch=amdgcn", "-mcpu=gfx1010"])
    done = subprocess.run(command, input=lines, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):  # llvm-mc crashes on some encodings: split until one is left
        if len(cases) == 1:
            return [""]
        half = len(cases) // 2
        return [*disassemble(root, mc, cases[:half]), *disassemble(root, mc, cases[half:])]
    texts: list[str] = []
    found: list[str] = []
    for raw in done.stdout.splitlines():
        line = raw.strip()
        if line == MARK:
            texts.append(found[0] if len(found) == 1 and _valid(found[0]) else "")
            found = []
        elif line and not line.startswith("."):
            found.append(line)
    if len(texts) != len(cases):
        raise RuntimeError(f"llvm-mc answered {len(texts)} of {len(cases)} encodings")
    return texts


def _bytes(words: tuple[int, ...]) -> str:
    return "[" + " ".join(f"0x{word >> shift & 255:02x}" for word in words for shift in (0, 8, 16, 24)) + "]"


def _valid(text: str) -> bool:
    return not any(mark in text for mark in ("nvalid", "not supported", "v_illegal", "/*"))


def mnemonic(text: str) -> str:
    """Give the instruction's name without the suffix of its encoding."""
    return re.sub(r"_(e32|e64|sdwa|dpp)$", "", text.split(maxsplit=1)[0])


def check(cases: list[Case], texts: list[str], rows: list[dict[str, object]]) -> list[str]:
    """Compare what LLVM said with the table and give each difference as a line."""
    table = {(_place(str(row["format"])), row["opcode"]): row for row in rows}
    known: dict[tuple[str, int], dict[str, str]] = {}
    for case, text in zip(cases, texts, strict=True):
        if text and not LEFT_OUT.match(text):
            known.setdefault((case.format, case.opcode), {}).setdefault(case.form, text)
            marks = {"clamp": " clamp", "omod": " mul:2"}
            if case.form in marks and marks[case.form] in text:
                known[case.format, case.opcode][case.form] = text
    problems = [f"{key} {row['op']}: not in LLVM" for key, row in table.items() if key not in known]
    for key, forms in sorted(known.items()):
        row = table.get(key)
        names = {mnemonic(text) for text in forms.values()}
        if row is None:
            problems.append(f"{key}: LLVM has {names}, the table has nothing")
            continue
        if names != {row["op"]}:
            problems.append(f"{key}: LLVM has {names}, the table {row['op']}")
        problems += _check_forms(key, row, forms)
    return problems


def _place(format_: str) -> str:
    return "VOP3" if format_ == "VOP3B" else format_


def _check_forms(key: tuple[str, int], row: dict[str, object], forms: dict[str, str]) -> Iterator[str]:
    flags = int(str(row["flags"]))
    for form, flag in FORM_FLAGS.items():
        text = forms.get(form, "")
        has = bool(text) and {"clamp": " clamp" in text, "omod": " mul:2" in text}.get(form, True)
        if has != bool(flags & FLAGS[flag]):
            yield f"{key} {row['op']}: {flag} is {not has} in the table, LLVM says {has}"


def main() -> int:
    """Run the comparison; 1 when anything differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--vectors", type=Path, help="write test vectors (words and LLVM's text) here")
    options = parser.parse_args()
    root = Sysroot.open()
    mc = llvm_mc(root)
    cases = [*scalar_cases(), *vop_cases(), *vop3_cases(), *memory_cases()]
    texts = disassemble(root, mc, cases)
    rows = load().table()
    problems = check(cases, texts, rows)
    sys.stdout.write("".join(f"{line}\n" for line in problems))
    sys.stdout.write(f"{len(cases)} encodings asked, {len(rows)} rows, {len(problems)} differences\n")
    if options.vectors:
        details = list(detail_cases())
        write_vectors(options.vectors, cases + details, texts + disassemble(root, mc, details))
    return 1 if problems else 0


def write_vectors(path: Path, cases: list[Case], texts: list[str]) -> None:
    """Write one vector for each form of each row, and every detail."""
    seen: set[tuple[str, int, str]] = set()
    lines = ["# Words and LLVM 21's text for gfx1010 in wave32 mode; written by tools/probe.py --vectors."]
    for case, text in zip(cases, texts, strict=True):
        key = (case.format, case.opcode, case.form)
        if not text or LEFT_OUT.match(text) or (case.form != "detail" and key in seen):
            continue
        seen.add(key)
        lines.append(" ".join(f"{word:08x}" for word in case.words) + " ; " + text)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
