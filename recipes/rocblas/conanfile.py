"""rocBLAS as a Conan package. The steps are rocm_patch.components.rocblas's."""

from conan import ConanFile


class RocBlas(ConanFile):
    """One version of rocBLAS for one gfx target."""

    name = "rocblas"
    description = "rocBLAS with GPU code and tuned kernels for the cards that upstream leaves out"
    license = "MIT"
    python_requires = "rocm-patch-base/1.0"
    python_requires_extend = "rocm-patch-base.Component"

    def init(self):
        """Add the flavour: which part is built."""
        parts = ["whole", "kernels-only", "without-tensile"]
        self.options.update({"flavour": parts}, {"flavour": "whole"})
