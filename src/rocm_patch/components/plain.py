"""Libraries that are built with the common steps alone: MIOpen and rocSOLVER.

Versions and hashes are in recipes/<library>/conandata.yml; flags, and what is special, in build.yml.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rocm_patch.components.library import LibraryBuild
from rocm_patch.components.packing import delivery_step
from rocm_patch.pipeline.model import Request, Step


class PlainLibrary:
    """Such a component; see rocm_patch.pipeline.model.Component."""

    name = ""
    #: The SDK that has what it needs.
    sdk = "sysroot"

    def default_sdk(self, flavour: str) -> str:
        """Give the same SDK for every flavour: there is one."""
        del flavour
        return self.sdk

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


class MIOpen(PlainLibrary):
    """For cards that Composable Kernel leaves out; its lock has what Debian's own is built with."""

    name = "miopen"
    sdk = "sysroot:rocm-6.4-libraries"


class RocSolver(PlainLibrary):
    """Cholesky, LU, QR and eigenvalues, in order on cards with wavefronts of 32."""

    name = "rocsolver"
