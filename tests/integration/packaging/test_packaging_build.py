"""Packages of every kind: what they hold, the same bytes twice, lintian and rpmlint, bills, refusals."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path

import attrs
import pytest
from debian.debfile import DebFile
from tests.integration.packaging import parts
from tests.integration.packaging.conftest import House

from rocm_patch.errors import PackageError
from rocm_patch.packaging import Stock, load_product, read_stock
from rocm_patch.packaging.build import Order, package_all
from rocm_patch.packaging.deb import build_deb
from rocm_patch.packaging.kinds import Given, diverting, kernel_pack, replacing
from rocm_patch.packaging.layout import FORMATS, Format, layout_of
from rocm_patch.packaging.lint import lint
from rocm_patch.packaging.shelf import bill_of
from rocm_patch.sources.store import sha256_file

PACK = "rocblas-gfx1010-kernels"
FOLDER = f"/{parts.AMD_LIB}/rocblas/library/gfx1010"


def given(house: House, folder: Path, stock: str, component: str) -> Given:
    layout = layout_of("amd")
    found = read_stock(house.stocks[stock], layout.component(component))
    return Given(load_product(folder), folder, found, layout, "gfx1010")


def names(deb: Path) -> list[str]:
    with DebFile(str(deb)) as archive:
        return [f"/{one.name.lstrip('./')}" for one in archive.data.tgz().getmembers() if not one.isdir()]


def test_every_kind_in_both_formats(house: House) -> None:
    found = {(one.format, one.package.name): one for one in house.outcome.made}
    kinds = {key: one.decision.kind for key, one in found.items() if one.decision is not None}
    assert kinds == {
        ("deb", PACK): "additive",
        ("rpm", PACK): "additive",
        ("deb", "miopen-hip"): "replacing",
        ("rpm", "miopen-hip"): "replacing",
    }
    both = {name for _, name in found}
    assert both == {PACK, "miopen-hip", "python3-probe-gfx1010", "rocm-patch-gfx1010"}
    assert found["deb", PACK].package.full_version == f"{parts.STOCK_DEB}+gfx1010.1"
    assert found["rpm", PACK].package.full_version == f"{parts.STOCK_RPM}+gfx1010.1"
    assert house.outcome.left_out == []


def test_the_pack_adds_its_folder_and_its_papers(house: House) -> None:
    own = names(house.path(f"{PACK}_"))
    outside = [one for one in own if not one.startswith(f"{FOLDER}/")]
    assert len(own) - len(outside) == 4
    assert all(one.startswith(("/usr/share/doc/", "/usr/share/lintian/")) for one in outside)
    assert {one.rpartition("/")[2] for one in outside} >= {
        "changelog.Debian.gz", "copyright", "rocm-patch.cdx.json.gz",
    }  # fmt: skip
    listed = parts.run(["rpm", "-qpl", house.path(f"{PACK}-4")]).splitlines()
    assert sorted(one for one in listed if one.startswith(f"{FOLDER}/")) == sorted(
        one for one in own if one.startswith(f"{FOLDER}/")
    )
    with DebFile(str(house.path(f"{PACK}_"))) as archive:
        control = archive.control.debcontrol()
    assert control["Depends"] == "rocblas (>= 4.4.0.60400), rocblas (<< 4.4.0.60400.0~)"


def test_bills_name_sources_and_files_inside_and_beside(house: House) -> None:
    deb = house.path(f"{PACK}_")
    with DebFile(str(deb)) as archive:
        inside = archive.data.get_content(f"usr/share/doc/{PACK}/rocm-patch.cdx.json.gz")
    beside = deb.with_name(f"{deb.name}.cdx.json").read_bytes()
    assert inside is not None
    assert gzip.decompress(inside) == beside
    bill = json.loads(beside)
    assert bill["metadata"]["component"]["purl"] == f"pkg:generic/{PACK}@4.4.0.60400-47~24.04%2Bgfx1010.1"
    ancestors = bill["metadata"]["component"]["pedigree"]["ancestors"]
    assert ancestors[0]["hashes"][0]["content"] == "ab" * 32
    files = [file for one in bill["components"] for file in one.get("components", ())]
    assert len(files) == 4
    assert all(file["name"].startswith(FOLDER) for file in files)


def test_the_same_bytes_twice(house: House, tmp_path: Path) -> None:
    for name in ("products", *(path.name for path in house.dist.iterdir() if path.is_file())):
        source = house.dist / name
        if source.is_dir():
            shutil.copytree(source, tmp_path / name, symlinks=True)
        else:
            shutil.copy(source, tmp_path / name)
    for path in tmp_path.rglob("*.dat"):
        path.touch()
    again = package_all(Order(dist=tmp_path, stocks=list(house.stocks.values()), layouts=["amd"]))
    first = {one.path.name: one.sha256 for one in house.outcome.made}
    assert {one.path.name: one.sha256 for one in again.made} == first
    assert len(first) == 8


@pytest.mark.parametrize("format_", FORMATS)
def test_a_run_for_one_product_keeps_the_others_in_the_meta_package(
    house: House, tmp_path: Path, format_: Format
) -> None:
    """dist/packages keeps what earlier runs made; the meta-package is over all of it, byte for byte."""
    folder = tmp_path / "packages/amd" / format_
    shutil.copytree(house.dist / "packages/amd" / format_, folder)
    wheel = next(house.dist.glob("*.whl"))
    shutil.copy(wheel, tmp_path)
    meta = house.path(f"rocm-patch-gfx1010{'_' if format_ == 'deb' else '-'}")
    # One of an earlier time, whose version would win with apt and dnf.
    newer = folder / meta.name.replace("6.4.3", "6.4.9")
    shutil.copy(meta, newer)
    bill_of(newer).write_bytes(bill_of(meta).read_bytes())
    (folder / meta.name).unlink()
    again = package_all(Order(tmp_path, layouts=["amd"], formats=[format_], only=[wheel.name]))
    assert [one.package.name for one in again.made] == ["python3-probe-gfx1010", "rocm-patch-gfx1010"]
    assert (folder / meta.name).read_bytes() == meta.read_bytes()
    assert {relation.names[0] for relation in again.made[-1].package.depends} == {
        PACK, "miopen-hip", "python3-probe-gfx1010",
    }  # fmt: skip
    assert not newer.exists()
    assert not bill_of(newer).exists()


def test_lintian_and_rpmlint_have_nothing_to_say_that_is_not_explained(house: House) -> None:
    remarks = lint([one.path for one in house.outcome.made])
    assert [line for one in remarks for line in one.standing] == []
    assert len(remarks) == 8


def test_a_product_whose_files_differ_from_its_description_is_refused(tmp_path: Path) -> None:
    folder = parts.product(tmp_path / "p", "rocblas", with_kernels=True)
    next(folder.rglob("*fallback.dat")).unlink()
    next(folder.rglob("Kernels.so*")).write_bytes(b"other")
    with pytest.raises(PackageError, match=r"not those of its product\.json") as caught:
        load_product(folder)
    assert [line.rpartition(": ")[2] for line in caught.value.detail] == [
        "named, but not there", "other content than named",
    ]  # fmt: skip


def test_a_pack_that_is_not_complete_is_refused(house: House, tmp_path: Path) -> None:
    folder = parts.product(tmp_path / "p", "rocblas", with_kernels=True)
    next(folder.rglob("*fallback.dat")).unlink()
    parts.redescribe(folder, "rocblas")
    with pytest.raises(PackageError, match="not complete") as caught:
        kernel_pack(given(house, folder, "rocblas.deb", "rocblas"))
    assert any("fallback.dat is not there" in line for line in caught.value.detail)


def test_a_library_without_the_links_of_the_stock_one_is_refused(house: House, tmp_path: Path) -> None:
    folder = parts.product(tmp_path / "p", "miopen", with_library="ours")
    (folder / "lib/libMIOpen.so.1").unlink()
    parts.redescribe(folder, "miopen")
    with pytest.raises(PackageError, match="lacks names") as caught:
        replacing(given(house, folder, "miopen.deb", "miopen"), "for the test")
    assert caught.value.detail == [f"/{parts.AMD_LIB}/libMIOpen.so.1"]


def test_a_replacing_package_answers_for_the_stock_version(house: House) -> None:
    with DebFile(str(house.path("miopen-hip_"))) as archive:
        control = archive.control.debcontrol()
    assert control["Provides"] == f"miopen-hip (= {parts.STOCK_DEB})"
    provides = parts.run(["rpm", "-qp", "--provides", house.path("miopen-hip-4")]).splitlines()
    assert f"miopen-hip = {parts.STOCK_RPM}" in provides
    assert "libMIOpen.so.1()(64bit)" in provides


def test_a_replacing_package_tells_dpkg_shlibdeps_what_the_stock_one_did(
    house: House, tmp_path: Path
) -> None:
    shlibs = "libMIOpen 1 miopen-hip (>= 3.4.0)\n"
    one = given(house, house.miopen, "miopen.deb", "miopen")
    stock = attrs.evolve(one.stock, link_records={"shlibs": shlibs})
    package = replacing(attrs.evolve(one, stock=stock), "for the test")
    made = build_deb(package, tmp_path, tmp_path / "scratch")
    with DebFile(str(made)) as archive:
        assert archive.control.get_content("shlibs", encoding="utf-8") == shlibs


def test_a_replacing_package_leaves_the_development_files_to_stock(house: House) -> None:
    own = [one for one in names(house.path("miopen-hip_")) if one.startswith("/opt/")]
    assert sorted(own) == [
        f"/{parts.AMD_LIB}/libMIOpen.so.1",
        f"/{parts.AMD_LIB}/libMIOpen.so.1.4",
        f"/opt/rocm-{parts.ROCM}/share/miopen/db/gfx1010.db",
    ]


def test_rpm_cannot_divert(house: House) -> None:
    one = given(house, house.miopen, "miopen.rpm", "miopen")
    with pytest.raises(PackageError, match="rpm cannot"):
        diverting(one)


def test_the_decision_is_read_from_the_library(house: House) -> None:
    layout = layout_of("amd")
    stocks: dict[str, Stock] = {
        name: read_stock(path, layout.component(name.partition(".")[0]))
        for name, path in house.stocks.items()
    }
    assert stocks["rocblas.deb"].library_targets == stocks["rocblas.rpm"].library_targets
    assert stocks["rocblas.deb"].library_targets == {"gfx1010", "gfx1030"}
    # Loose kernels beside the library are not the library.
    assert stocks["rocblas.rpm"].kernel_targets == {"gfx1030"}
    assert stocks["rocblas.rpm"].kernels == f"/{parts.AMD_LIB}/rocblas/library"
    assert stocks["miopen.deb"].library_targets == {"gfx1030"}


def test_hashes_shown_are_the_files(house: House) -> None:
    assert all(one.sha256 == sha256_file(one.path) for one in house.outcome.made)
