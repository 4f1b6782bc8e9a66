"""The C++ tests of the core: engine, strict mode, its race and hazard checks alone."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from tests.unit.vgpu_core.conftest import NATIVE_TESTS


@pytest.mark.parametrize("name", NATIVE_TESTS)
def test_native(core_tools: Path, name: str) -> None:
    done = subprocess.run(
        [str(core_tools / f"vgpu_core_{name}_test")], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_native_test_is_run() -> None:
    """A test that CMake knows and nobody runs would prove nothing."""
    rules = (Path(__file__).parents[3] / "vgpu/core/tests/CMakeLists.txt").read_text(encoding="utf-8")
    assert all(f"COMMAND vgpu_core_{name}_test)" in rules for name in NATIVE_TESTS)
    assert rules.count("add_test(") == len(NATIVE_TESTS)
