"""Builds the tools of vgpu/core once a session and starts vgpu-step, once for each build of the handlers."""

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
#: build of the handlers -> the features that choose_handlers (code_cache.cpp) asks for, as Linux calls them
BUILDS = {
    "portable": (),
    "avx2": ("avx2", "fma", "f16c", "bmi2"),
    "avx512": ("avx2", "fma", "f16c", "bmi2", "avx512f", "avx512bw", "avx512vl", "avx512dq"),
}


def host_builds() -> tuple[str, ...]:
    """Give the portable handlers and the best that this machine runs, which users get here."""
    flags = set(Path("/proc/cpuinfo").read_text(encoding="utf-8").split())
    best = [name for name, needs in BUILDS.items() if flags.issuperset(needs)][-1]
    return tuple(dict.fromkeys(("portable", best)))


HOST_BUILDS = host_builds()


def build(target: Path) -> None:
    """Configure and build the tests of the core with the handlers of HOST_BUILDS."""
    configure = [
        "cmake",
        "-S",
        str(ROOT / "vgpu"),
        "-B",
        str(target),
        "-DVGPU_PARTS=isa;core",
        "-DVGPU_TESTS=ON",
        f"-DVGPU_HOST_BUILDS={';'.join(HOST_BUILDS)}",
    ]
    if shutil.which("ninja"):
        configure += ["-G", "Ninja"]
    if shutil.which("ccache"):
        configure.append("-DCMAKE_CXX_COMPILER_LAUNCHER=ccache")
    tools = ["vgpu-step", "vgpu-exec", *(f"vgpu_core_{name}_test" for name in NATIVE_TESTS)]
    jobs = str(len(os.sched_getaffinity(0)))
    for command in (configure, ["cmake", "--build", str(target), "--parallel", jobs, "--target", *tools]):
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


@pytest.fixture(scope="session", params=HOST_BUILDS)
def machine(core_tools: Path, request: pytest.FixtureRequest) -> Iterator[Machine]:
    """A running vgpu-step with each of HOST_BUILDS in turn: every vector is run on each."""
    running = Machine(core_tools / "vgpu-step", request.param)
    assert running.host() == request.param
    yield running
    running.close()
