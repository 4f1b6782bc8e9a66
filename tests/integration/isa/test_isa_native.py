"""The C interface of the decoder, and any bytes at all as code."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rocm_patch.errors import MissingToolError
from rocm_patch.isa.library import Library

V_FMAC = bytes.fromhex("00030056")
S_CBRANCH_BACK = bytes.fromhex("feff84bf")


def test_rules_have_distinct_names_and_sources(library: Library) -> None:
    rules = library.rules()
    assert len({rule.name for rule in rules}) == len(rules) == 12
    assert all(rule.source and rule.summary for rule in rules)


def test_a_loop_of_multiply_adds(library: Library) -> None:
    report = library.audit(V_FMAC + S_CBRANCH_BACK)
    assert report.mix == {"fma": 1, "branch": 1}
    (loop,) = report.inner_loops
    assert (loop.first, loop.last, loop.fma_share) == (0, 4, 1.0)


def test_code_at_an_odd_address(library: Library) -> None:
    shifted = memoryview(b"\0" + V_FMAC)[1:]
    assert library.disassemble(shifted) == [(0, 4, "v_fmac_f32_e32 v0, v0, v1")]


def test_waves_of_another_size_are_refused(library: Library) -> None:
    with pytest.raises(ValueError, match="not 16"):
        library.audit(V_FMAC, wave=16)


def test_a_library_of_another_version_is_refused(tmp_path: Path) -> None:
    source, made = tmp_path / "other.c", tmp_path / "other.so"
    names = ("rules", "table", "audit", "disassemble", "free")
    stubs = "".join(f"void vgpu_isa_{name}(void) {{}}\n" for name in names)
    source.write_text(f"unsigned vgpu_isa_version(void) {{ return 77; }}\n{stubs}")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", str(made), str(source)], check=True)
    with pytest.raises(MissingToolError, match="does not fit"):
        Library(made)


def test_a_pair_that_runs_past_the_registers_is_audited(library: Library) -> None:
    # s_mov_b64 exec_hi, exec_hi: Hypothesis once met such a pair as a crash.
    assert library.audit((0xBEFF047F).to_bytes(4, "little"), 32).instructions == 1


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(code=st.binary(max_size=400), wave=st.sampled_from((32, 64)))
def test_any_bytes_are_taken_apart_without_gap(library: Library, code: bytes, wave: int) -> None:
    at = 0
    for offset, length, text in library.disassemble(code, wave):
        assert offset == at
        assert text
        at += length
    whole = len(code) // 4 * 4
    assert whole <= at <= whole + 16  # the last one may be cut off
    report = library.audit(code, wave)
    assert sum(report.mix.values()) == report.instructions
    assert report.illegal <= report.instructions
    assert all(0 <= loop.first <= loop.last < whole for loop in report.loops)
