"""What each gfx1010 kernel of a file, package or folder consists of: mix, loops, FMA share, breaches.

Joins the audit's file readers with the decoder. Nothing is printed here.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import attrs

from rocm_patch.audit import codeobject
from rocm_patch.audit.bundle import bundles
from rocm_patch.audit.elf import MACHINE_AMDGPU, Elf
from rocm_patch.audit.members import Member, members, walk
from rocm_patch.isa.library import CodeReport, Library
from rocm_patch.isa.rules import TARGETS

_FATBIN = ".hip_fatbin"


@attrs.frozen
class KernelCode:
    """One kernel: where it is, its machine code and what was found in it."""

    where: str
    name: str
    wave: int
    code: bytes
    report: CodeReport


def code_objects(path: Path) -> Iterator[tuple[str, memoryview]]:
    """Give place and bytes of every code object that a gfx1010 runs, at or under `path`."""
    for file in walk(path):
        for member in members(file):
            if member.kind != "tensile":
                yield from _objects(member)


def _objects(member: Member) -> Iterator[tuple[str, memoryview]]:
    sections = [("", member.view)]
    if member.kind == "elf":
        file = Elf(member.view, member.path)
        if file.machine == MACHINE_AMDGPU:
            if codeobject.read_header(member.view, member.path).target.processor in TARGETS:
                yield member.path, member.view
            return
        names = (_FATBIN, _FATBIN + ".")
        sections = [
            (s.name, file.data(s)) for s in file.sections if s.name == names[0] or s.name.startswith(names[1])
        ]
    for name, view in sections:
        for opened in bundles(view, where=member.path, section=name):
            for entry in opened.fat.entries:
                if entry.target and entry.target.processor in TARGETS and entry.content == "code":
                    data = opened.data[entry.offset : entry.offset + entry.size]
                    yield f"{member.path}: bundle at {opened.fat.offset}, {entry.ident}", data


def kernels(path: Path, library: Library) -> Iterator[KernelCode]:
    """Give each kernel at or under `path` that a gfx1010 runs; AuditError for damaged files."""
    for where, data in code_objects(path):
        for subject in codeobject.read(data, where).kernels:
            code = bytes(subject.code)
            if code:
                wave = subject.kernel.wave or 32
                yield KernelCode(where, subject.kernel.name, wave, code, library.audit(code, wave))
