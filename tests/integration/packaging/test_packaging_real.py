"""Real content: Debian's own gfx1010 kernels as a product, packed for Debian's librocblas4 and installed.

The kernels are taken out of the sysroot's package for the test alone; what is shipped comes from a recipe.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from tests.integration.packaging import parts

from rocm_patch.audit import targets_in
from rocm_patch.errors import PackageError
from rocm_patch.packaging import Origin, decide, describe, load_product, read_stock, write_product
from rocm_patch.packaging.deb import build_deb
from rocm_patch.packaging.kinds import Given, kernel_pack, replacing
from rocm_patch.packaging.layout import layout_of
from rocm_patch.packaging.lint import lint
from rocm_patch.packaging.stock import Stock
from rocm_patch.sysroot import Bind, Sysroot

pytestmark = [pytest.mark.sysroot, pytest.mark.slow]

FOLDER = "/usr/lib/x86_64-linux-gnu/rocblas/4.4.1/library"


@pytest.fixture(scope="module")
def stock(sid: Sysroot) -> Stock:
    return read_stock(sid.path, layout_of("debian").component("rocblas"))


@pytest.fixture(scope="module")
def product(sid: Sysroot, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("real") / "rocblas"
    pack = folder / "lib/rocblas/library/gfx1010"
    pack.mkdir(parents=True)
    for path in (sid.path / FOLDER.lstrip("/")).iterdir():
        if "gfx1010" in path.name or path.name.endswith("_fallback.dat"):
            shutil.copyfile(path, pack / path.name)
    (folder / "licences").mkdir()
    (folder / "licences/LICENSE.md").write_text("Copyright 2020 upstream.\nMIT.\n")
    made = describe(
        folder, component="rocblas", version="6.4.4", rocm="6.4.3", layouts=["debian"], targets=["gfx1010"],
        epoch=parts.EPOCH, licence="MIT", sources=[Origin(name="rocblas", version="6.4.4", sha256="0" * 64)],
    )  # fmt: skip
    write_product(made, folder)
    return folder


def test_debians_library_holds_gfx1010_code_so_kernels_are_added(stock: Stock) -> None:
    assert "gfx1010" in stock.library_targets
    decision = decide(stock, "gfx1010")
    assert (decision.kind, decision.has_kernels) == ("additive", True)
    assert decide(stock, "gfx1011").kind == "replacing"
    assert stock.kernels == FOLDER


def test_the_real_pack_is_complete_and_leaves_nothing_behind(
    stock: Stock, product: Path, sid: Sysroot, tmp_path: Path
) -> None:
    given = Given(load_product(product), product, stock, layout_of("debian"), "gfx1010")
    package = kernel_pack(given)
    assert len(package.contents) > 100
    deb = build_deb(package, tmp_path, tmp_path / "scratch")
    assert targets_in(deb) == {"gfx1010"}
    assert lint([deb])[0].standing == ()
    script = (
        f"ls {FOLDER} >/tmp/0; dpkg -i /mnt/{deb.name}; ls {FOLDER}/gfx1010 | wc -l; dpkg -V {package.name};"
        f"dpkg --purge {package.name}; ls {FOLDER} | diff /tmp/0 - && echo the same"
    )
    (tmp_path / "view").mkdir()
    command = sid.command(
        ["sh", "-exc", script], binds=[Bind(tmp_path, "/mnt", "ro")], overlay=tmp_path / "view"
    )
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"\n{len(package.contents)}\n" in done.stdout
    assert "the same" in done.stdout


def test_what_asks_for_exactly_the_stock_version_stays_content(sid: Sysroot, tmp_path: Path) -> None:
    """libmiopen1 replaced under its name, with Debian's own library: libmiopen-dev needs `= stock`."""
    layout = layout_of("debian")
    stock = read_stock(sid.path, layout.component("miopen"))
    folder = tmp_path / "miopen"
    (folder / "lib").mkdir(parents=True)
    for name in stock.files:
        if "/libMIOpen.so.1" in name:
            shutil.copy(sid.path / name.lstrip("/"), folder / "lib", follow_symlinks=False)
    parts.redescribe(parts.licensed(folder, "miopen"), "miopen", layout="debian")
    package = replacing(Given(load_product(folder), folder, stock, layout, "gfx1010"), "for the test")
    assert (package.name, package.full_version) == ("libmiopen1", f"{stock.version}+0gfx1010.1")
    deb = build_deb(package, tmp_path, tmp_path / "scratch")
    script = (
        f"dpkg-query -W libmiopen-dev; apt-get -y install /mnt/{deb.name}; apt-get check; dpkg --audit;"
        "dpkg-query -W -f '${Package} ${Status} ${Version}\\n' libmiopen1 libmiopen-dev"
    )
    (tmp_path / "view").mkdir()
    command = sid.command(
        ["sh", "-exc", script], binds=[Bind(tmp_path, "/mnt", "ro")], overlay=tmp_path / "view"
    )
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-2:] == [
        f"libmiopen-dev install ok installed {stock.version}",
        f"libmiopen1 install ok installed {package.full_version}",
    ]


def test_one_missing_code_object_is_found(stock: Stock, product: Path, tmp_path: Path) -> None:
    folder = tmp_path / "rocblas"
    shutil.copytree(product, folder)
    next(folder.rglob("*Type_SS_*Ailk_Bljk*fallback_gfx1010.hsaco")).unlink()
    (folder / "product.json").unlink()
    described = load_product(product)
    kept = tuple(one for one in described.files if (folder / one.path).is_file())
    write_product(described.model_copy(update={"files": kept}), folder)
    given = Given(load_product(folder), folder, stock, layout_of("debian"), "gfx1010")
    with pytest.raises(PackageError, match="not complete") as caught:
        kernel_pack(given)
    assert any("no code object of" in line for line in caught.value.detail)
