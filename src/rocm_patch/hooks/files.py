"""Which file each package manager's hook is, where it goes, and with which command in it.

Knows nothing of updates.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from rocm_patch.detect.tree import Tree
from rocm_patch.errors import CheckError

if TYPE_CHECKING:
    from rocm_patch.apply.rootfs import RootFs

_DATA = Path(__file__).parent / "data"
_COMMAND = re.compile(r"(/[A-Za-z0-9_+.-]{1,80}){1,12}")
_PLACES: dict[str, tuple[tuple[str, str, int], ...]] = {
    "apt": (("apt.conf", "/etc/apt/apt.conf.d/99rocm-patch", 0o644),),
    "dnf5": (("dnf5.actions", "/etc/dnf/libdnf5-plugins/actions.d/rocm-patch.actions", 0o644),),
    "zypper": (("zypper-commit.py.in", "/usr/lib/zypp/plugins/commit/rocm-patch", 0o755),),
}
_UNIT = ("reapply.service", "/etc/systemd/system/rocm-patch-reapply.service", 0o644)


def hook_files(fs: RootFs, manager: str, command: str) -> Iterator[tuple[str, bytes, int]]:
    """Give path, contents and mode of each file of a manager's hook."""
    if not _COMMAND.fullmatch(command) or ".." in command:
        raise CheckError(
            f"{command!r} cannot stand in a hook",
            cause="only plain paths are put into other programs' settings",
            step="give another --command",
        )
    places = (
        _PLACES[manager]
        if manager in _PLACES
        else (("dnf4-plugin.py.in", f"{_dnf_plugins(fs)}/rocm_patch.py", 0o644),)
    )
    if fs.status("/etc/systemd/system") is not None:
        places = (*places, _UNIT)
    for name, path, mode in places:
        yield path, (_DATA / name).read_text("utf-8").replace("@COMMAND@", command).encode(), mode


def hook_of(fs: RootFs, manager: str) -> str:
    """Name the hook of a manager: dnf 5 and dnf 4 are one manager with two kinds of hooks."""
    program = Tree(fs.root).resolve("/usr/bin/dnf") if manager == "dnf" else None
    return "dnf5" if (program or "").endswith("/dnf5") else manager


def _dnf_plugins(fs: RootFs) -> str:
    """Find the folder of dnf 4's plugins: the one beside the Python that dnf is written for."""
    for base in ("/usr/lib", "/usr/lib64"):
        for python in fs.names(base):
            for kind in ("site-packages", "dist-packages"):
                place = f"{base}/{python}/{kind}/dnf-plugins"
                if re.fullmatch(r"python3(\.[0-9]+)?", python) and fs.status(place) is not None:
                    return place
    raise CheckError(
        "dnf's folder of plugins was not found",
        cause="no /usr/lib/python3*/site-packages/dnf-plugins is there",
        step="with dnf 5: rocm-patch hooks install --manager dnf5",
    )
