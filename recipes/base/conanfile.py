"""What our recipes have in common; they name it as python_requires.

Conan copies a recipe before it runs it, so that a file beside it cannot be imported; a
python_requires can. It must be exported before them: `rocm-patch build` does it, by hand it is
`conan export recipes/base`.
"""

import sys
from pathlib import Path

from conan import ConanFile


class Base(ConanFile):
    """The package that carries the classes below; it holds no file."""

    name = "rocm-patch-base"
    version = "1.0"
    license = "MIT"
    description = "What rocm-patch's recipes have in common"
    package_type = "python-require"


class Door:
    """The way from a recipe to the code of the checkout that `user.rocm_patch:root` names."""

    def _door(self):
        root = self.conf.get("user.rocm_patch:root")
        if root:
            sys.path.insert(0, str(Path(root) / "src"))
        from rocm_patch.pipeline import door  # noqa: PLC0415 - findable only now

        return door


class Component(Door):
    """One version of a component for one gfx target, made by rocm_patch.pipeline in an SDK.

    The package id follows from the settings, target, Python, series, the key of all steps'
    inputs and the SDK's package id; compile state lives in rocm-patch's own cache, so that a
    killed build goes on where it was.
    """

    package_type = "unknown"
    settings = "os", "arch", "compiler", "build_type"
    options = {
        "target": ["ANY"],
        "python": ["ANY"],
        "sdk": ["ANY"],
        "rocm": ["ANY"],
        "series": ["ANY", None],
        "inputs": ["ANY", None],
    }
    default_options = {
        "target": "gfx1010",
        "python": "3.13",
        "sdk": "sysroot",
        "rocm": "6.4.3",
        "series": None,
        "inputs": None,
    }

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
        # The code that a recipe runs decides nothing that the steps' inputs do not name.
        self.info.python_requires.unrelated_mode()

    def build(self):
        """Run every step that is not done."""
        self._door().build(self)

    def package(self):
        """Take the products and the records."""
        self._door().package(self)
