"""The launcher with the real compilers: HIP device objects come out of ccache the second time."""

from __future__ import annotations

import io
import json
import re
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

    def compile(self, run: StepRun) -> None:
        work, cache = run.folder / "work", run.folder / "ccache"
        for folder in (work, cache):
            folder.mkdir(exist_ok=True)
        (work / "add.hip").write_text(KERNEL)
        mounts = [*tools_mounts(run.folder / "tools", cache), Mount(work, "/w", write=True)]
        env = launcher_env("ccache", self.sdk, mounts)
        env |= {"PATH": "/tools/bin:/usr/bin:/bin", "CCACHE_STATSLOG": "/w/stats"}
        flags = ["-fPIC", "--offload-arch=gfx1010", "-O2"]
        for mode, out in (("-M", "add.hip.o.depend.pre"), ("-c", "add.hip.o")):
            argv = ["hipcc", mode, "/w/add.hip", "-o", f"/w/{out}", *flags]
            start = time.monotonic()
            run.call(self.sdk.command(argv, mounts=mounts, env=env, cwd="/w"))
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
    assert re.findall(r"set\((\w+)", launcher) == ["HIP_HIPCC_EXECUTABLE", "SOME"]

    (work / "stats").unlink()
    (work / "add.hip.o").unlink()
    (pipeline.state / "compile.mark.json").unlink()
    pipeline.run()
    second = read_stats(work / "stats")
    assert (second.hit, second.miss, second.from_cache) == (1, 0, frozenset({"add.hip"}))
    assert (work / "add.hip.o").read_bytes() == made
    mark = json.loads((pipeline.state / "compile.mark.json").read_text())
    assert set(mark["body"]["facts"]) == {"-M", "-c"}
