"""Provenance, bill of materials, search paths, bare package sets: from small made-up data."""

from __future__ import annotations

import json
from pathlib import Path

import attrs
import pytest
from tests.unit.sysroot.debmake import deb, lock_of, locked, member

from rocm_patch.errors import DataError, WheelError
from rocm_patch.sources import ObjectStore
from rocm_patch.sysroot.debs import Deb
from rocm_patch.wheel.elf import Dynamic
from rocm_patch.wheel.provenance import Origins, Package
from rocm_patch.wheel.roots import closure, is_rocm
from rocm_patch.wheel.sbom import Part, Subject, file_hashes, render
from rocm_patch.wheel.table import load_table
from rocm_patch.wheel.vendor import grafted, search_path

MULTI = "usr/lib/x86_64-linux-gnu"
TABLE = load_table()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / MULTI).mkdir(parents=True)
    (root / "etc").mkdir()
    (root / MULTI / "libuv.so.1.0.0").write_bytes(b"uv")
    (root / MULTI / "libuv.so.1").symlink_to("libuv.so.1.0.0")
    (root / MULTI / "libblas.so.3").symlink_to("/etc/blas")
    (root / "etc/blas").symlink_to(f"/{MULTI}/libuv.so.1")
    (root / MULTI / "libloop.so").symlink_to("libloop.so")
    (root / MULTI / "liblost.so").write_bytes(b"")
    info = root / "var/lib/dpkg/info"
    info.mkdir(parents=True)
    (info / "libuv1:amd64.list").write_text(f"/.\n/{MULTI.removeprefix('usr/')}/libuv.so.1.0.0\n")
    status = "Package: other\nVersion: 9\n\nPackage: libuv1\nVersion: 1:1.5+b1\nSource: libuv (1.5)\n"
    (info.parent / "status").write_text(status)
    return root


def test_a_library_leads_to_its_package(root: Path) -> None:
    lock = lock_of(locked("libuv1", "1:1.5+b1"))
    origins = Origins(root, lock)
    path = origins.file_of("libuv.so.1")
    assert path == f"{MULTI}/libuv.so.1.0.0"
    assert origins.resolve(f"{MULTI}/libblas.so.3") == path
    package = origins.packages_of([path])[path]
    assert package == Package("libuv1", "1:1.5+b1", "libuv", lock.packages[0].sha256)
    assert package.purl == "pkg:deb/debian/libuv1@1%3A1.5%2Bb1?arch=amd64"
    other = Origins(root, lock_of(locked("libuv1", "2")))
    assert other.package("libuv1").sha256 is None


def test_what_belongs_to_nothing(root: Path) -> None:
    origins = Origins(root, lock_of())
    with pytest.raises(WheelError, match="no libnone"):
        origins.file_of("libnone.so")
    with pytest.raises(WheelError, match="leads nowhere"):
        origins.resolve(f"{MULTI}/libloop.so")
    with pytest.raises(WheelError, match="no package of the SDK has"):
        origins.packages_of([f"{MULTI}/liblost.so"])
    with pytest.raises(DataError, match="no package nope"):
        origins.package("nope")
    with pytest.raises(WheelError, match="the lock has no gone"):
        origins.licences([Package("gone", "1", "gone", None)])


def test_licences_come_out_of_the_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROCM_PATCH_CACHE", str(tmp_path / "cache"))
    doc = "./usr/share/doc"
    members = {
        "liba": [member(f"{doc}/liba/copyright", b"Licence of a\n")],
        "libb": [member(f"{doc}/libb", link="liba")],
        "libc": [member(f"{doc}/libc/copyright", link="../liba/copyright")],
        "libd": [member(f"{doc}/libd/README", b"no")],
    }
    packages = []
    for name, inside in members.items():
        text = f"Package: {name}\nVersion: 1\nArchitecture: amd64\n"
        file = deb(tmp_path / f"{name}.deb", text, inside)
        digest, stored = ObjectStore().put(file)
        packages.append(attrs.evolve(locked(name), sha256=digest, size=stored.stat().st_size))
    origins = Origins(tmp_path, lock_of(*packages))
    wanted = [Package(name, "1", name, None) for name in ("liba", "libb", "libc")]
    assert origins.licences(wanted) == dict.fromkeys(("liba", "libb", "libc"), b"Licence of a\n")
    with pytest.raises(WheelError, match="holds no licence of libd"):
        origins.licences([Package("libd", "1", "libd", None)])


def test_a_system_without_a_lock_answers_by_what_is_installed(root: Path) -> None:
    (root / "etc/os-release").write_text('NAME="Ubuntu"\nID=ubuntu\n')
    doc = root / "opt/rocm/share/doc/omp"
    doc.mkdir(parents=True)
    (doc / "LICENSE.TXT").write_bytes(b"of omp\n")
    (root / "usr/share/doc/libuv1").mkdir(parents=True)
    (root / "usr/share/doc/libuv1/copyright").write_bytes(b"of uv\n")
    (root / "var/lib/dpkg/info/omp.list").write_text("/.\n/opt/rocm/share/doc/omp/LICENSE.TXT\n")
    (root / "opt/rocm/lib").mkdir()
    (root / "opt/rocm/lib/libomp.so").write_bytes(b"omp")
    origins = Origins(root, None, (MULTI, "opt/rocm/lib"))
    assert origins.file_of("libomp.so") == "opt/rocm/lib/libomp.so"
    package = origins.package("libuv1")
    assert package.sha256 is None
    assert package.purl == "pkg:deb/ubuntu/libuv1@1%3A1.5%2Bb1?arch=amd64"
    omp = Package("omp", "1", "omp", None)
    assert origins.licences([package, omp]) == {"libuv1": b"of uv\n", "omp": b"of omp\n"}
    with pytest.raises(WheelError, match="the licence of other is not installed"):
        origins.licences([origins.package("other")])
    with pytest.raises(WheelError, match="no package of the SDK has"):
        origins.packages_of(["opt/rocm/lib/libomp.so"])


def test_bill_is_the_same_for_the_same() -> None:
    subject = Subject("torch", "2.6.0+x", "BSD-3-Clause", 1738108800, {"lock": "a", "kind": "b"})
    patched = attrs.evolve(
        subject, ancestor="pkg:github/p/t@v1", ancestor_sha256="1" * 64, patches=[("0001", "d")]
    )
    parts = [
        Part(
            "vendored", "b", "1", purl="pkg:deb/debian/b@1", sha256="2" * 64, files={"x.libs/b.so": "3" * 64}
        ),
        Part("static", "a", "1", licence="licenses/a"),
    ]
    bill = render(patched, parts)
    assert bill == render(patched, parts[::-1])
    assert file_hashes(bill) == {"x.libs/b.so": "3" * 64}
    told = json.loads(bill)
    assert told["metadata"]["timestamp"] == "2025-01-29T00:00:00Z"
    assert told["metadata"]["component"]["pedigree"]["ancestors"][0]["version"] == "v1"
    assert [one["name"] for one in told["components"]] == ["a", "b"]
    references = [one["bom-ref"] for one in told["components"]]
    assert len(set(references)) == 2
    assert told["dependencies"][0]["dependsOn"] == references
    plain = json.loads(render(subject, parts))
    assert "pedigree" not in plain["metadata"]["component"]
    assert plain["serialNumber"] != told["serialNumber"]
    assert file_hashes(b"{") == {}


def dynamic(*needed: str, soname: str | None = None) -> Dynamic:
    return Dynamic(soname, needed, (), (), {})


def test_search_paths() -> None:
    inside = {
        "libtorch_hip.so": "torch/lib/libtorch_hip.so",
        "libuv-1.so.1": "torch.libs/libuv-1.so.1",
        "libprotobuf-1.so": "torch.libs/libprotobuf-1.so",
    }
    lib = search_path("torch/lib/libtorch_hip.so", dynamic("libamdhip64.so.6", "libuv-1.so.1"), inside, TABLE)
    assert lib == ("$ORIGIN", "$ORIGIN/../../torch.libs", *TABLE.runpath)
    module = search_path("torch/_C.so", dynamic("libtorch_hip.so", "libc.so.6"), inside, TABLE)
    assert module == ("$ORIGIN", "$ORIGIN/lib")
    tool = search_path("torch/bin/tool", dynamic("libtorch_hip.so"), inside, TABLE)
    assert tool == ("$ORIGIN", "$ORIGIN/../lib")
    assert search_path("torch.libs/libuv-1.so.1", dynamic("libc.so.6"), inside, TABLE) == ()
    assert search_path("torch.libs/libonnx.so", dynamic("libprotobuf-1.so"), inside, TABLE) == ("$ORIGIN",)
    assert TABLE.runpath[-1] == "/opt/rocm/lib"


def test_table() -> None:
    assert "libamdhip64.so.6" in TABLE.shared
    assert {"libhipblaslt.so.1", "libhipblaslt.so.0", "libamd_comgr.so.3"} <= TABLE.all_rocm - TABLE.shared
    with pytest.raises(DataError, match="not usable"):
        load_table("none")


def test_names_of_vendored_libraries(tmp_path: Path) -> None:
    (tmp_path / "x.libs").mkdir()
    (tmp_path / "x.libs" / "libbrotli-common-0123abcd.so.1.2.0").touch()
    assert grafted(tmp_path) == {"x.libs/libbrotli-common-0123abcd.so.1.2.0": "libbrotli-common.so.1.2.0"}


def package(
    name: str, *needs: tuple[str, ...], provides: tuple[str, ...] = (), essential: bool = False
) -> Deb:
    return Deb(name, Path(name), essential, needs, provides, 1)


def test_what_a_bare_root_holds() -> None:
    every = {
        one.name: one
        for one in (
            package("libc6"),
            package("dpkg", ("libc6",), essential=True),
            package("python", ("libc6",), ("virtual",)),
            package("real", provides=("virtual",)),
            package("tool-dev", ("python",)),
            package("loop", ("python", "tool-dev"), ("loop",)),
        )
    }
    assert closure(every, ["loop"]) == {"loop", "python", "real", "libc6", "dpkg"}
    with pytest.raises(DataError, match="no package gone"):
        closure(every, ["gone"])


def test_which_packages_are_rocm() -> None:
    for name in (
        "libmiopen1",
        "libamdhip64-6",
        "libroctx64-4",
        "librocblas4",
        "libamd-comgr3",
        "libhsa-runtime64-1",
    ):
        assert is_rocm(name)
    for name in ("libc6", "libllvm21", "libhiredis1.1.0", "librocksdb9", "libnuma1", "libelf1t64"):
        assert not is_rocm(name)
