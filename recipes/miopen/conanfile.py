"""MIOpen as a Conan package. The steps are rocm_patch.components.plain's."""

from conan import ConanFile


class MIOpen(ConanFile):
    """One version of MIOpen for one gfx target."""

    name = "miopen"
    description = "MIOpen with kernels that RDNA1 can run"
    license = "MIT"
    python_requires = "rocm-patch-base/1.0"
    python_requires_extend = "rocm-patch-base.Component"

    def init(self):
        """Add the flavour, of which MIOpen has one."""
        self.options.update({"flavour": ["whole"]}, {"flavour": "whole"})
