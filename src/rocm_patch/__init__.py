"""rocm-patch: PyTorch training on gfx1010 cards, from pinned sources to signed packages."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("rocm-patch")
except PackageNotFoundError:  # a source tree on PYTHONPATH, never installed
    __version__ = "0+source"
