"""Builds the tools of vgpu/core once a session and starts vgpu-step."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import Phase, settings
from tests.unit.vgpu_core.machine import Machine

if TYPE_CHECKING:
    from collections.abc import Iterator

# A failure names its operands; making it smaller would take longer than finding it.
settings.register_profile("vgpu_core", deadline=None, database=None, phases=(Phase.explicit, Phase.generate))
settings.load_profile("vgpu_core")

ROOT = Path(__file__).parents[3]
#: The C++ tests of vgpu/core; test_vgpu_core_native.py runs them.
NATIVE_TESTS = ("handlers", "engine", "code_cache", "strict", "races", "hazards", "whole_access")


def build(target: Path) -> None:
    """Configure and build the tests of the core with the portable handlers alone."""
    configure = [
        "cmake",
        "-S",
        str(ROOT / "vgpu"),
        "-B",
        str(target),
        "-DVGPU_PARTS=isa;core",
        "-DVGPU_TESTS=ON",
    ]
    configure += ["-DVGPU_HOST_BUILDS=portable"]
    if shutil.which("ccache"):
        configure.append("-DCMAKE_CXX_COMPILER_LAUNCHER=ccache")
    tools = ["vgpu-step", "vgpu-exec", *(f"vgpu_core_{name}_test" for name in NATIVE_TESTS)]
    for command in (configure, ["cmake", "--build", str(target), "--target", *tools]):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.fail(f"{' '.join(command)}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")


@pytest.fixture(scope="session")
def core_tools() -> Path:
    """The folder with vgpu-step and vgpu-exec; $VGPU_CORE_TOOLS names one that is built already."""
    built = os.environ.get("VGPU_CORE_TOOLS")
    if built:
        return Path(built)
    target = ROOT / "_build" / "vgpu-core-tests"
    build(target)
    return target / "core" / "tests"


@pytest.fixture(scope="session")
def machine(core_tools: Path) -> Iterator[Machine]:
    """A running vgpu-step."""
    running = Machine(core_tools / "vgpu-step")
    yield running
    running.close()
