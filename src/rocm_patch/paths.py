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


def state_root() -> Path:
    """Give the user's folder for what must outlive the cache ($ROCM_PATCH_STATE overrides it)."""
    override = os.environ.get("ROCM_PATCH_STATE")
    return Path(override) if override else Path(platformdirs.user_state_dir("rocm-patch"))


def log_root() -> Path:
    """Give the folder of the logs: in the user's state; /var/log where root was given another's home."""
    folder = state_root()
    if os.geteuid() == 0 and "ROCM_PATCH_STATE" not in os.environ:
        existing = next((one for one in (folder, *folder.parents) if one.exists()), folder)
        if existing.exists() and existing.stat().st_uid != 0:
            return Path("/var/log/rocm-patch")
    return folder / "log"


def dist_root() -> Path:
    """Give the folder for finished artefacts: dist/ of the checkout, or of the current folder."""
    override = os.environ.get("ROCM_PATCH_DIST")
    if override:
        return Path(override)
    root = data_root()
    return (root if (root / "pyproject.toml").is_file() else Path.cwd()) / "dist"
