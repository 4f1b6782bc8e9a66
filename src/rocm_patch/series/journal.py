"""Change many files of a tree so that a kill at any moment leaves all changes or none.

Knows files below one root, nothing of patches. New contents are first written
into a staging folder at the root; then `journal.json` appears there by rename,
which is the moment of decision. From then on only renames and removals are left,
each harmless to repeat: `recover` completes them. Before that moment nothing of
the tree was touched, and `recover` throws the staging folder away.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs

from rocm_patch.errors import BusyError, DiskSpaceError, SeriesError
from rocm_patch.series import names
from rocm_patch.series.tree import DiskTree, FileState

_JOURNAL = "journal.json"
_FORMAT = 1


@attrs.frozen
class Change:
    """One file: what it is now, what it will be. None means that there is no file."""

    path: str
    old: FileState | None
    new: FileState | None


@contextlib.contextmanager
def locked(root: Path) -> Iterator[None]:
    """Hold the tree for one writer. Raises BusyError; leaves no lock file behind."""
    try:
        handle = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise SeriesError(
            f"{root} is no source tree", cause=error.strerror or str(error), step="give the unpacked folder"
        ) from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BusyError(
                f"{root} is being patched by another run", step="wait for that run to end, then repeat"
            ) from error
        yield
    finally:
        os.close(handle)


def pending(root: Path) -> bool:
    """Say whether an earlier run was cut off in this tree."""
    return (root / names.STAGING).exists()


def commit(root: Path, changes: list[Change]) -> None:
    """Carry out all changes, in order, or none. The caller holds `locked(root)`.

    Raises DiskSpaceError or SeriesError with the tree as it was, as long as the
    moment of decision has not come.
    """
    stage = root / names.STAGING
    try:
        os.mkdir(stage)  # noqa: PTH102 - plain os calls: tests stop the run at each of them
        for number, change in enumerate(changes):
            if change.new is not None:
                _write(stage / str(number), change.new)
        record = {"format": _FORMAT, "changes": [_record(change) for change in changes]}
        _write(stage / f"{_JOURNAL}.new", FileState(json.dumps(record).encode(), 0o644))
        os.rename(stage / f"{_JOURNAL}.new", stage / _JOURNAL)  # noqa: PTH104
        _sync_folder(stage)
    except OSError as error:
        with contextlib.suppress(OSError):
            # The journal goes first: without it, what remains is thrown away by `recover`.
            os.unlink(stage / _JOURNAL)  # noqa: PTH108
        shutil.rmtree(stage, ignore_errors=True)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            need = sum(len(change.new.data) for change in changes if change.new)
            raise DiskSpaceError(
                f"no room for the patched files in {root}",
                cause=f"{need} bytes are needed besides the present files; nothing was changed",
                step="make room and repeat",
            ) from error
        raise SeriesError(
            f"{root} cannot be written",
            cause=f"{error.strerror} ({error.filename}); nothing was changed",
            step="check the owner and the mode of the tree",
        ) from error
    recover(root)


def recover(root: Path) -> str:
    """Finish what a killed run left: gives `completed`, `discarded`, or an empty text if there was nothing.

    The caller holds `locked(root)`. Raises SeriesError, and changes nothing, if a
    file was edited since the run was cut off.
    """
    stage = root / names.STAGING
    if stage.is_symlink():
        raise SeriesError(f"{stage} is a symbolic link", step="remove the link")
    if not stage.exists():
        return ""
    if not (stage / _JOURNAL).exists():
        shutil.rmtree(stage)
        return "discarded"
    rows = _read_journal(stage / _JOURNAL)
    disk = DiskTree(root)
    for number, row in enumerate(rows):
        _check_row(disk, stage / str(number), row, root)
    try:
        for number, row in enumerate(rows):
            _redo(root, stage / str(number), row)
        for folder in sorted({str(Path(row["path"]).parent) for row in rows}):
            if (root / folder).is_dir():
                _sync_folder(root / folder)
        os.unlink(stage / _JOURNAL)  # noqa: PTH108
        shutil.rmtree(stage)
    except OSError as error:
        raise SeriesError(
            f"{root} is half changed: {error.strerror} ({error.filename})",
            step="remove the cause and repeat the call; it completes the change",
        ) from error
    return "completed"


def _redo(root: Path, staged: Path, row: dict[str, Any]) -> None:
    target = root / row["path"]
    if row["new"] is None:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            os.unlink(target)  # noqa: PTH108
        _drop_empty_folders(root, target.parent)
    elif staged.exists():
        os.makedirs(target.parent, exist_ok=True)  # noqa: PTH103
        os.rename(staged, target)  # noqa: PTH104


def _drop_empty_folders(root: Path, folder: Path) -> None:
    """Remove folders that a removed file left empty; an earlier, cut off run may have begun."""
    while folder != root:
        try:
            os.rmdir(folder)  # noqa: PTH106
        except FileNotFoundError:
            pass
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
                return
            raise
        folder = folder.parent


def _check_row(disk: DiskTree, staged: Path, row: dict[str, Any], root: Path) -> None:
    path = names.check_safe(row["path"], where=str(root), reserved=False)
    now = _mark(disk.read(path))
    missing = row["new"] is not None and not staged.is_file() and now != row["new"]
    if now not in (row["old"], row["new"]) or missing:
        raise SeriesError(
            f"{root}: {names.shown(path)} was edited after an earlier run was cut off",
            cause="that run cannot be completed without losing the edit",
            step="unpack the source anew",
        )


def _read_journal(path: Path) -> list[dict[str, Any]]:
    try:
        record = json.loads(path.read_bytes())
        rows: list[dict[str, Any]] = {_FORMAT: record["changes"]}[record["format"]]
        for row in rows:
            _ = row["path"] + "", row["old"], row["new"]
    except (ValueError, KeyError, TypeError) as error:
        raise SeriesError(
            f"{path} cannot be read",
            cause=f"damaged, or of another version: {error!r}",
            step="unpack the source anew",
        ) from error
    return rows


def _record(change: Change) -> dict[str, Any]:
    return {"path": change.path, "old": _mark(change.old), "new": _mark(change.new)}


def _mark(state: FileState | None) -> str | None:
    """Make a short mark by which a file's state is known again."""
    return f"{state.mode:o} {hashlib.sha256(state.data).hexdigest()}" if state is not None else None


def _write(path: Path, state: FileState) -> None:
    """Write and flush one new file."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        left = memoryview(state.data)
        while left:
            left = left[os.write(handle, left) :]
        os.fchmod(handle, state.mode)
        os.fsync(handle)
    finally:
        os.close(handle)


def _sync_folder(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
