from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from tests.integration.apply import rpmroot
from tests.integration.apply.debroot import make_pristine, make_repository


@pytest.fixture(scope="session")
def room() -> Iterator[Path]:
    """Give a folder in memory where there is one: package managers flush every file."""
    if os.geteuid() != 0:
        pytest.skip("dpkg, rpm and mounts act on another root only as root; CI runs as root")
    shm = Path("/dev/shm")
    # Maintainer scripts run there, which containers often forbid.
    fits = shm.is_dir() and shutil.disk_usage(shm).free > (1 << 30)
    base = str(shm) if fits and not os.statvfs(shm).f_flag & os.ST_NOEXEC else None
    with tempfile.TemporaryDirectory(prefix="rocm-patch-test-", dir=base) as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture(scope="session")
def repository(room: Path) -> Path:
    """Give a signed repository: a stock rocblas of two versions, ours, one that breaks, and more."""
    return make_repository(room)


@pytest.fixture(scope="session")
def rpms(room: Path) -> Path:
    """Give a signed repository of rpms."""
    return rpmroot.make_repository(room)


@pytest.fixture(scope="session")
def stock_of(request: pytest.FixtureRequest, room: Path) -> Callable[[str], Path]:
    """Give a function from apt, dnf or zypper to a root of its own with the stock rocblas installed."""

    @cache
    def made(kind: str) -> Path:
        if kind == "apt":
            return Path(request.getfixturevalue("pristine"))
        return rpmroot.make_rpm_root(room / f"stock-{kind}", request.getfixturevalue("rpms"), kind)

    return made


@pytest.fixture(params=["dnf", "zypper"])
def stock(request: pytest.FixtureRequest, stock_of: Callable[[str], Path]) -> tuple[str, Path]:
    """Give a manager of rpms, and its root."""
    return request.param, stock_of(request.param)


@pytest.fixture
def system(stock: tuple[str, Path], room: Path) -> Iterator[tuple[str, Path]]:
    """Give a manager and a fresh copy of that root."""
    kind, made = stock
    place = room / f"root-{kind}"
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(made, place, symlinks=True)
    yield kind, place
    shutil.rmtree(place, ignore_errors=True)


@pytest.fixture(scope="session")
def pristine(room: Path, repository: Path) -> Path:
    """Give a root with the stock rocblas and the distribution's rocminfo installed."""
    return make_pristine(room, repository)


@pytest.fixture
def debian(room: Path, pristine: Path) -> Iterator[Path]:
    """Give a fresh copy of that root."""
    place = room / "root"
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(pristine, place, symlinks=True)
    yield place
    shutil.rmtree(place, ignore_errors=True)


@pytest.fixture(scope="session")
def mounts() -> None:
    """Skip, and say so, where the container allows no mounts."""
    done = subprocess.run(
        ["unshare", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, check=False
    )
    if done.returncode != 0:
        pytest.skip(f"no mounts are allowed here: {done.stderr.decode('utf-8', 'replace').strip()}")
