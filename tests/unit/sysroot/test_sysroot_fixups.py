"""Fix-ups: only for the exact package, only onto what they were written for, and recorded."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from tests.unit.sysroot.debmake import lock_of, locked

from rocm_patch.errors import DataError, SysrootError
from rocm_patch.sysroot import fixups
from rocm_patch.sysroot.lock import load_lock

LIST = """
- name: one
  package: tool
  version: "1"
  path: /opt/new/file
  content: file
  reason: a file that the package forgot to bring along
- name: two
  package: tool
  version: "1"
  path: /usr/bin/tool
  content: file
  replaces: ../lib/tool
  reason: a link that the package should not have brought
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a folder of two fix-ups."""
    place = tmp_path / "fixups"
    place.mkdir()
    (place / "fixups.yml").write_text(LIST)
    (place / "file").write_bytes(b"#!/bin/sh\n")
    return place


def test_fixups_are_put_in_and_told(folder: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "usr/bin").mkdir(parents=True)
    (root / "usr/bin/tool").symlink_to("../lib/tool")
    done = fixups.apply(root, lock_of(locked("tool")), folder)
    assert [one["name"] for one in done] == ["one", "two"]
    assert all(one["reason"] and len(one["sha256"]) == 64 for one in done)
    for place in ("opt/new/file", "usr/bin/tool"):
        assert (root / place).read_bytes() == b"#!/bin/sh\n"
        assert (root / place).stat().st_mode & 0o777 == 0o755
        assert not (root / place).is_symlink()


def test_another_version_gets_none(folder: Path) -> None:
    assert fixups.chosen(lock_of(locked("tool", "2")), folder) == []
    assert fixups.chosen(lock_of(locked("spade")), folder) == []


@pytest.mark.parametrize("link", ["../lib/other", None])
def test_a_changed_target_is_an_error(folder: Path, tmp_path: Path, link: str | None) -> None:
    root = tmp_path / "root"
    (root / "usr/bin").mkdir(parents=True)
    if link:
        (root / "usr/bin/tool").symlink_to(link)
    with pytest.raises(SysrootError, match="fix-up two does not fit"):
        fixups.apply(root, lock_of(locked("tool")), folder)


def test_a_file_in_the_way_is_an_error(folder: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "opt/new").mkdir(parents=True)
    (root / "opt/new/file").touch()
    with pytest.raises(SysrootError, match="fix-up one does not fit"):
        fixups.apply(root, lock_of(locked("tool")), folder)


def test_the_digest_follows_the_content(folder: Path) -> None:
    lock = lock_of(locked("tool"))
    before = fixups.digest(lock, folder)
    (folder / "file").write_bytes(b"other")
    assert fixups.digest(lock, folder) != before


@pytest.mark.parametrize(
    "text",
    [
        "",
        "name: x",
        "- {name: x}",
        "- [",
        LIST.replace("/opt/new/file", "/opt/../x"),
        LIST.replace("/opt", "opt"),
    ],
)
def test_a_malformed_list_is_named(folder: Path, text: str) -> None:
    (folder / "fixups.yml").write_text(text)
    with pytest.raises(DataError, match="not a list of fix-ups"):
        fixups.load_fixups(folder)


def test_every_fixup_of_the_project_is_for_its_lock() -> None:
    assert fixups.chosen(load_lock()) == fixups.load_fixups()


@pytest.mark.parametrize("name", ["clang-21", "clang++-21"])
def test_the_wrappers_drop_one_pair_of_words_only(tmp_path: Path, name: str) -> None:
    wrapper = (fixups.fixups_folder() / name).read_text()
    compiler = f"/usr/lib/llvm-21/bin/{name.removesuffix('-21')}"
    assert f"exec {compiler} " in wrapper
    shim = tmp_path / "shim"
    shim.write_text(wrapper.replace(f"exec {compiler} ", "printf '%s\\n' "))
    words = ["-isystem", "/usr/include", "-x", "hip", "-isystem", "/usr/include/x", "a b", "", "-isystem"]
    told = subprocess.run(["sh", str(shim), *words], capture_output=True, text=True, check=True).stdout
    assert told.split("\n")[:-1] == words[2:]


def test_beside_names_what_there_must_be_to_mend(folder: Path) -> None:
    (folder / "fixups.yml").write_text(LIST + "  beside: compiler\n")
    assert [one.name for one in fixups.chosen(lock_of(locked("tool")), folder)] == ["one"]
    both = lock_of(locked("tool"), locked("compiler"))
    assert [one.name for one in fixups.chosen(both, folder)] == ["one", "two"]
