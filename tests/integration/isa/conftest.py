"""Builds the decoder once for all tests of this folder, as a user without CMake presets would."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from rocm_patch.isa.library import NAME, Library

ROOT = Path(__file__).resolve().parents[3]
ISA = ROOT / "vgpu" / "isa"


def build(folder: Path, *options: str, targets: tuple[str, ...]) -> Path:
    """Configure vgpu/isa in `folder` and build the targets."""
    subprocess.run(["cmake", "-S", str(ISA), "-B", str(folder), *options], check=True, stdout=subprocess.PIPE)
    command = ["cmake", "--build", str(folder), "--target", *targets]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="session")
def native(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder with libvgpu-isa.so and vgpu-dis."""
    return build(tmp_path_factory.mktemp("isa"), "-DVGPU_WERROR=ON", targets=("vgpu-isa", "vgpu-dis"))


@pytest.fixture(scope="session")
def library(native: Path) -> Library:
    return Library(native / NAME)


@pytest.fixture(scope="session")
def tool() -> Callable[[str], ModuleType]:
    """Give a loader of the scripts in vgpu/isa/tools, which are no package."""
    import importlib.util  # noqa: PLC0415  used here alone

    def load(name: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(f"isa_{name}", ISA / "tools" / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        return module

    return load
