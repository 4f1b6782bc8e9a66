"""Unpacking, packing, RECORD, METADATA and WHEEL."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

from rocm_patch.errors import WheelError
from rocm_patch.wheel import metadata
from rocm_patch.wheel.archive import pack_wheel, record_problems, unpack_wheel
from rocm_patch.wheel.table import load_table

TAG = "cp313-cp313-linux_x86_64"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    tree = tmp_path / "tree"
    info = tree / "x-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(
        "Metadata-Version: 2.4\nName: X.y\nVersion: 1.0+a\nRequires-External: old\n\nText: no\n"
    )
    (info / "WHEEL").write_text(f"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: {TAG}\nBuild: 1\n")
    (tree / "x.py").write_text("1\n")
    (tree / "bin").mkdir()
    (tree / "bin" / "tool").write_text("#!/bin/sh\n")
    (tree / "bin" / "tool").chmod(0o700)
    return tree


def test_same_files_same_bytes(tree: Path, tmp_path: Path) -> None:
    pack_wheel(tree, tmp_path / "a.whl", epoch=1738108800)
    for path in sorted(tree.rglob("*"), reverse=True):
        os.utime(path, (1, 1))
    (tree / "x.py").chmod(0o600)
    pack_wheel(tree, tmp_path / "b.whl", epoch=1738108800)
    assert (tmp_path / "a.whl").read_bytes() == (tmp_path / "b.whl").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.whl") as archive:
        names = archive.namelist()
        assert names == [
            "bin/tool",
            "x.py",
            *(f"x-1.0.dist-info/{one}" for one in ("METADATA", "RECORD", "WHEEL")),
        ]
        assert {info.date_time for info in archive.infolist()} == {(2025, 1, 29, 0, 0, 0)}
    (tmp_path / "back").mkdir()
    unpack_wheel(tmp_path / "a.whl", tmp_path / "back")
    assert (tmp_path / "back" / "bin" / "tool").stat().st_mode & 0o777 == 0o755
    assert record_problems(tmp_path / "back") == []


def test_record_names_each_difference(tree: Path, tmp_path: Path) -> None:
    pack_wheel(tree, tmp_path / "a.whl", epoch=0)
    (tree / "x.py").write_text("2\n")
    (tree / "new").write_text("")
    (tree / "bin" / "tool").unlink()
    assert record_problems(tree) == [
        "new is not in RECORD",
        "bin/tool is in RECORD only",
        "x.py differs from RECORD",
    ]
    (tree / "x-1.0.dist-info" / "RECORD").unlink()
    assert record_problems(tree) == ["there is no RECORD"]


@pytest.mark.parametrize("name", ["../out", "/abs", "a/../../b", "a\\b"])
def test_unsafe_names(tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(tmp_path / "a.whl", "w") as archive:
        archive.writestr(name, "x")
    with pytest.raises(WheelError, match="unsafe"):
        unpack_wheel(tmp_path / "a.whl", tmp_path / "out")


def test_no_zip_and_no_dist_info(tmp_path: Path) -> None:
    (tmp_path / "a.whl").write_bytes(b"PK\x03\x04 no")
    with pytest.raises(WheelError, match="no whole zip"):
        unpack_wheel(tmp_path / "a.whl", tmp_path / "out")
    with zipfile.ZipFile(tmp_path / "b.whl", "w") as archive:
        archive.writestr("x.py", "")
    with pytest.raises(WheelError, match=r"0 \.dist-info"):
        unpack_wheel(tmp_path / "b.whl", tmp_path / "out2")


def test_metadata_is_rewritten(tree: Path) -> None:
    info = tree / "x-1.0.dist-info"
    lines = metadata.external_lines({"GLIBC": "2.38"}, ["libamdhip64.so.6"], load_table())
    metadata.set_external(info, lines)
    metadata.set_external(info, lines)
    text = (info / "METADATA").read_text()
    assert metadata.values(text, "requires-external") == [
        "glibc (>=2.38)",
        "ROCm (>=6.4,<6.5)",
        "libamdhip64.so.6",
    ]
    assert text.endswith("\n\nText: no\n")
    metadata.set_licence_files(info, ["debian/a.copyright"])
    assert metadata.values((info / "METADATA").read_text(), "License-File") == ["debian/a.copyright"]
    assert metadata.file_name(info, TAG) == f"x_y-1.0+a-{TAG}.whl"


def test_tags(tree: Path) -> None:
    info = tree / "x-1.0.dist-info"
    more = metadata.manylinux_tag(TAG, {"GLIBC": "2.38"})
    assert more == "cp313-cp313-manylinux_2_38_x86_64"
    metadata.set_tags(info, [TAG, more])
    assert metadata.tags_of(info) == [TAG, more]
    assert "Build" not in (info / "WHEEL").read_text()
    (info / "WHEEL").write_text("Root-Is-Purelib: true\n")
    with pytest.raises(WheelError, match="pure"):
        metadata.set_tags(info, [TAG])
    with pytest.raises(WheelError, match="manylinux"):
        metadata.manylinux_tag("py3-none-any", {})


def test_old_metadata_takes_no_licence_files(tree: Path) -> None:
    path = tree / "x-1.0.dist-info" / "METADATA"
    path.write_text("Metadata-Version: 2.1\nName: x\nVersion: 1\n")
    metadata.set_licence_files(path.parent, ["a"])
    assert path.read_text() == "Metadata-Version: 2.1\nName: x\nVersion: 1\n"
