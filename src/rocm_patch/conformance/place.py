"""Where the suites' files lie: fetched by hash, unpacked in the cache beside the sysroot.

A sysroot is never written to: the packages are opened in folders of their own, and
the inside sees them at /suite. Knows packages; nothing of the tests in them.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path

import attrs
from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile
from filelock import FileLock

from rocm_patch.conformance.model import Suite, SuiteSet, data_folder
from rocm_patch.errors import DataError
from rocm_patch.paths import cache_root
from rocm_patch.sources import ObjectStore, Ui
from rocm_patch.sysroot import Bind
from rocm_patch.sysroot.debs import extract, fetched
from rocm_patch.sysroot.lock import Lock, load_lock

#: Where the inside sees a suite, and the packages that all share.
SUITE = "/suite"
SUPPORT = "/support"
_LIBRARIES = "usr/lib/x86_64-linux-gnu"
_EXCLUDE = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/lintian/*", "/usr/share/bug/*")


@attrs.frozen
class Place:
    """An unpacked suite: its root, the shared root, the binaries, and what names their state."""

    root: Path
    support: Path
    binaries: tuple[Path, ...]
    digest: str

    @property
    def binds(self) -> list[Bind]:
        """Give what a command in the sysroot must be shown."""
        return [Bind(self.root, SUITE, "ro"), Bind(self.support, SUPPORT, "ro")]

    @property
    def library_path(self) -> str:
        """Give the folders in which the inside finds libraries that the sysroot lacks."""
        return f"{SUITE}/{_LIBRARIES}:{SUPPORT}/{_LIBRARIES}"


def conformance_cache() -> Path:
    """Give the cache folder of everything that belongs to these runs."""
    return cache_root() / "conformance"


def set_lock(chosen: SuiteSet) -> Lock:
    """Read the lock of a set; DataError where it lacks a package that the set names."""
    lock = load_lock(data_folder() / chosen.lock)
    named = {*chosen.support, *(name for suite in chosen.suites for name in suite.packages)}
    missing = sorted(named - {package.name for package in lock.packages})
    if missing:
        raise DataError(
            f"build/conformance/{chosen.lock} lacks packages that the set {chosen.name} names",
            cause=", ".join(missing),
            step="add their lines from the suite's package index",
        )
    return lock


def unpack_suite(chosen: SuiteSet, suite: Suite, *, ui: Ui | None = None) -> Place:
    """Bring a suite into the cache and unpack it, unless that is done; SourceError, ArchiveError."""
    lock = set_lock(chosen)
    root = _unpacked(lock, suite.packages, ui)
    support = _unpacked(lock, chosen.support, ui)
    folder = root / suite.folder
    return Place(root=root, support=support, binaries=tuple(programs(folder)), digest=root.name)


def drop_suite(place: Place) -> None:
    """Remove a suite's unpacked files; the packages stay in the cache."""
    # The mark goes first: a folder without it counts as not there.
    _mark(place.root).unlink(missing_ok=True)
    shutil.rmtree(place.root, ignore_errors=True)


def programs(folder: Path) -> list[Path]:
    """List the programs in a folder, by name; scripts are none. DataError where there is none."""
    found = [path for path in sorted(folder.glob("*")) if path.is_file() and _is_program(path)]
    if not found:
        raise DataError(
            f"{folder.name} holds no test program",
            cause=f"looked in {folder}",
            step="correct the suite's folder in build/conformance/",
        )
    return found


def _is_program(path: Path) -> bool:
    if not path.stat().st_mode & 0o111 or path.suffix == ".so":
        return False
    with path.open("rb") as stream:
        try:
            return any(s.header.p_type == "PT_INTERP" for s in ELFFile(stream).iter_segments())
        except ELFError:
            return False


def _unpacked(lock: Lock, names: Sequence[str], ui: Ui | None) -> Path:
    """Give the folder of some packages of a lock, named by their hashes."""
    part = attrs.evolve(lock, packages=tuple(one for one in lock.packages if one.name in names))
    key = hashlib.sha256(part.digest.encode()).hexdigest()[:16]
    root = conformance_cache() / "unpacked" / key
    mark = _mark(root)
    if mark.is_file():
        return root
    root.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{root}.lock"):
        if mark.is_file():
            return root
        shutil.rmtree(root, ignore_errors=True)
        (root / _LIBRARIES).mkdir(parents=True)
        with fetched(part, ObjectStore(), ui) as files:
            extract(list(files.values()), root, _EXCLUDE)
        mark.touch()
    return root


def _mark(root: Path) -> Path:
    """Name the file that says that a folder is whole."""
    return root.with_name(f"{root.name}.done")
