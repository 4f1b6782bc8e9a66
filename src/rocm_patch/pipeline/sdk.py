"""Where compilers run, behind one interface: our sysroot, an installed ROCm, a container.

Each turns an argument list into the host's argument list, tells by which path a folder
is seen inside, and describes itself so that its description can be hashed. Knows
nothing of components.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import attrs

from rocm_patch.errors import SysrootError, UsageError
from rocm_patch.pipeline.digest import read_digest, text_digest
from rocm_patch.pipeline.lock import RUN_VARIABLE
from rocm_patch.pipeline.model import Estimate
from rocm_patch.sysroot import Bind, Lock, Sysroot, load_lock
from rocm_patch.sysroot.core import RECORD, root_key, sysroots_folder
from rocm_patch.sysroot.make import create

_DIGEST_RE = re.compile(r"@sha256:[0-9a-f]{64}$")


@attrs.frozen
class Mount:
    """A folder that a program inside may see: `outside` here, `inside` there, written to or only read."""

    outside: Path
    inside: str
    write: bool = False


class Sdk(Protocol):
    """An environment with ROCm's compilers and libraries."""

    @property
    def rocm_path(self) -> str:
        """Give where ROCm lies, by the path inside."""
        ...

    @property
    def llvm_bin(self) -> str:
        """Give the folder of ROCm's clang, by the path inside."""
        ...

    @property
    def tools(self) -> Sequence[str]:
        """Give the programs of this machine that entering it calls."""
        ...

    def describe(self) -> Mapping[str, str]:
        """Say what this environment is; equal descriptions give equal objects."""
        ...

    def seen(self, mount: Mount) -> str:
        """Give the path by which programs inside see a mounted folder."""
        ...

    def command(
        self, argv: Sequence[str], *, mounts: Sequence[Mount], env: Mapping[str, str], cwd: str
    ) -> list[str]:
        """Give the argument list that runs `argv` inside without network; paths are those inside."""
        ...


def digest(sdk: Sdk) -> str:
    """Name an environment by the hash of its description."""
    return text_digest(dict(sdk.describe()))


@attrs.frozen
class SysrootSdk:
    """The locked Debian root (the default). It is opened when a command is first asked for."""

    lock: str | None = None
    rocm_path: str = "/usr"
    llvm_bin: str = "/usr/lib/llvm-21/bin"
    tools: Sequence[str] = ()

    def describe(self) -> Mapping[str, str]:
        """Give the lock's hash; a root named by $ROCM_PATCH_SYSROOT is described by its package list."""
        override = os.environ.get("ROCM_PATCH_SYSROOT")
        if override:
            status = Path(override) / "var/lib/dpkg/status"
            if not status.is_file():
                raise SysrootError(
                    f"{override} is no Debian root",
                    cause=f"{status} is missing",
                    step="unset ROCM_PATCH_SYSROOT",
                )
            return {"kind": "sysroot", "packages": read_digest(status)}
        return {"kind": "sysroot", "lock": self._lock().digest}

    def seen(self, mount: Mount) -> str:
        """Give the path inside."""
        return mount.inside

    def cost(self) -> Estimate:
        """Say what making the root would fetch and take; nothing where it is made."""
        if os.environ.get("ROCM_PATCH_SYSROOT") or self._made():
            return Estimate()
        lock = self._lock()
        # Packages unpack to about four times their size, and are kept.
        return Estimate(fetch=lock.size, disk=5 * lock.size, seconds=120)

    def prepare(self, say: Callable[[str], None]) -> None:
        """Make the root unless it is made. SourceError, SysrootError, DiskSpaceError."""
        if os.environ.get("ROCM_PATCH_SYSROOT"):
            return

        def report(step: str, fraction: float) -> None:
            say(f"sysroot: {step} {fraction:.0%}")

        create(self._lock(), report=report, on_wait=lambda: say("sysroot: another run makes it; waiting"))

    def _lock(self) -> Lock:
        return load_lock(self.lock) if self.lock else load_lock()

    def _made(self) -> bool:
        return (sysroots_folder() / root_key(self._lock()) / RECORD).is_file()

    def command(
        self, argv: Sequence[str], *, mounts: Sequence[Mount], env: Mapping[str, str], cwd: str
    ) -> list[str]:
        """Enter the root. SysrootError where it is not made or cannot be entered."""
        root = Sysroot.open(self.lock)
        binds = [Bind(mount.outside, mount.inside, "rw" if mount.write else "ro") for mount in mounts]
        return root.command(argv, binds=binds, env=env, cwd=cwd)


@attrs.frozen
class HostSdk:
    """A ROCm installed on this machine. Its compilers run here as they are: nothing is mounted.

    Without a sandbox the network is whatever the machine's is.
    """

    rocm: Path
    tools: Sequence[str] = ("cmake", "ninja", "g++")

    @property
    def rocm_path(self) -> str:
        """Give the folder as text."""
        return str(self.rocm)

    @property
    def llvm_bin(self) -> str:
        """Give AMD's place for clang."""
        return f"{self.rocm}/lib/llvm/bin"

    def describe(self) -> Mapping[str, str]:
        """Give ROCm's version file and the hashes of its compiler and HIP runtime."""
        version = self.rocm / ".info" / "version"
        if not version.is_file():
            raise SysrootError(
                f"no ROCm in {self.rocm}",
                cause=f"{version} is missing",
                step="name an installed ROCm, such as --sdk host:/opt/rocm-6.4.3, or give --sdk sysroot",
            )
        told = {"kind": "host", "rocm": version.read_text().strip()}
        for name in ("lib/llvm/bin/clang", "lib/libamdhip64.so"):
            path = self.rocm / name
            told[name] = read_digest(path) if path.is_file() else "absent"
        return told

    def seen(self, mount: Mount) -> str:
        """Give the path here: there is no inside."""
        return str(mount.outside)

    def command(
        self, argv: Sequence[str], *, mounts: Sequence[Mount], env: Mapping[str, str], cwd: str
    ) -> list[str]:
        """Run with a clean environment in `cwd`, which must be a path here."""
        del mounts
        base = {"HOME": os.environ.get("HOME", "/"), "LC_ALL": "C.UTF-8", "TZ": "UTC"}
        base["PATH"] = f"{self.rocm}/bin:{self.rocm}/lib/llvm/bin:/usr/local/bin:/usr/bin:/bin"
        settings = [f"{name}={value}" for name, value in {**base, **env}.items()]
        # The mark by which leftovers of a killed run are found survives the clean environment.
        if RUN_VARIABLE in os.environ:
            settings.append(f"{RUN_VARIABLE}={os.environ[RUN_VARIABLE]}")
        return ["env", "--ignore-environment", "--chdir", cwd, *settings, *argv]


@attrs.frozen
class ContainerSdk:
    """An image with ROCm in it, named by digest, run by podman or docker."""

    image: str
    rocm_path: str = "/opt/rocm"
    llvm_bin: str = "/opt/rocm/lib/llvm/bin"

    @property
    def tools(self) -> Sequence[str]:
        """Give the container program that is there; podman where there is none, to be asked for."""
        return (self._program(),)

    def describe(self) -> Mapping[str, str]:
        """Give the image's digest, which names every byte in it."""
        return {"kind": "container", "image": self.image.rpartition("@")[2]}

    def seen(self, mount: Mount) -> str:
        """Give the path inside."""
        return mount.inside

    def command(
        self, argv: Sequence[str], *, mounts: Sequence[Mount], env: Mapping[str, str], cwd: str
    ) -> list[str]:
        """Run in a fresh container without network that is removed afterwards; files stay the caller's."""
        program = self._program()
        line = [program, "run", "--rm", "--init", "--network=none", "--workdir", cwd]
        line += ["--userns=keep-id"] if program == "podman" else [f"--user={os.getuid()}:{os.getgid()}"]
        for mount in mounts:
            line += ["--volume", f"{mount.outside}:{mount.inside}:{'rw' if mount.write else 'ro'}"]
        for name, value in env.items():
            line += ["--env", f"{name}={value}"]
        return [*line, self.image, *argv]

    def _program(self) -> str:
        return next((name for name in ("podman", "docker") if shutil.which(name)), "podman")


def sdk_of(text: str) -> Sdk:
    """Read `sysroot`, `sysroot:LOCK`, `host:FOLDER` or `container:IMAGE@sha256:...`. UsageError."""
    kind, _, rest = text.partition(":")
    if kind == "sysroot":
        return SysrootSdk(lock=rest or None)
    if kind == "host" and rest.startswith("/"):
        return HostSdk(Path(rest))
    if kind == "container" and rest:
        if _DIGEST_RE.search(rest) is None:
            raise UsageError(
                f"the image {rest} is not named by digest",
                cause="a tag can point to other bytes tomorrow",
                step="give NAME@sha256:DIGEST, as `podman image inspect --format {{.Digest}} NAME` prints it",
            )
        return ContainerSdk(rest)
    raise UsageError(
        f"there is no SDK {text}", step="one of: sysroot, host:/opt/rocm-6.4.3, container:IMAGE@sha256:DIGEST"
    )
