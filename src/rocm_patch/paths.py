"""Where things live: the project's data, the cache, the outputs.

Knows folder names only; what is put in them is the business of each part.
"""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from rocm_patch.errors import DataError


def data_root() -> Path:
    """Give the folder of recipes/, patches/, problems/ and build/: a checkout, or the installed copy."""
    here = Path(__file__).resolve().parent
    candidates = [here.parent.parent, here / "_data"]
    override = os.environ.get("ROCM_PATCH_DATA")
    if override:
        candidates.insert(0, Path(override))
    for root in candidates:
        if (root / "recipes").is_dir() and (root / "patches").is_dir():
            return root
    raise DataError(
        "the project's recipes and patches were not found",
        cause=f"looked in {', '.join(str(c) for c in candidates)}",
        step="run from a checkout, reinstall rocm-patch, or set ROCM_PATCH_DATA to a checkout",
    )


def cache_root() -> Path:
    """Give the user's cache folder for rocm-patch ($ROCM_PATCH_CACHE overrides it)."""
    override = os.environ.get("ROCM_PATCH_CACHE")
    return Path(override) if override else Path(platformdirs.user_cache_dir("rocm-patch"))


def dist_root() -> Path:
    """Give the folder for finished artefacts: dist/ of the checkout, or of the current folder."""
    override = os.environ.get("ROCM_PATCH_DIST")
    if override:
        return Path(override)
    root = data_root()
    return (root if (root / "pyproject.toml").is_file() else Path.cwd()) / "dist"
