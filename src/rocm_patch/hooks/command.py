"""Which rocm-patch a hook calls: the one that runs, and only one that root alone can have written.

A hook runs as root after each update, so whoever can change what it calls is root.
Knows files and their owners; nothing of package managers.
"""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rocm_patch.detect.tree import Tree
from rocm_patch.errors import CheckError

if TYPE_CHECKING:
    from rocm_patch.apply.rootfs import RootFs

NAME = "rocm-patch"
#: Where another root than this machine's is looked at for one, after the place of the running one.
_USUAL = ("/usr/bin/rocm-patch", "/usr/local/bin/rocm-patch", "/opt/rocm-patch/bin/rocm-patch")
_INSTALL = "sudo python3 -m venv /opt/rocm-patch && sudo /opt/rocm-patch/bin/pip install ."
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_HEAD = 256


def running() -> str | None:
    """Give the place of the rocm-patch that runs: what was called, or what lies beside its Python."""
    called = Path(sys.argv[0])
    beside = Path(sys.executable).with_name(NAME)
    for place in (called, beside):
        if place.name == NAME and place.is_file():
            # Its own place: on some systems a group can write /usr/local/bin, where a link to it may lie.
            return str(place.resolve())
    return None


def command_for(fs: RootFs, named: str | None) -> str:
    """Give the command that a root's hook is to call. CheckError where there is none that is fit."""
    if named is not None:
        _refuse(named, unfit(fs, named))
        return named
    mine = running()
    if fs.live:
        if mine is None:
            raise CheckError(
                "no rocm-patch that a hook could call is running",
                cause=f"it was started as {Path(sys.argv[0]).name}, from a checkout",
                step=f"install it for root: {_INSTALL}; or name one: rocm-patch hooks install --command PATH",
            )
        _refuse(mine, unfit(fs, mine))
        return mine
    places = [*([mine] if mine else []), *_USUAL]
    fit = next((one for one in places if unfit(fs, one) is None), None)
    if fit is None:
        _refuse(places[0], unfit(fs, places[0]))
    return fit or places[0]


def _refuse(path: str, reason: str | None) -> None:
    if reason is not None:
        raise CheckError(
            f"a hook cannot call {path}",
            cause=reason,
            step=f"install rocm-patch for root: {_INSTALL}; "
            "or name another: rocm-patch hooks install --command PATH",
        )


def unfit(fs: RootFs, path: str) -> str | None:
    """Say why root must not be made to run a program; None if nothing speaks against it."""
    reason = _unsafe(fs, path)
    if reason is not None:
        return reason
    tree = Tree(fs.root)
    real = tree.resolve(path) or path
    mode = fs.status(real)
    if mode is None or not mode.st_mode & stat.S_IXUSR:
        return f"{real} is not executable"
    head = (tree.read(real, _HEAD, keep=False, head=True) or b"").split(b"\n")[0]
    # A script is as safe as what reads it.
    words = head[2:].split() if head.startswith(b"#!") else []
    return _unsafe(fs, os.fsdecode(words[0])) if words else None


def _unsafe(fs: RootFs, path: str) -> str | None:
    """Look at a file and every folder and link on the way to it."""
    tree = Tree(fs.root)
    real = tree.resolve(path)
    status = None if real is None else fs.status(real)
    if real is None or status is None:
        return f"{path} is not there"
    if not stat.S_ISREG(status.st_mode):
        return f"{real} is no file"
    links = [link for link in tree.links if link != "/"]
    for name in dict.fromkeys([path, real, *links]):
        parts = name.strip("/").split("/")
        for number in range(len(parts) + 1):
            here = "/" + "/".join(parts[:number])
            if reason := _writable(fs, here):
                return reason
    return None


def _writable(fs: RootFs, path: str) -> str | None:
    try:
        status = fs.local(path).lstat()
    except OSError:
        return None
    if status.st_uid not in {0, os.geteuid()}:
        return f"{path} belongs to user {status.st_uid}, who could change it"
    # In a folder like /tmp nobody can take away or replace what is another's.
    sticky = stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX
    if stat.S_ISLNK(status.st_mode) or sticky or not status.st_mode & _OTHERS_WRITE:
        return None
    return f"{path} has mode {stat.S_IMODE(status.st_mode):04o}, so that others can write it"
