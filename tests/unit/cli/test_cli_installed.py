"""rocm-patch as an installed package: CMake ships beside it all that the code asks data_root() for."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[3]
#: Pages that developers have written anew; commands that do so say what they need.
_CHECKOUT_ONLY = {"docs"}
#: Run by the installed copy, far from any checkout: each line reads one kind of data.
_USES = """
import pathlib, sys
import rocm_patch
from rocm_patch.paths import data_root
here = pathlib.Path(rocm_patch.__file__).parent
assert here == pathlib.Path(sys.argv[1]) / "rocm_patch", here
assert data_root() == here / "_data", data_root()
from rocm_patch.plan.rules import load_rules
from rocm_patch.diagnose.catalogue import load_catalogue
from rocm_patch.packaging.layout import layout_of
from rocm_patch.packaging.tree import template
from rocm_patch.cli.validate import _suite
from rocm_patch.vgpu.library import source_folder
assert load_rules() and load_catalogue() and layout_of("amd")
template("repo/rpm.repo.j2")
from rocm_patch.cli import conformance, diagnose
from rocm_patch.errors import UsageError
assert conformance._page() == pathlib.Path.cwd() / "dist/conformance.md"
try:
    diagnose.diagnose(["--write-docs"], standalone_mode=False)
    raise AssertionError("documentation was written into an installed copy")
except UsageError:
    pass
assert (_suite() / "suite").is_dir() and (source_folder() / "demo/demo.hip").is_file()
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a wheel without the native part unpacks to."""
    top = tmp_path_factory.mktemp("installed")
    build = str(top / "build")
    configure = ["cmake", "-S", str(CHECKOUT), "-B", build, "-DROCM_PATCH_NATIVE=OFF"]
    for words in (configure, ["cmake", "--install", build, "--prefix", str(top / "site")]):
        subprocess.run(words, check=True, capture_output=True)
    unwanted = shutil.ignore_patterns("__pycache__")
    shutil.copytree(CHECKOUT / "src/rocm_patch", top / "site/rocm_patch", dirs_exist_ok=True, ignore=unwanted)
    return top / "site"


def test_every_path_of_the_data_is_shipped(site: Path) -> None:
    asked = set()
    for path in (CHECKOUT / "src/rocm_patch").rglob("*.py"):
        for found in re.findall(r'data_root\(\)\)?((?: / "[^"]+")+)', path.read_text("utf-8")):
            asked.add("/".join(re.findall(r'"([^"]+)"', found)))
    asked = {one for one in asked if one.split("/")[0] not in _CHECKOUT_ONLY}
    assert {"packaging", "schemas/detect.schema.json", "tests/gpu", "rules", "LICENSE"} <= asked
    data = site / "rocm_patch/_data"
    assert [one for one in sorted(asked) if not (data / one).exists()] == []


def test_programs_among_the_data_stay_programs(site: Path) -> None:
    tops = ("build", "recipes", "packaging")
    files = [one for top in tops for one in (CHECKOUT / top).rglob("*") if one.is_file()]
    wanted = [one for one in files if os.access(one, os.X_OK)]
    assert wanted
    assert all(os.access(site / "rocm_patch/_data" / one.relative_to(CHECKOUT), os.X_OK) for one in wanted)


def test_the_installed_copy_reads_its_own_data(site: Path, tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "ROCM_PATCH_DATA"}
    done = subprocess.run(
        [sys.executable, "-c", _USES, str(site)],
        cwd=tmp_path,
        env=environment | {"PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
