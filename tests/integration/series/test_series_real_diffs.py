"""Random trees and edits: diffs made by GNU diff and git, applied by us, by patch(1), and back."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.integration.series.seriestools import Snapshot, quilt

from rocm_patch.series import Series, apply_series, unapply

LINES = st.sampled_from(
    [
        b"a",
        b"b",
        b"c",
        b"",
        b"\r",
        b"\xe9\xff",
        b"-- ",
        b"--- a/x",
        b"+++ b/x",
        b"@@ -1 +1 @@",
        b"\\ No",
        b" ",
    ]
)
CONTENT = st.builds(
    lambda lines, end: b"\n".join(lines) + (b"\n" if end else b""),
    st.lists(LINES, min_size=1, max_size=14).filter(lambda lines: lines != [b""]),
    st.booleans(),
)
NAMES = ["one.txt", "dir/two three.c", "dir/sub/\udce9.h", 'q"uote', "run.sh"]
FILES = st.dictionaries(st.sampled_from(NAMES), st.tuples(CONTENT, st.booleans()), max_size=5)
#: patch(1) cannot read a name with spaces on git's `diff --git` line; we can (tests/unit/series).
GIT_FILES = FILES.map(lambda files: {name.replace(" ", "_"): value for name, value in files.items()})
MANY = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
#: Quilt is a shell script: a run costs a second where patch(1) costs a hundredth.
FEW = settings(MANY, max_examples=5)


def write(top: Path, files: dict[str, tuple[bytes, bool]], *, modes: bool) -> None:
    top.mkdir()
    for name, (data, executable) in files.items():
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        path.chmod(0o755 if executable and modes else 0o644)


def content(top: Path) -> Snapshot:
    """Files only: neither diff format knows folders."""
    found: Snapshot = {}
    for folder, folders, files in os.walk(top):
        if ".pc" in folders:
            folders.remove(".pc")
        for name in files:
            path = Path(folder) / name
            found[str(path.relative_to(top))] = (path.read_bytes(), path.stat().st_mode & 0o100)
    return found


def prove(top: Path, patch: bytes, strip: int, *, by_quilt: bool) -> None:
    """The patch makes `old` into `new` and back; patch(1), or quilt, agrees."""
    folder = top / "series"
    folder.mkdir()
    (folder / "0001-x.patch").write_bytes(b"Description: x\n---\n" + patch)
    (folder / "series").write_text(f"0001-x.patch -p{strip}\n")
    series = Series.load(folder)
    work, other, third = top / "work", top / "other", top / "third"
    for copy in (work, other, third):
        shutil.copytree(top / "old", copy)
    apply_series(series, work)
    assert content(work) == content(top / "new")
    if by_quilt:
        pushed = quilt(other, "push", "-a", "--fuzz=0", folder=folder)
        assert pushed.returncode == 0, pushed.stdout
    else:
        words = ["patch", f"-p{strip}", "-F0", "-s", "-f", "-i", str(folder / "0001-x.patch")]
        subprocess.run(words, cwd=other, check=True)
    assert content(other) == content(work)
    unapply(series, work)
    assert content(work) == content(top / "old")
    if by_quilt:
        unapply(series, other)
        assert content(other) == content(top / "old")
    (folder / "series").write_text(f"0001-x.patch -p{strip} -R\n")
    shutil.rmtree(third)
    shutil.copytree(top / "new", third)
    apply_series(Series.load(folder), third)
    assert content(third) == content(top / "old")


Files = dict[str, tuple[bytes, bool]]


def by_gnu_diff(old: Files, new: Files, *, by_quilt: bool) -> None:
    with tempfile.TemporaryDirectory() as name:
        top = Path(name)
        write(top / "old", old, modes=False)
        write(top / "new", new, modes=False)
        done = subprocess.run(["diff", "-urNa", "old", "new"], cwd=top, capture_output=True, check=False)
        assert done.returncode in (0, 1)
        if done.returncode:
            prove(top, done.stdout, 1, by_quilt=by_quilt)


def by_git_diff(old: Files, new: Files, context: int, *, by_quilt: bool) -> None:
    with tempfile.TemporaryDirectory() as name:
        top = Path(name)
        write(top / "old", old, modes=True)
        write(top / "new", new, modes=True)
        words = ["git", "-c", "core.autocrlf=false", "diff", "--no-index", "--text", "--no-renames"]
        done = subprocess.run(
            [*words, f"-U{context}", "old", "new"], cwd=top, capture_output=True, check=False
        )
        assert done.returncode in (0, 1)
        if done.returncode:
            prove(top, done.stdout, 2, by_quilt=by_quilt)


@MANY
@given(FILES, FILES)
def test_gnu_diff(old: Files, new: Files) -> None:
    by_gnu_diff(old, new, by_quilt=False)


@MANY
@given(GIT_FILES, GIT_FILES, st.integers(1, 4))
def test_git_diff(old: Files, new: Files, context: int) -> None:
    by_git_diff(old, new, context, by_quilt=False)


@FEW
@given(FILES, FILES)
def test_gnu_diff_under_quilt(old: Files, new: Files) -> None:
    by_gnu_diff(old, new, by_quilt=True)


@FEW
@given(GIT_FILES, GIT_FILES, st.integers(1, 4))
def test_git_diff_under_quilt(old: Files, new: Files, context: int) -> None:
    by_git_diff(old, new, context, by_quilt=True)
