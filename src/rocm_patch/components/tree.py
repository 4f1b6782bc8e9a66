"""Bring a live source tree to a wanted state and touch only what differs.

Ninja goes by times: a file that is the same must keep the time that it has, else all
that includes it is compiled again. Knows folders, nothing of what is in them.
"""

from __future__ import annotations

import filecmp
import json
import os
import shutil
from pathlib import Path

from rocm_patch.pipeline.digest import atomic_write, walk


def copy_tree(source: Path, dest: Path) -> None:
    """Copy a folder with links and times to a new place."""
    shutil.copytree(source, dest, symlinks=True)


def merge_tree(source: Path, dest: Path) -> None:
    """Copy a folder's content into another that may exist."""
    shutil.copytree(source, dest, symlinks=True, dirs_exist_ok=True)


def sync_tree(wanted: Path, live: Path, record: Path) -> list[str]:
    """Make `live` hold what `wanted` holds; give the paths that were written or removed.

    Files that are the same keep their times. `record` lists what was brought here before:
    of what `wanted` has no more, only that is removed, never what a build has made. A kill
    in the middle is mended by the next call.
    """
    before = set(json.loads(record.read_bytes())) if record.is_file() else set()
    names = [name for name, _ in walk(wanted)]
    # Written down first: a file copied but not listed could never be removed again.
    atomic_write(record, json.dumps(sorted(before.union(names))).encode())
    changed = []
    for name in names:
        source, place = wanted / name, live / name
        if _same(source, place):
            continue
        place.parent.mkdir(parents=True, exist_ok=True)
        temporary = place.with_name(f".{place.name}.sync.tmp")
        temporary.unlink(missing_ok=True)
        shutil.copy2(source, temporary, follow_symlinks=False)
        if not source.is_symlink():
            # The time of the copying, not of the source: older than an object made from
            # the former text, it would hide the change from ninja.
            os.utime(temporary)
        temporary.replace(place)
        changed.append(name)
    for name in sorted(before.difference(names)):
        (live / name).unlink(missing_ok=True)
        changed.append(name)
    atomic_write(record, json.dumps(names).encode())
    return changed


def _same(source: Path, place: Path) -> bool:
    if source.is_symlink() or place.is_symlink():
        return source.is_symlink() and place.is_symlink() and source.readlink() == place.readlink()
    if not place.is_file() or (source.stat().st_mode ^ place.stat().st_mode) & 0o111:
        return False
    return filecmp.cmp(source, place, shallow=False)
