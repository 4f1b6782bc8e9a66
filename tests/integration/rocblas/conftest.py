"""The sysroot, and the decoder of the audit's hardware rules, each once for the tests of this folder."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from rocm_patch.isa.library import NAME
from rocm_patch.pipeline.sdk import SysrootSdk
from rocm_patch.sysroot import Sysroot

ISA = Path(__file__).resolve().parents[3] / "vgpu" / "isa"


@pytest.fixture(scope="session")
def sysroot() -> Sysroot:
    SysrootSdk().prepare(print)
    return Sysroot.open()


@pytest.fixture(scope="session")
def decoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the library that the step `rules` builds; ROCM_PATCH_ISA_LIBRARY names one that is built."""
    given = os.environ.get("ROCM_PATCH_ISA_LIBRARY")
    if given:
        return Path(given)
    folder = tmp_path_factory.mktemp("decoder")
    for argv in (
        ["cmake", "-S", str(ISA), "-B", str(folder)],
        ["cmake", "--build", str(folder), "--target", "vgpu-isa", "--parallel", "2"],
    ):
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    return folder / NAME
