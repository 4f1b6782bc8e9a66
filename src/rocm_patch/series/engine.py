"""Apply a series to a tree and take it off again: all in memory first, then one commit.

Knows series, tree, quilt's record and the journal, and puts them together; prints nothing.
"""

from __future__ import annotations

from pathlib import Path

import attrs

from rocm_patch.errors import SeriesError
from rocm_patch.series import journal, names, quilt
from rocm_patch.series.folder import Series
from rocm_patch.series.tree import FileState, Layer, apply_changes, check_layout


@attrs.frozen
class Result:
    """What a call did (or would do): patches in the order of work, files of the tree that changed."""

    patches: tuple[str, ...]
    files: tuple[str, ...]
    recovered: str = ""


def apply_series(series: Series, tree: Path, *, until: str | None = None, dry_run: bool = False) -> Result:
    """Apply every patch that the tree does not have yet, up to and with `until`.

    A second call does nothing. Raises HunkError or SeriesError with the tree as it
    was; BusyError while another run works on the tree.
    """
    with journal.locked(tree):
        recovered = _recover(tree, dry_run=dry_run)
        applied = quilt.read_applied(tree, series)
        quilt.check_applied(applied, series)
        end = len(series.patches) if until is None else series.index(until) + 1
        todo = series.patches[len(applied.order) : end]
        layer = Layer(applied.tree)
        record: dict[str, FileState | None] = {}
        for patch in todo:
            step = Layer(layer)
            before = apply_changes(step, patch.changes, patch=patch.name)
            check_layout(layer.changes | step.changes, patch=patch.name)
            layer.changes.update(step.changes)
            for path, state in before.items():
                record[f"{quilt.PC}/{patch.name}/{path}"] = quilt.backup_of(state)
            record[f"{quilt.PC}/{patch.name}/{quilt.STAMP}"] = FileState(b"")
        if todo:
            missing = {
                path: state
                for path, state in quilt.bookkeeping(series.folder).items()
                if applied.tree.read(path) is None
            }
            record.update(missing)
            record[quilt.APPLIED] = quilt.listing([*applied.order, *(patch.name for patch in todo)])
        return _finish(
            applied, layer, record, tuple(patch.name for patch in todo), recovered, dry_run=dry_run
        )


def unapply(series: Series, tree: Path, *, until: str | None = None, dry_run: bool = False) -> Result:
    """Take patches off, last first, down to `until`, which stays (as `quilt pop PATCH` does); else all.

    Raises SeriesError, with the tree as it was, if a patched file was edited since.
    """
    with journal.locked(tree):
        recovered = _recover(tree, dry_run=dry_run)
        applied = quilt.read_applied(tree, series)
        quilt.check_applied(applied, series)
        keep = 0
        if until is not None:
            keep = series.index(until) + 1
            if keep > len(applied.order):
                raise SeriesError(f"{tree}: {until} is not applied", step="name a patch that is, or none")
        todo = tuple(reversed(applied.order[keep:]))
        layer = Layer(applied.tree)
        record: dict[str, FileState | None] = {}
        for name in todo:
            layer.changes.update(applied.originals[name])
            record.update({f"{quilt.PC}/{name}/{path}": None for path in applied.backups[name]})
            record[f"{quilt.PC}/{name}/{quilt.STAMP}"] = None
        if todo:
            record[quilt.APPLIED] = quilt.listing(list(applied.order[:keep]))
            if keep == 0:
                record.update(dict.fromkeys(quilt.bookkeeping(series.folder)))
        return _finish(applied, layer, record, todo, recovered, dry_run=dry_run)


def _recover(tree: Path, *, dry_run: bool) -> str:
    if dry_run and journal.pending(tree):
        raise SeriesError(
            f"{tree}: an earlier run was cut off",
            cause="its change must be completed or thrown away first, and --dry-run changes nothing",
            step="repeat without --dry-run",
        )
    return journal.recover(tree)


def _finish(
    applied: quilt.Applied,
    layer: Layer,
    record: dict[str, FileState | None],
    patches: tuple[str, ...],
    recovered: str,
    *,
    dry_run: bool,
) -> Result:
    """Turn the layer and quilt's record into one commit, quilt's list of applied patches last."""
    changes = []
    for path, new in layer.changes.items():
        old = applied.tree.read(path)
        if old != new:
            changes.append(journal.Change(path, old, new))
    # Removals first: a removed file may give its name to a folder.
    changes.sort(key=lambda change: (change.new is not None, change.path))
    files = tuple(names.shown(change.path) for change in changes)
    for path, new in record.items():
        old = applied.tree.read(path)
        if old != new:
            changes.append(journal.Change(path, old, new))
    if changes and not dry_run:
        journal.commit(applied.tree.root, changes)
    return Result(patches, files, recovered)
