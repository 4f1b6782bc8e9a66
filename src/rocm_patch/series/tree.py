"""A source tree as files in memory: read safely from disk, changed in layers, never written here.

Knows regular files, their content and mode. Writing is the business of journal.py.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Protocol

import attrs

from rocm_patch.errors import HunkError, SeriesError
from rocm_patch.series import names
from rocm_patch.series.diff import EXEC_MODE, FileChange, Kind
from rocm_patch.series.hunks import apply_hunks

_EXEC_BITS = 0o111


@attrs.frozen
class FileState:
    """Content and permission bits of a regular file."""

    data: bytes = attrs.field(repr=lambda data: f"<{len(data)} bytes>")
    mode: int = 0o644

    @property
    def executable(self) -> bool:
        """Whether the owner may run it; the only bit of a mode that a patch can carry."""
        return bool(self.mode & stat.S_IXUSR)


class Files(Protocol):
    """Anything that can say what a file holds; None where there is no such file."""

    def read(self, path: str) -> FileState | None:
        """Give the file, or None."""
        ...  # pragma: no cover - a Protocol's body never runs


@attrs.frozen
class DiskTree:
    """The files below `root` as they are on disk. No symbolic link below `root` is followed."""

    root: Path

    def read(self, path: str) -> FileState | None:
        """Give the file, or None. Raises SeriesError where the way there is a link or no folder."""
        where = str(self.root)
        here = self.root
        parts = path.split("/")
        for number, part in enumerate(parts):
            here = here / part
            last = number == len(parts) - 1
            try:
                info = here.lstat()
            except FileNotFoundError:
                return None
            shown = names.shown("/".join(parts[: number + 1]))
            if stat.S_ISLNK(info.st_mode):
                raise SeriesError(
                    f"{where}: {names.shown(path)} is refused: {shown} is a symbolic link",
                    cause="a change behind a link can land outside the tree",
                    step="name the real file in the patch",
                )
            if last and not stat.S_ISREG(info.st_mode):
                raise SeriesError(f"{where}: {shown} is not a regular file", step="patch regular files only")
            if not last and not stat.S_ISDIR(info.st_mode):
                raise SeriesError(
                    f"{where}: {names.shown(path)} cannot be: {shown} is a file, not a folder",
                    step="check the names in the patch and its strip level",
                )
        try:
            return FileState(here.read_bytes(), stat.S_IMODE(info.st_mode))
        except OSError as error:
            raise SeriesError(
                f"{where}: {names.shown(path)} cannot be read",
                cause=error.strerror or str(error),
                step="check the owner and the mode of the tree",
            ) from error


@attrs.define
class Layer:
    """Changes over another set of files, kept in memory."""

    below: Files
    changes: dict[str, FileState | None] = attrs.field(factory=dict)

    def read(self, path: str) -> FileState | None:
        """Give the file as this layer has it."""
        if path not in self.changes:
            return self.below.read(path)
        return self.changes[path]

    def write(self, path: str, state: FileState | None) -> None:
        """Set the file, or remove it."""
        self.changes[path] = state


def apply_changes(
    layer: Layer, changes: list[FileChange], *, patch: str, offsets: bool = False
) -> dict[str, FileState | None]:
    """Apply one patch to `layer` and give what each touched file was before.

    Raises HunkError or SeriesError; `layer` is then half changed and must be dropped.
    """
    before: dict[str, FileState | None] = {}
    for change in changes:
        for path in (change.source, change.target):
            before.setdefault(path, layer.read(path))
        _apply_one(layer, change, patch, offsets=offsets)
    return before


def _apply_one(layer: Layer, change: FileChange, patch: str, *, offsets: bool) -> None:
    where = f"{patch}: {names.shown(change.source)}"
    old = layer.read(change.source)
    if change.kind is Kind.CREATE:
        if old is not None:
            raise HunkError(
                f"{where}: the patch makes this file, but it is there already",
                cause=f"it holds {len(old.data)} bytes",
                step="if upstream has it now, take it out of the patch"
                if old.data
                else "name the empty file on the `---` line in place of /dev/null (quilt writes both alike)",
            )
        old = FileState(b"", 0o644)
    elif old is None:
        raise HunkError(
            f"{where}: no such file (line {change.patch_line} of the patch)",
            cause="the tree is another version, the strip level is wrong, or an earlier patch is missing",
            step="check the version and the order in series",
        )
    elif change.old_mode is not None and old.executable != (change.old_mode == EXEC_MODE):
        raise HunkError(
            f"{where}: the patch expects mode {change.old_mode:o}, the file has {old.mode:o}",
            step="correct the `old mode` line",
        )
    data = apply_hunks(old.data, change.hunks, patch=patch, path=change.source, offsets=offsets)
    if change.kind is Kind.DELETE:
        if data:
            raise HunkError(
                f"{where}: the patch removes this file, but {len(data)} bytes would be left in it",
                cause="the file holds more than the patch says",
                step="correct the patch: take out all lines, or do not remove the file",
            )
        layer.write(change.source, None)
        return
    if change.kind in (Kind.RENAME, Kind.COPY):
        if layer.read(change.target) is not None:
            raise HunkError(
                f"{patch}: {names.shown(change.target)}: target of a {change.kind.value}, but there already",
                step="take the file out of the patch, or correct the order in series",
            )
        if change.kind is Kind.RENAME:
            layer.write(change.source, None)
    layer.write(change.target, FileState(data, _mode(old.mode, change.new_mode)))


def _mode(old: int, new: int | None) -> int:
    """Carry the executable bit over; every other bit stays the file's own."""
    if new is None:
        return old
    if new == EXEC_MODE:
        # Whoever may read may run, as chmod +x under that mode would do.
        return old | ((old & 0o444) >> 2)
    return old & ~_EXEC_BITS


def check_layout(files: dict[str, FileState | None], *, patch: str) -> None:
    """Stop before writing where one new file would be the folder of another."""
    present = {path for path, state in files.items() if state is not None}
    for path in present:
        folder = os.path.dirname(path)  # noqa: PTH120 - names are not paths of this machine yet
        while folder:
            if folder in present:
                raise SeriesError(
                    f"{patch}: {names.shown(folder)} is both a file and the folder of {names.shown(path)}",
                    step="correct the names in the patches",
                )
            folder = os.path.dirname(folder)  # noqa: PTH120
