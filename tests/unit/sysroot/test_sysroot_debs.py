"""Packages as files: their fields, the base set, and unpacking that never leaves the root."""

from __future__ import annotations

import tarfile
from pathlib import Path, PurePosixPath

import pytest
from tests.unit.sysroot.debmake import deb, lock_of, locked, member

from rocm_patch.errors import ArchiveError, SysrootError
from rocm_patch.sysroot.debs import Deb, base_of, excluded, extract, read, resolved, source_items

CONTROL = """Package: tool
Version: 1
Architecture: amd64
Essential: yes
Installed-Size: 42
Pre-Depends: libc6 (>= 2.3)
Depends: aa | bb (>= 2), cc:any,
 dd
Provides: vtool (= 1), other
"""


def test_fields_that_decide_the_order(tmp_path: Path) -> None:
    found = read({"tool": deb(tmp_path / "x", CONTROL)})["tool"]
    assert found.essential
    assert found.needs == (("libc6",), ("aa", "bb"), ("cc",), ("dd",))
    assert found.provides == ("vtool", "other")
    assert found.installed_kib == 42


def test_a_file_under_a_wrong_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SysrootError, match="holds the package tool, not spade"):
        read({"spade": deb(tmp_path / "x", CONTROL)})


def _deb(name: str, *, essential: bool = False, needs: tuple[tuple[str, ...], ...] = (),
         provides: tuple[str, ...] = ()) -> Deb:  # fmt: skip
    return Deb(name, Path(name), essential, needs, provides, 1)


def test_the_base_is_the_essential_packages_and_what_they_need() -> None:
    packages = [
        _deb("dpkg", essential=True, needs=(("tar",), ("libc6",), ("absent", "mawk"), ("awk",))),
        _deb("tar", needs=(("libc6",),)),
        _deb("libc6", needs=(("dpkg",),)),
        _deb("mawk", provides=("awk",)),
        _deb("bash", essential=True, needs=(("editor",),)),
        _deb("vim", provides=("editor",)),
        _deb("cmake", needs=(("libc6",),)),
    ]
    assert base_of({one.name: one for one in packages}) == ["bash", "dpkg", "libc6", "mawk", "tar", "vim"]


def test_excludes_match_across_folders() -> None:
    patterns = ("/usr/share/doc/*",)
    assert excluded("/usr/share/doc/a/b", patterns)
    assert not excluded("/usr/share/docs", patterns)


def test_unpacking_keeps_links_modes_and_times(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    base = deb(
        tmp_path / "base", CONTROL, [member("./"), member("./usr/bin/"), member("./bin", link="usr/bin")]
    )
    tool = deb(
        tmp_path / "tool",
        CONTROL,
        [
            member("./bin/"),
            member("./bin/tool", b"x", mode=0o755),
            member("./usr/bin/again", hard="./bin/tool"),
            member("./usr/share/doc/t", b"y"),
        ],
    )
    extract([base, tool], root, ("/usr/share/doc/*",))
    assert (root / "bin").is_symlink()
    file = root / "usr/bin/tool"
    assert (file.read_bytes(), file.stat().st_mode & 0o777, file.stat().st_mtime) == (
        b"x",
        0o755,
        1_700_000_000,
    )
    assert (root / "usr/bin/again").samefile(file)
    assert not (root / "usr/share").exists()


@pytest.mark.parametrize(
    "bad",
    [
        member("./../evil", b"x"),
        member("./dev/sda", kind=tarfile.BLKTYPE),
        member("./pipe", kind=tarfile.FIFOTYPE),
    ],
)
def test_members_that_no_package_needs_are_refused(
    tmp_path: Path, bad: tuple[tarfile.TarInfo, bytes]
) -> None:
    root = tmp_path / "root"
    root.mkdir()
    with pytest.raises(ArchiveError):
        extract([deb(tmp_path / "x", CONTROL, [bad])], root, ())
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize("link", ["/", "../../../..", "/../..", "loop"])
def test_no_link_leads_out_of_the_root(tmp_path: Path, link: str) -> None:
    root = tmp_path / "root"
    root.mkdir()
    members = [member("./out", link=link), member("./loop", link="loop"), member("./out/evil", b"x")]
    try:
        extract([deb(tmp_path / "x", CONTROL, members)], root, ())
    except OSError:
        assert link == "loop"
    assert not (tmp_path / "evil").exists()
    assert not Path("/evil").exists()


def test_a_path_is_resolved_as_the_root_means_it(tmp_path: Path) -> None:
    (tmp_path / "usr/lib").mkdir(parents=True)
    (tmp_path / "lib").symlink_to("usr/lib")
    (tmp_path / "abs").symlink_to("/usr/lib")
    for first in ("lib", "abs"):
        assert resolved(tmp_path, PurePosixPath(f"/{first}/x")) == tmp_path / "usr/lib/x"


def test_sources_are_the_pool_and_the_day_of_the_suite() -> None:
    (item,) = source_items(lock_of(locked("tool", "1:2.0-1")))
    pool, snapshot = item.variants[0].providers
    assert pool.kind == "debian-pool"
    assert snapshot.kind == "debian-snapshot"
    assert snapshot.timestamp == "20261030T080801Z"
    assert snapshot.path == pool.path
