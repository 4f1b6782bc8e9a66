"""What detect asks of the running machine only: the kernel about rights, the rpm program about packages."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from rocm_patch.detect import packages
from rocm_patch.detect.access import find_access
from rocm_patch.detect.tree import Tree


class _Running(Tree):
    """A tree that passes for the running machine."""

    @property
    def live(self) -> bool:
        return True


def _program(folder: Path, text: str) -> None:
    (folder / "rpm").write_text(f"#!/bin/sh\n{text}\n")
    (folder / "rpm").chmod(stat.S_IRWXU)


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> _Running:
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    (tmp_path / "root/var/lib/rpm").mkdir(parents=True)
    (tmp_path / "root/var/lib/rpm/Packages").write_bytes(b"Berkeley DB")
    return _Running(tmp_path / "root")


def test_the_rpm_program_is_asked(tree: _Running, tmp_path: Path) -> None:
    lines = "rocblas\\t4.1.0.60100-82.el8\\tx86_64\\tAMD\\nbash\\t1-1\\tx86_64\\tRocky\\n"
    _program(tmp_path / "bin", f"printf '{lines}'")
    (package,) = packages.find_packages(tree)
    assert (package.name, package.origin, package.release) == ("rocblas", "amd", "6.1.0")
    assert tree.notes == []


def test_an_rpm_program_that_fails_is_noted(tree: _Running, tmp_path: Path) -> None:
    _program(tmp_path / "bin", "exit 3")
    assert packages.find_packages(tree) == []
    assert tree.notes == ["rpm -qa: exit status 3"]


def test_no_rpm_program_is_noted(tree: _Running) -> None:
    assert packages.find_packages(tree) == []
    assert "rpm -qa" in tree.notes[0]


def test_an_rpm_program_that_hangs_is_ended(
    tree: _Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packages, "_RPM_SECONDS", 0.2)
    _program(tmp_path / "bin", "while :; do :; done")
    assert packages.find_packages(tree) == []
    assert "timed out" in tree.notes[0]


def test_groups_that_need_a_login(tmp_path: Path) -> None:
    own = os.geteuid()
    free = next(number for number in range(40_000, 50_000) if number not in os.getgroups())
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text(f"eve:x:{own}:{os.getegid()}::/:/bin/sh\n")
    (tmp_path / "etc/group").write_text(f"render:x:{free}:eve\nvideo:x:{free + 1}:bob\n")
    access = find_access(_Running(tmp_path), None)
    assert access.user == "eve"
    assert access.groups_at_next_login == ["render"]
    assert "render" not in access.groups


def test_another_user_is_judged_by_the_files(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/kfd").touch()
    (tmp_path / "etc/passwd").write_text("bob:x:1234:1234::/:/bin/sh\n")
    (tmp_path / "etc/group").write_text("render:x:992:bob\n")
    tree = _Running(tmp_path, owners={"/dev/kfd": (0, 992, 0o660)})
    (kfd,) = find_access(tree, "bob").devices
    assert (kfd.usable, kfd.group, kfd.mode) == (True, "render", "0660")
    (kfd,) = find_access(tree, "nobody-knows").devices
    assert kfd.usable is None
