"""How PyTorch's source is probed in the sysroot: pieces cut out of it, configured, compiled and run."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.integration.pytorch.conftest import HERE

from rocm_patch.sysroot import Bind, Sysroot
from rocm_patch.vgpu.launch import sysroot_view
from rocm_patch.vgpu.library import find_library
from rocm_patch.vgpu.settings import Settings

Check = Callable[[Path], None]
CLANG = "/usr/lib/llvm-21/bin/clang++"


def needs(check_one: Check, patched: Path, missing: Path) -> None:
    """Run a check where it must hold and where it must not."""
    check_one(patched)
    with pytest.raises((AssertionError, subprocess.CalledProcessError)):
        check_one(missing)


def inside(sysroot: Sysroot, tree: Path, argv: list[str], work: Path) -> str:
    """Run a command in the sysroot with the source read-only at /src; give its output."""
    command = sysroot.command(argv, binds=[Bind(tree, "/src", "ro"), Bind(work, "/w")], cwd="/w")
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, f"{argv[0]} exited {done.returncode}:\n{done.stdout[-4000:]}"
    return done.stdout


def cut(path: Path, start: str, end: str) -> str:
    """Give the text of a file from `start` to `end`, without `end`."""
    return cut_text(path.read_text(encoding="utf-8"), start, end)


def cut_text(text: str, start: str, end: str) -> str:
    """Give the text from `start` to `end`, without `end`."""
    assert start in text, f"no {start!r}"
    return text[text.index(start) : text.index(end, text.index(start) + len(start))]


def compiled(tmp_path: Path, name: str, *flags: str, source: Path | None = None) -> Path:
    program = tmp_path / name
    sources = [str(HERE / "harness" / f"{name}.cpp"), *([str(source)] if source else [])]
    subprocess.run(
        ["c++", "-std=c++17", f"-I{tmp_path}", f"-I{HERE / 'harness' / 'include'}", f"-I{HERE / 'harness'}",
         *flags, *sources, "-o", str(program)],
        check=True, capture_output=True,
    )  # fmt: skip
    return program


def answer(program: Path, *words: str) -> str:
    return subprocess.run([str(program), *words], check=True, capture_output=True, text=True).stdout


def on_virtual_card(
    sysroot: Sysroot, tree: Path, compile_it: list[str], run_it: list[str], work: Path
) -> subprocess.CompletedProcess[str]:
    """Compile a HIP program of harness/ against the source, run it on the virtual card in strict mode."""
    binds = [Bind(tree, "/src", "ro"), Bind(work, "/w"), Bind(HERE / "harness", "/harness", "ro")]
    env = {"HIP_CLANG_PATH": str(Path(CLANG).parent)}
    made = subprocess.run(
        sysroot.command(compile_it, binds=binds, env=env), capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stderr[-4000:]
    (work / "kfd").mkdir(exist_ok=True)
    view = sysroot_view(find_library(print), Settings(strict=True), scratch=work / "kfd")
    command = sysroot.command(run_it, binds=[*view.binds, *binds], env=view.env)
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)


LOAD_HIP = """
cmake_minimum_required(VERSION 3.20)
project(probe CXX)
include(/src/cmake/public/utils.cmake)
set(PYTORCH_ROCM_ARCH gfx1010)
set(USE_HIPBLASLT OFF)
include(/src/cmake/public/LoadHIP.cmake)
message("RESULT found=${PYTORCH_FOUND_HIP} rocm=${ROCM_VERSION_DEV_INT} lt=${hipblaslt_FOUND}.")
"""


CONFIGURE_HIP = [
    "env", "ROCM_PATH=/usr", "PYTORCH_ROCM_ARCH=gfx1010", "cmake", "-GNinja",
    "-S", "/w", "-B", "/w/build", "--fresh", f"-DCMAKE_CXX_COMPILER={CLANG}",
    "-DCMAKE_CXX_FLAGS=--gcc-install-dir=/usr/lib/gcc/x86_64-linux-gnu/13",
]  # fmt: skip


def load_hip(sysroot: Sysroot, tree: Path, work: Path) -> str:
    (work / "CMakeLists.txt").write_text(LOAD_HIP)
    output = inside(sysroot, tree, CONFIGURE_HIP, work)
    return next((line for line in output.splitlines() if line.startswith("RESULT")), output)
