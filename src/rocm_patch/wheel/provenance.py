"""Where a library of the SDK comes from: its Debian package, version, hash and licence text.

Reads dpkg's own lists, in a sysroot the packages of its lock, elsewhere the licences that are
installed. Knows nothing of wheels.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath

import attrs
from debian.deb822 import Packages
from debian.debfile import DebFile

from rocm_patch.errors import DataError, WheelError
from rocm_patch.sources import ObjectStore, fetch_all
from rocm_patch.sysroot import Lock
from rocm_patch.sysroot.debs import source_items

_DPKG = "var/lib/dpkg"
#: Folders of a Debian root that ld.so searches, and LLVM's own, by their order.
_FOLDERS = ("usr/lib/x86_64-linux-gnu", "usr/lib", "usr/lib/llvm-21/lib")
_LINKS = 16
#: What is read here of a system that is no sysroot, by shell patterns.
PACKAGE_LISTS = (
    f"/{_DPKG}/status", f"/{_DPKG}/info/*.list", "/usr/share/doc/*/copyright", "/etc/os-release",
)  # fmt: skip
_LICENCE = re.compile(r"/share/doc/.*/(copyright|LICEN[CS]E[^/]*)$")


@attrs.frozen
class Package:
    """A Debian binary package; `sha256` is its .deb's, None where the lock has another version."""

    name: str
    version: str
    source: str
    sha256: str | None
    vendor: str = "debian"

    @property
    def purl(self) -> str:
        """Give its package URL."""
        version = self.version.replace("+", "%2B").replace(":", "%3A")
        return f"pkg:deb/{self.vendor}/{self.name}@{version}?arch=amd64"


@attrs.define
class Origins:
    """Answers for one system, a sysroot by its lock; `folders` are those of its libraries, below `root`."""

    root: Path
    lock: Lock | None
    folders: Sequence[str] = _FOLDERS

    def file_of(self, name: str) -> str:
        """Give the path, below the root, of a library by its file name, links followed. WheelError."""
        for folder in self.folders:
            if (self.root / folder / name).exists():
                return self.resolve(f"{folder}/{name}")
        raise WheelError(f"the SDK has no {name}", cause=f"looked in {', '.join(self.folders)}")

    def resolve(self, path: str) -> str:
        """Follow links as a program inside the root would. WheelError for a loop."""
        for _ in range(_LINKS):
            real = self.root / path
            folder = os.path.realpath(real.parent)
            path = f"{os.path.relpath(folder, os.path.realpath(self.root))}/{real.name}"
            if not real.is_symlink():
                return path
            target = real.readlink()
            base = "" if target.is_absolute() else f"{PurePosixPath(path).parent}/"
            path = base + str(target).lstrip("/")
        raise WheelError(f"{path} is a link that leads nowhere")

    def packages_of(self, paths: Iterable[str]) -> dict[str, Package]:
        """Give the package of each path below the root. WheelError where one belongs to none."""
        wanted = {f"/{path}" for path in paths}
        wanted |= {name.removeprefix("/usr") for name in wanted if name.startswith("/usr/lib")}
        found: dict[str, str] = {}
        for listing in sorted((self.root / _DPKG / "info").glob("*.list")):
            lines = wanted.intersection(listing.read_text(encoding="utf-8").splitlines())
            found |= dict.fromkeys(lines, listing.stem.partition(":")[0])
        answer: dict[str, Package] = {}
        for path in paths:
            name = found.get(f"/{path}") or found.get(f"/{path}".removeprefix("/usr"))
            if name is None:
                raise WheelError(f"no package of the SDK has {path}", step=self._again)
            answer[path] = self.package(name)
        return answer

    def package(self, name: str) -> Package:
        """Give an installed package by its name. DataError where it is not installed."""
        with (self.root / _DPKG / "status").open(encoding="utf-8") as status:
            for one in Packages.iter_paragraphs(status, use_apt_pkg=False):
                if one["Package"] == name:
                    version = str(one["Version"])
                    source = str(one.get("Source", name)).partition(" ")[0]
                    return Package(name, version, source, self._hash(name, version), self._vendor)
        raise DataError(f"the SDK has no package {name}", step="mend static_packages in build.yml")

    @property
    def _again(self) -> str:
        """Say what mends a system whose files and packages do not fit."""
        return "make the sysroot again" if self.lock is not None else "install what holds it as a package"

    @property
    def _vendor(self) -> str:
        """Name the distribution as package URLs do."""
        path = self.root / "etc/os-release"
        lines = path.read_text(encoding="utf-8").splitlines() if self.lock is None and path.is_file() else ()
        named = [line.partition("=")[2].strip("\"'") for line in lines if line.startswith("ID=")]
        return named[0] if named else "debian"

    def _hash(self, name: str, version: str) -> str | None:
        if self.lock is None:
            return None
        locked = next((one for one in self.lock.packages if one.name == name), None)
        return locked.sha256 if locked is not None and locked.version == version else None

    def licences(self, packages: Iterable[Package]) -> dict[str, bytes]:
        """Give the copyright file of each package, out of its .deb (fetched if the cache lacks it).

        Without a lock it is the installed one. WheelError where a package has none.
        """
        if self.lock is None:
            return {package.name: self._installed_licence(package.name) for package in packages}
        names = {package.name for package in packages}
        found = _copyrights(self.lock, names)
        linked = {target for target in found.values() if isinstance(target, str)}
        more = _copyrights(self.lock, linked - found.keys())
        answer: dict[str, bytes] = {}
        for name in sorted(names):
            text = found[name]
            if isinstance(text, str):
                text = {**found, **more}[text]
            if isinstance(text, str):
                raise WheelError(f"the licence of {name} is not in its package", cause=f"it names {text}")
            answer[name] = text
        return answer

    def _installed_licence(self, name: str) -> bytes:
        """Read a package's licence where Debian's policy has it, or where its own list of files does."""
        places = [f"/usr/share/doc/{name}/copyright"]
        for listing in (self.root / _DPKG / "info").glob(f"{name}*.list"):
            if listing.stem.partition(":")[0] == name:
                lines = listing.read_text(encoding="utf-8").splitlines()
                places += [line for line in lines if _LICENCE.search(line)]
        for place in places:
            path = self.root / place.lstrip("/")
            if path.is_file():
                return path.read_bytes()
        raise WheelError(
            f"the licence of {name} is not installed",
            cause=f"looked for {', '.join(places)}",
            step=f"install {name} again without leaving out /usr/share/doc (dpkg's path-exclude)",
        )


def _copyrights(lock: Lock, names: Iterable[str]) -> dict[str, bytes | str]:
    """Give each package's copyright text, or the name of the package whose folder it links to."""
    wanted = set(names)
    locked = tuple(one for one in lock.packages if one.name in wanted)
    missing = wanted - {one.name for one in locked}
    if missing:
        raise WheelError(f"the lock has no {', '.join(sorted(missing))}", step="update the lock")
    part = Lock(header=lock.header, packages=locked)
    files = fetch_all(source_items(part), cache=ObjectStore())
    return {name: _copyright(files[name], name) for name in sorted(wanted)}


def _copyright(deb: Path, name: str) -> bytes | str:
    package = DebFile(str(deb))
    try:
        archive = package.data.tgz()
        for member in archive:
            path = member.name.lstrip("./")
            if path == f"usr/share/doc/{name}" and member.issym():
                return PurePosixPath(member.linkname).name
            if path == f"usr/share/doc/{name}/copyright":
                if member.issym():
                    return PurePosixPath(member.linkname).parent.name
                stream = archive.extractfile(member)
                if stream is not None:
                    return stream.read()
    finally:
        package.close()
    raise WheelError(f"{deb.name} holds no licence of {name}")


def static_packages(origins: Origins, names: Iterable[str]) -> Mapping[str, Package]:
    """Give the packages whose archives or headers are compiled into the wheel."""
    return {name: origins.package(name) for name in names}
