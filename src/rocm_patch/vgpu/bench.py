"""How fast the virtual card is on one core of this machine, beside OpenBLAS on the same core.

Compiles vgpu/bench/bench.hip in a made sysroot and runs it twice: with statistics, to
count what the loop executes, and without, to time it. Knows the program's JSON line;
nothing of how the figures are shown.
"""

from __future__ import annotations

import json
import os
import platform
import tempfile
from collections.abc import Callable
from pathlib import Path

import attrs

from rocm_patch.errors import VgpuError
from rocm_patch.sysroot import Bind, Sysroot
from rocm_patch.vgpu.demo import read_kernels
from rocm_patch.vgpu.launch import View, sysroot_view
from rocm_patch.vgpu.library import source_folder
from rocm_patch.vgpu.settings import Settings

_BENCH = "/bench"
_KERNEL = "fma_loop"
_SECONDS = 3600
_ONE_THREAD = {"VGPU_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
#: Where the sysroot keeps OpenBLAS.
_OPENBLAS = "/usr/lib/x86_64-linux-gnu/openblas-pthread"


@attrs.frozen
class Figures:
    """What was measured on one thread; seconds are the best of `repeat`."""

    cpu: str
    #: Processes that wanted to run when it ended, by the kernel's one-minute average.
    load: float
    size: int
    repeat: int
    #: Wave32 VALU instructions of one launch of the loop.
    valu: int
    fma_wall: float
    fma_cpu: float
    card_wall: float
    card_cpu: float
    host_wall: float
    host_cpu: float

    @property
    def valu_per_second(self) -> float:
        """Give the wave32 VALU instructions that a core executes in a second of its time."""
        return self.valu / self.fma_cpu

    @property
    def card_gflops(self) -> float:
        """Give the card's sgemm in GFLOP/s of one core's time."""
        return 2e-9 * self.size**3 / self.card_cpu

    @property
    def host_gflops(self) -> float:
        """Give OpenBLAS's sgemm in GFLOP/s of one core's time."""
        return 2e-9 * self.size**3 / self.host_cpu

    @property
    def ratio(self) -> float:
        """Give how many times faster OpenBLAS is on the same core."""
        return self.host_gflops / self.card_gflops

    def as_json(self) -> str:
        """Give everything as JSON."""
        derived = {
            "valu_per_second": self.valu_per_second,
            "card_gflops": self.card_gflops,
            "host_gflops": self.host_gflops,
            "ratio": self.ratio,
        }
        return json.dumps({**attrs.asdict(self), **derived}, indent=2)


def run_bench(
    root: Sysroot, library: Path, *, size: int, repeat: int, loops: int, report: Callable[[str], None]
) -> Figures:
    """Measure; VgpuError where the card's product differs from OpenBLAS's or a program fails."""
    programs = source_folder() / "bench"
    llvm = max((root.path / "usr/lib").glob("llvm-*/bin/clang++")).parent
    with tempfile.TemporaryDirectory(prefix="rocm-patch-bench-") as folder:
        work, kfd = Path(folder) / "work", Path(folder) / "kfd"
        work.mkdir()
        kfd.mkdir()
        report("compiling vgpu/bench/bench.hip for gfx1010 with the sysroot's hipcc")
        root.run(
            [
                *("hipcc", "--offload-arch=gfx1010", "-O3", "/programs/bench.hip", "-o", f"{_BENCH}/bench"),
                *(f"-L{_OPENBLAS}", f"-Wl,-rpath,{_OPENBLAS}", "-lrocblas", "-lopenblas"),
            ],
            binds=[Bind(programs, "/programs", "ro"), Bind(work, _BENCH)],
            env={"HIP_CLANG_PATH": f"/{llvm.relative_to(root.path)}"},
            timeout=_SECONDS,
        )
        stats = work / "stats.json"
        report("counting what the loop executes")
        counting = sysroot_view(library, Settings(stats=str(stats)), scratch=kfd, env=_ONE_THREAD)
        _program(root, counting, work, ["16", "1", str(loops)])
        kernels = [one for one in read_kernels(stats) if _KERNEL in one.name]
        if not kernels:
            raise VgpuError(f"the statistics hold no kernel {_KERNEL}")
        report(f"timing it, and sgemm {size}^3 on the card and by OpenBLAS, one thread each")
        (other := Path(folder) / "other").mkdir()
        timing = sysroot_view(library, Settings(), scratch=other, env=_ONE_THREAD)
        line = _program(root, timing, work, [str(size), str(repeat), str(loops)])
    return read_figures(line, valu=kernels[0].valu // kernels[0].launches, load=os.getloadavg()[0])


def read_figures(line: str, *, valu: int, load: float) -> Figures:
    """Read the program's line; VgpuError where it is not that or a value is wrong."""
    try:
        data = json.loads(line)
        wrong = data.pop("wrong")
        figures = Figures(cpu=cpu_name(), load=load, valu=valu, **data)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise VgpuError("the benchmark's program said something else", cause=repr(line[-300:])) from error
    if wrong:
        raise VgpuError(f"{wrong} values of the card's product differ from OpenBLAS's")
    return figures


def _program(root: Sysroot, view: View, work: Path, words: list[str]) -> str:
    done = root.run(
        [f"{_BENCH}/bench", *words],
        binds=[*view.binds, Bind(work, _BENCH)],
        env=view.env,
        check=False,
        timeout=_SECONDS,
    )
    if done.returncode != 0:
        raise VgpuError(
            "the benchmark's program failed or computed wrong values",
            cause=f"it ended with {done.returncode}",
            detail=(done.stdout + done.stderr).splitlines()[-20:],
        )
    return done.stdout.strip()


def cpu_name() -> str:
    """Give the processor's name as the kernel tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
