"""The unified diff reader: what it takes, and every way in which it refuses."""

from __future__ import annotations

import pytest

from rocm_patch.errors import SeriesError
from rocm_patch.series.diff import Kind, parse, split_lines

PLAIN = b"--- a/x.c\n+++ b/x.c\n@@ -1,2 +1,2 @@\n one\n-two\n+TWO\n"


def refused(data: bytes, strip: int = 1) -> str:
    with pytest.raises(SeriesError) as caught:
        parse(data, name="p.patch", strip=strip)
    assert caught.value.what.startswith("p.patch, line ")
    return str(caught.value)


def test_plain_diff_with_header_index_and_stamps() -> None:
    data = (
        b"Description: text\n --- not a name\n---\nIndex: x/x.c\n====\n"
        b"--- x.orig/x.c\t2024-01-01 00:00:00 +0000\n+++ x/x.c\t2024-01-02 00:00:00 +0000\n"
        b"@@ -3 +3 @@ section\n-a\n+b\n"
    )
    (change,) = parse(data, name="p")
    assert (change.kind, change.source) == (Kind.MODIFY, "x.c")
    assert change.hunks[0].old == [b"a\n"]
    assert change.hunks[0].new == [b"b\n"]
    assert change.hunks[0].old_index == 2
    assert change.patch_line == 6


def test_no_newline_marks_belong_to_the_line_before() -> None:
    data = b"--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+a\n"
    (change,) = parse(data, name="p")
    assert change.hunks[0].lines == ((b"-", b"a"), (b"+", b"a\n"))


def test_carriage_returns_are_content() -> None:
    data = b"--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\r\n+a\n"
    assert parse(data, name="p")[0].hunks[0].old == [b"a\r\n"]
    assert split_lines(b"a\r\nb\rc\n") == [b"a\r\n", b"b\rc\n"]


def test_stripped_empty_context_line() -> None:
    data = b"--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n\n-a\n+b\n"
    assert parse(data, name="p")[0].hunks[0].old == [b"\n", b"a\n"]


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+a\n", Kind.CREATE),
        (b"--- a/x\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n", Kind.DELETE),
        (b"--- a/x\t1970-01-01 01:00:00 +0100\n+++ b/x\n@@ -0,0 +1 @@\n+a\n", Kind.CREATE),
        (b"--- a/x\t2024-01-01 00:00:00.1 +0000\n+++ b/x\n@@ -0,0 +1 @@\n+a\n", Kind.MODIFY),
        (b"--- a/x\n+++ b/x\t1970-01-01 00:00:00.000000000 +0000\n@@ -1 +0,0 @@\n-a\n", Kind.DELETE),
        (b"--- a/x\n+++ b/x\t1970-99-01 00:00:00 +0000\n@@ -1 +0,0 @@\n-a\n", Kind.MODIFY),
        (b"diff --git a/x b/x\nnew file mode 100755\nindex 000..111\n", Kind.CREATE),
        (b"diff --git a/x b/x\ndeleted file mode 100644\n", Kind.DELETE),
        (b"diff --git a/x b/x\nold mode 100644\nnew mode 100755\n", Kind.MODIFY),
    ],
)
def test_kinds(data: bytes, kind: Kind) -> None:
    (change,) = parse(data, name="p")
    assert (change.kind, change.source, change.target) == (kind, "x", "x")


def test_git_rename_with_edit_and_quoted_names() -> None:
    data = (
        b'diff --git "a/d/\\351.c" b/d/y z.c\nsimilarity index 50%\n'
        b'rename from "d/\\351.c"\nrename to d/y z.c\nindex 1..2 100644\n'
        b'--- "a/d/\\351.c"\n+++ b/d/y z.c\t\n@@ -1 +1 @@\n-a\n+b\n'
    )
    (change,) = parse(data, name="p")
    assert change.kind is Kind.RENAME
    assert (change.source, change.target) == ("d/\udce9.c", "d/y z.c")
    undone = change.reversed()
    assert (undone.source, undone.target) == ("d/y z.c", "d/\udce9.c")
    assert undone.hunks[0].old == [b"b\n"]


def test_name_with_spaces_only_on_the_git_line() -> None:
    data = b"diff --git a/a b/a b b/a b/a b\nold mode 100644\nnew mode 100755\n"
    assert parse(data, name="p")[0].source == "a b/a b"


def test_strip_levels() -> None:
    data = b"--- q/w/x\n+++ q/w/x\n@@ -1 +1 @@\n-a\n+b\n"
    assert [parse(data, name="p", strip=n)[0].source for n in (0, 1, 2)] == ["q/w/x", "w/x", "x"]
    assert "nothing is left" in refused(data, strip=3)
    orig = b"--- w/x.orig\n+++ w/x\n@@ -1 +1 @@\n-a\n+b\n"
    assert parse(orig, name="p", strip=0)[0].source == "w/x"


def test_mail_signature_behind_the_last_hunk() -> None:
    assert len(parse(PLAIN + b"-- \n2.39.5\n\n", name="p")) == 1


def test_header_only_has_no_change() -> None:
    assert parse(b"Description: x\n---\n", name="p") == []


@pytest.mark.parametrize("name", [b"../x", b"a/../../x", b"a/b/../../../x", b"a/.git/hooks/x", b"a/.pc/x"])
def test_names_that_leave_the_tree(name: bytes) -> None:
    level = 0 if name.startswith(b"..") else 1
    assert "refused" in refused(PLAIN.replace(b"a/x.c", name).replace(b"b/x.c", name), level)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (PLAIN.replace(b"a/x.c", b"/etc/passwd"), "it is absolute"),
        (PLAIN.replace(b"a/x.c", b'"a/x\\000"'), "NUL byte"),
        (PLAIN.replace(b"b/x.c", b"b/y.c"), "the sides name two files"),
        (PLAIN.replace(b"\n", b"\r\n"), "converted to CRLF"),
        (PLAIN.replace(b"-1,2", b"-1,1"), "other line counts"),
        (PLAIN.replace(b"-1,2 +1,2", b"-1,1 +1,1"), "counts in its @@ line are too small"),
        (PLAIN.replace(b"-1,2", b"-1,3"), "ends inside a hunk"),
        (PLAIN[:-1], "ends inside a hunk"),
        (PLAIN.replace(b"-1,2", b"-0,2"), "begins at line 0"),
        (PLAIN.replace(b"-1,2 +1,2", b"-1,x +1,2"), "malformed @@"),
        (PLAIN.replace(b"-two", b"two"), "none of space, + and -"),
        (PLAIN.replace(b" one\n", b"\\ No newline\n one\n"), "without a line before it"),
        (b"--- a/x\n+++ b/x\n@@ -1,0 +1,0 @@\n", "empty hunk"),
        (b"--- a/x\n+++ b/x\n", "without a hunk"),
        (b"--- /dev/null\n+++ /dev/null\n@@ -0,0 +1 @@\n+a\n", "/dev/null on"),
        (b"--- /dev/null\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n", "/dev/null on a side"),
        (b"--- a/x\n@@ -1 +1 @@\n-a\n+b\n", "`---` without `+++`"),
        (b"@@ -1 +1 @@\n-a\n+b\n", "without the `---`"),
        (PLAIN + b"Only in b: z\n", "without -N"),
        (PLAIN + b"Binary files a/x and b/x differ\n", "binary file differs"),
        (PLAIN + b"diff --cc x\n@@@ -1 -1 +1 @@@\n", "combined diff"),
        (b"*** a/x\n--- b/x\n***************\n*** 1 ****\n", "context diff"),
        (b"diff --git a/x b/x\nindex 1..2\nGIT binary patch\nliteral 3\n", "git binary patch"),
        (b"diff --git a/x b/x\nindex 1..2 100644\n", "without any change"),
        (b"diff --git a/x b/y\nold mode 100644\nnew mode 100755\n", "cannot tell the file's name"),
        (
            b"diff --git a/x b/x\nold mode 100644\nnew mode 100755\n--- a/y\n+++ b/y\n@@ -1 +1 @@\n-a\n+b\n",
            "name different files",
        ),
        (b"diff --git a/x b/x\nnew file mode 120000\n", "symbolic link"),
        (b"diff --git a/x b/x\nnew file mode 160000\n", "submodule"),
        (b"diff --git a/x b/x\nnew file mode 9\n", "only 100644 and 100755"),
        (b"diff --git a/x b/y\nrename from x\n", "must come together"),
        (b"diff --git a/x b/x\nold mode 100644\nnew mode 100755\n--- a/x\n+++ b/x\n", "without a hunk"),
        (
            b"diff --git a/x b/y\nrename from x\nrename to y\n--- a/x\n+++ b/z\n@@ -1 +1 @@\n-a\n+b\n",
            "name different files",
        ),
        (
            b"diff --git a/x b/x\nnew file mode 100644\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n",
            "do not agree",
        ),
        (
            b"diff --git a/x b/x\ndeleted file mode 100644\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n",
            "do not agree",
        ),
    ],
)
def test_refusals_name_patch_and_line(data: bytes, words: str) -> None:
    assert words in refused(data)


def test_a_copy_cannot_be_reversed() -> None:
    (change,) = parse(b"diff --git a/x b/y\ncopy from x\ncopy to y\n", name="p")
    assert change.kind is Kind.COPY
    with pytest.raises(SeriesError, match="cannot be reversed"):
        change.reversed()
