"""The made roots in the cache: list, remove, and the throw-away view for experiments.

Knows the layout of the cache's sysroots folder. Knows nothing of how a root is
made or what runs in it.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs

from rocm_patch.errors import BusyError, UsageError
from rocm_patch.sysroot.core import RECORD, Sysroot, sysroots_folder
from rocm_patch.sysroot.make import remove_tree
from rocm_patch.trylock import held


@attrs.frozen
class Made:
    """One finished root: its key, its lock's name and date, when it was made."""

    key: str
    path: Path
    name: str
    date: str
    made: str
    packages: int


def made_roots() -> list[Made]:
    """List the finished roots of the cache, by key."""
    roots: list[Made] = []
    for record in sorted(sysroots_folder().glob(f"*/{RECORD}")):
        path = record.parents[1]
        data = Sysroot(path=path).record()
        head = data["lock"]
        roots.append(
            Made(
                key=path.name,
                path=path,
                name=head["name"],
                date=head["date"],
                made=data["made"],
                packages=data["packages"],
            )
        )
    return roots


def remove(key: str) -> None:
    """Remove one root, by its key; UsageError when there is none, BusyError while one is being made.

    The root first loses its name, so that a removal that is killed leaves no half root.
    """
    folder = sysroots_folder()
    place = folder / key
    if not key or "/" in key or key.startswith(".") or not place.is_dir():
        known = ", ".join(one.key for one in made_roots())
        raise UsageError(f"there is no sysroot {key!r}", step=f"name one of: {known or 'none is made'}")
    with held(folder / f".{key}.lock") as free:
        if not free:
            raise BusyError(
                f"the sysroot {key} is being made by another run", step="try again when it has ended"
            )
        doomed = folder / f".making-{key}-{uuid.uuid4().hex[:8]}"
        place.rename(doomed)
        remove_tree(doomed)


@contextmanager
def writable() -> Iterator[Path]:
    """Give an empty folder for an overlay's changes; it is removed afterwards, and so are stale ones."""
    folder = sysroots_folder()
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob(".writable-*.lock"):
        with held(old) as free:
            if free:
                _clear(old)
    mark = folder / f".writable-{uuid.uuid4().hex[:8]}.lock"
    with held(mark):
        changes = mark.with_suffix("")
        changes.mkdir()
        try:
            yield changes
        finally:
            _clear(mark)


def _clear(mark: Path) -> None:
    """Remove an overlay's folder, then the file that told of it."""
    changes = mark.with_suffix("")
    if changes.exists():
        remove_tree(changes)
    mark.unlink(missing_ok=True)
