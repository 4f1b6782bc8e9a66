"""What a command inside sees: mounts, binds, environment, and the argument list of both ways in."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.sysroot.debmake import lock_of, locked

from rocm_patch.errors import SysrootError, UsageError
from rocm_patch.sysroot import core, fixups
from rocm_patch.sysroot.core import RECORD, Sysroot, root_key
from rocm_patch.sysroot.lock import load_lock
from rocm_patch.sysroot.mounts import Bind, bind_arguments, environment_arguments, root_arguments


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Give a folder that has a Debian root's shape."""
    place = tmp_path / "root"
    for name in ("etc", "usr/bin", "var", "opt", "home", "proc", "dev", "tmp", "build"):
        (place / name).mkdir(parents=True)
    (place / "bin").symlink_to("usr/bin")
    return place


def pairs(arguments: list[str], option: str) -> list[str]:
    """Give what follows each appearance of an option."""
    return [arguments[at + 1] for at, word in enumerate(arguments) if word == option]


@pytest.mark.parametrize(
    ("text", "target", "mode"),
    [("/a:/b", "/b", "rw"), ("/a:/b:ro", "/b", "ro"), ("/dev/kfd:/dev/kfd:dev", "/dev/kfd", "dev")],
)
def test_binds_are_read(text: str, target: str, mode: str) -> None:
    bind = Bind.parse(text)
    assert (bind.target, bind.mode) == (target, mode)


@pytest.mark.parametrize("text", ["", "/a", "/a:", ":/b", "/a:/b:rx", "a:b:c:ro", "ro"])
def test_other_words_are_no_binds(text: str) -> None:
    with pytest.raises(UsageError):
        Bind.parse(text)


def test_the_roots_own_folders_are_read_only(root: Path) -> None:
    arguments = root_arguments(root)
    assert pairs(arguments, "--ro-bind") == [str(root / name) for name in ("build", "etc", "usr", "var")]
    assert "--bind" not in arguments
    assert pairs(arguments, "--symlink") == ["usr/bin"]
    assert pairs(arguments, "--tmpfs") == ["/run", "/tmp"]
    assert "/opt" in pairs(arguments, "--dir")


def test_a_bind_takes_the_place_of_a_top_level_folder(root: Path) -> None:
    assert str(root / "build") not in root_arguments(root, skip=["build"])


def test_a_folder_that_is_no_root_is_said_to_be_none(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "absent"):
        with pytest.raises(SysrootError, match="not a Debian root") as caught:
            root_arguments(place)
        assert "sysroot create" in caught.value.step


@pytest.mark.parametrize("target", ["/w", "/w/deep", "/opt/rocm-6.4.3", "/tmp/x", "/usr/bin", "/home/me/src"])
def test_targets_that_can_be_mounted(root: Path, tmp_path: Path, target: str) -> None:
    assert bind_arguments(root, [Bind(tmp_path, target, "ro")]) == ["--ro-bind", str(tmp_path), target]


@pytest.mark.parametrize("target", ["w", "/", "/w/../usr", "/usr/new", "/etc/x/y"])
def test_targets_that_cannot(root: Path, tmp_path: Path, target: str) -> None:
    with pytest.raises(UsageError):
        bind_arguments(root, [Bind(tmp_path, target)])


def test_shallow_binds_come_first_and_carry_deeper_ones(root: Path, tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    arguments = bind_arguments(root, [Bind(inner, "/usr/bin/new"), Bind(tmp_path, "/usr/bin", "dev")])
    assert arguments == ["--dev-bind", str(tmp_path), "/usr/bin", "--bind", str(inner), "/usr/bin/new"]


def test_an_absent_source_is_named(root: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        bind_arguments(root, [Bind(tmp_path / "absent", "/w")])


def test_little_of_the_callers_environment_gets_in() -> None:
    caller = {"SOURCE_DATE_EPOCH": "7", "LD_PRELOAD": "/x.so", "PATH": "/home/me/bin", "HOME": "/home/me"}
    arguments = environment_arguments({"CC": "gcc-13", "HOME": "/w"}, caller)
    assert arguments[0] == "--clearenv"
    values = {arguments[at + 1]: arguments[at + 2] for at, word in enumerate(arguments) if word == "--setenv"}
    assert values == {
        "CC": "gcc-13",
        "HOME": "/w",
        "LC_ALL": "C.UTF-8",
        "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
        "SOURCE_DATE_EPOCH": "7",
    }


def test_both_ways_in_get_the_same_mounts(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    sysroot = Sysroot.at(root)
    bwrap = sysroot.command(["true"], backend="bwrap", cwd="/w")
    own = sysroot.command(["true"], backend="nsexec", cwd="/w")
    assert bwrap[0] == "bwrap"
    assert own[1:3] == ["-I", str(Path(core.__file__).with_name("nsexec.py"))]
    at = bwrap.index("--uid")
    assert bwrap[at : at + 4] == ["--uid", "0", "--gid", "0"]
    assert bwrap[1:at] + bwrap[at + 4 :] == own[3:]
    assert "--unshare-user" in own
    assert own[-4:] == ["--chdir", "/w", "--", "true"]


def test_the_network_is_off_unless_asked_for(root: Path) -> None:
    sysroot = Sysroot.at(root)
    (root / "etc/resolv.conf").touch()
    assert "--unshare-net" in sysroot.command(["true"], backend="nsexec")
    command = sysroot.command(["true"], backend="nsexec", network=True)
    assert "--unshare-net" not in command
    if Path("/etc/resolv.conf").exists():
        assert "/etc/resolv.conf" in command


def test_an_overlay_is_entered_by_own_means_only(root: Path, tmp_path: Path) -> None:
    command = Sysroot.at(root).command(["true"], backend="bwrap", overlay=tmp_path / "over")
    assert "bwrap" not in command
    at = command.index("--overlay-root")
    assert command[at + 1 : at + 4] == [str(root), str(tmp_path / "over/upper"), str(tmp_path / "over/work")]
    assert "--ro-bind" not in command


def test_a_root_that_is_not_made_is_said_to_be_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROCM_PATCH_CACHE", str(tmp_path))
    monkeypatch.delenv("ROCM_PATCH_SYSROOT", raising=False)
    with pytest.raises(SysrootError, match="not made yet") as caught:
        Sysroot.open()
    assert caught.value.step.endswith("rocm-patch sysroot create")


def test_a_made_root_is_found_by_its_lock(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROCM_PATCH_CACHE", str(tmp_path))
    monkeypatch.delenv("ROCM_PATCH_SYSROOT", raising=False)
    lock = load_lock()
    place = tmp_path / "sysroots" / root_key(lock)
    place.parent.mkdir()
    root.rename(place)
    (place / RECORD).write_text('{"packages": 3}', encoding="utf-8")
    assert Sysroot.open("rocm-6.4") == Sysroot(path=place, lock=lock)
    assert Sysroot.open(lock).record() == {"packages": 3}
    (place / RECORD).write_text("[]", encoding="utf-8")
    with pytest.raises(SysrootError, match="not a sysroot record"):
        Sysroot.open(lock).record()


def test_a_root_can_be_named_by_the_environment(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROCM_PATCH_SYSROOT", str(root))
    assert Sysroot.open("anything") == Sysroot(path=root)
    assert Sysroot.open().record() == {}


def test_the_key_follows_all_that_shapes_a_root(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = lock_of(locked("tool"))
    keys = {
        root_key(plain),
        root_key(lock_of(locked("tool"), exclude="/usr/share/doc/*")),
        root_key(lock_of()),
    }
    monkeypatch.setattr(fixups, "digest", lambda _lock: "other")
    keys.add(root_key(plain))
    monkeypatch.setattr(core, "WAY", 99)
    keys.add(root_key(plain))
    assert len(keys) == 5


def test_no_way_in_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    core.choose_backend.cache_clear()
    monkeypatch.setattr(core, "probe", lambda backend: f"{backend} says no")
    with pytest.raises(SysrootError, match="lets no command") as caught:
        core.choose_backend()
    assert caught.value.detail == ["bwrap: bwrap says no", "nsexec: nsexec says no"]
    assert "bubblewrap" in caught.value.step
    monkeypatch.setattr(core, "probe", lambda backend: None if backend == "nsexec" else "no")
    assert core.choose_backend() == "nsexec"
    core.choose_backend.cache_clear()


def test_an_absent_bwrap_is_no_way_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _name: None)
    assert core.probe("bwrap") == "not installed"
