"""MIOpen's steps: the library for cards that Composable Kernel leaves out.

Versions and hashes are in recipes/miopen/conandata.yml, flags in build.yml. What it needs of Debian
is in the lock rocm-6.4-libraries.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rocm_patch.components.library import LibraryBuild
from rocm_patch.components.packing import delivery_step
from rocm_patch.pipeline.model import Request, Step


class MIOpen:
    """The component; see rocm_patch.pipeline.model.Component."""

    name = "miopen"

    def default_sdk(self, flavour: str) -> str:
        """Give the lock that has what Debian's own MIOpen is built with."""
        del flavour
        return "sysroot:rocm-6.4-libraries"

    def steps(self, request: Request, folder: Path) -> Sequence[Step]:
        """Give the steps in order; reads data files only."""
        build = LibraryBuild(request, folder)
        return [
            *build.source_steps(),
            *build.compile_steps(["series"]),
            *build.product_steps("install"),
            delivery_step(build),
        ]

    def products(self, request: Request, folder: Path) -> Sequence[Path]:
        """Give the archive of the product and the audit's summary."""
        stem = LibraryBuild(request, folder).stem
        return [folder / "delivery" / f"{stem}.tar.xz", *sorted((folder / "audit").glob("*.json"))]
