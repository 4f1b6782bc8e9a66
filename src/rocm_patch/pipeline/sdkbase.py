"""The interface of an environment with ROCm's compilers, whichever kind it is.

Knows no kind of SDK and no component.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import attrs

from rocm_patch.pipeline.digest import text_digest
from rocm_patch.pipeline.model import Estimate
from rocm_patch.sysroot import Lock


@attrs.frozen
class Mount:
    """A folder that a program inside may see: `outside` here, `inside` there, written to or only read."""

    outside: Path
    inside: str
    write: bool = False


class Sdk(Protocol):
    """An environment with ROCm's compilers and libraries."""

    @property
    def kind(self) -> str:
        """Give the word of --sdk: sysroot, host or container."""
        ...

    @property
    def rocm_path(self) -> str:
        """Give where ROCm lies, by the path inside."""
        ...

    @property
    def llvm_bin(self) -> str:
        """Give the folder of ROCm's clang, by the path inside."""
        ...

    @property
    def lib_folders(self) -> Sequence[str]:
        """Give the folders of libraries, by their paths inside, in the order in which they are searched."""
        ...

    @property
    def files(self) -> Path | None:
        """Give the folder of this machine below which its files lie; None where they are not here.

        SysrootError where they should be and are not.
        """
        ...

    @property
    def packages(self) -> Lock | None:
        """Give the lock that names every package in it; None where it has to be looked at."""
        ...

    @property
    def tools(self) -> Sequence[str]:
        """Give the programs of this machine that entering it calls."""
        ...

    def describe(self) -> Mapping[str, str]:
        """Say what this environment is; equal descriptions give equal objects."""
        ...

    def cost(self) -> Estimate:
        """Say what making it ready would fetch and take, as far as that is known before."""
        ...

    def prepare(self, say: Callable[[str], None]) -> None:
        """Make it ready to be entered: made, or fetched. An explained error where that fails."""
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
