"""Finished wheels import where no compiler ever was: Debian's ROCm, and ROCm below /opt alone.

The probe wheel always; PyTorch's as soon as it lies in dist/.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from rocm_patch.paths import dist_root
from rocm_patch.sources import ObjectStore, fetch_all, load_recipe
from rocm_patch.sources.model import wheels_for
from rocm_patch.sysroot import load_lock
from rocm_patch.wheel.inside import Inside
from rocm_patch.wheel.roots import amd_folder, bare_lock, install_and_run, make_root
from rocm_patch.wheel.table import load_table

pytestmark = [pytest.mark.sysroot, pytest.mark.network, pytest.mark.slow]

PROBE = "import probe; print(probe.everything())"
TORCH = (
    "import torch; print([torch.__version__, torch.version.hip, torch._C._cuda_getArchFlags(), "
    "torch.linalg.solve(torch.eye(2) * 2, torch.ones(2, 1)).sum().item()])"
)


def torch_wheels(python: str) -> list[Path]:
    tag = f"cp{python.replace('.', '')}"
    return sorted(dist_root().glob(f"torch-*-{tag}-{tag}-linux_x86_64.whl"))


def requirements(folder: Path, python: str) -> list[Path]:
    """What torch imports, from the wheels that its recipe pins."""
    recipe = load_recipe("pytorch")
    items = wheels_for(tuple(recipe.python["2.6.0"]), python)
    paths = []
    for item in items:
        path = folder / item.variants[0].file
        path.symlink_to(fetch_all([item], cache=ObjectStore())[item.name])
        paths.append(path)
    return paths


@pytest.fixture(scope="module")
def opt(inside: Inside, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("opt")
    amd_folder(inside, sorted(load_table().shared), folder)
    return folder


@pytest.mark.parametrize("place", ["debian", "opt"])
def test_imports(place: str, finished: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    lock = bare_lock(load_lock(), rocm=place == "debian")
    # libamd-comgr3 depends on clang's own headers, which it compiles with at run time.
    dev = {package.name for package in lock.packages if package.name.endswith("-dev")}
    assert dev <= ({"libclang-common-21-dev"} if place == "debian" else set())
    root = make_root(lock)
    has_rocm = (root.path / "usr/lib/x86_64-linux-gnu/libamdhip64.so.6").exists()
    assert has_rocm == (place == "debian")
    below_opt = request.getfixturevalue("opt") if place == "opt" else None
    said = ast.literal_eval(
        install_and_run(root, [finished], tmp_path / "probe", PROBE, opt=below_opt).splitlines()[-1]
    )
    # -100: HIP is there and finds no GPU.
    assert said.pop("angle") == pytest.approx(0.785398)
    assert said == {"product": 48.0, "solve": 5.0, "text": "0007", "reduce": 6, "devices": -100}
    for wheel in torch_wheels("3.13"):
        (tmp_path / "needs").mkdir()
        wheels = [wheel, *requirements(tmp_path / "needs", "3.13")]
        told = ast.literal_eval(
            install_and_run(root, wheels, tmp_path / "torch", TORCH, opt=below_opt).splitlines()[-1]
        )
        assert told[0] == "2.6.0+rocm6.4.gfx1010"
        assert told[1].startswith("6.4")
        assert (told[2], told[3]) == ("gfx1010", 1.0)
