"""The rocSOLVER series: without a patch strict mode names its kernel's race, with it nothing is found."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.integration.rocsolver.conftest import VERSION, Solver

from rocm_patch.paths import data_root
from rocm_patch.series import check, series_folder

pytestmark = [pytest.mark.sysroot, pytest.mark.slow]

#: routine -> the part of its kernel's name that the finding has to name.
RACES = {
    "potrf": "potf2_kernel_small",
    "getrf": "getf2_small_kernel",
    "getri": "getri_kernel_small",
    "trtri": "trti2_kernel_small",
    "syevj": "syevj_small_kernel",
    "stebz": "stebz_splitting_kernel",
    "sytf2": "sytf2_kernel",
    "lasyf": "lasyf_kernel",
}


def test_the_series_is_in_order(upstream: Path) -> None:
    assert check(series_folder("rocsolver", VERSION), VERSION, root=data_root(), tree=upstream) == []


@pytest.mark.parametrize("routine", RACES)
def test_series_mends(solver: Solver, upstream: Path, patched: Path, routine: str) -> None:
    before = solver.run(solver.compile(upstream, routine.upper(), f"{routine}-upstream"))
    assert re.search(r"race: \d+-byte (read|write) at (LDS|0x\w+)", before.stderr), before.stderr
    assert re.search(rf"kernel \w*({RACES[routine]})\w*", before.stderr), before.stderr
    after = solver.run(solver.compile(patched, routine.upper(), f"{routine}-patched"))
    assert (after.returncode, after.stdout) == (0, "right\n"), after.stdout + after.stderr
