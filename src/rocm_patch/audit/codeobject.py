"""One AMDGPU code object: its target, version, kernel descriptors and metadata note.

Reads an ELF file (elf.py) and joins what the descriptors say with what the
metadata says. Differences are handed to the rules through `Facts`; nothing is judged here.
"""

from __future__ import annotations

from typing import Any

import attrs
import msgpack

from rocm_patch.audit import descriptor, elf
from rocm_patch.audit.blob import malformed, part
from rocm_patch.audit.descriptor import Descriptor
from rocm_patch.audit.model import CodeObject, Kernel
from rocm_patch.audit.occupancy import occupancy
from rocm_patch.audit.targets import GpuTarget, known_targets, target_of_flags

OSABI_HSA = 64
NOTE_METADATA = 32
#: EI_ABIVERSION to the code object version that it stands for.
ABI_VERSIONS = {0: 2, 1: 3, 2: 4, 3: 5, 4: 6}
_MSGPACK_ERRORS = (msgpack.UnpackException, msgpack.ExtraData, ValueError, TypeError, RecursionError)


@attrs.define(eq=False)
class KernelFacts:
    """Everything known of one kernel: the record, the decoded descriptor, its metadata, its code."""

    kernel: Kernel
    descriptor: Descriptor | None
    metadata: dict[str, Any] | None
    #: Whether a function of the kernel's name exists (a kernel may lack only its descriptor).
    has_function: bool
    #: Whether the entry point lies in an executable section, on the 256 bytes it must be aligned to.
    entry_ok: bool
    #: The kernel's machine code, empty where it has no function symbol.
    code: memoryview


@attrs.define(eq=False)
class Facts:
    """A code object with what its rules need besides."""

    code_object: CodeObject
    gpu: GpuTarget | None
    osabi: int
    has_metadata: bool = False
    kernels: list[KernelFacts] = attrs.field(factory=list)
    relocation_types: dict[int, int] = attrs.field(factory=dict)


def read_header(view: memoryview, where: str) -> CodeObject:
    """Read target and version only; raises AuditError where this is no AMDGPU ELF file."""
    return _header(elf.Elf(view, where))


def _header(file: elf.Elf) -> CodeObject:
    if file.machine != elf.MACHINE_AMDGPU:
        raise malformed(file.where, 18, f"machine {file.machine} instead of {elf.MACHINE_AMDGPU} (AMDGPU)")
    version = ABI_VERSIONS.get(file.abi_version, 0)
    target = target_of_flags(file.flags, version)
    return CodeObject(where=file.where, size=len(file.view), version=version, target=target, flags=file.flags)


def read(view: memoryview, where: str) -> Facts:
    """Read a whole code object."""
    file = elf.Elf(view, where)
    code = _header(file)
    facts = Facts(code, known_targets().get(code.target.processor), file.osabi)
    metadata = _metadata(file, code, facts)
    _kernels(file, facts, metadata)
    if file.type == elf.ET_DYN:
        for one in file.relocations():
            facts.relocation_types[one.type] = facts.relocation_types.get(one.type, 0) + 1
    return facts


def _metadata(file: elf.Elf, code: CodeObject, facts: Facts) -> dict[str, dict[str, Any]]:
    """Read the msgpack note; give its kernels by the name of their descriptor symbol."""
    kernels: dict[str, dict[str, Any]] = {}
    for note in file.notes():
        if note.owner != b"AMDGPU" or note.type != NOTE_METADATA:
            continue
        try:
            data = msgpack.unpackb(
                note.data, strict_map_key=False, raw=False, unicode_errors="backslashreplace"
            )
        except _MSGPACK_ERRORS as error:
            raise malformed(file.where, note.offset, f"metadata is no msgpack: {error!r}") from error
        rows = data.get("amdhsa.kernels", []) if isinstance(data, dict) else None
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise malformed(file.where, note.offset, "metadata is no map with a list of kernels")
        facts.has_metadata = True
        version = data.get("amdhsa.version")
        if isinstance(version, list) and all(isinstance(number, int) for number in version):
            code.metadata_version = tuple(version)
        code.metadata_target = str(data.get("amdhsa.target", ""))
        for row in rows:
            name = str(row.get(".name", ""))
            kernels[str(row.get(".symbol", f"{name}.kd"))] = row
    return kernels


def _kernels(file: elf.Elf, facts: Facts, metadata: dict[str, dict[str, Any]]) -> None:
    functions: dict[str, elf.Symbol] = {}
    descriptors: list[elf.Symbol] = []
    for symbol in file.symbols(elf.STT_FUNC, elf.STT_OBJECT):
        if symbol.section == 0:
            continue
        if symbol.type == elf.STT_FUNC:
            functions[symbol.name] = symbol
        elif symbol.name.endswith(".kd"):
            descriptors.append(symbol)
    for symbol in descriptors:
        rows = metadata.pop(symbol.name, None)
        facts.kernels.append(_described(file, facts, symbol, rows, functions))
    for name, row in metadata.items():
        kernel = Kernel(name=str(row.get(".name", name.removesuffix(".kd"))), symbol=name)
        _take_metadata(kernel, row)
        known = functions.get(name.removesuffix(".kd"))
        facts.kernels.append(
            KernelFacts(
                kernel=kernel,
                descriptor=None,
                metadata=row,
                has_function=known is not None,
                entry_ok=True,
                code=file.view[:0],
            )
        )
    facts.code_object.kernels = [entry.kernel for entry in facts.kernels]


def _described(
    file: elf.Elf,
    facts: Facts,
    symbol: elf.Symbol,
    row: dict[str, Any] | None,
    functions: dict[str, elf.Symbol],
) -> KernelFacts:
    name = symbol.name.removesuffix(".kd")
    place = _place(file, symbol, descriptor.SIZE, "kernel descriptor")
    data = part(file.view, place, descriptor.SIZE, where=file.where, what=f"descriptor {symbol.name}")
    decoded = descriptor.decode(data, facts.code_object.target)
    kernel = Kernel(name=name, symbol=symbol.name, descriptor=place)
    if row is not None:
        _take_metadata(kernel, row)
    kernel.wave = decoded.wave or kernel.wave
    kernel.lds, kernel.scratch = decoded.lds, decoded.scratch
    kernel.kernarg = decoded.kernarg or kernel.kernarg
    kernel.wgp_mode, kernel.dynamic_stack = decoded.wgp_mode, decoded.dynamic_stack
    # The exact count where the metadata has it; the descriptor has it rounded up.
    kernel.vgprs = kernel.vgprs or decoded.vgprs
    kernel.sgprs = kernel.sgprs or decoded.sgprs
    code, has_function = file.view[:0], False
    function = functions.get(name)
    if function is not None:
        has_function = True
        kernel.code_size = function.size
        kernel.code_offset = _place(file, function, function.size, "kernel code")
        code = part(file.view, kernel.code_offset, function.size, where=file.where, what=f"code of {name}")
    if facts.gpu is not None and decoded.wave in facts.gpu.wave_sizes:
        kernel.occupancy = occupancy(
            facts.gpu,
            wave=decoded.wave,
            vgprs=max(kernel.vgprs, decoded.vgprs),
            lds=decoded.lds,
            workgroup=kernel.max_workgroup,
            wgp_mode=decoded.wgp_mode,
        )
    entry_ok = file.type == elf.ET_REL or _entry_ok(file, symbol.value + decoded.entry)
    return KernelFacts(kernel, decoded, row, has_function, entry_ok, code)


def _place(file: elf.Elf, symbol: elf.Symbol, size: int, what: str) -> int:
    """Give the file offset of a symbol's bytes by way of its section."""
    if symbol.section >= len(file.sections):
        raise malformed(
            file.where, 0, f"{what} {symbol.name} names section {symbol.section}, which is not there"
        )
    section = file.sections[symbol.section]
    inside = symbol.value - (0 if file.type == elf.ET_REL else section.address)
    if section.type == elf.SHT_NOBITS or inside < 0 or inside + size > section.size:
        raise malformed(
            file.where,
            section.offset,
            f"{what} {symbol.name} at 0x{symbol.value:x} leaves section {section.name}",
        )
    return section.offset + inside


def _entry_ok(file: elf.Elf, entry: int) -> bool:
    return entry % 256 == 0 and any(
        section.flags & elf.SHF_EXECINSTR and section.address <= entry < section.address + section.size
        for section in file.sections
    )


_FIELDS = {
    "wave": ".wavefront_size",
    "vgprs": ".vgpr_count",
    "agprs": ".agpr_count",
    "sgprs": ".sgpr_count",
    "lds": ".group_segment_fixed_size",
    "scratch": ".private_segment_fixed_size",
    "kernarg": ".kernarg_segment_size",
    "max_workgroup": ".max_flat_workgroup_size",
    "vgpr_spills": ".vgpr_spill_count",
    "sgpr_spills": ".sgpr_spill_count",
}


def _take_metadata(kernel: Kernel, row: dict[str, Any]) -> None:
    for attribute, key in _FIELDS.items():
        value = row.get(key, 0)
        # A field of another type is left at 0: the rule that compares it with the descriptor says so.
        setattr(kernel, attribute, value if isinstance(value, int) and value >= 0 else 0)
