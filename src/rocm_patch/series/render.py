"""Write a unified diff of one file: exact line numbers, no time stamps, git's own form.

Knows two states of a file and nothing else; what it writes, diff.py reads.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from rocm_patch.series import names
from rocm_patch.series.diff import EXEC_MODE, PLAIN_MODE, split_lines
from rocm_patch.series.tree import FileState

_NO_NEWLINE = b"\\ No newline at end of file\n"


def render_file(path: str, old: FileState | None, new: FileState | None, *, context: int = 3) -> bytes:
    """Give the diff from `old` to `new` (None: no file); empty where nothing differs.

    A NUL byte makes no difference: bytes are written as they are, which patch(1) takes as well.
    """
    a, b = _side(b"a/", path), _side(b"b/", path)
    git = [b"diff --git " + _whole(a) + b" " + _whole(b) + b"\n"]
    if old is None and new is not None:
        git.append(b"new file mode %o\n" % _git_mode(new))
        a = b"/dev/null"
    elif new is None and old is not None:
        git.append(b"deleted file mode %o\n" % _git_mode(old))
        b = b"/dev/null"
    elif old is not None and new is not None and old.executable != new.executable:
        git += [b"old mode %o\n" % _git_mode(old), b"new mode %o\n" % _git_mode(new)]
    hunks = b"".join(
        _hunks(split_lines(old.data if old else b""), split_lines(new.data if new else b""), context)
    )
    if hunks:
        hunks = b"--- " + a + b"\n+++ " + b + b"\n" + hunks
    return b"".join(git) + hunks if hunks or len(git) > 1 else b""


def _side(prefix: bytes, path: str) -> bytes:
    quoted = names.quote(path)
    return b'"' + prefix + quoted[1:] if quoted.startswith(b'"') else prefix + quoted


def _whole(name: bytes) -> bytes:
    """Quote a name with spaces: on the `diff --git` line patch(1) cannot tell where a plain one ends."""
    return b'"' + name[:-1] + b'"' if name.endswith(b"\t") else name


def _git_mode(state: FileState) -> int:
    return EXEC_MODE if state.executable else PLAIN_MODE


def _hunks(old: list[bytes], new: list[bytes], context: int) -> Iterator[bytes]:
    """Compare only the middle: equal ends are cut off first, which keeps big files fast."""
    head = 0
    while head < min(len(old), len(new)) and old[head] == new[head]:
        head += 1
    tail = 0
    while tail < min(len(old), len(new)) - head and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    if head == len(old) == len(new):
        return
    skip = max(head - context, 0)
    keep = max(tail - context, 0)
    one, two = old[skip : len(old) - keep], new[skip : len(new) - keep]
    matcher = difflib.SequenceMatcher(None, one, two, autojunk=False)
    for group in matcher.get_grouped_opcodes(context):
        start_old, end_old = group[0][1], group[-1][2]
        start_new, end_new = group[0][3], group[-1][4]
        yield b"@@ -%s +%s @@\n" % (
            _range(start_old + skip, end_old + skip),
            _range(start_new + skip, end_new + skip),
        )
        for tag, from_old, to_old, from_new, to_new in group:
            if tag == "equal":
                yield from _rows(b" ", one[from_old:to_old])
            else:
                yield from _rows(b"-", one[from_old:to_old])
                yield from _rows(b"+", two[from_new:to_new])


def _range(start: int, end: int) -> bytes:
    count = end - start
    first = start + 1 if count else start
    return b"%d" % first if count == 1 else b"%d,%d" % (first, count)


def _rows(tag: bytes, lines: list[bytes]) -> Iterator[bytes]:
    for line in lines:
        yield tag + line if line.endswith(b"\n") else tag + line + b"\n" + _NO_NEWLINE
