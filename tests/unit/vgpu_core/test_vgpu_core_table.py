"""Which instructions have a handler, and which have vectors here."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from tests.unit.vgpu_core import (
    test_vgpu_core_flow,
    test_vgpu_core_formats,
    test_vgpu_core_lds,
    test_vgpu_core_rest,
)
from tests.unit.vgpu_core.integers import VECTOR
from tests.unit.vgpu_core.table import ROWS
from tests.unit.vgpu_core.test_vgpu_core_convert import FROM_INTEGER
from tests.unit.vgpu_core.test_vgpu_core_floats import (
    FLOAT_COMPARES,
    ROUNDED,
    ROUNDERS,
    TO_INTEGER,
    TRANSCENDENTAL,
)
from tests.unit.vgpu_core.test_vgpu_core_integers import CARRY, INTEGER_COMPARES
from tests.unit.vgpu_core.test_vgpu_core_memory import ATOMICS, DS_NAMES, PLAIN, loads, stores
from tests.unit.vgpu_core.test_vgpu_core_packed import PACKED
from tests.unit.vgpu_core.test_vgpu_core_scalar import LOGIC, SCALAR, TESTS
from tests.unit.vgpu_core.test_vgpu_core_smem import SCALAR_MEMORY

if TYPE_CHECKING:
    from pathlib import Path

# Checked by tests of their own, not by a parametrized one.
SINGLE_TESTS = """
v_readlane_b32 v_readfirstlane_b32 v_writelane_b32 v_permlane16_b32 v_permlanex16_b32 v_mbcnt_lo_u32_b32
v_mbcnt_hi_u32_b32 v_pk_fma_f16 v_fma_mix_f32 v_movrels_b32 s_movrels_b32 v_mad_u64_u32 v_sin_f32
v_cos_f32 v_cvt_f16_f32 v_cvt_f32_f16 v_cvt_f32_f64 v_cvt_f64_f32 v_cmp_class_f32 v_div_scale_f32
v_div_scale_f64 v_div_fmas_f32 v_div_fmas_f64 v_div_fixup_f32 v_div_fixup_f64 ds_bpermute_b32
ds_permute_b32 ds_swizzle_b32 v_ldexp_f16 v_ldexp_f32 v_ldexp_f64 v_frexp_mant_f16 v_frexp_mant_f32
v_frexp_mant_f64 v_frexp_exp_i16_f16 v_frexp_exp_i32_f32 v_frexp_exp_i32_f64 v_fract_f16 v_fract_f32
v_fract_f64 v_cvt_pkrtz_f16_f32 v_fmac_f16 v_fmac_f32 v_fmamk_f16 v_fmamk_f32 v_fmaak_f16 v_fmaak_f32
v_pk_add_f16 v_pk_mul_f16 v_pk_min_f16 v_pk_max_f16 v_med3_f16 v_med3_f32 v_cndmask_b32 ds_cmpst_rtn_b32
ds_read2_b32 ds_read2st64_b32 ds_write2_b32 global_atomic_cmpswap
"""
GRAPHICS = ("MIMG", "EXP")
# How many compute instructions may be without a vector.
WITHOUT = 0


def with_vectors() -> set[str]:
    """Mnemonics that a parametrized test of this folder checks against a definition."""
    names = {
        *VECTOR,
        *CARRY,
        *INTEGER_COMPARES,
        *FLOAT_COMPARES,
        *ROUNDED,
        *TO_INTEGER,
        *TRANSCENDENTAL,
        *SCALAR,
    }
    names |= {f"v_{op}_{kind}" for op in ROUNDERS for kind in ("f16", "f32", "f64")}
    names |= {f"s_{op}_saveexec_b{width}" for op in LOGIC for width in (32, 64)}
    names |= {f"s_{k}_{op}_{kind}" for k in ("cmp", "cmpk") for op in TESTS for kind in ("i32", "u32")}
    names |= {
        f"{kind}_atomic_{op}{wide}"
        for kind in ("global", "flat", "buffer")
        for op in ATOMICS
        for wide in ("", "_x2")
    }
    names |= {f"ds_{op}" for op in DS_NAMES}
    names.update(PLAIN, SINGLE_TESTS.split(), SCALAR_MEMORY, PACKED, FROM_INTEGER)
    for prefix in ("ds_read", "global_load", "flat_load"):
        names.update(loads(prefix))
    for prefix in ("ds_write", "global_store", "flat_store"):
        names.update(stores(prefix))
    for module in (test_vgpu_core_flow, test_vgpu_core_formats, test_vgpu_core_lds, test_vgpu_core_rest):
        names |= module.COVERED
    return names & ROWS.keys()


def without_vectors() -> list[str]:
    """Compute instructions that no vector checks: `python -m tests.unit.vgpu_core.without` prints them."""
    compute = {name for name, row in ROWS.items() if row.fmt not in GRAPHICS}
    return sorted(compute - with_vectors())


def test_every_compute_instruction_has_a_handler(core_tools: Path) -> None:
    done = subprocess.run(
        [str(core_tools / "vgpu_core_handlers_test")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_vectors_do_not_get_fewer() -> None:
    missing = without_vectors()
    assert len(missing) <= WITHOUT, missing
