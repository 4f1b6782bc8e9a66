"""dnf 5: Fedora since 41, where `dnf` is a link to it.

It looks at signatures when it installs what a repository gave it: not when it only downloads, as dnf 4
does, and of files by name it does not know whose key is asked for. So its whole cache is kept in place
of files, and it installs from that.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from rocm_patch.apply.context import place_of
from rocm_patch.apply.managers.dnf import Dnf

#: What it knows beyond rpm's database: why a package is there, and what was done.
_STATE = "/usr/lib/sysimage/libdnf5"
_STATE_FILES = (
    *(f"transaction_history.sqlite{end}" for end in ("", "-wal", "-shm")),
    *(f"{name}.toml" for name in ("environments", "groups", "modules", "nevras", "packages", "system")),
)


class Dnf5(Dnf):
    """dnf 5 works, from a cache that it filled first; to the outside it is dnf."""

    @staticmethod
    def is_dnf() -> bool:
        """Tell whether `dnf` is dnf 5."""
        program = place_of("dnf")
        return program is not None and program.name == "dnf5"

    def _into(self, folder: Path) -> list[str]:
        return [f"--setopt=system_cachedir={folder}", f"--setopt=cachedir={folder}", "--setopt=keepcache=1"]

    def _keep(self, names: set[str], scratch: Path, folder: Path) -> None:
        del names  # the cache holds what was asked for, and the repository's signed lists
        shutil.copytree(scratch, folder, ignore=_sockets, dirs_exist_ok=True)

    def _from(self, archives: list[str]) -> list[str]:
        names = (f"{self.archive_name(one)}-{self.archive_version(one)}" for one in archives)
        return [*self._into(self._folder()), "--", *names]

    def database(self) -> list[str]:
        """Give rpm's database, dnf 4's history and dnf 5's state."""
        return [*super().database(), *(f"{_STATE}/{name}" for name in _STATE_FILES)]

    def hold(self, packages: list[str], *, on: bool) -> None:
        """Have its versionlock do it, which keeps each root's list in that root."""
        there = self.installed()
        self._lock([one for one in packages if one in there], on=on)


def _sockets(folder: str, names: list[str]) -> set[str]:
    """Give what is neither file nor folder: gpg's agent leaves sockets beside its keys."""
    return {name for name in names if not ((one := Path(folder, name)).is_file() or one.is_dir())}
