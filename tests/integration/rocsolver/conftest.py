"""rocSOLVER's source, its series, and programs that launch its kernels on the virtual card."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import attrs
import pytest

from rocm_patch.pipeline.sdk import SysrootSdk
from rocm_patch.series import apply_series, load_series
from rocm_patch.sources import ObjectStore, fetch_all, load_recipe, unpack
from rocm_patch.sysroot import Bind, Sysroot
from rocm_patch.vgpu.launch import sysroot_view
from rocm_patch.vgpu.library import find_library
from rocm_patch.vgpu.settings import Settings

VERSION = "6.4.3"
PROGRAMS = Path(__file__).parent / "programs"
INCLUDES = ("library/include", "library/src/include", "library/src", "common/include")
_COMPILE_SECONDS = 900
_RUN_SECONDS = 300


@attrs.frozen
class Solver:
    """Compiles tests/.../solver.hip against a source tree and runs it under strict mode."""

    root: Sysroot
    library: Path
    work: Path
    scratch: Callable[[], Path]

    def compile(self, source: Path, routine: str, name: str) -> str:
        """Compile for gfx1010 as the build does; give the program's path inside."""
        sdk = SysrootSdk()
        include = [word for folder in INCLUDES for word in ("-I", f"/src/{folder}")]
        words = [f"{sdk.rocm_path}/bin/hipcc", "--offload-arch=gfx1010", "-O3", "-std=c++17", f"-D{routine}"]
        words += ["-DOPTIMAL", "-DROCM_USE_FLOAT16", "-DFMT_HEADER_ONLY=1", "-DROCBLAS_INTERNAL_API"]
        words += ["-DROCSOLVER_LIBRARY", "-Wno-explicit-specialization-storage-class"]
        words += ["--gpu-max-threads-per-block=1024", *include, "-I", "/made", "/programs/solver.hip"]
        words += ["-o", f"/w/{name}", "-lrocblas"]
        binds = [Bind(PROGRAMS, "/programs", "ro"), Bind(source, "/src", "ro")]
        binds += [Bind(made_headers(self.work), "/made", "ro"), Bind(self.work, "/w")]
        command = self.root.command(words, binds=binds, env={"HIP_CLANG_PATH": sdk.llvm_bin})
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_COMPILE_SECONDS)
        assert done.returncode == 0, done.stderr[-4000:]
        return f"/w/{name}"

    def run(self, program: str, *, strict: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a program on the virtual card."""
        view = sysroot_view(self.library, Settings(strict=strict), scratch=self.scratch())
        return self.root.run(
            [program], binds=[*view.binds, Bind(self.work, "/w")], env=view.env, check=False,
            timeout=_RUN_SECONDS,
        )  # fmt: skip


def made_headers(folder: Path) -> Path:
    """Write the headers that CMake would make from the source."""
    place = folder / "made"
    (place / "rocsolver").mkdir(parents=True, exist_ok=True)
    for name, text in {
        "rocsolver-version.h": "#define ROCSOLVER_VERSION_MAJOR 3\n#define ROCSOLVER_VERSION_MINOR 28\n",
        "rocsolver-export.h": "#define ROCSOLVER_EXPORT\n#define ROCSOLVER_NO_EXPORT\n",
    }.items():
        (place / "rocsolver" / name).write_text(text, encoding="utf-8")
        (place / name).write_text(text, encoding="utf-8")
    return place


@pytest.fixture(scope="session")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give rocSOLVER's source as upstream has it."""
    (item,) = load_recipe("rocsolver").items(VERSION)
    archive = fetch_all([item], cache=ObjectStore())["rocsolver"]
    folder = tmp_path_factory.mktemp("rocsolver") / "upstream"
    unpack(archive, folder, item.variants[0].unpack)
    return folder


@pytest.fixture(scope="session")
def patched(upstream: Path) -> Path:
    """Give it with the series applied."""
    folder = upstream.with_name("patched")
    shutil.copytree(upstream, folder, symlinks=True)
    apply_series(load_series("rocsolver", VERSION), folder)
    return folder


@pytest.fixture(scope="session")
def solver(tmp_path_factory: pytest.TempPathFactory) -> Solver:
    """Give the sysroot, the virtual card and a compiler."""
    SysrootSdk().prepare(print)
    work = tmp_path_factory.mktemp("solver")
    return Solver(Sysroot.open(), find_library(print), work, lambda: tmp_path_factory.mktemp("kfd"))
