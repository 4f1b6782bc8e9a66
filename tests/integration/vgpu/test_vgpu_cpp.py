"""The C++ tests of vgpu/: the HSA layer as it is, and all three parts under the sanitizers."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

VGPU = Path(__file__).parents[3] / "vgpu"
ENVIRONMENT = {
    **os.environ,
    "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0",
    "TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1",
    "UBSAN_OPTIONS": "print_stacktrace=1",
}


def run(*words: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=ENVIRONMENT)
    assert done.returncode == 0, (done.stdout + done.stderr)[-8000:]
    return done.stdout


def build_and_test(folder: Path, *options: str, only: str = ".", without: str = "^$") -> list[str]:
    """Build the tests whose names `only` matches, those that `without` matches left out, and no more.

    Give the names of those that passed.
    """
    run("cmake", "-S", str(VGPU), "-B", str(folder), "-DVGPU_TESTS=ON", *options)
    select = ("ctest", "--test-dir", str(folder), "-R", only, "-E", without)
    names = re.findall(r"Test +#\d+: (\w+)$", run(*select, "-N"), re.MULTILINE)
    targets = [f"vgpu_{name.removeprefix('vgpu_')}_test" for name in names]
    jobs = str(len(os.sched_getaffinity(0)))
    run("cmake", "--build", str(folder), "--parallel", jobs, "--target", *targets)
    assert "100% tests passed" in run(*select, "--output-on-failure")
    return names


@pytest.mark.slow
def test_hsa_layer(tmp_path: Path) -> None:
    """With a stub of the core, and without a warning."""
    assert build_and_test(
        tmp_path, "-DVGPU_PARTS=hsa", "-DVGPU_WERROR=ON", "-DCMAKE_BUILD_TYPE=RelWithDebInfo"
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sanitizer", "only", "without"), [("address", ".", "^$"), ("thread", "core|hsa", "whole_access")]
)
def test_under_a_sanitizer(tmp_path: Path, sanitizer: str, only: str, without: str) -> None:
    """`address` brings undefined behaviour and leaks with it; the decoder has no threads.

    whole_access is a race on purpose: a wave stores what another loads, as kernels may, and the value
    must not be torn.
    """
    names = build_and_test(
        tmp_path,
        f"-DVGPU_SANITIZE={sanitizer}",
        "-DVGPU_HOST_BUILDS=portable",
        # Little optimised: half of the compile time, and stacks that name every function.
        "-DCMAKE_BUILD_TYPE=Debug",
        "-DCMAKE_CXX_FLAGS_DEBUG=-O1 -g1",
        only=only,
        without=without,
    )
    assert {"vgpu_core_engine", "vgpu_core_strict", "hsa_queue"} <= set(names)
