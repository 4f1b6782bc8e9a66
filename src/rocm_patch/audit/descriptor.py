"""The 64-byte kernel descriptor that the command processor reads (LLVM AMDGPUUsage, amdhsa ABI).

Bits to numbers only: which of them are wrong is for the rules.
"""

from __future__ import annotations

import struct

import attrs

from rocm_patch.audit.targets import TargetId

SIZE = 64
_LAYOUT = struct.Struct("<IIIIq20sIIIHHI")
#: Processors whose accumulation registers share one file with the others, in steps of eight.
_UNIFIED = {"gfx90a", "gfx942", "gfx950", "gfx9-4-generic"}


@attrs.define(eq=False)
class Descriptor:
    """A decoded descriptor: sizes in bytes, registers as allocated (rounded up to the granule)."""

    lds: int
    scratch: int
    kernarg: int
    entry: int
    wave: int
    vgprs: int
    sgprs: int
    wgp_mode: bool
    dynamic_stack: bool
    reserved_set: bool


def decode(data: memoryview | bytes, target: TargetId) -> Descriptor:
    """Decode 64 bytes. Wave size and registers are 0 where the target's encoding is not known here."""
    lds, scratch, kernarg, zero, entry, zeros, _rsrc3, rsrc1, _rsrc2, properties, _preload, tail = (
        _LAYOUT.unpack(data)
    )
    generation = target.generation
    modern = generation >= 10  # noqa: PLR2004 - gfx10 brought wave32
    wave = 0 if generation == 0 else 32 if modern and properties & 0x400 else 64
    return Descriptor(
        lds=lds,
        scratch=scratch,
        kernarg=kernarg,
        entry=entry,
        wave=wave,
        vgprs=((rsrc1 & 0x3F) + 1) * vgpr_granule(target, wave),
        sgprs=_sgprs(generation, (rsrc1 >> 6) & 0xF),
        wgp_mode=modern and bool(rsrc1 & (1 << 29)),
        dynamic_stack=bool(properties & 0x800),
        reserved_set=bool(zero or tail or any(zeros)),
    )


def vgpr_granule(target: TargetId, wave: int) -> int:
    """Give the step in which the descriptor counts vector registers, 0 where it is not known here."""
    if wave == 0 or target.processor == "gfx1250":
        return 0
    return 8 if wave == 32 or target.processor in _UNIFIED else 4  # noqa: PLR2004 - lanes


def _sgprs(generation: int, field: int) -> int:
    if generation == 9:  # noqa: PLR2004 - gfx9
        return (field // 2 + 1) * 16
    # From gfx10 on every wave has the same number and the field is reserved.
    return (field + 1) * 8 if 0 < generation < 9 else 0  # noqa: PLR2004 - gfx9
