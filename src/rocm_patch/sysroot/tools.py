"""Programs of the host that making a sysroot needs, and how to install those that are absent.

Knows names only; nothing here runs them.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from rocm_patch.errors import MissingToolError

#: program (or thing) -> what it is for, and its package by the distribution's family.
_PACKAGES: dict[str, tuple[str, dict[str, str]]] = {
    "bwrap": (
        "runs commands in the root",
        {"debian": "bubblewrap", "fedora": "bubblewrap", "suse": "bubblewrap", "arch": "bubblewrap"},
    ),
    "apt-get": ("finds out dependencies", {"debian": "apt", "fedora": "apt", "suse": "apt", "arch": "apt"}),
    "gpgv": ("checks signatures", {"debian": "gpgv", "fedora": "gnupg2", "suse": "gpg2", "arch": "gnupg"}),
    "newuidmap": (
        "gives an ordinary user the ids that a root needs",
        {"debian": "uidmap", "fedora": "shadow-utils", "suse": "shadow", "arch": "shadow"},
    ),
    "podman": (
        "runs the image of --sdk container:...",
        {"debian": "podman", "fedora": "podman", "suse": "podman", "arch": "podman"},
    ),
    "debian-archive-keyring": (
        "holds the keys that sign Debian's archive",
        {
            "debian": "debian-archive-keyring",
            "fedora": "debian-keyring",
            "suse": "debian-keyring",
            "arch": "debian-archive-keyring",
        },
    ),
}
_INSTALL = {
    "debian": "apt-get install",
    "fedora": "dnf install",
    "suse": "zypper install",
    "arch": "pacman -S",
}


def need(*programs: str, exists: bool | None = None) -> None:
    """Raise MissingToolError that names every absent program and one command that installs them.

    `exists` answers for things that are no program on PATH.
    """
    absent = [name for name in programs if not (which(name) is not None if exists is None else exists)]
    if not absent:
        return
    family = host_family()
    packages = [_PACKAGES[name][1][family] for name in absent]
    raise MissingToolError(
        f"this machine lacks {', '.join(absent)}",
        cause="; ".join(f"{name} {_PACKAGES[name][0]}" for name in absent),
        step=f"as root: {_INSTALL[family]} {' '.join(dict.fromkeys(packages))}",
    )


def which(program: str) -> str | None:
    """Find a program, also in the folders for root's programs, which a user's PATH may lack."""
    path = os.environ.get("PATH", os.defpath)
    return shutil.which(program, path=f"{path}:/usr/local/sbin:/usr/sbin:/sbin")


def host_family(os_release: Path = Path("/etc/os-release")) -> str:
    """Give the distribution's family: debian, fedora, suse or arch; debian when it is unknown."""
    try:
        lines = os_release.read_text(encoding="utf-8").splitlines()
    except OSError:
        return "debian"
    values = dict(line.partition("=")[::2] for line in lines if "=" in line)
    words = " ".join(values.get(key, "").strip('"') for key in ("ID", "ID_LIKE")).split()
    aliases = {"ubuntu": "debian", "rhel": "fedora", "centos": "fedora", "opensuse": "suse", "sles": "suse"}
    for word in words:
        family = aliases.get(word, word)
        if family in _INSTALL:
            return family
    return "debian"
