"""One file to one report: find its bundles and code objects, read them, run the rules.

Joins bundle.py, codeobject.py and the rules. Knows one file at a time; what holds
between files (folders of kernels, requirements) is for folders.py and audit.py.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

import attrs

from rocm_patch.audit import codeobject, rules, tensile
from rocm_patch.audit.builtin_rules import KERNEL_RULES, OBJECT_RULES
from rocm_patch.audit.bundle import Opened, bundles, make_entry
from rocm_patch.audit.elf import ET_REL, MACHINE_AMDGPU, SHT_NOBITS, Elf, Section
from rocm_patch.audit.members import Member
from rocm_patch.audit.model import CodeObject, Entry, FatBinary, FileReport, Totals
from rocm_patch.audit.rules import KernelRule, ObjectRule

_BUNDLE_SOURCE = "clang OffloadBundler.cpp"
_WRAPPER_SOURCE = "clang CGCUDANV.cpp: __CudaFatBinaryWrapper"
_FATBIN = ".hip_fatbin"
_SEGMENT = ".hipFatBinSegment"
_RDC = "__CLANG_OFFLOAD_BUNDLE__"
_PACKAGED = ".llvm.offloading"
_WRAPPER = struct.Struct("<IIQQ")
_WRAPPER_MAGIC = 0x48495046


@attrs.frozen
class Options:
    """What to audit for: the target, and the rules to run (further ones are added by the caller)."""

    target: str = "gfx1010"
    kernel_rules: Sequence[KernelRule] = KERNEL_RULES
    object_rules: Sequence[ObjectRule] = OBJECT_RULES
    #: Only list bundles and targets: no kernels, no rules.
    quick: bool = False


def scan(member: Member, options: Options, report: FileReport) -> None:
    """Fill `report` from one file; what was found before an AuditError stays in it."""
    if member.kind == "tensile":
        report.kind = "tensile-library"
        if not options.quick:
            report.solutions, report.leads = tensile.read_library(member.view, member.path)
        return
    if member.kind == "bundle":
        report.kind = "bundle"
        _bundles(member.view, "", 0, report, options)
    elif bytes(member.view[4:6]) != b"\x02\x01":
        report.kind = "elf"  # 32-bit or big-endian: the host of no HIP program
    else:
        file = Elf(member.view, member.path)
        if file.machine == MACHINE_AMDGPU:
            report.kind = "code-object"
            report.bare.append(_code_object(member.view, member.path, report, options))
        else:
            report.kind = "elf"
            _host(file, report, options)
    if not options.quick:
        _missing(report, options.target)


def _host(file: Elf, report: FileReport, options: Options) -> None:
    for section in file.sections:
        if section.type == SHT_NOBITS:
            continue
        if section.name == _FATBIN or section.name.startswith(_FATBIN + "."):
            _bundles(file.data(section), section.name, section.offset, report, options)
        elif section.name.startswith(_RDC):
            _relocatable(file.data(section), section, report, options)
        elif section.name == _PACKAGED:
            report.add(
                "unread-section",
                "warning",
                "LLVM OffloadBinary.h",
                f"{_PACKAGED} is not read: link the file first",
            )
    if not options.quick and file.type != ET_REL:
        _wrappers(file, report)


def _relocatable(data: memoryview, section: Section, report: FileReport, options: Options) -> None:
    """Read a section of a -fgpu-rdc object: one entry, whose name is in the section's."""
    faults: list[tuple[str, str]] = []
    entry = make_entry(section.name.removeprefix(_RDC), 0, len(data), data, faults)
    fat = FatBinary(offset=section.offset, size=len(data), section=section.name, entries=[entry])
    _opened(Opened(fat, data, faults), report, options)


def _bundles(view: memoryview, section: str, base: int, report: FileReport, options: Options) -> None:
    for opened in bundles(view, where=report.path, section=section, base=base):
        _opened(opened, report, options)


def _opened(opened: Opened, report: FileReport, options: Options) -> None:
    report.fat_binaries.append(opened.fat)
    for rule, message in opened.faults:
        report.add(rule, "error", _BUNDLE_SOURCE, f"{report.path}: {message}")
    for entry in opened.fat.entries:
        if entry.kind == "host":
            entry.content = "host"
            continue
        where = f"{report.path}: bundle at {opened.fat.offset}, {entry.ident}"
        if entry.content == "empty":
            report.add("bundle-empty-entry", "error", _BUNDLE_SOURCE, f"{where}: no code")
        elif entry.content == "unknown":
            report.add("bundle-content", "error", _BUNDLE_SOURCE, f"{where}: neither ELF nor bitcode")
        elif entry.content == "code":
            data = opened.data[entry.offset : entry.offset + entry.size]
            entry.code = _code_object(data, where, report, options)
            _compare_target(entry, entry.code, where, report)


def _compare_target(entry: Entry, code: CodeObject, where: str, report: FileReport) -> None:
    """Compare a bundle entry's name with its code. A feature the name leaves out is 'any' in both."""
    if entry.target is not None and entry.target != code.target:
        report.add(
            "bundle-target",
            "error",
            f"{_BUNDLE_SOURCE}, target id",
            f"{where}: its code is for {code.target}",
        )


def _code_object(view: memoryview, where: str, report: FileReport, options: Options) -> CodeObject:
    if options.quick:
        return codeobject.read_header(view, where)
    facts = codeobject.read(view, where)
    rules.run(facts, report, options.kernel_rules, options.object_rules)
    code = facts.code_object
    totals = Totals(code_objects=1, kernels=len(code.kernels), size=code.size)
    report.totals.setdefault(code.target.processor, Totals()).add(totals)
    return code


def _missing(report: FileReport, target: str) -> None:
    """Note kernels of other targets in the fat binaries of this file that `target` has not."""
    if not report.fat_binaries or tensile.target_in_name(report.path):
        return
    own: set[str] = set()
    others: set[str] = set()
    for code in report.code_objects():
        (own if code.target.processor == target else others).update(k.name for k in code.kernels)
    report.lacks(others - own)


def _wrappers(file: Elf, report: FileReport) -> None:
    """Compare the wrappers that register fat binaries at start-up with the bundles in the file."""
    section = file.named(_SEGMENT)
    if section is None or not report.fat_binaries:
        if report.fat_binaries and any(fat.section == _FATBIN for fat in report.fat_binaries):
            _wrapper_finding(report, f"no {_SEGMENT} registers the code")
        return
    rows = file.data(section)
    low, high = section.address, section.address + section.size
    pointers = {
        one.place: file.dynamic_value(one.symbol) + one.addend
        for one in file.relocations()
        if low <= one.place < high
    }
    starts = {fat.offset for fat in report.fat_binaries}
    registered = set()
    for at in range(0, len(rows) - _WRAPPER.size + 1, _WRAPPER.size):
        magic, _version, in_place, _unused = _WRAPPER.unpack_from(rows, at)
        address = pointers.get(low + at + 8, in_place)
        offset = file.file_offset(address)
        if magic != _WRAPPER_MAGIC:
            _wrapper_finding(report, f"{_SEGMENT}+{at}: magic 0x{magic:x}")
        elif offset not in starts:
            _wrapper_finding(report, f"a wrapper points to 0x{address:x}, where no bundle begins")
        else:
            registered.add(offset)
    for offset in sorted(starts - registered):
        _wrapper_finding(report, f"nothing registers the bundle at {offset}")


def _wrapper_finding(report: FileReport, message: str) -> None:
    report.add("fatbin-wrapper", "error", _WRAPPER_SOURCE, f"{report.path}: {message}")
