"""Does a root still hold what its lock says: packages by dpkg's records, files by their md5sums.

The md5sums come from the packages, whose sha256 was checked when they went in; they
find damage and changes by mistake, and are no defence against someone who also
changes dpkg's records. Knows nothing of how to repair a root: it is made again.
"""

from __future__ import annotations

import concurrent.futures
import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

import attrs
from debian.deb822 import Deb822

from rocm_patch.errors import LockDriftError, SysrootError
from rocm_patch.sysroot import fixups
from rocm_patch.sysroot.debs import excluded, resolved
from rocm_patch.sysroot.lock import Lock

_DPKG = "var/lib/dpkg"
_CHUNK = 1 << 20
_SHOWN = 40


@attrs.frozen
class Verdict:
    """What was looked at, and a line for each thing that differs."""

    packages: int
    files: int
    drift: tuple[str, ...]

    def require(self) -> None:
        """Raise LockDriftError when anything differs."""
        if self.drift:
            more = len(self.drift) - _SHOWN
            raise LockDriftError(
                f"the sysroot differs from its lock in {len(self.drift)} place(s)",
                cause="something changed it after it was made, or it was made from another lock",
                step="make it again: rocm-patch sysroot remove KEY, then rocm-patch sysroot create",
                detail=[*self.drift[:_SHOWN], *([f"... and {more} more"] if more > 0 else [])],
            )


@attrs.frozen
class _Task:
    """One file to hash: its package, its path inside, where it is, what it should give."""

    package: str
    inside: str
    place: Path
    algorithm: str
    digest: str


def verify(root: Path, lock: Lock, *, report: Callable[[float], None] | None = None) -> Verdict:
    """Compare a root with a lock: every package, every file that a package brought, every fix-up.

    Reads the whole root (some 9 GB). `report` is told the part that is done.
    """
    paragraphs = _status(root)
    drift = [*_compare_packages(paragraphs, lock)]
    mended = {fixup.path: fixup for fixup in fixups.chosen(lock)}
    diverted = _diversions(root)
    tasks: list[_Task] = []
    for paragraph in paragraphs:
        name = paragraph["Package"]
        info = _info_stem(root, name, paragraph.get("Architecture", ""))
        for inside in _listed(info):
            hidden = excluded(inside, lock.exclude) or inside in mended or inside in diverted
            if not hidden and not os.path.lexists(resolved(root, PurePosixPath(inside))):
                drift.append(f"{name}: {inside} is missing")
        for inside, digest in (*_md5sums(info), *_conffiles(paragraph)):
            place = resolved(root, PurePosixPath(diverted.get(inside, inside)))
            if not excluded(inside, lock.exclude) and inside not in mended and place.is_file():
                tasks.append(_Task(name, inside, place, "md5", digest))
    for fixup in mended.values():
        content = (fixups.fixups_folder() / fixup.content).read_bytes()
        place = resolved(root, PurePosixPath(fixup.path))
        wanted = hashlib.sha256(content).hexdigest()
        if place.is_file() and not place.is_symlink():
            tasks.append(_Task(f"fix-up {fixup.name}", fixup.path, place, "sha256", wanted))
        else:
            drift.append(f"fix-up {fixup.name}: {fixup.path} is missing")
    drift += _differing(tasks, report)
    return Verdict(packages=len(paragraphs), files=len(tasks), drift=tuple(drift))


def _status(root: Path) -> list[Deb822]:
    """Read dpkg's records of the packages that are in, in any state but removed."""
    file = root / _DPKG / "status"
    try:
        with file.open(encoding="utf-8") as lines:
            found = list(Deb822.iter_paragraphs(lines, use_apt_pkg=False))
    except OSError as error:
        raise SysrootError(
            f"{root} has no package records",
            cause=str(error),
            step="make the sysroot: rocm-patch sysroot create",
        ) from error
    return [one for one in found if not one["Status"].endswith(("not-installed", "config-files"))]


def _compare_packages(paragraphs: list[Deb822], lock: Lock) -> Iterator[str]:
    """Give a line for each package that is absent, extra, half installed or another version."""
    locked = {package.name: package for package in lock.packages}
    there = {one["Package"]: one for one in paragraphs}
    for name in sorted(locked.keys() | there.keys()):
        package, paragraph = locked.get(name), there.get(name)
        if package is None and paragraph is not None:
            yield f"{name}: {paragraph['Version']} is in the root, but not in the lock"
        elif package is not None and paragraph is None:
            yield f"{name}: {package.version} is in the lock, but not in the root"
        elif package is not None and paragraph is not None:
            if (paragraph["Version"], paragraph["Architecture"]) != (package.version, package.arch):
                yield (
                    f"{name}: {paragraph['Version']} {paragraph['Architecture']} in place of "
                    f"{package.version} {package.arch}"
                )
            if paragraph["Status"] != "install ok installed":
                yield f"{name}: its state is {paragraph['Status']!r}"


def _info_stem(root: Path, name: str, arch: str) -> Path:
    """Give the beginning of the paths of a package's files in dpkg's database."""
    folder = root / _DPKG / "info"
    with_arch = folder / f"{name}:{arch}"
    return with_arch if Path(f"{with_arch}.list").is_file() else folder / name


def _listed(info: Path) -> list[str]:
    """Give the paths that a package brought."""
    file = Path(f"{info}.list")
    if not file.is_file():
        return []
    return [line for line in file.read_text(encoding="utf-8").splitlines() if line not in ("", "/.")]


def _md5sums(info: Path) -> Iterator[tuple[str, str]]:
    """Give path and md5 of the files that a package lists."""
    file = Path(f"{info}.md5sums")
    if file.is_file():
        for line in file.read_text(encoding="utf-8").splitlines():
            digest, _, name = line.partition("  ")
            yield f"/{name}", digest


def _conffiles(paragraph: Deb822) -> Iterator[tuple[str, str]]:
    """Give path and md5 of a package's configuration files, as they were put in."""
    for line in paragraph.get("Conffiles", "").splitlines():
        words = line.split()
        if len(words) == 2 and words[1] != "newconffile":  # noqa: PLR2004  path and md5; more words: obsolete
            yield words[0], words[1]


def _diversions(root: Path) -> dict[str, str]:
    """Give dpkg's diversions: path -> where the file really went."""
    file = root / _DPKG / "diversions"
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    return dict(zip(lines[0::3], lines[1::3], strict=True))


def _differing(tasks: list[_Task], report: Callable[[float], None] | None) -> list[str]:
    """Hash the files on all cores; give a line for each that differs."""
    total = sum(task.place.stat().st_size for task in tasks) or 1
    done = 0
    lines: list[str] = []
    with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        for task, (digest, size) in zip(tasks, pool.map(_hash, tasks), strict=True):
            done += size
            if report is not None:
                report(done / total)
            if digest != task.digest:
                lines.append(f"{task.package}: {task.inside} has another content")
    return lines


def _hash(task: _Task) -> tuple[str, int]:
    """Give a file's digest and size. md5 is what packages carry; it is no protection here."""
    digest = hashlib.new(task.algorithm, usedforsecurity=False)
    size = 0
    with task.place.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return digest.hexdigest(), size
