"""Where compilers run, behind one interface: our sysroot, an installed ROCm, a container.

Each turns an argument list into the host's argument list, tells by which path a folder
is seen inside, and describes itself so that its description can be hashed. Knows
nothing of components.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import attrs

from rocm_patch.errors import SysrootError, UsageError
from rocm_patch.pipeline.containersdk import ContainerSdk
from rocm_patch.pipeline.digest import read_digest
from rocm_patch.pipeline.hostsdk import SYSTEM_LIBRARIES, HostSdk
from rocm_patch.pipeline.model import Estimate
from rocm_patch.pipeline.sdkbase import Mount, Sdk, digest
from rocm_patch.sysroot import Bind, Lock, Sysroot, load_lock
from rocm_patch.sysroot.core import RECORD, root_key, sysroots_folder
from rocm_patch.sysroot.make import create

__all__ = ["ContainerSdk", "HostSdk", "Mount", "Sdk", "SysrootSdk", "digest", "sdk_of"]

_DIGEST_RE = re.compile(r"@sha256:[0-9a-f]{64}$")


@attrs.frozen
class SysrootSdk:
    """The locked Debian root (the default). It is opened when a command is first asked for."""

    lock: str | None = None
    rocm_path: str = "/usr"
    llvm_bin: str = "/usr/lib/llvm-21/bin"
    tools: Sequence[str] = ()

    kind = "sysroot"
    lib_folders = (*SYSTEM_LIBRARIES, "/usr/lib/llvm-21/lib")

    @property
    def files(self) -> Path:
        """Give the root. SysrootError where it is not made."""
        return Sysroot.open(self.lock).path

    @property
    def packages(self) -> Lock:
        """Give the root's lock."""
        return load_lock(self.lock) if self.lock else load_lock()

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
        return {"kind": "sysroot", "lock": self.packages.digest}

    def seen(self, mount: Mount) -> str:
        """Give the path inside."""
        return mount.inside

    def cost(self) -> Estimate:
        """Say what making the root would fetch and take; nothing where it is made."""
        if os.environ.get("ROCM_PATCH_SYSROOT") or self._made():
            return Estimate()
        lock = self.packages
        # Packages unpack to about four times their size, and are kept.
        return Estimate(fetch=lock.size, disk=5 * lock.size, seconds=120)

    def prepare(self, say: Callable[[str], None]) -> None:
        """Make the root unless it is made. SourceError, SysrootError, DiskSpaceError."""
        if os.environ.get("ROCM_PATCH_SYSROOT"):
            return

        def report(step: str, fraction: float) -> None:
            say(f"sysroot: {step} {fraction:.0%}")

        create(self.packages, report=report, on_wait=lambda: say("sysroot: another run makes it; waiting"))

    def _made(self) -> bool:
        return (sysroots_folder() / root_key(self.packages) / RECORD).is_file()

    def command(
        self, argv: Sequence[str], *, mounts: Sequence[Mount], env: Mapping[str, str], cwd: str
    ) -> list[str]:
        """Enter the root. SysrootError where it is not made or cannot be entered."""
        root = Sysroot.open(self.lock)
        binds = [Bind(mount.outside, mount.inside, "rw" if mount.write else "ro") for mount in mounts]
        return root.command(argv, binds=binds, env=env, cwd=cwd)


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
