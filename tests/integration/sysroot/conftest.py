"""The real sysroot, made from its lock when the cache has none, and a small one of base packages alone."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from debian.deb822 import Deb822

from rocm_patch.paths import cache_root, data_root
from rocm_patch.sysroot import Sysroot, load_lock
from rocm_patch.sysroot.debs import Deb, base_of, relations
from rocm_patch.sysroot.lock import Lock
from rocm_patch.sysroot.make import create

SOURCE = Path(__file__).parents[3] / "src"


@pytest.fixture(scope="session")
def real() -> Sysroot:
    """Give the root of the project's lock."""
    return create(load_lock())


@pytest.fixture(scope="session")
def mini_lock(real: Sysroot) -> Lock:
    """Give a lock of the base packages of the real one: made in seconds, with the same code."""
    with (real.path / "var/lib/dpkg/status").open(encoding="utf-8") as lines:
        records = list(Deb822.iter_paragraphs(lines, use_apt_pkg=False))
    packages = {
        one["Package"]: Deb(
            name=one["Package"],
            path=Path(one["Package"]),
            essential=one.get("Essential") == "yes",
            needs=(*relations(one.get("Pre-Depends", "")), *relations(one.get("Depends", ""))),
            provides=tuple(name for group in relations(one.get("Provides", "")) for name in group),
            installed_kib=0,
        )
        for one in records
    }
    full = load_lock()
    base = set(base_of(packages))
    kept = tuple(package for package in full.packages if package.name in base)
    return Lock(header={**full.header, "name": "mini"}, packages=kept)


@pytest.fixture(scope="session")
def store_root() -> Path:
    """Give the place of the user's real store, which holds the packages."""
    return cache_root() / "cas"


@pytest.fixture
def child_env(tmp_path: Path) -> dict[str, str]:
    """Give the environment of a rocm-patch process with a cache of its own."""
    path = os.pathsep.join([str(SOURCE), *(entry for entry in sys.path if entry)])
    return {
        **os.environ,
        "ROCM_PATCH_CACHE": str(tmp_path / "cache"),
        "ROCM_PATCH_DATA": str(data_root()),
        "PYTHONPATH": path,
        "PYTHONDONTWRITEBYTECODE": "1",
    }
