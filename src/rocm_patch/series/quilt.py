"""Quilt's own record of applied patches in a tree: `.pc/`, read and prepared for writing.

Knows quilt's data format 2: `applied-patches` in order, and for each patch a
folder with the touched files as they were. There an empty file can stand for no
file; which it is, the patch itself says.
"""

from __future__ import annotations

import os
from pathlib import Path

import attrs

from rocm_patch.errors import SeriesError
from rocm_patch.series import names
from rocm_patch.series.diff import Kind
from rocm_patch.series.folder import Patch, Series
from rocm_patch.series.tree import DiskTree, FileState, Layer, apply_changes

PC = names.QUILT_FOLDER
APPLIED = f"{PC}/applied-patches"
STAMP = ".timestamp"
_VERSION = b"2\n"
_ABSENT = FileState(b"")


@attrs.frozen
class Applied:
    """The patches that a tree has, bottom first.

    `backups` holds quilt's files as they lie there, `originals` what they stand for
    (None: no such file), both by patch and path.
    """

    tree: DiskTree
    order: tuple[str, ...]
    backups: dict[str, dict[str, FileState]]
    originals: dict[str, dict[str, FileState | None]]

    def after(self, name: str, path: str) -> FileState | None:
        """Give a file as patch `name` left it: the next patch's original, or the tree's file."""
        for later in self.order[self.order.index(name) + 1 :]:
            if path in self.originals[later]:
                return self.originals[later][path]
        return self.tree.read(path)

    def pristine(self) -> Layer:
        """Give the tree as it was before the first patch."""
        layer = Layer(self.tree)
        for name in reversed(self.order):
            layer.changes.update(self.originals[name])
        return layer


def backup_of(state: FileState | None) -> FileState:
    """Give the backup that stands for a state."""
    return _ABSENT if state is None else state


def applied_names(tree: Path) -> tuple[str, ...]:
    """Read `.pc/applied-patches`, bottom first. Raises SeriesError for another format or a bad name."""
    disk = DiskTree(tree)
    version = disk.read(f"{PC}/.version")
    listing = disk.read(APPLIED)
    if listing is None:
        return ()
    if version is None or version.data.strip() != _VERSION.strip():
        raise SeriesError(
            f"{tree}/{PC} has a format other than 2",
            cause="made by another version of quilt",
            step="run `quilt upgrade` there, or unpack the source anew",
        )
    order = tuple(os.fsdecode(line) for line in listing.data.split(b"\n") if line)
    for name in order:
        if not names.PATCH_NAME.match(name):
            raise SeriesError(f"{tree}/{APPLIED} names {names.shown(name)!r}", cause="no name of a patch")
        if disk.read(f"{PC}/{name}~refresh") is not None:
            raise SeriesError(
                f"{tree}: {name} was applied by force and does not match its patch",
                step="run `quilt refresh` or `quilt pop -f` there",
            )
    return order


def read_applied(tree: Path, series: Series, *, loose: str = "") -> Applied:
    """Read `.pc/`. Raises SeriesError where it is of another format or names things outside of it.

    The patch `loose` is about to be written anew and may be unreadable. An empty backup
    of a file that no patch text mentions means a missing file, as for quilt.
    """
    disk = DiskTree(tree)
    order = applied_names(tree)
    backups = {name: _backups(disk, name) for name in order}
    patches = {patch.name: patch for patch in series.patches}
    originals = {
        name: _originals(found, patches.get(name), loose=name == loose) for name, found in backups.items()
    }
    return Applied(disk, order, backups, originals)


def _backups(disk: DiskTree, name: str) -> dict[str, FileState]:
    top = disk.root / PC / name
    found: dict[str, FileState] = {}
    for folder, folders, files in os.walk(top):
        links = [entry for entry in folders + files if (Path(folder) / entry).is_symlink()]
        if links:
            raise SeriesError(f"{folder}/{links[0]} is a symbolic link", cause="quilt keeps copies of files")
        for file in files:
            path = (Path(folder) / file).relative_to(top).as_posix()
            state = disk.read(f"{PC}/{name}/{path}")
            if path != STAMP and state is not None:
                found[names.check_safe(path, where=f"{disk.root}/{PC}/{name}")] = state
    return found


def _originals(
    backups: dict[str, FileState], patch: Patch | None, *, loose: bool
) -> dict[str, FileState | None]:
    try:
        changes = patch.changes if patch else []
    except SeriesError:
        if not loose:
            raise
        changes = []
    existed: dict[str, bool] = {}
    for change in changes:
        existed.setdefault(change.source, change.kind is not Kind.CREATE)
        existed.setdefault(change.target, False)
    return {path: state if state.data or existed.get(path) else None for path, state in backups.items()}


def check_applied(applied: Applied, series: Series) -> None:
    """Prove that the tree is what the series' first patches make of the backups.

    Raises SeriesError where another series was applied, a patch was changed since,
    or a patched file was edited by hand.
    """
    expected = tuple(series.names[: len(applied.order)])
    if applied.order != expected:
        raise SeriesError(
            f"{applied.tree.root} has other patches than {series.folder}",
            cause=f"applied: {', '.join(applied.order)}; series: {', '.join(series.names) or 'none'}",
            step="`quilt pop -a` there with the series it was patched from, or unpack the source anew",
        )
    for patch in series.patches[: len(applied.order)]:
        check_one(applied, patch)


def check_one(applied: Applied, patch: Patch) -> None:
    """Prove one applied patch; see `check_applied`."""
    before = applied.originals[patch.name]
    layer = Layer(Layer(applied.tree, dict(before)))
    try:
        touched = apply_changes(layer, patch.changes, patch=patch.name)
        stray = [path for path in touched if path not in before]
        wrong = [path for path in before if not _same(layer.read(path), applied.after(patch.name, path))]
    except SeriesError as error:
        raise _stale(applied, patch, str(error.what)) from error
    if stray or wrong:
        raise _stale(applied, patch, f"{names.shown((stray + wrong)[0])} is not what the patch makes of it")


def _same(one: FileState | None, two: FileState | None) -> bool:
    if one is None or two is None:
        return one is two
    return one.data == two.data and one.executable == two.executable


def _stale(applied: Applied, patch: Patch, cause: str) -> SeriesError:
    return SeriesError(
        f"{applied.tree.root} no longer matches {patch.name}, which it has applied",
        cause=cause,
        step="`rocm-patch patch refresh` takes the tree's edits into the patch; "
        "`quilt pop -f` drops them; or unpack the source anew",
    )


def bookkeeping(folder: Path) -> dict[str, FileState]:
    """Give the files that quilt wants in `.pc/` besides the backups; they lead it to the series."""
    return {
        f"{PC}/.version": FileState(_VERSION),
        f"{PC}/.quilt_patches": FileState(os.fsencode(folder.resolve()) + b"\n"),
        f"{PC}/.quilt_series": FileState(b"series\n"),
    }


def listing(order: list[str]) -> FileState | None:
    """Give the text of `applied-patches`; quilt has no such file while none is applied."""
    return FileState("".join(f"{name}\n" for name in order).encode()) if order else None
