"""Trees and series on disk for the series tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.integration.series.seriestools import FIRST, HEADER, SECOND, THIRD

from rocm_patch.series import Series


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small source tree with an empty file, CRLF and a file without a last line end."""
    top = tmp_path / "tree"
    (top / "gone").mkdir(parents=True)
    (top / "one.txt").write_bytes(b"a\nb\nc\n")
    (top / "gone" / "old.txt").write_bytes(b"bye")
    (top / "run.sh").write_bytes(b"#!/bin/sh\n")
    (top / "empty.py").write_bytes(b"")
    (top / "crlf.txt").write_bytes(b"x\r\ny\r\n")
    return top


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Series]:
    """Write a series into a project folder below tmp_path."""

    def write(*bodies: bytes, header: bytes = HEADER, options: tuple[str, ...] = ()) -> Series:
        folder = tmp_path / "project" / "patches" / "comp" / "1.0"
        folder.mkdir(parents=True, exist_ok=True)
        (tmp_path / "project" / "recipes").mkdir(exist_ok=True)
        tests = tmp_path / "project" / "tests"
        tests.mkdir(exist_ok=True)
        (tests / "test_it.py").write_text("class TestIt:\n    def test_one(self, x): ...\n")
        lines = []
        for number, body in enumerate(bodies, 1):
            name = f"{number:04d}-step.patch"
            (folder / name).write_bytes(header + body)
            lines.append(f"{name} {options[number - 1] if options else ''}".rstrip())
        (folder / "series").write_text("".join(f"{line}\n" for line in lines))
        return Series.load(folder)

    return write


@pytest.fixture
def series(make: Callable[..., Series]) -> Series:
    """Three patches: edits, a new, a removed, a filled file, a mode, CRLF, Latin-1."""
    return make(FIRST, SECOND, THIRD)
