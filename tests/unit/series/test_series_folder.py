"""The series folder: quilt's lines, names, the digest."""

from __future__ import annotations

from pathlib import Path

import pytest

from rocm_patch.errors import SeriesError
from rocm_patch.series import Series, all_series, series_digest, series_folder
from rocm_patch.series.folder import Entry, read_entries

ONE = b"Description: x\n---\n--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n+b\n"
TWO = b"--- a/f\n+++ b/f\n@@ -1 +1 @@\n-b\n+c\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "patches" / "comp" / "1.0"
    path.mkdir(parents=True)
    (path / "0001-one.patch").write_bytes(ONE)
    (path / "0002-two.patch").write_bytes(TWO)
    (path / "series").write_text("0001-one.patch\n0002-two.patch\n")
    return path


def test_lines_comments_options(folder: Path) -> None:
    (folder / "series").write_text(
        "# head\n\n  \n0001-one.patch -p0 # why\r\n\t0002-two.patch\t-R -p2\n#0003-x.patch\n"
    )
    assert read_entries(folder) == [Entry("0001-one.patch", 0), Entry("0002-two.patch", 2, reverse=True)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("../x.patch\n", "no name of a patch"),
        ("a/b.patch\n", "no name of a patch"),
        ("series\n", "no name of a patch"),
        ("0001-one.patch -F3\n", "unknown option -F3"),
        ("0001-one.patch\n0001-one.patch\n", "twice"),
        ("0003-absent.patch\n", "cannot be read"),
    ],
)
def test_bad_lines(folder: Path, text: str, words: str) -> None:
    (folder / "series").write_text(text)
    with pytest.raises(SeriesError, match=words):
        Series.load(folder)


def test_missing_series_and_bad_encoding(folder: Path, tmp_path: Path) -> None:
    (folder / "series").write_bytes(b"\xff\n")
    with pytest.raises(SeriesError, match="not UTF-8"):
        Series.load(folder)
    with pytest.raises(SeriesError, match="there is no series"):
        series_digest("comp", "9.9", tmp_path)
    with pytest.raises(SeriesError, match="no name of a component"):
        series_folder("..", "1.0", tmp_path)


def test_folders_are_found(folder: Path, tmp_path: Path) -> None:
    assert list(all_series(tmp_path)) == [("comp", "1.0", folder)]


def test_digest_follows_the_effect_only(folder: Path, tmp_path: Path) -> None:
    first = series_digest("comp", "1.0", tmp_path)
    (folder / "0001-one.patch").write_bytes(ONE.replace(b"Description: x", b"Description: better"))
    (folder / "series").write_text("# comment\n0001-one.patch\n0002-two.patch -p1\n")
    assert series_digest("comp", "1.0", tmp_path) == first
    (folder / "series").write_text("0002-two.patch\n0001-one.patch\n")
    swapped = series_digest("comp", "1.0", tmp_path)
    (folder / "series").write_text("0001-one.patch\n0002-two.patch -R\n")
    reverse = series_digest("comp", "1.0", tmp_path)
    (folder / "series").write_text("0001-one.patch\n0002-two.patch\n")
    (folder / "0002-two.patch").write_bytes(TWO.replace(b"+c", b"+d"))
    edited = series_digest("comp", "1.0", tmp_path)
    (folder / "0002-two.patch").write_bytes(TWO.replace(b"-1 +1", b"-2 +2"))
    moved = series_digest("comp", "1.0", tmp_path)
    assert len({first, swapped, reverse, edited, moved}) == 5


def test_empty_series_has_a_digest(folder: Path, tmp_path: Path) -> None:
    (folder / "series").write_text("# none needed\n")
    assert len(series_digest("comp", "1.0", tmp_path)) == 64
