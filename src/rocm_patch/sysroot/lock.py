"""The sysroot lock: every Debian package of the build environment by version and sha256.

Reads and writes the lock's text form and compares two locks. Knows nothing of
how the packages are fetched, installed or chosen.

The form is one header of `key: value` lines, an empty line, then one package a
line: `name version arch sha256 size pool-path`, sorted by name.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

import attrs

from rocm_patch.errors import DataError
from rocm_patch.paths import data_root

#: The first line of every lock file; the number changes when the form does.
MAGIC = "# rocm-patch sysroot lock, format 1"
#: The lock that is used when none is named.
DEFAULT_NAME = "rocm-6.4"
#: Header keys, in the order in which they are written.
HEADER = (
    "name",
    "wishes-sha256",
    "architecture",
    "suite",
    "component",
    "date",
    "inrelease-sha256",
    "index-path",
    "index-sha256",
    "exclude",
)

_FIELDS = 6
_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]+")
_VERSION = re.compile(r"[0-9A-Za-z.+:~-]+")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_POOL = re.compile(r"pool/[A-Za-z0-9][A-Za-z0-9./+_~%:-]*\.deb")


@attrs.frozen(order=True)
class LockedPackage:
    """One Debian package, named exactly. `size` is in bytes, `path` is below the archive's root."""

    name: str
    version: str
    arch: str
    sha256: str
    size: int
    path: str

    def line(self) -> str:
        """Give the package's line of the lock file."""
        return f"{self.name} {self.version} {self.arch} {self.sha256} {self.size} {self.path}"

    @property
    def file(self) -> str:
        """Give the name of the .deb in the pool."""
        return self.path.rpartition("/")[2]


@attrs.frozen
class Lock:
    """A whole lock: the header and the packages, sorted by name."""

    header: Mapping[str, str]
    packages: tuple[LockedPackage, ...]

    @property
    def name(self) -> str:
        """Give the lock's name, which is also its file's stem."""
        return self.header["name"]

    @property
    def digest(self) -> str:
        """Give the sha256 over the package lines: the header's dates do not change what is installed."""
        text = "".join(f"{package.line()}\n" for package in self.packages)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def exclude(self) -> tuple[str, ...]:
        """Give the path patterns that dpkg leaves out of the root."""
        return tuple(self.header.get("exclude", "").split())

    @property
    def size(self) -> int:
        """Give the sum of the .debs' sizes in bytes."""
        return sum(package.size for package in self.packages)

    def text(self) -> str:
        """Give the lock file's whole text."""
        head = [f"{key}: {self.header[key]}" for key in HEADER if key in self.header]
        body = [package.line() for package in self.packages]
        return "\n".join([MAGIC, *head, "", *body]) + "\n"


def lock_path(name: str = DEFAULT_NAME) -> Path:
    """Give the place of a lock in the project's data."""
    return data_root() / "build" / "sysroot" / f"{name}.lock"


def load_lock(name_or_path: str | Path = DEFAULT_NAME) -> Lock:
    """Read a lock by name or by path; DataError when it is absent or malformed."""
    path = Path(name_or_path)
    if isinstance(name_or_path, str) and "/" not in name_or_path:
        path = lock_path(name_or_path)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise DataError(
            f"the sysroot lock {path} cannot be read",
            cause=str(error.strerror or error),
            step="name an existing lock, or write one with: rocm-patch sysroot update-lock NAME",
        ) from error
    return parse_lock(text, origin=str(path))


def parse_lock(text: str, *, origin: str = "lock") -> Lock:
    """Read a lock's text. Each malformed line is named with its number (DataError)."""
    lines = text.splitlines()
    if not lines or lines[0] != MAGIC:
        raise _bad(origin, 1, f"the first line is not {MAGIC!r}")
    header: dict[str, str] = {}
    packages: list[LockedPackage] = []
    in_header = True
    for number, line in enumerate(lines[1:], start=2):
        if in_header and not line:
            in_header = False
        elif in_header:
            key, colon, value = line.partition(": ")
            if not colon or key not in HEADER or key in header:
                raise _bad(origin, number, f"unknown or repeated header {key!r}")
            header[key] = value
        else:
            packages.append(_package(line, origin, number))
    if "name" not in header:
        raise _bad(origin, 2, "the header gives no name")
    names = [package.name for package in packages]
    if names != sorted(set(names)):
        raise _bad(origin, len(lines), "the packages are not sorted by name, or one is repeated")
    return Lock(header=header, packages=tuple(packages))


def _package(line: str, origin: str, number: int) -> LockedPackage:
    """Read one package line; DataError names what is wrong with it."""
    fields = line.split(" ")
    if len(fields) != _FIELDS:
        raise _bad(origin, number, f"{len(fields)} fields in place of {_FIELDS}")
    name, version, arch, sha256, size, path = fields
    rules = ((_NAME, name), (_VERSION, version), (_NAME, arch), (_SHA256, sha256), (_POOL, path))
    for pattern, value in rules:
        if not pattern.fullmatch(value):
            raise _bad(origin, number, f"malformed field {value!r}")
    if not (size.isascii() and size.isdigit()) or ".." in path.split("/"):
        raise _bad(origin, number, "malformed size or path")
    return LockedPackage(name=name, version=version, arch=arch, sha256=sha256, size=int(size), path=path)


def _bad(origin: str, number: int, cause: str) -> DataError:
    """Make the error of a malformed lock."""
    return DataError(
        f"{origin}, line {number}: not a sysroot lock",
        cause=cause,
        step="take the file from git again, or write it with: rocm-patch sysroot update-lock",
    )


@attrs.frozen
class Change:
    """One package that differs between two locks; None where it is absent."""

    name: str
    old: str | None
    new: str | None

    def __str__(self) -> str:
        """Give one line of a diff."""
        return f"{self.name}: {self.old or 'absent'} -> {self.new or 'absent'}"


def compare(old: Lock, new: Lock) -> list[Change]:
    """List the packages whose version or bytes differ, by name."""
    before = {package.name: package for package in old.packages}
    after = {package.name: package for package in new.packages}
    changes: list[Change] = []
    for name in sorted(before.keys() | after.keys()):
        was, now = before.get(name), after.get(name)
        if was != now:
            changes.append(Change(name=name, old=_label(was, now), new=_label(now, was)))
    return changes


def _label(package: LockedPackage | None, other: LockedPackage | None) -> str | None:
    """Give the version, with the hash's beginning where only the bytes differ."""
    if package is None:
        return None
    if other is not None and other.version == package.version:
        return f"{package.version} ({package.arch}, {package.sha256[:12]})"
    return package.version
