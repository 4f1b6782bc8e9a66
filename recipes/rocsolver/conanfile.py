"""rocSOLVER as a Conan package. The steps are rocm_patch.components.plain's."""

from conan import ConanFile


class RocSolver(ConanFile):
    """One version of rocSOLVER for one gfx target."""

    name = "rocsolver"
    description = "rocSOLVER whose kernels keep order on cards with wavefronts of 32"
    license = "BSD-2-Clause"
    python_requires = "rocm-patch-base/1.0"
    python_requires_extend = "rocm-patch-base.Component"

    def init(self):
        """Add the flavour, of which rocSOLVER has one."""
        self.options.update({"flavour": ["whole"]}, {"flavour": "whole"})
