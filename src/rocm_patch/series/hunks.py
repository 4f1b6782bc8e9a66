"""Apply hunks to the bytes of one file: every old line at the stated line, or nothing.

Knows neither patches as files nor the tree. With `offsets` (used only to write a
patch anew) a hunk may lie elsewhere, but its lines must still match exactly.
"""

from __future__ import annotations

import difflib
from collections import Counter

from rocm_patch.errors import HunkError
from rocm_patch.series import names
from rocm_patch.series.diff import Hunk, split_lines

_EXCERPT_LINES = 40
_REFRESH = "`rocm-patch patch refresh` writes the patch anew with the right lines"
_BY_HAND = (
    "correct the patch; or run `quilt push -f` in the tree, mend the rejects and run `quilt refresh` "
    "(apply the patches before it first)"
)


def apply_hunks(
    old: bytes, hunks: tuple[Hunk, ...], *, patch: str, path: str, offsets: bool = False
) -> bytes:
    """Give the new content. Raises HunkError that names patch, file, hunk and the nearest lines."""
    lines = split_lines(old)
    out: list[bytes] = []
    done = shift = delta = 0
    for number, hunk in enumerate(hunks, 1):
        title = f"{patch}: {names.shown(path)}: hunk {number} of {len(hunks)}"
        want = hunk.old_index + shift
        if hunk.old_index < 0 or not _matches(lines, hunk.old, want, done):
            found = _elsewhere(lines, hunk.old, want, done) if offsets else None
            if found is None:
                raise _failure(title, lines, hunk, want, done)
            shift, want = found - hunk.old_index, found
        if not offsets and hunk.new_index != want + delta:
            raise HunkError(
                f"{title} says new line {hunk.new_start}, but earlier hunks make it "
                f"{want + delta + (1 if hunk.new else 0)}",
                cause=f"the @@ line (line {hunk.patch_line} of the patch) was edited by hand",
                step=_REFRESH,
            )
        out += lines[done:want] + hunk.new
        done = want + len(hunk.old)
        delta += len(hunk.new) - len(hunk.old)
    out += lines[done:]
    if any(not line.endswith(b"\n") for line in out[:-1]):
        raise HunkError(
            f"{patch}: {names.shown(path)}: a line without line end would stand before the file's end",
            cause="`\\ No newline at end of file` marks a line that is not the last",
            step=_BY_HAND,
        )
    return b"".join(out)


def _matches(lines: list[bytes], old: list[bytes], at: int, first: int) -> bool:
    return first <= at <= len(lines) - len(old) and lines[at : at + len(old)] == old


def _places(lines: list[bytes], old: list[bytes], first: int) -> list[int]:
    if not old:
        return []
    return [at for at in range(first, len(lines) - len(old) + 1) if lines[at : at + len(old)] == old]


def _elsewhere(lines: list[bytes], old: list[bytes], want: int, first: int) -> int | None:
    """Find the nearest exact match; none where two are equally near."""
    places = sorted(_places(lines, old, first), key=lambda at: abs(at - want))
    if len(places) > 1 and abs(places[0] - want) == abs(places[1] - want):
        return None
    return places[0] if places else None


def _failure(title: str, lines: list[bytes], hunk: Hunk, want: int, first: int) -> HunkError:
    """Explain why a hunk does not apply: offset, already applied, or other lines."""
    title = f"{title} does not apply at line {hunk.old_start}"
    if places := _places(lines, hunk.old, first):
        near = min(places, key=lambda at: abs(at - want))
        more = f"; {len(places)} places match" if len(places) > 1 else ""
        return HunkError(
            title,
            cause=f"its lines stand at line {near + 1}, offset {near - want:+d}{more}; "
            "an offset is never taken silently",
            step=_REFRESH,
        )
    if hunk.new and _matches(lines, hunk.new, want, 0):
        return HunkError(
            title,
            cause="what it would write is there already: applied upstream, or by hand",
            step="if upstream has it, take the patch out of series; `rocm-patch patch check` tells",
        )
    near = _nearest(lines, hunk.old, want)
    return HunkError(
        title,
        cause=f"the file has {len(lines)} lines; nearest are lines {near + 1} to "
        f"{min(near + len(hunk.old), len(lines))} (- what the patch expects, + what the file has)",
        detail=_excerpt(hunk.old, lines[near : near + len(hunk.old)]),
        step=_BY_HAND,
    )


def _nearest(lines: list[bytes], old: list[bytes], want: int) -> int:
    """Find the place at which most of the hunk's lines stand; ties go to the place nearest to `want`."""
    index: dict[bytes, list[int]] = {}
    for number, line in enumerate(lines):
        index.setdefault(line.strip(), []).append(number)
    votes: Counter[int] = Counter()
    for number, line in enumerate(old):
        if line.strip():
            votes.update(at - number for at in index.get(line.strip(), []) if at >= number)
    last = max(len(lines) - len(old), 0)
    if not votes:
        return min(max(want, 0), last)
    return min(votes, key=lambda at: (-votes[at], abs(at - want)))


def _excerpt(expected: list[bytes], actual: list[bytes]) -> list[str]:
    """Compare line by line, printable, cut at 40 lines."""
    rows = [
        row.rstrip("\n")
        for row in difflib.ndiff([_text(line) for line in expected], [_text(line) for line in actual])
        if not row.startswith("?")
    ]
    if len(rows) > _EXCERPT_LINES:
        rows = [*rows[:_EXCERPT_LINES], f"... {len(rows) - _EXCERPT_LINES} more"]
    return rows


def _text(line: bytes) -> str:
    text = line.decode("utf-8", "backslashreplace").rstrip("\n")
    text = text.replace("\r", "\\r").replace("\t", "\\t") if "\r" in text else text
    return text if line.endswith(b"\n") else f"{text} (no line end)"
