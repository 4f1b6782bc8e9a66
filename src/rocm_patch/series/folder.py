"""A series on disk: patches/<component>/<version>/ with quilt's `series` file and its patches.

Knows the folder and the order; does not know any source tree.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import attrs

from rocm_patch.errors import SeriesError
from rocm_patch.paths import data_root
from rocm_patch.series import names
from rocm_patch.series.diff import FileChange, body_start, parse, split_lines
from rocm_patch.series.header import Header, parse_header

SERIES_FILE = "series"
_PART = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._+-]*$")
_COMMENT = re.compile(r"(^|[ \t]+)#.*")


@attrs.frozen
class Entry:
    """One line of `series`: a patch's name, its strip level, and whether it is applied in reverse."""

    name: str
    strip: int = 1
    reverse: bool = False


@attrs.frozen(slots=False)
class Patch:
    """One patch of a series with its bytes."""

    entry: Entry
    data: bytes = attrs.field(repr=lambda data: f"<{len(data)} bytes>")

    @property
    def name(self) -> str:
        """The file's name."""
        return self.entry.name

    @cached_property
    def _split(self) -> tuple[bytes, bytes]:
        lines = split_lines(self.data)
        at = body_start(lines)
        return b"".join(lines[:at]), b"".join(lines[at:])

    @property
    def raw_header(self) -> bytes:
        """All bytes before the first file's diff."""
        return self._split[0]

    @cached_property
    def header(self) -> Header:
        """The header's fields."""
        return parse_header(self.raw_header)

    @cached_property
    def changes(self) -> list[FileChange]:
        """What the patch does, strip level and direction taken into account. Raises SeriesError."""
        found = parse(self.data, name=self.name, strip=self.entry.strip)
        return [change.reversed() for change in reversed(found)] if self.entry.reverse else found


@attrs.frozen
class Series:
    """The patches of one component's version, in the order of application."""

    folder: Path
    patches: tuple[Patch, ...]

    @classmethod
    def load(cls, folder: Path) -> Series:
        """Read `series` and every patch that it names. Raises SeriesError."""
        return cls(folder, tuple(_load(folder, entry) for entry in read_entries(folder)))

    @property
    def names(self) -> list[str]:
        """The patches' names in order."""
        return [patch.name for patch in self.patches]

    def index(self, name: str) -> int:
        """Position of a patch. Raises SeriesError where the series has none of that name."""
        if name not in self.names:
            raise SeriesError(
                f"{self.folder}: no patch {name} in series",
                cause=f"it names {', '.join(self.names) or 'none'}",
            )
        return self.names.index(name)

    def digest(self) -> str:
        """Hash (sha256, hex) of what the series does to a tree, for the inputs of a build.

        It covers each file change in order: names after stripping, modes, hunks
        with their line numbers. It leaves out the DEP-3 headers, patch names and
        comments, which change no byte of the result: a corrected header must not
        cost a build of hours.
        """
        total = hashlib.sha256(b"rocm-patch series 1\n")
        for patch in self.patches:
            for change in patch.changes:
                for part in _digest_parts(change):
                    total.update(b"%d:" % len(part) + part)
        return total.hexdigest()


def read_entries(folder: Path) -> list[Entry]:
    """Read the lines of `series`. Raises SeriesError with the line's number."""
    path = folder / SERIES_FILE
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError as error:
        raise SeriesError(
            f"there is no series at {path}",
            cause="unknown component or version" if not folder.is_dir() else "the folder has no series file",
            step="`rocm-patch patch list` shows what there is; "
            "a version that needs no patch has an empty series file",
        ) from error
    except UnicodeDecodeError as error:
        raise SeriesError(f"{path} is not UTF-8", cause=str(error), step="rewrite it in UTF-8") from error
    found: list[Entry] = []
    for number, line in enumerate(text.split("\n"), 1):
        words = _COMMENT.sub("", line.rstrip("\r")).split()
        if words:
            found.append(_entry(words, f"{path}, line {number}"))
    for entry in found:
        if [other.name for other in found].count(entry.name) > 1:
            raise SeriesError(f"{path} names {entry.name} twice", step="take one of the lines out")
    return found


def series_folder(component: str, version: str, root: Path | None = None) -> Path:
    """Give patches/<component>/<version>; `root` is the project's data folder."""
    for word in (component, version):
        if not _PART.match(word):
            raise SeriesError(f"{word!r} is no name of a component or version")
    return (root or data_root()) / "patches" / component / version


def load_series(component: str, version: str, root: Path | None = None) -> Series:
    """Load the series of a component's version."""
    return Series.load(series_folder(component, version, root))


def series_digest(component: str, version: str, root: Path | None = None) -> str:
    """Give `Series.digest` of a component's version. Raises SeriesError where there is no series."""
    return load_series(component, version, root).digest()


def all_series(root: Path | None = None) -> Iterator[tuple[str, str, Path]]:
    """Give component, version and folder of each series, sorted."""
    top = (root or data_root()) / "patches"
    for path in sorted(top.glob(f"*/*/{SERIES_FILE}")):
        yield path.parent.parent.name, path.parent.name, path.parent


def _load(folder: Path, entry: Entry) -> Patch:
    try:
        return Patch(entry, (folder / entry.name).read_bytes())
    except OSError as error:
        raise SeriesError(
            f"{folder / entry.name} cannot be read",
            cause=error.strerror or str(error),
            step="add the file, or take its line out of series",
        ) from error


def _entry(words: list[str], where: str) -> Entry:
    name, *options = words
    if not names.PATCH_NAME.match(name) or name == SERIES_FILE:
        raise SeriesError(
            f"{where}: {name} is no name of a patch",
            cause="letters, digits, dot, underscore, plus and minus are allowed, and no folder",
            step="name it NNNN-purpose.patch",
        )
    strip, reverse = 1, False
    for option in options:
        if re.fullmatch(r"-p\d{1,2}", option):
            strip = int(option[2:])
        elif option == "-R":
            reverse = True
        else:
            raise SeriesError(f"{where}: unknown option {option}", cause="-pN and -R are known")
    return Entry(name, strip, reverse)


def _digest_parts(change: FileChange) -> Iterator[bytes]:
    yield change.kind.value.encode()
    yield os.fsencode(change.source)
    yield os.fsencode(change.target)
    yield f"{change.old_mode} {change.new_mode} {len(change.hunks)}".encode()
    for hunk in change.hunks:
        yield f"{hunk.old_start} {hunk.new_start}".encode()
        for tag, text in hunk.lines:
            yield tag + text
