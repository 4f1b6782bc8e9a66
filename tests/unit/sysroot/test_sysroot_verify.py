"""Verification: each kind of drift is found and named, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.unit.sysroot.debmake import dpkg_root, lock_of, locked

from rocm_patch.errors import LockDriftError, SysrootError
from rocm_patch.sysroot import fixups
from rocm_patch.sysroot.verify import Verdict, verify

LOCK = lock_of(locked("tool"), exclude="/usr/share/doc/*")
STATUS = "var/lib/dpkg/status"


def test_a_root_as_locked_has_no_drift(tmp_path: Path) -> None:
    root = dpkg_root(tmp_path)
    (root / "usr/share/doc/tool/readme").unlink()  # left out by the lock
    parts: list[float] = []
    verdict = verify(root, LOCK, report=parts.append)
    assert verdict == Verdict(packages=1, files=2, drift=())
    assert parts[-1] == 1.0
    verdict.require()


def _write(name: str, content: bytes) -> Callable[[Path], object]:
    return lambda root: (root / name).write_bytes(content)


def _status(old: str, new: str) -> Callable[[Path], object]:
    return lambda root: (root / STATUS).write_text((root / STATUS).read_text().replace(old, new))


@pytest.mark.parametrize(
    ("damage", "line"),
    [
        (_write("usr/bin/tool", b"tooL\n"), "tool: /usr/bin/tool has another content"),
        (_write("etc/tool.conf", b"conf"), "tool: /etc/tool.conf has another content"),
        (lambda root: (root / "usr/bin/tool").unlink(), "tool: /usr/bin/tool is missing"),
        (_status("Version: 1", "Version: 1.1"), "tool: 1.1 amd64 in place of 1 amd64"),
        (_status("Architecture: amd64", "Architecture: all"), "tool: 1 all in place of 1 amd64"),
        (_status("ok installed", "ok unpacked"), "tool: its state is 'install ok unpacked'"),
        (
            _status("deinstall ok config-files", "install ok installed"),
            "gone: 9 is in the root, but not in the lock",
        ),
        (
            _status("install ok installed", "purge ok not-installed"),
            "tool: 1 is in the lock, but not in the root",
        ),
    ],
)
def test_each_drift_is_one_line(tmp_path: Path, damage: Callable[[Path], object], line: str) -> None:
    root = dpkg_root(tmp_path)
    damage(root)
    verdict = verify(root, LOCK)
    assert verdict.drift == (line,)
    with pytest.raises(LockDriftError) as caught:
        verdict.require()
    assert caught.value.detail == [line]
    assert caught.value.exit_code == 41


def test_a_long_list_is_cut() -> None:
    with pytest.raises(LockDriftError) as caught:
        Verdict(1, 1, tuple(map(str, range(50)))).require()
    assert caught.value.detail[-1] == "... and 10 more"


def test_a_diverted_file_is_looked_for_where_it_went(tmp_path: Path) -> None:
    root = dpkg_root(tmp_path)
    (root / "usr/bin/tool").rename(root / "usr/bin/tool.distrib")
    (root / "var/lib/dpkg/diversions").write_text("/usr/bin/tool\n/usr/bin/tool.distrib\nlocal\n")
    assert verify(root, LOCK).drift == ()
    (root / "usr/bin/tool.distrib").write_bytes(b"changed")
    assert verify(root, LOCK).drift == ("tool: /usr/bin/tool has another content",)


def test_a_mended_file_is_compared_with_the_mend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = dpkg_root(tmp_path / "root")
    folder = tmp_path / "fixups"
    folder.mkdir()
    (folder / "fixups.yml").write_text(
        "[{name: mend, package: tool, version: '1', path: /usr/bin/tool, content: new, "
        "reason: 'because the packaged one is broken'}]"
    )
    (folder / "new").write_bytes(b"mended\n")
    monkeypatch.setattr(fixups, "fixups_folder", lambda: folder)
    assert verify(root, LOCK).drift == ("fix-up mend: /usr/bin/tool has another content",)
    (root / "usr/bin/tool").write_bytes(b"mended\n")
    assert verify(root, LOCK).drift == ()
    (root / "usr/bin/tool").unlink()
    assert verify(root, LOCK).drift == ("fix-up mend: /usr/bin/tool is missing",)


def test_a_root_without_records_is_explained(tmp_path: Path) -> None:
    with pytest.raises(SysrootError, match="no package records"):
        verify(tmp_path, LOCK)
