"""A full disk, a read-only one, a network that is gone and a held lock, with each package manager.

Each time the tree stays as it was, and the refusal names what was in the way.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.integration.apply import debroot
from tests.integration.apply.killing import fresh
from tests.integration.apply.rpmroot import manager
from tests.integration.apply.signed import tell_apt, tell_rpm
from tests.integration.apply.trouble import disk, held, read_only, served
from tests.unit.apply.kit import apply, describe, recover

from rocm_patch.apply import checks
from rocm_patch.errors import ApplyError, CheckError, RocmPatchError
from rocm_patch.plan.actions import Packages

KINDS = ("apt", "dnf", "zypper")
StockOf = Callable[[str], Path]


def install(*names: str) -> list[tuple[str, Packages]]:
    return [("rule", Packages(kind="packages", install=list(names)))]


@pytest.mark.usefixtures("mounts")
@pytest.mark.parametrize(("kind", "left"), [("apt", 4), ("dnf", 10), ("zypper", 4)])
def test_a_disk_that_fills_while_the_manager_works(
    kind: str, left: int, stock_of: StockOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The package has 6 MiB, and `left` MiB are free; dnf's own download is kept on the same disk."""
    # What apply asks for in advance would refuse before the manager began.
    monkeypatch.setattr(checks, "_MARGIN", 0)
    monkeypatch.setattr(checks, "RESERVE", 0)
    monkeypatch.setattr("rocm_patch.apply.packages._MARGIN", 0)
    with disk(tmp_path / "disk", 128) as place:
        root = fresh(stock_of(kind), place / "root")
        before = describe(root)
        state = os.statvfs(root)
        ballast = place / "ballast"
        with ballast.open("wb") as stream:
            stream.write(bytes(state.f_bavail * state.f_frsize - (left << 20)))
        with pytest.raises((ApplyError, CheckError)) as error:
            apply(root, install("rocblas", "big"))
        # zypper says what it cannot copy where, and not why.
        assert re.search("space|can't hardlink/copy", str(error.value).lower())
        ballast.unlink()
        recover(root)
        assert describe(root) == before


@pytest.mark.usefixtures("mounts")
@pytest.mark.parametrize("kind", KINDS)
def test_a_part_that_cannot_be_written(kind: str, stock_of: StockOf, room: Path) -> None:
    """/opt is read-only: the manager fails in the middle. Its database is: nothing begins."""
    root = fresh(stock_of(kind), room / "read-only")
    before = describe(root)
    with read_only(root / "opt"), pytest.raises(ApplyError, match="everything was put back") as error:
        apply(root, install("rocblas", "kernels"))
    # rpm takes a read-only disk for one without room, and zypper passes its words on.
    assert re.search("read-only|more space on", str(error.value).lower())
    assert describe(root) == before
    database = root / "var/lib/dpkg" if kind == "apt" else next(root.rglob("rpmdb.sqlite")).parent
    with read_only(database), pytest.raises(RocmPatchError) as refused:
        apply(root, install("kernels"))
    assert refused.value.exit_code == 112
    assert re.search("read-only|cannot be written", str(refused.value).lower())
    assert describe(root) == before
    shutil.rmtree(root)


@pytest.mark.parametrize("kind", KINDS)
def test_a_network_that_is_gone(
    kind: str, stock_of: StockOf, repository: Path, rpms: Path, room: Path
) -> None:
    """The lists were fetched while the server was there; the packages are asked for when it is not."""
    root = fresh(stock_of(kind), room / "offline")
    with served(repository if kind == "apt" else rpms) as url:
        if kind == "apt":
            tell_apt(root, repository, url)
            debroot.update(root)
        else:
            tell_rpm(root, kind, rpms, url)
            manager(root, kind, "makecache" if kind == "dnf" else "refresh")
    before = describe(root)
    with pytest.raises((ApplyError, CheckError)) as error:
        apply(root, install("kernels"))
    # dnf's last word is that no mirror is left to try.
    assert re.search("connect|cannot download", str(error.value).lower())
    assert describe(root) == before
    shutil.rmtree(root)


@pytest.mark.parametrize("kind", ["dnf", "zypper"])
def test_a_held_lock_of_rpm(kind: str, stock_of: StockOf, room: Path) -> None:
    root = fresh(stock_of(kind), room / "locked")
    before = describe(root)
    lock = root / "var/lib/rpm/.rpm.lock"
    with held(lock) as pid, pytest.raises(CheckError) as error:
        apply(root, install("kernels"))
    assert error.value.exit_code == 112
    assert f"/var/lib/rpm/.rpm.lock is held by process {pid}: {kind} works just now" in str(error.value)
    assert describe(root) == before
    shutil.rmtree(root)
