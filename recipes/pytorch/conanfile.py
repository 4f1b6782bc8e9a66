"""PyTorch's wheel as a Conan package. The steps are rocm_patch.components.pytorch's."""

from conan import ConanFile


class PyTorch(ConanFile):
    """The wheel of one PyTorch version for one gfx target and one Python."""

    name = "pytorch"
    description = "PyTorch with GPU code for the cards that upstream's wheels leave out"
    license = "BSD-3-Clause"
    python_requires = "rocm-patch-base/1.0"
    python_requires_extend = "rocm-patch-base.Component"
