"""The packages of a lock as files: fetched into the shared cache, opened, their control fields read.

Knows Debian's package format and the source store. Knows nothing of what order
packages go into a root.
"""

from __future__ import annotations

import email.utils
import fnmatch
import os
import re
import shutil
import stat
import tarfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timezone
from pathlib import Path, PurePosixPath

import attrs
from debian.debfile import DebFile

from rocm_patch.errors import ArchiveError, SysrootError
from rocm_patch.sources.fetch import fetch_all
from rocm_patch.sources.model import SourceItem
from rocm_patch.sources.progress import Ui
from rocm_patch.sources.store import ObjectStore
from rocm_patch.sysroot.lock import Lock

_NAME = re.compile(r"^\s*([a-z0-9][a-z0-9+.-]+)")


@attrs.frozen
class Deb:
    """A package as a file, with the fields of its control file that decide the order of work."""

    name: str
    path: Path
    essential: bool
    #: Each inner tuple holds the alternatives of one dependency.
    needs: tuple[tuple[str, ...], ...]
    provides: tuple[str, ...]
    #: KiB on the disk, as the package says.
    installed_kib: int


def source_items(lock: Lock) -> list[SourceItem]:
    """Describe the lock's packages to the store: the pool first, then the suite's state of that day."""
    day = email.utils.parsedate_to_datetime(lock.header["date"]).astimezone(timezone.utc)
    timestamp = day.strftime("%Y%m%dT%H%M%SZ")
    return [
        SourceItem.model_validate(
            {
                "name": package.name,
                "owner": "debian",
                "file": package.file,
                "sha256": package.sha256,
                "size": package.size,
                "providers": [
                    {"kind": "debian-pool", "path": package.path},
                    {"kind": "debian-snapshot", "timestamp": timestamp, "path": package.path},
                ],
            }
        )
        for package in lock.packages
    ]


@contextmanager
def fetched(lock: Lock, store: ObjectStore, ui: Ui | None = None) -> Iterator[dict[str, Path]]:
    """Bring every package of the lock into the store; give the files by package name.

    The files' hashes are those of the lock, and they stay in the cache as long as
    the context is open. Raises SourceError where a package has no provider left.
    """
    with store.lease(package.sha256 for package in lock.packages) as lease:
        yield fetch_all(source_items(lock), cache=store, ui=ui, lease=lease)


def read(files: Mapping[str, Path]) -> dict[str, Deb]:
    """Read the control fields of packages; SysrootError when a file is not the package of its name."""
    return {name: _read(name, path) for name, path in files.items()}


def _read(name: str, path: Path) -> Deb:
    """Read one package's control fields."""
    with DebFile(str(path)) as archive:
        control = archive.control.debcontrol()
    if control["Package"] != name:
        raise SysrootError(
            f"{path} holds the package {control['Package']}, not {name}", step="correct the lock file"
        )
    return Deb(
        name=name,
        path=path,
        essential=control.get("Essential") == "yes",
        needs=(*relations(control.get("Pre-Depends", "")), *relations(control.get("Depends", ""))),
        provides=tuple(one for group in relations(control.get("Provides", "")) for one in group),
        installed_kib=int(control.get("Installed-Size", "0")),
    )


def relations(text: str) -> tuple[tuple[str, ...], ...]:
    """Read a relation field's names; versions are left out, for the lock has decided them."""
    groups = (
        tuple(match[1] for match in map(_NAME.match, group.split("|")) if match) for group in text.split(",")
    )
    return tuple(group for group in groups if group)


def base_of(packages: Mapping[str, Deb]) -> list[str]:
    """Name the essential packages and all that they need, sorted: what must be there before dpkg can run."""
    providers: dict[str, list[str]] = {}
    for deb in packages.values():
        for virtual in deb.provides:
            providers.setdefault(virtual, []).append(deb.name)
    found: set[str] = set()
    waiting = [deb.name for deb in packages.values() if deb.essential]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        for group in packages[name].needs:
            met = [one for one in group if one in packages]
            waiting += met[:1] or [p for one in group for p in providers.get(one, ())][:1]
    return sorted(found)


def excluded(path: str, patterns: Iterable[str]) -> bool:
    """Say whether dpkg's path-exclude leaves an absolute path out (its * also matches a slash)."""
    return any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns)


def extract(paths: Sequence[Path], root: Path, patterns: Sequence[str]) -> None:
    """Unpack packages' files into `root`, without dpkg: the means to have a dpkg that can run.

    Existing links to folders are kept (/lib -> usr/lib). ArchiveError for a member that
    would leave the root.
    """
    for path in paths:
        with DebFile(str(path)) as archive:
            members = archive.data.tgz()
            for member in members:
                _extract_member(members, member, root, patterns)


def _extract_member(
    archive: tarfile.TarFile, member: tarfile.TarInfo, root: Path, patterns: Sequence[str]
) -> None:
    """Unpack one member; owners are left to dpkg, which unpacks the same package again."""
    inside = PurePosixPath("/") / member.name
    if ".." in inside.parts:
        raise ArchiveError(f"a package names the path {member.name}", step="do not use this package")
    if excluded(str(inside), patterns):
        return
    target = resolved(root, inside)
    if member.isdir():
        target.mkdir(parents=True, exist_ok=True)
        target.chmod(stat.S_IMODE(member.mode) | stat.S_IRWXU)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    if member.issym():
        target.symlink_to(member.linkname)
    elif member.islnk():
        target.hardlink_to(resolved(root, PurePosixPath("/") / member.linkname))
    elif member.isfile():
        source = archive.extractfile(member)
        if source is None:
            raise ArchiveError(f"a package's member {member.name} cannot be read", step="fetch it again")
        with source, target.open("wb") as sink:
            shutil.copyfileobj(source, sink, 1 << 20)
        target.chmod(stat.S_IMODE(member.mode))
        os.utime(target, (member.mtime, member.mtime))
    else:
        raise ArchiveError(
            f"a package holds the device or pipe {member.name}", step="do not use this package"
        )


def resolved(root: Path, inside: PurePosixPath) -> Path:
    """Give the place of an absolute path below `root`, following the root's own links in its parents.

    Links are read as the root means them (an absolute one starts at `root`), so no
    member is ever written outside.
    """
    place = root
    for part in inside.parts[1:-1]:
        place = place / part
        for _ in range(40):
            if not place.is_symlink():
                break
            link = PurePosixPath(os.readlink(place))  # noqa: PTH115  its text, not a path of this machine
            base = root if link.is_absolute() else place.parent
            steps = [step for step in link.parts if step not in ("/", ".")]
            for step in steps:
                base = (base.parent if base != root else root) if step == ".." else base / step
            place = base
    return place / inside.name if inside.name else root
