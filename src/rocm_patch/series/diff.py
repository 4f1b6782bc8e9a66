"""Read a unified diff, plain or git's, into file changes with hunks; bytes in, bytes kept.

Knows the format only: it never opens a file and does not apply anything.
"""

from __future__ import annotations

import enum
import re
from datetime import datetime, timezone
from typing import NoReturn

import attrs

from rocm_patch.errors import SeriesError
from rocm_patch.series import names

EXEC_MODE = 0o100755
PLAIN_MODE = 0o100644
_SYMLINK_MODE = 0o120000
_SUBMODULE_MODE = 0o160000

_HUNK = re.compile(rb"^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
_STAMP = re.compile(rb"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(?:\.\d+)?(?: ([+-]\d{4}))?")
_GIT_FIELD = re.compile(
    rb"^(old mode|new mode|deleted file mode|new file mode|copy from|copy to|rename from|rename to"
    rb"|similarity index|dissimilarity index|index) (.*)$"
)


class Kind(enum.Enum):
    """What becomes of a file."""

    MODIFY = "modify"
    CREATE = "create"
    DELETE = "delete"
    RENAME = "rename"
    COPY = "copy"


@attrs.frozen
class Hunk:
    """One hunk. `old_start` and `new_start` are as written: 1-based, or the line before where a count is 0.

    `lines` holds (tag, content): tag is b" ", b"-" or b"+"; content keeps its line
    end, and has none where the file ends without one.
    """

    old_start: int
    new_start: int
    lines: tuple[tuple[bytes, bytes], ...]
    patch_line: int

    @property
    def old(self) -> list[bytes]:
        """The lines that must be there."""
        return [text for tag, text in self.lines if tag != b"+"]

    @property
    def new(self) -> list[bytes]:
        """The lines that will be there."""
        return [text for tag, text in self.lines if tag != b"-"]

    @property
    def old_index(self) -> int:
        """0-based index of the first old line."""
        return self.old_start - 1 if self.old else self.old_start

    @property
    def new_index(self) -> int:
        """0-based index of the first new line."""
        return self.new_start - 1 if self.new else self.new_start

    def reversed(self) -> Hunk:
        """Give the hunk that undoes this one."""
        flip = {b"+": b"-", b"-": b"+", b" ": b" "}
        return Hunk(
            self.new_start,
            self.old_start,
            tuple((flip[tag], text) for tag, text in self.lines),
            self.patch_line,
        )


@attrs.frozen
class FileChange:
    """What a patch does to one file. Names are stripped and safe; modes are git's, None if not stated."""

    kind: Kind
    source: str
    target: str
    hunks: tuple[Hunk, ...]
    old_mode: int | None
    new_mode: int | None
    patch_line: int

    def reversed(self) -> FileChange:
        """Give the change that undoes this one. Raises SeriesError for a copy."""
        if self.kind is Kind.COPY:
            raise SeriesError(
                f"a patch that copies {names.shown(self.source)} cannot be reversed",
                step="write the copy as a new file in full",
            )
        undo = {Kind.CREATE: Kind.DELETE, Kind.DELETE: Kind.CREATE}
        return FileChange(
            kind=undo.get(self.kind, self.kind),
            source=self.target,
            target=self.source,
            hunks=tuple(hunk.reversed() for hunk in self.hunks),
            old_mode=self.new_mode,
            new_mode=self.old_mode,
            patch_line=self.patch_line,
        )


def split_lines(data: bytes) -> list[bytes]:
    """Split at line feeds only, keeping them; a carriage return is content."""
    lines = data.split(b"\n")
    last = lines.pop()
    return [line + b"\n" for line in lines] + ([last] if last else [])


def body_start(lines: list[bytes]) -> int:
    """Index of the line at which the header ends and the first file's diff begins."""
    for number, line in enumerate(lines):
        if line.startswith((b"diff -", b"Index: ", b"GIT binary patch", b"@@ -", b"Only in ")):
            return number
        following = lines[number + 1] if number + 1 < len(lines) else b""
        if line.startswith(b"--- ") and following.startswith((b"+++ ", b"@@ -")):
            return number
        if line.startswith(b"*** ") and following.startswith(b"--- "):
            return number
    return len(lines)


def parse(data: bytes, *, name: str, strip: int = 1) -> list[FileChange]:
    """Read every file change of a patch. Raises SeriesError with the patch's name and line."""
    return _Parser(split_lines(data), name, strip).run()


class _Parser:
    """A cursor over the patch's lines."""

    def __init__(self, lines: list[bytes], name: str, strip: int) -> None:
        self.lines = lines
        self.name = name
        self.strip = strip
        self.at = body_start(lines)

    def run(self) -> list[FileChange]:
        changes: list[FileChange] = []
        while self.at < len(self.lines):
            line = self._line()
            if line.startswith(b"diff --git "):
                changes.append(self._git())
            elif line.startswith(b"--- ") and self._line(1).startswith(b"+++ "):
                changes.append(self._plain())
            else:
                self._refuse_lost_content(line)
                self.at += 1
        return changes

    def _line(self, ahead: int = 0) -> bytes:
        number = self.at + ahead
        return self.lines[number] if number < len(self.lines) else b""

    @property
    def where(self) -> str:
        return f"{self.name}, line {self.at + 1}"

    def _fail(self, what: str, cause: str = "", step: str = "") -> NoReturn:
        raise SeriesError(
            f"{self.where}: {what}",
            cause=cause,
            step=step or "correct the patch, or write it anew with `rocm-patch patch refresh`",
        )

    def _refuse_lost_content(self, line: bytes) -> None:
        """Stop at a line outside a hunk that carries a change which would be lost."""
        if line.startswith(b"GIT binary patch"):
            self._fail(
                "a git binary patch",
                "it holds compressed bytes that nobody can review, and quilt cannot apply it",
                "have the build write the file from text, or fetch it as a source of its own",
            )
        if line.startswith(b"Binary files ") and line.rstrip().endswith(b" differ"):
            self._fail("a binary file differs, and the patch does not hold its bytes")
        if line.startswith(b"Only in "):
            self._fail(
                "a file is missing from the patch",
                "diff ran without -N, so it left out new and removed files",
            )
        if line.startswith((b"@@ -", b"+++ ")):
            self._fail("a hunk or name without the `---` and `+++` lines of its file")
        if line.startswith(b"@@@ "):
            self._fail("a combined diff of a merge", "it has two old sides", "make it with `git diff A B`")
        context = line.startswith(b"*** ") and self._line(1).startswith(b"--- ")
        if context or line.startswith(b"***************"):
            self._fail("a context diff", "only unified diffs are read", "make it with `diff -u`")
        if line.startswith(b"--- ") and self._line(1).startswith(b"@@ -"):
            self._fail("`---` without `+++`")

    def _names(self) -> tuple[bytes, bytes, bytes, bytes]:
        """Read `---` and `+++`: both names and what follows them (the time stamps)."""
        old, _, old_stamp = self._line()[4:].rstrip(b"\n").partition(b"\t")
        new, _, new_stamp = self._line(1)[4:].rstrip(b"\n").partition(b"\t")
        return names.unquote(old), names.unquote(new), old_stamp, new_stamp

    def _plain(self) -> FileChange:
        start = self.at + 1
        old, new, old_stamp, new_stamp = self._names()
        where = self.where
        self.at += 2
        hunks = self._hunks()
        if not hunks:
            self._fail("names of a file without a hunk")
        no_old = not any(hunk.old for hunk in hunks)
        no_new = not any(hunk.new for hunk in hunks)
        kind = Kind.MODIFY
        if old == b"/dev/null" or (_is_epoch(old_stamp) and no_old):
            kind = Kind.CREATE
        elif new == b"/dev/null" or (_is_epoch(new_stamp) and no_new):
            kind = Kind.DELETE
        if (kind is Kind.CREATE and not no_old) or (kind is Kind.DELETE and not no_new):
            self._fail("/dev/null on a side that has lines")
        name = self._one_name(old, new, where)
        return FileChange(kind, name, name, hunks, None, None, start)

    def _one_name(self, old: bytes, new: bytes, where: str) -> str:
        """Settle on one file where the sides of a plain diff name it differently."""
        if old == b"/dev/null" and new == b"/dev/null":
            self._fail("/dev/null on both sides")
        if old == b"/dev/null":
            return names.strip_components(new, self.strip, where=where)
        if new == b"/dev/null":
            return names.strip_components(old, self.strip, where=where)
        one = names.strip_components(old, self.strip, where=where)
        two = names.strip_components(new, self.strip, where=where)
        if one in (two, f"{two}.orig"):
            return two
        raise SeriesError(
            f"{where}: the sides name two files, {names.shown(one)} and {names.shown(two)}",
            cause=f"with -p{self.strip} they differ, and there is no `rename from` line",
            step="correct the names, or the strip level in series",
        )

    def _git(self) -> FileChange:
        start = self.at + 1
        where = self.where
        both = self._line()[len(b"diff --git ") :].rstrip(b"\n")
        self.at += 1
        fields: dict[bytes, bytes] = {}
        while match := _GIT_FIELD.match(self._line().rstrip(b"\n")):
            fields[match.group(1)] = match.group(2)
            self.at += 1
        hunks: tuple[Hunk, ...] = ()
        sides: tuple[bytes, bytes] | None = None
        if self._line().startswith(b"--- ") and self._line(1).startswith(b"+++ "):
            old, new, _, _ = self._names()
            sides = (old, new)
            self.at += 2
            hunks = self._hunks()
            if not hunks:
                self._fail("names of a file without a hunk")
        elif self.at < len(self.lines):
            self._refuse_lost_content(self._line())
        kind = _git_kind(fields)
        if not hunks and kind is Kind.MODIFY and b"new mode" not in fields:
            self._fail("a `diff --git` line without any change")
        source, target = self._git_names(kind, fields, both, sides, where)
        self._check_sides(kind, hunks, sides)
        old_mode, new_mode = _git_modes(fields, where)
        return FileChange(kind, source, target, hunks, old_mode, new_mode, start)

    def _check_sides(self, kind: Kind, hunks: tuple[Hunk, ...], sides: tuple[bytes, bytes] | None) -> None:
        """Stop where git's header lines and the `---`/`+++` lines tell different stories."""
        if sides is None:
            return
        if (sides[0] == b"/dev/null") != (kind is Kind.CREATE) or any(
            kind is Kind.CREATE and hunk.old for hunk in hunks
        ):
            self._fail("`new file mode` and the `---` side do not agree")
        if (sides[1] == b"/dev/null") != (kind is Kind.DELETE) or any(
            kind is Kind.DELETE and hunk.new for hunk in hunks
        ):
            self._fail("`deleted file mode` and the `+++` side do not agree")

    def _git_names(
        self,
        kind: Kind,
        fields: dict[bytes, bytes],
        both: bytes,
        sides: tuple[bytes, bytes] | None,
        where: str,
    ) -> tuple[str, str]:
        if kind in (Kind.RENAME, Kind.COPY):
            verb = kind.value.encode()
            pair = fields.get(verb + b" from"), fields.get(verb + b" to")
            if pair[0] is None or pair[1] is None:
                self._fail(f"`{kind.value} from` and `{kind.value} to` must come together")
            # Git writes these two names without the a/ and b/ in front.
            level = max(self.strip - 1, 0)
            one = names.strip_components(names.unquote(pair[0]), level, where=where)
            two = names.strip_components(names.unquote(pair[1]), level, where=where)
            if sides is not None:
                written = tuple(names.strip_components(side, self.strip, where=where) for side in sides)
                if written != (one, two):
                    self._fail(f"the {kind.value} and the `---`/`+++` lines name different files")
            return one, two
        name = self._name_of_pair(both, where)
        if sides is not None and self._one_name(*sides, where) != name:
            self._fail("the `diff --git` line and the `---`/`+++` lines name different files")
        return name, name

    def _name_of_pair(self, both: bytes, where: str) -> str:
        """Find the one name in `a/NAME b/NAME`, which may hold spaces or be quoted."""
        splits = [index for index, byte in enumerate(both) if byte == ord(" ")]
        for index in splits:
            left, right = names.unquote(both[:index]), names.unquote(both[index + 1 :])
            if left.split(b"/", self.strip)[-1] == right.split(b"/", self.strip)[-1]:
                return names.strip_components(left, self.strip, where=where)
        return self._fail("cannot tell the file's name from the `diff --git` line")

    def _hunks(self) -> tuple[Hunk, ...]:
        hunks: list[Hunk] = []
        while match := _HUNK.match(self._line()):
            hunks.append(self._hunk(match))
        line = self._line()
        signature = line.rstrip() == b"--"
        header = line.startswith(b"--- ") and self._line(1).startswith(b"+++ ")
        if hunks and line.startswith((b"+", b"-", b" ")) and not signature and not header:
            self._fail("a line behind the end of the hunk", "the counts in its @@ line are too small")
        if line.startswith(b"@@ "):
            self._fail("a malformed @@ line")
        return tuple(hunks)

    def _hunk(self, match: re.Match[bytes]) -> Hunk:
        start = self.at + 1
        old_start, new_start = int(match.group(1)), int(match.group(3))
        old_left = int(match.group(2) or b"1")
        new_left = int(match.group(4) or b"1")
        if (old_left and not old_start) or (new_left and not new_start):
            self._fail("a hunk that begins at line 0 but has lines there")
        lines: list[tuple[bytes, bytes]] = []
        self.at += 1
        while old_left > 0 or new_left > 0 or self._line().startswith(b"\\"):
            line = self._line()
            if not line.endswith(b"\n") and not line.startswith(b"\\"):
                self._fail("the patch ends inside a hunk", "it was cut off, or its last line end was lost")
            # Some tools write an empty context line without its leading space.
            tag, text = (b" ", line) if line == b"\n" else (line[:1], line[1:])
            if tag == b"\\":
                if not lines or not lines[-1][1].endswith(b"\n"):
                    self._fail("`\\ No newline` without a line before it")
                lines[-1] = (lines[-1][0], lines[-1][1][:-1])
            elif tag in (b" ", b"-", b"+"):
                old_left -= tag != b"+"
                new_left -= tag != b"-"
                lines.append((tag, text))
            else:
                self._fail("a line inside a hunk that begins with none of space, + and -")
            if old_left < 0 or new_left < 0:
                self._fail("the hunk has other line counts than its @@ line says")
            self.at += 1
        if not lines:
            self._fail("an empty hunk")
        return Hunk(old_start, new_start, tuple(lines), start)


def _git_kind(fields: dict[bytes, bytes]) -> Kind:
    if b"new file mode" in fields:
        return Kind.CREATE
    if b"deleted file mode" in fields:
        return Kind.DELETE
    if b"rename from" in fields or b"rename to" in fields:
        return Kind.RENAME
    if b"copy from" in fields or b"copy to" in fields:
        return Kind.COPY
    return Kind.MODIFY


def _git_modes(fields: dict[bytes, bytes], where: str) -> tuple[int | None, int | None]:
    """Give old and new mode where the header states them; only regular files are accepted."""
    found: list[int | None] = []
    for keys in ((b"old mode", b"deleted file mode"), (b"new mode", b"new file mode")):
        raw = next((fields[key] for key in keys if key in fields), None)
        if raw is None:
            found.append(None)
            continue
        mode = int(raw, 8) if re.fullmatch(rb"[0-7]{6}", raw) else -1
        kind = {_SYMLINK_MODE: "a symbolic link", _SUBMODULE_MODE: "a submodule"}.get(mode)
        if mode not in (PLAIN_MODE, EXEC_MODE):
            raise SeriesError(
                f"{where}: file mode {names.shown(raw)} is refused",
                cause=f"it is {kind}" if kind else "only 100644 and 100755 are regular files",
                step="patch regular files only; have the build make links",
            )
        found.append(mode)
    return found[0], found[1]


def _is_epoch(stamp: bytes) -> bool:
    """Say whether a time stamp is 1970-01-01 00:00 UTC, with which `diff -N` marks a missing file."""
    match = _STAMP.match(stamp.strip())
    if match is None:
        return False
    zone = (match.group(2) or b"+0000").decode()
    try:
        when = datetime.strptime(f"{match.group(1).decode()} {zone}", "%Y-%m-%d %H:%M:%S %z")
    except ValueError:
        return False
    return when == datetime(1970, 1, 1, tzinfo=timezone.utc)
