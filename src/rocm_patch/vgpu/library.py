"""Find libhsa-runtime64.so.1 of the virtual GPU: installed in the wheel, or built from the checkout.

A checkout's library is built once for each state of its sources, in the cache folder.
Knows CMake; nothing of what the library does.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from rocm_patch import commands
from rocm_patch.errors import MissingToolError, VgpuError
from rocm_patch.paths import cache_root, data_root
from rocm_patch.vgpu.settings import SONAME

#: What decides the library's bytes; tests and tools beside it do not.
_SUFFIXES = frozenset({".cpp", ".h", ".def", ".inc", ".map", ".cmake", ".txt"})
_LEFT_OUT = frozenset({"tests", "tools", "demo", "audit", "bench"})
_COMPILERS = ("c++", "g++", "clang++")
_LOG_LINES = 30


def installed_library() -> Path | None:
    """Give the library that came with the package; None in a checkout."""
    path = Path(__file__).resolve().parent.parent / "_vgpu" / SONAME
    return path if path.is_file() else None


def source_folder() -> Path:
    """Give vgpu/ of the checkout; VgpuError where this is none."""
    folder = data_root() / "vgpu"
    if not (folder / "CMakeLists.txt").is_file():
        raise VgpuError(
            "the virtual GPU is not installed",
            cause=f"neither {SONAME} beside the package nor its sources in {folder} exist",
            step="install rocm-patch as a wheel, or run it from a checkout",
        )
    return folder


def source_files(folder: Path) -> list[Path]:
    """List the files that decide the library's bytes, in a fixed order."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix in _SUFFIXES
        and path.is_file()
        and not _LEFT_OUT.intersection(path.relative_to(folder).parts[:-1])
    )


def source_digest(folder: Path, compiler: str) -> str:
    """Give 16 hex digits that name a state of the sources under a compiler's version line."""
    digest = hashlib.sha256(compiler.encode())
    for path in source_files(folder):
        content = path.read_bytes()
        digest.update(f"\n{path.relative_to(folder).as_posix()} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()[:16]


def find_library(report: Callable[[str], None] | None = None) -> Path:
    """Give the library's path, building it where the checkout's sources have none yet.

    $ROCM_PATCH_VGPU_LIBRARY names another one. `report` hears when a build begins.
    VgpuError with the end of the build's log where it fails; MissingToolError
    without CMake or a C++ compiler.
    """
    override = os.environ.get("ROCM_PATCH_VGPU_LIBRARY")
    if override:
        path = Path(override)
        if not path.is_file():
            raise VgpuError(f"ROCM_PATCH_VGPU_LIBRARY names {path}, which is no file")
        return path
    found = installed_library()
    return found if found is not None else build_library(source_folder(), report)


def build_library(sources: Path, report: Callable[[str], None] | None = None) -> Path:
    """Build vgpu/ in the cache, unless this state of it has been; give the library's path."""
    compiler = _compiler()
    folder = cache_root() / "vgpu" / source_digest(sources, _version(compiler))
    library = folder / SONAME
    if library.is_file():
        return library
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if library.is_file():
            return library
        if report is not None:
            report(f"building the virtual GPU from {sources} (once for each change of it)")
        work = folder.with_name(f"{folder.name}.build")
        shutil.rmtree(work, ignore_errors=True)
        configure = ["cmake", "-S", str(sources), "-B", str(work), f"-DCMAKE_CXX_COMPILER={compiler}"]
        if shutil.which("ninja"):
            configure += ["-G", "Ninja"]
        if shutil.which("ccache"):
            # A change of one file then costs the compilation of what depends on it.
            configure += ["-DCMAKE_CXX_COMPILER_LAUNCHER=ccache"]
        jobs = str(len(os.sched_getaffinity(0)))
        make = ["cmake", "--build", str(work), "--target", "vgpu_runtime", "--parallel", jobs]
        log = folder.with_name(f"{folder.name}.log")
        with log.open("wb") as stream:
            for command in (configure, make):
                _step(command, stream.fileno(), log)
        built = work / "hsa" / SONAME
        folder.mkdir(exist_ok=True)
        # Renamed into place: who finds the file finds it whole.
        shutil.copy2(built, folder / f"{SONAME}.new")
        (folder / f"{SONAME}.new").rename(library)
        shutil.rmtree(work)
        log.unlink()
    return library


def _step(command: list[str], output: int, log: Path) -> None:
    try:
        done = commands.run(command, stdout=output, stderr=subprocess.STDOUT, check=False)
    except FileNotFoundError as error:
        raise MissingToolError(
            f"this machine lacks {command[0]}",
            cause="the virtual GPU's library is compiled on first use",
            step="install cmake and a C++20 compiler (Debian: apt-get install cmake ninja-build g++)",
        ) from error
    if done.returncode != 0:
        raise VgpuError(
            "the virtual GPU's library could not be built",
            cause=f"{' '.join(command[:2])} ended with {done.returncode}; the whole log is {log}",
            detail=log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_LINES:],
        )


def _compiler() -> str:
    """Give $CXX or the system's C++ compiler."""
    named = os.environ.get("CXX")
    for name in (named,) if named else _COMPILERS:
        path = shutil.which(name)
        if path:
            return path
    raise MissingToolError(
        "this machine lacks a C++ compiler",
        cause="the virtual GPU's library is compiled on first use",
        step="install one with C++20 (Debian: apt-get install g++)",
    )


def _version(compiler: str) -> str:
    """Give the first line of the compiler's --version."""
    done = commands.run([compiler, "--version"], capture_output=True, text=True, check=False)
    return f"{compiler} {done.stdout.partition(chr(10))[0]}"
