"""The exact applier: no fuzz, no silent offset, an error that shows the nearest lines."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rocm_patch.errors import HunkError, SeriesError
from rocm_patch.series.diff import FileChange, Hunk, parse
from rocm_patch.series.hunks import apply_hunks
from rocm_patch.series.render import render_file
from rocm_patch.series.tree import FileState, Layer, apply_changes, check_layout

BASE = b"".join(b"line %d\n" % number for number in range(1, 21))
PATCH = b"--- a/f\n+++ b/f\n@@ -9,3 +9,3 @@\n line 9\n-line 10\n+LINE 10\n line 11\n"


class Nothing:
    """A tree without files."""

    def read(self, path: str) -> FileState | None:
        del path
        return None


def hunks(data: bytes) -> tuple[Hunk, ...]:
    return parse(data, name="p")[0].hunks


def apply(old: bytes, data: bytes, *, offsets: bool = False) -> bytes:
    return apply_hunks(old, hunks(data), patch="0001-x.patch", path="f", offsets=offsets)


def failure(old: bytes, data: bytes) -> HunkError:
    with pytest.raises(HunkError) as caught:
        apply(old, data)
    assert caught.value.exit_code == 31
    return caught.value


def test_exact() -> None:
    assert apply(BASE, PATCH) == BASE.replace(b"line 10\n", b"LINE 10\n")


def test_offset_is_an_error_that_names_it_and_refresh() -> None:
    error = failure(b"new\nnew\n" + BASE, PATCH)
    assert error.what == "0001-x.patch: f: hunk 1 of 1 does not apply at line 9"
    assert "offset +2" in error.cause
    assert "refresh" in error.step
    assert "offset -3" in failure(BASE[21:], PATCH).cause


def test_offsets_are_taken_only_when_asked_and_unique() -> None:
    moved = b"new\n" + BASE
    assert apply(moved, PATCH, offsets=True) == moved.replace(b"line 10\n", b"LINE 10\n")
    one = b"--- a/f\n+++ b/f\n@@ -2 +2 @@\n-x\n+y\n"
    with pytest.raises(HunkError, match="does not apply"):
        apply(b"x\na\nx\n", one, offsets=True)


def test_fuzz_is_not_known() -> None:
    error = failure(BASE.replace(b"line 11\n", b"line eleven\n"), PATCH)
    assert "nearest are lines 9 to 11" in error.cause
    assert error.detail == ["  line 9", "  line 10", "- line 11", "+ line eleven"]


def test_nearest_lines_are_found_elsewhere_too() -> None:
    error = failure(b"\n" * 40 + BASE.replace(b"line 9\n", b"line IX\n"), PATCH)
    assert "nearest are lines 49 to 51" in error.cause
    assert error.detail == ["- line 9", "+ line IX", "  line 10", "  line 11"]


def test_nothing_alike_still_shows_the_place() -> None:
    error = failure(b"q\n", PATCH)
    assert "the file has 1 lines" in error.cause
    assert "+ q" in error.detail
    assert failure(b"", PATCH).detail == ["- line 9", "- line 10", "- line 11"]


def test_long_and_odd_excerpts_stay_printable() -> None:
    body = b"".join(b"-\xff%d\r\n" % number for number in range(60))
    error = failure(b"z", b"--- a/f\n+++ b/f\n@@ -1,60 +0,0 @@\n" + body)
    assert len(error.detail) == 41
    assert "- \\xff0\\r" in error.detail
    assert error.detail[-1].endswith("more")


def test_already_applied_is_said() -> None:
    assert "there already" in failure(BASE.replace(b"line 10\n", b"LINE 10\n"), PATCH).cause


def test_new_side_line_numbers_must_agree() -> None:
    assert (
        "says new line 8, but earlier hunks make it 9" in failure(BASE, PATCH.replace(b"+9,3", b"+8,3")).what
    )


def test_hunks_out_of_order_are_refused() -> None:
    two = PATCH + b"@@ -2 +2 @@\n-line 2\n+two\n"
    assert "hunk 2 of 2" in failure(BASE, two).what


def test_missing_line_end_must_match() -> None:
    data = b"--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+b\n"
    assert apply(b"a", data) == b"b\n"
    assert "- a (no line end)" in failure(b"a\n", data).detail


def test_a_line_without_end_cannot_stand_in_the_middle() -> None:
    data = b"--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n+b\n\\ No newline at end of file\n"
    assert "before the file's end" in failure(b"a\nc\n", data).what


LINES = st.sampled_from(
    [
        b"a",
        b"b",
        b"",
        b"\r",
        b"\xe9\xff",
        b"-- ",
        b"--- a/x",
        b"+++ b/x",
        b"@@ -1 +1 @@",
        b"\\ No newline",
        b" \t",
    ]
)
CONTENT = st.builds(
    lambda lines, end: b"\n".join(lines) + (b"\n" if end and lines else b""),
    st.lists(LINES, max_size=12),
    st.booleans(),
)
STATE = st.none() | st.builds(FileState, CONTENT, st.sampled_from([0o644, 0o755]))
NAME = st.sampled_from(["f", "d/e f", 'q"uote', "back\\slash", "tab\there", "\udce9.c", "ü/ß", " lead"])


@given(STATE, STATE, NAME, st.integers(0, 4))
def test_rendered_diff_applies_and_reverses(
    old: FileState | None, new: FileState | None, name: str, context: int
) -> None:
    data = render_file(name, old, new, context=context)
    changes = parse(data, name="p")
    assert bool(changes) == (old != new)

    def run(state: FileState | None, todo: list[FileChange]) -> FileState | None:
        layer = Layer(Nothing(), {name: state})
        apply_changes(layer, todo, patch="p")
        return layer.read(name)

    assert run(old, changes) == new
    assert run(new, [change.reversed() for change in reversed(changes)]) == old


def test_a_file_cannot_be_a_folder_too() -> None:
    with pytest.raises(SeriesError, match="both a file and the folder"):
        check_layout({"a": FileState(b""), "a/b/c": FileState(b"")}, patch="p")
    check_layout({"a": None, "a/b/c": FileState(b"")}, patch="p")


@pytest.mark.parametrize(
    ("files", "data", "words"),
    [
        ({}, PATCH, "no such file"),
        ({"x": FileState(b"")}, b"--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+a\n", "is there already"),
        (
            {"x": FileState(b"a\nb\n")},
            b"--- a/x\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n",
            "2 bytes would be left",
        ),
        (
            {"x": FileState(b"", 0o755)},
            b"diff --git a/x b/x\nold mode 100644\nnew mode 100755\n",
            "the patch expects mode 100644",
        ),
        (
            {"x": FileState(b""), "y": FileState(b"")},
            b"diff --git a/x b/y\nrename from x\nrename to y\n",
            "target of a rename",
        ),
    ],
)
def test_file_level_failures(files: dict[str, FileState | None], data: bytes, words: str) -> None:
    with pytest.raises(HunkError, match=words):
        apply_changes(Layer(Nothing(), files), parse(data, name="p"), patch="p")


def test_rename_copy_and_modes() -> None:
    layer = Layer(Nothing(), {"x": FileState(b"a\n", 0o640)})
    data = (
        b"diff --git a/x b/y\ncopy from x\ncopy to y\n"
        b"diff --git a/x b/z\nold mode 100644\nnew mode 100755\nrename from x\nrename to z\n"
        b"--- a/x\n+++ b/z\n@@ -1 +1 @@\n-a\n+b\n"
    )
    before = apply_changes(layer, parse(data, name="p"), patch="p")
    assert layer.changes == {"x": None, "y": FileState(b"a\n", 0o640), "z": FileState(b"b\n", 0o750)}
    assert before == {"x": FileState(b"a\n", 0o640), "y": None, "z": None}
    apply_changes(
        layer, parse(b"diff --git a/z b/z\nold mode 100755\nnew mode 100644\n", name="p"), patch="p"
    )
    assert layer.read("z") == FileState(b"b\n", 0o640)
