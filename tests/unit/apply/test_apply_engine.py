"""Transactions of file actions.

What they do, what they refuse, how they fail, and that they leave no trace when undone.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.apply.kit import apply, describe, file_actions, make_root, options

from rocm_patch.apply import engine
from rocm_patch.apply.checks import gpu_users
from rocm_patch.apply.context import escaped
from rocm_patch.apply.files import FileHandler
from rocm_patch.errors import (
    ApplyError,
    BusyError,
    ChangedSinceError,
    CheckError,
    DiskSpaceError,
    StateFolderError,
    UndoError,
    UsageError,
)
from rocm_patch.machine_state import machine_state
from rocm_patch.plan.actions import Divert, DropLines, JoinGroup, RemoveFile, UnsetVariable, WriteFile
from rocm_patch.plan.show import plain

STATE = "var/lib/rocm-patch"


def write(path: str = "/etc/modprobe.d/a.conf", content: str = "a\n") -> tuple[str, Any]:
    return "rule", WriteFile(kind="write-file", path=path, content=content)


def test_actions_do_what_they_say(root: Path) -> None:
    apply(root, file_actions())
    assert (
        root / "etc/group"
    ).read_text() == "root:x:0:\nvideo:x:44:bob,ada\nrender:x:992:ada\nada:x:1000:\n"
    assert (root / "etc/gshadow").read_text() == "root:*::\nvideo:!::bob,ada\nrender:!::ada\nada:!::\n"
    assert (root / "etc/gshadow").stat().st_mode & 0o777 == 0o640
    assert (root / "etc/environment").read_text() == 'PATH="/usr/bin"\nLANG=C\n'
    assert (root / "etc/udev/rules.d/70-rocm-patch-kfd.rules").read_text() == "rule\n"
    assert not (root / "etc/profile.d/rocm.sh").exists()
    conf = (root / "etc/apt/apt.conf.d/99rocm-patch").read_text()
    assert "/usr/bin/rocm-patch hooks notice apt || true" in conf


def test_nothing_of_ours_can_be_written_by_others(root: Path) -> None:
    old = os.umask(0)
    try:
        apply(root, file_actions())
    finally:
        os.umask(old)
    for path in [*(root / STATE).rglob("*"), *(root / "etc").rglob("*")]:
        assert path.lstat().st_mode & 0o022 == 0 or path.is_symlink(), path
    assert (root / STATE / "journal.db").stat().st_mode & 0o777 == 0o600
    assert (root / STATE / "snapshots").stat().st_mode & 0o777 == 0o700


def test_rollback_leaves_no_trace(root: Path) -> None:
    before = describe(root)
    apply(root, file_actions())
    assert describe(root) != before
    engine.rollback(options(root))
    assert describe(root) == before
    assert not list((root / STATE / "snapshots").iterdir())


_LINES = st.lists(
    st.sampled_from(
        [
            "A=1",
            "export HSA_OVERRIDE_GFX_VERSION=10.3.0",
            "HSA_OVERRIDE_GFX_VERSION=1",
            "blacklist amdgpu",
            " blacklist  amdgpu x",
            "#",
            "",
            "blacklist amdgpuX",
            "\udcff",
        ]
    ),
    max_size=5,
)
_FILES = ["/etc/environment", "/etc/profile.d/a.sh", "/etc/modprobe.d/b.conf", "/etc/environment.d/c.conf"]
_ACTIONS = st.one_of(
    st.builds(
        lambda p, c: WriteFile(kind="write-file", path=p, content=c),
        st.sampled_from(_FILES),
        st.text("ab\n", max_size=9),
    ),
    st.builds(lambda p: RemoveFile(kind="remove-file", path=p), st.sampled_from(_FILES)),
    st.builds(
        lambda p: UnsetVariable(kind="unset-variable", name="HSA_OVERRIDE_GFX_VERSION", files=p),
        st.lists(st.sampled_from(_FILES), min_size=1, max_size=4),
    ),
    st.builds(
        lambda p: DropLines(kind="drop-lines", words=["blacklist", "amdgpu"], files=p),
        st.lists(st.sampled_from(_FILES), min_size=1, max_size=4),
    ),
    st.builds(
        lambda g: JoinGroup(kind="join-group", groups=g, user="ada"),
        st.lists(st.sampled_from(["render", "video"]), min_size=1, max_size=2, unique=True),
    ),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    files=st.dictionaries(st.sampled_from(_FILES), st.tuples(_LINES, st.sampled_from([0o644, 0o600, 0o755]))),
    runs=st.lists(st.lists(_ACTIONS, min_size=1, max_size=4), min_size=1, max_size=3),
)
def test_apply_then_rollback_is_nothing(
    room: Path, files: dict[str, tuple[list[str], int]], runs: list[list[Any]]
) -> None:
    """Whatever the files and the actions are.

    Each rollback gives the tree before its apply, byte for byte.
    """

    shutil.rmtree(room / "any", ignore_errors=True)
    root = make_root(room / "any")
    for path, (lines, mode) in files.items():
        place = root / path[1:]
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes("\n".join(lines).encode("utf-8", "surrogateescape"))
        place.chmod(mode)
        os.utime(place, ns=(1, 1_500_000_000_000_000_007))
    states = [describe(root)]
    for actions in runs:
        apply(root, [("rule", one) for one in actions])
        states.append(describe(root))
    with engine.session(options(root)) as ctx:
        assert engine.verify(ctx) == []
    for state in reversed(states[:-1]):
        engine.rollback(options(root))
        assert describe(root) == state


def test_failure_in_the_middle_puts_all_back(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:

    before = describe(root)
    real = FileHandler.do

    def fail(self: FileHandler, kept: dict[str, object]) -> dict[str, object]:
        done = real(self, kept)
        if self.action.kind == "remove-file":
            raise RuntimeError("a fault of ours")
        return done

    monkeypatch.setattr(FileHandler, "do", fail)
    with pytest.raises(ApplyError, match="everything was put back") as error:
        apply(root, file_actions())
    assert "RuntimeError: a fault of ours" in str(error.value)
    assert describe(root) == before


def test_interrupt_puts_all_back(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:

    before = describe(root)
    monkeypatch.setattr(FileHandler, "verify", lambda *_words: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(ApplyError, match="you interrupted it; everything was put back"):
        apply(root, file_actions())
    monkeypatch.undo()
    assert describe(root) == before


def test_failed_validation_puts_all_back(root: Path) -> None:
    before = describe(root)
    with pytest.raises(ApplyError, match="not what it should be"):
        apply(root, file_actions(), validate=lambda: ["wrong sums"])
    assert describe(root) == before


def test_others_changes_are_not_run_over(root: Path) -> None:
    apply(root, [write(), ("groups", JoinGroup(kind="join-group", groups=["render"], user="ada"))])
    (root / "etc/modprobe.d/a.conf").write_text("the owner's\n")
    with pytest.raises(ChangedSinceError) as error:
        engine.rollback(options(root))
    assert error.value.exit_code == 113
    assert "ada" in (root / "etc/group").read_text().split("render")[1].split("\n")[0], (
        "refused before the first step is undone"
    )
    engine.rollback(options(root), force=True)
    assert not (root / "etc/modprobe.d/a.conf").exists()


def test_groups_are_left_by_name_when_others_joined_since(root: Path) -> None:
    apply(root, [("groups", JoinGroup(kind="join-group", groups=["render"], user="ada"))])
    text = (root / "etc/group").read_text()
    (root / "etc/group").write_text(
        text.replace("render:x:992:ada", "render:x:992:ada,eve") + "new:x:1001:\n"
    )
    engine.rollback(options(root))
    assert (
        root / "etc/group"
    ).read_text() == "root:x:0:\nvideo:x:44:bob\nrender:x:992:eve\nada:x:1000:\nnew:x:1001:\n"


def test_membership_that_was_there_stays(root: Path) -> None:
    (root / "etc/group").write_text("video:x:44:ada\nrender:x:992:\n")
    apply(root, [("groups", JoinGroup(kind="join-group", groups=["render", "video"], user="ada"))])
    (root / "etc/group").write_text((root / "etc/group").read_text() + "new:x:1001:\n")
    engine.rollback(options(root))
    assert (root / "etc/group").read_text() == "video:x:44:ada\nrender:x:992:\nnew:x:1001:\n"


def test_later_transactions_first(root: Path) -> None:
    apply(root, [write(content="one\n")])
    apply(root, [write(content="two\n")])
    with pytest.raises(ChangedSinceError, match="came after"):
        engine.rollback(options(root), 1)
    engine.rollback(options(root))
    assert (root / "etc/modprobe.d/a.conf").read_text() == "one\n"
    engine.rollback(options(root), 1)
    assert not (root / "etc/modprobe.d/a.conf").exists()
    with pytest.raises(UsageError, match="nothing to roll back"):
        engine.rollback(options(root))


def test_verify_says_what_differs(root: Path) -> None:
    apply(root, [*file_actions()[:4], write()])
    with engine.session(options(root)) as ctx:
        assert engine.verify(ctx) == []
    (root / "etc/modprobe.d/old.conf").chmod(0o666)
    (root / "etc/modprobe.d/a.conf").unlink()
    (root / "etc/group").write_text("render:x:992:\nvideo:x:44:ada\n")
    with engine.session(options(root)) as ctx:
        findings = engine.verify(ctx)
    assert [line.split(": ", 1)[1] for line in findings] == [
        "ada is no longer in render",
        "/etc/modprobe.d/old.conf is not as it was left: other owner, mode or attributes",
        "/etc/modprobe.d/a.conf is not as it was left: it was a file and is absent",
    ]
    assert machine_state(root).verified is False


@pytest.mark.parametrize("place", ["etc/modprobe.d", "etc/modprobe.d/a.conf", "etc"])
def test_links_on_the_way_are_refused(root: Path, place: str) -> None:
    path = root / place
    if path.exists():
        path.rename(path.with_name("elsewhere"))
    path.symlink_to(root / "outside" if place.endswith("conf") else path.with_name("elsewhere"))
    with pytest.raises(CheckError) as error:
        apply(root, [write()])
    assert "symbolic link" in str(error.value)
    assert not (root / "outside").exists()
    assert not (root / "elsewhere/a.conf").exists()


@pytest.mark.parametrize("name", ["", "journal.db", "lock", "journal.db-wal"])
def test_links_in_the_state_folder_are_refused(root: Path, name: str) -> None:
    target = root / "target"
    if name:
        (root / STATE).mkdir(parents=True)
        target.write_text("precious")
    else:
        target.mkdir()
    (root / STATE / name if name else root / STATE).symlink_to(target)
    with pytest.raises((StateFolderError, CheckError)):
        apply(root, [write()])
    assert not (root / "etc/modprobe.d/a.conf").exists()
    assert list(target.iterdir()) == [] if not name else target.read_text() == "precious"


def test_state_folder_of_others_is_refused(root: Path) -> None:
    (root / STATE).mkdir(parents=True)
    (root / STATE).chmod(0o777)
    with pytest.raises(StateFolderError, match="not safe") as error:
        apply(root, [write()])
    assert error.value.exit_code == 115
    assert machine_state(root).applied == []


def test_second_name_of_the_journal_is_refused(root: Path) -> None:
    apply(root, [write()])
    os.link(root / STATE / "journal.db", root / "second")
    with pytest.raises(StateFolderError, match="2 name"):
        engine.rollback(options(root))


def test_hard_links_are_not_parted(root: Path) -> None:
    os.link(root / "etc/environment", root / "second")
    with pytest.raises(CheckError) as error:
        apply(root, file_actions())
    assert "hard links" in str(error.value)


def test_another_run_is_waited_for_or_refused(root: Path) -> None:
    apply(root, [write()])
    code = "import fcntl,sys,time; f=open(sys.argv[1]); fcntl.flock(f, fcntl.LOCK_EX);"
    code += "print('x', flush=True); time.sleep(float(sys.argv[2]))"
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(root / STATE / "lock"), "2"], stdout=subprocess.PIPE
    )
    assert child.stdout is not None
    child.stdout.readline()
    with pytest.raises(BusyError):
        engine.rollback(options(root))
    engine.rollback(options(root, wait=30.0))
    child.communicate()


def test_programs_on_the_gpu(root: Path, room: Path) -> None:
    """A package under a running program is a reason against; a variable for the next login is none."""

    fd = room / "proc/4242/fd"
    fd.mkdir(parents=True)
    (fd / "7").symlink_to("/dev/kfd")
    (fd / "8").symlink_to("/dev/kfdx")
    (room / "proc/4242/comm").write_text("py\x1bthon\n")
    (room / "proc/self").mkdir()
    assert gpu_users(room / "proc") == [(4242, "py?thon")]
    apply(root, [write()], proc=room / "proc")
    action = Divert(kind="divert", path="/usr/lib/a.so", source="/etc/environment", sha256="0" * 64)
    for allowed in (False, True):
        with pytest.raises(CheckError) as error:
            apply(root, [("divert", action)], proc=room / "proc", allow_running=allowed)
        assert ("py?thon (4242)" in str(error.value)) is not allowed


def test_too_little_room_is_said_before(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rocm_patch.apply.checks.free_bytes", lambda *_words: 1 << 20)
    with pytest.raises(DiskSpaceError, match="not enough room"):
        apply(root, [write()])
    assert not (root / "etc/modprobe.d/a.conf").exists()


def test_unknown_user_and_root_alone(root: Path) -> None:
    for user, said in ((None, "nobody to put"), ("nobody-here", "no user")):
        with pytest.raises(CheckError, match=said):
            apply(root, [("groups", JoinGroup(kind="join-group", groups=["render"]))], user=user)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_damaged_journal_is_said_and_never_believed(room: Path, data: st.DataObject) -> None:

    base = room / "damaged"
    if not base.exists():
        make_root(base)
        apply(base, file_actions()[:3])
    victim = room / "victim"
    shutil.rmtree(victim, ignore_errors=True)
    shutil.copytree(base, victim)
    place = victim / STATE / "journal.db"
    text = bytearray(place.read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        text[data.draw(st.integers(0, len(text) - 1))] = data.draw(st.integers(0, 255))
    place.write_bytes(
        bytes(text)[: data.draw(st.integers(0, len(text)))] if data.draw(st.booleans()) else bytes(text)
    )
    state = machine_state(victim)
    assert state.unknown or state.known or not state.applied
    with contextlib.suppress(StateFolderError, CheckError, UndoError, UsageError, ChangedSinceError):
        engine.rollback(options(victim))


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE transactions SET who = CAST(x'ff' AS TEXT)",
        "UPDATE transactions SET state = x'00'",
        "UPDATE transactions SET begun = 'soon'",
        "UPDATE transactions SET ended = 'later'",
        "UPDATE transactions SET plan = '{'",
        "UPDATE steps SET action = '[]'",
        "UPDATE steps SET n = 0.5",
        "UPDATE steps SET before = '[3]'",
        "DROP TABLE steps",
        "PRAGMA user_version = 7",
    ],
)
def test_a_field_of_another_kind_is_damage(root: Path, change: str) -> None:
    apply(root, [write()])
    before = describe(root)
    base = sqlite3.connect(root / STATE / "journal.db")
    base.execute(change)
    base.commit()
    base.close()
    assert isinstance(machine_state(root).unknown, str)
    with pytest.raises(ApplyError):
        engine.rollback(options(root))
    assert describe(root) == before


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda x: (
            st.lists(x, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["entries", "states", "joined", "path", "kind", "mode", "sha256", "xattrs", "target"]
                ),
                x,
                max_size=4,
            )
        ),
        max_leaves=8,
    )
)
def test_any_record_of_a_step_is_read_or_refused(room: Path, record: Any) -> None:
    """A line of the journal that is no longer what we wrote must end in an explained error.

    And must not change the tree.
    """
    root = room / "record"
    if not root.exists():
        make_root(root)
        apply(root, [write()])
    before = describe(root)
    base = sqlite3.connect(root / STATE / "journal.db")
    base.execute(
        "UPDATE steps SET before = ?, after = ?, state = 'done'", (json.dumps(record), json.dumps(record))
    )
    base.execute("UPDATE transactions SET state = 'undoing', note = ''")
    base.commit()
    base.close()
    with contextlib.suppress(ApplyError, UsageError):
        engine.rollback(options(root))
    after = describe(root)
    outside = {key for key in {*before, *after} if before.get(key) != after.get(key)}
    assert outside <= {"etc/modprobe.d/a.conf"}, outside


def test_log_lines_cannot_be_faked() -> None:

    assert escaped(b"a\x1b[31mred\x07\r\nnext\xff") == "a\\x1b[31mred\\x07\nnext\\xff"
    assert plain("a\x1b[2J\nerror: x\u202e") == "a\ufffd[2J\ufffderror: x\ufffd"


def test_state_for_those_who_may_not_read_the_journal(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    apply(root, [write()])
    known = machine_state(root)
    assert [one.rules for one in known.applied] == [["rule"]]
    monkeypatch.setattr(os, "access", lambda *_words: False)
    published = machine_state(root)
    assert published.applied == known.applied
    (root / STATE / "status.json").write_text('{"applied": 3}')
    assert machine_state(root).unknown
    assert time.time() - known.applied[0].time < 3600
