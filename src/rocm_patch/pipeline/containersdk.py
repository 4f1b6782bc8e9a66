"""An image with ROCm in it (`--sdk container:IMAGE@sha256:DIGEST`), run by podman or docker.

Every command runs in a fresh container: no network, the image's files read-only, the build's
folders mounted where the sysroot has them. Knows argument lists; nothing of images' contents
but that AMD's have ROCm in /opt/rocm.
"""

from __future__ import annotations

import functools
import os
import shutil
from collections.abc import Callable, Mapping, Sequence

import attrs

from rocm_patch import commands
from rocm_patch.errors import SysrootError
from rocm_patch.pipeline.hostsdk import SYSTEM_LIBRARIES
from rocm_patch.pipeline.lock import RUN_VARIABLE
from rocm_patch.pipeline.model import Estimate
from rocm_patch.pipeline.sdkbase import Mount

#: In the order of preference: podman needs no daemon and no root.
ENGINES = ("podman", "docker")


@attrs.frozen
class ContainerSdk:
    """An image, named by digest."""

    image: str
    rocm_path: str = "/opt/rocm"
    llvm_bin: str = "/opt/rocm/lib/llvm/bin"

    kind = "container"
    files = None
    packages = None

    @property
    def lib_folders(self) -> Sequence[str]:
        """Give the system's folders, then ROCm's and its LLVM's."""
        return (*SYSTEM_LIBRARIES, f"{self.rocm_path}/lib", f"{self.rocm_path}/lib/llvm/lib")

    @property
    def tools(self) -> Sequence[str]:
        """Give the container program that is there; podman where there is none, to be asked for."""
        return (engine(),)

    def describe(self) -> Mapping[str, str]:
        """Give the image's digest, which names every byte in it."""
        return {"kind": "container", "image": self.image.rpartition("@")[2]}

    def cost(self) -> Estimate:
        """Give nothing: the size is known to its registry only."""
        return Estimate()

    def prepare(self, say: Callable[[str], None]) -> None:
        """Fetch the image unless it is here. SysrootError with what the container program said."""
        program = engine()
        if _succeeds([program, "image", "inspect", self.image]):
            return
        say(f"container: {program} fetches {self.image}")
        done = commands.run([program, "pull", self.image], capture_output=True, text=True)
        if done.returncode != 0:
            raise SysrootError(
                f"{program} could not fetch {self.image}",
                cause="it said what is listed below",
                step=f"run by hand: {program} pull {self.image}; or load the image from a file: "
                f"{program} load --input FILE",
                detail=(done.stdout + done.stderr).splitlines()[-5:],
            )

    def seen(self, mount: Mount) -> str:
        """Give the path inside."""
        return mount.inside

    def command(
        self, argv: Sequence[str], *, mounts: Sequence[Mount], env: Mapping[str, str], cwd: str
    ) -> list[str]:
        """Run in a fresh container that is removed afterwards; what it writes is the caller's."""
        program = engine()
        line = [program, "run", "--rm", "--init", "--network=none", "--pull=never", "--read-only"]
        # Tools that write programs and run them (CMake's checks) do so here.
        line += ["--tmpfs=/tmp:rw,exec,mode=1777", "--entrypoint=", f"--workdir={cwd}"]
        # The folders are the caller's own; relabelling them for SELinux would change them for others.
        line += ["--security-opt=label=disable", *_user(program)]
        for mount in mounts:
            line += ["--volume", f"{mount.outside}:{mount.inside}:{'rw' if mount.write else 'ro'}"]
        path = f"{self.rocm_path}/bin:{self.llvm_bin}:/usr/local/bin:/usr/bin:/bin"
        given = {"PATH": path, "HOME": "/tmp", "LC_ALL": "C.UTF-8", "TZ": "UTC", **env}  # noqa: S108  its own
        # A container outlives a program that is killed: by this mark the next run finds and ends it.
        if RUN_VARIABLE in os.environ:
            given[RUN_VARIABLE] = os.environ[RUN_VARIABLE]
        for name, value in given.items():
            line += ["--env", f"{name}={value}"]
        return [*line, self.image, *argv]


def engine() -> str:
    """Give the container program that is there; podman where there is none."""
    return next((name for name in ENGINES if shutil.which(name)), ENGINES[0])


def _user(program: str) -> list[str]:
    """Give the words by which files that are made inside belong to the caller."""
    own = f"--user={os.getuid()}:{os.getgid()}"
    if program == "podman":
        # Without root, podman gives the caller's id to itself inside; root's containers have none to give.
        return ["--userns=keep-id", own] if os.geteuid() != 0 else [own]
    # Where docker's daemon is the caller's own, root inside is the caller outside.
    return ["--user=0:0"] if _rootless_docker() else [own]


@functools.cache
def _rootless_docker() -> bool:
    done = commands.run(
        ["docker", "info", "--format", "{{.SecurityOptions}}"], capture_output=True, text=True
    )
    return bool(done.returncode == 0 and "name=rootless" in done.stdout)


def _succeeds(argv: Sequence[str]) -> bool:
    return bool(commands.run(argv, capture_output=True, text=True).returncode == 0)
