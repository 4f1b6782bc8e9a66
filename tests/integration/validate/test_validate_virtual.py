"""A suite in the sysroot, on the virtual card, with a wheel that calls HIP as torch does."""

from __future__ import annotations

import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest
from tests.integration.vgpu.conftest import library, root
from tests.unit.validate import suite

from rocm_patch.errors import DataError, UsageError
from rocm_patch.packaging.product import Origin, describe, write_product
from rocm_patch.sysroot import Sysroot
from rocm_patch.validate import libraries, virtual
from rocm_patch.validate.libraries import find_libraries, open_libraries
from rocm_patch.validate.model import Result, Run
from rocm_patch.validate.runner import Runner, Settings
from rocm_patch.vgpu.settings import Settings as Cards

__all__ = ["library", "root"]
NAME = "torch-2.6.0+rocm6.4.gfx1010-cp313-cp313-linux_x86_64.whl"
#: Speaks to the HIP library as torch does, without a kernel of its own: a fill is a kernel of HIP's.
MODULE = """
import ctypes
hip = ctypes.CDLL("libamdhip64.so.6")

def check(code):
    assert code == 0, code

def count():
    number = ctypes.c_int()
    check(hip.hipGetDeviceCount(ctypes.byref(number)))
    return number.value

def fill(value, length):
    memory, back = ctypes.c_void_p(), (ctypes.c_ubyte * length)()
    check(hip.hipMalloc(ctypes.byref(memory), ctypes.c_size_t(length)))
    check(hip.hipMemset(memory, value, ctypes.c_size_t(length)))
    check(hip.hipMemcpy(back, memory, ctypes.c_size_t(length), 2))
    return bytes(back)
"""
TESTS = """
import os, sys
import torch_probe

def test_versions():
    import expecttest, numpy, sympy
    assert sys.version_info[:2] == (3, 13)
    assert numpy.__version__ == "2.2.6"

def test_cards():
    assert torch_probe.count() == 2

def test_a_kernel_of_hip():
    assert torch_probe.fill(0x5A, 100_003) == b"\\x5a" * 100_003

def test_a_library_of_ours():
    import ctypes
    library = ctypes.CDLL("libfmt.so.11")
    ctypes.CDLL("librocm_patch_probe.so.1")
    mapped = {line.split()[-1] for line in open("/proc/self/maps") if "libfmt" in line}
    assert mapped == {"/libraries/probe/lib/libfmt.so.11"}

def test_no_network_and_a_home():
    assert os.listdir("/sys/class/net") == ["lo"] if os.path.isdir("/sys/class/net") else True
    open(os.path.expanduser("~/kept"), "w").close()

def test_crash():
    os.write(2, b"Memory access fault by GPU node-1\\n")
    os.abort()

def test_after():
    assert torch_probe.fill(0x11, 4096) == b"\\x11" * 4096
"""


def _product(folder: Path, root: Sysroot, name: str = "probe", part: str = "") -> Path:
    """Pack a product whose library has the name of one of the sysroot's, and another name besides."""
    place = folder / "packing" / "product"
    shutil.rmtree(place, ignore_errors=True)
    (place / "lib").mkdir(parents=True)
    (place / "licences").mkdir()
    (place / "licences/probe").write_text("as the test likes\n", encoding="utf-8")
    for file in ("libfmt.so.11", "librocm_patch_probe.so.1"):
        shutil.copyfile(root.path / "usr/lib/x86_64-linux-gnu/libfmt.so.11", place / "lib" / file)
    source = Origin(name="probe", version="1", sha256="0" * 64)
    described = describe(
        place, component=name, version="1", rocm="6.4", layouts=["debian"], targets=["gfx1010"], epoch=0,
        licence="MIT", sources=[source],
    )  # fmt: skip
    write_product(described, place)
    archive = folder / f"{name}-1-gfx1010{part}.tar.xz"
    subprocess.run(["tar", "-cJf", archive, "-C", place.parent, "product"], check=True)
    return archive


def _wheel(folder: Path, name: str = NAME) -> Path:
    path = folder / name
    info = "torch-2.6.0+rocm6.4.gfx1010.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("torch_probe.py", MODULE)
        archive.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: torch\nVersion: 2.6.0+rocm6.4.gfx1010\n"
        )
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\n")
        archive.writestr(f"{info}/RECORD", "")
    return path


@pytest.fixture(scope="module")
def run(
    root: Sysroot,
    library: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Run, Path]:
    folder = tmp_path_factory.mktemp("virtual")
    toy = suite.make(folder / "suite", TESTS)
    inside = virtual.prepare(_wheel(folder), root, print)
    command = virtual.VirtualCommand(
        python=f"{virtual.VENV}/bin/python",
        suite=toy.suite,
        root=root,
        inside=inside,
        library=library,
        settings=Cards(devices=2),
        scratch=folder / "scratch",
        libraries=open_libraries([_product(folder, root)], print),
    )
    made = Runner(command, folder, Settings(jobs=1, test_limit=120), _ignore).run()
    return made, folder / "scratch"


def _ignore(run: Run, result: Result, total: int) -> None:
    del run, result, total


def test_tests_run_on_the_virtual_cards_and_a_crash_costs_one(run: tuple[Run, Path]) -> None:
    ends = {result.id.partition("::")[2]: (result.outcome, result.text) for result in run[0].results}
    assert {name: end for name, (end, _) in ends.items()} == {
        "test_versions": "passed",
        "test_cards": "passed",
        "test_a_kernel_of_hip": "passed",
        "test_a_library_of_ours": "passed",
        "test_no_network_and_a_home": "passed",
        "test_crash": "crashed",
        "test_after": "passed",
    }, ends
    # The way in says 134; the report says what the process met.
    assert "SIGABRT" in ends["test_crash"][1]
    assert "Memory access fault" in ends["test_crash"][1]


def test_what_was_executed_is_counted(run: tuple[Run, Path]) -> None:
    # The first process crashed and left nothing; that of test_after filled 4096 bytes (and HIP its own).
    assert [file.name for file in (run[1] / "statistics").iterdir()] == ["1.json"]
    sums = virtual.executed(run[1])
    assert 1 <= sums["kernels"] <= sums["launches"] <= 4
    assert sums["wave instructions"] > 4096 / 16 / 32


def test_a_file_that_is_no_wheel_for_one_python_is_refused(tmp_path: Path, root: Sysroot) -> None:
    wheel = _wheel(tmp_path, "torch-2.6.0+rocm6.4.gfx1010-py3-none-any.whl")
    with pytest.raises(DataError, match="not a wheel of one CPython"):
        virtual.prepare(wheel, root, print)


def test_without_a_wheel_the_way_to_one_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(virtual, "dist_root", lambda: tmp_path)
    with pytest.raises(UsageError, match="no wheel to validate") as caught:
        virtual.find_wheel(None)
    assert "build-torch-gfx1010" in str(caught.value.step)
    older, newer = _wheel(tmp_path), tmp_path / NAME.replace("gfx1010-", "gfx1012-")
    newer.write_bytes(older.read_bytes())
    assert virtual.find_wheel(None) in {older, newer}


def test_libraries_of_dist_are_tested_with_unless_they_are_parts(
    tmp_path: Path, root: Sysroot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(libraries, "dist_root", lambda: tmp_path)
    assert find_libraries(()) == []
    whole, part = _product(tmp_path, root), _product(tmp_path, root, part="-kernels-only")
    assert find_libraries(()) == [whole]
    assert find_libraries((part,)) == [part]
    opened = open_libraries([whole], print)
    assert [one.name for one in opened] == ["probe 1"]
    with pytest.raises(UsageError, match="two of the libraries are probe"):
        open_libraries([whole, part], print)
