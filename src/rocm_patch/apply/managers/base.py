"""What a package manager must be able to do, so that what it did can be undone."""

from __future__ import annotations

import fcntl
import os
import stat
import struct
from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path

import attrs

from rocm_patch.apply.context import Context
from rocm_patch.apply.rootfs import RootFs

_FLOCK = struct.Struct("hhqqi4x")


@attrs.define
class Changes:
    """What a manager would do: names with versions."""

    new: dict[str, str] = attrs.field(factory=dict)
    #: name -> (version now, version then)
    other: dict[str, tuple[str, str]] = attrs.field(factory=dict)
    gone: dict[str, str] = attrs.field(factory=dict)

    def __bool__(self) -> bool:
        """Tell whether there is anything to do."""
        return bool(self.new or self.other or self.gone)

    def touched(self) -> list[str]:
        """Name the packages that are installed now and change."""
        return sorted({*self.other, *self.gone})


class Manager(ABC):
    """One package manager on one root."""

    name: str
    #: Files of its locks: held by fcntl by whoever works.
    locks: tuple[str, ...] = ()
    #: Where it keeps what it downloads.
    cache: str = "/var/cache"

    def __init__(self, ctx: Context) -> None:
        """Work on the context's root."""
        self.ctx = ctx
        self.root = str(ctx.fs.root)

    @staticmethod
    @abstractmethod
    def present(fs: RootFs) -> bool:
        """Tell whether the root has this manager's database."""

    @abstractmethod
    def installed(self) -> dict[str, str]:
        """Give every installed package's version, by name (name:arch where that is needed)."""

    @abstractmethod
    def resolve(self, install: list[str], remove: list[str]) -> Changes:
        """Work out what would be done, and do nothing."""

    @abstractmethod
    def offered(self, name: str) -> list[str]:
        """Give the versions of a package that the repositories offer, the newest first."""

    @abstractmethod
    def fetch(self, install: list[str], remove: list[str], changes: Changes) -> dict[str, list[str]]:
        """Download what is needed, and give the paths that each package brings."""

    @abstractmethod
    def act(self, install: list[str], remove: list[str]) -> None:
        """Do it, from what was fetched."""

    @abstractmethod
    def files(self, package: str) -> list[str]:
        """Give the paths of an installed package."""

    @abstractmethod
    def own_files(self, package: str) -> list[str]:
        """Give the files in which the manager itself keeps what it knows of one package."""

    @abstractmethod
    def database(self) -> list[str]:
        """Give the files that hold the state of all packages."""

    @abstractmethod
    def purge(self, packages: list[str]) -> None:
        """Take packages away with everything of theirs, whatever state they are in."""

    @abstractmethod
    def back_to(self, versions: dict[str, str], away: list[str]) -> None:
        """Install these versions again, and take the others away, through the repositories."""

    @abstractmethod
    def settle(self) -> None:
        """Have the manager finish what a cut off run of it left, as far as it can."""

    @abstractmethod
    def held(self) -> set[str]:
        """Give the packages that may not change."""

    @abstractmethod
    def hold(self, packages: list[str], *, on: bool) -> None:
        """Keep packages at their version, or let them go."""

    @abstractmethod
    def hold_files(self) -> list[str]:
        """Give the files that hold() changes."""

    def leftovers(self, path: str) -> list[str]:
        """Name what a cut off run may leave beside a path."""
        del path
        return []

    def alternatives(self, folder: str) -> list[str]:
        """Give the files and links of update-alternatives: /opt/rocm is one."""
        found = []
        for name in self.ctx.fs.names(folder):
            place = f"{folder}/{name}"
            status = self.ctx.fs.status(place)
            if status is not None and stat.S_ISREG(status.st_mode):
                links = alternative_links(self.ctx.fs.read(place) or b"")
                found += [place, f"/etc/alternatives/{name}", *links]
        return found

    def lock_holder(self) -> tuple[str, int] | None:
        """Give the lock that another process holds, and its number (0 if it is not known)."""
        for path in self.locks:
            place = self.ctx.fs.local(path)
            if place.is_file() and (holder := _holder(place)) is not None:
                return path, holder
        return None


def find(there: Iterable[str], name: str) -> str | None:
    """Find a package under its name with or without an architecture."""
    names = list(there)
    if name in names:
        return name
    plain = name.partition(":")[0]
    return next((one for one in names if one.partition(":")[0] == plain), None)


def _holder(place: Path) -> int | None:
    """Ask the kernel who holds a lock of the file; None if nobody does."""
    try:
        handle = os.open(place, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        asked = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        kind, _, _, _, pid = _FLOCK.unpack(fcntl.fcntl(handle, fcntl.F_GETLK, asked))
        return None if kind == fcntl.F_UNLCK else max(int(pid), 0)
    finally:
        os.close(handle)


def alternative_links(data: bytes) -> list[str]:
    """Read the links of an alternative: the second line, then a name and a link each until an empty line."""
    lines = data.decode("utf-8", "surrogateescape").split("\n")
    slaves = lines[2 : lines.index("", 2)] if "" in lines[2:] else []
    links = [*lines[1:2], *slaves[1::2], *(f"/etc/alternatives/{name}" for name in slaves[::2])]
    return [one for one in links if one.startswith("/") and ".." not in one.split("/")]
