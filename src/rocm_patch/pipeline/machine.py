"""What this machine has: cores, memory, disk, programs; and how much of it a build may take.

Knows no step; the numbers asked for come from the estimates.
"""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
from collections.abc import Sequence
from pathlib import Path

import psutil

from rocm_patch.errors import DiskSpaceError, MissingToolError
from rocm_patch.paths import data_root

#: Bytes that the largest objects of PyTorch take to compile (tensorexpr_init: 2.1 GB, measured).
JOB_BYTES = 2_200_000_000
#: Bytes left free beyond the estimate: logs, temporary files of compilers.
_SPARE_BYTES = 1_000_000_000
_GIB = 1 << 30


def cores(cgroup: Path = Path("/sys/fs/cgroup")) -> int:
    """Give the cores this process may use: its affinity, cut by its cgroup's quota."""
    count = len(os.sched_getaffinity(0))
    with contextlib.suppress(OSError, ValueError):
        quota, period = (cgroup / "cpu.max").read_text().split()
        count = min(count, max(1, int(quota) // int(period)))
    return count


def available_memory(cgroup: Path = Path("/sys/fs/cgroup")) -> int:
    """Give the bytes of memory that can still be had, cut by the cgroup's limit."""
    free = int(psutil.virtual_memory().available)
    with contextlib.suppress(OSError, ValueError):
        limit = int((cgroup / "memory.max").read_text())
        used = int((cgroup / "memory.current").read_text())
        free = min(free, max(0, limit - used))
    return free


def default_jobs(core_count: int, memory: int, *, job_bytes: int = JOB_BYTES) -> int:
    """Give how many compilers may run at once: one a core, as far as memory reaches, at least one."""
    return max(1, min(core_count, memory // job_bytes))


def describe() -> str:
    """Give this machine in one line, for records."""
    model = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    return f"{model}, {cores()} cores, {psutil.virtual_memory().total / _GIB:.1f} GiB"


def check_disk(folder: Path, need: int) -> int:
    """Make sure that `need` bytes fit where a folder is or will be. DiskSpaceError. Gives what is free."""
    place = folder
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if need and free < need + _SPARE_BYTES:
        raise DiskSpaceError(
            f"not enough room in {folder}",
            cause=f"{need / 1e9:.1f} GB are needed and 1 GB to spare, {free / 1e9:.1f} GB are free",
            step="make room, or set ROCM_PATCH_CACHE to a folder on a larger disk",
        )
    return free


def packages_file() -> Path:
    """Give the data file that names the Debian package of each program."""
    return data_root() / "build" / "debian-packages.txt"


def package_of(program: str) -> str:
    """Give the Debian package that holds a program; the program's own name where none is listed."""
    for line in packages_file().read_text().splitlines():
        package, colon, rest = line.partition(":")
        if colon and not line.startswith("#") and program in rest.partition(" - ")[0].split():
            return package.strip()
    return program


def check_tools(programs: Sequence[str]) -> None:
    """Make sure that programs are there. MissingToolError gives one command that installs all that lack."""
    missing = [name for name in dict.fromkeys(programs) if shutil.which(name) is None]
    if not missing:
        return
    packages = " ".join(sorted({package_of(name) for name in missing}))
    root = "" if os.geteuid() == 0 else "sudo "
    raise MissingToolError(
        f"missing on this machine: {', '.join(missing)}",
        cause="the build calls them, and they are not in PATH",
        step=f"{root}apt-get install --yes {packages}",
    )
