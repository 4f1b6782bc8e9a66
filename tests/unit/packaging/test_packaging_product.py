"""product.json: what it says of a tree, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rocm_patch.errors import PackageError
from rocm_patch.packaging import Origin, Product, describe, load_product, write_product


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    pack = tmp_path / "lib/rocblas/library/gfx1010"
    pack.mkdir(parents=True)
    (pack / "a.dat").write_bytes(b"index")
    (tmp_path / "lib/librocblas.so.4.4").write_bytes(b"library")
    (tmp_path / "lib/librocblas.so.4").symlink_to("librocblas.so.4.4")
    (tmp_path / "share/rocblas").mkdir(parents=True)
    (tmp_path / "share/rocblas/tool").write_bytes(b"#!/bin/sh\n")
    (tmp_path / "share/rocblas/tool").chmod(0o755)
    (tmp_path / "licences").mkdir()
    (tmp_path / "licences/LICENSE.md").write_text("MIT\n")
    write_product(made(tmp_path), tmp_path)
    return tmp_path


def made(folder: Path) -> Product:
    return describe(
        folder, component="rocblas", version="6.4.4", rocm="6.4.3", layouts=["amd"], targets=["gfx1010"],
        epoch=1, licence="MIT", sources=[Origin(name="rocblas", version="6.4.4", commit="0" * 40)],
    )  # fmt: skip


def test_round_trip_with_roles_from_places(folder: Path) -> None:
    product = load_product(folder)
    roles = {entry.path: (entry.role, entry.executable, entry.link) for entry in product.files}
    assert roles == {
        "lib/rocblas/library/gfx1010/a.dat": ("kernels", False, None),
        "lib/librocblas.so.4.4": ("library", False, None),
        "lib/librocblas.so.4": ("library", False, "librocblas.so.4.4"),
        "share/rocblas/tool": ("data", True, None),
        "licences/LICENSE.md": ("licence", False, None),
    }


def test_changed_missing_and_added_files_are_named(folder: Path) -> None:
    (folder / "lib/librocblas.so.4.4").write_bytes(b"edited!")
    (folder / "licences/LICENSE.md").unlink()
    (folder / "share/extra").write_bytes(b"")
    (folder / "share/rocblas/tool").chmod(0o644)
    with pytest.raises(PackageError) as caught:
        load_product(folder)
    assert caught.value.detail == [
        "licences/LICENSE.md: named, but not there",
        "share/extra: there, but not named",
        "lib/librocblas.so.4.4: other content than named",
        "share/rocblas/tool: other content than named",
    ]


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"unknown": 1},
        {"targets": []},
        {"sources": [{"name": "x", "version": "1"}]},
        {"files": [{"path": "../etc/passwd", "role": "data", "sha256": "0" * 64}]},
        {"files": [{"path": "lib/a", "role": "library", "link": "/etc/passwd"}]},
        {"files": [{"path": "lib/a", "role": "library"}]},
    ],
)
def test_what_breaks_the_schema_is_refused(folder: Path, change: dict[str, Any]) -> None:
    path = folder / "product.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(PackageError, match="breaks its schema"):
        load_product(folder)


def test_a_folder_without_description_is_no_product(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match="is no product"):
        load_product(tmp_path)
    with pytest.raises(PackageError, match="holds no file"):
        made(tmp_path)
