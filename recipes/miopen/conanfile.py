"""MIOpen as a Conan package. The steps are rocm_patch.components.miopen's.

The package id follows from the settings, target, series, the key of all steps' inputs and the
SDK's package id; compile state lives in rocm-patch's own cache, so that a killed build goes on
where it was.
"""

import sys
from pathlib import Path

from conan import ConanFile


class MIOpen(ConanFile):
    """One version of MIOpen for one gfx target."""

    name = "miopen"
    description = "MIOpen with kernels that RDNA1 can run"
    license = "MIT"
    package_type = "unknown"
    settings = "os", "arch", "compiler", "build_type"
    options = {
        "target": ["ANY"],
        "python": ["ANY"],
        "sdk": ["ANY"],
        "rocm": ["ANY"],
        "flavour": ["whole"],
        "series": ["ANY", None],
        "inputs": ["ANY", None],
    }
    default_options = {
        "target": "gfx1010",
        "python": "3.13",
        "sdk": "sysroot",
        "rocm": "6.4.3",
        "flavour": "whole",
        "series": None,
        "inputs": None,
    }

    def _door(self):
        root = self.conf.get("user.rocm_patch:root")
        if root:
            sys.path.insert(0, str(Path(root) / "src"))
        from rocm_patch.pipeline import door  # noqa: PLC0415 - findable only now

        return door

    def requirements(self):
        """Compile in an SDK; its package id is part of ours."""
        self.requires(
            f"rocm-sdk/{self.options.rocm}",
            package_id_mode="full_package_mode",
            options={"sdk": str(self.options.sdk)},
            headers=False,
            libs=False,
        )

    def configure(self):
        """Fill in the hashes of what the steps read."""
        self._door().fill_options(self)

    def package_id(self):
        """Leave out what names the same thing twice."""
        # The SDK is named by its package id, whatever the way it was asked for.
        del self.info.options.sdk

    def build(self):
        """Run every step that is not done."""
        self._door().build(self)

    def package(self):
        """Take the products and the records."""
        self._door().package(self)
