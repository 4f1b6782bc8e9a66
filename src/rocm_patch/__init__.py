"""rocm-patch: PyTorch training on gfx1010 cards, from pinned sources to signed packages."""

from __future__ import annotations


def __getattr__(name: str) -> str:
    """Give `__version__`; looking it up takes as long as all other imports of a short command together."""
    if name != "__version__":
        raise AttributeError(name)
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415  # see above

    try:
        return version("rocm-patch")
    except PackageNotFoundError:  # a source tree on PYTHONPATH, never installed
        return "0+source"
