"""What a wheel holds runs on Debian 12, whose glibc and libstdc++ are older than what it was linked with."""

from __future__ import annotations

import ast
import shutil
from pathlib import Path

import pytest
from tests.integration.wheel.makeprobe import GCC, HERE
from tests.integration.wheel.oldsystem import make_old_root, stand_ins
from tests.integration.wheel.test_wheel_roots import TORCH, requirements, torch_wheels

from rocm_patch.errors import SysrootError
from rocm_patch.pipeline.sdk import Mount
from rocm_patch.sources import unpack
from rocm_patch.sysroot import Bind, Sysroot
from rocm_patch.wheel import floor
from rocm_patch.wheel.archive import unpack_wheel
from rocm_patch.wheel.check import Unpacked, rule_floor
from rocm_patch.wheel.deps import INSIDE, link_flags
from rocm_patch.wheel.elf import linked_files, read_symbols
from rocm_patch.wheel.inside import Inside
from rocm_patch.wheel.table import load_table

pytestmark = [pytest.mark.sysroot, pytest.mark.network, pytest.mark.slow]

TABLE = load_table()


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Sysroot:
    return make_old_root(tmp_path_factory.mktemp("debian12"))


@pytest.fixture(scope="module")
def program(inside: Inside, linkparts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """probe/old.cpp, linked as the wheel's libraries are."""
    folder = tmp_path_factory.mktemp("old")
    mounts = [Mount(folder, "/w", write=True), Mount(linkparts, INSIDE), Mount(HERE, "/probe")]
    words = ["-O1", GCC, "-std=c++17", "/probe/old.cpp", "-o", "/w/old"]
    inside.run([f"{inside.sdk.llvm_bin}/clang++", *words, *link_flags(INSIDE).split()], mounts=mounts)
    return folder


@pytest.fixture
def libs(finished: Path, tmp_path: Path) -> Path:
    unpack_wheel(finished, tmp_path / "tree")
    return tmp_path / "tree" / "probe.libs"


def run(old: Sysroot, program: Path, libs: Path) -> str:
    binds = [Bind(program, "/opt", "ro"), Bind(libs, "/mnt", "ro")]
    names = [f"/mnt/{path.name}" for path in sorted(libs.iterdir())]
    return old.run(["/opt/old", *names], binds=binds).stdout.strip()


def test_vendored_libraries_load_on_debian_12(old: Sysroot, program: Path, libs: Path) -> None:
    count = len(list(libs.iterdir()))
    assert count > 10
    assert run(old, program, libs) == f"ok {count}"


def test_without_the_weak_versions_they_do_not(
    old: Sysroot, program: Path, libs: Path, inside: Inside
) -> None:
    name = next(path.name for path in libs.iterdir() if path.name.startswith("libuv-"))
    shutil.copyfile(inside.root / "usr/lib/x86_64-linux-gnu/libuv.so.1", libs / name)
    with pytest.raises(SysrootError) as caught:
        run(old, program, libs)
    assert "GLIBC_2.38" in "\n".join([str(caught.value), *caught.value.detail])


def test_without_the_library_their_symbols_are_missing(old: Sysroot, program: Path, libs: Path) -> None:
    (libs / floor.LIBRARY).unlink()
    with pytest.raises(SysrootError) as caught:
        run(old, program, libs)
    assert floor.LIBRARY in "\n".join([str(caught.value), *caught.value.detail])


def test_rule_asks_for_what_the_library_lacks(finished: Path, libs: Path, inside: Inside) -> None:
    tree = libs.parent
    assert not list(rule_floor(Unpacked(finished, tree, TABLE)))
    defined = {symbol.name for symbol in read_symbols(libs / floor.LIBRARY) if symbol.defined}
    assert {"__isoc23_strtol", "__cxa_call_terminate", "_ZSt21ios_base_library_initv"} <= defined
    # A library of the same name in which nothing is.
    shutil.copyfile(next(libs.glob("libcpuinfo-*")), libs / floor.LIBRARY)
    work = Mount(libs, "/w", write=True)
    inside.run(["patchelf", "--set-soname", floor.LIBRARY, f"/w/{floor.LIBRARY}"], mounts=[work])
    told = list(rule_floor(Unpacked(finished, tree, TABLE)))
    assert any("__isoc23_strtol@GLIBC_2.38" in line for line in told)


def test_only_what_wants_it_needs_it(libs: Path) -> None:
    files = linked_files(libs)
    wanting = {name.partition("-")[0] for name, one in files.items() if floor.LIBRARY in one.needed}
    assert {"libprotobuf", "libuv", "libcrypto", "libomp"} <= wanting
    assert not {"libsleef", "libzstd", "libcpuinfo"} & wanting
    for name, one in files.items():
        assert not floor.above(one, TABLE), name
        assert bool(one.weak) == (floor.LIBRARY in one.needed), name


@pytest.mark.skipif(
    not torch_wheels("3.11"),
    reason="no torch for Python 3.11 in dist/; it takes hours: ./nox -s build-torch-gfx1010 -- --python 3.11",
)
def test_torch_imports_on_debian_12(old: Sysroot, inside: Inside, tmp_path: Path) -> None:
    wheel = torch_wheels("3.11")[-1]
    site = tmp_path / "site"
    unpack_wheel(wheel, site)
    (tmp_path / "needs").mkdir()
    for need in requirements(tmp_path / "needs", "3.11"):
        unpack(need, tmp_path / "one")
        shutil.copytree(tmp_path / "one", site, dirs_exist_ok=True)
        shutil.rmtree(tmp_path / "one")
    stand_ins(inside, sorted(Unpacked(wheel, site, TABLE).rocm), tmp_path / "lib")
    binds = [Bind(site, "/mnt", "ro"), Bind(tmp_path / "lib", "/opt/rocm-6.4.3/lib", "ro")]
    env = {"PYTHONPATH": "/mnt"}
    said = old.run(["/usr/bin/python3.11", "-c", TORCH], binds=binds, env=env).stdout
    told = ast.literal_eval(said.splitlines()[-1])
    assert told[0] == "2.6.0+rocm6.4.gfx1010"
    assert (told[2], told[3]) == ("gfx1010", 1.0)
