"""Reading a stock package, and the decision that follows: by code, never by version or kernels beside it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from tests.unit.audit import make

from rocm_patch.errors import PackageError, UsageError
from rocm_patch.packaging import decide, read_stock
from rocm_patch.packaging.layout import layout_of

DEBIAN = layout_of("debian").component("rocblas")
LIB = "usr/lib/x86_64-linux-gnu"


def code(target: str) -> bytes:
    machine = {"gfx1010": 0x33, "gfx1030": 0x36, "gfx10-1-generic": 0x52, "gfx10-3-generic": 0x53}[target]
    return make.code_object(make.K(), mach=machine, target=f"amdgcn-amd-amdhsa--{target}")


def tree(root: Path, host: list[str], loose: list[str]) -> Path:
    folder = root / LIB / "rocblas/4.4.1/library"
    folder.mkdir(parents=True)
    library = make.host(make.fat(**{target: code(target) for target in host}))
    (root / LIB / "librocblas.so.4.4").write_bytes(library)
    (root / LIB / "librocblas.so.4").symlink_to("librocblas.so.4.4")
    for target in loose:
        (folder / f"Kernels.so-000-{target}.hsaco").write_bytes(code(target))
    (folder / "TensileLibrary_lazy_gfx1030.dat").write_bytes(b"\x80")
    return root


def deb(root: Path, name: str = "librocblas4", **records: str) -> Path:
    (root / "DEBIAN").mkdir()
    for record, text in records.items():
        (root / "DEBIAN" / record).write_text(text)
    (root / "DEBIAN/control").write_text(
        f"Package: {name}\nVersion: 6.4.4-4\nArchitecture: amd64\nMaintainer: a <a@example.org>\n"
        "Depends: libc6 (>= 2.38), libamdhip64-6\nDescription: x\n"
    )
    made = root.with_suffix(".deb")
    subprocess.run(["dpkg-deb", "-Zgzip", "--build", root, made], check=True, capture_output=True)
    return made


@pytest.mark.parametrize(
    ("host", "loose", "kind", "has_kernels"),
    [
        (["gfx1010", "gfx1030"], ["gfx1030"], "additive", False),
        (["gfx1010", "gfx1030"], ["gfx1010", "gfx1030"], "additive", True),
        (["gfx10-1-generic", "gfx1030"], [], "additive", False),
        (["gfx10-3-generic"], [], "replacing", False),
        (["gfx1030"], ["gfx1010"], "replacing", True),
        (["gfx1030"], [], "replacing", False),
    ],
)
def test_the_librarys_code_decides(
    tmp_path: Path,
    host: list[str],
    loose: list[str],
    kind: str,
    has_kernels: bool,  # noqa: FBT001
) -> None:
    records = {"shlibs": "librocblas 4 librocblas4 (>= 6.4.4)\n"}
    stock = read_stock(deb(tree(tmp_path / "x", host, loose), **records), DEBIAN)
    assert stock.link_records == records
    decision = decide(stock, "gfx1010")
    assert (decision.kind, decision.has_kernels) == (kind, has_kernels)
    assert "librocblas4 6.4.4-4" in decision.reason
    assert stock.kernels == f"/{LIB}/rocblas/4.4.1/library"
    assert stock.libraries == (f"/{LIB}/librocblas.so.4.4",)
    assert stock.depends == ("libc6 (>= 2.38)", "libamdhip64-6")


def test_an_installed_system_is_read_as_well(tmp_path: Path) -> None:
    root = tree(tmp_path / "root", ["gfx1010"], ["gfx1030"])
    info = root / "var/lib/dpkg/info"
    info.mkdir(parents=True)
    files = sorted(f"/{path.relative_to(root)}" for path in (root / "usr").rglob("*"))
    (info / "librocblas4:amd64.list").write_text("\n".join(["/.", *files]) + "\n")
    (info / "librocblas4:amd64.symbols").write_text("librocblas.so.4 librocblas4 #MINVER#\n")
    (root / "var/lib/dpkg/status").write_text(
        "Package: librocblas4\nStatus: install ok installed\nVersion: 6.4.4-4\nArchitecture: amd64\n"
    )
    stock = read_stock(root, DEBIAN)
    assert stock.link_records == {"symbols": "librocblas.so.4 librocblas4 #MINVER#\n"}
    assert stock.library_targets == {"gfx1010"}
    assert stock.kernel_targets == {"gfx1030"}
    assert (stock.upstream, stock.revision) == ("6.4.4", "4")


def test_what_is_not_the_stock_package_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match="is not the stock package"):
        read_stock(deb(tree(tmp_path / "x", ["gfx1010"], []), name="librocblas5"), DEBIAN)
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(PackageError, match="has no librocblas"):
        read_stock(deb(empty), DEBIAN)
    other = tmp_path / "root"
    other.mkdir()
    with pytest.raises(PackageError, match="is not installed"):
        read_stock(other, DEBIAN)
    with pytest.raises(UsageError, match="is no stock package"):
        read_stock(Path(__file__), DEBIAN)
