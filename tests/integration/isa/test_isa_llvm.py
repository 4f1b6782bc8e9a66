"""Our table, text and rules against LLVM in the real sysroot: assembler, disassembler, libraries."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from tests.integration.isa.conftest import ISA

from rocm_patch.isa.library import Library
from rocm_patch.sysroot import Sysroot

pytestmark = pytest.mark.sysroot

Tool = Callable[[str], ModuleType]

GLOBAL = "global_load_dword v2, v0, s[4:5]"
LDS = "ds_read_b32 v2, v0"
STORES = "s_waitcnt_vscnt null, 0x0"
BRANCH = "s_cbranch_scc0 1\ns_nop 0"
#: rule -> (code that breaks it, the same with LLVM's cure)
PLANTED = {
    "gfx10-vmem-to-scalar-write": (
        f"{GLOBAL}\ns_mov_b32 s4, 0",
        f"{GLOBAL}\ns_waitcnt_depctr 0xffe3\ns_mov_b32 s4, 0",
    ),
    "gfx10-smem-to-vector-write": (
        "s_load_dword s0, s[4:5], 0x0\nv_readlane_b32 s5, v0, 3",
        "s_load_dword s0, s[4:5], 0x0\ns_mov_b32 null, 0\nv_readlane_b32 s5, v0, 3",
    ),
    "gfx10-vcmpx-exec-war": (
        f"{LDS}\nv_cmpx_eq_u32_e64 v0, v1",
        f"{LDS}\ns_waitcnt_depctr 0xfffe\nv_cmpx_eq_u32_e64 v0, v1",
    ),
    "gfx10-vcmpx-permlane": (
        "v_cmpx_gt_f32_e32 v0, v1\nv_nop\nv_permlanex16_b32 v2, v0, s0, s1",
        "v_cmpx_gt_f32_e32 v0, v1\nv_mov_b32_e32 v0, v0\nv_permlanex16_b32 v2, v0, s0, s1",
    ),
    "gfx10-lds-branch-vmem-war": (
        f"{LDS}\n{BRANCH}\n{GLOBAL}",
        f"{LDS}\n{STORES}\n{BRANCH}\n{GLOBAL}",
    ),
    "gfx10-inst-fwd-prefetch": ("s_inst_prefetch 0x3", "s_nop 0"),
    "gfx10-flat-segment-offset": (
        "flat_load_dword v0, v[2:3] offset:16",
        "flat_load_dword v0, v[2:3]",
    ),
}
#: Instructions that gfx1010 lacks: a target that has them, and what the finding must name.
FOREIGN = [
    ("gfx1030", "v_dot2_f32_f16 v0, v1, v2, v3", "v_dot2_f32_f16"),
    ("gfx1030", "v_dot4_i32_i8 v0, v1, v2, v3", "v_dot4_i32_i8"),
    ("gfx1011", "v_dot2_i32_i16 v0, v1, v2, v3", "v_dot2_i32_i16"),
    ("gfx1011", "v_dot2_u32_u16 v0, v1, v2, v3", "v_dot2_u32_u16"),
    ("gfx1011", "v_dot4_u32_u8 v0, v1, v2, v3", "v_dot4_u32_u8"),
    ("gfx1011", "v_dot8_i32_i4 v0, v1, v2, v3", "v_dot8_i32_i4"),
    ("gfx1011", "v_dot8_u32_u4 v0, v1, v2, v3", "v_dot8_u32_u4"),
    ("gfx1011", "v_dot2c_f32_f16 v0, v1, v2", "v_dot2c_f32_f16"),
    ("gfx1011", "v_dot4c_i32_i8 v0, v1, v2", "v_dot4c_i32_i8"),
    ("gfx1030", "global_atomic_csub v1, v0, v2, s[2:3] glc", "global_atomic_csub"),
    ("gfx1030", "buffer_atomic_csub v1, off, s[4:7], 0 glc", "buffer_atomic_csub"),
    ("gfx1030", "global_store_dword_addtid v1, s[2:3]", "global_store_dword_addtid"),
    ("gfx1030", "global_load_dword_addtid v1, s[2:3]", "global_load_dword_addtid"),
    ("gfx900", "v_add_f32_dpp v0, v1, v2 row_bcast:15 row_mask:0xa bank_mask:0xf", "row_bcast:15 of GCN"),
    ("gfx900", "v_add_f32_dpp v0, v1, v2 wave_shr:1 row_mask:0xf bank_mask:0xf", "wave_shr of GCN"),
]


def assemble(sysroot: Sysroot, source: str, processor: str = "gfx1010", *options: str) -> bytes:
    """Assemble with LLVM. Its encodings are read back, so that no padding or relaxation changes the code."""
    mc = "/" + str(max(sysroot.path.glob("usr/lib/llvm-*/bin/llvm-mc")).relative_to(sysroot.path))
    command = sysroot.command([mc, "-arch=amdgcn", f"-mcpu={processor}", "-show-encoding", *options])
    done = subprocess.run(command, input=source + "\n", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    groups = re.findall(r"encoding: \[([^\]]*)\]", done.stdout)
    assert groups
    return b"".join(int(byte, 16).to_bytes(1, "little") for group in groups for byte in group.split(","))


@pytest.mark.parametrize("rule", PLANTED)
def test_planted_hazard_is_found_and_its_cure_accepted(library: Library, sysroot: Sysroot, rule: str) -> None:
    broken, cured = PLANTED[rule]
    assert [one.rule for one in library.audit(assemble(sysroot, broken)).findings] == [rule]
    assert library.audit(assemble(sysroot, cured)).findings == ()


def test_long_image_access_before_a_buffer_access_and_in_a_clause(library: Library, sysroot: Sysroot) -> None:
    nsa = "image_sample_d_cl v[0:3], [v4, v5, v8, v9, v10, v11, v12], s[8:15], s[16:19] dmask:0xf"
    nsa += " dim:SQ_RSRC_IMG_2D"
    buffer = "buffer_load_dword v1, v0, s[4:7], 0 offen offset:"
    code = assemble(sysroot, f"{nsa}\n{buffer}2")
    assert [one.rule for one in library.audit(code).findings] == ["gfx10-nsa-to-vmem"]
    assert library.audit(assemble(sysroot, f"{nsa}\n{buffer}8")).findings == ()
    clause = assemble(sysroot, f"s_clause 0x1\n{nsa}\n{buffer}8")
    assert [one.rule for one in library.audit(clause).findings] == ["gfx10-nsa-clause"]


def test_branch_offset_3f(library: Library, sysroot: Sysroot) -> None:
    nops = "s_nop 0\n" * 70
    (finding,) = library.audit(assemble(sysroot, f"s_branch 0x3f\n{nops}")).findings
    assert finding.rule == "gfx10-branch-offset-3f"
    assert library.audit(assemble(sysroot, f"s_branch 0x40\n{nops}")).findings == ()


@pytest.mark.parametrize(("processor", "source", "named"), FOREIGN)
def test_instruction_of_another_card_is_named(
    library: Library, sysroot: Sysroot, processor: str, source: str, named: str
) -> None:
    (finding,) = library.audit(assemble(sysroot, source, processor)).findings
    assert finding.rule == "isa-illegal-instruction"
    if "fma_legacy" not in source:  # that opcode is free on gfx1010 and its words name nothing
        assert named in finding.text


def test_wave64_text_of_every_vector(library: Library, sysroot: Sysroot, tool: Tool) -> None:
    probe = tool("probe")
    cases = []
    for line in (ISA / "tests" / "vectors.txt").read_text().splitlines():
        if not line.startswith("#"):
            words = tuple(int(word, 16) for word in line.split(" ; ")[0].split())
            cases.append(probe.Case("", 0, "", words))
    texts = probe.disassemble(
        sysroot, [*probe.llvm_mc(sysroot), "-mattr=-wavefrontsize32,+wavefrontsize64"], cases
    )
    different = []
    for case, text in zip(cases, texts, strict=True):
        code = b"".join(word.to_bytes(4, "little") for word in case.words)
        ours = library.disassemble(code, 64)[0][2]
        if text and ours not in (text, "illegal"):
            different.append((text, ours))
    assert different == []
    assert sum(bool(text) for text in texts) > 3800


@pytest.mark.slow
def test_the_table_is_complete(
    sysroot: Sysroot,
    native: Path,
    tool: Tool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    del sysroot
    monkeypatch.setenv("ROCM_PATCH_ISA_LIBRARY", str(native / "libvgpu-isa.so"))
    monkeypatch.setattr(sys, "argv", ["probe"])
    assert tool("probe").main() == 0
    assert re.search(r"1220 rows, 0 differences", capsys.readouterr().out)


def test_the_check_of_the_table_sees_missing_and_wrong_rows(library: Library, tool: Tool) -> None:
    probe = tool("probe")
    rows = [row for row in library.table() if row["op"] in ("v_mov_b32", "v_add_f32")]
    cases = [probe.Case("VOP1", 1, "base", (0,)), probe.Case("VOP1", 2, "base", (0,))]
    problems = probe.check(cases, ["v_mov_b32_e32 v8, v4", "v_readfirstlane_b32 s8, v4"], rows)
    assert any("v_add_f32: not in LLVM" in line for line in problems)
    assert any("v_readfirstlane_b32" in line and "the table has nothing" in line for line in problems)
    assert any("v_mov_b32: SDWA is True in the table, LLVM says False" in line for line in problems)


@pytest.mark.parametrize("name", ["librocrand.so", "librocsparse.so"])
def test_real_library_reads_as_llvm_reads_it(native: Path, sysroot: Sysroot, name: str) -> None:
    path = (sysroot.path / "usr/lib/x86_64-linux-gnu" / name).resolve()
    command = [sys.executable, str(ISA / "tools" / "compare.py"), "--dis", str(native / "vgpu-dis")]
    done = subprocess.run([*command, "--sample", "2", str(path)], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "'differences': 0" in done.stdout


def test_a_wrong_disassembler_is_noticed(native: Path, sysroot: Sysroot, tmp_path: Path) -> None:
    path = (sysroot.path / "usr/lib/x86_64-linux-gnu/librocrand.so").resolve()
    wrong = tmp_path / "dis"
    wrong.write_text(
        f"#!/bin/sh\n{native / 'vgpu-dis'} \"$@\" | sed 's/v_add_nc_u32_e32/v_sub_nc_u32_e32/'\n"
    )
    wrong.chmod(0o755)
    command = [
        sys.executable,
        str(ISA / "tools" / "compare.py"),
        "--dis",
        str(wrong),
        "--sample",
        "1",
        str(path),
    ]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert "LLVM 'v_add_nc_u32_e32" in done.stdout
