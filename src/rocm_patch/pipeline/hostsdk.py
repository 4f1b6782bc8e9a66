"""A ROCm that is installed on this machine (`--sdk host:/opt/rocm-6.4.3`).

Its programs run in this machine's own files, read-only and without network, with the build's
folders mounted where the sysroot has them: so the command lines, and what a compiler cache
knows, are those of every other machine. What else must be installed is the component's to say.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import attrs

from rocm_patch.errors import SysrootError
from rocm_patch.pipeline.digest import read_digest
from rocm_patch.pipeline.model import Estimate
from rocm_patch.pipeline.sdkbase import Mount
from rocm_patch.sysroot import Bind, Sysroot

#: Where Debian and Ubuntu have the libraries of every package.
SYSTEM_LIBRARIES = ("/usr/lib/x86_64-linux-gnu", "/usr/lib")
#: Folders of this machine that a command inside does not see: it has empty ones of its own.
_HIDDEN = frozenset({"tmp", "run", "dev", "proc", "sys"})


@attrs.frozen
class HostSdk:
    """The ROCm below a folder of this machine."""

    rocm: Path
    #: bubblewrap where it is there, else our own means: see rocm_patch.sysroot.core.choose_backend.
    tools: Sequence[str] = ()

    kind = "host"
    files = Path("/")
    packages = None

    @property
    def rocm_path(self) -> str:
        """Give the folder, links followed: a mount below a link would not be found."""
        return str(self.rocm.resolve())

    @property
    def llvm_bin(self) -> str:
        """Give AMD's place for clang."""
        return f"{self.rocm_path}/lib/llvm/bin"

    @property
    def lib_folders(self) -> Sequence[str]:
        """Give the system's folders, then ROCm's and its LLVM's."""
        return (*SYSTEM_LIBRARIES, f"{self.rocm_path}/lib", f"{self.rocm_path}/lib/llvm/lib")

    def describe(self) -> Mapping[str, str]:
        """Give ROCm's version file, the hashes of its compiler and HIP runtime, and the distribution."""
        version = self.rocm / ".info" / "version"
        if not version.is_file():
            raise SysrootError(
                f"no ROCm in {self.rocm}",
                cause=f"{version} is missing",
                step="name an installed ROCm, such as --sdk host:/opt/rocm-6.4.3, or give --sdk sysroot",
            )
        told = {"kind": "host", "rocm": version.read_text(encoding="utf-8").strip(), "system": _system()}
        for name in ("lib/llvm/bin/clang", "lib/libamdhip64.so"):
            path = self.rocm / name
            told[name] = read_digest(path) if path.is_file() else "absent"
        return told

    def cost(self) -> Estimate:
        """Give nothing: it is there already."""
        return Estimate()

    def prepare(self, say: Callable[[str], None]) -> None:
        """Make sure that there is a ROCm. SysrootError."""
        del say
        self.describe()

    def seen(self, mount: Mount) -> str:
        """Give the path inside."""
        return mount.inside

    def command(
        self, argv: Sequence[str], *, mounts: Sequence[Mount], env: Mapping[str, str], cwd: str
    ) -> list[str]:
        """Enter this machine's own files. SysrootError where it lets nobody."""
        binds = [Bind(mount.outside, mount.inside, "rw" if mount.write else "ro") for mount in mounts]
        rocm = self.rocm_path
        if Path(rocm).parts[1] in _HIDDEN:
            binds.append(Bind(Path(rocm), rocm, "ro"))
        path = f"{rocm}/bin:{self.llvm_bin}:/usr/local/bin:/usr/bin:/bin"
        return Sysroot.here().command(argv, binds=binds, env={"PATH": path, "TZ": "UTC", **env}, cwd=cwd)


def _system() -> str:
    """Name this machine's distribution and its release."""
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return "unknown"
    return f"{release.get('ID', 'unknown')} {release.get('VERSION_ID', '')}".strip()
