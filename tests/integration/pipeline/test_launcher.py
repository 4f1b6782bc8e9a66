"""The launcher with the real compilers: HIP device objects come out of ccache the second time."""

from __future__ import annotations

import io
import json
import re
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.integration.pipeline.toy import request

from rocm_patch.pipeline.compile import read_stats
from rocm_patch.pipeline.engine import Pipeline, StepRun
from rocm_patch.pipeline.launcher import launcher_env, tools_mounts, write_tools
from rocm_patch.pipeline.model import Request, Step
from rocm_patch.pipeline.report import Reporter
from rocm_patch.pipeline.sdk import Mount, SysrootSdk

KERNEL = """\
#include <hip/hip_runtime.h>
__global__ void add(float* data) { data[threadIdx.x] += 1.0f; }
"""


#: As PyTorch has it: FindHIP for the compiling, and HIP's own configuration for its libraries.
PROJECT = """\
cmake_minimum_required(VERSION 3.20)
project(toy CXX)
list(APPEND CMAKE_MODULE_PATH /usr/lib/x86_64-linux-gnu/cmake/hip)
find_package(HIP MODULE REQUIRED)
find_package(hip CONFIG REQUIRED)
message("RESULT ${HIP_HIPCC_EXECUTABLE}")
set_source_files_properties(add.hip PROPERTIES HIP_SOURCE_PROPERTY_FORMAT 1)
hip_add_library(toy STATIC add.hip HIPCC_OPTIONS -fPIC --offload-arch=gfx1010)
"""


class Hip:
    """One kernel, compiled as FindHIP does: first for its dependencies, then for the object."""

    name = "hip"

    def __init__(self) -> None:
        self.sdk = SysrootSdk()

    def steps(self, request: Request, folder: Path) -> Sequence[Step]:
        del request, folder
        return [
            Step(name="sysroot", does="make the sysroot", run=lambda run: self.sdk.prepare(run.reporter.say)),
            Step(name="tools", does="write the tools", run=self.tools, atomic=False, keeps=["tools"]),
            Step(name="compile", does="compile", run=self.compile, atomic=False, after=["tools"]),
        ]

    def products(self, request: Request, folder: Path) -> Sequence[Path]:
        del request, folder
        return []

    def tools(self, run: StepRun) -> None:
        write_tools(run, self.sdk, run.folder / "tools", launcher="ccache", cmake_cache={"SOME": "value"})
        work, cache = run.folder / "work", run.folder / "ccache"
        for folder in (work, cache):
            folder.mkdir(exist_ok=True)
        (work / "add.hip").write_text(KERNEL)
        (work / "CMakeLists.txt").write_text(PROJECT)

    def call(self, run: StepRun, argv: Sequence[str]) -> None:
        """Run a program where the build's would run, in the work folder."""
        work, cache = run.folder / "work", run.folder / "ccache"
        mounts = [*tools_mounts(run.folder / "tools", cache), Mount(work, "/w", write=True)]
        env = launcher_env("ccache", self.sdk, mounts)
        env |= {"PATH": "/tools/bin:/usr/bin:/bin", "CCACHE_STATSLOG": "/w/stats"}
        run.call(self.sdk.command(argv, mounts=mounts, env=env, cwd="/w"))

    def compile(self, run: StepRun) -> None:
        flags = ["-fPIC", "--offload-arch=gfx1010", "-O2"]
        for mode, out in (("-M", "add.hip.o.depend.pre"), ("-c", "add.hip.o")):
            argv = ["hipcc", mode, "/w/add.hip", "-o", f"/w/{out}", *flags]
            start = time.monotonic()
            self.call(run, argv)
            run.facts[mode] = time.monotonic() - start


@pytest.mark.sysroot
def test_hip_objects_are_cached_and_each_is_compiled_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ROCM_PATCH_CACHE", raising=False)
    pipeline = Pipeline(Hip(), request(component="hip"), root=tmp_path, reporter=Reporter(io.StringIO()))
    pipeline.run()
    work = pipeline.folder / "work"
    first = read_stats(work / "stats")
    assert (first.hit, first.miss, first.not_taken) == (0, 1, 0)
    made = (work / "add.hip.o").read_bytes()
    assert b"gfx1010" in made
    assert "hip_runtime.h" in (work / "add.hip.o.depend.pre").read_text()
    assert not (work / "add.hip.o.compiled").exists()  # the second call took it up
    launcher = (pipeline.folder / "tools" / "launcher.cmake").read_text()
    assert re.findall(r"set\((\w+)", launcher) == ["SOME"]

    (work / "stats").unlink()
    (work / "add.hip.o").unlink()
    (pipeline.state / "compile.mark.json").unlink()
    pipeline.run()
    second = read_stats(work / "stats")
    assert (second.hit, second.miss, second.from_cache) == (1, 0, frozenset({"add.hip"}))
    assert (work / "add.hip.o").read_bytes() == made
    mark = json.loads((pipeline.state / "compile.mark.json").read_text())
    assert set(mark["body"]["facts"]) == {"-M", "-c"}


class FoundHip(Hip):
    """The same kernel in a CMake project that finds HIP twice over."""

    def compile(self, run: StepRun) -> None:
        options = [
            f"-DCMAKE_CXX_COMPILER={self.sdk.llvm_bin}/clang++",
            "-DCMAKE_PROJECT_TOP_LEVEL_INCLUDES=/tools/launcher.cmake",
            "-DCMAKE_CXX_FLAGS=--gcc-install-dir=/usr/lib/gcc/x86_64-linux-gnu/13",
        ]
        self.call(run, ["cmake", "-GNinja", "-S", "/w", "-B", "/w/build", "--fresh", *options])
        self.call(run, ["cmake", "--build", "/w/build"])


@pytest.mark.sysroot
def test_a_hip_that_is_found_twice_still_compiles_through_the_launcher(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """hip-config.cmake names another hipcc than the cache, and FindHIP another clang than the environment."""
    monkeypatch.delenv("ROCM_PATCH_CACHE", raising=False)
    pipeline = Pipeline(FoundHip(), request(component="hip"), root=tmp_path, reporter=Reporter(io.StringIO()))
    pipeline.run()
    work = pipeline.folder / "work"
    scripts = list((work / "build").rglob("*add.hip.o*.cmake"))
    assert scripts
    assert all('HIP_HIPCC_EXECUTABLE "/tools/bin/hipcc"' in one.read_text() for one in scripts)
    (work / "stats").unlink()
    (pipeline.state / "compile.mark.json").unlink()
    shutil.rmtree(work / "build")
    pipeline.run()
    assert "add.hip" in read_stats(work / "stats").from_cache
