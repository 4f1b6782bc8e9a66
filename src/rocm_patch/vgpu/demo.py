"""The demonstration: a HIP program and a rocBLAS sgemm for gfx1010, compiled, executed, checked, counted.

Compiles vgpu/demo/demo.hip in a made sysroot and runs it on a virtual card. Knows
what the statistics' JSON holds; not how the sysroot is made.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs

from rocm_patch.errors import VgpuError
from rocm_patch.sysroot import Bind, Sysroot
from rocm_patch.vgpu.launch import sysroot_view
from rocm_patch.vgpu.library import source_folder
from rocm_patch.vgpu.settings import Settings

_DEMO = "/demo"
_COMPILE_SECONDS = 600
_RUN_SECONDS = 600


@attrs.frozen
class Kernel:
    """What one kernel executed, over all its launches; counts are of wave instructions."""

    name: str
    launches: int
    waves: int
    instructions: int
    valu: int
    fma: int
    lds: int
    vmem: int
    seconds: float


@attrs.frozen
class Outcome:
    """What the demonstration printed, and the kernels that it ran, the busiest first."""

    text: str
    kernels: tuple[Kernel, ...]


def run_demo(
    root: Sysroot, library: Path, settings: Settings, *, size: int, report: Callable[[str], None]
) -> Outcome:
    """Compile and run it with a product of two size x size matrices.

    VgpuError where a value is wrong or the program fails; SysrootError where it does
    not compile.
    """
    programs = source_folder() / "demo"
    llvm = max((root.path / "usr/lib").glob("llvm-*/bin/clang++")).parent
    with tempfile.TemporaryDirectory(prefix="rocm-patch-demo-") as folder:
        work, scratch = Path(folder) / "work", Path(folder) / "kfd"
        work.mkdir()
        scratch.mkdir()
        report("compiling vgpu/demo/demo.hip for gfx1010 with the sysroot's hipcc")
        root.run(
            [
                *("hipcc", "--offload-arch=gfx1010", "-O2", "/programs/demo.hip"),
                *("-o", f"{_DEMO}/demo", "-lrocblas"),
            ],
            binds=[Bind(programs, "/programs", "ro"), Bind(work, _DEMO)],
            env={"HIP_CLANG_PATH": f"/{llvm.relative_to(root.path)}"},
            timeout=_COMPILE_SECONDS,
        )
        stats = work / "stats.json"
        view = sysroot_view(library, attrs.evolve(settings, stats=str(stats)), scratch=scratch)
        report("running it on the virtual card")
        done = root.run(
            [f"{_DEMO}/demo", str(size)],
            binds=[*view.binds, Bind(work, _DEMO)],
            env=view.env,
            check=False,
            timeout=_RUN_SECONDS,
        )
        if done.returncode != 0:
            raise VgpuError(
                "the demonstration computed wrong values or failed",
                cause=f"it ended with {done.returncode}",
                step="see docs/vgpu.md; --log and --trace of `rocm-patch vgpu run` show what it did",
                detail=(done.stdout + done.stderr).splitlines()[-20:],
            )
        return Outcome(text=done.stdout, kernels=read_kernels(stats))


def read_kernels(stats: Path) -> tuple[Kernel, ...]:
    """Read what `--stats=FILE` wrote; VgpuError where it is not that."""
    try:
        devices = json.loads(stats.read_text(encoding="utf-8"))["devices"]
        kernels = [_kernel(row) for device in devices for row in device["kernels"]]
    except (OSError, ValueError, KeyError) as error:
        raise VgpuError(f"{stats} holds no statistics of the virtual GPU", cause=repr(error)) from error
    return tuple(sorted(kernels, key=lambda one: -one.instructions))


def _kernel(row: dict[str, Any]) -> Kernel:
    names = ("name", "launches", "waves", "instructions", "valu", "fma", "lds", "vmem")
    return Kernel(**{name: row[name] for name in names}, seconds=row["nanoseconds"] / 1e9)
