"""Prints the compute instructions that no vector checks: `python -m tests.unit.vgpu_core.without`."""

from __future__ import annotations

import sys

from tests.unit.vgpu_core.table import ROWS
from tests.unit.vgpu_core.test_vgpu_core_table import GRAPHICS, without_vectors

if __name__ == "__main__":
    missing = without_vectors()
    whole = sum(row.fmt not in GRAPHICS for row in ROWS.values())
    sys.stdout.write("".join(f"{name}\n" for name in missing))
    sys.stdout.write(f"{whole - len(missing)} of {whole} compute instructions have a vector\n")
