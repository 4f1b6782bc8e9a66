"""What is asked before the first step: room, a disk that can be written, locks, holds, programs on the GPU.

Answers are reasons against; nothing is changed here.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

from rocm_patch.apply.context import Context
from rocm_patch.apply.journal import FOLDER, RESERVE
from rocm_patch.apply.rootfs import RootFs
from rocm_patch.errors import CheckError, DiskSpaceError

#: Room beyond what is counted: the journal's lines, folders, the packages' own growth.
_MARGIN = 16 << 20
_RDONLY = os.ST_RDONLY
#: Rules whose steps leave running programs alone: a variable or a group counts from the next login on.
_CALM = frozenset({"write-file", "remove-file", "drop-lines", "unset-variable", "join-group", "hold", "hook"})


def refuse(
    ctx: Context,
    handlers: list[Any],
    *,
    allow_running: bool,
    proc: Path,
    wait: float = 0.0,
    rules: Sequence[str] = (),
) -> None:
    """Raise CheckError with every reason against; DiskSpaceError where only room is missing.

    `rules` names the item of a plan that each handler is of, so that the rest can be had without it.
    """
    _await_managers(handlers, wait)
    reasons: list[str] = []
    room = _MARGIN + RESERVE
    refused: list[str] = []
    for handler, rule in zip_longest(handlers, rules):
        against = handler.check()
        reasons += [f"{rule}: {line}" for line in against] if rule else against
        refused += [rule] if against and rule and rule not in refused else []
        if not reasons:
            room += handler.room()
            reasons += read_only(ctx.fs, [*handler.paths(), FOLDER])
    if not allow_running and any(handler.action.kind not in _CALM for handler in handlers):
        users = gpu_users(proc)
        if users:
            who = ", ".join(f"{name} ({pid})" for pid, name in users[:8])
            reasons.append(f"programs are using the GPU: {who}; end them, or give --allow-running")
    if reasons:
        raise CheckError(
            "nothing was changed: the checks before it refuse",
            cause=reasons[0],
            detail=reasons[1:],
            step=_step(refused),
        )
    free = free_bytes(ctx.fs, FOLDER)
    if free < room:
        raise DiskSpaceError(
            f"not enough room below {ctx.fs.local(FOLDER)}",
            cause=f"{room >> 20} MiB are needed for snapshots and files, {free >> 20} MiB are free",
            step="make room; nothing was changed",
        )


def _step(refused: list[str]) -> str:
    """Say how to go on: one item that cannot be had need not keep the others back."""
    step = "put that right and call rocm-patch again"
    words = " ".join(f"--exclude {rule}" for rule in refused)
    return f"{step}; or do the rest without it: rocm-patch apply {words}" if words else step


def _await_managers(handlers: list[Any], wait: float) -> None:
    """Give a package manager that works just now time to end."""
    end = time.monotonic() + wait
    managers = [handler.manager for handler in handlers if hasattr(handler, "manager")]
    while time.monotonic() < end and any(one.lock_holder() is not None for one in managers):
        time.sleep(0.5)


def free_bytes(fs: RootFs, path: str) -> int:
    """Give the room that root may fill on the disk of a path, or of the nearest folder above it."""
    state = os.statvfs(_nearest(fs, path))
    return state.f_bavail * state.f_frsize


def read_only(fs: RootFs, paths: list[str]) -> list[str]:
    """Name the paths whose disk cannot be written."""
    found = []
    for path in paths:
        place = _nearest(fs, path)
        if os.statvfs(place).f_flag & _RDONLY or not os.access(place, os.W_OK):
            found.append(f"{path} cannot be written: {place} is read-only for this user")
    return found


def _nearest(fs: RootFs, path: str) -> Path:
    parts = [part for part in path.split("/") if part][:-1]
    while parts and fs.status("/".join(parts)) is None:
        parts.pop()
    return fs.local("/".join(parts))


def gpu_users(proc: Path) -> list[tuple[int, str]]:
    """Name the programs that have /dev/kfd open, by their open files."""
    found = []
    for folder in sorted(proc.glob("[0-9]*"), key=lambda one: int(one.name) if one.name.isdigit() else 0):
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        try:
            links = [str(one.readlink()) for one in (folder / "fd").iterdir()]
        except OSError:
            continue
        if any(re.fullmatch(r"/dev/kfd( \(deleted\))?", link) for link in links):
            found.append((int(folder.name), _name(folder)))
    return found


def _name(folder: Path) -> str:
    try:
        text = (folder / "comm").read_text("utf-8", "replace").strip()
    except OSError:
        return "?"
    return "".join(char if char.isprintable() else "?" for char in text)[:40]
