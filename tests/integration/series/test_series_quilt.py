"""Quilt itself on our trees, and we on quilt's."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.integration.series.seriestools import quilt, snapshot

from rocm_patch.errors import SeriesError
from rocm_patch.series import Series, apply_series, new_patch, refresh, unapply

Make = Callable[..., Series]
ADDED = (
    b"Description: x\n---\ndiff --git a/bin/tool b/bin/tool\nnew file mode 100755\n"
    b"--- /dev/null\n+++ b/bin/tool\n@@ -0,0 +1 @@\n+#!/bin/sh\n"
    b"diff --git a/one.txt b/two.txt\nsimilarity index 60%\nrename from one.txt\nrename to two.txt\n"
    b"--- a/one.txt\n+++ b/two.txt\n@@ -1 +1 @@\n-a\n+A\n"
)


def test_quilt_lists_pops_and_pushes_what_we_applied(series: Series, tree: Path) -> None:
    before = snapshot(tree)
    apply_series(series, tree)
    ours = snapshot(tree)
    # Without any setting: .pc/.quilt_patches leads quilt to the series.
    assert [line.split("/")[-1] for line in quilt(tree, "applied").stdout.split()] == series.names
    assert quilt(tree, "diff", "-z", "-P", "0003-step.patch").stdout == ""
    popped = quilt(tree, "pop", "-a")
    assert popped.returncode == 0, popped.stdout + popped.stderr
    left = snapshot(tree)
    # Quilt cannot tell an empty file from a missing one, and leaves empty folders behind.
    assert left.pop("new", "") is None
    assert left.pop("new/deep", "") is None
    assert before.pop("empty.py") == (b"", 0)
    assert left == before
    (tree / "empty.py").touch()
    pushed = quilt(tree, "push", "-a", "--fuzz=0")
    assert pushed.returncode == 0, pushed.stdout + pushed.stderr
    assert snapshot(tree) == ours


def test_quilt_goes_on_in_the_middle_of_our_series_and_we_in_its(series: Series, tree: Path) -> None:
    before = snapshot(tree, pc=True)
    apply_series(series, tree, until="0001-step.patch")
    assert quilt(tree, "push").returncode == 0
    assert apply_series(series, tree).patches == ("0003-step.patch",)
    assert quilt(tree, "pop").returncode == 0
    assert unapply(series, tree).patches == ("0002-step.patch", "0001-step.patch")
    assert snapshot(tree, pc=True) == before


def test_we_recognise_and_take_off_what_quilt_applied(series: Series, tree: Path) -> None:
    before = snapshot(tree, pc=True)
    assert quilt(tree, "push", "-a", "--fuzz=0", folder=series.folder).returncode == 0
    assert apply_series(series, tree).patches == ()
    assert unapply(series, tree).patches == tuple(reversed(series.names))
    assert snapshot(tree, pc=True) == before


def test_renames_and_new_programs_in_both_directions(make: Make, tree: Path, tmp_path: Path) -> None:
    series = make(ADDED)
    other = tmp_path / "other"
    shutil.copytree(tree, other)
    before = snapshot(tree, pc=True)
    apply_series(series, tree)
    pushed = quilt(other, "push", "-a", "--fuzz=0", folder=series.folder)
    assert pushed.returncode == 0, pushed.stdout
    assert snapshot(other) == snapshot(tree)
    unapply(series, other)
    assert snapshot(other, pc=True) == before
    assert quilt(tree, "pop", "-a").returncode == 0
    (tree / "bin").rmdir()
    assert snapshot(tree) == snapshot(other)


def test_a_refreshed_mode_of_a_name_with_spaces_is_read_by_quilt(make: Make, tree: Path) -> None:
    (tree / "two words").write_bytes(b"a\n")
    series = make(b"--- a/two words\t\n+++ b/two words\t\n@@ -1 +1 @@\n-a\n+b\n")
    apply_series(series, tree)
    (tree / "two words").write_bytes(b"a\n")
    (tree / "two words").chmod(0o755)
    assert refresh(series, tree) == series.names
    assert b"@@" not in Series.load(series.folder).patches[0].data
    after = snapshot(tree)
    assert quilt(tree, "pop", "-a").returncode == 0
    assert snapshot(tree) != after
    assert quilt(tree, "push", "-a").returncode == 0
    assert snapshot(tree) == after


def test_an_edit_is_seen_by_both(series: Series, tree: Path) -> None:
    apply_series(series, tree)
    (tree / "crlf.txt").write_bytes(b"edited\r\n")
    assert "does not remove cleanly" in quilt(tree, "pop").stderr + quilt(tree, "pop").stdout
    with pytest.raises(SeriesError, match=r"no longer matches 0003-step\.patch"):
        unapply(series, tree)


def test_quilt_new_add_refresh_then_we_take_over(series: Series, tree: Path) -> None:
    before = snapshot(tree, pc=True)
    apply_series(series, tree)
    assert quilt(tree, "new", "0004-quilts.patch").returncode == 0
    assert quilt(tree, "add", "fresh.txt", "one.txt").returncode == 0
    (tree / "fresh.txt").write_bytes(b"fresh\n")
    (tree / "one.txt").write_bytes(b"a\nB\nc\nd\ne\n")
    refreshed = quilt(tree, "refresh", "-pab", "--no-timestamps", "--no-index")
    assert refreshed.returncode == 0, refreshed.stderr
    grown = Series.load(series.folder)
    assert grown.names[-1] == "0004-quilts.patch"
    assert apply_series(grown, tree).patches == ()
    assert len(unapply(grown, tree).patches) == 4
    assert snapshot(tree, pc=True) == before


def test_our_new_patch_is_edited_and_refreshed_with_quilt(series: Series, tree: Path) -> None:
    apply_series(series, tree)
    path = new_patch(
        series,
        tree,
        "ours",
        description="d",
        author="A <a@b.c>",
        versions="==1.0",
        files=["one.txt", "made.txt"],
    )
    assert path.name == "0004-ours.patch"
    assert quilt(tree, "top").stdout.strip().endswith("0004-ours.patch")
    (tree / "one.txt").write_bytes(b"ours\n")
    (tree / "made.txt").write_bytes(b"made\n")
    header = path.read_bytes()
    assert quilt(tree, "refresh", "-pab").returncode == 0
    by_quilt = path.read_bytes()
    assert by_quilt.startswith(header)
    grown = Series.load(series.folder)
    quilts = grown.digest()
    assert refresh(grown, tree) == ["0004-ours.patch"]
    again = Series.load(series.folder)
    assert again.digest() != quilts or again.patches[-1].data != by_quilt
    assert apply_series(again, tree).patches == ()
    assert quilt(tree, "pop", "-a").returncode == 0
