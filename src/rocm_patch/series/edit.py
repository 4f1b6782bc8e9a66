"""Write patches: refresh one from a tree, begin a new one.

Knows the series folder as something to be changed; the tree's files are only read,
and of quilt's record only the entry of a new patch is written.
"""

from __future__ import annotations

import datetime as dt
import os
import re
import tempfile
from pathlib import Path

from rocm_patch.errors import SeriesError
from rocm_patch.series import journal, quilt
from rocm_patch.series.folder import SERIES_FILE, Entry, Patch, Series
from rocm_patch.series.header import scaffold
from rocm_patch.series.names import check_safe
from rocm_patch.series.render import render_file
from rocm_patch.series.tree import FileState, Layer, apply_changes

_NUMBER = re.compile(r"^(\d{4})-")
_PURPOSE = re.compile(r"^[a-z0-9][a-z0-9.+-]*$")


def refresh(series: Series, tree: Path, name: str | None = None, *, context: int = 3) -> list[str]:
    """Write patches anew, headers kept, and give the names of those that changed.

    An applied patch is taken from the tree against quilt's originals (without
    `name`: the topmost). A patch that is not applied is carried over to the tree's
    lines: hunks may lie at other lines, their content must match (without `name`,
    and with no patch applied: every patch in turn). The tree is not changed.
    """
    with journal.locked(tree):
        journal.recover(tree)
        top = _top(series, tree)
        wanted = name or top
        applied = quilt.read_applied(tree, series, loose=wanted or "")
        if wanted in applied.order:
            patch = series.patches[series.index(wanted)]
            body = b"".join(
                render_file(path, old, applied.after(wanted, path), context=context)
                for path, old in sorted(applied.originals[wanted].items())
            )
            return [wanted] if _rewrite(series, patch, body) else []
        layer = applied.pristine()
        changed = []
        for patch in series.patches:
            step = Layer(layer)
            take = wanted in (None, patch.name)
            before = apply_changes(step, patch.changes, patch=patch.name, offsets=take)
            if take:
                body = b"".join(
                    render_file(path, old, step.read(path), context=context)
                    for path, old in sorted(before.items())
                )
                if _rewrite(series, patch, body):
                    changed.append(patch.name)
            if patch.name == wanted:
                break
            layer.changes.update(step.changes)
        if wanted is not None:
            series.index(wanted)
        return changed


def new_patch(
    series: Series,
    tree: Path,
    purpose: str,
    *,
    description: str,
    author: str,
    versions: str,
    files: list[str],
) -> Path:
    """Begin a patch: scaffolded header, next number, last in series, applied (empty) in the tree.

    `files` are recorded as they are now, before they are edited; `refresh` then
    takes their edits. Raises SeriesError unless the tree has the whole series.
    """
    if not _PURPOSE.match(purpose):
        raise SeriesError(
            f"{purpose!r} is no name for a patch",
            step="use lower case letters, digits and -, as fix-hip-path",
        )
    with journal.locked(tree):
        journal.recover(tree)
        applied = quilt.read_applied(tree, series)
        quilt.check_applied(applied, series)
        if len(applied.order) != len(series.patches):
            raise SeriesError(
                f"{tree} has {len(applied.order)} of the series' {len(series.patches)} patches",
                cause="a new patch goes on top of the others",
                step="`rocm-patch patch apply` first",
            )
        number = max((int(match[1]) for match in map(_NUMBER.match, series.names) if match), default=0) + 1
        file = series.folder / f"{number:04d}-{purpose}.patch"
        if file.exists():
            raise SeriesError(f"{file} exists, but is not in series", step="add it to series, or remove it")
        record: dict[str, FileState | None] = {
            f"{quilt.PC}/{file.name}/{quilt.STAMP}": FileState(b""),
            **quilt.bookkeeping(series.folder),
            quilt.APPLIED: quilt.listing([*applied.order, file.name]),
        }
        for path in files:
            check_safe(path, where="--file")
            record[f"{quilt.PC}/{file.name}/{path}"] = quilt.backup_of(applied.tree.read(path))
        changes = [journal.Change(path, applied.tree.read(path), state) for path, state in record.items()]
        today = dt.datetime.now(dt.timezone.utc).date()
        _replace(file, scaffold(description, author=author, versions=versions, today=today))
        text = (series.folder / SERIES_FILE).read_text("utf-8")
        joint = "" if not text or text.endswith("\n") else "\n"
        _replace(series.folder / SERIES_FILE, f"{text}{joint}{file.name}\n".encode())
        # The series comes first: a tree that names a patch unknown to the series would be worse.
        journal.commit(tree, [change for change in changes if change.old != change.new])
        return file


def _top(series: Series, tree: Path) -> str | None:
    """Give the topmost applied patch; its own text may be anything, it is about to be written anew."""
    listing = quilt.applied_names(tree)
    expected = tuple(series.names[: len(listing)])
    if listing != expected:
        raise SeriesError(
            f"{tree} has other patches than {series.folder}",
            cause=f"applied: {', '.join(listing)}",
            step="give the component and version that the tree was patched for",
        )
    return listing[-1] if listing else None


def _rewrite(series: Series, patch: Patch, body: bytes) -> bool:
    """Put header and new body into the patch; a strip level or -R in series is then wrong and goes."""
    if not body:
        raise SeriesError(
            f"{patch.name} would be empty: the tree holds no change of its files",
            cause="a file must be known before it is edited (`quilt add FILE`, or `patch new --file FILE`)",
            step="make the change, or take the patch out of series",
        )
    data = patch.raw_header + body
    plain = patch.entry == Entry(patch.name)
    if data == patch.data and plain:
        return False
    _replace(series.folder / patch.name, data)
    if not plain:
        path = series.folder / SERIES_FILE
        text = re.sub(
            rf"(?m)^([ \t]*{re.escape(patch.name)})(?:[ \t]+(?:-p\d+|-R))+", r"\1", path.read_text("utf-8")
        )
        _replace(path, text.encode())
    return True


def _replace(path: Path, data: bytes) -> None:
    """Write a file of the series so that it is the old or the new one at any moment."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except OSError:
        Path(temporary).unlink(missing_ok=True)
        raise
