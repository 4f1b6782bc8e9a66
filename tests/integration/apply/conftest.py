from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.apply.debroot import apt, index, make_deb, make_debian, update


@pytest.fixture(scope="session")
def room() -> Iterator[Path]:
    """Give a folder in memory where there is one: package managers flush every file."""
    shm = Path("/dev/shm")
    base = str(shm) if shm.is_dir() and shutil.disk_usage(shm).free > (1 << 30) else None
    with tempfile.TemporaryDirectory(prefix="rocm-patch-test-", dir=base) as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture(scope="session")
def repository(room: Path) -> Path:
    """Give a repository: a stock rocblas of two versions, ours, one that breaks, one that hangs on others."""
    place = room / "repository"
    library = "/opt/rocm/lib/librocblas.so.4"
    make_deb(
        place,
        "rocblas",
        "4.4.0",
        {library: "stock 1\n", "/opt/rocm/share/old": "only stock\n", "/etc/rocblas.conf": "a\n"},
        conffiles=("/etc/rocblas.conf",),
    )
    make_deb(
        place,
        "rocblas",
        "4.4.0+gfx1010.1",
        {library: "ours\n", "/opt/rocm/share/new/deep": "only ours\n", "/etc/rocblas.conf": "b\n"},
        conffiles=("/etc/rocblas.conf",),
    )
    scripts = {"postinst": "echo made > /opt/made-by-postinst", "postrm": "rm -f /opt/made-by-postinst"}
    make_deb(
        place,
        "kernels",
        "1.0",
        {"/opt/rocm/lib/rocblas/library/gfx1010/a.dat": "kernels\n"},
        scripts=scripts,
        fields={"Depends": "helper"},
    )
    make_deb(place, "helper", "1.0", {"/usr/share/helper/x": "x\n"})
    make_deb(
        place,
        "broken",
        "1.0",
        {"/usr/share/broken/x": "x\n"},
        scripts={"postinst": "echo no; exit 3"},
        fields={"Depends": "helper"},
    )
    make_deb(
        place,
        "stuck",
        "1.0",
        {"/usr/share/stuck/x": "x\n"},
        scripts={"postinst": "exit 1", "prerm": "exit 1", "postrm": "exit 1"},
    )
    waits = "echo > /opt/sleeping; while [ -e /opt/pause ]; do /bin/sleep 0.1; done"
    make_deb(place, "sleeper", "1.0", {"/usr/share/sleeper/x": "x\n"}, scripts={"postinst": waits})
    make_deb(place, "dist-rocminfo", "5.7.1", {"/usr/bin/rocminfo": "dist\n"})
    index(place)
    return place


@pytest.fixture(scope="session")
def pristine(room: Path, repository: Path) -> Path:
    """Give a root with the stock rocblas and the distribution's rocminfo installed."""
    root = make_debian(room / "pristine", repository)
    update(root)
    apt(root, "install", "rocblas=4.4.0", "dist-rocminfo")
    return root


@pytest.fixture
def debian(room: Path, pristine: Path) -> Iterator[Path]:
    """Give a fresh copy of that root."""
    place = room / "root"
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(pristine, place, symlinks=True)
    yield place
    shutil.rmtree(place, ignore_errors=True)
