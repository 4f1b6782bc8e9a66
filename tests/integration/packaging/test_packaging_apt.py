"""apt in Debian sid, from the signed repository: install, upgrade, remove, purge, kill -9, and refusals.

Each test has a writable view of the sysroot, thrown away afterwards. AMD's packages are stood in for
by stock packages of the same names and layout.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.integration.packaging import parts
from tests.integration.packaging.conftest import House

from rocm_patch.packaging import load_product, read_stock
from rocm_patch.packaging.deb import build_deb
from rocm_patch.packaging.kinds import Given, diverting
from rocm_patch.packaging.layout import layout_of
from rocm_patch.repo import Key, make_key, publish
from rocm_patch.sysroot import Bind, Sysroot

pytestmark = pytest.mark.sysroot

Inside = Callable[[str], subprocess.CompletedProcess[str]]
APT = "apt-get -y -o Dir::Etc::sourcelist=/dev/null -o APT::Sandbox::User=root -o Acquire::Retries=0"
OURS = "4.4.0.60400-47~24.04+gfx1010.1"
LIBRARY = f"/{parts.AMD_LIB}/libMIOpen.so.1"
WHO = (
    f'python3.13 -c \'import ctypes; f = ctypes.CDLL("{LIBRARY}").who;'
    " f.restype = ctypes.c_char_p; print(f())'"
)
#: All that dpkg knows, and all files where packages of ours could leave something.
STATE = (
    "dpkg-query -W; dpkg-divert --list; find /opt /usr/share/doc/r* /usr/bin /usr/lib/python3 /etc/apt | sort"
)


WHOLE = "mv /usr/bin/dpkg-deb.whole /usr/bin/dpkg-deb"


def dying(count: int) -> str:
    """Give a script after which dpkg dies by SIGKILL once it has read `count` bytes of a package's files."""
    return (
        "mv /usr/bin/dpkg-deb /usr/bin/dpkg-deb.whole;"
        "printf '%s\\n' '#!/bin/sh' 'case \"$*\" in *--fsys-tarfile*)'"
        f" 'dpkg-deb.whole \"$@\" | head -c {count};'"
        " 'sleep 2; kill -9 $PPID; sleep 9;; esac' 'exec dpkg-deb.whole \"$@\"' >/usr/bin/dpkg-deb;"
        "chmod 755 /usr/bin/dpkg-deb"
    )


@pytest.fixture
def inside(sid: Sysroot, house: House, served: tuple[Path, str], tmp_path: Path) -> Inside:
    """Run a shell script in a view of sid whose apt knows the repository; the view lives for the test."""
    overlay = tmp_path / "view"
    sources = overlay / "upper/etc/apt/sources.list.d"
    sources.mkdir(parents=True)
    shutil.copy(served[0] / "rocm-patch-amd.sources", sources)
    stock = next(iter(house.stocks.values())).parent

    def call(script: str) -> subprocess.CompletedProcess[str]:
        command = sid.command(
            ["sh", "-exc", script], binds=[Bind(stock, "/mnt/stock", "ro"), Bind(tmp_path, "/mnt/test")],
            env={"DEBIAN_FRONTEND": "noninteractive"}, network=True, overlay=overlay,
        )  # fmt: skip
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=900)

    return call


def ok(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_install_upgrade_remove_purge(inside: Inside, house: House) -> None:
    """The whole life, in one view: stock, ours over it, the next stock over ours, and nothing left."""
    stock = "/mnt/stock/{}_4.4.0.60400-47~24.04_amd64.deb"
    out = ok(
        inside(f"dpkg -i {stock.format('rocblas')} {stock.format('miopen-hip')}; {WHO}; {STATE} >/mnt/test/0")
    )
    assert "b'stock'" in out
    out = ok(
        inside(
            f"{APT} update; {APT} install rocblas-gfx1010-kernels miopen-hip; {WHO};"
            f"dpkg-query -W rocblas miopen-hip rocblas-gfx1010-kernels; dpkg -V rocblas miopen-hip;"
            f"ls /{parts.AMD_LIB}/rocblas/library/gfx1010 | wc -l;"
            # The meta-package needs the wheel's package too, which comes with it.
            f"{APT} install rocm-patch-gfx1010; probe-run; apt-get check"
        )
    )
    assert "b'ours'" in out
    assert f"miopen-hip\t{OURS}" in out
    assert "rocblas\t4.4.0.60400-47~24.04\n" in out
    assert "\n4\n" in out
    assert "probe runs" in out
    # Installing again changes nothing.
    assert "0 newly installed" in ok(inside(f"{APT} install rocm-patch-gfx1010"))
    # The next stock version: it waits while the meta-package is there, and wins when that is gone.
    next_stock = parts.stock_deb(
        house.stocks["miopen.deb"].parent, "miopen-hip", ["gfx1030"], "4.4.1.60401-50~24.04"
    )
    out = ok(
        inside(
            f"{APT} install --simulate /mnt/stock/{next_stock.name} | grep -E '^(Remv|Inst)';"
            f"{APT} purge rocm-patch-gfx1010 >/dev/null;"
            f"{APT} install /mnt/stock/{next_stock.name} >/dev/null; {WHO}"
        )
    )
    assert "Remv rocm-patch-gfx1010" in out
    assert "b'stock'" in out
    out = ok(
        inside(
            f"{APT} purge python3-probe-gfx1010 rocblas-gfx1010-kernels;"
            f"{APT} install --allow-downgrades {stock.format('miopen-hip')};"
            f"{STATE} >/mnt/test/1; diff /mnt/test/0 /mnt/test/1 && echo the same"
        )
    )
    assert "the same" in out


def test_diversions_undo_themselves_and_a_kill_in_the_middle_is_mended(
    inside: Inside, house: House, tmp_path: Path
) -> None:
    layout = layout_of("amd")
    folder = house.miopen
    stock = read_stock(house.stocks["miopen.deb"], layout.component("miopen"))
    package = diverting(Given(load_product(folder), folder, stock, layout, "gfx1010"))
    deb = build_deb(package, tmp_path, tmp_path / "scratch")
    assert package.diverts == (f"{LIBRARY}.4.60400",)
    base = "/mnt/stock/miopen-hip_4.4.0.60400-47~24.04_amd64.deb"
    ok(inside(f"dpkg -i {base}; {STATE} >/mnt/test/0"))
    # dpkg dies, as by a power cut, when it has read half of our package: after the diversion was made.
    ok(inside(dying(4096)))
    done = inside(f"dpkg -i /mnt/test/{deb.name}")
    assert done.returncode != 0
    out = ok(inside(f"{WHOLE}; dpkg-divert --list miopen-gfx1010; ls /{parts.AMD_LIB}"))
    assert "rocm-patch-stock.libMIOpen.so.1.4.60400" in out
    # The same command again, twice: whole, and ours.
    again = f"dpkg -i /mnt/test/{deb.name}"
    out = ok(inside(f"{again}; {again}; dpkg --audit; dpkg -V miopen-gfx1010; {WHO}"))
    assert "b'ours'" in out
    # Our package holds the stock one to its version while it is installed.
    newer = parts.stock_deb(tmp_path, "miopen-hip", ["gfx1030"], "4.4.0.60400-48~24.04")
    assert "Remv miopen-gfx1010" in ok(inside(f"{APT} install --simulate /mnt/test/{newer.name}"))
    out = ok(
        inside(
            f"dpkg --purge miopen-gfx1010; {WHO};"
            f"{STATE} >/mnt/test/1; diff /mnt/test/0 /mnt/test/1 && echo the same"
        )
    )
    assert "b'stock'" in out
    assert "the same" in out


def test_a_kill_in_the_middle_of_a_replacement_is_mended_by_the_same_command(
    inside: Inside, house: House, tmp_path: Path
) -> None:
    """dpkg dies when it has written half of our library: the stock one serves until the next call."""
    ours = house.path("miopen-hip_")
    base = "/mnt/stock/miopen-hip_4.4.0.60400-47~24.04_amd64.deb"
    shutil.copy(ours, tmp_path)
    again = f"dpkg -i /mnt/test/{ours.name}"
    ok(inside(f"dpkg -i {base}; {dying(12288)}"))
    assert inside(again).returncode != 0
    out = ok(inside(f"{WHOLE}; dpkg --audit || true; find /opt -name '*.dpkg-new'; {WHO}"))
    assert "miopen-hip" in out
    assert f"{LIBRARY}.4.dpkg-new" in out
    assert "b'stock'" in out
    out = ok(
        inside(
            f"{again}; {again}; echo audit; dpkg --audit; find /opt -name '*.dpkg-*';"
            # The sysroot's dpkg passes documents by.
            f"dpkg -V miopen-hip | grep -v /usr/share/doc/ || true; dpkg-query -W miopen-hip; {WHO}"
        )
    )
    assert f"audit\nmiopen-hip\t{OURS}\nb'ours'\n" in out, out


def broken(served: tuple[Path, str], tmp_path: Path, spoil: Callable[[Path], None]) -> str:
    """Copy the repository, spoil the copy, and give a script that updates apt from it."""
    copy = tmp_path / "repo"
    shutil.copytree(served[0], copy)
    spoil(copy)
    return (
        f"sed -i 's,{served[1]},file:///mnt/test/repo,' /etc/apt/sources.list.d/rocm-patch-amd.sources;"
        f"{APT} -o APT::Update::Error-Mode=any update"
    )


def test_a_tampered_package_is_refused(inside: Inside, served: tuple[Path, str], tmp_path: Path) -> None:
    def spoil(repo: Path) -> None:
        deb = next(repo.glob("apt/pool/amd/python3-probe*.deb"))
        data = bytearray(deb.read_bytes())
        data[-20] ^= 1
        deb.unlink()
        deb.write_bytes(data)

    update = broken(served, tmp_path, spoil)
    done = inside(f"{update}; {APT} download python3-probe-gfx1010")
    assert done.returncode != 0
    assert "Hash Sum mismatch" in done.stdout + done.stderr


def unsigned(repo: Path) -> None:
    top = repo / "apt/dists/amd"
    (top / "InRelease").unlink()
    (top / "Release.gpg").unlink()


def changed(repo: Path) -> None:
    path = repo / "apt/dists/amd/InRelease"
    text = path.read_text()
    path.unlink()
    path.write_text(text.replace("Label: rocm-patch", "Label: rocm-hatch"))
    (repo / "apt/dists/amd/Release.gpg").unlink()


@pytest.mark.parametrize(("spoil", "word"), [(unsigned, "is not signed"), (changed, "manipulated")])
def test_a_release_without_its_signature_is_refused(
    inside: Inside, served: tuple[Path, str], tmp_path: Path, spoil: Callable[[Path], None], word: str
) -> None:
    done = inside(broken(served, tmp_path, spoil))
    said = done.stdout + done.stderr
    assert done.returncode != 0, said
    assert word in said, said


def test_a_repository_signed_with_another_key_is_refused(
    inside: Inside, house: House, served: tuple[Path, str], tmp_path: Path
) -> None:
    other = make_key(tmp_path / "other")
    publish(house.dist, tmp_path / "repo", other, url="file:///mnt/test/repo")
    done = inside(
        f"sed -i 's,{served[1]},file:///mnt/test/repo,' /etc/apt/sources.list.d/rocm-patch-amd.sources;"
        f"{APT} -o APT::Update::Error-Mode=any update"
    )
    said = done.stdout + done.stderr
    assert done.returncode != 0
    assert "Missing key" in said or "NO_PUBKEY" in said, said


def test_a_client_in_the_middle_of_an_update_finds_the_generation_before(
    inside: Inside, house: House, key: Key, tmp_path: Path
) -> None:
    """apt has read the old indexes; the repository is replaced; installing still finds the old package."""
    dist = tmp_path / "dist"
    shutil.copytree(house.dist / "packages", dist / "packages")
    publish(dist, tmp_path / "repo", key, url="file:///mnt/test/repo")
    source = "/etc/apt/sources.list.d/rocm-patch-amd.sources"
    ok(inside(f"cp /mnt/test/repo/rocm-patch-amd.sources {source}; {APT} update"))
    for old in dist.glob("packages/amd/deb/python3-probe*"):
        old.unlink()
    publish(dist, tmp_path / "repo", key, url="file:///mnt/test/repo")
    ok(inside(f"cd /tmp; {APT} download python3-probe-gfx1010"))
    done = inside(f"{APT} update; cd /tmp; {APT} download python3-probe-gfx1010")
    assert done.returncode != 0
