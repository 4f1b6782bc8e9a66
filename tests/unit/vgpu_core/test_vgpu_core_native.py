"""The C++ tests of the core: engine, strict mode, its race and hazard checks alone."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from tests.unit.vgpu_core.conftest import HOST_BUILDS, NATIVE_TESTS

#: Those that run instructions: once with each build of the handlers.
WITH_HANDLERS = ("engine", "strict")


@pytest.mark.parametrize(
    ("name", "host"),
    [(name, host) for name in NATIVE_TESTS for host in (HOST_BUILDS if name in WITH_HANDLERS else ("",))],
)
def test_native(core_tools: Path, name: str, host: str) -> None:
    done = subprocess.run(
        [str(core_tools / f"vgpu_core_{name}_test")],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env={**os.environ, "VGPU_HOST_ISA": host},
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_native_test_is_run() -> None:
    """A test that CMake knows and nobody runs would prove nothing."""
    rules = (Path(__file__).parents[3] / "vgpu/core/tests/CMakeLists.txt").read_text(encoding="utf-8")
    assert all(f"COMMAND vgpu_core_{name}_test)" in rules for name in NATIVE_TESTS)
    assert rules.count("add_test(") == len(NATIVE_TESTS)


@pytest.mark.parametrize("host", HOST_BUILDS[1:])
def test_no_code_of_a_faster_build_can_stand_in_for_others(core_tools: Path, host: str) -> None:
    """Of an inline function the linker keeps one copy: it must run on the least machine."""
    objects = sorted((core_tools.parent / "CMakeFiles" / f"vgpu_handlers_{host}.dir").glob("*.o"))
    done = subprocess.run(
        ["nm", "--demangle", "--defined-only", *map(str, objects)], capture_output=True, text=True, check=True
    )
    # Lines of symbols, not those that name a file.
    shared = [line for line in done.stdout.splitlines() if re.match(r"[0-9a-f]{16} [WVu] ", line)]
    assert objects
    assert [line for line in shared if f"vgpu::core::{host}::" not in line] == []
