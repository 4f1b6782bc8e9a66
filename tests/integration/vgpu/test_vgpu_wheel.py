"""The wheel of rocm-patch itself, as pip builds it from a checkout: with the virtual GPU in it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from rocm_patch.vgpu.settings import SONAME

pytestmark = [pytest.mark.network, pytest.mark.slow]  # pip fetches scikit-build-core

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def wheel(library: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, of the objects that ccache holds since `library` was made; without ccache a smaller one."""
    assert library.is_file()
    out = tmp_path_factory.mktemp("wheel")
    launcher = shutil.which("ccache")
    # The compiler by the name that find_library knows it by: ccache looks at that too.
    words: tuple[str, ...] = ("CMAKE_CXX_COMPILER_LAUNCHER=ccache", "CMAKE_CXX_COMPILER=c++")
    if launcher is None:
        words = ("VGPU_HOST_BUILDS=portable",)
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--no-deps")
    done = subprocess.run(
        [
            *pip,
            *(f"--config-settings=cmake.define.{word}" for word in words),
            "--wheel-dir",
            str(out),
            str(ROOT),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    (made,) = out.glob("rocm_patch-*.whl")
    return made


def test_the_wheel_holds_the_libraries_and_the_data(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        wanted = {
            f"rocm_patch/_vgpu/{SONAME}",
            "rocm_patch/_vgpu/libvgpu-isa.so",
            "rocm_patch/_data/build/rates.yml",
        }
        assert wanted <= names
        assert archive.read(f"rocm_patch/_vgpu/{SONAME}")[:4] == b"\x7fELF"
        # One file, no symbolic link: pip would unpack a link as a text.
        assert [name for name in names if "libhsa-runtime64" in name] == [f"rocm_patch/_vgpu/{SONAME}"]


def test_the_package_finds_its_own_library_without_a_checkout(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    left_out = ("ROCM_PATCH_VGPU_LIBRARY", "ROCM_PATCH_DATA")
    env = {name: value for name, value in os.environ.items() if name not in left_out}

    def vgpu(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "rocm_patch", "vgpu", *words],
            env={**env, "PYTHONPATH": str(tmp_path)},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert vgpu("library").strip() == str(tmp_path / "rocm_patch/_vgpu" / SONAME)
    assert "AMD Radeon RX 5600 XT (virtual)" in vgpu("info")
