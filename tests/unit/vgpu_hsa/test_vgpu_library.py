"""Finding and building the library, with a small CMake project in place of vgpu/."""

from __future__ import annotations

import ctypes
from pathlib import Path

import pytest

from rocm_patch.errors import MissingToolError, VgpuError
from rocm_patch.vgpu import library
from rocm_patch.vgpu.settings import SONAME

CMAKE = """
cmake_minimum_required(VERSION 3.20)
project(toy LANGUAGES CXX)
add_subdirectory(hsa)
"""
CMAKE_HSA = """
add_library(vgpu_runtime SHARED toy.cpp)
set_target_properties(vgpu_runtime PROPERTIES OUTPUT_NAME hsa-runtime64 SUFFIX .so.1)
"""


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the sources of a library with one function; the cache is an empty folder."""
    monkeypatch.setenv("ROCM_PATCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("ROCM_PATCH_VGPU_LIBRARY", raising=False)
    folder = tmp_path / "vgpu"
    (folder / "hsa/tests").mkdir(parents=True)
    (folder / "CMakeLists.txt").write_text(CMAKE)
    (folder / "hsa/CMakeLists.txt").write_text(CMAKE_HSA)
    (folder / "hsa/toy.cpp").write_text('extern "C" int answer() { return 42; }\n')
    (folder / "hsa/tests/test.cpp").write_text("// not part of the library\n")
    return folder


def test_a_checkout_builds_once_for_each_state_of_its_sources(toy: Path) -> None:
    heard: list[str] = []
    first = library.build_library(toy, heard.append)
    assert first.name == SONAME
    assert ctypes.CDLL(str(first)).answer() == 42
    assert library.build_library(toy, heard.append) == first
    assert len(heard) == 1
    (toy / "hsa/toy.cpp").write_text('extern "C" int answer() { return 43; }\n')
    second = library.build_library(toy, heard.append)
    assert second != first
    assert ctypes.CDLL(str(second)).answer() == 43
    assert len(heard) == 2
    assert sorted(path.name for path in first.parent.parent.iterdir() if path.is_dir()) == sorted(
        [first.parent.name, second.parent.name]
    )


def test_tests_and_notes_do_not_change_the_digest(toy: Path) -> None:
    before = library.source_digest(toy, "compiler 1")
    (toy / "hsa/tests/test.cpp").write_text("// changed\n")
    (toy / "README.md").write_text("words\n")
    assert library.source_digest(toy, "compiler 1") == before
    assert library.source_digest(toy, "compiler 2") != before
    (toy / "hsa/new.h").write_text("")
    assert library.source_digest(toy, "compiler 1") != before


def test_a_renamed_file_changes_the_digest(toy: Path) -> None:
    before = library.source_digest(toy, "compiler")
    (toy / "hsa/toy.cpp").rename(toy / "hsa/other.cpp")
    assert library.source_digest(toy, "compiler") != before


def test_a_failed_build_shows_the_end_of_its_log_and_is_tried_again(toy: Path) -> None:
    (toy / "hsa/toy.cpp").write_text("int broken(\n")
    for _ in range(2):
        with pytest.raises(VgpuError) as caught:
            library.build_library(toy)
        assert any("error" in line for line in caught.value.detail)
        assert ".log" in caught.value.cause


def test_without_a_compiler_the_message_names_one(toy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(MissingToolError, match=r"C\+\+") as caught:
        library.build_library(toy)
    assert "apt-get" in caught.value.step


def test_a_named_library_wins(toy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named = toy / "named.so"
    monkeypatch.setenv("ROCM_PATCH_VGPU_LIBRARY", str(named))
    with pytest.raises(VgpuError, match=r"named\.so"):
        library.find_library()
    named.write_bytes(b"")
    assert library.find_library() == named


def test_the_real_sources_are_complete() -> None:
    folder = library.source_folder()
    names = {path.relative_to(folder).as_posix() for path in library.source_files(folder)}
    assert {"CMakeLists.txt", "hsa/exports.map", "hsa/queue.cpp", "core/engine.h", "isa/opcodes.def"} <= names
    assert not any("/tests/" in name for name in names)
