"""A Python that a root lacks: packages of an interpreter become a folder that it runs from."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.sysroot.debmake import deb, member

from rocm_patch.errors import DataError
from rocm_patch.sysroot.interpreter import place_interpreter

CONTROL = "Package: python3.11-minimal\nVersion: 3.11.2\nArchitecture: amd64\n"


def package(folder: Path, program: str) -> Path:
    return deb(
        folder / "p.deb",
        CONTROL,
        [
            member("./usr/bin/" + program, b"#!/bin/sh\n", mode=0o755),
            member(
                "./usr/include/python3.11/pyconfig.h", b"#include <x86_64-linux-gnu/python3.11/pyconfig.h>\n"
            ),
            member("./usr/include/x86_64-linux-gnu/python3.11/pyconfig.h", b"#define HAVE_IT 1\n"),
            member("./usr/lib/python3.11/os.py", b"# os\n"),
            member("./usr/lib/python3.11/config-3.11-x86_64-linux-gnu/libpython3.11.a", b"archive"),
            member("./usr/share/doc/p/copyright", b"text"),
        ],
    )


def test_it_runs_from_its_folder_and_its_headers_name_nothing_below_usr(tmp_path: Path) -> None:
    place_interpreter([package(tmp_path, "python3.11")], tmp_path / "base", "python3.11")
    base = tmp_path / "base"
    files = sorted(path.relative_to(base).as_posix() for path in base.rglob("*") if path.is_file())
    assert files == [
        "bin/python3.11",
        "include/python3.11/pyconfig.h",
        "include/x86_64-linux-gnu/python3.11/pyconfig.h",
        "lib/python3.11/os.py",
    ]
    assert (base / "bin/python3.11").stat().st_mode & 0o111
    assert (base / "include/python3.11/pyconfig.h").read_bytes() == b"#define HAVE_IT 1\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["base", "p.deb"]


def test_packages_of_another_python_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"usr/bin/python3\.11") as caught:
        place_interpreter([package(tmp_path, "python3.12")], tmp_path / "base", "python3.11")
    assert "p.deb" in str(caught.value.cause)
