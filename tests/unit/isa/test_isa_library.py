"""Finding and loading the library, and the records it fills."""

from __future__ import annotations

from pathlib import Path

import pytest

from rocm_patch.errors import MissingToolError
from rocm_patch.isa import library
from rocm_patch.isa.library import CodeReport, Library, Loop


def test_a_missing_library_says_how_to_build_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ROCM_PATCH_ISA_LIBRARY", str(tmp_path / "absent.so"))
    with pytest.raises(MissingToolError) as caught:
        library.load()
    assert "cmake -S vgpu" in caught.value.step
    assert "absent.so" in caught.value.cause


def test_a_file_that_is_no_library_is_refused(tmp_path: Path) -> None:
    path = tmp_path / library.NAME
    path.write_bytes(b"not ELF")
    with pytest.raises(MissingToolError, match="cannot be loaded"):
        Library(path)


def test_the_override_names_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / library.NAME
    path.touch()
    monkeypatch.setenv("ROCM_PATCH_ISA_LIBRARY", str(path))
    assert library.library_path() == path


def loop(*, valu: int, fma: int, inner: bool = True) -> Loop:
    return Loop(first=0, last=8, inner=inner, instructions=10, valu=valu, fma=fma, mix={})


def test_fma_share_of_a_loop() -> None:
    assert loop(valu=8, fma=6).fma_share == 0.75
    assert loop(valu=0, fma=0).fma_share == 0.0


def test_inner_loops_leave_the_outer_out() -> None:
    inner, outer = loop(valu=1, fma=1), loop(valu=2, fma=1, inner=False)
    assert CodeReport(1, 0, {}, (), (inner, outer)).inner_loops == (inner,)
