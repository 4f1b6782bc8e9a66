"""Apply and take off on real folders: all or nothing, exact, quilt's record kept."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.integration.series.seriestools import FIRST, SECOND, THIRD, quilt, snapshot

from rocm_patch.errors import BusyError, DiskSpaceError, HunkError, RocmPatchError, SeriesError
from rocm_patch.series import Series, apply_series, journal, unapply

Make = Callable[..., Series]


def test_apply_twice_and_take_off(series: Series, tree: Path) -> None:
    before = snapshot(tree, pc=True)
    dry = apply_series(series, tree, dry_run=True)
    assert snapshot(tree, pc=True) == before
    done = apply_series(series, tree)
    assert done == dry
    assert done.patches == tuple(series.names)
    after = snapshot(tree)
    assert after["one.txt"] == (b"a\nB\nc\nd\n", 0)
    assert after["new/deep/file.txt"] == (b"caf\xe9\n", 0)
    assert after["run.sh"] == (b"#!/bin/sh\n", 0o100)
    assert after["empty.py"] == (b"import os\n", 0)
    assert after["crlf.txt"] == (b"x\r\nz\r\n", 0)
    assert "gone" not in after
    assert (tree / ".pc/applied-patches").read_text().split() == series.names
    assert apply_series(series, tree).patches == ()
    assert unapply(series, tree).patches == tuple(reversed(series.names))
    assert snapshot(tree, pc=True) == before


def test_until_in_both_directions(series: Series, tree: Path) -> None:
    apply_series(series, tree, until="0002-step.patch")
    middle = snapshot(tree)
    assert middle["crlf.txt"] == (b"x\r\ny\r\n", 0)
    apply_series(series, tree)
    assert unapply(series, tree, until="0002-step.patch").patches == ("0003-step.patch",)
    assert snapshot(tree) == middle
    with pytest.raises(SeriesError, match="is not applied"):
        unapply(series, tree, until="0003-step.patch")
    with pytest.raises(SeriesError, match="no patch 0009"):
        apply_series(series, tree, until="0009-step.patch")


def test_a_failing_hunk_in_the_last_patch_leaves_everything(make: Make, tree: Path) -> None:
    series = make(FIRST, SECOND, THIRD.replace(b"-y", b"-q"))
    before = snapshot(tree, pc=True)
    with pytest.raises(HunkError) as caught:
        apply_series(series, tree)
    assert caught.value.what == "0003-step.patch: crlf.txt: hunk 1 of 1 does not apply at line 1"
    assert caught.value.detail
    assert snapshot(tree, pc=True) == before


def test_reverse_and_strip_options(make: Make, tree: Path) -> None:
    flipped = b"--- p/q/one.txt\n+++ p/q/one.txt\n@@ -1,3 +1,3 @@\n a\n-B\n+b\n c\n"
    apply_series(make(flipped, options=("-p2 -R",)), tree)
    assert (tree / "one.txt").read_bytes() == b"a\nB\nc\n"


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda tree: (tree / "one.txt").write_bytes(b"edited\n"), "no longer matches 0002-step.patch"),
        (lambda tree: (tree / "empty.py").unlink(), "no longer matches"),
        (lambda tree: (tree / "run.sh").chmod(0o644), "no longer matches"),
        (lambda tree: (tree / ".pc/applied-patches").write_text("0009-other.patch\n"), "other patches"),
        (lambda tree: (tree / ".pc/applied-patches").write_text("../x\n"), "names"),
        (lambda tree: (tree / ".pc/.version").write_text("3\n"), "format other than 2"),
        (lambda tree: (tree / ".pc/0001-step.patch~refresh").touch(), "by force"),
        (lambda tree: (tree / ".pc/0001-step.patch/ln").symlink_to("/etc"), "symbolic link"),
        (lambda tree: shutil.rmtree(tree / ".pc/0001-step.patch"), "no longer matches"),
    ],
)
def test_a_tree_that_is_not_what_its_record_says(
    series: Series, tree: Path, spoil: Callable[[Path], object], words: str
) -> None:
    apply_series(series, tree)
    spoil(tree)
    before = snapshot(tree, pc=True)
    for call in (apply_series, unapply):
        with pytest.raises(SeriesError, match=words):
            call(series, tree)
    assert snapshot(tree, pc=True) == before


def test_a_patch_changed_after_it_was_applied(series: Series, make: Make, tree: Path) -> None:
    apply_series(series, tree)
    changed = make(FIRST.replace(b"+B", b"+BB"), SECOND, THIRD)
    with pytest.raises(SeriesError, match=r"no longer matches 0001-step\.patch"):
        apply_series(changed, tree)


@pytest.mark.parametrize("kind", ["file", "folder", "record", "stage"])
def test_symbolic_links_are_never_followed(series: Series, tree: Path, tmp_path: Path, kind: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "one.txt").write_bytes(b"a\nb\nc\n")
    if kind == "file":
        (tree / "one.txt").unlink()
        (tree / "one.txt").symlink_to(outside / "one.txt")
    else:
        name = {"folder": "new", "record": ".pc", "stage": ".rocm-patch-txn"}[kind]
        (tree / name).symlink_to(outside)
    with pytest.raises(SeriesError, match="symbolic link"):
        apply_series(series, tree)
    assert snapshot(outside) == {"one.txt": (b"a\nb\nc\n", 0)}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"--- a/gone\n+++ b/gone\n@@ -1 +1 @@\n-a\n+b\n", "not a regular file"),
        (b"--- /dev/null\n+++ b/one.txt/x\n@@ -0,0 +1 @@\n+b\n", "is a file, not a folder"),
        (
            b"--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+b\n--- /dev/null\n+++ b/x/y\n@@ -0,0 +1 @@\n+b\n",
            "both a file and the folder",
        ),
        (b"--- a/../out\n+++ b/../out\n@@ -1 +1 @@\n-a\n+b\n", "leaves the tree"),
    ],
)
def test_impossible_names(make: Make, tree: Path, body: bytes, words: str) -> None:
    before = snapshot(tree, pc=True)
    with pytest.raises(SeriesError, match=words):
        apply_series(make(body), tree)
    assert snapshot(tree, pc=True) == before


def test_one_writer_at_a_time(series: Series, tree: Path) -> None:
    handle = os.open(tree, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        with pytest.raises(BusyError) as caught:
            apply_series(series, tree)
        assert caught.value.exit_code == 4
    finally:
        os.close(handle)
    assert apply_series(series, tree).patches


def test_no_tree(series: Series, tmp_path: Path) -> None:
    with pytest.raises(SeriesError, match="is no source tree"):
        apply_series(series, tmp_path / "nowhere")


@pytest.mark.parametrize(
    "case", [(28, DiskSpaceError, "no room"), (13, SeriesError, "cannot be written")], ids=["full", "denied"]
)
def test_write_errors_leave_the_tree(
    series: Series,
    tree: Path,
    monkeypatch: pytest.MonkeyPatch,
    case: tuple[int, type[RocmPatchError], str],
) -> None:
    number, error, words = case
    before = snapshot(tree, pc=True)
    real = os.write
    left = [5]

    def write(handle: int, data: bytes) -> int:
        left[0] -= 1
        if left[0] == 0:
            raise OSError(number, os.strerror(number))
        return real(handle, data)

    monkeypatch.setattr(os, "write", write)
    with pytest.raises(error, match=words):
        apply_series(series, tree)
    assert snapshot(tree, pc=True) == before


def test_failure_behind_the_decision_is_completed_by_the_next_call(
    series: Series, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.rename

    def rename(source: Path, target: Path) -> None:
        if target.name == "one.txt":
            raise PermissionError(13, "denied", str(target))
        real(source, target)

    with monkeypatch.context() as patched:
        patched.setattr(os, "rename", rename)
        with pytest.raises(SeriesError, match="half changed"):
            apply_series(series, tree)
    with pytest.raises(SeriesError, match="cut off"):
        apply_series(series, tree, dry_run=True)
    result = apply_series(series, tree)
    assert result.recovered == "completed"
    assert result.patches == ()
    assert (tree / "one.txt").read_bytes() == b"a\nB\nc\nd\n"
    unapply(series, tree)


def test_an_edit_after_a_cut_is_not_overwritten(
    series: Series, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(root: Path) -> str:
        raise KeyboardInterrupt(root)

    with monkeypatch.context() as patched:
        patched.setattr(journal, "recover", lambda root: "" if not journal.pending(root) else stop(root))
        with pytest.raises(KeyboardInterrupt):
            apply_series(series, tree)
    (tree / "one.txt").write_bytes(b"mine\n")
    with pytest.raises(SeriesError, match=r"one\.txt was edited"):
        apply_series(series, tree)
    assert (tree / "one.txt").read_bytes() == b"mine\n"
    (tree / ".rocm-patch-txn/journal.json").write_text('{"format": 9}')
    with pytest.raises(SeriesError, match="cannot be read"):
        apply_series(series, tree)


def test_a_planted_journal_cannot_leave_the_tree(series: Series, tree: Path) -> None:
    stage = tree / ".rocm-patch-txn"
    stage.mkdir()
    (stage / "journal.json").write_text(
        '{"format": 1, "changes": [{"path": "../out", "old": null, "new": null}]}'
    )
    with pytest.raises(SeriesError, match="leaves the tree"):
        apply_series(series, tree)


def test_an_unreadable_file(series: Series, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Path.read_bytes

    def read(path: Path) -> bytes:
        if path.name == "crlf.txt":
            raise PermissionError(13, "Permission denied")
        return real(path)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "read_bytes", read)
        with pytest.raises(SeriesError, match=r"crlf\.txt cannot be read"):
            apply_series(series, tree)
    assert apply_series(series, tree).patches


def test_same_result_as_quilt_and_patch(series: Series, tree: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    third = tmp_path / "third"
    shutil.copytree(tree, other)
    shutil.copytree(tree, third)
    apply_series(series, tree)
    pushed = quilt(other, "push", "-a", "--fuzz=0", folder=series.folder)
    assert pushed.returncode == 0, pushed.stdout
    for name in series.names:
        subprocess.run(["patch", "-p1", "-F0", "-s", "-i", str(series.folder / name)], cwd=third, check=True)
    assert snapshot(tree) == snapshot(other)
    assert snapshot(tree) == snapshot(third)
