"""Tuned GEMM logic for cards that upstream has none for, derived from a relative's at build time."""

from __future__ import annotations

from rocm_patch.logic.derive import Derived, Rules, derive, load_rules

__all__ = ["Derived", "Rules", "derive", "load_rules"]
