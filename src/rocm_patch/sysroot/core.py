"""A made sysroot and the ways to run a command in it.

This is the part that the pipeline and the tests use: `Sysroot.open(lock)`, then
`command(...)` for an argument list or `run(...)`. Knows nothing of how a root is
made or checked.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, Literal

import attrs

from rocm_patch import commands
from rocm_patch.errors import SysrootError
from rocm_patch.paths import cache_root
from rocm_patch.sysroot import fixups, mounts
from rocm_patch.sysroot.lock import DEFAULT_NAME, Lock, load_lock
from rocm_patch.sysroot.mounts import Bind

Backend = Literal["bwrap", "nsexec"]

#: Written last into a finished root: the lock, the fix-ups, when and how it was made.
RECORD = "etc/rocm-patch-sysroot.json"
#: Changes when a root is made differently from the same packages.
WAY = 1
_NSEXEC = Path(__file__).with_name("nsexec.py")
_TRY_SECONDS = 20


def sysroots_folder() -> Path:
    """Give the cache folder that holds the made sysroots."""
    return cache_root() / "sysroots"


@attrs.frozen
class Sysroot:
    """A Debian root that is complete and may be entered; it is never written to."""

    path: Path
    lock: Lock | None = None
    #: Top-level folders that commands find empty.
    hollow: frozenset[str] = mounts.HOLLOW

    @classmethod
    def open(cls, lock: Lock | str | Path | None = None) -> Sysroot:
        """Open the made root of a lock (by default the project's); SysrootError when it is not made.

        $ROCM_PATCH_SYSROOT names an existing root to use in its place.
        """
        override = os.environ.get("ROCM_PATCH_SYSROOT")
        if override:
            return cls.at(Path(override))
        locked = lock if isinstance(lock, Lock) else load_lock(lock or DEFAULT_NAME)
        path = sysroots_folder() / root_key(locked)
        if not (path / RECORD).is_file():
            raise SysrootError(
                f"the sysroot {locked.name} is not made yet",
                cause=f"{path} does not exist",
                step="make it with: rocm-patch sysroot create",
            )
        return cls(path=path, lock=locked)

    @classmethod
    def at(cls, path: Path) -> Sysroot:
        """Open any Debian root by its path; SysrootError when it is none."""
        mounts.root_arguments(path)
        return cls(path=path.resolve())

    @classmethod
    def here(cls) -> Sysroot:
        """Take this machine's own / for a root: all of it is seen, what lies in /opt and /home too."""
        return cls(path=Path("/"), hollow=frozenset())

    def record(self) -> dict[str, Any]:
        """Give what was written down when the root was made; empty for a root made by other means."""
        file = self.path / RECORD
        if not file.is_file():
            return {}
        record = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(record, dict):
            raise SysrootError(f"{file} is not a sysroot record", step="make the sysroot again")
        return record

    def command(
        self,
        argv: Sequence[str],
        *,
        binds: Sequence[Bind] = (),
        env: Mapping[str, str] | None = None,
        cwd: str = "/",
        network: bool = False,
        backend: Backend | None = None,
        overlay: Path | None = None,
    ) -> list[str]:
        """Give the host's argument list that runs `argv` inside, as root of its own small world.

        Read-only but for writable `binds`, /tmp, /run and /dev/shm; own pid, ipc and
        (unless `network`) network namespace with the loopback up; a clean environment
        (`mounts.BASE_ENV`, SOURCE_DATE_EPOCH, `env`). Everything inside is killed when
        the thread that started the command ends, so keep that thread waiting.
        `overlay` is an empty folder that takes changes to the whole root
        (experiments); the root itself stays as it is.
        """
        chosen: Backend = "nsexec" if overlay is not None else backend or choose_backend()
        options = ["--die-with-parent", "--unshare-pid", "--unshare-ipc", "--unshare-uts"]
        if os.geteuid() != 0:
            options += ["--unshare-user"]
        if os.geteuid() != 0 and chosen == "bwrap":
            options += ["--uid", "0", "--gid", "0"]
        if not network:
            options += ["--unshare-net"]
        every = [*self._network_files(), *binds] if network else list(binds)
        if overlay is None:
            replaced = mounts.replaced_top_levels(every)
            options += mounts.root_arguments(self.path, skip=replaced, hollow=self.hollow)
            options += mounts.bind_arguments(self.path, every, hollow=self.hollow)
            options += ["--remount-ro", "/"]
        else:
            options += self._overlay_arguments(overlay)
            options += mounts.bind_arguments(self.path, every)
        options += mounts.environment_arguments(env or {}, os.environ)
        options += ["--chdir", cwd, "--", *argv]
        return [*program(chosen), *options]

    def _network_files(self) -> list[Bind]:
        """Give the binds that make names resolve inside as they do outside."""
        names = ("resolv.conf", "hosts")
        pairs = ((Path("/etc") / name, self.path / "etc" / name) for name in names)
        return [
            Bind(out, f"/etc/{out.name}", "ro") for out, inside in pairs if out.exists() and inside.exists()
        ]

    def _overlay_arguments(self, overlay: Path) -> list[str]:
        """Give the mounts of a writable view whose changes stay below `overlay`."""
        upper, work = overlay / "upper", overlay / "work"
        for folder in (upper, work):
            folder.mkdir(parents=True, exist_ok=True)
        arguments = ["--overlay-root", str(self.path), str(upper), str(work)]
        arguments += ["--dev", "/dev", "--proc", "/proc"]
        return [*arguments, "--tmpfs", "/run", "--tmpfs", "/tmp"]  # noqa: S108  the inside's own

    def run(
        self,
        argv: Sequence[str],
        *,
        binds: Sequence[Bind] = (),
        env: Mapping[str, str] | None = None,
        cwd: str = "/",
        network: bool = False,
        check: bool = True,
        timeout: float | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run `argv` inside and give its exit code and output; SysrootError on failure when `check`."""
        command = self.command(argv, binds=binds, env=env, cwd=cwd, network=network)
        try:
            done = commands.run(command, capture_output=True, text=True, check=False, timeout=timeout)
        except subprocess.TimeoutExpired as error:
            raise SysrootError(
                f"{argv[0]} was still running in the sysroot after {timeout} s", step="allow it more time"
            ) from error
        if check and done.returncode != 0:
            raise SysrootError(
                f"{argv[0]} failed in the sysroot with exit code {done.returncode}",
                detail=(done.stdout + done.stderr).splitlines()[-20:],
            )
        return done

    def call(
        self,
        argv: Sequence[str],
        *,
        binds: Sequence[Bind] = (),
        env: Mapping[str, str] | None = None,
        cwd: str = "/",
        network: bool = False,
        overlay: Path | None = None,
    ) -> int:
        """Run `argv` on the caller's terminal; give its exit code, 128 + N after signal N.

        SIGTERM and SIGHUP sent to this process reach the command.
        """
        command = self.command(argv, binds=binds, env=env, cwd=cwd, network=network, overlay=overlay)
        with commands.recorded(command) as entry:
            entry.code = _call(command)
        return entry.code


def program(backend: Backend) -> list[str]:
    """Give the beginning of the argument list."""
    return ["bwrap"] if backend == "bwrap" else [sys.executable, "-I", str(_NSEXEC)]


def root_key(lock: Lock) -> str:
    """Give the folder name of a lock's root: 16 hex digits of the hash of all that shapes it.

    That is the packages, the paths left out, the fix-ups and the way of making a root.
    """
    parts = (f"way {WAY}", lock.digest, " ".join(lock.exclude), fixups.digest(lock))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


@functools.cache
def choose_backend() -> Backend:
    """Give bwrap where it works, else this package's own means; SysrootError when neither may be used."""
    tried: list[str] = []
    for backend in ("bwrap", "nsexec"):
        problem = probe(backend)
        if problem is None:
            return backend
        tried.append(f"{backend}: {problem}")
    raise SysrootError(
        "this machine lets no command into a sysroot",
        cause="neither bubblewrap nor user namespaces may be used",
        step="as root: apt-get install bubblewrap; where AppArmor forbids user namespaces: "
        "sysctl kernel.apparmor_restrict_unprivileged_userns=0; in a container: start it with "
        "--security-opt seccomp=unconfined --security-opt systempaths=unconfined",
        detail=tried,
    )


def probe(backend: Backend) -> str | None:
    """Try a way in on the host's own files; None when it works, else what it said."""
    if backend == "bwrap" and shutil.which("bwrap") is None:
        return "not installed"
    options = ["--die-with-parent", "--unshare-pid", "--unshare-net"]
    if os.geteuid() != 0:
        options += ["--unshare-user"]
    for name in ("usr", "bin", "lib", "lib64"):
        place = Path("/") / name
        if place.is_symlink():
            options += ["--symlink", str(place.readlink()), str(place)]
        elif place.is_dir():
            options += ["--ro-bind", str(place), str(place)]
    options += ["--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp"]  # noqa: S108  the inside's own
    command = [*program(backend), *options, "--", "/usr/bin/env", "true"]
    try:
        done = commands.run(command, capture_output=True, text=True, check=False, timeout=_TRY_SECONDS)
    except subprocess.TimeoutExpired:
        return f"did not end within {_TRY_SECONDS} s"
    if done.returncode == 0:
        return None
    return done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"exit code {done.returncode}"


def _call(command: list[str]) -> int:
    """Run a command on the terminal, passing SIGTERM and SIGHUP to the innermost process."""
    with subprocess.Popen(command) as process:

        def forward(number: int, frame: FrameType | None) -> None:
            del frame
            for pid in _receivers(process.pid, bwrap=command[0] == "bwrap"):
                os.kill(pid, number)

        old = {number: signal.signal(number, forward) for number in (signal.SIGTERM, signal.SIGHUP)}
        # The terminal sends Ctrl-C to the command as well: it decides, and its code is ours.
        old[signal.SIGINT] = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            code = process.wait()
        finally:
            for number, handler in old.items():
                signal.signal(number, handler)
    return code if code >= 0 else 128 - code


def _receivers(pid: int, *, bwrap: bool) -> list[int]:
    """Give who must get a signal: nsexec itself, or what bwrap's process 1 has started."""
    if not bwrap:
        return [pid]
    first = _children(pid)
    return [grandchild for child in first for grandchild in _children(child)] or first or [pid]


def _children(pid: int) -> list[int]:
    """Give a process's children, from /proc; none when it has ended."""
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    except OSError:
        return []
    return [int(word) for word in text.split()]
