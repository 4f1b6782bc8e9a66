"""Refresh, new, check, and the command line over them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.integration.series.seriestools import FIRST, HEADER, SECOND, THIRD, snapshot

from rocm_patch.cli.patch import patch as command
from rocm_patch.errors import HunkError, RocmPatchError, SeriesError
from rocm_patch.series import Series, apply_series, check, new_patch, refresh, unapply

Make = Callable[..., Series]


def findings(series: Series, version: str = "1.0", tree: Path | None = None) -> list[str]:
    root = series.folder.parents[2]
    return [str(finding) for finding in check(series.folder, version, root=root, tree=tree)]


@pytest.fixture
def cli(series: Series, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.setenv("ROCM_PATCH_DATA", str(series.folder.parents[2]))
    monkeypatch.setenv("COLUMNS", "300")

    def call(*words: str | Path) -> Result:
        return CliRunner().invoke(command, [str(word) for word in words])

    return call


def ok(result: Result) -> str:
    assert result.exit_code == 0, result.output
    return result.output


def failed(result: Result, code: int) -> str:
    assert isinstance(result.exception, RocmPatchError), result.output
    assert result.exception.exit_code == code
    return str(result.exception)


def test_refresh_of_the_top_takes_the_edit_and_keeps_the_header(series: Series, tree: Path) -> None:
    apply_series(series, tree)
    assert refresh(series, tree) == ["0003-step.patch"]
    assert refresh(Series.load(series.folder), tree) == []
    (tree / "crlf.txt").write_bytes(b"x\r\nZZ\r\n")
    assert refresh(Series.load(series.folder), tree, context=0) == ["0003-step.patch"]
    patch = Series.load(series.folder).patches[2]
    assert patch.raw_header == HEADER
    assert b"@@ -2 +2 @@\n-y\r\n+ZZ\r\n" in patch.data
    assert unapply(Series.load(series.folder), tree).patches[0] == "0003-step.patch"


def test_refresh_of_a_lower_patch_and_of_options(make: Make, tree: Path) -> None:
    series = make(FIRST, SECOND, THIRD, options=("-p1", "", "-p1"))
    (series.folder / "series").write_text(
        "# top\n0001-step.patch -p1 # why\n0002-step.patch\n0003-step.patch\n"
    )
    before = snapshot(tree)
    apply_series(series, tree)
    (tree / "new/deep/file.txt").write_bytes(b"other\n")
    assert refresh(series, tree, "0001-step.patch") == ["0001-step.patch"]
    again = Series.load(series.folder)
    assert b"+other\n" in again.patches[0].data
    assert b"+d\n" not in again.patches[0].data
    unapply(again, tree)
    assert snapshot(tree) == before


def test_refresh_drops_strip_and_reverse(make: Make, tree: Path) -> None:
    flipped = b"--- p/q/one.txt\n+++ p/q/one.txt\n@@ -1,3 +1,3 @@\n a\n-B\n+b\n c\n"
    series = make(flipped, options=("-R -p2 # note",))
    apply_series(series, tree)
    assert refresh(series, tree) == ["0001-step.patch"]
    assert (series.folder / "series").read_text() == "0001-step.patch # note\n"
    assert findings(Series.load(series.folder), tree=tree) == []


def test_refresh_carries_unapplied_patches_over_to_new_lines(series: Series, tree: Path) -> None:
    (tree / "one.txt").write_bytes(b"top\ntop\na\nb\nc\n")
    before = snapshot(tree, pc=True)
    with pytest.raises(HunkError, match="hunk 1 of 1"):
        apply_series(series, tree)
    assert refresh(series, tree) == ["0001-step.patch", "0002-step.patch", "0003-step.patch"]
    assert snapshot(tree, pc=True) == before
    again = Series.load(series.folder)
    assert apply_series(again, tree).patches == tuple(series.names)
    assert (tree / "one.txt").read_bytes() == b"top\ntop\na\nB\nc\nd\n"


def test_refresh_of_one_unapplied_patch(series: Series, tree: Path) -> None:
    (tree / "crlf.txt").write_bytes(b"q\r\nx\r\ny\r\n")
    assert refresh(series, tree, "0003-step.patch") == ["0003-step.patch"]
    assert Series.load(series.folder).patches[:2] == series.patches[:2]
    assert len(apply_series(Series.load(series.folder), tree).patches) == 3


def test_refresh_keeps_an_empty_file_apart_from_a_missing_one(series: Series, tree: Path) -> None:
    before = snapshot(tree)
    apply_series(series, tree)
    (tree / "empty.py").write_bytes(b"import sys\n")
    assert refresh(series, tree, "0002-step.patch") == ["0002-step.patch"]
    again = Series.load(series.folder)
    assert b"--- a/empty.py\n" in again.patches[1].data
    unapply(again, tree)
    assert snapshot(tree) == before
    assert len(apply_series(again, tree).patches) == 3


def test_refresh_mends_a_patch_that_cannot_be_read(series: Series, tree: Path) -> None:
    apply_series(series, tree)
    path = series.folder / "0003-step.patch"
    path.write_bytes(path.read_bytes().replace(b"-1,2 +1,2", b"-1,9 +1,2"))
    broken = Series.load(series.folder)
    with pytest.raises(SeriesError, match="ends inside a hunk"):
        apply_series(broken, tree)
    assert refresh(broken, tree) == ["0003-step.patch"]
    assert Series.load(series.folder).digest() == series.digest()


def test_refresh_that_would_empty_a_patch(series: Series, tree: Path) -> None:
    apply_series(series, tree)
    (tree / "crlf.txt").write_bytes(b"x\r\ny\r\n")
    with pytest.raises(SeriesError, match="would be empty"):
        refresh(series, tree)
    with pytest.raises(SeriesError, match="no patch 0009"):
        refresh(series, tree, "0009-x.patch")
    (tree / ".pc/applied-patches").write_text("0009-x.patch\n")
    with pytest.raises(SeriesError, match="other patches"):
        refresh(series, tree)


def test_new_needs_the_whole_series_and_a_name(series: Series, tree: Path) -> None:
    def new(name: str, *files: str) -> Path:
        return new_patch(
            Series.load(series.folder),
            tree,
            name,
            description="d",
            author="a",
            versions="==1",
            files=list(files),
        )

    with pytest.raises(SeriesError, match="0 of the series' 3 patches"):
        new("more")
    apply_series(series, tree)
    with pytest.raises(SeriesError, match="no name for a patch"):
        new("Two Words")
    with pytest.raises(SeriesError, match="leaves the tree"):
        new("more", "../x")
    (series.folder / "0004-more.patch").touch()
    with pytest.raises(SeriesError, match="not in series"):
        new("more")
    (series.folder / "series").write_text("0001-step.patch\n0002-step.patch\n0003-step.patch")
    assert new("other", "one.txt").name == "0004-other.patch"
    assert (series.folder / "series").read_text().endswith("0003-step.patch\n0004-other.patch\n")


def test_a_good_series_has_no_finding(series: Series, tree: Path) -> None:
    assert findings(series) == []
    assert findings(series, tree=tree) == []
    apply_series(series, tree)
    assert findings(series, tree=tree) == []


def test_findings_of_the_folder(series: Series) -> None:
    (series.folder / "0004-stray.patch").touch()
    (series.folder / "notes.txt").touch()
    (series.folder / "README").touch()
    (series.folder / "series").write_text("0002-step.patch\n0001-step.patch\n0003-step.patch\n0005-x.patch\n")
    assert findings(series) == [
        "0005-x.patch: named in series, but there is no such file [files]",
        "0004-stray.patch: not named in series [files]",
        "notes.txt: neither a patch nor one of README, README.md, licence, LICENSE [files]",
        "0001-step.patch: its number does not rise above 0002 [name]",
    ]
    (series.folder / "0003-step.patch").rename(series.folder / "Third.patch")
    (series.folder / "series").write_text("Third.patch\n")
    assert "Third.patch: is not named NNNN-purpose.patch in lower case [name]" in findings(series)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (b"==1.0", b">=2", "says it is for >=2, but the series is for 1.0 [range]"),
        (
            b"Applied-Upstream: no",
            b"Applied-Upstream: 0.9",
            "upstream has it since 0.9: not needed [upstream]",
        ),
        (
            b"Applied-Upstream: no",
            b"Applied-Upstream: 1.0",
            "upstream has it since 1.0: not needed [upstream]",
        ),
        (b"test_one[x]", b"test_two", "there is no test tests/test_it.py::TestIt::test_two [test]"),
        (b"TestIt::test", b"Other::test", "there is no test"),
        (b"test_it.py", b"absent.py", "there is no test"),
        (b"tests/test_it.py", b"../tests/test_it.py", "there is no test"),
        (b"Last-Update: 2026-11-23\n", b"", "Last-Update is not a date"),
    ],
)
def test_findings_of_a_header(make: Make, old: bytes, new: bytes, words: str) -> None:
    assert old in HEADER
    (found,) = findings(make(FIRST, header=HEADER.replace(old, new)))
    assert words in found


def test_a_later_upstream_version_is_no_finding(make: Make) -> None:
    assert findings(make(FIRST, header=HEADER.replace(b"Upstream: no", b"Upstream: 1.1"))) == []
    assert "no version after PEP 440" in findings(make(FIRST), "main")[0]


def test_a_broken_test_file_holds_no_test(series: Series) -> None:
    (series.folder.parents[2] / "tests/test_it.py").write_text("def (:\n")
    assert len(findings(series)) == 3


def test_findings_of_the_content(make: Make, tree: Path) -> None:
    assert "0001-step.patch: holds no change of any file [content]" in findings(make(b""))
    assert "git binary patch" in findings(make(b"diff --git a/x b/x\nGIT binary patch\n"), tree=tree)[0]


def test_findings_on_a_tree(make: Make, tree: Path) -> None:
    undo = b"--- a/one.txt\n+++ b/one.txt\n@@ -2 +2 @@\n-B\n+b\n"
    assert findings(make(FIRST.replace(b"-b", b"-q")), tree=tree)[0].endswith("[applies]")
    mode = b"diff --git a/gone/old.txt b/gone/old.txt\nold mode 100644\nnew mode 100755\n"
    assert findings(make(FIRST, mode, SECOND), tree=tree) == [
        "0002-step.patch: without it the tree comes out the same [needed]"
    ]
    assert findings(make(FIRST, undo, THIRD), tree=tree) == []
    (tree / "one.txt").write_bytes(b"a\nB\nc\n")
    (tree / "new/deep").mkdir(parents=True)
    (tree / "new/deep/file.txt").write_bytes(b"caf\xe9\n")
    (found,) = findings(make(FIRST, SECOND, THIRD), tree=tree)
    assert "there already" in found


def test_already_upstream_is_found_even_where_the_patch_would_apply(make: Make, tree: Path) -> None:
    (tree / "one.txt").write_bytes(b"a\n")
    twice = b"--- a/one.txt\n+++ b/one.txt\n@@ -1,0 +2 @@\n+a\n"
    (tree / "one.txt").write_bytes(b"a\na\n")
    assert findings(make(twice), tree=tree) == [
        "0001-step.patch: the tree has it already: its reverse applies [upstream]"
    ]


def test_check_does_not_work_on_a_cut_off_tree(series: Series, tree: Path) -> None:
    (tree / ".rocm-patch-txn").mkdir()
    with pytest.raises(SeriesError, match="cut off"):
        findings(series, tree=tree)


def test_command_list(cli: Callable[..., Result], series: Series) -> None:
    text = ok(cli("list"))
    assert "needed for" in text
    assert "do one thing" in text
    rows = json.loads(ok(cli("list", "comp", "1.0", "--json")))
    assert [row["patch"] for row in rows] == series.names
    assert rows[0] == {
        "component": "comp",
        "version": "1.0",
        "patch": "0001-step.patch",
        "purpose": "do one thing",
        "needed_for": "==1.0",
        "applied_upstream": "no",
        "forwarded": "no",
        "verified": "yes (applied, 2026-11-23)",
        "tests": ["tests/test_it.py::TestIt::test_one[x]"],
    }
    (series.folder / "0001-step.patch").write_bytes(FIRST)
    assert "?" in ok(cli("list", "comp"))
    assert "no series for comp 9" in failed(cli("list", "comp", "9"), 30)


def test_command_apply(cli: Callable[..., Result], tree: Path) -> None:
    before = snapshot(tree, pc=True)
    assert "dry run, nothing written; patches applied: 3, files changed: 6" in ok(
        cli("apply", "comp", "1.0", "--tree", tree, "--dry-run")
    )
    assert snapshot(tree, pc=True) == before
    text = ok(cli("apply", "comp", "1.0", "--tree", tree, "--until", "0002-step.patch"))
    assert text == "+ 0001-step.patch\n+ 0002-step.patch\npatches applied: 2, files changed: 5\n"
    assert "patches applied: 1, files changed: 1" in ok(cli("apply", "comp", "1.0", "--tree", tree))
    assert "- 0003-step.patch\n" in ok(cli("apply", "comp", "1.0", "--tree", tree, "--reverse"))
    assert snapshot(tree, pc=True) == before
    (tree / ".rocm-patch-txn").mkdir()
    assert "its change was discarded" in ok(cli("apply", "comp", "1.0", "--tree", tree))
    assert cli("apply", "comp", "1.0", "--tree", tree / "none").exit_code == 2


def test_command_new_refresh_check(cli: Callable[..., Result], tree: Path, series: Series) -> None:
    ok(cli("apply", "comp", "1.0", "--tree", tree))
    words = ("--description", "a thing", "--author", "A <a@b.c>", "--file", "one.txt")
    assert ok(cli("new", "comp", "1.0", "thing", "--tree", tree, *words)).endswith("0004-thing.patch\n")
    (tree / "one.txt").write_bytes(b"thing\n")
    assert "rewritten: 0004-thing.patch" in ok(cli("refresh", "comp", "1.0", "--tree", tree, "-U", "1"))
    assert "nothing to rewrite" in ok(cli("refresh", "comp", "1.0", "--tree", tree, "-U", "1"))
    text = failed(cli("check", "comp", "1.0", "--tree", tree), 30)
    assert "0004-thing.patch: X-Rocm-Patch-Test is missing" in text
    path = series.folder / "0004-thing.patch"
    path.write_bytes(
        path.read_bytes().replace(b"Patch-Test:", b"Patch-Test: tests/test_it.py::TestIt::test_one")
    )
    assert ok(cli("check", "comp", "1.0", "--tree", tree)) == "comp 1.0: in order\n"
    assert "no --tree" in ok(cli("check", "comp", "1.0"))


def test_command_failing_hunk_has_its_own_code(cli: Callable[..., Result], tree: Path) -> None:
    (tree / "crlf.txt").write_bytes(b"other\r\n")
    text = failed(cli("apply", "comp", "1.0", "--tree", tree), 31)
    assert "0003-step.patch: crlf.txt: hunk 1 of 1" in text
    assert "+ other\\r" in text
