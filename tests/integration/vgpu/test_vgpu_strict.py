"""Strict mode under the real HIP runtime: a planted defect of each kind is found, right programs pass."""

from __future__ import annotations

import re

import pytest
from tests.integration.vgpu.test_vgpu_hip import PARTS
from tests.integration.vgpu.vgputools import Card

from rocm_patch.vgpu.demo import run_demo
from rocm_patch.vgpu.settings import Settings

pytestmark = [pytest.mark.sysroot, pytest.mark.slow]

STRICT = Settings(strict=True)
RACE = r"by wave 1 lane 0; wave 0 lane 0 has its write there"
#: kind -> what its text holds, as a pattern
DEFECTS = {
    "overrun": r"0 bytes past the end of device allocation of 1001 bytes at 0x\w+\n"
    r" +allocated by strict\+0x\w+",
    "underrun": r"1 bytes before device allocation of 1001 bytes",
    "leap": r"1464 bytes past the end of device allocation of 65536 bytes",
    "freed": r"byte 0 of freed device allocation of 1001 bytes at 0x\w+\n"
    r" +allocated by strict\+0x\w+.*; freed by strict\+0x\w+",
    "pinned": r"0 bytes past the end of host allocation of 1001 bytes",
    "race_lds": r"race: 4-byte read at LDS offset 0x0 " + RACE,
    "race_memory": r"race: 4-byte read at 0x\w+ " + RACE,
    "race_atomic": r"race: 4-byte atomic at LDS offset 0x0 " + RACE,
    "unset_lds": r"LDS offset 0 was never written",
    "unset_register": r"v60 was never written\)\n.*\n.*: v_add_nc_u32_e32 v\d+, 1, v60",
    "waitcnt": r"v\d+ is still being loaded: no s_waitcnt vmcnt covers it",
    "hazard": r"gfx10-vcmpx-exec-war: v_cmpx_le_u32_e32 0, v\d+ writes EXEC, which is read by s_mov_b32",
}


@pytest.fixture(scope="session")
def strict(card: Card) -> str:
    return card.compile("strict")


@pytest.mark.parametrize("kind", DEFECTS)
def test_a_planted_defect_is_found_and_named(card: Card, strict: str, kind: str) -> None:
    done = card.run(strict, kind, "defect", settings=STRICT)
    assert "survived" not in done.stdout, done.stderr
    assert re.search(DEFECTS[kind], done.stderr), done.stderr
    assert re.search(r"kernel _Z\w+, workgroup \(0, 0, 0\), wave \d, lane \d+", done.stderr)
    assert re.search(r"pc 0x[0-9a-f]+ \(kernel entry \+ 0x[0-9a-f]+\): \w+", done.stderr)


@pytest.mark.parametrize("kind", [*DEFECTS, "same_value", "separate"])
def test_the_same_program_without_the_defect_passes(card: Card, strict: str, kind: str) -> None:
    done = card.run(strict, kind, "clean", settings=STRICT)
    assert (done.returncode, done.stdout) == (0, "survived\n"), done.stdout + done.stderr


@pytest.mark.parametrize("part", PARTS)
def test_right_programs_give_no_finding(card: Card, basics: str, part: str) -> None:
    done = card.run(basics, part, settings=STRICT)
    assert (done.returncode, done.stdout) == (0, "passed\n"), done.stdout + done.stderr


def test_device_printf_gives_no_finding(card: Card, basics: str) -> None:
    done = card.run(basics, "device_printf", settings=STRICT)
    lines = sorted(done.stdout.splitlines())
    assert lines == ["passed", *(f"thread {i} says 42" for i in range(3))], done.stderr


def test_hipcub_block_primitives_give_no_finding(card: Card) -> None:
    done = card.run(card.compile("blocks"), settings=STRICT)
    assert (done.returncode, done.stdout) == (0, "passed\n"), done.stdout + done.stderr


def test_rocblas_sgemm_gives_no_finding(card: Card) -> None:
    outcome = run_demo(card.root, card.library, STRICT, size=128, report=lambda _: None)
    assert outcome.text.endswith("all right\n")
