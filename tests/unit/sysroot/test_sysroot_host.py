"""The host's side: install commands for what is absent, the made roots, the helper's words."""

from __future__ import annotations

import fcntl
import json
import os
import pwd
from pathlib import Path

import pytest

from rocm_patch.errors import BusyError, DiskSpaceError, MissingToolError, UsageError
from rocm_patch.sysroot import make, nsexec, store, tools
from rocm_patch.sysroot.core import RECORD


@pytest.mark.parametrize(
    ("text", "family"),
    [
        ("ID=debian\n", "debian"),
        ('ID=ubuntu\nID_LIKE="debian"\n', "debian"),
        ("ID=fedora\n", "fedora"),
        ('ID="rocky"\nID_LIKE="rhel centos fedora"\n', "fedora"),
        ('ID="opensuse-tumbleweed"\nID_LIKE="opensuse suse"\n', "suse"),
        ("ID=cachyos\nID_LIKE=arch\n", "arch"),
        ("ID=plan9\n", "debian"),
        ("", "debian"),
    ],
)
def test_families(tmp_path: Path, text: str, family: str) -> None:
    file = tmp_path / "os-release"
    file.write_text(text)
    assert tools.host_family(file) == family
    assert tools.host_family(tmp_path / "absent") == "debian"


@pytest.mark.parametrize(
    ("family", "step"),
    [
        ("debian", "as root: apt-get install uidmap gpgv"),
        ("fedora", "as root: dnf install shadow-utils gnupg2"),
        ("suse", "as root: zypper install shadow gpg2"),
        ("arch", "as root: pacman -S shadow gnupg"),
    ],
)
def test_the_exact_install_command_is_given(monkeypatch: pytest.MonkeyPatch, family: str, step: str) -> None:
    monkeypatch.setattr(tools, "which", lambda name: "/usr/bin/apt-get" if name == "apt-get" else None)
    monkeypatch.setattr(tools, "host_family", lambda: family)
    with pytest.raises(MissingToolError) as caught:
        tools.need("newuidmap", "apt-get", "gpgv")
    assert caught.value.what == "this machine lacks newuidmap, gpgv"
    assert caught.value.step == step


def test_programs_of_root_are_found_by_a_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert tools.which("rocm-patch-no-such-program") is None
    assert tools.which("chroot") == "/usr/sbin/chroot"


def _made(cache: Path, key: str) -> Path:
    file = cache / "sysroots" / key / RECORD
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"lock": {"name": "mini", "date": "today"}, "made": "now", "packages": 3}))
    return file.parents[1]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a cache folder of this test alone."""
    monkeypatch.setenv("ROCM_PATCH_CACHE", str(tmp_path))
    return tmp_path


def test_finished_roots_are_listed_and_removed(cache: Path) -> None:
    for key in ("bb", "aa"):
        _made(cache, key)
    (cache / "sysroots" / ".making-aa-1" / "root").mkdir(parents=True)
    assert [one.key for one in store.made_roots()] == ["aa", "bb"]
    store.remove("aa")
    assert [one.key for one in store.made_roots()] == ["bb"]


@pytest.mark.parametrize("key", ["cc", "../sysroots/bb", ".hidden", ""])
def test_only_a_key_names_a_root(cache: Path, key: str) -> None:
    _made(cache, "bb")
    (cache / "sysroots/.hidden").mkdir()
    with pytest.raises(UsageError) as caught:
        store.remove(key)
    assert caught.value.step == "name one of: bb"
    assert len(store.made_roots()) == 1


def test_a_root_that_is_being_made_is_not_removed(cache: Path) -> None:
    _made(cache, "bb")
    with (cache / "sysroots/.bb.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(BusyError):
            store.remove("bb")
    assert len(store.made_roots()) == 1


def test_an_overlays_changes_go_away_and_stale_ones_too(cache: Path) -> None:
    folder = cache / "sysroots"
    (folder / ".writable-old").mkdir(parents=True)
    (folder / ".writable-old.lock").touch()
    (folder / ".writable-busy").mkdir()
    with (folder / ".writable-busy.lock").open("w") as busy:
        fcntl.flock(busy, fcntl.LOCK_EX)
        with store.writable() as changes:
            (changes / "upper").mkdir()
            assert not (folder / ".writable-old").exists()
        assert not changes.exists()
        assert sorted(one.name for one in folder.iterdir()) == [".writable-busy", ".writable-busy.lock"]


def test_too_small_a_disk_is_found_before_it_is_full(tmp_path: Path) -> None:
    with pytest.raises(DiskSpaceError) as caught:
        make._check_room(tmp_path, 2**40)
    assert "ROCM_PATCH_CACHE" in caught.value.step
    make._check_room(tmp_path, 0)


def test_leftovers_of_killed_runs_are_swept(tmp_path: Path) -> None:
    for name in (".making-aa-1/root", ".making-aa-2", ".making-bb-1", "aa"):
        (tmp_path / name).mkdir(parents=True)
    make._sweep(tmp_path, "aa")
    assert [one.name for one in tmp_path.iterdir()] == [".making-bb-1"]


def test_the_helper_reads_its_words() -> None:
    assert nsexec.parse(["--unshare-net", "--bind", "/a", "/b", "--", "ls", "--", "x"]) == (
        [["--unshare-net"], ["--bind", "/a", "/b"]],
        ["ls", "--", "x"],
    )


@pytest.mark.parametrize(
    "words", [[], ["--"], ["--bind", "/a"], ["--bind", "/a", "/b"], ["--nonsense", "--", "ls"]]
)
def test_the_helper_refuses_other_words(words: list[str]) -> None:
    with pytest.raises(ValueError, match=r"option|command"):
        nsexec.parse(words)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("{user}:100000:65536\n", ["100000", "65536"]),
        ("other:1:2\n{uid}:200000:7\n", ["200000", "7"]),
    ],
)
def test_the_users_range_of_ids_is_found(tmp_path: Path, text: str, found: list[str]) -> None:
    user = pwd.getpwuid(os.getuid()).pw_name
    file = tmp_path / "subuid"
    file.write_text(text.format(user=user, uid=os.getuid()))
    assert nsexec._id_ranges(str(file)) == ["0", str(os.getuid()), "1", "1", *found]
    file.write_text("other:1:2\n")
    with pytest.raises(OSError, match="no range of ids"):
        nsexec._id_ranges(str(file))
