"""What dnf and zypper share: rpm's database, queries and removal."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cmp_to_key

from rocm_patch.apply.managers.base import Manager
from rocm_patch.apply.rootfs import RootFs

_PLACES = ("/usr/lib/sysimage/rpm", "/var/lib/rpm")
_VERSION = "%|EPOCH?{%{EPOCH}:}:{}|%{VERSION}-%{RELEASE}"
#: No quote or brace may come into the expression that compares.
_PLAIN = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+~^:_-]*")
_NAMES = ("rpmdb.sqlite", "rpmdb.sqlite-wal", "rpmdb.sqlite-shm", "Packages", "Packages.db", "Index.db")


def database_folder(fs: RootFs) -> str | None:
    """Give the folder of rpm's database; the last one of a link's two names is the real one."""
    for place in _PLACES:
        if any(fs.status(f"{place}/{name}") is not None for name in _NAMES):
            return place
    return None


class Rpm(Manager):
    """The parts of a manager that are rpm's."""

    def _rpm(self, *words: str, good: tuple[int, ...] = (0,), quiet: bool = True) -> str:
        place = database_folder(self.ctx.fs)
        where = ["--dbpath", place] if place else []
        return self.ctx.run(["rpm", "--root", self.root, *where, *words], good=good, quiet=quiet)

    def installed(self) -> dict[str, str]:
        """Ask rpm."""
        rows = [
            line.split("\t")
            for line in self._rpm("-qa", "--queryformat", f"%{{NAME}}\\t{_VERSION}\\n").splitlines()
        ]
        return {row[0]: row[1] for row in rows if len(row) == 2 and row[0] != "gpg-pubkey"}  # noqa: PLR2004  # as asked

    def newest_first(self, versions: Iterable[str]) -> list[str]:
        """Order versions by rpm's own comparison."""
        plain = {one for one in versions if _PLAIN.fullmatch(one)}
        return sorted(plain, key=cmp_to_key(self._compare), reverse=True)

    def _compare(self, left: str, right: str) -> int:
        for a, b in zip(left.partition("-")[::2], right.partition("-")[::2], strict=True):
            if a and b and a != b:
                said = self.ctx.run(["rpm", "--eval", f'%{{lua:print(rpm.vercmp("{a}","{b}"))}}'], quiet=True)
                if answer := int(said.strip() or 0):
                    return answer
        return 0

    def files(self, package: str) -> list[str]:
        """Ask rpm for its list."""
        return [
            line for line in self._rpm("-ql", "--", package, good=(0, 1)).splitlines() if line.startswith("/")
        ]

    def archive_files(self, archive: str) -> list[str]:
        """Ask rpm for a package file's list."""
        return [
            line
            for line in self.ctx.run(["rpm", "-qpl", "--nosignature", "--", archive], quiet=True).splitlines()
            if line.startswith("/")
        ]

    def archive_name(self, archive: str) -> str:
        """Ask rpm for a package file's name."""
        return self.ctx.run(
            ["rpm", "-qp", "--nosignature", "--queryformat", "%{NAME}", "--", archive], quiet=True
        ).strip()

    def archive_version(self, archive: str) -> str:
        """Ask rpm for a package file's version, spelled as installed() does."""
        return self.ctx.run(
            ["rpm", "-qp", "--nosignature", "--queryformat", _VERSION, "--", archive], quiet=True
        ).strip()

    def own_files(self, package: str) -> list[str]:
        """Rpm keeps all in one database."""
        del package
        return []

    def database(self) -> list[str]:
        """Give rpm's database, where it lies or where rpm says that it would."""
        folder = database_folder(self.ctx.fs)
        if folder is None:
            said = self.ctx.run(["rpm", "--eval", "%{_dbpath}"], quiet=True).strip()
            folder = said if said.startswith("/") else _PLACES[1]
        found = [f"{folder}/{name}" for name in _NAMES]
        return [*found, "/etc/ld.so.cache", *self.alternatives("/var/lib/alternatives")]

    def purge(self, packages: list[str]) -> None:
        """Have rpm erase them, dependents or not."""
        there = self.installed()
        names = [name for name in packages if name in there]
        if names:
            self._rpm("--erase", "--nodeps", "--", *names, good=(0, 1), quiet=False)

    def settle(self) -> None:
        """Rpm's database is whole after each of its changes; an old form may want its index made anew."""

    def leftovers(self, path: str) -> list[str]:
        """Give the names that rpm unpacks under: the path, a semicolon, a number."""
        folder, _, name = path.rpartition("/")
        return [f"{folder}/{one}" for one in self.ctx.fs.names(folder) if one.startswith(f"{name};")]
