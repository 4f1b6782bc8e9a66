"""A disk that fills up at any write, and one that cannot be written.

The tree is then as before, or wholly new.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.apply.kit import apply, describe, file_actions, make_root, options, recover

from rocm_patch.apply import checks, engine
from rocm_patch.errors import ApplyError, CheckError, DiskSpaceError, RocmPatchError

pytestmark = pytest.mark.usefixtures("room", "mounts")


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """Give a root on a disk of 6 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m,mode=0755", "none", str(place)], check=True)
    try:
        yield make_root(place / "root")
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_at_any_write(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The room that is left shrinks from run to run, so that it ends at another write each time."""
    monkeypatch.setattr(checks, "_MARGIN", 0)
    monkeypatch.setattr(checks, "RESERVE", 0)
    before = describe(small)
    ballast = small.parent / "ballast"
    failed = applied = 0
    for left in [*range(0, 260, 20), *range(1024, 1400, 24), 2048]:
        ballast.unlink(missing_ok=True)
        state = os.statvfs(small)
        free = state.f_bavail * state.f_frsize
        with ballast.open("wb") as stream:
            stream.write(bytes(max(0, free - left * 1024)))
        try:
            apply(small, file_actions())
        except (ApplyError, DiskSpaceError):
            failed += 1
            if describe(small) != before:
                # Not even undoing had room: it says so, and goes on when there is some.
                ballast.unlink()
                recover(small)
            assert describe(small) == before, f"{left} KiB left"
        else:
            applied += 1
            ballast.unlink()
            engine.rollback(options(small))
            assert describe(small) == before
    assert failed >= 10
    assert applied >= 1


def test_a_disk_that_cannot_be_written(small: Path) -> None:
    before = describe(small)
    subprocess.run(["mount", "-o", "remount,ro", str(small.parent)], check=True)
    with pytest.raises(CheckError) as error:
        apply(small, file_actions())
    assert "cannot be written" in str(error.value)
    subprocess.run(["mount", "-o", "remount,rw", str(small.parent)], check=True)
    assert describe(small) == before


def test_a_part_that_cannot_be_written(small: Path) -> None:
    """The state folder can be written and /etc cannot, as on systems with an immutable /etc."""
    subprocess.run(["mount", "--bind", str(small / "etc"), str(small / "etc")], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", str(small / "etc")], check=True)
        with pytest.raises(RocmPatchError) as error:
            apply(small, file_actions())
        assert error.value.exit_code == 112
        assert "read-only" in str(error.value)
    finally:
        subprocess.run(["umount", str(small / "etc")], check=True)
