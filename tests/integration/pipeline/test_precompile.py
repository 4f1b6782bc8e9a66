"""Headers compiled once: CMake's function with the sysroot's CMake, ninja, clang and ccache."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.integration.vgpu.conftest import root

from rocm_patch.pipeline.compile import CacheStats, read_stats
from rocm_patch.pipeline.launcher import _precompile_lines, _script
from rocm_patch.sysroot import Bind, Sysroot

__all__ = ["root"]
LISTS = """\
cmake_minimum_required(VERSION 3.25)
project(toy CXX)
add_subdirectory(part)
"""
PART = """\
add_library(toy SHARED sub/plain.cpp sub/wide.cpp sub/strict.cpp sub/left_out.cpp)
set_source_files_properties(sub/wide.cpp PROPERTIES COMPILE_FLAGS -mavx2)
set_property(SOURCE sub/strict.cpp APPEND PROPERTY COMPILE_DEFINITIONS WITHOUT_THE_COMMON)
"""
#: As PyTorch's headers do, it refuses sources that say that they do not include it.
HEADER = "#pragma once\n#ifdef WITHOUT_THE_COMMON\n#error not here\n#endif\n#define COMMON {}\n"
#: Only what was given the header by the compiler knows COMMON.
SOURCE = (
    "#ifdef COMMON\nint NAME_with() { return COMMON; }\n#else\nint NAME_without() { return 0; }\n#endif\n"
)


class Toy:
    """A project of one library in a subfolder, whose target gets a header from outside."""

    def __init__(self, folder: Path, root: Sysroot) -> None:
        self.folder, self.root = folder, root
        part = folder / "src" / "part" / "sub"
        part.mkdir(parents=True)
        (folder / "src" / "CMakeLists.txt").write_text(LISTS)
        (folder / "src" / "part" / "CMakeLists.txt").write_text(PART)
        for name in ("plain", "wide", "strict", "left_out"):
            (part / f"{name}.cpp").write_text(SOURCE.replace("NAME", name))
        self.tools = folder / "tools"
        # As PyTorch's torch_hip where HIP is not found, a target that is not there is not ours to name.
        wanted = {"toy": ("common.h", [r"/left_out\.cpp$"]), "absent": ("common.h", [])}
        lines = _precompile_lines(self.tools, "/toy/tools", wanted)
        self.header = self.tools / "precompile" / "common.h"
        self.header.write_text(HEADER.format(7))
        (self.tools / "launcher.cmake").write_text("".join(lines))
        _script(self.tools / "bin" / "ccache", "ccache", {})

    def build(self) -> CacheStats:
        """Configure and compile in an empty build folder; gives what ccache did."""
        (self.folder / "stats").unlink(missing_ok=True)
        shutil.rmtree(self.folder / "build", ignore_errors=True)
        env = {
            "CXX": "/usr/lib/llvm-21/bin/clang++",
            # A word that ccache by itself takes for -o penmp-opt-disable.
            "CXXFLAGS": "-mllvm -openmp-opt-disable",
            "PATH": "/toy/tools/bin:/usr/bin:/bin",
            "CMAKE_CXX_COMPILER_LAUNCHER": "ccache",
            "CMAKE_PROJECT_TOP_LEVEL_INCLUDES": "/toy/tools/launcher.cmake",
            "CCACHE_DIR": "/toy/ccache",
            "CCACHE_SLOPPINESS": "pch_defines,time_macros,include_file_mtime,include_file_ctime",
        }
        for argv in (
            ["cmake", "-G", "Ninja", "-S", "/toy/src", "-B", "/toy/build",
             "-DCMAKE_PROJECT_TOP_LEVEL_INCLUDES=/toy/tools/launcher.cmake"],
            ["env", "CCACHE_STATSLOG=/toy/stats", "ninja", "-C", "/toy/build"],
        ):  # fmt: skip
            self.root.run(argv, binds=[Bind(self.folder, "/toy")], env=env)
        return read_stats(self.folder / "stats")

    def symbols(self) -> set[str]:
        """Give the names of the functions in the library, without the mangling."""
        library = "/toy/build/part/libtoy.so"
        done = self.root.run(["nm", "-D", "--defined-only", library], binds=[Bind(self.folder, "/toy")])
        words = {line.split()[-1] for line in done.stdout.splitlines()}
        return {
            word for word in (name[3:].rstrip("v").lstrip("0123456789") for name in words) if "_with" in word
        }


@pytest.mark.sysroot
def test_sources_share_the_header_but_those_with_words_of_their_own_and_those_left_out(
    root: Sysroot, tmp_path: Path
) -> None:
    toy = Toy(tmp_path, root)
    first = toy.build()
    assert toy.symbols() == {"plain_with", "wide_without", "strict_without", "left_out_without"}
    assert (first.hit, first.miss, first.not_taken) == (0, 5, 0)  # the header and four sources
    again = toy.build()
    assert (again.hit, again.miss, again.not_taken) == (5, 0, 0)
    # What the header says is part of what is looked up: a change must reach the objects.
    toy.header.write_text(HEADER.format(8))
    changed = toy.build()
    assert (changed.hit, changed.miss) == (3, 2)


def test_the_header_is_copied_only_where_it_differs(tmp_path: Path) -> None:
    _precompile_lines(tmp_path, "/tools", {"one": ("torch-cpu.h", ())})
    copy = tmp_path / "precompile" / "torch-cpu.h"
    before = copy.stat().st_mtime_ns
    _precompile_lines(tmp_path, "/tools", {"one": ("torch-cpu.h", ())})
    assert copy.stat().st_mtime_ns == before
    copy.write_text("else")
    _precompile_lines(tmp_path, "/tools", {"one": ("torch-cpu.h", ())})
    assert "ATen" in copy.read_text()
