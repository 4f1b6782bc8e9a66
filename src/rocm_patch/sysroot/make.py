"""From a lock to a finished root in the cache, whole or not at all.

Fetches what is missing, installs into a folder with a temporary name, mends, records
and renames. One run at a time makes a given root; a run that was killed leaves a
temporary folder that the next one removes. Knows nothing of how commands are run
in a root later.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path

from rocm_patch import commands
from rocm_patch.errors import DiskSpaceError, SysrootError
from rocm_patch.sources.progress import Ui
from rocm_patch.sources.store import ObjectStore
from rocm_patch.sysroot import debs, fixups
from rocm_patch.sysroot.core import RECORD, WAY, Sysroot, probe, root_key, sysroots_folder
from rocm_patch.sysroot.install import Installer, Report, ids_program
from rocm_patch.sysroot.lock import Lock
from rocm_patch.sysroot.tools import need, which

#: Room kept free beyond what the packages say they take, in KiB.
_SPARE_KIB = 512 * 1024
#: Left behind by installing, different each time, read by nobody.
_LITTER = (
    "var/log/dpkg.log",
    "var/log/alternatives.log",
    "var/log/bootstrap.log",
    "var/cache/ldconfig/aux-cache",
    "var/lib/dpkg/status-old",
    "var/lib/dpkg/available-old",
    "var/lib/dpkg/lock",
    "var/lib/dpkg/lock-frontend",
    "var/lib/dbus/machine-id",
)


def create(
    lock: Lock,
    *,
    store: ObjectStore | None = None,
    ui: Ui | None = None,
    report: Report | None = None,
    on_wait: Callable[[], None] | None = None,
) -> Sysroot:
    """Make the root of `lock` if the cache has none, and open it.

    `ui` follows the fetching, `report` the installing; `on_wait` is called once when
    another run is making the same root, which is then waited for. Raises SourceError,
    DiskSpaceError, MissingToolError, SysrootError; LockDriftError never.
    """
    folder = sysroots_folder()
    folder.mkdir(parents=True, exist_ok=True)
    key = root_key(lock)
    place = folder / key
    if (place / RECORD).is_file():
        return Sysroot(path=place, lock=lock)
    _check_host()
    with _alone(folder / f".{key}.lock", on_wait) as held:
        if (place / RECORD).is_file():  # the run that was waited for made it
            return Sysroot(path=place, lock=lock)
        _sweep(folder, key)
        _make(lock, place, store or ObjectStore(), ui=ui, report=report or _say_nothing, held=held)
    return Sysroot(path=place, lock=lock)


def _say_nothing(step: str, fraction: float) -> None:
    """Report to nobody."""
    del step, fraction


def _check_host() -> None:
    """Check that a root can be made here: as root, or with ids for a user namespace."""
    if os.geteuid() != 0:
        need("newuidmap")
    problem = probe("nsexec")
    if problem is None and os.geteuid() != 0:
        done = commands.run(
            [*ids_program(), "--as-is", "--", "true"], capture_output=True, text=True, check=False
        )
        problem = None if done.returncode == 0 else done.stderr.strip().rpartition("\n")[2]
    if problem is not None:
        raise SysrootError(
            "no root can be made here",
            cause=problem,
            step="make it as root, or allow user namespaces: the user needs a line in /etc/subuid and "
            "/etc/subgid (as root: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 NAME), "
            "and where AppArmor forbids them: sysctl kernel.apparmor_restrict_unprivileged_userns=0",
        )


@contextmanager
def _alone(file: Path, on_wait: Callable[[], None] | None) -> Iterator[int]:
    """Hold a lock that the kernel frees when this process, and all it passed it to, have ended."""
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if on_wait is not None:
                on_wait()
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


def _sweep(folder: Path, key: str) -> None:
    """Remove what killed runs left of this root. The caller holds its lock."""
    for left in folder.glob(f".making-{key}-*"):
        remove_tree(left)
    if (folder / key).exists():
        remove_tree(folder / key)


def remove_tree(path: Path) -> None:
    """Remove a root, also files of the ids that only a user namespace has."""
    if os.geteuid() == 0:
        shutil.rmtree(path)
        return
    command = [*ids_program(), "--as-is", "--", str(which("rm")), "-rf", "--one-file-system", str(path)]
    done = commands.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0 or path.exists():
        raise SysrootError(
            f"{path} cannot be removed",
            cause=done.stderr.strip() or "files are left",
            step=f"remove it as root: rm -rf {path}",
        )


def _make(lock: Lock, place: Path, store: ObjectStore, *, ui: Ui | None, report: Report, held: int) -> None:
    """Make the root in a temporary folder and give it its name."""
    work = place.parent / f".making-{place.name}-{uuid.uuid4().hex[:8]}"
    root = work / "root"
    seconds: dict[str, float] = {}
    began = time.monotonic()
    with debs.fetched(lock, store, ui) as files:
        seconds["fetch"] = round(time.monotonic() - began, 1)
        packages = debs.read(files)
        _check_room(place.parent, sum(deb.installed_kib for deb in packages.values()))
        root.mkdir(parents=True)
        root.chmod(0o755)
        Installer(
            root=root,
            packages=packages,
            store=store.root / "sha256",
            exclude=lock.exclude,
            log=work / "dpkg.log",
            keep=held,
            report=report,
        ).run()
    report("finishing", 1.0)
    _finish(root, lock)
    done = fixups.apply(root, lock)
    _one_owner(root)
    seconds["all"] = round(time.monotonic() - began, 1)
    record = {
        "way": WAY,
        "key": place.name,
        "lock": dict(lock.header),
        "packages": len(lock.packages),
        "packages-sha256": lock.digest,
        "fixups": done,
        "made": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "made-by": "root" if os.geteuid() == 0 else "user namespace",
        "seconds": seconds,
    }
    (root / RECORD).write_text(json.dumps(record, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    root.rename(place)
    remove_tree(work)


def _check_room(folder: Path, needed_kib: int) -> None:
    """Compare what the packages say they need with what the disk has."""
    free_kib = shutil.disk_usage(folder).free // 1024
    if free_kib < needed_kib + _SPARE_KIB:
        raise DiskSpaceError(
            f"the sysroot needs {(needed_kib + _SPARE_KIB) / 2**20:.1f} GiB in {folder}",
            cause=f"{free_kib / 2**20:.1f} GiB are free",
            step="make room, or set ROCM_PATCH_CACHE to a folder on a larger disk",
        )


def _finish(root: Path, lock: Lock) -> None:
    """Remove what differs from run to run; leave the places that `enter` fills."""
    for name in _LITTER:
        (root / name).unlink(missing_ok=True)
    for name in ("etc/resolv.conf", "etc/hosts", "etc/machine-id"):
        (root / name).unlink(missing_ok=True)
        (root / name).touch()
    (root / "etc/hosts").write_text("127.0.0.1 localhost\n::1 localhost\n", encoding="utf-8")
    (root / "etc/hostname").write_text("sysroot\n", encoding="utf-8")
    source = f"deb http://deb.debian.org/debian {lock.header['suite']} {lock.header['component']}\n"
    (root / "etc/apt").mkdir(exist_ok=True)
    (root / "etc/apt/sources.list").write_text(source, encoding="utf-8")


def _one_owner(root: Path) -> None:
    """Give every file to root, who is the user himself inside a user namespace.

    So the user can read and remove the whole root without a namespace, and it looks
    the same whoever made it.
    """
    command = [*ids_program(), "--as-is", "--", str(which("chown")), "-Rh", "0:0", str(root)]
    done = commands.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SysrootError(
            "the new root's files could not be given to one owner",
            cause=done.stderr.strip().partition("\n")[0],
            step="check that the cache folder is on a local file system (ext4, xfs, btrfs)",
        )
