"""The rules that need no instruction decoder: versions, target ids, limits, descriptor against metadata.

Each cites where the limit or the layout is laid down. A rule knows one code
object or kernel (codeobject.py) and the target's data, never the file around it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import attrs

from rocm_patch.audit.codeobject import OSABI_HSA, Facts, KernelFacts
from rocm_patch.audit.descriptor import vgpr_granule
from rocm_patch.audit.rules import KernelRule, ObjectRule
from rocm_patch.audit.targets import machines, parse_target_id

_USAGE = "LLVM AMDGPUUsage"
_ABI = f"{_USAGE}, code object metadata and kernel descriptor"
_LIMITS = "build/targets, after LLVM AMDGPUBaseInfo.cpp"
#: Dynamic relocations that the ROCr loader applies (its executable.cpp).
LOADABLE_RELOCATIONS = {1, 2, 3, 13}


@attrs.frozen
class BuiltinObjectRule:
    """A rule over a code object, made of a plain function."""

    name: str
    severity: str
    source: str
    check: Callable[[Facts], Iterable[str]]


@attrs.frozen
class BuiltinKernelRule:
    """A rule over a kernel, made of a plain function."""

    name: str
    severity: str
    source: str
    check: Callable[[KernelFacts, Facts], Iterable[str]]


def _version(facts: Facts) -> Iterator[str]:
    if not 3 <= facts.code_object.version <= 6:  # noqa: PLR2004 - the versions that HIP 6 loads
        yield f"code object version {facts.code_object.version or 'unknown'}, 3 to 6 can be loaded"


def _osabi(facts: Facts) -> Iterator[str]:
    if facts.osabi != OSABI_HSA:
        yield f"ELF OS ABI {facts.osabi}, not {OSABI_HSA} (amdhsa)"


def _processor(facts: Facts) -> Iterator[str]:
    mach = facts.code_object.flags & 0xFF
    if mach not in machines():
        yield f"e_flags name processor 0x{mach:02x}, which is not known"


def _features(facts: Facts) -> Iterator[str]:
    code = facts.code_object
    machine = machines().get(code.flags & 0xFF)
    supported = machine.features if machine else ()
    unusable = facts.gpu.unusable_features if facts.gpu else ()
    for feature in code.target.features:
        if machine and feature[:-1] not in supported:
            yield f"{code.target} has a feature that {machine.name} has not"
        elif feature in unusable:
            yield f"{code.target} cannot be loaded on the card: it never runs with {feature}"


def _metadata(facts: Facts) -> Iterator[str]:
    if not facts.has_metadata:
        yield "no NT_AMDGPU_METADATA note"


def _metadata_target(facts: Facts) -> Iterator[str]:
    code = facts.code_object
    if not code.metadata_target:
        return
    named = parse_target_id(code.metadata_target.removeprefix("amdgcn-amd-amdhsa--"))
    if named is None or named != code.target:
        yield f"metadata is for {code.metadata_target}, e_flags say {code.target}"


def _relocations(facts: Facts) -> Iterator[str]:
    for kind, count in sorted(facts.relocation_types.items()):
        if kind not in LOADABLE_RELOCATIONS:
            yield f"{count} dynamic relocations of type {kind}, which the loader does not apply"


def _no_descriptor(subject: KernelFacts, _facts: Facts) -> Iterator[str]:
    if subject.descriptor is None and subject.has_function:
        yield f"a function and metadata, but no descriptor {subject.kernel.symbol}"


def _no_symbol(subject: KernelFacts, _facts: Facts) -> Iterator[str]:
    if subject.descriptor is None and not subject.has_function:
        yield f"metadata names {subject.kernel.symbol}, which does not exist"


def _no_metadata(subject: KernelFacts, facts: Facts) -> Iterator[str]:
    if subject.metadata is None and facts.has_metadata:
        yield "a descriptor without metadata: HIP cannot find the kernel"


def _reserved(subject: KernelFacts, _facts: Facts) -> Iterator[str]:
    if subject.descriptor is not None and subject.descriptor.reserved_set:
        yield "reserved bytes of the descriptor are not zero"


def _entry(subject: KernelFacts, _facts: Facts) -> Iterator[str]:
    if not subject.entry_ok:
        yield "entry point outside executable code, or not aligned to 256 bytes"


_COMPARED = (
    ("wave", ".wavefront_size"),
    ("lds", ".group_segment_fixed_size"),
    ("scratch", ".private_segment_fixed_size"),
    ("kernarg", ".kernarg_segment_size"),
)


def _disagree(subject: KernelFacts, _facts: Facts) -> Iterator[str]:
    descriptor, row = subject.descriptor, subject.metadata
    if descriptor is None or row is None:
        return
    for attribute, key in _COMPARED:
        in_descriptor, in_metadata = getattr(descriptor, attribute), row.get(key)
        # Kernarg 0 is what the assembler writes where the author said nothing; wave 0 is a
        # processor whose descriptors cannot be read here.
        silent = in_descriptor == 0 and attribute in ("kernarg", "wave")
        if in_metadata != in_descriptor and not silent:
            yield f"descriptor has {attribute} {in_descriptor}, metadata has {in_metadata}"


def _registers_disagree(subject: KernelFacts, facts: Facts) -> Iterator[str]:
    descriptor, row = subject.descriptor, subject.metadata
    if descriptor is None or row is None:
        return
    granule = vgpr_granule(facts.code_object.target, descriptor.wave)
    count = row.get(".vgpr_count")
    if granule and isinstance(count, int) and count > descriptor.vgprs:
        yield f"metadata uses {count} vector registers, the descriptor allocates {descriptor.vgprs}"


def _wave64(subject: KernelFacts, facts: Facts) -> Iterator[str]:
    if (
        facts.gpu is not None
        and subject.descriptor is not None
        and subject.descriptor.wave == max(facts.gpu.wave_sizes)
    ):
        yield "wave64 kernel"


def _lds(subject: KernelFacts, facts: Facts) -> Iterator[str]:
    if facts.gpu is not None and subject.kernel.lds > facts.gpu.lds.workgroup:
        yield f"{subject.kernel.lds} bytes of LDS, a workgroup has {facts.gpu.lds.workgroup}"


def _vgprs(subject: KernelFacts, facts: Facts) -> Iterator[str]:
    if facts.gpu is not None and subject.kernel.vgprs > facts.gpu.vgpr.addressable:
        yield f"{subject.kernel.vgprs} vector registers, {facts.gpu.vgpr.addressable} can be addressed"


def _scratch(subject: KernelFacts, facts: Facts) -> Iterator[str]:
    kernel = subject.kernel
    if facts.gpu is not None and kernel.scratch * (kernel.wave or 64) > facts.gpu.scratch_per_wave:
        limit = facts.gpu.scratch_per_wave // (kernel.wave or 64)
        yield f"{kernel.scratch} bytes of scratch a lane, the limit is {limit}"


def _workgroup(subject: KernelFacts, facts: Facts) -> Iterator[str]:
    kernel = subject.kernel
    if facts.gpu is None:
        return
    if kernel.max_workgroup > facts.gpu.max_workgroup_size:
        yield f"workgroups of {kernel.max_workgroup}, the limit is {facts.gpu.max_workgroup_size}"
    elif kernel.occupancy is not None and kernel.occupancy.waves == 0:
        yield f"a workgroup of {kernel.max_workgroup} does not fit the card ({kernel.occupancy.limit})"


def _spills(subject: KernelFacts, facts: Facts) -> Iterator[str]:
    kernel = subject.kernel
    if facts.gpu is not None and kernel.vgpr_spills:
        yield f"{kernel.vgpr_spills} vector registers are spilled to scratch"


OBJECT_RULES: tuple[ObjectRule, ...] = (
    BuiltinObjectRule(
        "code-object-version", "error", f"{_USAGE}, ELF header: e_ident[EI_ABIVERSION]", _version
    ),
    BuiltinObjectRule("os-abi", "error", f"{_USAGE}, ELF header: e_ident[EI_OSABI]", _osabi),
    BuiltinObjectRule("processor", "error", f"{_USAGE}, ELF header: e_flags", _processor),
    BuiltinObjectRule("target-feature", "error", f"{_USAGE}, target features", _features),
    BuiltinObjectRule("no-metadata", "error", _ABI, _metadata),
    BuiltinObjectRule("metadata-target", "error", _ABI, _metadata_target),
    BuiltinObjectRule("relocation", "error", f"{_USAGE}, relocation records; ROCr loader", _relocations),
)

KERNEL_RULES: tuple[KernelRule, ...] = (
    BuiltinKernelRule("kernel-without-descriptor", "error", _ABI, _no_descriptor),
    BuiltinKernelRule("metadata-without-symbol", "error", _ABI, _no_symbol),
    BuiltinKernelRule("descriptor-without-metadata", "error", _ABI, _no_metadata),
    BuiltinKernelRule("descriptor-reserved", "error", _ABI, _reserved),
    BuiltinKernelRule("kernel-entry", "error", _ABI, _entry),
    BuiltinKernelRule("descriptor-metadata", "error", _ABI, _disagree),
    BuiltinKernelRule("descriptor-vgprs", "error", _ABI, _registers_disagree),
    BuiltinKernelRule("lds-limit", "error", _LIMITS, _lds),
    BuiltinKernelRule("vgpr-limit", "error", _LIMITS, _vgprs),
    BuiltinKernelRule("scratch-limit", "error", _LIMITS, _scratch),
    BuiltinKernelRule("workgroup-limit", "error", _LIMITS, _workgroup),
    BuiltinKernelRule("wave64", "note", "hip_runtime.h: HIP code for gfx10 is wave32", _wave64),
    BuiltinKernelRule("vgpr-spill", "note", _ABI, _spills),
)
