"""How many waves of a kernel can be resident on one SIMD, and what stops more.

Arithmetic over a target's data (targets.py) and a kernel's numbers; reads no file.
The figure is static: LDS that the host asks for at launch is not in it.
"""

from __future__ import annotations

import attrs

from rocm_patch.audit.targets import GpuTarget


@attrs.frozen
class Occupancy:
    """Waves per SIMD at the kernel's largest workgroup, and the resource that limits them."""

    waves: int
    limit: str


def occupancy(
    target: GpuTarget, *, wave: int, vgprs: int, lds: int, workgroup: int, wgp_mode: bool
) -> Occupancy:
    """Compute resident waves per SIMD.

    `wave` in lanes, `vgprs` per lane, `lds` in bytes per workgroup, `workgroup`
    in work-items (0: unknown, taken as one wave). 0 waves means that a workgroup
    of that size does not fit the card at all.
    """
    by_registers = registers_allow(target, wave=wave, vgprs=vgprs)
    simds = target.simds.wgp if wgp_mode else target.simds.cu
    pool = target.lds.wgp if wgp_mode else target.lds.cu
    slots = target.workgroups.wgp if wgp_mode else target.workgroups.cu
    per_group = max(1, -(-workgroup // wave))
    groups = {
        "waves": simds * target.waves_per_simd // per_group,
        "vgpr": simds * by_registers // per_group,
    }
    if lds:
        step = target.lds.granule
        groups["lds"] = pool // (-(-lds // step) * step)
    if per_group > 1:  # a workgroup of one wave needs no barrier slot
        groups["barriers"] = slots
    fits = min(groups.values())
    limit = next(name for name, value in groups.items() if value == fits)
    most = min(by_registers, target.waves_per_simd)
    return Occupancy(min(most, -(-fits * per_group // simds)), limit)


def registers_allow(target: GpuTarget, *, wave: int, vgprs: int) -> int:
    """Give the waves per SIMD that the vector registers alone would allow."""
    granule = target.vgpr.granule[wave]
    if vgprs < granule:
        return target.waves_per_simd
    rounded = -(-vgprs // granule) * granule
    return min(max(target.vgpr.total[wave] // rounded, 1), target.waves_per_simd)
