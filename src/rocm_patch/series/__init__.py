"""Patch series in quilt's format: read, apply exactly, take off, refresh, check, hash.

Knows nothing of recipes, sources or builds; a tree is a folder given by the caller.
"""

from __future__ import annotations

from rocm_patch.series import matrix
from rocm_patch.series.check import Finding, check
from rocm_patch.series.edit import new_patch, refresh
from rocm_patch.series.engine import Result, apply_series, unapply
from rocm_patch.series.folder import (
    Patch,
    Series,
    all_series,
    load_series,
    series_digest,
    series_folder,
)

__all__ = [
    "Finding",
    "Patch",
    "Result",
    "Series",
    "all_series",
    "apply_series",
    "check",
    "load_series",
    "matrix",
    "new_patch",
    "refresh",
    "series_digest",
    "series_folder",
    "unapply",
]
