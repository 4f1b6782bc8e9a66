"""The C++ tests of the HSA layer, plain and under the sanitizers."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

VGPU = Path(__file__).parents[3] / "vgpu"


@pytest.mark.slow
@pytest.mark.parametrize("sanitizer", ["", "address", "thread"])
def test_hsa_layer(tmp_path: Path, sanitizer: str) -> None:
    jobs = str(len(os.sched_getaffinity(0)))
    commands = [
        [
            *("cmake", "-S", str(VGPU), "-B", str(tmp_path), "-DVGPU_PARTS=hsa", "-DVGPU_TESTS=ON"),
            *("-DVGPU_WERROR=ON", "-DCMAKE_BUILD_TYPE=RelWithDebInfo", f"-DVGPU_SANITIZE={sanitizer}"),
        ],
        ["cmake", "--build", str(tmp_path), "--parallel", jobs],
        ["ctest", "--test-dir", str(tmp_path), "--output-on-failure"],
    ]
    env = {
        **os.environ,
        "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0",
        "TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1",
        "UBSAN_OPTIONS": "print_stacktrace=1",
    }
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
        assert done.returncode == 0, (done.stdout + done.stderr)[-8000:]
    assert "100% tests passed" in done.stdout
